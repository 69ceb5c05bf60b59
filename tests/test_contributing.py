"""The files of CONTRIBUTING.md are pasted into a copy of the package, and each is used by the commands beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wordsight.corpus import Corpus

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
# What makes a training run as short as a test: the text shows the commands that a person gives.
QUICK = "--epochs 1 --image-size 32 --batch-size 4 --workers 0"
# Runs each line of standard input as a command of its own, and says how it ended.
DRIVER = """
import contextlib, io, json, shlex, sys
from wordsight.cli import main
for line in sys.stdin.read().splitlines():
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            status = main(shlex.split(line)[1:])
        except SystemExit as end:
            status = end.code
    print(json.dumps({"command": line, "status": status or 0, "said": said.getvalue()}))
"""


@dataclass(frozen=True)
class Template:
    """A section of the text.

    Args:
        files: Text of each new file, by its path.
        lines: Of each registry its file and name, and the lines to add.
        commands: What is run after that.
    """

    files: dict[str, str]
    lines: dict[tuple[str, str], list[str]]
    commands: list[str]


def templates() -> dict[str, Template]:
    """The sections that hold templates, by what they add."""
    found = {}
    for section in re.split(r"^### \.\.\. ", TEXT, flags=re.MULTILINE)[1:]:
        name, _, body = section.partition("\n")
        blocks = re.findall(r"^`(wordsight/[^`]+)`(?:, in `(\w+)`)?:\n\n```\w+\n(.*?)^```$", body, re.M | re.S)
        lines = {(path, registry): text.splitlines() for path, registry, text in blocks if registry}
        files = {path: text for path, registry, text in blocks if not registry}
        found[name] = Template(files, lines, re.findall(r"^    (wordsight .*)$", body, re.MULTILINE))
    return found


def paste(template: Template, copy: Path) -> None:
    """Do in a copy of the repository what the text asks for."""
    for path, text in template.files.items():
        assert not (copy / path).exists(), f"{path} is there already: the text needs another example"
        (copy / path).write_text(text, "utf-8")
    for (path, registry), lines in template.lines.items():
        imported, entry = lines
        text = (copy / path).read_text("utf-8")
        text = text.replace(
            "from __future__ import annotations\n", f"from __future__ import annotations\n{imported}\n", 1
        )
        text, places = re.subn(rf"^({registry}\b.* = \{{)$", rf"\1\n{entry}", text, count=1, flags=re.MULTILINE)
        assert places == 1, f"{path} has no {registry}"
        (copy / path).write_text(text, "utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with all templates pasted."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "wordsight", copy / "wordsight", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for template in templates().values():
        paste(template, copy)
    return copy


@pytest.fixture(scope="module")
def ended(small_world: Path, copy: Path) -> dict[str, dict[str, Any]]:
    """How each command of the text ended, by the command: one process for all of them."""
    commands = [command for template in templates().values() for command in template.commands]
    pictures = sorted((small_world / "photos").iterdir())
    notes = [f"![a {file.stem.replace('-', ' ')} #{file.stem.split('-')[0]}](photos/{file.name})" for file in pictures]
    (small_world / "notes.md").write_text("# Notes\n\n" + "\n".join(notes) + "\n", "utf-8")
    shutil.copytree(small_world / "classes", small_world / "imagenette")
    given = [f"{line} {QUICK}" if line.startswith("wordsight pretrain") else line for line in commands]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input="\n".join(given),
        cwd=small_world,
        env=os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"command"')]
    return dict(zip(commands, rows, strict=True))


@pytest.mark.parametrize("name", templates())
def test_a_pasted_template_does_what_its_commands_ask(name: str, ended: dict[str, dict[str, Any]]) -> None:
    commands = templates()[name].commands
    assert commands, "a template is shown in use"
    for command in commands:
        assert ended[command]["status"] == 0, f"{command}: {ended[command]['said']}"


def test_what_people_add_has_a_template() -> None:
    assert list(templates()) == ["a reader", "a concept set", "an objective", "a method of measuring"]
    for template in templates().values():
        assert len([path for path in template.files if path.endswith(".py")]) == 1, "one file ..."
        assert len(template.lines) == 1, "... and one line"


def test_what_the_pasted_parts_made_is_right(small_world: Path, ended: dict[str, dict[str, Any]]) -> None:
    assert len(Corpus.open(small_world / "corpora" / "notes")) == 24
    concepts = json.loads((small_world / "concepts" / "hashtags" / "concepts.json").read_text())
    assert sorted(concepts["names"]) == ["blue", "green", "red"]
    retrieved = list((small_world / "runs" / "vse" / "results").rglob("retrieval*.json"))
    assert retrieved, "an objective with a text tower is asked by it"
    result = json.loads((small_world / "runs" / "a" / "results" / "imagenette" / "nearest-mean.json").read_text())
    assert (result["metric"], result["baselines"]["chance"]) == ("top-1 accuracy", 50.0)


def test_templates_keep_the_rules_of_style(copy: Path) -> None:
    files = [path for template in templates().values() for path in template.files if path.endswith(".py")]
    for asked in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *asked, "--no-cache", *files]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_place_that_the_text_names_is_there() -> None:
    outside = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    new = {path for template in templates().values() for path in template.files}
    for path in set(re.findall(r"`((?:wordsight|tests|benchmarks|docs)/[\w./-]*)", outside)) - new:
        if not Path(path).name.startswith("test_") or path == "tests/test_contributing.py":
            assert (ROOT / path).exists(), path
