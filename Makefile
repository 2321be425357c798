# Every target makes its own environment; nothing but Python 3.11-3.13 with pip, and make, is needed.
PYTHON ?= $(shell for v in 3.13 3.12 3.11 3; do command -v python$$v >/dev/null 2>&1 && python$$v -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo python$$v && break; done)
BIN := .venv/bin
ARGS ?=
LINT := lint-types lint-sql lint-style lint-layers
# Tests wait more than they compute, so several a core run at once; those that share an installation stay together.
PYTEST := $(BIN)/pytest -n auto --dist loadgroup --no-loadscope-reorder
# Tests start hundreds of processes of the program. Each would compile the program anew if Python kept no bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test chaos bench env lint lint-types lint-sql lint-style lint-layers docs reference compiled check pictures lock clean

demo: env  ## from nothing to a running, reconciled funnel
	@$(BIN)/funnelproof demo $(ARGS)

test: env  ## the tests that a change needs most, on real components
	$(PYTEST) -m "not thorough" $(ARGS)

chaos: env  ## kills, pauses and compaction under a busy installation; ARGS="--runs 3 --seed 7" for fewer
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: env  ## funnelproof and other engines on the same work, side by side
	@$(BIN)/python -m bench $(ARGS)

env: .venv/.complete

.venv/.complete: .venv/.requirements pyproject.toml hatch_build.py $(shell find streams -name '*.p[yx][xd]')
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@ls streams/cdc/scanner.*.so >/dev/null 2>&1 || echo "note: no C compiler works here, so workers will take twice the CPU" >&2
	@touch $@

.venv/.requirements: requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "funnelproof needs Python 3.11, 3.12 or 3.13 with pip; none was found on PATH" >&2; exit 2; }
	@echo "making .venv (the first time this takes about a minute)" >&2
	@$(PYTHON) -m venv --without-pip --clear .venv
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

lint: env  ## style, types, layers, SQL
	@$(MAKE) --no-print-directory -j 2 $(LINT)

lint-types: env
	$(BIN)/mypy

lint-sql: env
	$(BIN)/sqruff lint --quiet --parsing-errors sql bench/sql reference

lint-style: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-layers: env
	$(BIN)/lint-imports

docs: env  ## the docs site in build/site; a warning is an error
	$(BIN)/zensical build --clean --strict

reference: env  ## write docs/reference and the table of docs/settings.md anew, from the code
	$(BIN)/python -m reference

# Each worker process of pytest would compile all tests, at the same time as the others. mypy leaves a core for that.
compiled: env
	@$(BIN)/pytest --collect-only -n 0 -qq > /dev/null

check: env  ## what a change must pass: everything, with slow faults, deep searches, times and coverage
	@$(MAKE) --no-print-directory -j 2 $(LINT) compiled docs
	$(PYTEST) --hypothesis-profile deep --durations=0 --durations-min=1 --cov --cov-report=term:skip-covered $(ARGS)

pictures: env  ## draw every state of the page anew, into docs/pictures/page (needs Chromium)
	FUNNELPROOF_TEST_PICTURES=docs/pictures/page $(BIN)/pytest -n 0 tests/integration/web/test_states.py $(ARGS)

lock:  ## write requirements/ anew from pyproject.toml: all, what the image runs, what builds the wheel (needs uv on PATH)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra local --group dev pyproject.toml -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --constraint requirements/dev.txt pyproject.toml -o requirements/run.txt
	$(PYTHON) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" \
	  | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --constraint requirements/dev.txt - -o requirements/build.txt

clean:
	rm -rf .venv .bench .cache build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
