# Each target sets up what it needs. `make help` lists all targets, in the groups named by `##@`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
export SAM_CLI_TELEMETRY := 0
INSTALLED := .venv/.installed

.PHONY: help
help: ## list everything that can be made
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-15s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ See it work
$(INSTALLED): tools/requirements.txt tools/setup.sh
	@sh tools/setup.sh

.PHONY: setup
setup: $(INSTALLED) ## install the pinned packages into .venv (the other targets do this when needed)

.PHONY: demo
demo: $(INSTALLED) ## show and check the whole system on this machine; leaves nothing running
	@python -m tools.demo

.PHONY: up
up: $(INSTALLED) ## build, start and deploy a local stack; writes .local/stack.json
	@python -m tools.local up

.PHONY: down
down: $(INSTALLED) ## stop the local stack
	@python -m tools.local down

##@ Check
.PHONY: test
test: lint validate ## lint, validate and run all tests, as CI does
	pytest -n 2

.PHONY: lint
lint: $(INSTALLED) ## check format, code and types (ruff, mypy)
	ruff format --check .
	ruff check .
	mypy

.PHONY: validate
validate: $(INSTALLED) ## check the templates (sam validate --lint, cfn-lint with the serverless rules)
	@sam validate --lint --config-env local
	@sam validate --lint --config-env local --template tools/example_consumer/template.yaml
	cfn-lint --append-rules cfn_lint_serverless.rules --template template.yaml

.PHONY: security
security: $(INSTALLED) ## check code, template and workflows (bandit, checkov, zizmor)
	@python -m tools.checks

.PHONY: audit
audit: $(INSTALLED) ## look up known vulnerabilities of the pinned packages (asks an advisory service)
	@python -m tools.checks audit

.PHONY: bench
bench: $(INSTALLED) ## measure cold-start imports, with and without bytecode
	@python -m tools.build local
	@python -m tools.bench.cold_start

.PHONY: drill-migration
drill-migration: $(INSTALLED) ## fail every call of a migration, there and back (ROWS=1000 SEED=1)
	@python -m tools.drills.migration --rows $(or $(ROWS),1000) --seed $(or $(SEED),1)

.PHONY: drill-refresh
drill-refresh: $(INSTALLED) ## play a month of refreshes with every kind of fault (DAYS=30 SEED=1)
	@python -m tools.drills.refresh --days $(or $(DAYS),30) --seed $(or $(SEED),1)

.PHONY: mutation
mutation: $(INSTALLED) ## list small changes of the code that no test notices (MODULE=NAME SAMPLE=40 SEED=1)
	@python -m tools.mutation $(addprefix --module ,$(MODULE)) --sample $(or $(SAMPLE),40) --seed $(or $(SEED),1)

.PHONY: measure
measure: $(INSTALLED) ## show figures of the code and their limits; AGAINST=DIR compares with another checkout
	@python -m tools.measure $(if $(AGAINST),--against $(AGAINST))

##@ Deploy
.PHONY: environment
environment: ## ENV=dev: check the name of the environment
	@case "$(ENV)" in dev|test|staging|prod) ;; *) \
		echo "ENV=$(ENV) is not an environment. Give ENV=dev, test, staging or prod: make $(firstword $(MAKECMDGOALS)) ENV=dev"; exit 2;; esac

.PHONY: build
build: environment $(INSTALLED) ## ENV=dev: build for one environment, with bytecode
	@python -m tools.build $(ENV)

.PHONY: preflight
preflight: $(INSTALLED) ## ENV=dev: check the account, Codat and samconfig.toml; JSON=1 prints JSON
	@python -m tools.preflight $(ENV) $(if $(JSON),--json)

.PHONY: deploy
deploy: environment $(INSTALLED) ## ENV=dev: preflight, build, deploy; YES=1 does not ask, SHOW=1 shows the change set only
	@python -m tools.preflight $(ENV) --deploying
	@python -m tools.build $(ENV)
	@python -m tools.deploy $(ENV) $(if $(YES),--yes) $(if $(SHOW),--show)

.PHONY: release
release: environment $(INSTALLED) ## ENV=prod: package template, code, list of packages and checksums into dist/
	@python -m tools.release $(ENV)

##@ Change the code
.PHONY: format
format: $(INSTALLED) ## format the code and fix what ruff can
	ruff format .
	ruff check --fix .

.PHONY: openapi
openapi: $(INSTALLED) ## generate openapi/control-api.json from the code
	@python -m tools.openapi

.PHONY: event-schema
event-schema: $(INSTALLED) ## write the event's schema into template.yaml, from events/schemas
	@python -m tools.event_schema

.PHONY: statemachine
statemachine: $(INSTALLED) ## generate the migration's state machine and its picture from its table
	@python -m tools.statemachine

.PHONY: lock
lock: $(INSTALLED) ## pin the packages that pyproject.toml asks for
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		pyproject.toml --group dev -o tools/requirements.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		pyproject.toml -c tools/requirements.txt -o layers/dependencies/requirements.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		tools/faults/requirements.in -o tools/faults/requirements.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		tools/checks/requirements.in -o tools/checks/requirements.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.13 \
		tools/mutation/requirements.in -o tools/mutation/requirements.txt
