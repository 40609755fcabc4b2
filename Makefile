# `make run` and `make test` set up what they need: Python 3.11 or newer with venv is all there has to be.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check lock clean

run: $(VENV)/ready  ## The main job without any cloud; ARGS=--once runs it once, compares and exits
	$(BIN)/python -m replicator.dev $(ARGS)

test: $(VENV)/ready  ## The whole suite; ARGS goes to pytest
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

check: $(VENV)/ready  ## Lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(VENV)/ready  ## Pins pyproject.toml's dependencies in requirements.txt and requirements-dev.txt
	$(BIN)/pip-compile $(LOCK) --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

LOCK := --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

$(VENV)/ready: requirements-dev.txt
	@echo "Setting up $(VENV) from requirements-dev.txt (once; about a minute)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
