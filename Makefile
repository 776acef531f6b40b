# Everything runs in a virtual environment of its own, .venv, with the versions of requirements.lock.
# Needed beforehand: python3 >= 3.11, make, and network access to the package registries.

# OpenMP threads that wait must sleep: on few busy cores spinning ones slow training down tenfold.
export OMP_WAIT_POLICY := PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
# The projects that maasnb is measured against stay out of .venv.
BENCH := .venv-bench
BENCH_STAMP := $(BENCH)/.installed
BENCH_SERVE := .venv-bench-serve
BENCH_SERVE_STAMP := $(BENCH_SERVE)/.installed
# So does the S3 service that the tests run: it wants older packages than the rest.
MOTO := .venv-moto
MOTO_STAMP := $(MOTO)/.installed
# And what makes the site of docs/.
DOCS := .venv-docs
DOCS_STAMP := $(DOCS)/.installed
# The oldest torch that the lock may name is also the newest: its CPU build is enough for everything.
TORCH := torch==2.13.0

# Tests run in so many processes; each may hold both frameworks, a kernel and a browser (3 GB).
WORKERS ?= 2

NOTEBOOKS := $(wildcard notebooks/*.ipynb notebooks/articles/*.ipynb)
# Those that make test runs; the Chinese twins hold the same code, which tests/notebook compares.
QUICKSTART := notebooks/00_quickstart.ipynb notebooks/10_publish_and_operate.ipynb
# The files whose tests are marked as long; make test leaves them out.
LONG = $(shell grep -rlE --include='test_*.py' 'pytest\.mark\.long' tests)
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout 120 \
  --nbval-sanitize-with notebooks/sanitize.cfg
# Files go to the workers in the order of the folders, so that those of tests/browser share a browser.
# Each notebook gets a workspace of its own (notebooks/conftest.py), the rest this one.
PYTEST = home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && \
  MAASNB_HOME="$$home" MAASNB_PANEL=static $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install demo test test-notebooks moto check docs lab extension bench bench-serve lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv with the locked versions and this package, editable

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "maasnb needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	       "Type: make install PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { \
	  echo "No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv"; \
	  exit 1; }
	@echo "Installing the versions of requirements.lock into $(VENV); this takes a few minutes."
	@$(PY) -m pip install -qq -r requirements.lock
	@$(PY) -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## Run the quickstart in a real kernel, with both backends, up to a prediction over HTTP
	@$(PY) notebooks/demo.py

test: install moto ## Run all tests, the documentation's examples and the quickstart
	@$(PYTEST) tests maasnb $(QUICKSTART) -m "not long" $(NBVAL) $(PYTEST_ARGS)

test-notebooks: install ## Run all notebooks, the solutions of their exercises, Binder's files and the benchmarks
	@$(PYTEST) $(LONG) $(NOTEBOOKS) $(NBVAL) $(PYTEST_ARGS)

moto: $(MOTO_STAMP) ## Make .venv-moto with the S3 service that tests of the registry run

$(MOTO_STAMP): tests/requirements-moto.lock
	@test -x $(MOTO)/bin/python || $(PYTHON) -m venv $(MOTO)
	@$(MOTO)/bin/python -m pip install -qq -r $<
	@touch $@

check: install ## Check format, lint, types, import contracts, spelling and the front end's bundles
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(PY)
	$(BIN)/lint-imports
	$(BIN)/codespell
	@$(PY) -c 'import sys; from tests.panels.test_bundle import stale; stale() and sys.exit(f"stale bundles: {stale()}. Type: make extension")'

# Only for whoever changes the front end: what it builds is committed, and pip needs no Node.
extension: ## Build the front end (Node 20 or newer), after its types and tests are checked
	cd extension && npm ci && npm run check && npm test && npm run build

docs: $(DOCS_STAMP) ## Build the documentation as a site in build/site; a warning fails it
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet --clean
	@echo "The site is in build/site; to read it: $(DOCS)/bin/mkdocs serve"

$(DOCS_STAMP): docs/requirements.lock
	@test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install -qq -r $<
	@touch $@

lab: install ## Open the quickstart in JupyterLab
	@$(BIN)/jupyter lab notebooks/00_quickstart.ipynb

# The peers come without their dependencies' wishes: those that are used are in the lock themselves.
bench: $(BENCH_STAMP) ## Measure training against loops by hand and other trainers (an hour)
	@$(BENCH)/bin/python benchmarks/training.py $(if $(BENCH_JSON),--json "$(BENCH_JSON)") $(BENCH_ARGS)

$(BENCH_STAMP): requirements.lock benchmarks/requirements.lock pyproject.toml
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@echo "Installing maasnb and what it is compared with into $(BENCH); this takes a few minutes."
	@$(BENCH)/bin/python -m pip install -qq -r requirements.lock
	@$(BENCH)/bin/python -m pip install -qq --no-deps -r benchmarks/requirements.lock
	@$(BENCH)/bin/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

bench-serve: install $(BENCH_SERVE_STAMP) ## Measure serving against MLServer, LitServe and others (half an hour)
	@home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && \
	MAASNB_HOME="$$home" MAASNB_PANEL=static $(PY) -m benchmarks.serving \
	  --peers $(BENCH_SERVE)/bin/python $(if $(BENCH_JSON),--json "$(BENCH_JSON)") $(BENCH_ARGS)

$(BENCH_SERVE_STAMP): benchmarks/serving-requirements.txt
	@test -x $(BENCH_SERVE)/bin/python || $(PYTHON) -m venv $(BENCH_SERVE)
	@echo "Installing the servers that maasnb is compared with into $(BENCH_SERVE); this takes a minute."
	@$(BENCH_SERVE)/bin/python -m pip install -qq -r benchmarks/serving-requirements.txt
	@touch $@

# CUDA's packages come with torch where its CUDA build is taken; the lock does not ask for them.
lock: install ## Resolve the newest versions and write requirements.lock
	@report=$$(mktemp) && trap 'rm -f "$$report"' EXIT && \
	$(PY) -m pip install -qq --dry-run --ignore-installed --report "$$report" \
	  '.[all,dev]' '$(TORCH)' && \
	$(PY) -c "$$WRITE_LOCK" < "$$report" > requirements.lock.new && \
	mv requirements.lock.new requirements.lock

define WRITE_LOCK
import json, sys

print("# The versions that make install takes. Written by make lock; not meant to be edited.")
for item in sorted(json.load(sys.stdin)["install"], key=lambda item: item["metadata"]["name"].lower()):
    name, version = item["metadata"]["name"], item["metadata"]["version"].partition("+")[0]
    if name != "maasnb" and not name.startswith(("nvidia-", "cuda-")) and name != "triton":
        print(f"{name}=={version}" + ("; sys_platform != 'win32'" if name == "uvloop" else ""))
endef
export WRITE_LOCK

clean: ## Remove .venv and everything that was generated
	rm -rf $(VENV) $(BENCH) $(MOTO) $(DOCS) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
