# Every target sets up .venv by itself the first time, and again when pyproject.toml or constraints.txt has changed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# A package index with CPU builds of torch, e.g. https://download.pytorch.org/whl/cpu; empty: whatever pip is set up to use.
TORCH_INDEX ?=

VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
# Gradio asks for Pillow below 13, and works with 13: it is installed past its own bound, after what else it needs.
GRADIO_NEEDS := brotli fastapi gradio_client groovy hf-gradio httpx jinja2 orjson pandas pydub python-multipart pytz pyyaml \
                safehttpx semantic-version starlette tomlkit uvicorn
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

FAST := tests/format tests/entropy tests/nn tests/models tests/regions tests/images tests/losses tests/test_import_table.py

GRAPHS := roi-xs segpic-xs

.DEFAULT_GOAL := help
# threads that wait for each other sleep, so that another program on the machine does not slow them tenfold
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help setup demo docs docs-serve screenshots web conformance graphs test test-fast test-all check clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with everything that development needs

demo: $(READY)  ## compress a photograph, compare with JPEG, WebP and AVIF, write a side-by-side picture
	$(BIN)/python examples/demo.py

docs: $(READY)  ## build the documentation site in site/, warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-serve: $(READY)  ## show the site at http://127.0.0.1:8000 while you edit it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

graphs: $(READY)  ## make the graphs of bundled codecs anew, after their weights have changed (minutes)
	$(BIN)/python -m regio.recording $(GRAPHS)

test: $(READY)  ## run the tests, without the slow ones (minutes); those in a browser if there is Chromium
	$(BIN)/python -m pytest -q -m "not slow"

test-fast: $(READY)  ## run the tests of the inner loop, under a minute: format, entropy, layers, models, options
	$(BIN)/python -m pytest -q -x -m "not slow and not weights and not browser and not shared" $(FAST)

screenshots: $(READY) web/node_modules  ## take the pictures of the pages for the docs, docs/images/app*.png and web.png
	REGIO_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/app/test_browser.py tests/web/test_browser.py -k docs

web: $(READY) web/node_modules  ## build the decoder for browsers, with weights, in web/dist
	cd web && npm run --silent build
	$(BIN)/python web/pack.py $(patsubst src/regio/weights/%.light.json,%,$(wildcard src/regio/weights/*.light.json)) web/dist

conformance: $(READY)  ## make the files of tests/conformance again, after a codec got new weights
	$(BIN)/python tests/conformance/make.py

web/node_modules: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

test-all: $(READY)  ## run every test
	$(BIN)/python -m pytest -q

check: $(READY)  ## lint and type-check
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:  ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV) with $(PYTHON); the first time takes a few minutes" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# torch first and alone, so that an index given for it serves nothing else
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(PIP) --editable ".[torch,train,eval,regions,detectors,hub,bulk,onnx,docs,dev]"
	@$(PIP) $(GRADIO_NEEDS)
	@$(PIP) --no-deps gradio
	@touch $@
