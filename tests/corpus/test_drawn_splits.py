"""Splits drawn by an image's content: the same for ever, and never two copies on both sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus import BuildSettings, Corpus
from wordsight.corpus.build import build_corpus
from wordsight.corpus.drawn_splits import SplitDraw
from wordsight.corpus.example import Example, Reader
from wordsight.errors import InputError

Encoded = Callable[..., bytes]
MakeReader = Callable[..., Reader]


def images(encoded: Encoded, count: int, split: str = "", first: int = 0) -> list[Example]:
    return [Example(f"{k}", encoded(k), ("a kite by a lake",), ("kite",), split=split)
            for k in range(first, first + count)]  # fmt: skip


def held(corpus: Corpus) -> dict[str, set[str]]:
    return {split: {corpus.image_hash(i) for i in corpus.indices(split)} for split in corpus.splits}


def test_shares_of_the_images_are_held_out_by_their_content(
    encoded: Encoded, listed: MakeReader, tmp_path: Path
) -> None:
    settings = BuildSettings(val_share=0.1, test_share=0.25)
    forth = build_corpus(listed(*images(encoded, 40)), tmp_path / "forth", settings)
    assert forth.splits == {"train": 26, "val": 4, "test": 10}
    # Neither their order nor their names matter.
    renamed = [Example(f"new {k}", each.image, each.captions) for k, each in enumerate(images(encoded, 40)[::-1])]
    back = build_corpus(listed(*renamed), tmp_path / "back", settings)
    assert held(back) == held(forth)
    other = build_corpus(
        listed(*renamed), tmp_path / "other", BuildSettings(val_share=0.1, test_share=0.25, split_seed=1)
    )
    assert other.splits == forth.splits and held(other) != held(forth)
    larger = build_corpus(listed(*renamed), tmp_path / "larger", BuildSettings(test_share=0.5))
    assert held(forth)["test"] < held(larger)["test"]
    assert forth.info["settings"]["test_share"] == 0.25


def test_copies_of_a_picture_are_never_on_both_sides(encoded: Encoded, listed: MakeReader, tmp_path: Path) -> None:
    copies = [Example(f"copy {k}", encoded(k, kind="PNG"), (f"number {k} of kites",)) for k in range(20)]
    originals = [Example(f"{k}", encoded(k, kind="BMP"), ("a kite by a lake",)) for k in range(20)]
    settings = BuildSettings(test_share=0.5)
    corpus = build_corpus(listed(*originals, *copies), tmp_path / "corpus", settings)
    assert corpus.splits == {"train": 10, "test": 10}
    assert all(len(corpus.captions(i)) == 2 for i in range(20))


def test_what_a_source_holds_out_stays_and_the_rest_is_drawn_from_its_training_data(
    encoded: Encoded, listed: MakeReader, tmp_path: Path
) -> None:
    items = [*images(encoded, 20, "train"), *images(encoded, 8, "test", first=20), *images(encoded, 2, first=30)]
    corpus = build_corpus(listed(*items), tmp_path / "corpus", BuildSettings(val_share=0.5))
    assert corpus.splits == {"train": 11, "val": 11, "test": 8}
    with pytest.raises(InputError, match="test_share=0.1: the source has a split 'test' of its own; leave"):
        build_corpus(listed(*items), tmp_path / "other", BuildSettings(test_share=0.1))
    with pytest.raises(InputError, match="the source has a split 'warm', which may be training data or not"):
        build_corpus(listed(*images(encoded, 4, "warm")), tmp_path / "other", BuildSettings(test_share=0.5))
    assert not (tmp_path / "other").exists()


def test_a_split_of_the_validation_images_alone_leaves_other_training_splits_their_names() -> None:
    found = SplitDraw(val_share=0.5).drawn(["restval"] * 4 + ["val2017"], list("abcde"))
    assert sorted(found[:4]) == ["restval", "restval", "val", "val"] and found[4] == "val2017"


def test_shares_that_leave_nothing_are_refused(encoded: Encoded, listed: MakeReader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="val_share 0.5 and test_share 0.5 leave no image to train on"):
        BuildSettings(val_share=0.5, test_share=0.5)
    with pytest.raises(InputError, match=r"val_share is -0\.1"):
        BuildSettings(val_share=-0.1)
    with pytest.raises(InputError, match="test_share=0.1 of 3 images is none"):
        build_corpus(listed(*images(encoded, 3)), tmp_path / "corpus", BuildSettings(test_share=0.1))
    with pytest.raises(InputError, match="no image of 1 is left to train on"):
        build_corpus(listed(*images(encoded, 1)), tmp_path / "corpus", BuildSettings(test_share=0.9))
