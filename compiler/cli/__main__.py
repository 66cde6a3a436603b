"""python -m learnact.compiler.cli: the command line, where scripts are not on the path (torchrun)."""

from learnact.compiler.cli.main import main

main()
