# CRPBot. `make` alone lists what can be done here.
#
# PYTHON       the interpreter that makes .venv (3.11 or newer; the one that the pins were tested with is 3.11)
# TORCH_INDEX  where torch's CPU wheel comes from when pip's configured find-links has none
# JOBS         how many test processes run side by side

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(if $(wildcard /usr/bin/python3),/usr/bin/python3,python3)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
JOBS ?= auto
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
TORCH := $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.txt)
# Checks read the settings: they get a data folder of their own.
CHECK_ENV := env CRPBOT_ENV_FILE=/dev/null CRPBOT_DATA_DIR=$(CURDIR)/$(VENV)/check
SCRIPTS = $(shell git ls-files --cached --others --exclude-standard | xargs -r grep -lE '^\#!.*\b(ba)?sh$$' 2>/dev/null)

.PHONY: help install dev run test test-ci test-docker test-browser test-faults test-pages test-proof mutation lint house lock screenshots nightly storm clean

help: ## List these targets.
	@echo "CRPBot: what can be done here"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(BIN)/.installed ## Make .venv and install what the appliance needs.

dev: $(BIN)/.developed ## Install what the tests and checks need as well.

run: $(BIN)/.installed ## Start the appliance: panel, feeds, scans and paper trades on this machine.
	@exec $(BIN)/python manage.py appliance

test: $(BIN)/.developed ## Run the tests that every machine can run (no browser, Docker, faults or proof).
	@echo "== tests of the database on PostgreSQL"
	@CRPBOT_TEST_DB=postgres $(PYTEST) -q -n $(JOBS) -m "not browser and not docker and not faults and not proof" \
	  --ignore=tests/panel --ignore=tests/site
	@echo "== all tests on SQLite"
	@$(PYTEST) -q -n $(JOBS) -m "not browser and not docker and not faults and not proof"

test-ci: $(BIN)/.developed ## Run every test: make test, and the browser, Docker, fault and proof tests.
	@$(MAKE) test-docker test-faults test-browser test-pages test-proof
	@$(MAKE) test

test-docker: $(BIN)/.developed ## Build the image and run the whole stack on the Docker engine of this machine.
	@echo "== the stack in Docker (builds the image; some minutes)"
	@$(PYTEST) -q -m docker

test-browser: $(BIN)/.developed ## Drive the panel in a real Chromium.
	@echo "== the panel in Chromium"
	@$(PYTEST) -q -m browser

test-faults: $(BIN)/.developed ## Kill, stop and starve real processes and look at what is left.
	@echo "== faults"
	@$(PYTEST) -q -m faults -o log_cli=true -o log_cli_level=INFO

test-pages: $(BIN)/.developed ## Run the tests of the panel and the commands on PostgreSQL.
	@echo "== panel and commands on PostgreSQL"
	@CRPBOT_TEST_DB=postgres $(PYTEST) -q -n $(JOBS) -m "not browser and not docker and not faults and not proof" \
	  tests/panel tests/site

test-proof: $(BIN)/.developed ## Try thousands of lives, faults and bad clocks against the guard.
	@echo "== proof of the guard on PostgreSQL"
	@CRPBOT_TEST_DB=postgres $(PYTEST) -q -n $(JOBS) -m proof
	@echo "== proof of the guard on SQLite"
	@$(PYTEST) -q -n $(JOBS) -m proof

mutation: $(BIN)/.developed ## Change the guard in one place at a time and list what no test notices.
	@$(BIN)/python -m tests.proof.mutate

lint: $(BIN)/.developed ## Check style, types, directions of imports, spelling, Django and shell scripts.
	@echo "== style"; $(BIN)/ruff check --quiet . ; $(BIN)/ruff format --quiet --check .
	@echo "== types"; $(CHECK_ENV) $(BIN)/mypy
	@echo "== directions of imports"; $(BIN)/lint-imports
	@echo "== spelling"; git ls-files --cached --others --exclude-standard | xargs $(BIN)/codespell
	@echo "== Django"; $(CHECK_ENV) $(BIN)/python manage.py check; $(CHECK_ENV) $(BIN)/python manage.py makemigrations --check --dry-run
	@echo "== shell scripts"; $(if $(shell command -v shellcheck),shellcheck $(SCRIPTS),echo "shellcheck is not on this machine: sudo apt-get install --yes shellcheck")

house: $(BIN)/.developed ## Print the figures of the house: sizes, tests to code, cycles, annotations.
	@$(BIN)/python bench/house.py

lock: $(BIN)/.developed ## Write the lock files from the pins, with hashes.
	@for set in requirements requirements-ccxt requirements-dev; do \
	  echo "== $$set.lock"; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-deps --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-emit-package torch --no-annotate --no-header \
	    --output-file $$set.lock $$set.txt; \
	done

screenshots: $(BIN)/.developed ## Take the pictures of the panel for docs/images with a headless Chromium.
	@$(BIN)/python -m tests.panel.screenshots

nightly: $(BIN)/.developed ## Run test-ci with longer property tests and 200 kills.
	@CRPBOT_NIGHTLY=1 CRPBOT_KILLS=200 $(MAKE) test-ci

storm: $(BIN)/.developed ## Kill the whole appliance 200 times at random moments and count the orders.
	@CRPBOT_KILLS=200 $(PYTEST) -q -m faults -o log_cli=true -o log_cli_level=INFO

clean: ## Remove what can be made again: .venv and caches. The data in var/ stays.
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis staticfiles
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

$(BIN)/.made:
	@echo "== making $(VENV) with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "CRPBot needs Python 3.11 or newer; $(PYTHON) is not. Name another: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python cannot make environments here: sudo apt-get install --yes python3-venv"; exit 1; }
	@touch $@

# pip looks for torch in its configured find-links first; only then is TORCH_INDEX asked.
$(BIN)/.installed: $(BIN)/.made requirements.lock
	@echo "== installing $(TORCH), the build for processors without a graphics card (190 MB)"
	@$(PIP) install -qq --no-deps --no-index $(TORCH) 2>/dev/null \
	  || $(PIP) install --no-deps --progress-bar on --index-url $(TORCH_INDEX) $(TORCH)
	@echo "== installing $$(grep -c '==' requirements.lock) packages (600 MB to fetch; a minute on a fast line)"
	@$(PIP) install -qq --no-deps --use-pep517 --require-hashes -r requirements.lock
	@$(PIP) check
	@touch $@

$(BIN)/.developed: $(BIN)/.installed requirements-ccxt.lock requirements-dev.lock
	@echo "== installing $$(cat requirements-ccxt.lock requirements-dev.lock | grep -c '==') packages for tests and checks"
	@$(PIP) install -qq --no-deps --require-hashes -r requirements-ccxt.lock -r requirements-dev.lock
	@$(PIP) check
	@touch $@
