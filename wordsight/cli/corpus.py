"""The verbs that make and show what a run learns from: `corpus build` and `show`, `concepts build` and `show`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.cli.verb import Group, Verb
from wordsight.ranges import Count

if TYPE_CHECKING:
    from wordsight.api import CorpusSummary
    from wordsight.cli.arguments import Values
    from wordsight.cli.signatures import Source

# A line to copy for each source; a reader that is not listed gets a plain one.
_EXAMPLES = {
    "coco": "captions.json images/ --out corpora/flickr8k",
    "table": "products.tsv --image image --caption title --out corpora/shop",
    "json": "records.json images/ --out corpora/blip",
    "folder": "photos/ --out corpora/photos",
    "webdataset": "'shards/*.tar' --out corpora/web",
    "huggingface": "dataset/ --out corpora/dataset",
    "voc": "VOCdevkit/VOC2007 --out corpora/voc07",
    "visual-genome": "region_descriptions.json images/ --val-images 5000 --out corpora/vg",
    "flickr30k-entities": "annotations/ flickr30k-images/ --out corpora/flickr30k",
    "articles": "wikipedia.jsonl --images images/ --out corpora/wikipedia",
    "pictures": "--count 4000 --out corpora/pictures",
}


@dataclass(frozen=True)
class CorpusShow:
    """What to show of a corpus.

    Args:
        corpus: The corpus folder.
        examples: How many examples are shown.
        rejects: How many lines of what was left out are shown.
        reason: Show only what was left out for this reason.
    """

    corpus: Path
    examples: Count = 4
    rejects: Count = 0
    reason: str | None = None


@dataclass(frozen=True)
class ConceptsShow:
    """What to show of a concept set.

    Args:
        concepts: The concept set's folder.
        corpus: The corpus it belongs to, for captions and splits; by default where it was when the set was made.
        most: How many concepts are shown, the most frequent first, and half as many of the rarest.
        examples: How many examples are shown.
    """

    concepts: Path
    corpus: Path | None = None
    most: Count = 40
    examples: Count = 4


def _readers() -> Mapping[str, Verb | Group]:
    from wordsight.api import READERS
    from wordsight.cli.signatures import summary

    return {name: _build(name, reader, summary(reader)) for name, reader in READERS.items()}


def _next(summary: CorpusSummary, made: Path) -> str:
    """The command that a corpus is ready for."""
    if summary.captions:
        return f"wordsight pretrain --corpus {made} ..."
    without = "labels" if summary.labels else "tp-article-topics" if summary.articles else "rotation"
    pretrain = f"wordsight pretrain --recipe {without}-resnet18-small --corpus {made} ..."
    return f"wordsight evaluate MODEL --task corpus:{made}, or {pretrain}" if summary.labels else pretrain


def _build(name: str, reader: Any, about: str) -> Verb:
    """The verb that builds a corpus with one reader."""
    # COCO's are an instances file, or such a table as well.
    has_labels = "labels" in {each.name for each in fields(reader)}
    own = frozenset({"reader", "settings", "labels"} if has_labels else {"reader", "settings"})

    def sources() -> list[Source]:
        from wordsight import api
        from wordsight.api.corpus import build_corpus
        from wordsight.cli.signatures import Source

        return [
            Source(reader, title="the source"),
            Source(build_corpus, skip=own, title="the corpus"),
            Source(api.BuildSettings, title="what is checked and kept"),
        ]

    def call(values: Values) -> None:
        from wordsight import api
        from wordsight.api.corpus import build_corpus

        settings = api.BuildSettings(**values.of(api.BuildSettings))
        made_reader = reader(**values.of(reader))
        corpus = api.build_corpus(made_reader, settings=settings, **values.of(build_corpus))
        summary, made = api.describe(corpus), values["out"]
        print(summary.counted())
        if summary.lost_captions and not summary.captions:
            print(f"no caption is left of {summary.lost_captions:,}: {summary.left_out}")
        print(f"made the corpus {made}; next: wordsight corpus show {made}, or {_next(summary, made)}")

    return Verb(
        summary=about,
        example=f"wordsight corpus build {name} {_EXAMPLES.get(name, f'--out corpora/{name}')}",
        sources=sources,
        call=call,
        interrupted="no corpus was made, and what was there before is untouched: run the same command again",
    )


def _show_sources() -> list[Source]:
    from wordsight.cli.signatures import Source

    return [Source(CorpusShow)]


def _show(values: Values) -> None:
    from wordsight import api

    corpus = api.open_corpus(values["corpus"])
    print(api.describe(corpus, examples_shown=values["examples"]))
    wanted = values["rejects"] or (20 if values["reason"] else 0)
    for line in api.rejects(corpus, values["reason"], wanted) if wanted else []:
        print(f"  left out  {line['id']}: {line['reason']} {line['detail']}".rstrip())


def _kinds() -> Mapping[str, Verb | Group]:
    from wordsight.api import CONCEPT_SETS
    from wordsight.cli.signatures import summary

    return {name: _build_concepts(name, kind.settings, summary(kind.build)) for name, kind in CONCEPT_SETS.items()}


def _build_concepts(name: str, settings: Any, about: str) -> Verb:
    """The verb that builds one kind of concept set."""

    def sources() -> list[Source]:
        from wordsight.api.corpus import build_concepts
        from wordsight.cli.signatures import Source

        where = Source(build_concepts, skip=frozenset({"kind", "settings"}), title="where")
        return [where, Source(settings, title="the concepts")]

    def call(values: Values) -> None:
        from wordsight import api
        from wordsight.api.corpus import build_concepts

        made = api.build_concepts(name, settings(**values.of(settings)), **values.of(build_concepts))
        print(api.describe_concepts(made, examples_shown=0).counted())
        corpus, out = values["corpus"], values["out"]
        print(
            f"made the concept set {out}; next: wordsight concepts show {out}, "
            f"or wordsight pretrain --corpus {corpus} --concepts {out} ..."
        )

    example = f"wordsight concepts build {name} --corpus corpora/flickr8k --out concepts/{name}"
    return Verb(about, example, sources, call)


def _show_concepts_sources() -> list[Source]:
    from wordsight.cli.signatures import Source

    return [Source(ConceptsShow)]


def _show_concepts(values: Values) -> None:
    from wordsight import api

    shown = api.describe_concepts(values["concepts"], corpus=values["corpus"], examples_shown=values["examples"])
    print(shown.text(values["most"]))


CORPUS = Group(
    "Make and show corpora: checked, packed images with their captions, labels and boxes.",
    lambda: {
        "build": Group("Make a corpus from images in one of these layouts.", _readers),
        "show": Verb(
            "Show what is in a corpus: counts, splits, what was left out and why, examples.",
            "wordsight corpus show corpora/flickr8k",
            _show_sources,
            _show,
        ),
    },
)
CONCEPTS = Group(
    "Make and show concept sets: what is to be recognised in the images.",
    lambda: {
        "build": Group("Make a concept set from a corpus's captions in one of these ways.", _kinds),
        "show": Verb(
            "Show what is in a concept set: the most frequent and rarest concepts, how many an example has, examples.",
            "wordsight concepts show concepts/postag",
            _show_concepts_sources,
            _show_concepts,
        ),
    },
)
