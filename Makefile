# Every target does the set-up it needs. `make demo` is the place to start.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo demo-heal ui check test soak bench clean

help:
	@echo "make demo   train toy models, collect and label the whole grid, print the audit (minutes)"
	@echo "make demo-heal  damage the demo's files in six ways and watch it heal itself"
	@echo "make ui     open the Dagster UI on it"
	@echo "make test   run the tests"
	@echo "make soak   try every claim at its full count (about six minutes)"
	@echo "make check  format, lint, types, import rules"
	@echo "make bench  performance comparisons"
	@echo "make clean  delete the demo's data; the virtual environment stays"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(0 if ok else "quarry needs Python 3.11, 3.12 or 3.13, this is " + sys.version.split()[0] + ": name another with make PYTHON=python3.11 ...")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python has no venv module: install it with: apt-get install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

demo: setup
	$(BIN)/quarry demo

demo-heal: setup
	$(BIN)/quarry demo-heal

ui: setup
	$(BIN)/quarry ui

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

test: setup
	$(BIN)/pytest -n auto

soak: setup
	$(BIN)/python -m tests.soak $(SOAK)

bench: setup
	@for name in trajectory_io crash_safety write_path read_path object_store code_grading; do echo "== $$name"; $(BIN)/python bench/$$name.py || exit 1; done
	@echo "== relabelling"; $(BIN)/python -m bench.relabelling

clean:
	rm -rf .quarry
