# Thin aliases; each makes or refreshes the virtual environment first. `make PYTHON=python3.12 VENV=/some/where test`
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

bin := $(VENV)/bin
stamp := $(VENV)/.installed
sources := docs/site package compiler generated templates training tests $(wildcard benchmarks)

.DEFAULT_GOAL := help
.PHONY: help demo test thorough lint format generate check docs site types bench gpu clients clean

help:  ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

$(stamp): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(bin)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,train]'
	@touch $@

demo: $(stamp)  ## compile two activations, verify them, train both against GELU (under four minutes)
	$(bin)/python -m learnact.training.demo

test: $(stamp)  ## the test suite
	$(bin)/python -m pytest -n $(WORKERS) --dist loadgroup

thorough: $(stamp)  ## the test suite with the slow cases that `make test` leaves out
	$(bin)/python -m pytest -n $(WORKERS) --dist loadgroup -m ""

lint: $(stamp)  ## ruff, mypy, and generated/ against the compiler
	$(bin)/ruff check $(sources)
	$(bin)/ruff format --check $(sources)
	MYPYPATH=package $(bin)/mypy -p learnact
	$(bin)/learnact-gen check

types: $(stamp)  ## mypy and pyright on a user's project, from a wheel and editable (brings 280 MB)
	$(bin)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt basedpyright
	PATH="$(abspath $(bin)):$$PATH" $(bin)/python -m pytest -rs tests/package/test_types.py

format: $(stamp)  ## rewrite the sources in the house format
	$(bin)/ruff check --fix $(sources)
	$(bin)/ruff format $(sources)

generate: $(stamp)  ## write generated/ again
	$(bin)/learnact-gen generate

check: $(stamp)  ## is generated/ byte for byte what the compiler emits?
	$(bin)/learnact-gen check

docs: $(stamp)  ## write the pages of docs/families again
	$(bin)/learnact-gen docs --pictures

site: $(stamp)  ## build the documentation into build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build

bench: $(stamp)  ## time against GELU, hand-written torch and a plain copy (QUICK=1: only show that it runs)
	$(bin)/python -m benchmarks.speed $(if $(QUICK),--quick,--out benchmarks/results)

gpu: $(stamp)  ## correctness and speed on an NVIDIA GPU, in under nine minutes
	$(bin)/python -m benchmarks.gpu --out benchmarks/results

clients:  ## train, save and load in peft, lightning, timm, diffusers, keras: an environment that is thrown away
	env=$$(mktemp -d) && trap 'rm -rf "$$env"' EXIT && $(PYTHON) -m venv $$env && \
	$$env/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,train]' \
		peft lightning diffusers keras h5py huggingface_hub && \
	$$env/bin/python -m pip install --quiet --disable-pip-version-check --no-deps timm && \
	$$env/bin/python -m pytest tests/clients/outside/client_*.py

clean:  ## remove what was built, the environment included
	rm -rf $(VENV) build dist demo-output *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(sources) -name __pycache__ -type d -prune -exec rm -rf {} +
