# make repro | test | serve | bench | load | fuzz | lock. Needs Python 3.11 or 3.12, git and make.
# The first Python that fits: its name alone does not tell (version managers leave names that do not run).
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
# The stages call `python`; make itself looks programs up before this takes hold, hence $(BIN) below.
export PATH := $(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := True
export DVC_NO_ANALYTICS := true
# Compiled modules are kept even where the machine says otherwise: imports take seconds without them.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: repro test serve bench load fuzz lock clean
.DELETE_ON_ERROR:

repro: $(VENV)/ready          ## the whole pipeline: from archives to a served champion
	$(BIN)/dvc repro --pull

test: $(VENV)/ready           ## everything that CI runs, on two cores
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --durations 10

serve: $(VENV)/ready release  ## the champion, or without one the release, on http://localhost:3000
	$(BIN)/bentoml serve serving.service:EmotionDetector

release: release.dvc | $(VENV)/ready    # fetched again when another one is pinned
	$(BIN)/dvc pull release.dvc
	touch $@

bench: $(VENV)/ready release  ## stages, features and answers: how fast, and beside what is usual
	$(BIN)/python -m benchmarks.stages
	$(BIN)/dvc repro --pull merge
	$(BIN)/python -m benchmarks.features
	$(BIN)/python -m benchmarks.answers

load: $(VENV)/ready release   ## the service under 64 clients, and with a worker killed
	$(BIN)/python -m benchmarks.load

fuzz: $(VENV)/ready release   ## the service against 10,000 damaged files of every format
	$(BIN)/python -m benchmarks.fuzz

lock:                         ## after editing the dependencies in pyproject.toml; needs uv
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --output-file requirements.lock

$(VENV)/ready: requirements.lock
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or 3.12 is needed and none is on the PATH; make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --compile \
		--requirement requirements.lock
	touch $@

clean:                        ## remove what the stages made; MLflow's database and data/ stay
	rm -rf build
