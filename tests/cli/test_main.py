"""The command line finds its verbs, explains itself, and never shows a traceback."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from wordsight import api, cli
from wordsight.cli import main
from wordsight.cli.verb import Group, Verb
from wordsight.errors import InputError

ROOT = Path(__file__).parents[2]


def verbs(branch: Mapping[str, Group | Verb] | None = None, above: str = "wordsight") -> Iterator[tuple[str, Verb]]:
    """Every verb with its words."""
    for name, one in (cli.VERBS if branch is None else branch).items():
        if isinstance(one, Verb):
            yield f"{above} {name}", one
        else:
            yield from verbs(one.members(), f"{above} {name}")


VERBS = dict(verbs())


def test_help_names_every_verb_and_waits_for_no_heavy_import() -> None:
    code = (
        "import sys; from wordsight.cli import main; code = main(['--help']);"
        "heavy = {'torch', 'numpy', 'jsonargparse', 'PIL', 'pyarrow', 'rich'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    for name in cli.VERBS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("prog", VERBS)
def test_every_argument_of_every_verb_is_explained(prog: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*prog.split()[1:], "--help"]) == 0
    text = capsys.readouterr().out
    assert VERBS[prog].summary.split()[0] in text
    shown = re.split(r"\n(?=  \S)", text)
    for part in shown[1:]:
        words = part.split()
        unexplained = len(words) < 3 or words[1] in ("Default:", "Must")
        assert not unexplained, f"{prog}: {part!r} has no meaning beside it"


@pytest.mark.parametrize("prog", VERBS)
def test_every_example_can_be_read(prog: str) -> None:
    words = shlex.split(VERBS[prog].example)
    assert words[0] == "wordsight"
    found = cli.find_verb(words[1:])
    assert found is not None
    assert found[0] == prog
    found[1].read(found[0], found[2])


def documented_commands() -> list[tuple[str, str]]:
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = ((file.name, line) for file in files for line in file.read_text().splitlines())
    return [(name, line.split("  #")[0].strip()) for name, line in lines if line.startswith("    wordsight ")]


@pytest.mark.parametrize(("file", "line"), documented_commands())
def test_every_command_in_the_documentation_can_be_read(
    file: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-own.yaml").write_text("epochs: 7\n")
    # Commands that name a file of the repository are given in it.
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    found = cli.find_verb(shlex.split(line)[1:])
    assert found is not None
    found[1].read(found[0], found[2])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pretrian", "unknown name 'pretrian'"),
        ("pretrian", "did you mean 'pretrain'?"),
        ("corpus buld", "did you mean 'build'?"),
        ("corpus build cocoo", "did you mean 'coco'?"),
        ("--versoin", "unknown flag '--versoin'"),
        ("pretrain --corpus c --out o --epoch 3", "did you mean '--epochs'?"),
        ("pretrain --recipe icmlm-atfc-resnet50 --corpus c --out o", "did you mean 'icmlm-attfc-resnet50'?"),
        ("pretrain --recipe my/own.yaml --corpus c --out o", "my/own.yaml: no such file"),
        ("corpus show nowhere", "nowhere is not a corpus"),
        ("evaluate nowhere --task folder:x", "nowhere is not a run"),
        ("report nowhere", "nowhere is not a run"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("wordsight: ")
    assert error.count("\n") == 1


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"wordsight \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "pretrain", stop)
    out = tmp_path / "o"

    def said() -> str:
        assert main(["pretrain", "--corpus", "c", "--out", str(out)]) == 130
        return capsys.readouterr().err.strip().removeprefix("wordsight: stopped; ")

    assert said() == "nothing was written yet: run the same command again"
    out.mkdir()
    (out / "config.yaml").write_text("seed: 0\n", "utf-8")
    assert said() == "no checkpoint was written yet: begin again with the same command and --resume true"
    (out / "checkpoint.safetensors").write_bytes(b"")
    assert said() == "the last checkpoint is kept: go on with the same command and --resume true"


def test_a_polite_kill_is_one_line_and_status_143(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object, **named: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(api, "evaluate", killed)
    assert main(["evaluate", "run", "--corpus", "c"]) == 143
    said = capsys.readouterr().err
    assert said == "\nwordsight: stopped; results that were finished are kept: run the same command again\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_loader_that_was_killed_first_is_no_bug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(said: str) -> None:
        def evaluate(*arguments: object, **named: object) -> None:
            raise RuntimeError(said)

        monkeypatch.setattr(api, "evaluate", evaluate)

    fails("DataLoader worker (pid 123) is killed by signal: Terminated. ")
    assert main(["evaluate", "run", "--corpus", "c"]) == 143
    assert "stopped; results that were finished are kept" in capsys.readouterr().err
    fails("something else")
    with pytest.raises(RuntimeError, match="something else"):
        main(["evaluate", "run", "--corpus", "c"])


def test_a_recipe_gives_the_values_and_flags_change_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    def remember(settings: object, **named: object) -> None:
        given.update(named, settings=settings)
        raise InputError("far enough")

    monkeypatch.setattr(api, "pretrain", remember)
    words = "pretrain --recipe tp-postag-resnet18-small --corpus c --out o"
    assert main([*words.split(), "--epochs", "3", "--concepts.size", "50", "--image-size", "64"]) == 2
    expected = api.recipe_settings("tp-postag-resnet18-small", epochs=3, concepts={"size": 50}, image_size=64)
    assert given["settings"] == expected
    assert given["corpus"] == Path("c")


def test_a_bug_is_one_line_and_its_traceback_lies_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        raise KeyError("thing")
    except KeyError as error:
        cli._report_bug(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert "this is a bug in wordsight (KeyError: 'thing')" in said
    assert said.count("\n") == 1
    assert 'raise KeyError("thing")' in (tmp_path / cli.ERROR_LOG).read_text()


def test_a_name_in_bytes_that_are_not_utf8_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "build", "folder", "caf\udce9", "--out", "c"]) == 2
    assert "caf\\udce9 holds bytes that are not UTF-8; rename it, or run the command in" in capsys.readouterr().err


def test_what_the_terminal_cannot_show_is_printed_as_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    monkeypatch.setattr(sys, "argv", ["wordsight", "--version"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(cli, "main", lambda: sys.stdout.write("caf\u00e9 \udce9"))
    with pytest.raises(SystemExit):
        cli.script()
    sys.stdout.flush()
    assert shown.getvalue() == b"caf\\xe9 \\udce9"
