# Every target sets up what it needs first, and is quick when nothing changed.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
SPARK_ENV := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: setup demo test lint test-faults test-scale test-cluster test-processes test-docker test-airflow test-superset bench dist image \
    clean lock lock-tools dictionary golden

setup: $(VENV)/.ready .jars/.ready .jars/.archived

$(VENV)/.ready: requirements.lock scripts/uv.lock pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh
	@touch $@

.jars/.ready: conf/jars.lock $(VENV)/.ready
	@echo "setup: fetching the jars of Delta Lake"
	@sh scripts/java.sh
	@$(SPARK_ENV) $(BIN)/python -m portrait.spark.jars 2>.jars.log || { grep -A 3 '^error' .jars.log || cat .jars.log; exit 1; }
	@rm -f .jars.log
	@touch $@

.jars/.archived: scripts/class_archive.py conf/spark/local.conf $(VENV)/.ready .jars/.ready
	@echo "setup: writing the class archive"
	@$(BIN)/python scripts/class_archive.py
	@touch $@

demo: setup
	@$(BIN)/portrait demo

test: setup lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not fault and not scale and not cluster and not docker and not process" --durations=10

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Runs that are killed or fed with broken files, each in a process; FULL=1 for all of them.
test-faults: setup
	FULL=$(FULL) $(BIN)/python -m pytest -m fault --durations=20

test-scale: setup
	$(BIN)/python -m pytest -m scale --durations=0

# A master and workers as processes, one of them killed, the SQL server and its clients; FULL=1 submits every job singly.
test-cluster: setup
	FULL=$(FULL) $(BIN)/python -m pytest -m cluster --durations=20

# All at once: they share the bank. SUITES leaves some out, DELIVERIES says how many damaged deliveries are tried.
SUITES ?= process or fault or cluster
DELIVERIES ?= 300
test-processes: setup
	FULL=$(FULL) DELIVERIES=$(DELIVERIES) $(BIN)/python -m pytest -m "$(SUITES)" --durations=20

# Only for root: an engine of its own, from the system's packages where there is none; makes image and cluster.
test-docker: setup
	$(BIN)/python -m pytest -m docker -s --durations=0

# Each script prints what it measured and how long it took; each has options for smaller sizes.
bench: setup
	$(BIN)/python bench/features.py
	$(BIN)/python bench/balances.py
	$(BIN)/python bench/transactions.py
	$(BIN)/python bench/ingest.py
	$(BIN)/python bench/kmeans.py
	$(BIN)/python bench/lifetime.py
	$(BIN)/python bench/synthetic.py
	$(BIN)/python bench/labels.py
	$(BIN)/python bench/audiences.py

# What a cluster needs beside conf/, schemas/ and jobs/: the package as wheel and as zip, the jars and their hashes.
dist: setup
	@sh scripts/dist.sh

# The image of docker-compose.yml, from the wheels and jars of this set-up.
image: setup
	@sh scripts/image.sh

dictionary: setup
	$(BIN)/portrait dictionary --write docs/dictionary.md

# Against the real thing, each in an environment of its own.
test-airflow: setup
	@PYTHON="$(PYTHON)" sh scripts/test-airflow.sh

test-superset: setup
	@PYTHON="$(PYTHON)" sh scripts/test-superset.sh

# What a scheduler gets, and each job's help: written anew after a change that was meant.
golden: setup
	$(BIN)/python -m tests.orchestration.golden_files

# Only for maintainers: resolves the dependencies anew.
lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header --extra dev --extra deep pyproject.toml -o requirements.lock --quiet
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header --extra image --constraint requirements.lock pyproject.toml -o requirements-runtime.lock --quiet

# Only for maintainers: the same for the environments of test-airflow and test-superset.
lock-tools: setup
	$(BIN)/python -m pip install --quiet uv
	for tool in airflow superset; do \
	    $(BIN)/uv pip compile --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	        tests/$$tool/requirements.in -o tests/$$tool/requirements.txt --quiet || exit 1; \
	done

clean:
	rm -rf $(VENV) .venv-airflow .venv-superset .jars .java build dist demo *.egg-info libs/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
