# Every command of the project. Needs Python >= 3.10, make, git and the ordinary package registries.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
LOCK := $(PY) -m uv pip compile --quiet --universal --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade --python-version

# Modules are compiled at the first start and not at each one, whatever the user's shell says.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup services demo prove test unit bench engines chaos fuzz docs site templates graphs fmt lint type lock clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(READY) ## make the virtual environment from the hashed pins

$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Penstock needs Python >= 3.10; name one with: make PYTHON=python3.11 setup")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@# Compiled once: where Python may not keep what it compiles, each start would take seconds more.
	$(PY) -m uv pip install --quiet --python $(PY) --compile-bytecode --require-hashes -r requirements/dev.txt
	$(PY) -m uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $(READY)

services: setup ## build or find the emulators and Prism, once, in the user's cache folder
	$(PY) -m local.prepare

demo: services ## run all jobs on events with faults, kill one, check everything, write a report
	$(PY) -m console demo

prove: services ## publish one stream and show that replay equals live, five ways
	$(PY) -m console prove

test: services ## all tests: unit, property, golden, emulators, Prism
	$(PY) -m pytest -n 3 --dist loadgroup

unit: setup ## the tests that need no local service, in less than a minute
	$(PY) -m pytest -n 2 -m "not emulator and not prism and not engine"

bench: services ## the benchmarks against their peers; ONLY=name for one of them
	$(PY) -m benchmarks $(if $(ONLY),--only $(ONLY))

engines: setup ## the jobs on a real Flink cluster, and seeded kills (KILLS=n SEED=n); Java, Maven, 230 MB
	$(PY) -m local.flink_engines $(if $(KILLS),--kills=$(KILLS)) $(if $(SEED),--seed=$(SEED)) \
		$(if $(RECORD),--results=docs/engines)

fuzz: setup ## fuzz what is read, seeded (SEED=n EXECUTIONS=n); RECORD=1 writes docs/fuzz.md
	$(PY) -m chaos.fuzz $(if $(SEED),--seed=$(SEED)) $(if $(EXECUTIONS),--executions=$(EXECUTIONS)) \
		$(if $(RECORD),--record)

chaos: services ## faults by seed over simulation and local loop; SEED=n SIMULATIONS=n LOOPS=n RECORD=1
	$(PY) -m chaos $(if $(SEED),--seed=$(SEED)) \
		--simulations=$(or $(SIMULATIONS),$(if $(RECORD),10000,500)) \
		--loops=$(or $(LOOPS),$(if $(RECORD),50,3)) $(if $(RECORD),--record)

docs: setup ## write the generated pages
	$(PY) -m local.write_docs
	$(PY) -m console.cost_page

site: setup ## build the pages into build/site, strictly
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
	@echo "open build/site/index.html"

templates: setup ## write what Dataflow's forms ask, from the pipelines' options
	$(PY) -m local.write_templates

graphs: services ## keep the graphs of today's launches as those of the release that is made
	PENSTOCK_KEEP_GRAPHS=1 $(PY) -m pytest -n 0 -q tests/templates/test_launch.py -k last_release

fmt: setup ## format the code
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

lint: setup ## check style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

type: setup ## check types
	$(PY) -m mypy

lock: setup ## renew the hashed pins
	$(LOCK) 3.10 requirements/bootstrap.in -o requirements/bootstrap.txt
	$(LOCK) 3.10 requirements/runtime.in -o requirements/runtime.txt
	$(LOCK) 3.10 requirements/dev.in -o requirements/dev.txt
	$(LOCK) 3.10 requirements/emulators-gcs.in -o requirements/emulators-gcs.txt
	$(LOCK) 3.10 requirements/emulators-go.in -o requirements/emulators-go.txt
	$(LOCK) 3.11 requirements/emulators-bigquery.in -o requirements/emulators-bigquery.txt
	$(LOCK) 3.10 requirements/peers.in -o requirements/peers.txt

clean: ## remove what the commands wrote into this folder
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis penstock-report.html
