"""python -m learnact.training.cli: the command line, where scripts are not on the path (torchrun)."""

from learnact.training.cli.main import entry

entry()
