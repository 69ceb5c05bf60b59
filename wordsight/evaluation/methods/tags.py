"""The protocol ``tags``: which concepts does an image show that was never seen? Asked of each tag head.

Of labels (words, clusters, ...): mean average precision over the concepts (each concept ranks the images; Section 4 of
Joulin et al. 2016 asks the same of words), precision and recall of an image's first concepts, and the concepts that are
learned best and least. Of probabilities (topics), for which nothing simply holds: how the predicted probability of a
concept goes along with the text's over the images, the share of the text's probability that the first concepts hold
(recall), and the distance between both. Read beside the concepts' frequencies in training, which know no image, and
beside chance.

https://arxiv.org/abs/1511.02251
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.apply import concepts_of
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, NoAnswerError
from wordsight.evaluation.image_text.few_guesses import no_difference
from wordsight.evaluation.image_text.similarity import StoredEmbeddings
from wordsight.evaluation.methods.recorded_settings import recorded_settings
from wordsight.evaluation.metrics.bootstrap import bootstrap_interval
from wordsight.evaluation.metrics.classification import chance_average_precision, mean_of_known
from wordsight.evaluation.metrics.outcomes import Outcomes
from wordsight.evaluation.models.evaluated_model import EvaluatedModel, LearnedConcepts
from wordsight.evaluation.predictions.row_samples import sample_rows
from wordsight.evaluation.predictions.tag_probabilities import probability_agreement, total_variation_to
from wordsight.evaluation.predictions.tag_scores import (
    PrecisionRecallAtK,
    TagScores,
    has_positive_and_negative,
    precision_of_concepts,
    precision_recall_at_k,
    precision_recall_of_order,
    random_precision_recall,
    tag_scores,
)
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.measurement import baselines_for
from wordsight.evaluation.results.result import Result, ResultGroup
from wordsight.evaluation.tasks.caption_split import CorpusSplit
from wordsight.objectives.capabilities import tag_heads_of
from wordsight.objectives.tag_heads import TagHeads
from wordsight.objectives.tag_losses import TAG_LOSSES
from wordsight.ranges import AtLeastOne, Count, Fraction, check_ranges
from wordsight.vision.inference import weights_fingerprint

RANKS = (1, 5, 10)
CHANCE, FREQUENCY = "chance", "training frequencies"
PRECISION = "mean average precision of concepts"
DISTANCE = "distance of probabilities"
BEST, LEAST = "learned best (images that have it)", "learned least (images that have it)"
BY_FREQUENCY = "training images that have it (concepts)"
# First counts of the bands.
_BANDS = (1, 10, 100, 1000, 10_000)


@dataclass(frozen=True)
class TagsSettings:
    """Settings of the protocol.

    Args:
        most_images: With more images than this, so many are asked about, always the same ones.
        least_positives: Concepts that hold for fewer of the images are not named among the best or least learned.
        named: How many concepts are named as the best learned, and as the least.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    most_images: AtLeastOne = 20_000
    least_positives: AtLeastOne = 10
    named: Count = 10
    crop_share: Fraction = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)


def measure(model: EvaluatedModel, data: CorpusSplit, protocol: EvalProtocol) -> list[Result]:
    """Ask every tag head about the images of a split.

    An image that has no concept of a set is not asked about it.

    Args:
        model: Its tag heads are asked.
        data: Images with the texts (or labels) that say which concepts hold.
        protocol: The protocol.

    Returns:
        A result for each concept set.

    Raises:
        InputError: When the model has no tag head, or no image has a concept.
    """
    settings: TagsSettings = protocol.settings
    heads = tag_heads(model)
    examples = sample_rows(data.corpus.indices(data.split), settings.most_images)
    truths = {name: concepts_of(one.concepts, data.corpus, examples) for name, one in model.concepts.items()}
    held = {name: np.flatnonzero(np.diff(truth.indptr)) for name, truth in truths.items()}
    if not any(map(len, held.values())):
        raise InputError("no image has a concept of the run", where=data.name)
    for name, rows in held.items():
        if len(rows) == 0:
            raise InputError(f"no image has a concept of the set {name!r}", where=data.name)
    shown = np.unique(np.concatenate(list(held.values())))
    scores = tag_scores(model, heads, data.corpus, examples[shown], settings.crop_share)
    results = []
    for name, rows in held.items():
        asked = TagPredictions(model.concepts[name], scores[name].of(np.searchsorted(shown, rows)), truths[name][rows])
        if asked.labels and not has_positive_and_negative(asked.truth).any():
            raise InputError(
                f"every image has every concept of the set {name!r} that any image has: no order of them is wrong",
                where=data.name,
                expected="images that differ in what is said of them",
            )
        if asked.labels:
            found = _of_labels(asked, settings)
        else:
            found = _of_probabilities(asked, settings, exclusive=not TAG_LOSSES[heads.losses[name]].independent)
        part = name if len(held) > 1 else ""
        result = _result(model, data, protocol, asked, found, part, len(examples))
        results.append(_with_outcomes(result, found, data.corpus, examples[rows]))
    return results


def tag_heads(model: EvaluatedModel) -> TagHeads:
    """The model's tag heads.

    Raises:
        InputError: When its objective has none.
    """
    heads = tag_heads_of(model.objective)
    if heads is None:
        raise NoAnswerError(
            "its objective predicts no tags",
            where=model.name,
            expected="a run of tag-prediction, or of ICMLM with a tag_weight",
        )
    return heads


@dataclass(frozen=True)
class TagPredictions:
    """One concept set, what its head says of N images, and what holds.

    Args:
        learned: The concept set.
        scores: The head's scores.
        truth: What holds, ``[N, K]``.
    """

    learned: LearnedConcepts
    scores: TagScores
    truth: scipy.sparse.csr_matrix

    @property
    def labels(self) -> bool:
        """Whether what holds are labels, and not probabilities."""
        return self.learned.concepts.target == "labels"

    @property
    def frequency_K(self) -> NDArray[np.float64]:
        """The concepts by their training examples; as they are numbered where these are not known."""
        known = self.learned.train_K
        return np.zeros(self.truth.shape[1]) if known is None else known


@dataclass(frozen=True)
class TagMetrics:
    """What was found of one concept set: the parts of a result that are numbers.

    ``parts_N`` and ``further`` are each image's parts in the value and in some of the further metrics.
    """

    metric: str
    value: float
    baselines: Mapping[str, float]
    more: Mapping[str, float]
    value_K: NDArray[np.float64]
    parts_N: NDArray[np.float64]
    further: Mapping[str, NDArray[np.float64]]
    groups: Sequence[ResultGroup] = ()


def _of_labels(asked: TagPredictions, settings: TagsSettings) -> TagMetrics:
    precision = precision_of_concepts(asked.scores, asked.truth)
    precision_K = precision.value_K
    positives_K = np.asarray(asked.truth.getnnz(axis=0))
    images = asked.truth.shape[0]
    measured_K = has_positive_and_negative(asked.truth)
    chance_K = np.where(measured_K, chance_average_precision(positives_K, images), np.nan)
    more, beside, further = _ranked(asked, {"precision": True, "recall": True})
    # The same score for every image puts them all in one place: precision there is the share that has the concept.
    constant = mean_of_known(np.where(measured_K, 100 * positives_K / images, np.nan))
    known = {} if asked.learned.train_K is None else {FREQUENCY: constant}
    return TagMetrics(
        metric=PRECISION,
        value=mean_of_known(precision_K),
        baselines={CHANCE: mean_of_known(chance_K), **known, **beside},
        more=more,
        value_K=precision_K,
        parts_N=precision.parts_N,
        further=further,
        groups=[
            *_extremes(asked, precision_K, chance_K, settings),
            *_bands(asked.learned.train_K, precision_K, chance_K),
        ],
    )


def _of_probabilities(asked: TagPredictions, settings: TagsSettings, *, exclusive: bool) -> TagMetrics:
    near = probability_agreement(asked.scores, asked.truth, exclusive=exclusive)
    correlation_K = near.correlation.value_K
    more, beside, further = _ranked(asked, {"precision": False, "recall": True})
    even = np.ones(asked.truth.shape[1])
    far = {CHANCE: total_variation_to(even, asked.truth)}
    if asked.learned.train_K is not None:
        far[FREQUENCY] = total_variation_to(asked.learned.train_K, asked.truth)
    beside |= baselines_for(DISTANCE, far)
    return TagMetrics(
        metric="mean correlation of probabilities",
        value=mean_of_known(correlation_K),
        baselines={CHANCE: 0.0, **beside},
        more={DISTANCE: near.distance, **more},
        value_K=correlation_K,
        parts_N=near.correlation.parts_N,
        further={DISTANCE: near.distance_N, **further},
        groups=list(_extremes(asked, correlation_K, np.zeros_like(correlation_K), settings)),
    )


def _ranked(
    asked: TagPredictions, wanted: Mapping[str, bool]
) -> tuple[dict[str, float], dict[str, float], dict[str, NDArray[np.float64]]]:
    """Precision and recall of an image's first concepts, the same of the baselines under their names, and of each image
    alone."""
    beside = {CHANCE: random_precision_recall(asked.truth, RANKS)}
    if asked.learned.train_K is not None:
        order = np.argsort(-asked.learned.train_K, kind="stable")
        beside[FREQUENCY] = precision_recall_of_order(order, asked.truth, RANKS)
    first = precision_recall_at_k(asked.scores, asked.truth, RANKS)
    more = _named(first, wanted)
    named: dict[str, float] = {}
    for name, ranks in beside.items():
        for metric, value in _named(ranks, wanted).items():
            named |= baselines_for(metric, {name: value})
    return more, named, {name: first.of_images[name] for name in more}


def _named(ranks: PrecisionRecallAtK, wanted: Mapping[str, bool]) -> dict[str, float]:
    named = {"precision": ranks.precision, "recall": ranks.recall}
    return {f"{name}@{k}": value for name, by_rank in named.items() if wanted[name] for k, value in by_rank.items()}


def _extremes(
    asked: TagPredictions, value_K: NDArray[np.float64], chance_K: NDArray[np.float64], settings: TagsSettings
) -> Iterator[ResultGroup]:
    """The concepts learned best and least: by how much of the way from chance to 100 % their number has gone.

    Precision alone would name the concepts that most images have.
    """
    holding_K = np.asarray(asked.truth.getnnz(axis=0))
    enough = np.flatnonzero((holding_K >= settings.least_positives) & (chance_K < 100) & ~np.isnan(value_K))
    gain = (value_K[enough] - chance_K[enough]) / (100 - chance_K[enough])
    order = enough[np.argsort(-gain, kind="stable")].tolist()
    # A concept is named once, also where there are few.
    best = order[: min(settings.named, (len(order) + 1) // 2)]
    least = order[::-1][: min(settings.named, len(order) // 2)]
    for by, concepts in ((BEST, best), (LEAST, least)):
        for k in concepts:
            name, chance = asked.learned.concepts.names[k], {CHANCE: float(chance_K[k])}
            yield ResultGroup(by, name, int(holding_K[k]), float(value_K[k]), baselines=chance)


def _bands(
    train_K: NDArray[np.float64] | None, precision_K: NDArray[np.float64], chance_K: NDArray[np.float64]
) -> Iterator[ResultGroup]:
    """Mean average precision of the concepts that few training examples have, that more have, and so on."""
    if train_K is None:
        return
    band_K = np.searchsorted(_BANDS, train_K, "right")
    for band in range(len(_BANDS) + 1):
        inside = (band_K == band) & ~np.isnan(precision_K)
        if inside.any():
            chance = {CHANCE: float(chance_K[inside].mean())}
            yield ResultGroup(
                BY_FREQUENCY, _band(band), int(inside.sum()), float(precision_K[inside].mean()), baselines=chance
            )


def _band(number: int) -> str:
    if number == 0:
        return "none"
    if number == len(_BANDS):
        return f"{_BANDS[-1]:,} or more"
    return f"{_BANDS[number - 1]:,} to {_BANDS[number] - 1:,}"


def _result(
    model: EvaluatedModel,
    data: CorpusSplit,
    protocol: EvalProtocol,
    asked: TagPredictions,
    found: TagMetrics,
    part: str,
    of_images: int,
) -> Result:
    assert model.objective is not None, "heads are an objective's"
    known = ~np.isnan(found.value_K)
    concepts, notes = asked.learned.concepts, list[str]()
    notes += no_difference(StoredEmbeddings(asked.scores.hidden_ND))
    if asked.learned.train_K is None:
        notes.append("the corpus that the run was trained on can't be found: no baseline of its frequencies")
    return Result(
        task=data.name,
        protocol=protocol.name,
        part=part,
        metric=found.metric,
        value=found.value,
        baselines=dict(found.baselines),
        more=dict(found.more),
        per_class={
            name: float(value)
            for name, value, has in zip(_told_apart(concepts.names), found.value_K, known, strict=True)
            if has
        },
        groups=list(found.groups),
        counts={
            "images": asked.truth.shape[0],
            "of_images": of_images,
            "concepts": int(known.sum()),
            "of_concepts": len(concepts),
        },
        settings=recorded_settings(protocol, model, data, concepts=concepts.kind),
        weights=weights_fingerprint(model.objective),
        data=f"{data.fingerprint} {concepts.fingerprint}",
        warnings=[*data.seen_in_training(model), *notes],
    )


def _with_outcomes(result: Result, found: TagMetrics, corpus: Corpus, examples: NDArray[np.int64]) -> Result:
    """The result with what became of each image, and how certain that makes it."""
    ids = np.array([corpus.image_hash(int(example)) for example in examples], dtype=np.str_)
    outcomes = Outcomes(ids, correct=found.parts_N, further=found.further)
    # A correlation may be below zero.
    least = 0.0 if found.metric == PRECISION else -100.0
    return replace(result, outcomes=outcomes, interval=bootstrap_interval(outcomes, least=least))


def _told_apart(names: Sequence[str]) -> list[str]:
    """The names, with their number where two concepts share one."""
    times = Counter(names)
    return [f"{name} ({k})" if times[name] > 1 else name for k, name in enumerate(names)]
