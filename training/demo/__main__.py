"""python -m learnact.training.demo."""

from learnact.training.demo.main import main

main()
