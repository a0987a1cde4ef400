# Every target sets up what it needs; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
export SAM_CLI_TELEMETRY := 0
INSTALLED := .venv/.installed

.PHONY: help
help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): tools/requirements.txt tools/setup.sh
	@sh tools/setup.sh

.PHONY: setup
setup: $(INSTALLED) ## .venv with everything pinned (the other targets do this by themselves)

.PHONY: lint
lint: $(INSTALLED) ## ruff, mypy
	ruff format --check .
	ruff check .
	mypy

.PHONY: format
format: $(INSTALLED) ## format and mend what ruff can
	ruff format .
	ruff check --fix .

.PHONY: lock
lock: $(INSTALLED) ## pin anew what pyproject.toml asks for
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		pyproject.toml --group dev -o tools/requirements.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		pyproject.toml -c tools/requirements.txt -o layers/dependencies/requirements.txt
