"""What is in a corpus, in numbers and a few examples: for ``corpus show`` and the report."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from wordsight.corpus.captions import count_tokens, words
from wordsight.corpus.left_out import rejected_in_words, unread_in_words
from wordsight.corpus.splits import part_of
from wordsight.corpus.store import Corpus
from wordsight.disk import unreadable
from wordsight.errors import InputError, listed
from wordsight.progress import track
from wordsight.spreadsheet import read_rows

# Above this many examples, captions are described from as many of them, evenly spaced.
_SAMPLE = 100_000
_LABELS_SHOWN = 30


@dataclass(frozen=True)
class ExampleSummary:
    """One example, as a person would want to see it; ``index`` is its number in the corpus."""

    index: int
    id: str
    split: str
    captions: list[str]
    labels: list[str]
    languages: list[str]


@dataclass(frozen=True)
class CorpusSummary:
    """What is in a corpus.

    Attributes:
        name: Of its folder.
        fingerprint: Of its contents.
        sources: Where its examples came from.
        examples: How many there are.
        splits: How many in each split.
        captions: How many there are, in all.
        languages: How many of the captions are in each language; empty where none is said.
        captions_per_example: How many examples have 0, 1, 2, ... captions.
        caption_tokens: How many captions have 3, 4, ... tokens.
        rejected: How many images, captions and examples were left out, by reason.
        rejected_units: How many of each were images, captions, ..., by reason.
        left_out: All of it in words: with their units, and the flag that would keep them.
        unread: How many files (or fields of samples) lay in the source and were not read, by ending.
        top_words: The most frequent words and their counts, the most frequent first; function words left out.
        labels: How many examples have each label, the most frequent first; declared classes without any have 0.
        boxes: How many named objects there are.
        articles: How many examples have an article.
        image_sides: Smallest, median and largest shorter side, in pixels.
        bytes: Of all image and caption files.
        described: From how many examples words, labels and sizes were counted: all, or an even share of many.
        shown: A few examples, evenly spaced.
    """

    name: str
    fingerprint: str
    sources: list[str]
    examples: int
    splits: dict[str, int]
    captions: int
    languages: dict[str, int]
    captions_per_example: dict[int, int]
    caption_tokens: dict[int, int]
    rejected: dict[str, int]
    rejected_units: dict[str, dict[str, int]]
    left_out: str
    unread: dict[str, int]
    top_words: list[tuple[str, int]]
    labels: dict[str, int]
    boxes: int
    articles: int
    image_sides: tuple[int, int, int]
    bytes: int
    described: int
    shown: list[ExampleSummary] = field(default_factory=list)

    def counted(self) -> str:
        """One line: how many examples and captions there are, and what was left out."""
        splits = listed(f"{count:,} {name}{_read_as(name)}" for name, count in self.splits.items())
        what = f"{self.examples:,} examples" + (f" ({splits})" if splits else "")
        languages = listed(f"{count:,} {name}" for name, count in self.languages.items())
        what += f", {self.captions:,} captions" if self.captions else ""
        what += f" ({languages})" if languages else ""
        what += f", {len(self.labels):,} labels" if self.labels else ""
        what += f", {self.boxes:,} boxes" if self.boxes else ""
        what += f", articles for {self.articles:,} of {self.examples:,} examples" if self.articles else ""
        unread = f"; not read: {unread_in_words(self.unread)}" if self.unread else ""
        return f"{what}; left out: {self.left_out or 'nothing'}{unread}"

    def __str__(self) -> str:
        """Everything, one fact a line, for a terminal."""
        splits = {name + _read_as(name): count for name, count in self.splits.items()}
        facts = {
            "sources": listed(self.sources),
            "examples": f"{self.examples:,}" + _listed(splits, " in splits: "),
            "captions": f"{self.captions:,}, {self.mean_tokens:.1f} tokens on average",
            "languages": _listed(self.languages) or "not said",
            "captions/image": _listed(self.captions_per_example),
            "frequent words": _listed(dict(self.top_words)),
            "labels": f"{len(self.labels):,}" + _listed(dict(list(self.labels.items())[:_LABELS_SHOWN]), ": "),
            "boxes": f"{self.boxes:,}",
            "articles": f"{self.articles:,}" + (f" of {self.examples:,} examples" if self.articles else ""),
            "shorter sides": f"{self.image_sides[0]} to {self.image_sides[2]}, median {self.image_sides[1]}",
            "size": f"{self.bytes / 1e6:,.1f} MB",
            "left out": self.left_out or "nothing",
            "not read": unread_in_words(self.unread) or "nothing",
            "fingerprint": self.fingerprint,
        }
        if not self.captions:
            of_captions = ("captions", "languages", "captions/image", "frequent words")
            facts = {name: facts[name] for name in facts if name not in of_captions}
        lines = [f"{self.name}", *(f"  {name:<15}{value}" for name, value in facts.items())]
        for example in self.shown:
            lines.append(
                f"  example {example.index:<7}{example.id} {' '.join((example.split, *example.labels))}".rstrip()
            )
            for caption, language in zip(example.captions, example.languages, strict=True):
                lines.append(f"    {language}: {caption}" if language else f"    {caption}")
        return "\n".join(lines)

    @property
    def lost_captions(self) -> int:
        """How many captions were given and left out."""
        return sum(units.get("caption", 0) for units in self.rejected_units.values())

    @property
    def mean_tokens(self) -> float:
        """The mean length of a caption, in words and punctuation marks."""
        total = sum(self.caption_tokens.values())
        return sum(length * count for length, count in self.caption_tokens.items()) / total if total else 0.0


def describe(corpus: Corpus, words_shown: int = 30, examples_shown: int = 4) -> CorpusSummary:
    """Count what is in a corpus.

    Args:
        corpus: The corpus.
        words_shown: How many of the most frequent words are named.
        examples_shown: How many examples are shown.
    """
    rows = np.unique(np.linspace(0, len(corpus) - 1, min(len(corpus), _SAMPLE)).astype(np.int64)).tolist()
    per_example, tokens, labels, said = Counter[int](), Counter[int](), Counter[str](), Counter[str]()
    sides = []
    for i in track(rows, "describing"):
        captions = corpus.captions(i)
        per_example[len(captions)] += 1
        for caption in captions:
            tokens[count_tokens(caption)] += 1
            said.update(words(caption))
        labels.update(corpus.labels(i))
        sides.append(min(corpus.image_size(i)))
    counts = corpus.info["counts"]
    for name in corpus.label_names:
        labels.setdefault(name, 0)
    return CorpusSummary(
        name=corpus.name,
        fingerprint=corpus.fingerprint,
        sources=list(corpus.info["sources"]),
        examples=len(corpus),
        splits=dict(corpus.splits),
        captions=counts["captions"],
        languages=dict(corpus.language_names),
        captions_per_example=dict(sorted(per_example.items())),
        caption_tokens=dict(sorted(tokens.items())),
        rejected=dict(counts["rejected"]),
        rejected_units=dict(counts.get("rejected_units", {})),
        left_out=rejected_in_words(counts["rejected"], counts.get("rejected_units", {}), corpus.info["settings"]),
        unread=dict(counts.get("unread", {})),
        top_words=sorted(said.items(), key=lambda pair: (-pair[1], pair[0]))[:words_shown],
        labels=dict(sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))),
        boxes=counts["boxes"],
        articles=counts["articles"],
        image_sides=(min(sides), int(np.median(sides)), max(sides)),
        bytes=sum(file["bytes"] for file in [*corpus.info["shards"], corpus.info["captions"]]),
        described=len(rows),
        shown=[
            _shown(corpus, rows[k]) for k in np.linspace(0, len(rows) - 1, min(len(rows), examples_shown)).astype(int)
        ],
    )


def rejects(corpus: Corpus, reason: str | None = None, limit: int = 20) -> list[dict[str, str]]:
    """The first lines of ``rejected.csv``: what was left out, and why.

    Args:
        corpus: The corpus.
        reason: Only those left out for this reason.
        limit: How many at most.

    Raises:
        InputError: When the list is absent or damaged.
    """
    file = corpus.path / "rejected.csv"
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            wanted = (row for row in read_rows(lines) if reason is None or row["reason"] == reason)
            return list(islice(wanted, limit))
    except OSError as error:
        raise unreadable(error, file, absent="build the corpus again") from error
    except (ValueError, KeyError, csv.Error) as error:
        raise InputError(f"is damaged ({error})", where=file, mend="build the corpus again") from error


def _listed(counts: Mapping[Any, int], start: str = "") -> str:
    listed = ", ".join(f"{name} ({count:,})" for name, count in counts.items())
    return start + listed if listed else ""


def _read_as(split: str) -> str:
    """What a split is for, where its name does not begin with that: Karpathy's "restval"."""
    part = part_of(split)
    return f" read as {part}" if part and not split.lower().startswith(part) else ""


def _shown(corpus: Corpus, i: int) -> ExampleSummary:
    return ExampleSummary(i, corpus.id(i), corpus.split(i), corpus.captions(i), corpus.labels(i), corpus.languages(i))
