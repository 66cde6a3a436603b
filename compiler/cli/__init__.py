"""learnact-gen: the command line."""
