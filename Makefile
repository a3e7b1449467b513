# `make demo`: from nothing to a trained, exported and measured network with its report. `make test`: the tests.
# Everything is installed into .venv; nothing outside this folder changes, except a data package by apt where that
# works without asking.

.DELETE_ON_ERROR:
.PHONY: help venv demo demo-baselines fashion-mnist test coverage test-slow test-shared test-executorch lint format \
	format-check types layers check clean

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PIP_ARGS ?=
WORKERS ?= 2
PYTEST_ARGS ?=
DEMO_ARGS ?= --latency-ms 0.18 --minutes 4.8 --run-dir demo \
	--set space.channels=16,24,48,96 --set space.layers=1,2,2,2 --set space.strides=1,2,2,1 \
	--set space.stem_stride=2 --set space.head_channels=256 \
	--set recipe.augmentation.crop_padding=0 --set recipe.label_smoothing=0

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# neighbouring tests stay together, so that what a file sets up is mostly set up once
FAST := "not slow and not shared and not network and not gpu"
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

help: ## Lists the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

venv: $(INSTALLED) ## Makes .venv and installs the package with its tools.

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "SculptNet needs Python 3.11 or newer; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "venv failed; Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV); PyTorch is large, this takes a few minutes"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) -e '.[dev]'
	@touch $@

demo: $(INSTALLED) fashion-mnist ## Fits a network for Fashion-MNIST to this CPU; the report is demo/report.html.
	$(BIN)/sculptnet fit fashion_mnist $(DEMO_ARGS)

demo-baselines: $(INSTALLED) fashion-mnist ## The same with comparisons at the same latency.
	$(BIN)/sculptnet fit fashion_mnist $(DEMO_ARGS) --baselines

# Debian and Ubuntu carry the data; elsewhere, or if this fails, `sculptnet fit` downloads them.
fashion-mnist:
	@test -d /usr/share/datasets/fashion-mnist || ! command -v apt-get >/dev/null || { \
		if [ "$$(id -u)" = 0 ]; then root=; else root='sudo -n'; fi; \
		$$root true 2>/dev/null || exit 0; \
		echo "Fetching Fashion-MNIST by apt-get"; \
		export DEBIAN_FRONTEND=noninteractive; \
		install="$$root apt-get install -y -qq --no-install-recommends dataset-fashion-mnist"; \
		$$install >/dev/null 2>&1 </dev/null \
			|| { $$root apt-get update -qq >/dev/null 2>&1 && $$install >/dev/null 2>&1 </dev/null; } \
			|| echo "apt-get has no dataset-fashion-mnist here; it will be downloaded"; }

test: $(INSTALLED) ## The tests, a few minutes on two cores.
	$(PYTEST) -m $(FAST) $(PYTEST_ARGS)

coverage: $(INSTALLED) ## The same tests, half as fast, and which lines and branches they cover.
	$(PYTEST) -m $(FAST) --timeout 900 --cov=sculptnet $(PYTEST_ARGS)

test-slow: $(INSTALLED) ## The tests that take minutes each.
	$(PYTEST) -m "slow and not shared and not network and not gpu" --timeout 3600 $(PYTEST_ARGS)

test-shared: $(INSTALLED) ## The tests on image and table collections beside the repository.
	$(PYTEST) -m "shared" --timeout 3600 $(PYTEST_ARGS)

test-executorch: ## The tests of ExecuTorch, whose many dependencies get an environment of their own.
	$(PYTHON) -m venv $(VENV)-executorch
	$(VENV)-executorch/bin/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) -e '.[dev,executorch]'
	$(ONE_THREAD) $(VENV)-executorch/bin/python -m pytest -m slow --timeout 3600 tests/devices/test_executorch.py $(PYTEST_ARGS)

lint: $(INSTALLED) ## ruff's rules.
	$(BIN)/ruff check .

format: $(INSTALLED) ## Formats the code.
	$(BIN)/ruff format .

format-check: $(INSTALLED)
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## mypy, strict.
	$(BIN)/mypy

layers: $(INSTALLED) ## Imports point down only.
	$(BIN)/lint-imports --no-logo

check: lint format-check types layers ## Everything but the tests.

clean: ## Removes what make made: .venv, caches, demo.
	rm -rf $(VENV) $(VENV)-executorch demo build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
