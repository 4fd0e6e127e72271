# The only list of commands. `make help` prints it.

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-everything demo ui console check-ui test test-rest test-all soak check fmt docs bench clean

STARWHALE_TEST_DATA ?= $(abspath $(wildcard ../shared/data))
export STARWHALE_TEST_DATA
PYTHON ?=
export PYTHON

WORKERS ?= 2
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest --quiet --numprocesses $(WORKERS) --dist worksteal

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

setup: ## leave .venv with python and swcli
	@requirements/install.sh demo

setup-dev:
	@requirements/install.sh dev

setup-everything: ## the same, with every package that a test needs; PyTorch apart, see requirements/torch.txt
	@requirements/install.sh everything

demo: setup ## evaluate two real models on real handwritten digits and print both reports
	@$(BIN)/python examples/digits/demo.py

ui: setup ## build the console, which `swcli ui` serves; Node.js comes as a package where it is missing
	@ui/make.sh build

console: ui ## open the console over what the demo made
	@[ -d .demo/storage ] || $(MAKE) --no-print-directory demo
	@SW_LOCAL_STORAGE=.demo/storage SW_CLI_CONFIG=.demo/config.yaml $(BIN)/swcli ui --open

check-ui: setup ## types, lint and logic of the console
	@ui/make.sh check

test: setup-dev check ## every check, and every test that needs nothing special; under 5 minutes
	@echo "test: pytest"
	@$(PYTEST)

test-all: setup-everything check ## the same, and the tests that need more (virtual environments, a browser, Ray, ...)
	@echo "test: pytest, with everything"
	@$(PYTEST) --everything

test-rest: setup-everything ## what `make test` leaves out of `make test-all`, alone
	@echo "test: pytest, what make test left out"
	@$(PYTEST) --rest

soak: setup-everything ## the full counts (hundreds of kills, large data); takes long
	@$(PYTEST) --everything --soak

check: setup-dev ## formatting, lint, types, floors
	@echo "check: ruff format" && $(BIN)/ruff format --check --output-format concise . >.cache/format.log 2>&1 || { cat .cache/format.log; echo "check: not formatted; run: make fmt"; exit 1; }
	@echo "check: ruff" && $(BIN)/ruff check --quiet .
	@echo "check: pyright" && $(BIN)/pyright >.cache/pyright.log 2>&1 || { cat .cache/pyright.log; exit 1; }
	@echo "check: import contracts" && $(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter >.cache/floors.log 2>&1 || { cat .cache/floors.log; exit 1; }

fmt: setup-dev ## format, and mend what can be mended without thought
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

docs: setup-dev ## write anew the pages that are made from the program
	@$(BIN)/python tests/docs/compatibility.py docs/reference/compatibility.md
	@$(BIN)/python tests/docs/exit_codes.py docs/reference/exit-codes.md
	@$(BIN)/python tests/docs/reference_pages.py docs/reference
	@$(BIN)/python -m starwhale.server.openapi openapi.json

bench: setup-dev ## print figures: what an install costs
	@$(BIN)/python benchmarks/install_size.py

clean: ## remove what the commands above made
	rm -rf .venv .cache .demo build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
