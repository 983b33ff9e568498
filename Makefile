# make test, make demo and the rest work from a clone alone: they make .venv first.
# A second run skips what setup.cfg hasn't changed.

# The first of these that is Python 3.11 or newer.
PYTHON := $(or $(PYTHON),$(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done),python3)
SERVE ?= 1
PYTEST ?=
N ?= 1500
BROKER ?= both
EXAMPLES ?= 2000
STEPS ?= 50
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help test chaos builds model demo screenshots lint types check clean bench bench-engine tables
.DELETE_ON_ERROR:

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

test: .venv/.test ## run the tests (PYTEST="-k build -x" passes options on)
	$(BIN)/python -m pytest -n auto $(PYTEST)

chaos: .venv/.test ## storm it: kill workers, brokers, savers (N=10000 BROKER=redis SEED=7 CHAOS="--report FILE")
	$(BIN)/python -m tests.chaos --saves $(N) --broker $(BROKER) $(if $(SEED),--seed $(SEED)) $(CHAOS)

builds: .venv/.test ## kill workers in the middle of builds (N=500 SEED=7 BUILDS="--report FILE")
	$(BIN)/python -m tests.builds --builds $(if $(filter file,$(origin N)),60,$(N)) $(if $(SEED),--seed $(SEED)) $(BUILDS)

demo: .venv/.local ## moderate the example's messages, then serve it (SERVE=0 stops after the table)
	$(BIN)/python manage.py demo $(if $(filter 0 no false,$(SERVE)),--no-serve)

screenshots: .venv/.test ## take the documentation's pictures anew
	SCREENSHOTS=docs/images $(BIN)/python -m pytest tests/test_demo.py tests/browser -k "visitor or admin or life"

model: .venv/.test ## search the state machine for longer (EXAMPLES=20000 STEPS=50 SEED=1) into reports/model.json
	rm -rf build/model && mkdir -p build/model
	MODEL_PARTS=build/model MODEL_EXAMPLES=$(EXAMPLES) MODEL_STEPS=$(STEPS) MODEL_SEED=$(or $(SEED),1) MODEL_SHARDS=20 \
		$(BIN)/python -m pytest -n auto --dist worksteal tests/model; status=$$?; \
		$(BIN)/python -m tests.model.report build/model reports/model.json; exit $$status

bench: .venv/.bench ## measure saves, wake-ups, throughput and quota (minutes; needs the servers)
	for program in saves wakes throughput quota; do $(BIN)/python -m benchmarks.$$program || exit 1; done
	$(BIN)/python -m benchmarks.figures

tables: .venv/.bench ## measure tables of up to 10^7 rows and rounds of 10^5 (half an hour, 20 GB)
	for program in tables rounds; do $(BIN)/python -m benchmarks.$$program || exit 1; done
	$(BIN)/python -m benchmarks.figures

bench-engine: .venv/.bench build/peers/.made ## measure the engine's categories beside others (DATA=folder of the data sets)
	@test -n "$(DATA)" || { echo "make bench-engine DATA=FOLDER: NOTICE names the data sets." >&2; exit 2; }
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.engine --data $(DATA) --peers build/peers/bin/python
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.engine_tiers --data $(DATA)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.engine_topics --data $(DATA)
	$(BIN)/python -m benchmarks.figures

# alt-profanity-check pins one scikit-learn, so what we are measured beside lives apart.
build/peers/.made: $(BIN)/pip
	@$(PYTHON) -m venv --clear build/peers
	build/peers/bin/python -m pip --disable-pip-version-check install -qq alt-profanity-check better-profanity "setuptools<81"
	@touch $@

lint: .venv/.dev ## check style, templates and the import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	git ls-files -zco --exclude-standard '*/templates/*.html' | xargs -0 -r $(BIN)/djade --check --target-version 5.2
	$(BIN)/lint-imports --no-cache

types: .venv/.dev ## check the types
	$(BIN)/mypy --strict

check: lint types test ## lint, types and test
	$(BIN)/python manage.py makemigrations --check --dry-run

clean: ## remove .venv and what the tools left
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .tox build dist *.egg-info

# pip comes last into a new environment, so where it is, the environment is whole.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "django-contentsafety needs Python 3.11 or newer, and $(PYTHON) is %d.%d.\nName another one: make PYTHON=/path/to/python3.12" % v[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: its modules venv and ensurepip are missing." >&2; \
		echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv

# .venv/.test holds the extra "test", and so on.
.venv/.%: $(BIN)/pip setup.cfg pyproject.toml
	@printf 'Installing the package with its extra "%s" (about a minute) ' $*
	@( while sleep 2; do printf .; done ) & dots=$$!; \
		$(PIP) install -qq -e '.[$*]'; status=$$?; \
		kill $$dots 2>/dev/null; echo; exit $$status
	@touch $@
