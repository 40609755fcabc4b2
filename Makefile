# `make run` and `make test` set up what they need: Python 3.11 or newer with venv is all there has to be.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-bench

.PHONY: run test proof check bench lock clean

run: $(VENV)/ready  ## The main job without any cloud; ARGS=--once runs it once, compares and exits
	$(BIN)/python -m replicator.dev $(ARGS)

test: $(VENV)/ready  ## The whole suite; ARGS goes to pytest
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

proof: $(VENV)/ready  ## The long forms of docs/reliability.md's tests, with their figures; ARGS=--write keeps those
	$(BIN)/python -m pytest tests/proof --long --timeout 900 -n auto --dist loadfile $(ARGS)

check: $(VENV)/ready  ## Lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/ready $(PEERS)/ready  ## The measurements of docs/benchmarks.md, an hour and a half; ARGS="--quick", or "--works A --ways B"
	$(BIN)/python -m tests.bench $(ARGS)

lock: $(VENV)/ready  ## Pins pyproject.toml's dependencies in requirements.txt and requirements-dev.txt
	$(BIN)/pip-compile $(LOCK) --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

LOCK := --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

$(VENV)/ready: requirements-dev.txt
	@echo "Setting up $(VENV) from requirements-dev.txt (once; about a minute)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

$(PEERS)/ready: tests/bench/requirements.txt
	@echo "Setting up $(PEERS) with what the benchmarks compare with (once)"
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/bench/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .hypothesis
