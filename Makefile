# `make demo` and `make test` need nothing but python3 >= 3.10: they set up $(VENV) themselves, once.
# A word for another interpreter: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
SECONDS ?= 600

BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(shell command -v uv 2>/dev/null)

# the oldest SDKs do not know httpx 0.28
OLDEST := openai==1.40.0 anthropic==0.34.0 'httpx<0.28'
MIDDLE := 'openai>=2,<3' 'anthropic>=1,<2'

.DEFAULT_GOAL := help
.PHONY: help setup demo test gate bench backends fuzz matrix matrix-oldest matrix-middle format constraints clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## make the environment in .venv

demo: $(READY) ## record an agent, stop its provider, replay it, compare
	@$(BIN)/otel-agenttrace demo

test: $(READY) $(VENV)-peers/.ready ## run the tests; PYTEST_ARGS="-k word" for some of them
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

gate: $(READY) ## lint, format, types, import directions, generated code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m semconv.generate --check

bench: $(READY) $(VENV)-peers/.ready ## print what a call costs, next to the bare SDK
	@$(BIN)/python -m tests.bench

backends: $(READY) $(VENV)-backends/.ready ## count a trace beside Phoenix and MLflow (1.7 GB of packages)
	@$(BIN)/python -m pytest tests/otel/test_backends.py $(PYTEST_ARGS)

fuzz: $(READY) $(VENV)-fuzz/.ready ## look for input that breaks a law; SECONDS=3600 is for all targets together
	@PYTHONPATH=$(VENV)-fuzz $(BIN)/python -m tests.fuzz --seconds $(SECONDS)

matrix: matrix-oldest matrix-middle ## run the replay tests on older SDKs; the newest are in `make test`

matrix-oldest: $(VENV)-oldest/.ready
	@$(VENV)-oldest/bin/python -m pytest tests/replay -m 'not bench' $(PYTEST_ARGS)

matrix-middle: $(VENV)-middle/.ready
	@$(VENV)-middle/bin/python -m pytest tests/replay -m 'not bench' $(PYTEST_ARGS)

format: $(READY) ## mend what the tools can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

constraints: ## write constraints.txt anew from the newest releases (needs uv)
	uv pip compile --quiet --universal --upgrade --extra all --extra dev --python-version 3.10 \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file constraints.txt pyproject.toml

clean: ## remove what was made here
	rm -rf $(VENV) $(VENV)-* build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# Receivers and other instrumentations stand apart: their pins differ, and one of them at a time is put on PYTHONPATH.
PEERS := openllmetry openinference official
vcr := vcrpy pyyaml
traceops := traceops deepdiff orderly-set cachebox
clouds := azure-identity azure-core msal msal-extensions cryptography cffi pyjwt google-auth pyasn1 pyasn1-modules \
  boto3 botocore jmespath s3transfer python-dateutil six
openllmetry := opentelemetry-instrumentation-openai opentelemetry-instrumentation-anthropic opentelemetry-semantic-conventions-ai
openinference := openinference-instrumentation-openai openinference-instrumentation openinference-semantic-conventions
official := opentelemetry-instrumentation-genai-openai opentelemetry-util-genai

$(VENV)-peers/.ready: Makefile | $(READY)
	@echo 'setting up $(@D), once' >&2
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'ddapm-test-agent>=1.69'
	@$(foreach peer,$(PEERS) vcr traceops clouds,$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(@D)/$(peer) $($(peer)) &&) true
	@touch $@

# Servers that count traces, too: an environment each, since their pins differ. mlflow 3.18 could not be installed here.
$(VENV)-backends/.ready: Makefile | $(READY)
	@echo 'setting up $(@D), once' >&2
	@$(PYTHON) -m venv $(@D)/phoenix
	@$(@D)/phoenix/bin/python -m pip install --quiet --disable-pip-version-check 'arize-phoenix>=20,<21'
	@$(PYTHON) -m venv $(@D)/mlflow
	@$(@D)/mlflow/bin/python -m pip install --quiet --disable-pip-version-check 'mlflow>=3.17,<3.18'
	@touch $@

# atheris stands apart, too: it is not there for every Python and system.
$(VENV)-fuzz/.ready: Makefile | $(READY)
	@echo 'setting up $(@D), once' >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(@D) 'atheris>=3'
	@touch $@

# --- environments --------------------------------------------------------------------------------------------------

$(VENV)-oldest/.ready: SDKS := $(OLDEST)
$(VENV)-middle/.ready: SDKS := $(MIDDLE)

# With uv where there is one, else with the venv and pip of python3. An SDK named here is not held by constraints.txt.
$(READY) $(VENV)-oldest/.ready $(VENV)-middle/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo 'otel-agenttrace needs Python 3.10 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 1; }
	@echo 'setting up $(@D), once' >&2
	@grep -vE '$(if $(SDKS),^(openai|anthropic|httpx|jiter)==,^$$)' constraints.txt > $(@D).txt
ifdef UV
	@test -x $(@D)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --constraint $(@D).txt --editable '.[dev]' $(SDKS)
else
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(@D).txt --editable '.[dev]' $(SDKS)
endif
	@rm $(@D).txt
	@touch $@
