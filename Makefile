# Every target sets up what it needs and is cheap when that is done.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Many build images forbid byte code, and then each of the suite's thousand processes compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup ui demo screenshots test lint types style imports pages-style format bench lock system clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: ui ## a .venv with everything in it, and the pages

$(STAMP): pyproject.toml requirements/dev.lock
	@command -v $(PYTHON) >/dev/null || { echo "Vedette needs Python 3.11 or newer; set PYTHON=… to name yours."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --only-binary :all: -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

ui: $(STAMP) ## build the pages, if their sources changed
	@$(BIN)/python hatch_build.py

demo: setup ## run the product on a small shop's real telemetry
	$(BIN)/vedette demo

screenshots: setup system ## make the pictures of docs/images/ anew
	$(BIN)/python tests/ui/make_screenshots.py

# Real browsers and servers share the machine's cores, and a machine that others use can starve one of them. What failed is
# asked once more with the machine to itself, and told by name: a test that passes only then has a fault of its own.
test: setup system ## run all tests
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS) || { \
		status=$$?; [ $$status = 1 ] || exit $$status; \
		echo; echo "Once more, one after the other, those that failed beside the others:"; \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none --exitfirst --verbose $(ARGS); }

lint: setup ## formatting, lint, types, import rules
	@$(MAKE) --no-print-directory --jobs 2 types style imports pages-style

types:
	$(BIN)/mypy

style:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

imports:
	$(BIN)/lint-imports

pages-style:
	$(BIN)/python hatch_build.py --check

format: setup ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## measure; see bench/README.md
	$(BIN)/python -m bench

system: ## bring the system parts that the tests use, where that is allowed
	@./tests/system-parts.sh

# For every Python that the project runs on: some versions need packages that others bring themselves.
lock: setup ## write requirements/dev.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11.0 --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links \
		--extra dev --extra build --output-file requirements/dev.lock pyproject.toml

clean: ## remove what the targets made
	rm -rf $(VENV) web/node_modules src/vedette/server/api/static dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
