"""The method ``retrieval``: which text belongs to an image, and which image to a text?

Recall among the first 1, 5 and 10 (R@k), and the median rank. With several captions an image, R@k from images to texts
is the share of the images that have *any* of their captions among the first k texts (as Karpathy and Fei-Fei 2015 and
open_clip count), not the share of their captions that is found there; from texts to images it is the share of the
captions whose own image is among the first k. The rank is that of the best-ranked caption, and of the own image. Where
the corpus has labels also class-level mean average precision, an answer being right that shares a class with the
question (Patel et al. 2019, Section 5.2). Both directions are results of their own, read beside chance, the same heads
on the backbone with random weights, and CCA, PLS and kernel CCA of the same image features and text vectors.

https://arxiv.org/abs/1902.00378
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.encoded_images import CorpusImages, ImageSubset
from wordsight.corpus.splits import part_of
from wordsight.errors import InputError
from wordsight.evaluation.features.extract import extract_features
from wordsight.evaluation.features.feature_checks import flat
from wordsight.evaluation.image_text.cca import Projections, TrainingPairs, projected
from wordsight.evaluation.image_text.few_guesses import few_texts, no_difference
from wordsight.evaluation.image_text.pairs import (
    DIRECTIONS,
    FIRST,
    MAP,
    ImageTextPairs,
    RetrievalMetrics,
    TextKind,
    chance,
    image_text_pairs,
    one_text_each,
    retrieval_metrics,
)
from wordsight.evaluation.image_text.queries import TextQueries, TextSide
from wordsight.evaluation.image_text.text_sides import (
    AUTO,
    asking,
    check_text_side,
    chosen_similarity,
    others_unasked,
    see_images,
    text_sides,
    with_backbone,
)
from wordsight.evaluation.methods.recorded_settings import recorded_settings
from wordsight.evaluation.metrics.bootstrap import clustered_interval
from wordsight.evaluation.metrics.classification import clustered_error
from wordsight.evaluation.metrics.outcomes import Outcomes
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.predictions.row_samples import sample_rows
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.measurement import RANDOM_WEIGHTS, baselines_for
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks.caption_split import CorpusSplit
from wordsight.ranges import AtLeastOne, AtLeastTwo, Fraction, Limit, check_ranges
from wordsight.vision.inference import weights_fingerprint

# Which of the definitions that are around is meant, where images have several captions.
_RECALL = (
    "R@k, image-to-text: the share of the images with any of their captions among the first k texts; text-to-image: "
    "the share of the captions whose own image is among the first k images"
)


@dataclass(frozen=True)
class RetrievalSettings:
    """Settings of the method.

    Args:
        texts: What the texts are: each caption, an image's captions joined, or its article.
        metric: The value of the result: ``recall`` (R@1: any of an image's captions is the first text; a caption's own
            image is the first image) or ``class-map``.
        text_side: ``auto``, or which of an objective's text sides is asked: a name in ``TEXT_SIDES``.
        similarity: ``auto`` for the text side's own, or another that it has.
        most_images: With more images than this, so many are drawn, always the same ones; 0 for all.
        most_class_questions: Questions that class-level precision is asked of; answers are always all.
        projections: Whether CCA, PLS and kernel CCA are learned for comparison, from the split ``train``.
        most_pairs: Pairs of images and texts that these are learned from.
        principal: Principal components that are kept of features and of vectors first.
        dimensions: Dimensions of their common space.
        landmarks: Landmarks of the kernel's approximation.
        random_init: Whether the heads are asked on a backbone with random weights too.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    texts: TextKind = "captions"
    metric: Literal["recall", "class-map"] = "recall"
    text_side: str = AUTO
    similarity: str = AUTO
    most_images: Limit = 0
    most_class_questions: AtLeastOne = 5000
    projections: bool = True
    most_pairs: AtLeastTwo = 5000
    principal: AtLeastOne = 64
    dimensions: AtLeastOne = 16
    landmarks: AtLeastOne = 256
    random_init: bool = True
    crop_share: Fraction = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)
        check_text_side(self.text_side, self.similarity)


def measure(model: EvaluatedModel, data: CorpusSplit, protocol: EvalProtocol) -> list[Result]:
    """Ask which texts and images of a split belong together.

    Args:
        model: Its objective's text side is asked.
        data: Images with texts.
        protocol: Its settings are :class:`RetrievalSettings`.

    Returns:
        A result for each direction; of several tag heads one for each of them and each direction.

    Raises:
        InputError: When the objective has no text side, fewer than two images have a text, or it knows none of these.
    """
    settings: RetrievalSettings = protocol.settings
    sides = text_sides(model, settings.text_side)
    chosen = {name: chosen_similarity(side, settings.similarity) for name, side in sides.items()}
    results = []
    for name, side in sides.items():
        examples = data.corpus.indices(data.split)
        examples = sample_rows(examples, settings.most_images or len(examples))
        pairs = image_text_pairs(data.corpus, examples, settings.texts, side)
        if len(pairs.examples) < 2:
            raise InputError(
                f"{len(pairs.examples)} images of the split {data.split!r} have {_called(settings)}",
                where=data.corpus.path,
                expected="two at least",
            )
        if settings.metric == "class-map" and pairs.labels_NK() is None:
            raise InputError(
                "no image has a label to tell right from wrong by",
                where=data.name,
                expected="a corpus with labels, or the protocol retrieval",
            )
        part = name if len(sides) > 1 else ""
        results += _of_side(model, data, protocol, side, chosen[name], pairs, part)
    return results


def _called(settings: RetrievalSettings) -> str:
    return "an article" if settings.texts == "articles" else "a caption"


def _of_side(
    model: EvaluatedModel,
    data: CorpusSplit,
    protocol: EvalProtocol,
    side: TextSide,
    similarity: str,
    pairs: ImageTextPairs,
    part: str,
) -> list[Result]:
    settings: RetrievalSettings = protocol.settings
    labels_NK = pairs.labels_NK()

    def looked(what: str) -> tuple[RetrievalMetrics, list[str]]:
        images = see_images(model, queries, pairs.images, settings.crop_share, what)
        scores = queries.scores(images)
        metrics = retrieval_metrics(scores, pairs.image_of_T, labels_NK, settings.most_class_questions)
        return metrics, no_difference(images)

    with asking(model):
        queries = side.ask(pairs.texts, similarity)
        if not queries.known_T.any():
            raise InputError(f"the {side.name} know nothing of any of the texts", where=data.name)
        found, alike = looked("images")
    beside: dict[str, RetrievalMetrics] = {"chance": chance(pairs, labels_NK)}
    if settings.random_init:
        with with_backbone(model, model.random_backbone()), asking(model):
            beside[RANDOM_WEIGHTS], _ = looked("images, random weights")
    beside_projections, notes = _projections(model, data, settings, side, queries, pairs, labels_NK)
    beside |= beside_projections
    unknown = int((~queries.known_T).sum())
    if unknown:
        notes.append(f"{unknown:,} of {len(pairs.texts):,} texts have nothing that it knows: chance decides of them")
    if len(pairs.texts) > len(pairs.examples):
        notes.append(_RECALL)
    first_N = found.ranks[DIRECTIONS[0]].first_n
    crowded = {DIRECTIONS[0]: [] if alike or first_N is None else few_texts(first_N, len(pairs.texts))}
    result = _frame(model, data, protocol, side, queries, pairs)
    said = [*data.seen_in_training(model), *others_unasked(model, settings.text_side), *queries.notes, *alike, *notes]
    return [
        replace(
            _in_direction(result, direction, found, beside, pairs, settings, part),
            warnings=[*said, *crowded.get(direction, [])],
        )
        for direction in DIRECTIONS
    ]


def _projections(
    model: EvaluatedModel,
    data: CorpusSplit,
    settings: RetrievalSettings,
    side: TextSide,
    queries: TextQueries,
    pairs: ImageTextPairs,
    labels_NK: NDArray[np.bool_] | None,
) -> tuple[dict[str, RetrievalMetrics], list[str]]:
    """CCA, PLS and kernel CCA of the same features and vectors; and what a reader should know of them."""
    if not settings.projections:
        return {}, []
    corpus = data.corpus
    if "train" not in map(part_of, corpus.splits) or data.shares_with("train"):
        return {}, ["no CCA, PLS or kernel CCA beside it: there is no other split called train to learn them from"]
    drawn = sample_rows(corpus.indices("train"), settings.most_pairs)
    learned = one_text_each(image_text_pairs(corpus, drawn, settings.texts, side))
    vectors_PZ, usable = np.zeros((0, 1), np.float32), np.zeros(0, np.int64)
    if learned.texts:
        with asking(model):
            vectors = side.ask(learned.texts, queries.similarity)
            usable = np.flatnonzero(vectors.known_T)
            vectors_PZ, vectors_TZ = (np.asarray(each.pooled().numpy(), np.float32) for each in (vectors, queries))
            vectors_PZ = vectors_PZ[usable]
    if len(usable) < 2 * settings.dimensions:
        return {}, [f"no CCA, PLS or kernel CCA beside it: the split train has {len(usable):,} pairs to learn from"]

    def features(examples: NDArray[np.int64], what: str) -> NDArray[np.float32]:
        return extract_features(
            model.backbone,
            ImageSubset(CorpusImages(corpus), examples),
            model.image_size,
            crop_share=settings.crop_share,
            device=model.device,
            what=what,
        )

    features_PC = features(learned.examples[usable], "features, training images")
    for what, seen in (("features", features_PC), ("texts' vectors", vectors_PZ)):
        if flat(seen.std(0, dtype=np.float64), np.abs(seen).max(0)).all():
            return {}, [f"no CCA, PLS or kernel CCA beside it: the {what} of the split train are all the same"]
    features_NC = features(pairs.examples, "features, images")
    sizes = Projections(settings.principal, settings.dimensions, settings.landmarks)
    training = TrainingPairs(features_PC, vectors_PZ)
    beside = {
        name: retrieval_metrics(scores, pairs.image_of_T, labels_NK, settings.most_class_questions)
        for name, scores in projected(training, features_NC, vectors_TZ, queries.known_T, sizes)
    }
    return beside, []


def _in_direction(
    result: Result,
    direction: str,
    found: RetrievalMetrics,
    beside: Mapping[str, RetrievalMetrics],
    pairs: ImageTextPairs,
    settings: RetrievalSettings,
    part: str,
) -> Result:
    """The result of one direction, its baselines beside every metric."""
    metrics = found.metrics(direction)
    main = MAP if settings.metric == "class-map" else f"R@{FIRST[0]}"
    others = {name: one.metrics(direction) for name, one in beside.items()}
    random = others.pop(RANDOM_WEIGHTS, None)
    baselines = {name: values[main] for name, values in others.items()}
    if random is not None:
        others = {**others, RANDOM_WEIGHTS: random}
    for metric in (each for each in metrics if each != main):
        baselines |= baselines_for(metric, {name: values[metric] for name, values in others.items()})
    cluster = np.arange(len(pairs.examples)) if direction == DIRECTIONS[0] else pairs.image_of_T
    outcome = found.ranks[direction].within(FIRST[0])
    if main == MAP:
        outcome, cluster = found.precision[direction] / 100, cluster[found.asked[direction]]
    further = found.parts(direction, pairs.image_of_T)
    known = ~np.isnan(outcome)
    return replace(
        result,
        part="-".join(filter(None, (part, direction))),
        metric=main,
        value=metrics[main],
        random_weights=None if random is None else random[main],
        baselines=baselines,
        own_baselines=[name for name in others if name not in ("chance", RANDOM_WEIGHTS)],
        more={name: value for name, value in metrics.items() if name != main},
        standard_error=clustered_error(outcome, cluster),
        interval=clustered_interval(outcome[known], cluster[known]),
        outcomes=Outcomes(pairs.hashes, correct=further.pop(main), further=further),
    )


def _frame(
    model: EvaluatedModel,
    data: CorpusSplit,
    protocol: EvalProtocol,
    side: TextSide,
    queries: TextQueries,
    pairs: ImageTextPairs,
) -> Result:
    """What the results of both directions have in common."""
    assert model.objective is not None, "a text side is an objective's"
    return Result(
        task=data.name,
        protocol=protocol.name,
        metric="",
        value=0.0,
        counts={
            "images": len(pairs.examples),
            "of_images": len(data.corpus.indices(data.split)),
            "texts": len(pairs.texts),
            "known_texts": int(queries.known_T.sum()),
        },
        settings=recorded_settings(protocol, model, data, text_side=side.name, similarity=queries.similarity),
        weights=weights_fingerprint(model.objective),
        data=data.fingerprint,
    )
