# Everything here needs only Python 3.11 (with venv), git and make. The environment lives in .venv.
.DEFAULT_GOAL := help
.PHONY: help setup test test-appliance demo bench lock debian-packages clean
VENV := .venv

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

setup: $(VENV)/.ready ## make .venv with everything, from the hash-locked file
	@:

$(VENV)/.ready: requirements/dev.lock pyproject.toml scripts/setup
	@scripts/setup $(VENV)

test: setup ## the whole gate: static checks, tests with coverage, the wheel in an environment of its own
	@scripts/check

test-appliance: setup ## the appliance itself: built, booted, killed (root; minutes)
	@scripts/check appliance

demo: setup ## the whole product on this machine, three simulated days in about three minutes
	@$(VENV)/bin/pems demo $(ARGS)

bench: setup ## timings beside the references (ARGS="GROUP --json" for one group)
	@$(VENV)/bin/pems bench $(ARGS)

lock: ## write requirements/*.lock anew after a change of dependencies
	@scripts/lock $(ARGS)

debian-packages: ## install the Debian packages that some tests need
	@scripts/debian-packages

clean: ## remove what is made, the environments included
	rm -rf .venv .venv-device .venv-mlflow demo-out build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .numba_cache
