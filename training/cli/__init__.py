"""learnact-train: the command line."""
