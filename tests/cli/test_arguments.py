"""The command line takes what the types say, and answers everything else with one line that helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, Unpack

import pytest
import yaml

from wordsight.cli import VERBS
from wordsight.cli.arguments import Values, VerbParser, take_flag
from wordsight.cli.signatures import Source
from wordsight.cli.types import takes_none
from wordsight.cli.verb import Verb
from wordsight.errors import InputError
from wordsight.ranges import Range

if TYPE_CHECKING:
    from torch.nn import Module

    from wordsight.corpus import Corpus


@dataclass(frozen=True)
class Inner:
    """Inner values.

    Args:
        clip: Where gradients are cut; 5 % more is fine.
    """

    clip: float = 5.0


@dataclass(frozen=True)
class Settings:
    """Values.

    Args:
        image: A path.
        out: Where to.
        batch_size: How many images.
        lr: The rate.
        parts: Which words.
        layer: A layer's name.
        shares: Some numbers.
        tasks: Some names.
        resume: Whether to go on.
        inner: Values inside.
        free: Whatever.
    """

    image: Path
    out: Path = field(kw_only=True)
    batch_size: int = 64
    lr: float = 1e-3
    parts: Literal["nouns", "verbs"] = "nouns"
    layer: str | None = "last"
    shares: tuple[float, ...] = (0.5, 1.0)
    tasks: tuple[str, ...] = ()
    resume: bool = False
    inner: Inner = field(default_factory=Inner)
    free: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Deep:
    """Mappings in a mapping.

    Args:
        out: Where to.
        deep: Values by name, by name.
    """

    out: Path = field(kw_only=True)
    deep: dict[str, Any] | str = field(default_factory=dict)


def parser(of: type = Settings) -> VerbParser:
    flag = ("--config", "A YAML file.")
    return VerbParser("wordsight try", [Source(of)], "Try it.", "wordsight try a.jpg --out b", flag)


def read(*words: str, file: Path | None = None) -> Settings:
    values = parser().read(["a.jpg", "--out", "b", *words], file)
    return Settings(**values.of(Settings))


def complaint(*words: str, file: Path | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read(*words, file=file)
    return str(caught.value)


def test_defaults_are_those_of_the_dataclass() -> None:
    assert read() == Settings(Path("a.jpg"), out=Path("b"))


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--batch-size", "8"], "batch_size", 8),
        (["--batch-size=8"], "batch_size", 8),
        (["--lr", "2e-4"], "lr", 2e-4),
        (["--lr", "-1"], "lr", -1.0),
        (["--parts", "verbs"], "parts", "verbs"),
        (["--layer", "none"], "layer", None),
        (["--layer", "a: [b"], "layer", "a: [b"),
        (["--shares", "0.1,0.2"], "shares", (0.1, 0.2)),
        (["--tasks", "folder:x [a]y, voc:é: z"], "tasks", ("folder:x [a]y", "voc:é: z")),
        (["--tasks", "folder:x,"], "tasks", ("folder:x",)),
        (["--tasks", ""], "tasks", ()),
        (["--tasks", 'folder:x, "folder:a, b"'], "tasks", ("folder:x", "folder:a, b")),
        (["--resume", "true"], "resume", True),
        (["--resume"], "resume", True),
        (["--resume", "--lr", "1"], "resume", True),
        (["--inner.clip", "1"], "inner", Inner(1.0)),
        (["--free.some-thing", "3"], "free", {"some_thing": 3}),
        (["--free", "{a: 1}"], "free", {"a": 1}),
    ],
)
def test_flags_are_fields_with_dashes(words: Sequence[str], name: str, value: object) -> None:
    assert getattr(read(*words), name) == value


def test_a_yaml_file_gives_values_and_flags_go_before_it(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("batch_size: 8\nlr: 1e-2\ninner:\n  clip: 2\nfree: {a: 1, b: 2}\n")
    found = read("--lr", "0.5", "--free.a", "3", file=file)
    assert found == Settings(
        Path("a.jpg"), out=Path("b"), batch_size=8, lr=0.5, inner=Inner(2.0), free={"a": 3, "b": 2}
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batchsize", "8"], "unknown flag '--batchsize'"),
        (["--batchsize", "8"], "did you mean '--batch-size'?"),
        (["--inner.clp", "8"], "did you mean '--inner.clip'?"),
        (["--batch-size", "many"], "--batch-size: 'many' can't be read; expected a whole number"),
        (["--batch-size", "1.5"], "--batch-size: '1.5' can't be read; expected a whole number"),
        (["--lr", "fast"], "--lr: 'fast' can't be read; expected a number"),
        (["--parts", "noun"], "--parts: unknown parts 'noun'; expected one of: nouns, verbs; did you mean 'nouns'?"),
        (["--shares", "a,b"], "expected values with commas between them"),
        (["--lr"], "--lr: a value is missing; expected a number"),
        (["b.jpg"], "unexpected argument 'b.jpg'; see wordsight try --help"),
        (["--resume", "yes"], "unexpected argument 'yes'; did you mean --resume true?"),
        (["--resume", "no"], "unexpected argument 'no'; did you mean --resume false?"),
        (["--resume", "b.jpg"], "unexpected argument 'b.jpg'; see wordsight try --help"),
    ],
)
def test_a_mistake_is_one_line_that_helps(words: Sequence[str], said: str) -> None:
    line = complaint(*words)
    assert said in line
    assert "\n" not in line


def test_what_is_missing_is_named_as_a_person_writes_it() -> None:
    with pytest.raises(InputError, match="IMAGE is missing; see wordsight try --help"):
        parser().read(["--out", "b"])
    with pytest.raises(InputError, match="--out is missing; see wordsight try --help"):
        parser().read(["a.jpg"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("batchsize: 8", "values.yaml: unknown setting 'batchsize'"),
        ("inner: {clp: 8}", "did you mean 'inner.clip'?"),
        ("batch_size: many", "values.yaml: batch_size: 'many' can't be read; expected a whole number"),
        ("batch_size: null", "values.yaml: batch_size: 'null' can't be read; expected a whole number"),
        ("inner: {clip: ~}", "values.yaml: inner.clip: 'null' can't be read; expected a number"),
        ("- a\n- b", "values.yaml holds no settings"),
        ("a: [", "values.yaml can't be read as YAML"),
    ],
)
def test_a_mistake_in_a_yaml_file_names_the_file(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(content)
    assert said in complaint(file=file)


def test_a_flag_two_levels_down_leaves_what_is_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("deep:\n  en: {size: 5, language: en}\n  de: {size: 5, language: de}\n")
    words = ["--deep.de.size", "7", "--out", "b"]
    values = parser(Deep).read(words, file)
    assert values.of(Deep)["deep"] == {"en": {"size": 5, "language": "en"}, "de": {"size": 7, "language": "de"}}


def test_no_value_of_any_verb_may_be_null_unless_it_may_be_none(tmp_path: Path) -> None:
    file, tried = tmp_path / "values.yaml", 0
    for name in ("pretrain", "evaluate", "compare"):
        verb = VERBS[name]
        assert isinstance(verb, Verb)
        text = verb.values_flag
        parser = VerbParser(f"wordsight {name}", verb.sources(), verb.summary, verb.example, text)
        for argument in parser._arguments:
            if argument.flag is None or takes_none(argument.hint):
                continue
            *above, last = argument.name.split(".")
            content: Any = {last: None}
            for key in reversed(above):
                content = {key: content}
            file.write_text(yaml.safe_dump(content))
            words = ["--corpus", "c", "--out", "o"] if name == "pretrain" else ["r"]
            kept = [word for k, word in enumerate(words) if argument.flag not in words[max(0, k - 1) : k + 1]]
            with pytest.raises(InputError, match=r"null|missing"):
                parser.read(kept, file)
            tried += 1
    assert tried > 30


def test_a_yaml_file_that_is_absent_is_named(tmp_path: Path) -> None:
    assert "absent.yaml: no such file" in complaint(file=tmp_path / "absent.yaml")


def test_help_holds_every_argument_with_its_meaning_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().read(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "usage: wordsight try IMAGE --out PATH [flags]" in text
    assert "--batch-size N How many images. Default: 64." in text
    assert "--parts {nouns,verbs} Which words. Default: nouns." in text
    assert "--inner.clip X Where gradients are cut; 5 % more is fine. Default: 5." in text
    assert "--layer TEXT A layer's name. Default: last." in text
    assert "example: wordsight try a.jpg --out b" in text


@dataclass(frozen=True)
class Unset:
    """Words.

    Args:
        language: Of the captions.
        weights: A file of weights.
        images: The folder of the images; by default that of the table.
        caption: The column of captions; guessed from the column name.
    """

    language: str | None = None
    weights: str = ""
    images: Path | None = None
    caption: str | None = None


def test_help_says_what_happens_without_a_flag_and_says_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        VerbParser("wordsight try", [Source(Unset)], "Try it.", "example", ("--config", "Values.")).read(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--language TEXT Of the captions. Unset by default. --weights" in text
    assert "--weights TEXT A file of weights. Unset by default. --images" in text
    assert "by default that of the table. --caption" in text
    assert "guessed from the column name. example" in text


class Options(TypedDict, total=False):
    """Words.

    Args:
        side: Pixels.
        folder: Where the images are. In Python also an open one.
    """

    side: Annotated[int, Range(0, 10)]
    folder: Path | str | None


def measure(
    corpus: Corpus | Path | str,
    words: Sequence[str] = (),
    *,
    task: str | Sequence[str] | None = None,
    network: Module | None = None,
    **options: Unpack[Options],
) -> None:
    """Measure.

    Args:
        corpus: The corpus. In Python also an open one.
        words: Some words.
        task: Which tasks.
        network: Not for a command line.
        options: More.
    """


def test_a_function_is_taken_as_it_is_with_the_keys_of_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    source = Source(measure, skip=frozenset({"network"}), positional=("corpus", "words"))
    verb = VerbParser("wordsight try", [source], "Try it.", "example", ("--config", "Values."))
    given = verb.read(["a", "dog", "cat", "--task", "x,y", "--side", "3"]).of(measure)
    assert given == {
        "corpus": Path("a"),
        "words": ["dog", "cat"],
        "task": ("x", "y"),
        "side": 3,
        "folder": None,
    }
    with pytest.raises(InputError, match="--side|side is 11"):
        verb.read(["a", "--side", "11"])
    with pytest.raises(SystemExit):
        verb.read(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "CORPUS The corpus. WORDS Some words." in text
    assert "Which tasks. Several with commas between them. Unset by default." in text
    assert "Where the images are. Unset by default." in text and "In Python" not in text


def test_two_sources_are_told_apart() -> None:
    other = Source(Inner, title="inner")
    both = VerbParser("wordsight try", [Source(Settings), other], "Try it.", "example", ("--config", "A YAML file."))
    values: Values = both.read(["a.jpg", "--out", "b", "--clip", "1"])
    assert values.of(Inner) == {"clip": 1.0}
    assert values["out"] == Path("b")


def test_a_flag_is_taken_out_of_the_words() -> None:
    assert take_flag(["a", "--recipe", "r", "b"], "--recipe") == (["a", "b"], "r")
    assert take_flag(["a", "--recipe=r"], "--recipe") == (["a"], "r")
    assert take_flag(["a"], "--recipe") == (["a"], None)
    with pytest.raises(InputError, match="--recipe: a value is missing"):
        take_flag(["--recipe"], "--recipe")


@dataclass(frozen=True)
class Several:
    """Words.

    Args:
        file: A file.
        words: Some words.
        most: How many.
    """

    file: Path
    words: tuple[str, ...]
    most: int = 3


@pytest.mark.parametrize(("line", "words"), [("a.txt", []), ("a.txt dog --most 4", ["dog"]), ("a no 12", ["no", "12"])])
def test_any_number_of_words_may_follow(line: str, words: list[str]) -> None:
    given = parser(Several).read(line.split()).of(Several)
    assert list(given["words"]) == words
    assert given["file"] == Path(line.split()[0])
