"""The verbs about corpora and concept sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wordsight.atomic import refuse_existing
from wordsight.concepts import CONCEPT_SETS, ConceptSet
from wordsight.concepts.describe import ConceptSummary
from wordsight.concepts.describe import describe_concepts as _describe_concepts
from wordsight.corpus import BuildSettings, Corpus, Reader
from wordsight.corpus.build import build_corpus as _build_corpus
from wordsight.corpus.labels_file import with_labels
from wordsight.errors import unknown
from wordsight.locks import sole_writer
from wordsight.settings import from_mapping


def build_corpus(
    reader: Reader,
    *,
    out: Path | str,
    settings: BuildSettings = BuildSettings(),
    overwrite: bool = False,
    labels: Path | str | None = None,
) -> Corpus:
    """Read captioned or labelled images, check them, and pack them into a corpus folder.

    Args:
        reader: Where they come from: one of `READERS` with its arguments.
        out: The corpus folder to make.
        settings: Sizes, rules and limits.
        overwrite: Replace the corpus that is there already.
        labels: A CSV, TSV, JSONL or Parquet table with the columns image and label (and split, where there are splits):
            these labels, by the names of the image files, take the place of the source's own.

    Raises:
        InputError: When ``out`` exists, the source can't be read, too many examples are bad, or the disk is full.

    Examples:
        >>> import wordsight
        >>> from pathlib import Path
        >>> reader = wordsight.READERS["coco"](Path("captions.json"), Path("photos"))
        >>> corpus = wordsight.build_corpus(reader, out="corpora/again")
        >>> len(corpus), corpus.splits
        (24, {'train': 18, 'test': 6})
    """
    return _build_corpus(with_labels(reader, labels), Path(out), settings, overwrite)


def open_corpus(corpus: Corpus | Path | str) -> Corpus:
    """A corpus by its folder.

    Raises:
        InputError: When the folder holds no corpus.

    Examples:
        >>> import wordsight
        >>> corpus = wordsight.open_corpus("corpora/photos")
        >>> corpus.name, corpus.captions(0)
        ('photos', ['a red circle on a black wall'])
        >>> wordsight.open_corpus("photos")
        Traceback (most recent call last):
            ...
        wordsight.errors.InputError: photos is not a corpus (it holds no corpus.json); make one with: ...
    """
    return corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)


def build_concepts(
    kind: str,
    settings: Mapping[str, Any] | Any | None = None,
    *,
    corpus: Corpus | Path | str,
    out: Path | str,
    split: str | None = None,
    overwrite: bool = False,
) -> ConceptSet:
    """Turn the captions of a corpus into a concept set.

    Args:
        kind: One of `CONCEPT_SETS`.
        settings: Its settings, as its dataclass or by name; what is not given has its default.
        corpus: The corpus folder.
        out: The concept set's folder to make.
        split: The split that it is learned from, or several with commas between them; by default train where there are
            splits, else all.
        overwrite: Replace the concept set that is there already.

    Raises:
        InputError: When the kind or a setting is unknown, ``out`` exists or another process makes it, or the captions
            hold too few concepts.

    Examples:
        >>> import wordsight
        >>> settings = {"size": 3, "stop": 3}
        >>> concepts = wordsight.build_concepts("words", settings, corpus="corpora/photos", out="concepts/words")
        >>> concepts.names
        ['circle', 'square', 'black']
    """
    if kind not in CONCEPT_SETS:
        raise unknown("concept set", kind, CONCEPT_SETS)
    made = CONCEPT_SETS[kind]
    corpus, out = open_corpus(corpus), Path(out)
    if settings is None or isinstance(settings, Mapping):
        settings = from_mapping(made.settings, settings or {}, kind, within="")
    refuse_existing(out, overwrite=overwrite, holds="concepts.json")
    with sole_writer(out):
        concepts = made.build(corpus, settings, split or corpus.default_split("train"))
        concepts.made_from(corpus).save(out, overwrite=overwrite)
    return ConceptSet.open(out)


def describe_concepts(
    concepts: ConceptSet | Path | str, *, corpus: Corpus | Path | str | None = None, examples_shown: int = 4
) -> ConceptSummary:
    """Count what is in a concept set, and give a few examples.

    Args:
        concepts: The concept set, or its folder.
        corpus: The corpus it belongs to; by default looked for where it was when the set was made.
        examples_shown: How many examples are given.

    Raises:
        InputError: When the folder holds no concept set, or the corpus is another.
    """
    concepts = concepts if isinstance(concepts, ConceptSet) else ConceptSet.open(concepts)
    return _describe_concepts(concepts, None if corpus is None else open_corpus(corpus), examples_shown)
