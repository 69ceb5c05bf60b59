"""Ranks of images among texts and of texts among images, counted block by block: N x T scores are never held.

A rank needs no order: it is one more than the number of wrong answers that score higher than the best right one. So a
block of scores is made, looked at for both directions, and forgotten. Ties are broken by lot, in expectation: whoever
gives every text the same score gets chance, not the luck of an order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.evaluation.image_text.similarity import UNKNOWN, SimilarityScores
from wordsight.evaluation.metrics.classification import average_precision_of
from wordsight.progress import progress_bar

# Scores that are held at once on a processor: with 4 MB of them, which stay in its caches, ranks were counted four
# times as fast as with 64 MB. Other devices take sixteen times as many.
BLOCK = 1 << 20
# Images of one block; the texts beside them fill the rest of it.
_IMAGES = 512


@dataclass(frozen=True)
class Ranks:
    """Where the first right answer of each of n questions stands.

    Args:
        above_n: How many wrong answers score higher than the best right one.
        tied_n: How many wrong ones score as high.
        own_n: How many right ones score that high, one at least.
        first_n: Which answer scores highest, the first of several; None where that was not looked for.
    """

    above_n: NDArray[np.int64]
    tied_n: NDArray[np.int64]
    own_n: NDArray[np.int64]
    first_n: NDArray[np.int64] | None = None

    @property
    def mean_n(self) -> NDArray[np.float64]:
        """The rank from 1, the mean over all orders of those that tie: (e + m + 1) / (m + 1) of e wrong, m right."""
        return np.asarray(self.above_n + (self.tied_n + self.own_n + 1) / (self.own_n + 1))

    def within(self, first: int) -> NDArray[np.float64]:
        """The chance that a right answer is among the first few, ``[n]``: 0 or 1 where nothing ties.

        Of m right and e wrong ones in random order the first j hold no right one with the chance
        C(m + e - j, m) / C(m + e, m).

        Args:
            first: How many.
        """
        left_n = np.clip(first - self.above_n, 0, None)
        none_n = np.ones(len(left_n))
        together_n = self.own_n + self.tied_n
        for i in range(int(self.own_n.max(initial=0))):
            factor_n = np.clip(together_n - left_n - i, 0, None) / np.maximum(together_n - i, 1)
            none_n *= np.where(i < self.own_n, factor_n, 1.0)
        return np.asarray(1 - none_n)


def chance_ranks(wrong_n: NDArray[np.int64], own_n: NDArray[np.int64]) -> Ranks:
    """The ranks of whoever gives every answer the same score.

    Args:
        wrong_n: How many answers are wrong.
        own_n: How many are right.

    Examples:
        >>> import numpy as np
        >>> chance_ranks(np.array([9]), np.array([1])).within(1)
        array([0.1])
    """
    return Ranks(np.zeros_like(wrong_n), wrong_n, own_n)


def pair_ranks(scores: SimilarityScores, image_of_T: NDArray[np.int64]) -> tuple[Ranks, Ranks]:
    """For each image the rank of its best text, and for each text the rank of its image.

    Args:
        scores: Of N images and T texts.
        image_of_T: The image of each text, ascending; every image has one.

    Returns:
        Ranks of N images' texts, with the first text of each, and of T texts' images.
    """
    images, texts = len(scores.images), len(scores.texts)
    assert (np.diff(image_of_T) >= 0).all(), "texts come in the order of their images"
    ends = np.searchsorted(image_of_T, np.arange(images + 1))
    assert (np.diff(ends) > 0).all(), "every image has a text"
    tall, wide = _tile(scores.offset_T.device)
    by_image: list[Ranks] = []
    above_T, tied_T = np.zeros(texts, np.int64), np.zeros(texts, np.int64)
    right_T, rounding_T = _right_scores(scores, image_of_T, ends)
    with progress_bar() as bar:
        progress = bar.add_task("ranks", total=images, note="")
        for first in range(0, images, tall):
            rows = slice(first, min(first + tall, images))
            some = scores.of_images(rows)
            own = slice(int(ends[rows.start]), int(ends[rows.stop]))
            rows_t = torch.from_numpy(image_of_T[own] - first)
            best_n, own_n = _best(right_T[own], rounding_T[own], rows_t, rows.stop - first)
            above_n, held_n, first_n = torch.zeros_like(own_n), torch.zeros_like(own_n), torch.zeros_like(own_n)
            highest_n = torch.full_like(best_n, -torch.inf)
            for start in range(0, texts, wide):
                columns = slice(start, min(start + wide, texts))
                scores_nt, rounding_nt = some.scores_and_rounding(slice(None), columns)
                least_nt, most_nt = scores_nt - rounding_nt, scores_nt + rounding_nt
                above_n += (least_nt > best_n[:, None]).sum(1)
                held_n += (most_nt >= best_n[:, None]).sum(1)
                block_n, place_n = scores_nt.max(1)
                first_n = torch.where(block_n > highest_n, place_n + start, first_n)
                highest_n = torch.maximum(highest_n, block_n)
                higher_t = (least_nt > right_T[columns]).sum(0)
                above_T[columns] += higher_t.cpu().numpy()
                tied_T[columns] += ((most_nt >= right_T[columns]).sum(0) - higher_t).cpu().numpy()
            tied_n = (held_n - above_n - own_n).clamp_min(0)
            by_image.append(Ranks(*(one.cpu().numpy() for one in (above_n, tied_n, own_n, first_n))))
            bar.advance(progress, rows.stop - first)
    names = ("above_n", "tied_n", "own_n", "first_n")
    joined = (np.concatenate([getattr(one, name) for one in by_image]) for name in names)
    return Ranks(*joined), Ranks(above_T, np.maximum(tied_T - 1, 0), np.ones(texts, np.int64))


def _tile(device: torch.device) -> tuple[int, int]:
    """Images and texts of one block."""
    times = 1 if device.type == "cpu" else 4
    return _IMAGES * times, max(1, BLOCK * times // _IMAGES)


def _right_scores(
    scores: SimilarityScores, image_of_T: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """The score of each text for its own image ``[T]``, and by how much it may be off."""
    found: list[tuple[Tensor, Tensor]] = []
    images = len(scores.images)
    tall, wide = _tile(scores.offset_T.device)
    for first in range(0, images, tall):
        last = min(first + tall, images)
        some = scores.of_images(slice(first, last))
        for start in range(int(ends[first]), int(ends[last]), wide):
            columns = slice(start, min(start + wide, int(ends[last])))
            scores_nt, rounding_nt = some.scores_and_rounding(slice(None), columns)
            rows_1t = torch.from_numpy(image_of_T[columns] - first).to(scores_nt.device)[None]
            found.append((scores_nt.gather(0, rows_1t)[0], rounding_nt.gather(0, rows_1t)[0]))
    right, rounding = zip(*found, strict=True)
    return torch.cat(right), torch.cat(rounding)


def _best(right_t: Tensor, rounding_t: Tensor, row_t: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Of each image's own texts the highest score, and how many have it."""
    row_t = row_t.to(right_t.device)
    best_n = right_t.new_full((rows,), 4 * UNKNOWN).scatter_reduce(0, row_t, right_t, "amax")
    as_high_t = (right_t + rounding_t >= best_n[row_t]).long()
    return best_n, torch.zeros(rows, dtype=torch.long, device=right_t.device).index_add(0, row_t, as_high_t)


def class_precision(
    scores: SimilarityScores,
    labels_NK: NDArray[np.bool_],
    item_of: tuple[NDArray[np.int64], NDArray[np.int64]],
    asking: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Average precision of the answers to some questions, one being right that shares a class with it (Patel et al.
    2019, Section 5.2), in percent ``[n]``. Answers with equal scores come in together.

    Args:
        scores: Of the questions (as its images) and the answers (as its texts).
        labels_NK: The classes of N items.
        item_of: The item of each question, and the item of each answer.
        asking: Which questions are asked.
    """
    found: list[float] = []
    size = max(1, BLOCK // len(scores.texts))
    with progress_bar() as bar:
        progress = bar.add_task("precision by class", total=len(asking), note="")
        for first in range(0, len(asking), size):
            some = asking[first : first + size].tolist()
            scores_nT = scores.of_images(some).scores(slice(None), slice(None)).double().cpu().numpy()
            for row, values in zip(some, scores_nT, strict=True):
                shares_N = sharing(labels_NK, int(item_of[0][row]))
                right = values[np.take(shares_N, item_of[1])]
                found.append(average_precision_of(np.sort(values), np.sort(right)))
            bar.advance(progress, len(some))
    return np.array(found)


def sharing(labels_NK: NDArray[np.bool_], row: int) -> NDArray[np.bool_]:
    """Which items share a class with one of them, itself among them, ``[N]``.

    Args:
        labels_NK: The classes of N items.
        row: The one.
    """
    return np.asarray(labels_NK[:, labels_NK[row]].sum(axis=1) > 0)
