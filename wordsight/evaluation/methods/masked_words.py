"""The protocol ``masked-words``: is the masked word of a caption the model's first guess, or among its five?

Read beside what can be said without the image: the language model's token classifier trained on the training captions
(Table 1 of ICMLM gives BERT alone), always guessing the most frequent words, and the same network shown another image,
which tells how much of its answer comes from the caption through its attention. The same numbers stand for each part of
speech and for bands of words by their frequency in the training captions. No baseline head is asked about a caption
that it learned from, so that a training split is read beside the captions' own share too.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluation.methods.recorded_settings import recorded_settings
from wordsight.evaluation.metrics.classification import clustered_error
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.predictions.masked_word_predictions import masked_word_objective, predict_masked_words
from wordsight.evaluation.predictions.row_samples import sample_images, sample_rows
from wordsight.evaluation.predictions.text_only import (
    MOST_FREQUENT,
    TEXT_ONLY,
    cross_fit_folds,
    ranked_words,
    text_only_predictions,
    training_overlap,
)
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.measurement import baselines_for
from wordsight.evaluation.results.result import Result, ResultGroup
from wordsight.evaluation.tasks.caption_split import CaptionedSplit
from wordsight.ranges import AtLeastOne, Fraction, check_ranges
from wordsight.vision.inference import weights_fingerprint

BY_PART, BY_RANK = "part of speech", "rank in training captions"
TOP5 = "top-5"
_WRONG_IMAGE = "wrong image"
# First ranks of the bands, the most frequent word of the training captions being 1.
_BANDS = (1, 11, 101, 1001)


@dataclass(frozen=True)
class MaskedWordsSettings:
    """Settings of the protocol.

    Args:
        most_words: With more masked words than this, so many are asked, always the same ones.
        text_baseline: Whether to train the text-only baseline, whose guesses are kept beside the masked captions for
            other runs.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    most_words: AtLeastOne = 20_000
    text_baseline: bool = True
    crop_share: Fraction = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)


def measure(model: EvaluatedModel, data: CaptionedSplit, protocol: EvalProtocol) -> Result:
    """Ask for the masked words of a split.

    Args:
        model: Its objective is asked.
        data: Images and masked captions.
        protocol: The protocol.

    Raises:
        InputError: When the objective predicts no masked words, or there is none to predict.
    """
    settings: MaskedWordsSettings = protocol.settings
    objective = masked_word_objective(model)
    rows = asked_rows(data, settings.most_words)
    predictions = predict_masked_words(model, data, rows, settings.crop_share)
    target, example = data.masked.target_M[rows].astype(np.int64), data.masked.example_M[rows]
    hits = TopKHits.of(predictions.guesses, target)
    candidates = objective.candidates.cpu().numpy()
    blind, notes = _without_image(model, data, rows, candidates, settings)
    beside = dict(blind)
    if len(np.unique(example)) > 1:
        wrong = predict_masked_words(model, data, rows, settings.crop_share, wrong_images=True)
        beside[_WRONG_IMAGE] = TopKHits.of(wrong.guesses, target)
    value, baselines = hits.top1(), _baselines(beside)
    return Result(
        task=data.name,
        protocol=protocol.name,
        metric="top-1 of masked words",
        value=value,
        baselines=baselines,
        more={TOP5: hits.top5()},
        standard_error=clustered_error(hits.first, example),
        per_class=per_concept(hits.first, data.masked.concept_M[rows], data),
        groups=[_group(by, name, inside, hits, blind, example) for by, name, inside in groups_of(data, rows)],
        counts={
            "masked_words": len(rows),
            "of_masked_words": len(data.masked),
            "images": len(np.unique(example)),
            "candidates": len(candidates),
        },
        settings=recorded_settings(protocol, model, data),
        weights=weights_fingerprint(objective),
        data=data.fingerprint,
        warnings=[*data.seen_in_training(model), *notes, *_compare_with_text(value, baselines)],
        own_baselines=[name for name in (_WRONG_IMAGE,) if name in baselines],
    )


@dataclass(frozen=True)
class TopKHits:
    """Which of n masked words were the first guess, and which were among the first five, bool ``[n]`` each."""

    first: NDArray[np.bool_]
    fifth: NDArray[np.bool_]

    @classmethod
    def of(cls, guesses: NDArray[np.int64], target: NDArray[np.int64]) -> TopKHits:
        """From guesses, the likeliest first ``[n, 5]``, and what was masked ``[n]``."""
        hits = guesses == target[:, None]
        return cls(hits[:, 0], hits.any(1))

    def top1(self, inside: NDArray[np.bool_] | slice = slice(None)) -> float:
        """Top-1 in percent, of some of the words."""
        return 100 * float(self.first[inside].mean())

    def top5(self, inside: NDArray[np.bool_] | slice = slice(None)) -> float:
        """Top-5 in percent, of some of the words."""
        return 100 * float(self.fifth[inside].mean())


def asked_rows(data: CaptionedSplit, most: int) -> NDArray[np.int64]:
    """The masked words of a split that are asked about, ascending.

    Args:
        data: Masked captions.
        most: How many at most.
    """
    rows = np.arange(len(data.masked))
    # Baselines learn from the captions of all images that are not asked about: few whole images leave them the most.
    if len(training_overlap(data)):
        return sample_images(rows, data.masked.example_M, most)
    return sample_rows(rows, most)


def groups_of(data: CaptionedSplit, rows: NDArray[np.int64]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """The parts of speech and the bands of frequency among some masked words.

    A band holds the words of some ranks in the training captions, of those that were masked in them. Parts are those
    that the concept set knows; without training captions there are no bands.

    Args:
        data: Masked captions; ``parts`` names the part of speech of each concept.
        rows: The masked words.

    Yields:
        What was grouped by, the group's name, and which of the rows are in it; none is empty.
    """
    if data.parts is not None:
        part = np.array(data.parts)[data.masked.concept_M[rows]]
        for name in dict.fromkeys(data.parts):
            if (part == name).any():
                yield BY_PART, name, part == name
    if data.train is None:
        return
    ranked = ranked_words(data)
    rank_of = dict(zip(ranked.tolist(), range(1, len(ranked) + 1), strict=True))
    rank = np.array([rank_of.get(target, 0) for target in data.masked.target_M[rows].tolist()])
    names = [f"{first}-{after - 1}" for first, after in pairwise(_BANDS)] + [f"{_BANDS[-1]}+"]
    band = np.searchsorted(_BANDS, rank, side="right")
    for number, name in [*enumerate(names, 1), (0, "not in them")]:
        if (band == number).any():
            yield BY_RANK, name, band == number


def _group(
    by: str,
    name: str,
    inside: NDArray[np.bool_],
    hits: TopKHits,
    beside: Mapping[str, TopKHits],
    example: NDArray[np.int64],
) -> ResultGroup:
    return ResultGroup(
        by=by,
        name=name,
        count=int(inside.sum()),
        value=hits.top1(inside),
        more={TOP5: hits.top5(inside)},
        baselines=_baselines({head: each for head, each in beside.items() if head != MOST_FREQUENT}, inside),
        standard_error=clustered_error(hits.first[inside], example[inside]),
    )


def _baselines(beside: Mapping[str, TopKHits], inside: NDArray[np.bool_] | slice = slice(None)) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, each in beside.items():
        found |= {name: each.top1(inside), **baselines_for(TOP5, {name: each.top5(inside)})}
    return found


def per_concept(right: NDArray[np.bool_], concepts: NDArray[np.int32], data: CaptionedSplit) -> dict[str, float]:
    """Share in percent of the words of each concept that came out right."""
    counts = np.bincount(concepts, minlength=len(data.concepts))
    hits = np.bincount(concepts[right], minlength=len(data.concepts))
    return {data.concepts[k]: 100 * float(hits[k] / counts[k]) for k in np.flatnonzero(counts).tolist()}


def _without_image(
    model: EvaluatedModel,
    data: CaptionedSplit,
    rows: NDArray[np.int64],
    candidates: NDArray[np.int64],
    settings: MaskedWordsSettings,
) -> tuple[dict[str, TopKHits], list[str]]:
    """What is right without the image, by its name, and what a reader should know of that."""
    if data.train is None:
        return {}, ["the captions that the run was trained on can't be found: no baselines of them"]
    target = data.masked.target_M[rows].astype(np.int64)
    frequent = np.tile(ranked_words(data)[:5], (len(rows), 1))
    found = {MOST_FREQUENT: TopKHits.of(frequent, target)}
    if not settings.text_baseline or model.language is None:
        return found, []
    guesses = text_only_predictions(model.language, data, rows, candidates)
    notes = []
    if (cross_fit_folds(data, rows) >= 0).any():
        notes.append(
            "text only has seen none of these captions: it learned from those of the other training images"
            if TEXT_ONLY in guesses
            else "no text-only baseline: there is no other training image to learn from"
        )
    return {name: TopKHits.of(each, target) for name, each in guesses.items()} | found, notes


def _compare_with_text(value: float, baselines: dict[str, float]) -> list[str]:
    text, wrong = baselines.get(TEXT_ONLY), baselines.get(_WRONG_IMAGE)
    if text is None or value > text:
        return []
    said = f"no better than the captions alone ({text:.1f})"
    return [
        said if wrong is None else f"{said}: the right image gives {value - wrong:.1f} points more than a wrong one"
    ]
