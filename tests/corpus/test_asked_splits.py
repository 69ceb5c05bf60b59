"""``--split``: which examples a person means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus import Corpus
from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Reader
from wordsight.corpus.show import describe
from wordsight.corpus.splits import UnknownSplit, chosen_splits
from wordsight.errors import InputError
from wordsight.evaluation.tasks.caption_split import CorpusSplit

KARPATHY = ("train", "restval", "val", "test")


@pytest.fixture
def corpus(listed: Callable[..., Reader], encoded: Callable[..., bytes], tmp_path: Path) -> Corpus:
    """Ten images of Karpathy's splits in turn, the last two in none."""
    splits = [*KARPATHY, *KARPATHY, "", ""]
    items = [Example(str(k), encoded(k), (f"a kite of number {k}",), split=split) for k, split in enumerate(splits)]
    return build_corpus(listed(*items), tmp_path / "corpus")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("train", [0, 1, 4, 5]),
        ("restval", [1, 5]),
        ("train,restval", [0, 1, 4, 5]),
        ("restval, val", [1, 2, 5, 6]),
        ("test", [3, 7]),
        ("all", list(range(10))),
        (None, list(range(10))),
    ],
)
def test_restval_is_training_data_and_several_splits_can_be_asked_for(
    asked: str | None, found: list[int], corpus: Corpus
) -> None:
    assert corpus.indices(asked).tolist() == found


@pytest.mark.parametrize("asked", ["dev", "train,dev", "train,", ""])
def test_a_split_that_is_not_there_is_named_with_those_that_are(asked: str, corpus: Corpus) -> None:
    with pytest.raises(InputError, match="unknown split .*restval"):
        corpus.indices(asked)


def test_splits_are_known_by_their_purpose_whatever_they_are_called() -> None:
    assert chosen_splits("train", ["training_set", "test_set"]) == ["training_set"]
    assert chosen_splits("val", ["train", "validation", "test"]) == ["validation"]
    assert chosen_splits("train", ["train2017", "val2017"]) == ["train2017"]
    assert chosen_splits("a,b", ["a", "b", "a,b"]) == ["a,b"]
    assert chosen_splits("b,a", ["a", "b", "c"]) == ["a", "b"]
    with pytest.raises(UnknownSplit):
        chosen_splits("train", ["warm", "cold"])


def test_the_default_split_is_one_of_its_purpose(corpus: Corpus, listed: Callable[..., Reader], tmp_path: Path) -> None:
    assert corpus.default_split("train") == "train"
    items = _of_split(corpus, "trainval")
    other = build_corpus(listed(*items), tmp_path / "other")
    assert len(other.indices(other.default_split("train"))) == len(items)
    with pytest.raises(InputError, match="unknown split 'test'"):
        other.default_split("test")


def _of_split(corpus: Corpus, split: str) -> list[Example]:
    return [Example(corpus.id(i), bytes(corpus.image_bytes(i)), split=split, labels=("x",)) for i in range(3)]


def test_what_a_split_is_read_as_is_shown_where_its_name_does_not_say_it(corpus: Corpus) -> None:
    assert "2 train, 2 restval read as train, 2 val, 2 test" in describe(corpus).counted()


def test_examples_of_a_split_inside_another_are_known_to_be_shared(corpus: Corpus) -> None:
    assert CorpusSplit(corpus, "restval").shares_with("train")
    assert CorpusSplit(corpus, "train").shares_with("val,restval")
    assert not CorpusSplit(corpus, "test").shares_with("train,val")
    assert CorpusSplit(corpus, "train,val").name == "corpus-train+val"
