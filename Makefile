# `make run` serves, `make test` checks everything, `make quick` most of it in a minute or so.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The installed state is remembered by stamps: a second `make run` starts at once.
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
# uv installs several times faster where it is on the PATH; pip does as well.
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check)

HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 1
# auto: models/IndexTTS where it is filled, else the demonstration model models/demo.
MODEL_DIR ?= auto
WEIGHTS_DIR ?= models/IndexTTS

.PHONY: run weights test quick lint types unit fast format clean help

help:
	@echo "make weights  fetch the official model into $(WEIGHTS_DIR)"
	@echo "make run    install into $(VENV) and start the service on http://$(HOST):$(PORT)"
	@echo "make test   install the development tools, then ruff, mypy and pytest"
	@echo "make quick  ruff, and the tests that start no server and take no time"
	@echo "make format let ruff tidy the code"
	@echo "make clean  remove $(VENV) and the caches"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install -y python3-venv"; rm -rf $(VENV); exit 1; }

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -c constraints.txt -e .
	touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -c constraints.txt -e '.[dev]'
	touch $@ $(RUNTIME)

weights: $(RUNTIME)
	$(BIN)/indextts download --dir $(WEIGHTS_DIR)

run: $(RUNTIME)
	INDEXTTS_MODEL_DIR=$(MODEL_DIR) $(BIN)/python server.py --host $(HOST) --port $(PORT) --workers $(WORKERS)

test: lint types unit

quick: lint fast

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV)
	$(BIN)/mypy

# One thread a test process: two busy OpenMP teams on two cores wait for each other.
PYTEST = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2 --dist loadfile

unit: $(DEV)
	$(PYTEST)

fast: $(DEV)
	$(PYTEST) -m 'not slow and not deploy'

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
