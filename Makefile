# Two commands matter, `make demo` and `make test`. Each sets the machine up first, once.
PYTHON ?= python3
BIN := .venv/bin
PIN ?=
SETUP :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults lint format bench pin clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: ## install what is missing: Debian packages, then .venv
	@command -v $(PYTHON) >/dev/null || { echo "set-up: there is no $(PYTHON). Type: sudo apt-get install python3 python3-venv" >&2; exit 70; }
	@$(PYTHON) .ci/bootstrap.py $(SETUP)

demo: setup ## from specs to a signed release that a device pulls
	@.ci/demo

test: SETUP := --tests
test: setup ## every check and every test
	@.ci/test

faults: SETUP := --tests
faults: setup ## everything that is tried against updates, counted
	@.ci/faults

lint: setup ## the checks without the tests
	@.ci/lint

format: setup ## format Python and C
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .
	@.ci/c-sources | xargs -0 -r $(BIN)/clang-format -i

bench: setup ## measure what the README promises
	@set -e; for script in benchmarks/bench_*.py; do $(BIN)/python $$script; done

pin: setup ## pin the Python packages again (PIN=--upgrade for the newest)
	@.ci/pin $(PIN)

clean: ## remove .venv and caches; releases, keys and stored artifacts in .tinyops stay
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
