"""Images with their texts, and what is found between them: ranks and class-level precision in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.encoded_images import CorpusImages, ImageSubset
from wordsight.corpus.store import Corpus
from wordsight.evaluation.image_text.queries import TextQuery, TextSide
from wordsight.evaluation.image_text.ranks import Ranks, chance_ranks, class_precision, pair_ranks, sharing
from wordsight.evaluation.image_text.similarity import SimilarityScores
from wordsight.evaluation.metrics.classification import chance_average_precision
from wordsight.evaluation.metrics.outcomes import parts_of_ratio
from wordsight.evaluation.predictions.row_samples import sample_rows

TextKind = Literal["captions", "joined", "articles"]

FIRST = (1, 5, 10)
MAP, MEDIAN = "class-level mAP", "median rank"
DIRECTIONS = ("image-to-text", "text-to-image")


@dataclass(frozen=True)
class ImageTextPairs:
    """Images with their texts.

    Args:
        corpus: Where they are.
        examples: N examples that have a text.
        texts: T texts.
        image_of_T: Which of the examples each belongs to, ascending.
    """

    corpus: Corpus
    examples: NDArray[np.int64]
    texts: Sequence[TextQuery]
    image_of_T: NDArray[np.int64]

    @property
    def images(self) -> ImageSubset:
        """The encoded images."""
        return ImageSubset(CorpusImages(self.corpus), self.examples)

    @property
    def hashes(self) -> NDArray[np.str_]:
        """What the images are known by, ``[N]``."""
        return np.array([self.corpus.image_hash(int(example)) for example in self.examples], dtype=np.str_)

    def labels_NK(self) -> NDArray[np.bool_] | None:
        """The classes of each image; None where none has any."""
        number = {name: k for k, name in enumerate(self.corpus.label_names)}
        held: NDArray[np.bool_] = np.zeros((len(self.examples), len(number)), dtype=np.bool_)
        for row, example in enumerate(self.examples.tolist()):
            held[row, [number[name] for name in self.corpus.labels(example)]] = True
        return held if held.any() else None


@dataclass(frozen=True)
class RetrievalMetrics:
    """What was found in both directions.

    Args:
        ranks: Ranks of the right answers, by direction.
        precision: Average precision by class of the questions asked, by direction; empty without labels.
        asked: Which questions were asked by class, by direction.
    """

    ranks: Mapping[str, Ranks]
    precision: Mapping[str, NDArray[np.float64]]
    asked: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    def metrics(self, direction: str) -> dict[str, float]:
        """All metrics of a direction by name, in percent but for the median rank."""
        ranks = self.ranks[direction]
        found = {f"R@{k}": 100 * float(ranks.within(k).mean()) for k in FIRST}
        if direction in self.precision:
            found[MAP] = float(np.nanmean(self.precision[direction]))
        return {**found, MEDIAN: float(np.median(ranks.mean_n))}

    def parts(self, direction: str, image_of_T: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Each image's part in every metric of a direction that is a mean over questions, ``[N]``.

        Args:
            direction: The direction.
            image_of_T: The image of each text.
        """
        images = int(image_of_T[-1]) + 1
        image_of = np.arange(images) if direction == DIRECTIONS[0] else image_of_T

        def of(right: NDArray[np.float64], image: NDArray[np.int64]) -> NDArray[np.float64]:
            sums = (np.bincount(image, weights=each, minlength=images) for each in (right, np.ones(len(image))))
            return parts_of_ratio(*(np.asarray(each, dtype=np.float64) for each in sums))

        found = {f"R@{k}": of(self.ranks[direction].within(k), image_of) for k in FIRST}
        if direction in self.precision:
            found[MAP] = of(self.precision[direction] / 100, image_of[self.asked[direction]])
        return found


def image_text_pairs(corpus: Corpus, examples: NDArray[np.int64], texts: TextKind, side: TextSide) -> ImageTextPairs:
    """The texts of some examples; an example without any is left out.

    Args:
        corpus: Where they are.
        examples: Their numbers, ascending.
        texts: What a text is: each caption, the captions of an image joined, or its article.
        side: Who reads them.
    """
    found: dict[int, list[TextQuery]] = {}
    if texts == "articles":
        articles = ((example, corpus.article(example)) for example in examples.tolist())
        found = {example: [TextQuery((article,))] for example, article in articles if article}
    else:
        captions: dict[int, list[str]] = {}
        for example, _, caption in side.captions(corpus, examples.tolist()):
            captions.setdefault(example, []).append(caption)
        for example, some in captions.items():
            found[example] = [TextQuery(tuple(some))] if texts == "joined" else [TextQuery((one,)) for one in some]
    counts = [len(each) for each in found.values()]
    return ImageTextPairs(
        corpus,
        np.array(list(found), dtype=np.int64),
        [text for each in found.values() for text in each],
        np.repeat(np.arange(len(found)), counts),
    )


def one_text_each(pairs: ImageTextPairs) -> ImageTextPairs:
    """The same images with one text each: the first of the first image, the second of the second, and so on around."""
    firsts = np.searchsorted(pairs.image_of_T, np.arange(len(pairs.examples)))
    counts = np.bincount(pairs.image_of_T, minlength=len(pairs.examples))
    places = firsts + np.arange(len(pairs.examples)) % np.maximum(counts, 1)
    return replace(
        pairs, texts=[pairs.texts[place] for place in places.tolist()], image_of_T=np.arange(len(pairs.examples))
    )


def retrieval_metrics(
    scores: SimilarityScores,
    image_of_T: NDArray[np.int64],
    labels_NK: NDArray[np.bool_] | None,
    most_questions: int,
) -> RetrievalMetrics:
    """Ranks, and precision by class where there are labels, in both directions.

    Args:
        scores: Of the images for the texts.
        image_of_T: The image of each text.
        labels_NK: The classes of the images.
        most_questions: How many questions are asked by class.
    """
    ranks = dict(zip(DIRECTIONS, pair_ranks(scores, image_of_T), strict=True))
    precision, asked_of = {}, {}
    if labels_NK is not None:
        item_of = (np.arange(len(labels_NK)), image_of_T)
        for direction, one, items in (
            (DIRECTIONS[0], scores, item_of),
            (DIRECTIONS[1], scores.turned(), item_of[::-1]),
        ):
            asked = np.flatnonzero(labels_NK.sum(1)[items[0]])
            asked_of[direction] = asked = sample_rows(asked, most_questions)
            precision[direction] = class_precision(one, labels_NK, (items[0], items[1]), asked)
    return RetrievalMetrics(ranks, precision, asked_of)


def chance(pairs: ImageTextPairs, labels_NK: NDArray[np.bool_] | None) -> RetrievalMetrics:
    """What is found by whoever gives all texts and all images the same score.

    Args:
        pairs: Images and texts.
        labels_NK: The classes of the images.
    """
    own_N = np.bincount(pairs.image_of_T)
    texts, images = len(pairs.texts), len(pairs.examples)
    ones_T = np.ones(texts, dtype=np.int64)
    ranks = {
        DIRECTIONS[0]: chance_ranks(texts - own_N, own_N),
        DIRECTIONS[1]: chance_ranks(ones_T * (images - 1), ones_T),
    }
    precision = {}
    if labels_NK is not None:
        asks_N = np.asarray(labels_NK.sum(1) > 0)
        shares = [sharing(labels_NK, row) for row in np.flatnonzero(asks_N).tolist()]
        right_texts = np.array([int(own_N[each].sum()) for each in shares])
        right_images = np.array([int(each.sum()) for each in shares])
        precision[DIRECTIONS[0]] = chance_average_precision(right_texts, texts)
        precision[DIRECTIONS[1]] = np.repeat(chance_average_precision(right_images, images), own_N[asks_N])
    return RetrievalMetrics(ranks, precision)
