"""The most similar of many images, and what their labels say of the one that was asked about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.evaluation.features.matrix import Features, every_row
from wordsight.evaluation.metrics.classification import within
from wordsight.progress import track

# Asked images and known ones that are compared at once: 2,048 x 8,192 similarities are 64 MB.
_ASKED, _KNOWN = 2048, 8192
# Votes that are counted at once.
_VOTES = 1 << 22


def unit_length(features_ND: Tensor) -> Tensor:
    """Features of length one, so that products of them are cosines; those of no length stay so."""
    return torch.nn.functional.normalize(features_ND.float(), dim=1, eps=1e-12)


def nearest(
    asked_MD: Features,
    known_ND: Features,
    most: int,
    device: torch.device,
    groups_N: Tensor | None = None,
    what: str = "neighbours",
) -> tuple[Tensor, Tensor]:
    """The most similar known images of each asked one, in blocks that memory can hold.

    Args:
        asked_MD: Features, float16 or float32.
        known_ND: Features.
        most: How many are found.
        device: Where to compute.
        groups_N: Where the asked are the known: images of one group (copies) are no neighbours of each other.
        what: What the progress bar says.

    Returns:
        Cosines ``[M, most]``, falling, and rows of the known ``[M, most]``, on the CPU.
    """
    similar, rows = [], []
    asked = every_row(asked_MD, device, _ASKED)
    for part, block_aD in track(asked.blocks(), what, total=-(-len(asked) // _ASKED)):
        asked_aD = unit_length(block_aD)
        group_a1 = None if groups_N is None else groups_N[part].to(device)[:, None]
        best_am = torch.full((len(asked_aD), 0), -2.0, device=device)
        rows_am = torch.zeros(len(asked_aD), 0, dtype=torch.long, device=device)
        for start, cosine_an in _cosines(asked_aD, known_ND):
            if group_a1 is not None and groups_N is not None:
                group_1n = groups_N[start : start + cosine_an.shape[1]].to(device)[None]
                cosine_an = cosine_an.masked_fill(group_a1 == group_1n, -2.0)
            row_an = torch.arange(start, start + cosine_an.shape[1], device=device).expand_as(cosine_an)
            both, both_rows = torch.cat([best_am, cosine_an], 1), torch.cat([rows_am, row_an], 1)
            best_am, place_am = both.topk(min(most, both.shape[1]), dim=1)
            rows_am = both_rows.gather(1, place_am)
        similar.append(best_am.cpu())
        rows.append(rows_am.cpu())
    return torch.cat(similar), torch.cat(rows)


def _cosines(asked_aD: Tensor, known_ND: Features) -> Iterator[tuple[int, Tensor]]:
    for part, block_nD in every_row(known_ND, asked_aD.device, _KNOWN).blocks():
        yield part.start, asked_aD @ unit_length(block_nD).T


def answers(
    similar_Mk: Tensor, rows_Mk: Tensor, targets: NDArray[Any], classes: int, temperature: float | None = None
) -> NDArray[Any]:
    """What the neighbours say, in blocks that memory can hold.

    Args:
        similar_Mk: Cosines with the neighbours, falling.
        rows_Mk: Which training images they are.
        targets: Targets of these.
        classes: Number K of classes.
        temperature: Neighbours count by exp(similarity / temperature); None for once each.

    Returns:
        With one label an image the class with the most votes ``[M]``, of equals that of the nearest neighbour; with
        several the share of the votes that each class gets ``[M, K]``.
    """
    block = max(1, _VOTES // (classes * (rows_Mk.shape[1] if targets.ndim == 2 else 1)))
    found = []
    for first in range(0, len(rows_Mk), block):
        part = slice(first, first + block)
        weight_Mk = _weights(similar_Mk[part], temperature)
        target = torch.from_numpy(targets)[rows_Mk[part]]
        share_MK = votes(weight_Mk, target, classes)
        found.append(share_MK if targets.ndim == 2 else _most_voted(share_MK, target))
    return np.asarray(torch.cat(found).numpy())


def among_first(
    similar_Mk: Tensor,
    rows_Mk: Tensor,
    targets: NDArray[Any],
    classes: int,
    temperature: float | None,
    right_M: NDArray[np.int64],
    most: int = 5,
) -> NDArray[np.float64]:
    """The chance that the right class is among the few with the most votes, equals in random order, ``[M]``.

    Args:
        similar_Mk: Cosines with the neighbours, falling.
        rows_Mk: Which training images they are.
        targets: The one class of each of these.
        classes: Number K of classes.
        temperature: As :func:`answers` takes it.
        right_M: The right classes.
        most: How many are the first few.
    """
    block = max(1, _VOTES // classes)
    found = []
    for first in range(0, len(rows_Mk), block):
        part = slice(first, first + block)
        share_MK = votes(_weights(similar_Mk[part], temperature), torch.from_numpy(targets)[rows_Mk[part]], classes)
        # Sums of weights in another order differ in their last digits.
        found.append(within(share_MK.numpy().round(9), right_M[part], most))
    return np.concatenate(found)


def _weights(similar_Mk: Tensor, temperature: float | None) -> Tensor:
    if temperature is None:
        return torch.ones_like(similar_Mk, dtype=torch.float64)
    # Relative to the nearest, so that no exponential runs over.
    return ((similar_Mk - similar_Mk[:, :1]).double() / temperature).exp()


def votes(weight_Mk: Tensor, targets: Tensor, classes: int) -> Tensor:
    """The share of the votes that each class gets, ``[M, K]``.

    Args:
        weight_Mk: How much each neighbour counts.
        targets: Classes of the neighbours ``[M, k]``, or 1, 0, -1 (no vote on that class) ``[M, k, K]``.
        classes: Number K of classes.
    """
    weight_Mk = weight_Mk.double()
    if targets.ndim == 3:
        counted_MkK = (targets >= 0) * weight_Mk[..., None]
        return (counted_MkK * (targets == 1)).sum(1) / counted_MkK.sum(1).clamp_min(1e-300)
    share_MK = torch.zeros(len(targets), classes, dtype=torch.float64).scatter_add_(1, targets, weight_Mk)
    return share_MK / weight_Mk.sum(1, keepdim=True)


def _most_voted(share_MK: Tensor, targets_Mk: Tensor) -> Tensor:
    # Sums of weights in another order differ in their last digits.
    best_MK = share_MK >= share_MK.amax(1, keepdim=True) - 1e-9
    # The first neighbour whose class is among the best.
    first_M1 = best_MK.gather(1, targets_Mk).to(torch.uint8).argmax(1, keepdim=True)
    return targets_Mk.gather(1, first_M1)[:, 0]
