"""Predicted concept probabilities against those of the text: correlation and total variation, for topics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.evaluation.predictions.tag_scores import ConceptValues, TagScores

# Images whose probabilities are in memory together.
_TOGETHER = 1024


@dataclass(frozen=True)
class ProbabilityAgreement:
    """Predicted probabilities beside those of the text.

    Args:
        correlation: Pearson's r of both over the images, for each concept; NaN where either is constant.
        distance: Half the sum of absolute differences (total variation), mean over the images, in percent: 0 where they
            are equal, 100 where they have nothing in common.
        distance_N: The same of each image, as a share.
    """

    correlation: ConceptValues
    distance: float
    distance_N: NDArray[np.float64]


def probability_agreement(
    scores: TagScores, truth: scipy.sparse.csr_matrix, *, exclusive: bool
) -> ProbabilityAgreement:
    """Compare predicted probabilities with those of the text, image by image.

    Args:
        scores: Scores of N images.
        truth: Probabilities ``[N, K]``; no row is empty. Rows are normalised to a sum of one on both sides.
        exclusive: Whether scores become probabilities by a softmax, as one of K; else by the logistic function, each
            concept on its own.
    """
    moments, distances = np.zeros((5, scores.concepts)), []
    for predicted, given in _pairs(scores, truth, exclusive=exclusive):
        distances.append(np.abs(predicted - given).sum(1) / 2)
        moments += np.stack([each.sum(0) for each in (predicted, given, predicted**2, given**2, predicted * given)])
    distance_N, means = np.concatenate(distances), moments / len(scores)
    correlation_K = _correlation(means)
    slopes = [_slopes(*pair, means, correlation_K) for pair in _pairs(scores, truth, exclusive=exclusive)]
    correlation = ConceptValues.of(correlation_K, np.concatenate(slopes) / len(scores))
    return ProbabilityAgreement(correlation, 100 * float(distance_N.mean()), distance_N)


def _pairs(
    scores: TagScores, truth: scipy.sparse.csr_matrix, *, exclusive: bool
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Predicted and given probabilities of some images at a time, every row with a sum of one."""
    for images, block in scores.by_images():
        predicted = (block.softmax(1) if exclusive else block.sigmoid()).cpu().double().numpy()
        given = truth[images].toarray().astype(np.float64)
        yield predicted / predicted.sum(1, keepdims=True), given / given.sum(1, keepdims=True)


def _slopes(
    predicted: NDArray[np.float64],
    given: NDArray[np.float64],
    means: NDArray[np.float64],
    correlation_K: NDArray[np.float64],
) -> NDArray[np.float64]:
    """N times the slope of the sum of all correlations in the weight of each image, in percent.

    Of standardised x and y that of one is x y - r (x^2 + y^2) / 2 (Hampel 1974).
    """
    known = ~np.isnan(correlation_K)
    x, y, xx, yy, _ = means[:, known]
    first = (predicted[:, known] - x) / np.sqrt(xx - x * x)
    second = (given[:, known] - y) / np.sqrt(yy - y * y)
    total = first * second - correlation_K[known] / 100 * (first**2 + second**2) / 2
    return np.asarray(100 * total.sum(1))


def total_variation_to(guess_K: NDArray[np.float64], truth: scipy.sparse.csr_matrix) -> float:
    """The total variation where the same probabilities are predicted for every image, in percent.

    Args:
        guess_K: Probabilities; they are normalised to a sum of one.
        truth: Probabilities ``[N, K]``; no row is empty.
    """
    guess = guess_K / guess_K.sum()
    total, images = 0.0, int(truth.shape[0])
    for first in range(0, images, _TOGETHER):
        given = truth[first : first + _TOGETHER].toarray().astype(np.float64)
        total += 50 * float(np.abs(given / given.sum(1, keepdims=True) - guess).sum())
    return total / images


def _correlation(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the means of x, y, x^2, y^2 and xy."""
    x, y, xx, yy, xy = means
    spread = (xx - x * x) * (yy - y * y)
    # Below this a spread is rounding: both lie between 0 and 1.
    known = spread > 1e-24
    return np.where(known, 100 * (xy - x * y) / np.sqrt(np.where(known, spread, 1.0)), np.nan)
