"""Copies of an image: which is kept, and where captions, labels and articles of the others go."""

from __future__ import annotations

import random

import pytest

from wordsight.corpus.duplicates import SeenNames, join
from wordsight.corpus.example import Example


def example(id: str, split: str = "", *captions: str, labels: tuple[str, ...] = ()) -> Example:
    return Example(id=id, image=b"", captions=captions, labels=labels, split=split)


def test_the_first_is_kept_and_gets_all_captions_and_labels_of_its_split() -> None:
    joined = join([example("a", "train", "one", labels=("x",)), example("b", "train", "two", "one", labels=("y", "x"))])
    assert joined.example == example("a", "train", "one", "two", labels=("x", "y"))
    assert [(each.id, each.reason) for each in joined.rejected] == [("b", "duplicate"), ("b", "repeated caption")]


@pytest.mark.parametrize(("first", "second"), [("train", "test"), ("test", "train")])
def test_a_picture_in_train_and_test_stays_in_test_alone(first: str, second: str) -> None:
    joined = join([example("a", first, "from a"), example("b", second, "from b")])
    assert joined.example.split == "test"
    assert joined.example.captions == (("from a",) if first == "test" else ("from b",))
    assert [each.id for each in joined.rejected] == ["b" if first == "test" else "a"]


def test_validation_outranks_train_and_unnamed_splits_but_not_test() -> None:
    splits = ["train2017", "", "val2014", "test"]
    for k in range(1, len(splits)):
        assert join([example(split, split) for split in splits[: k + 1]]).example.split == splits[k]


def test_restval_is_training_data_so_captions_move_to_the_first() -> None:
    joined = join([example("a", "train", "one"), example("b", "restval", "two")])
    assert joined.example == example("a", "train", "one", "two")


def test_captions_move_within_the_split_that_is_kept() -> None:
    joined = join([example("a", "train", "one"), example("b", "test", "two"), example("c", "test", "three")])
    assert joined.example == example("b", "test", "two", "three")
    assert [each.id for each in joined.rejected] == ["a", "c"]


def test_seen_finds_every_name_again_after_it_was_packed_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordsight.corpus.duplicates._RECENT", 16)
    seen, names = SeenNames(), [f"name {i}" for i in range(1000)]
    assert all(seen.add(name, i) is None for i, name in enumerate(names))
    order = list(range(1000))
    random.Random(0).shuffle(order)
    assert all(seen.add(names[i], -1) == i for i in order)


def test_captions_keep_their_languages_when_they_move() -> None:
    first = Example("a", b"", ("Hand in Hand", "two men"), languages=("de", "en"))
    second = Example("b", b"", ("Hand in Hand", "two men"), languages=("en", "en"))
    third = Example("c", b"", ("two men",))
    joined = join([first, second, third])
    assert joined.example.spoken == (("Hand in Hand", "de"), ("two men", "en"), ("Hand in Hand", "en"), ("two men", ""))
    assert [each.reason for each in joined.rejected] == ["duplicate", "repeated caption", "duplicate"]


def test_of_two_articles_of_a_picture_the_first_is_kept_and_the_other_is_listed() -> None:
    of = {name: Example(name, b"", article=text) for name, text in (("a", None), ("b", "one"), ("c", "two"))}
    joined = join([of["a"], of["b"], of["c"], Example("d", b"", article="one")])
    assert joined.example.article == "one"
    assert [(each.id, each.detail) for each in joined.rejected if each.kind == "article"] == [("c", "two")]


def test_languages_go_with_captions_one_to_one() -> None:
    with pytest.raises(ValueError, match="2 captions and 1 languages"):
        Example("a", b"", ("one", "two"), languages=("en",))
