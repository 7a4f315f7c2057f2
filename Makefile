# Everything a fresh machine with Python 3.11 and make needs; each target makes the virtual environment itself.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Where this is set every process would compile all of Ferry anew, and a run of the tests starts hundreds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test soak check bench tour lock clean

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(INSTALLED)
	$(BIN)/ferry demo

test: $(INSTALLED)
	$(BIN)/pytest -m "not bench and not soak" -n 6 --dist loadfile --no-loadscope-reorder

# The long sweeps: SIGKILL at every crash point, every fault at every call.
soak: $(INSTALLED)
	$(BIN)/pytest -m soak -s tests

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)
	$(BIN)/pytest -m bench -s tests

# The pictures of docs/tour.md, taken anew from the demo.
tour: $(INSTALLED)
	$(BIN)/pytest -m soak tests/browser/test_tour.py
	cp artefacts/tour/*.png docs/tour/

# Pins every dependency with its hashes, for development and for the image; run after a change of pyproject.toml.
PIN := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"
lock:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(PIN) --extra dev -o requirements.lock pyproject.toml
	$(PIN) --extra lite --extra postgres -o requirements-runtime.lock pyproject.toml

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
