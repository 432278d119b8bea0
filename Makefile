# `make run` serves, `make test` checks everything, `make quick` most of it in a minute or so.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The installed state is remembered by stamps: a second `make run` starts at once.
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
# Which torch: `cuda` is what PyPI has, `cpu` the CPU build, from torch's own index.  Once chosen, an
# environment keeps it.
CHOSEN := $(VENV)/.torch
TORCH ?= $(or $(shell cat $(CHOSEN) 2>/dev/null),cuda)
PIP := $(BIN)/python -m pip install --disable-pip-version-check
# uv installs several times faster where it is on the PATH; pip does as well.  Only uv finds CPU builds.
UV := $(shell command -v uv 2>/dev/null || { [ $(TORCH) = cpu ] && echo $(BIN)/uv; })
INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python $(if $(filter cpu,$(TORCH)),--torch-backend cpu),$(PIP))

HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 1
# auto: models/IndexTTS where it is filled, else the demonstration model models/demo.
MODEL_DIR ?= auto
WEIGHTS_DIR ?= models/IndexTTS

.PHONY: run weights test quick lint types unit fast format lock clean help

help:
	@echo "make run      install into $(VENV) and start the service on http://$(HOST):$(PORT)"
	@echo "              TORCH=cpu, the first time: without CUDA, 1.3 GB instead of 5.4 GB"
	@echo "make weights  fetch the official model into $(WEIGHTS_DIR)"
	@echo "make test     install the development tools, then ruff, mypy and pytest"
	@echo "make quick    ruff, and the tests that start no server and take no time"
	@echo "make format   let ruff tidy the code"
	@echo "make lock     write requirements.lock anew"
	@echo "make clean    remove $(VENV) and the caches"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install -y python3-venv"; rm -rf $(VENV); exit 1; }

$(BIN)/uv: | $(BIN)/python
	$(PIP) uv

$(CHOSEN): | $(BIN)/python
	@case $(TORCH) in cpu | cuda) ;; *) echo "TORCH is cpu or cuda"; exit 1 ;; esac
	@[ $(TORCH) = cpu ] || [ -e /dev/nvidiactl ] || [ -e /dev/dxg ] || [ "$$(uname)" != Linux ] || \
	    echo "There is no NVIDIA GPU: 'make clean; make run TORCH=cpu' installs 1.3 GB instead of 5.4 GB."
	@echo $(TORCH) > $@

# An environment is not changed from one torch to the other.
.PHONY: torch
torch: $(CHOSEN) | $(filter $(BIN)/uv,$(UV))
	@[ $(TORCH) = "$$(cat $(CHOSEN))" ] || { echo "$(VENV) has torch for $$(cat $(CHOSEN)): make clean first"; exit 1; }

$(RUNTIME): pyproject.toml constraints.txt | torch
	$(INSTALL) -c constraints.txt -e .
	touch $@

$(DEV): pyproject.toml constraints.txt | torch
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

# Names no index, so it serves with any mirror.
lock: $(BIN)/uv
	$(BIN)/uv pip compile pyproject.toml --extra jwt --extra redis -c constraints.txt --universal \
	    --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --quiet -o requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
