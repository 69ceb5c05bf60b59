"""What a person is shown of a corpus and of its rejects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wordsight.corpus.build import BuildSettings, build_corpus
from wordsight.corpus.example import Box, Example
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.show import describe, rejects
from wordsight.errors import InputError


def test_a_summary_counts_what_is_there(
    encoded: Callable[..., bytes], listed: Callable[..., Any], tmp_path: Path
) -> None:
    reader = listed(
        Example("a", encoded(1), ("a dog runs", "the dog sits here ."), ("dog",), split="train"),
        Example("b", encoded(2, size=(60, 80)), ("a cat runs", "short"), ("cat", "dog"), split="train"),
        Example("c", encoded(3), (), (), (), (Box("dog", 0, 0, 0.5, 0.5),), "An article.", "test"),
        names=("zebra",),
    )
    summary = describe(build_corpus(reader, tmp_path / "corpus"))
    assert (summary.examples, summary.captions, summary.boxes, summary.articles) == (3, 3, 1, 1)
    assert summary.splits == {"train": 2, "test": 1}
    assert summary.captions_per_example == {0: 1, 1: 1, 2: 1}
    assert summary.caption_tokens == {3: 2, 5: 1}
    assert summary.mean_tokens == 11 / 3
    assert summary.rejected == {"caption too short": 1}
    assert summary.top_words[:2] == [("dog", 2), ("runs", 2)]
    assert summary.labels == {"dog": 2, "cat": 1, "zebra": 0}
    assert summary.image_sides == (36, 36, 60)
    assert [example.id for example in summary.shown] == ["a", "b", "c"]
    assert summary.counted() == (
        "3 examples (2 train, 1 test), 3 captions, 3 labels, 1 boxes, articles for 1 of 3 examples; "
        "left out: caption too short (1 caption, fewer than min_tokens=3)"
    )
    assert "dog (2), cat (1), zebra (0)" in str(summary)


def test_the_languages_of_the_captions_are_shown(
    encoded: Callable[..., bytes], listed: Callable[..., Any], tmp_path: Path
) -> None:
    reader = listed(Example("a", encoded(1), ("a dog runs", "ein Hund rennt", "un chien"), languages=("en", "de", "")))
    summary = describe(build_corpus(reader, tmp_path / "corpus", BuildSettings(min_tokens=2)))
    assert summary.languages == {"en": 1, "de": 1}
    assert summary.counted() == "1 examples, 3 captions (1 en, 1 de); left out: nothing"
    lines = str(summary).splitlines()
    assert "  languages      en (1), de (1)" in lines
    assert lines[-3:] == ["    en: a dog runs", "    de: ein Hund rennt", "    un chien"]


def test_a_corpus_without_captions_shows_none(
    encoded: Callable[..., bytes], listed: Callable[..., Any], tmp_path: Path
) -> None:
    summary = describe(build_corpus(listed(Example("a", encoded(1), labels=("dog",))), tmp_path / "corpus"))
    assert summary.counted() == "1 examples, 1 labels; left out: nothing"
    assert "captions" not in str(summary)


def test_a_large_corpus_is_described_from_an_even_share(
    coco: Callable[..., tuple[Path, Path]], tmp_path: Path, monkeypatch: Any
) -> None:
    corpus = build_corpus(Coco(*coco(20)), tmp_path / "corpus")
    monkeypatch.setattr("wordsight.corpus.show._SAMPLE", 5)
    summary = describe(corpus)
    assert (summary.described, summary.examples, summary.captions) == (5, 20, 40)
    assert [example.index for example in summary.shown] == [0, 4, 9, 19]


def test_rejects_can_be_asked_for_by_reason(
    encoded: Callable[..., bytes], listed: Callable[..., Any], tmp_path: Path
) -> None:
    reader = listed(Example("a", encoded(1), ("short", "a dog runs", "a dog runs", "tiny")))
    corpus = build_corpus(reader, tmp_path / "corpus")
    assert [line["reason"] for line in rejects(corpus)] == [
        "caption too short",
        "repeated caption",
        "caption too short",
    ]
    assert len(rejects(corpus, limit=1)) == 1
    assert [line["detail"] for line in rejects(corpus, "repeated caption")] == ["a dog runs"]


def test_rejects_are_read_as_they_were_and_are_no_formulas_in_the_file(
    encoded: Callable[..., bytes], listed: Callable[..., Any], tmp_path: Path
) -> None:
    reader = listed(Example("=1+1.jpg", encoded(1), ("@SUM of it", "@SUM of it", "a dog")))
    corpus = build_corpus(reader, tmp_path / "corpus")
    assert {line["id"] for line in rejects(corpus)} == {"=1+1.jpg"}
    assert "@SUM of it" in [line["detail"] for line in rejects(corpus)]
    text = (corpus.path / "rejected.csv").read_text("utf-8")
    assert "'=1+1.jpg" in text and "'@SUM of it" in text
    (corpus.path / "rejected.csv").unlink()
    with pytest.raises(InputError, match=r"rejected\.csv is not there; build the corpus again"):
        rejects(corpus)


def test_the_line_at_the_close_names_a_dozen_splits_at_most(
    encoded: Callable[..., bytes], listed: Callable[..., Any], tmp_path: Path
) -> None:
    examples = [Example(f"{k}", encoded(k), ("a dog runs",), split=f"s{k}") for k in range(20)]
    line = describe(build_corpus(listed(*examples), tmp_path / "corpus")).counted()
    assert "1 s11, ... (20 in all)), 20 captions" in line
    assert "s12" not in line
