"""Mistakes that a type checker finds before anything runs: one in every line that says so, and nowhere else."""

import learnact
from learnact import derv  # wrong
from learnact.generated import Hermit5  # wrong
from learnact.generated.hermite5 import Hermite5
from learnact.symbols import gian  # wrong

print(derv, Hermit5, gian)
print(learnact.lode)  # wrong
print(Hermite5("64"))  # wrong
print(Hermite5(64, inti="gelu"))  # wrong
print(Hermite5(64, init=3))  # wrong
print(Hermite5.degrees)  # wrong
print(Hermite5().forward(3.0))  # wrong
print(Hermite5.spec + 1)  # wrong
print(learnact.derive(5))  # wrong
print(learnact.Normal("1").nothing)  # wrong
