"""What went in: the corpus in counts and examples, and the concepts that were learned from its captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.splits import ALL
from wordsight.corpus.store import Corpus
from wordsight.explain.formats import count, share
from wordsight.explain.photo.heat import data_uri
from wordsight.explain.report.contents import Bar, ConceptGroup, ConceptsPart, DataPart, Picture

EXAMPLES = 6
MOST_CONCEPTS = 40
# Captions that lengths are taken from; all of a small corpus, enough of a large one.
MEASURED = 5000
PICTURE_SIDE = 320
_GROUPS = {"noun": "Nouns", "adjective": "Adjectives", "verb": "Verbs"}
_KINDS = {
    "words": "words of the captions",
    "ngrams": "sequences of words in the captions",
    "subwords": "tokens of the captions",
    "synsets": "meanings of the nouns in the captions",
    "clusters": "clusters of captions, each named by the caption in its middle",
    "labels": "labels of the pictures",
    "topics": "topics of the captions, each named by its commonest words",
    "article-topics": "topics of the articles, each named by its commonest words",
}
# Letters; longer names take most of a line.
_LONG = 14


def bars(rows: Sequence[tuple[str, float]], longest: float | None = None, kind: str = "") -> list[Bar]:
    """Counted things as bars, the longest over the whole width.

    Args:
        rows: Names and counts.
        longest: The count of a whole bar's width; by default the largest.
        kind: How the bars are coloured.
    """
    top = longest or max((value for _, value in rows), default=1) or 1
    return [Bar(name, count(value), 100 * value / top, kind) for name, value in rows]


def random_examples(indices: NDArray[np.int64], wanted: int) -> list[int]:
    """Some of the examples, the same ones every time."""
    return sorted(np.random.default_rng(0).permutation(indices)[:wanted].tolist())


def describe_data(corpus: Corpus) -> DataPart:
    """The corpus in counts, rejects and examples."""
    counts = corpus.info["counts"]
    side = corpus.info.get("settings", {}).get("shorter_side")
    captions = f" with {count(counts['captions'])} captions" if counts["captions"] else ""
    packed = f", packed with a shorter side of at most {side} pixels" if side else ""
    splits = dict(corpus.splits)
    if rest := len(corpus) - sum(splits.values()):
        splits["in no split" if splits else "all"] = rest
    rejected = sorted(counts.get("rejected", {}).items(), key=lambda item: (-item[1], item[0]))
    return DataPart(
        sentence=f"The corpus {corpus.name} holds {count(len(corpus))} pictures{captions}{packed}.",
        splits=bars(list(splits.items())),
        rejects_sentence=_rejects_sentence(counts, sum(number for _, number in rejected)),
        rejects=bars(rejected),
        words=_caption_lengths(corpus),
        examples=[_picture(corpus, i) for i in random_examples(corpus.indices(ALL), EXAMPLES)],
    )


def _rejects_sentence(counts: dict[str, int], rejected: int) -> str:
    if not rejected:
        return "Nothing: every row of the source could be used."
    if counts["bad"]:
        bad = share(counts["bad"], counts["read"])
        what = f"captions or pictures; {count(counts['bad'])} pictures could not be used ({bad} of all)"
    else:
        what = "captions or copies; every picture could be used"
    return f"{count(rejected)} {what}. The corpus lists each with its reason in rejected.csv."


def _caption_lengths(corpus: Corpus) -> str:
    lengths = [len(text.split()) for _, _, text in corpus.caption_iter(random_examples(corpus.indices(ALL), MEASURED))]
    if not lengths:
        return ""
    low, middle, high = np.percentile(lengths, [5, 50, 95])
    return f"Half of the captions have {middle:.0f} words or fewer; nine in ten have {low:.0f} to {high:.0f}."


def _picture(corpus: Corpus, i: int) -> Picture:
    image = corpus.image(i)
    said = corpus.captions(i) or corpus.labels(i)
    alt = f"Example {corpus.id(i)}: {said[0]}" if said else f"Example {corpus.id(i)}"
    return Picture(data_uri(image, PICTURE_SIDE), image.width, image.height, alt, said[:2])


def describe_concepts(concepts: ConceptSet, frequency_K: NDArray[np.float64], name: str = "") -> ConceptsPart:
    """The most frequent concepts by part of speech, counted over the examples that were trained on.

    Args:
        concepts: The concept set.
        frequency_K: How many of these have each concept, or the sum of its probabilities over them.
        name: What it is called where there are several.
    """
    labels = concepts.target == "labels"
    order = np.argsort(-frequency_K, kind="stable")[:MOST_CONCEPTS]
    longest = float(frequency_K[order[0]]) if len(order) else 1.0
    parts = concepts.parts or [""] * len(concepts)
    groups = []
    for part in dict.fromkeys([*_GROUPS, *sorted(set(parts))]):
        shown = [(concepts.names[k], float(frequency_K[k])) for k in order if parts[k] == part]
        if shown:
            says = f"{count(len(shown))} of {count(parts.count(part))}"
            style = part if part in _GROUPS else "other"
            wide = " wide" if max(len(each) for each, _ in shown) > _LONG else ""
            title = _GROUPS.get(part, part.title() or "Concepts")
            groups.append(ConceptGroup(title, style + wide, says, bars(shown, longest)))
    kinds = listed([each.lower() for part, each in _GROUPS.items() if part in parts])
    what = f"{kinds} of the captions" if kinds else _KINDS.get(concepts.kind, "concepts")
    shown_words = f"the {MOST_CONCEPTS} most frequent are shown" if len(concepts) > MOST_CONCEPTS else "all are shown"
    counted = "the number of training pictures that have them" if labels else "the training pictures' shares in them"
    return ConceptsPart(
        name,
        f"Concepts are what the network learns to predict: here {count(len(concepts))} {what}. "
        f"Of these {shown_words}, with {counted}.",
        groups,
    )


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: ``nouns, adjectives and verbs``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
