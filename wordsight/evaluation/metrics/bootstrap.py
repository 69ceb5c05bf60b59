"""How certain a number is: the bootstrap over test images, for one run and for the difference of two.

What is drawn anew are the test images; that another seed would have trained another network is not in it.

An average precision leans upward in a draw, where an image that comes in twice is ranked beside itself: by some 1.5
points for 300 images and five rare classes, and for a few dozen images by more than draws differ. The draws' own
percentiles held the true value in 57 to 95 of 100 trials, by the rule and the number of positives; mirrored at the
value (the basic interval, Davison and Hinkley 1997) they held it in 84 to 95. Accuracies
have no such lean, and percentiles of theirs never pass 100 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import binomtest
from scipy.stats import t as student

from wordsight.errors import InputError
from wordsight.evaluation.metrics.classification import AVERAGE_PRECISIONS, AveragePrecision
from wordsight.evaluation.metrics.outcomes import Outcomes
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

    def over_draws(self, differences: Sequence[float]) -> PairedTest:
        """The same test for other draws of the training images too: its interval is wider, its p-value larger.

        Args:
            differences: The difference in each draw, in points; fewer than two change nothing.
        """
        if len(differences) < 2:
            return self
        interval = over_draws(self.interval, self.difference, differences)
        # The side that faces zero says how far zero is, in standard errors.
        facing = self.difference - interval[0] if self.difference > 0 else interval[1] - self.difference
        far = NormalDist().inv_cdf((1 + LEVEL) / 2) * abs(self.difference) / max(facing, 1e-12)
        p_value = min(1.0, 2 * NormalDist().cdf(-far))
        return replace(self, interval=interval, p_value=max(self.p_value, p_value))


def bootstrap_interval(
    outcomes: Outcomes,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
    least: float = 0.0,
    most: float = 100.0,
) -> tuple[float, float] | None:
    """The interval of the bootstrap over test images, in percent: of percentiles (Efron 1979) for an accuracy, basic
    for an average precision.

    Of few images, or where next to all are right, every draw is alike and percentiles lie too close together: a share
    of right images has Wilson's interval (1927) where that is wider.

    Args:
        outcomes: What became of each image.
        draws: How often as many images are drawn with replacement.
        level: Share of the draws that lie inside.
        seed: Of the draws.
        least: The least that the metric can be, in percent.
        most: The most that it can be, in percent.

    Returns:
        The interval; None where every draw gives the same average precision, which tells nothing of other images.

    Raises:
        InputError: When there is no image.

    Examples:
        >>> import numpy as np
        >>> from wordsight.evaluation.metrics.outcomes import classified
        >>> right = np.arange(100) < 75
        >>> outcomes = classified([str(k) for k in range(100)], right, np.zeros(100, dtype=np.int64))
        >>> [round(end) for end in bootstrap_interval(outcomes)]
        [66, 83]
    """
    drawn = drawn_values(outcomes, draws=draws, seed=seed)
    low, high = _percentiles(_levelled(drawn, outcomes.value, outcomes.metric), level)
    if outcomes.correct is None:
        # Of few positives draws may lean upward by more than they differ; then the value itself lies outside.
        held = min(low, outcomes.value), max(high, outcomes.value)
        return within_percent(held) if high > low else None
    wide = _as_wide_as_a_share_s((low, high), outcomes.correct, len(np.unique(outcomes.ids)), level)
    return within_percent(wide, least, most)


def within_percent(interval: tuple[float, float], least: float = 0.0, most: float = 100.0) -> tuple[float, float]:
    """An interval without what lies below the least, or above the most, in percent.

    Examples:
        >>> within_percent((91.0, 104.0))
        (91.0, 100.0)
    """
    return max(interval[0], least), min(interval[1], most)


def _as_wide_as_a_share_s(
    interval: tuple[float, float], outcome_n: NDArray[np.float64], count: int, level: float
) -> tuple[float, float]:
    """An interval made as wide as Wilson's of a share of so many trials, where each is right or wrong."""
    if not np.isin(outcome_n, (0.0, 1.0)).all():
        return interval
    share = float(outcome_n.mean())
    far = NormalDist().inv_cdf((1 + level) / 2)
    middle, below = share + far**2 / (2 * count), 1 + far**2 / count
    reach = far * math.sqrt(share * (1 - share) / count + far**2 / (4 * count**2))
    return min(interval[0], 100 * (middle - reach) / below), max(interval[1], 100 * (middle + reach) / below)


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
    interval = _percentiles(100 * np.concatenate(drawn), level)
    return within_percent(_as_wide_as_a_share_s(interval, outcome_n, len(count_C), level))


def over_draws(interval: tuple[float, float], value: float, drawn: Sequence[float]) -> tuple[float, float]:
    """An interval over test images made one over draws of the training images too.

    Either kind of chance is independent of the other, so that their widths add up as the sides of a right angle; the
    mean of a few draws lies within Student's t of their standard error.

    Args:
        interval: 95 % interval over test images, of the mean over draws.
        value: That mean.
        drawn: The value in each draw; of a single one nothing is known of others.

    Examples:
        >>> [round(end, 1) for end in over_draws((58.0, 62.0), 60.0, [57.0, 60.0, 63.0])]
        [52.3, 67.7]
    """
    if len(drawn) < 2:
        return interval
    reach = float(student.ppf((1 + LEVEL) / 2, len(drawn) - 1)) * statistics.stdev(drawn) / math.sqrt(len(drawn))
    return value - math.hypot(value - interval[0], reach), value + math.hypot(interval[1] - value, reach)


def paired_test(
    first: Sequence[Outcomes], second: Sequence[Outcomes], *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> PairedTest:
    """Whether one run is better than another on images like these: both are looked at on the same draws of images.

    The p-value is twice the share of draws on the other side of zero, by (r + 1) / (draws + 1) (Davison and Hinkley
    1997, section 4.2), so that it agrees with the interval and is never zero. Of two runs whose images are right or
    wrong it is never below McNemar's exact one, and where that is above 5 % the interval holds zero.

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
    interval = _percentiles(difference, level)
    exact = _mcnemar(aligned[0][0], aligned[1][0]) if len(aligned[0]) == len(aligned[1]) == 1 else None
    if exact is not None and exact > 1 - level:
        interval = min(interval[0], 0.0), max(interval[1], 0.0)
    return PairedTest(value[0] - value[1], interval, max(p_value, exact or 0.0), draws)


def _mcnemar(first: Outcomes, second: Outcomes) -> float | None:
    """McNemar's exact p-value (1947) of images that are right or wrong; None where they may be in between.

    Draws of three images that all came out alike are all alike, and would make certain what chance does easily.
    """
    pair = [each.correct for each in (first, second) if each.correct is not None]
    if len(pair) < 2 or not np.isin(pair, (0.0, 1.0)).all():
        return None
    # Copies of an image are one piece of evidence.
    _, rows = np.unique(first.ids, return_index=True)
    change = (pair[0] - pair[1])[rows]
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def drawn_values(outcomes: Outcomes, *, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """The metric in every draw of as many images, with replacement, ``[draws]``, in percent.

    Copies of an image are drawn together: they are no evidence of their own. Two calls with as many images and the same
    seed see the same draws.

    Args:
        outcomes: What became of each image.
        draws: How many.
        seed: Of the draws.

    Raises:
        InputError: When there is no image.
    """
    if len(outcomes) == 0:
        raise InputError("there is no image to draw from", mend="evaluate on a task with test images")
    copies_N, images = _copies(outcomes.ids)
    blocks = _draws(images, draws, seed)
    if outcomes.correct is not None:
        total_I = np.bincount(copies_N, weights=outcomes.correct)
        count_I = np.bincount(copies_N)
        return 100 * np.concatenate([total_I[chosen].sum(1) / count_I[chosen].sum(1) for chosen in blocks])
    scores, targets = outcomes.learned
    rule = AVERAGE_PRECISIONS[outcomes.rule]
    each = [_Ranking.of(rule, *columns) for columns in zip(scores.T, targets.T, strict=True)]
    rankings = [ranking for ranking in each if ranking is not None]
    found = []
    # Hundreds of classes and many images take long enough to want a bar.
    for chosen_DN in track(blocks, "bootstrap", total=-(-draws // _block(images))):
        times_ND = _times(chosen_DN, images)[copies_N]
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


def _copies(ids: NDArray[np.str_]) -> tuple[NDArray[np.int64], int]:
    """Which image each entry shows, in the order in which images come first, and how many images there are."""
    _, first, image_n = np.unique(ids, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[image_n], len(first)


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
