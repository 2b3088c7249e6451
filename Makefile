# Every target says what it does: `make` or `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install run test test-slow format bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(READY) ## create .venv with the locked versions

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ". Say which one: make PYTHON=python3.12 install")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

run: $(READY) ## make the sample project and take it through the whole flow
	@test -f sample/scoring.toml || $(BIN)/scoring init sample --sample
	@$(BIN)/scoring run retrain --project sample
	@$(BIN)/scoring run nightly --project sample
	@echo "Look at:  sample/out/scores.csv                          what sellers would read"
	@echo "          .venv/bin/scoring doctor --project sample      what is ready and what is missing"
	@echo "          .venv/bin/scoring features --project sample    every feature with its sentence"

test: $(READY) ## lint, types and the tests of every day
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(READY) ## the suites that take longer: kills, real histories, the wheel
	$(BIN)/pytest -m slow -n 2 --dist loadfile

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## measure the feature build against one scan of the data (20 million events)
	$(BIN)/python benchmarks/features.py

lock: $(READY) ## choose versions anew and write requirements.lock
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --all-extras --group dev --upgrade pyproject.toml -o requirements.lock

clean: ## remove what can be made again
	rm -rf build dist sample .pytest_cache .ruff_cache .mypy_cache .hypothesis src/*.egg-info
