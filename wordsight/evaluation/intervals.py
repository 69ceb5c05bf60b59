"""How certain a number is: the bootstrap over test images, for one run and for the difference of two.

What is drawn anew are the test images; that another seed would have trained another network is not in it.

An average precision leans upward in a draw, where an image that comes in twice is ranked beside itself: by some 1.5
points for 300 images and five rare classes. The draws' own percentiles held the true value in 57 to 95 of 100 trials,
by the rule and the number of positives; mirrored at the value (the basic interval, Davison and Hinkley 1997)
they held it in 84 to 95. Accuracies have no such lean, and percentiles of theirs never pass 100 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from wordsight.errors import InputError
from wordsight.evaluation.metrics import AVERAGE_PRECISIONS, AveragePrecision
from wordsight.evaluation.outcomes import Outcomes
from wordsight.progress import track

DRAWS = 2000
LEVEL = 0.95
# So many (draw, image) pairs are held at once: few megabytes, which a processor's cache holds too.
_HELD = 1 << 18


@dataclass(frozen=True)
class PairedTest:
    """The difference between two runs on the same images.

    Args:
        difference: The first minus the second, in points.
        interval: Between what it lies in 95 of 100 draws.
        p_value: How often a difference at least that far from zero would be seen if there were none; two-sided.
        draws: How often the images were drawn.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    draws: int


def bootstrap_interval(
    outcomes: Outcomes, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """The interval of the bootstrap over test images, in percent: of percentiles (Efron 1979) for an accuracy, basic
    for an average precision.

    Args:
        outcomes: What became of each image.
        draws: How often as many images are drawn with replacement.
        level: Share of the draws that lie inside.
        seed: Of the draws.

    Raises:
        InputError: When there is no image.
    """
    drawn = drawn_values(outcomes, draws=draws, seed=seed)
    low, high = _percentiles(_levelled(drawn, outcomes.value, outcomes.metric), level)
    return max(low, 0.0), min(high, 100.0)


def clustered_interval(
    outcome_n: NDArray[np.float64],
    cluster_n: NDArray[np.int64],
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """The same for a mean over questions that come in clusters: what is drawn anew are the clusters.

    Args:
        outcome_n: What became of each question (a caption's), from 0 to 1, ``[n]``.
        cluster_n: The cluster of each (the image that the caption is of), ``[n]``.
        draws: How often as many clusters are drawn with replacement.
        level: Share of the draws that lie inside.
        seed: Of the draws.
    """
    _, cluster_n = np.unique(cluster_n, return_inverse=True)
    count_C, total_C = np.bincount(cluster_n), np.bincount(cluster_n, weights=outcome_n)
    drawn = [total_C[chosen].sum(1) / count_C[chosen].sum(1) for chosen in _draws(len(count_C), draws, seed)]
    return _percentiles(100 * np.concatenate(drawn), level)


def paired_test(
    first: Sequence[Outcomes], second: Sequence[Outcomes], *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> PairedTest:
    """Whether one run is better than another on images like these: both are looked at on the same draws of images.

    The p-value is twice the share of draws on the other side of zero, by (r + 1) / (draws + 1) (Davison and Hinkley
    1997, section 4.2), so that it agrees with the interval and is never zero.

    Args:
        first: Outcomes of one run, or of several that differ in their seed: their mean is taken in each draw.
        second: Outcomes of the other.
        draws: How often the images are drawn.
        level: Share of the draws that lie in the interval.
        seed: Of the draws.

    Raises:
        InputError: When they are about other images or other metrics.
    """
    ids = first[0].ids
    aligned = [[each.ordered_as(ids) for each in side] for side in (first, second)]
    if len({(each.metric, each.rule) for side in aligned for each in side}) > 1:
        raise InputError("outcomes of two metrics can't be compared", mend="evaluate both under the same protocol")
    drawn = [np.mean([drawn_values(each, draws=draws, seed=seed) for each in side], axis=0) for side in aligned]
    value = [float(np.mean([each.value for each in side])) for side in aligned]
    difference = _levelled(drawn[0] - drawn[1], value[0] - value[1], first[0].metric)
    known = difference[~np.isnan(difference)]
    smaller = min(int((known <= 0).sum()), int((known >= 0).sum()))
    p_value = min(1.0, 2 * (smaller + 1) / (len(known) + 1))
    return PairedTest(value[0] - value[1], _percentiles(difference, level), p_value, draws)


def drawn_values(outcomes: Outcomes, *, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """The metric in every draw of as many images, with replacement, ``[draws]``, in percent.

    Two calls with as many images and the same seed see the same draws.

    Args:
        outcomes: What became of each image.
        draws: How many.
        seed: Of the draws.

    Raises:
        InputError: When there is no image.
    """
    if len(outcomes) == 0:
        raise InputError("there is no image to draw from", mend="evaluate on a task with test images")
    images = len(outcomes)
    blocks = _draws(images, draws, seed)
    if outcomes.correct is not None:
        correct = outcomes.correct.astype(np.float64)
        return 100 * np.concatenate([correct[chosen_DN].mean(1) for chosen_DN in blocks])
    scores, targets = outcomes.learned
    rule = AVERAGE_PRECISIONS[outcomes.rule]
    each = [_Ranking.of(rule, *columns) for columns in zip(scores.T, targets.T, strict=True)]
    rankings = [ranking for ranking in each if ranking is not None]
    found = []
    # Hundreds of classes and many images take long enough to want a bar.
    for chosen_DN in track(blocks, "bootstrap", total=-(-draws // _block(images))):
        times_ND = _times(chosen_DN, images)
        each_KD = np.array([ranking.drawn(times_ND) for ranking in rankings])
        known = ~np.isnan(each_KD)
        count_D = known.sum(0)
        total_D = np.where(known, each_KD, 0.0).sum(0)
        found.append(np.where(count_D > 0, total_D / np.maximum(count_D, 1), np.nan))
    return np.concatenate(found)


@dataclass(frozen=True)
class _Ranking:
    """A class's images by falling score, so that every draw of them is a matter of sums.

    Precision and recall are needed only where a positive comes in, T times: between two of these recall stands still
    and precision falls, which no rule of average precision takes notice of.

    Args:
        rule: The average precision.
        entering: Which images come in up to each of these places, after the one before, ``[T, images]``.
        positive: The positives among them.
        counted: Numbers of all images that the class is known of.
    """

    rule: AveragePrecision
    entering: csr_array
    positive: csr_array
    counted: NDArray[np.int64]

    @classmethod
    def of(cls, rule: AveragePrecision, scores: NDArray[np.floating], targets: NDArray[np.int8]) -> _Ranking | None:
        """From the scores and targets of a class ``[n]``; None where it has no positive or no negative."""
        counted = np.flatnonzero(targets >= 0)
        holds = targets[counted] == 1
        if not holds.any() or holds.all():
            return None
        order, ends = rule.ranking(scores[counted], holds)
        places = np.flatnonzero(holds[order])
        # The run of equal scores that each positive comes in with.
        runs, starts = np.unique(np.searchsorted(ends, places), return_index=True)
        ranked = counted[order]
        return cls(
            rule,
            _sums(ranked, np.r_[0, ends[runs] + 1], len(targets)),
            _sums(ranked[places], np.r_[starts, len(places)], len(targets)),
            counted,
        )

    def drawn(self, times_ND: NDArray[np.int32]) -> NDArray[np.float64]:
        """Average precision in every draw, in percent ``[D]``; NaN where it has no positive or no negative."""
        taken_TD = np.cumsum(self.entering @ times_ND, axis=0)
        right_TD = np.cumsum(self.positive @ times_ND, axis=0)
        all_of_D = right_TD[-1]
        recall_TD, precision_TD = right_TD / np.maximum(all_of_D, 1), right_TD / np.maximum(taken_TD, 1)
        known_D = (all_of_D > 0) & (all_of_D < times_ND[self.counted].sum(0))
        return np.where(known_D, 100 * self.rule.area(recall_TD.T, precision_TD.T), np.nan)


def _sums(images: NDArray[np.int64], bounds: NDArray[np.int64], count: int) -> csr_array:
    """The matrix that sums over ``images[bounds[t]:bounds[t + 1]]`` for every t."""
    kept = images[: bounds[-1]]
    return csr_array((np.ones(len(kept), dtype=np.int32), kept, bounds), shape=(len(bounds) - 1, count))


def _block(images: int) -> int:
    """How many draws are held at once."""
    return max(_HELD // images, 1)


def _draws(images: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The images of each draw, ``[D, images]``, in blocks that memory can hold."""
    random = np.random.default_rng(seed)
    for first in range(0, draws, _block(images)):
        yield random.integers(0, images, size=(min(_block(images), draws - first), images))


def _times(chosen_DN: NDArray[np.int64], images: int) -> NDArray[np.int32]:
    """How often each image is in each draw, ``[images, D]``."""
    draws = len(chosen_DN)
    times = np.bincount((chosen_DN * draws + np.arange(draws)[:, None]).ravel(), minlength=images * draws)
    return times.reshape(images, draws).astype(np.int32)


def _levelled(drawn: NDArray[np.float64], value: float, metric: str) -> NDArray[np.float64]:
    """What percentiles are taken of: the draws, for an average precision mirrored at the value."""
    return drawn if metric == "accuracy" else 2 * value - drawn


def _percentiles(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
