# Everything runs in a virtual environment that this file makes itself: .venv, from constraints.txt.
#   make demo     the whole job on the embedded pictures; writes runs/demo/report.html
#   make test     all checks and all tests
# Another Python: make demo python3=python3.13

python3 ?= python3
bin := .venv/bin
installed := .venv/.installed

.PHONY: help install demo check unit test clean
.DEFAULT_GOAL := help

help:
	@sed -n '2,4s/^# *//p' Makefile

$(installed): pyproject.toml constraints.txt
	@$(python3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wordsight needs Python 3.11 or newer; give one: make $(MAKECMDGOALS) python3=/path/to/python3.11" >&2; exit 1; }
	@echo "installing into .venv (several minutes the first time) ..."
	@$(python3) -m venv .venv
	@$(bin)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline,dev,splitters,wordnet,faiss]'
	@touch $@

install: $(installed)

demo: $(installed)
	$(bin)/wordsight demo --out runs/demo --overwrite true

check: $(installed)
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

unit: $(installed)
	$(bin)/python -m pytest

test: check unit

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist *.egg-info
