# Every target sets up what it needs; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
export SAM_CLI_TELEMETRY := 0
INSTALLED := .venv/.installed

.PHONY: help
help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): tools/requirements.txt tools/setup.sh
	@sh tools/setup.sh

.PHONY: setup
setup: $(INSTALLED) ## .venv with everything pinned (the other targets do this by themselves)

.PHONY: demo
demo: $(INSTALLED) ## the whole story on this machine, checked; leaves nothing running
	@python -m tools.demo

.PHONY: up
up: $(INSTALLED) ## build, start and deploy the local stack; writes .local/stack.json
	@python -m tools.local up

.PHONY: down
down: $(INSTALLED) ## stop the local stack
	@python -m tools.local down

.PHONY: test
test: lint validate ## everything that CI runs
	pytest -n 2

.PHONY: lint
lint: $(INSTALLED) ## ruff, mypy
	ruff format --check .
	ruff check .
	mypy

.PHONY: validate
validate: $(INSTALLED) ## template.yaml: sam validate --lint and the serverless rules
	@sam validate --lint --config-env local
	cfn-lint --append-rules cfn_lint_serverless.rules --template template.yaml

.PHONY: bench
bench: $(INSTALLED) ## cold-start imports against their unavoidable part, with and without bytecode
	@python -m tools.build local
	@python -m tools.bench.cold_start

.PHONY: environment
environment:
	@case "$(ENV)" in dev|test|staging|prod) ;; *) \
		echo "Say which environment: make $(firstword $(MAKECMDGOALS)) ENV=dev (or test, staging, prod)"; exit 2;; esac

.PHONY: build
build: environment $(INSTALLED) ## ENV=dev: build for one environment, bytecode included
	@python -m tools.build $(ENV)

.PHONY: deploy
deploy: build ## ENV=dev: build, then deploy to the AWS account of your credentials
	sam deploy --config-env $(ENV)

.PHONY: format
format: $(INSTALLED) ## format and mend what ruff can
	ruff format .
	ruff check --fix .

.PHONY: openapi
openapi: $(INSTALLED) ## the control API's OpenAPI document, anew from the code
	@python -m tools.openapi

.PHONY: statemachine
statemachine: $(INSTALLED) ## the migration's state machine and its picture, anew from their table
	@python -m tools.statemachine

.PHONY: lock
lock: $(INSTALLED) ## pin anew what pyproject.toml asks for
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		pyproject.toml --group dev -o tools/requirements.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		pyproject.toml -c tools/requirements.txt -o layers/dependencies/requirements.txt
