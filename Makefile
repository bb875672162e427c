# Everything one does with this repository. `make help` lists it.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
STEP := deploy/setup/step.sh
# One worker for each processor, and no more than the tests can use.
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))
# The name holds the place of the checkout: one that was moved is set up anew.
INSTALLED := build/python-$(shell pwd | cksum | cut -d' ' -f1).installed

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- Set-up -----------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: python engine ## Install what is missing and build the engine; quick when there is nothing to do

.PHONY: debian
debian:
	@deploy/setup/debian.sh

.PHONY: python
python: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml deploy/setup/python.sh | debian
	@$(STEP) "Python environment" deploy/setup/python.sh
	@touch $@

.PHONY: engine
engine: debian ## Build the matching engine into build/engine
	@$(STEP) "Engine" deploy/setup/engine.sh build/engine release ordermesh-engine

# --- Running ----------------------------------------------------------------------------------------------------------

.PHONY: run
run: setup ## Start the whole mesh on this machine (PORT=9080 moves its ports, SHARDS=2 splits the accounts)
	@exec $(PYTHON) -m deploy.embedded $(if $(PORT),--port $(PORT)) $(if $(SHARDS),--shards $(SHARDS))

# --- Proving ----------------------------------------------------------------------------------------------------------

.PHONY: test
test: setup engine-test ## Run every test: engine, unit, contract, integration, end to end
	@$(STEP) "Python tests" $(PYTHON) -m pytest -n $(WORKERS) $(ARGS)

.PHONY: engine-test
engine-test: debian ## Run the engine's tests
	@$(STEP) "Engine tests: build" deploy/setup/engine.sh build/engine release engine_tests neutral_bench
	@$(STEP) "Engine tests" ctest --test-dir build/engine --output-on-failure --parallel $(WORKERS)

.PHONY: sanitize
sanitize: debian ## Run the engine's tests under the address and undefined-behaviour sanitizers
	@$(STEP) "Sanitized engine: build" deploy/setup/engine.sh build/engine-sanitize sanitize engine_tests
	@$(STEP) "Sanitized engine tests" ctest --test-dir build/engine-sanitize --output-on-failure --parallel $(WORKERS)

.PHONY: faults
faults: setup ## Pull every plug under load, many times: SEEDS='1 2 3' decides when
	@SEEDS='$(or $(SEEDS),1 2 3)' $(STEP) "Faults" $(PYTHON) -m pytest tests/faults -m faults $(ARGS)

.PHONY: attacks
attacks: setup ## Attack the mesh from all sides: INPUTS=10000 requests of each kind
	@INPUTS='$(or $(INPUTS),10000)' $(STEP) "Attacks" $(PYTHON) -m pytest tests/attacks -m 'long or not long' \
	  --timeout 14400 $(ARGS)

.PHONY: clients
clients: setup ## Build clients that others wrote (Go, C++, JavaScript) and let them trade
	@$(STEP) "Clients: build" tests/clients/build.sh
	@$(STEP) "Clients" $(PYTHON) -m pytest tests/clients $(ARGS)

.PHONY: bench
bench: setup ## Measure; prints a table and keeps it as JSON in bench-results/
	@$(PYTHON) -m tests.bench $(ARGS)

.PHONY: lint
lint: python ## Check style, types and who imports whom
	@$(STEP) "ruff" .venv/bin/ruff check .
	@$(STEP) "ruff format" .venv/bin/ruff format --check .
	@$(STEP) "mypy" .venv/bin/mypy
	@$(STEP) "import-linter" .venv/bin/lint-imports --no-logo

.PHONY: proto-check
proto-check: python ## Check the contracts: lint, format, breaking changes, drift of gen/
	@$(STEP) "Contracts" $(PYTHON) proto/build/check.py all
	@$(STEP) "Generated code" $(PYTHON) proto/build/generate.py --check

# --- Writing ----------------------------------------------------------------------------------------------------------

.PHONY: gen
gen: python ## Write gen/ from the contracts
	@$(PYTHON) proto/build/generate.py

.PHONY: fmt
fmt: python ## Format the code and the contracts
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .
	@$(PYTHON) proto/build/check.py format --write

.PHONY: lock
lock: python ## Choose new versions of all Python packages
	@.venv/bin/uv pip compile --universal --python-version 3.11 --all-extras --upgrade --quiet --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

.PHONY: clean
clean: ## Remove what was built; data in var/ and the Python environment stay
	@rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
