# Everything runs in virtual environments that this file makes itself, from constraints.txt: .venv, and .venv-lint for lint.
#   make demo     the whole job on the embedded pictures; writes runs/demo/report.html
#   make test     all checks and all tests
#   make lint     style and the floors of the house, in seconds, without installing the rest
# Another Python: make demo python3=python3.13

python3 ?= python3
bin := .venv/bin
installed := .venv/.installed
lint_bin := .venv-lint/bin
lint_installed := .venv-lint/.installed

.PHONY: help install demo lint check unit test clean
.DEFAULT_GOAL := help

help:
	@sed -n '2,5s/^# *//p' Makefile

$(installed): pyproject.toml constraints.txt
	@$(python3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wordsight needs Python 3.11 or newer; give one: make $(MAKECMDGOALS) python3=/path/to/python3.11" >&2; exit 1; }
	@echo "installing into .venv (several minutes the first time) ..."
	@$(python3) -m venv .venv
	@$(bin)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[offline,dev,splitters,wordnet,faiss]'
	@touch $@

install: $(installed)

demo: $(installed)
	$(bin)/wordsight demo --out runs/demo --overwrite true

# Neither tool needs what the code imports. mypy does: its types of tensors are torch's, so it stays in `check`.
$(lint_installed): pyproject.toml constraints.txt
	@$(python3) -m venv .venv-lint
	@$(lint_bin)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt ruff import-linter
	@touch $@

lint: $(lint_installed)
	$(lint_bin)/ruff check .
	$(lint_bin)/ruff format --check .
	$(lint_bin)/lint-imports

check: $(installed)
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

unit: $(installed)
	$(bin)/python -m pytest

test: check unit

clean:
	rm -rf .venv .venv-lint .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist *.egg-info
