"""Everything that `import wordsight` offers has a worked example, and the examples are run with the tests."""

from __future__ import annotations

import doctest
import inspect
import re
import tomllib
from pathlib import Path

import pytest

import wordsight
from wordsight.concepts import CONCEPT_SETS
from wordsight.objectives import OBJECTIVES, SUM

OFFERED = [name for name in wordsight.__all__ if callable(getattr(wordsight, name))]


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_offered_has_an_example(name: str) -> None:
    offered = getattr(wordsight, name)
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(offered) or "")
    assert examples, f"wordsight.{name} has no example (>>>) in its docstring"
    # A reader copies an example whole: verbs say where they come from.
    if inspect.isfunction(offered):
        assert examples[0].source == "import wordsight\n"


def test_few_examples_are_not_run() -> None:
    skipped = []
    for file in (Path(wordsight.__file__).parent).rglob("*.py"):
        if "# doctest: +SKIP" in file.read_text("utf-8"):
            skipped.append(file.stem)
    assert sorted(skipped) == ["demo", "language"], "what takes minutes is shown and not run; all else is run"


def test_the_tests_run_the_examples() -> None:
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["tool"]["pytest"][
        "ini_options"
    ]
    assert "wordsight" in settings["testpaths"]
    assert "--doctest-modules" in settings["addopts"]


def linked(file: Path) -> list[str]:
    """The papers that a file links to: on arXiv, or of one that isn't there at its conference."""
    places = r"https://(?:arxiv\.org/abs/(\d{4}\.\d{4,5})\b|papers\.nips\.cc/paper/(\d+)-)"
    return [arxiv or nips for arxiv, nips in re.findall(places, file.read_text("utf-8"))]


def test_objectives_concept_sets_and_heads_link_to_their_papers() -> None:
    package = Path(wordsight.__file__).parent
    for name, objective in OBJECTIVES.items():
        assert name == SUM or not objective.build.learns or linked(Path(inspect.getfile(objective.build))), (
            f"objective {name}"
        )
    for name, kind in CONCEPT_SETS.items():
        assert linked(Path(inspect.getfile(kind.build))), f"concept set {name}"
    for file in (package / "heads").glob("*.py"):
        of_paper = re.search(r"ICMLM, (Section|Eqs?\.)", file.read_text("utf-8").partition("from __future__")[0])
        assert not of_paper or linked(file) == ["2008.01392"], file.name


def test_protocols_link_to_their_sources() -> None:
    for file in (Path(wordsight.__file__).parent / "evaluation" / "protocols").glob("*.yaml"):
        assert linked(file), file.name
