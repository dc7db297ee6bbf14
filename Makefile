# Needs Python 3.10 to 3.13, make and PyPI; everything else goes into .venv. `make` lists the commands.
SHELL := /bin/sh
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help environment demo test lint bars coverage bench screenshots lists lock clean distclean

help:  ## List the commands
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

environment:
	@.ci/environment

demo: environment  ## Assess a synthetic patient and a real CT; the two reports go to out/demo
	@$(BIN)/spinemet demo --out out/demo

test: lint  ## Lint, type check and all tests but the bars
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not bars" -q

lint: environment  ## Lint, format and type check
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@if $(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 11))"; then $(BIN)/mypy; \
	  else echo "mypy is left out: the newest numpy for Python 3.10 has older type stubs."; fi

bars: environment  ## The bars of the issues, run whole (minutes)
	@$(BIN)/python -m pytest -m bars -q

coverage: environment  ## How much of module and panels the tests reach; less than 90 % fails
	@$(BIN)/python -m coverage run -m pytest -q Testing/gui
	@$(BIN)/python -m coverage report

bench: environment  ## Benchmarks: a table, and out/bench.json
	@$(BIN)/python Testing/bench/run.py --json out/bench.json

screenshots: environment  ## Draw the pictures in Resources/Screenshots anew
	@$(BIN)/python Testing/gui/screenshot.py Resources/Screenshots --only panel,register,outline,epidural,workspace
	@$(BIN)/python Testing/pictures.py Resources/Screenshots

lists: environment  ## Rewrite the lists in SpineMetAssessment/CMakeLists.txt from the tree
	@$(BIN)/python Testing/project_tree.py

lock: environment  ## Recreate requirements.lock from pyproject.toml
	@$(BIN)/python -m pip install --quiet --upgrade --target .cache/uv uv
	@.cache/uv/bin/uv pip compile pyproject.toml --universal --python-version 3.10 --extra headless --extra dev \
	  --generate-hashes --no-annotate --upgrade --quiet --custom-compile-command "make lock" --output-file requirements.lock

clean:  ## Remove results and caches, keep .venv
	@rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache SpineMetAssessment/*.egg-info
	@find SpineMetAssessment Testing -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## Remove .venv and downloads too
	@rm -rf .venv .cache
