"""Greedy and beam search: from log-probabilities of next tokens to the likeliest captions, for many images at once.

Captions of different lengths are compared by their summed log-probability over a power of their length (as Wu et al.
2016, Section 7, without the constant): a power of 0 compares the sums, which favours short ones, 1 the mean of a token.

https://arxiv.org/abs/1609.08144
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from wordsight.ranges import AtLeastOne, LengthPower, check_ranges


@dataclass(frozen=True)
class CaptionSearch:
    """How captions are searched for.

    Args:
        beams: Captions of each image that are gone on with; 1 takes the likeliest token each time.
        length_power: A caption's log-probability is divided by its number of tokens to this power: 0 for the sum, which
            favours short captions, 1 for the mean of a token.
    """

    beams: AtLeastOne = 5
    length_power: LengthPower = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)


class Found(NamedTuple):
    """The best caption that was found for each of B images.

    Args:
        ids_BT: Vocabulary ids, without the first and the last token; 0 after the end.
        log_probability_B: Of the whole caption, its end included where it has one.
        count_B: Tokens that this is the sum of.
        ended_B: Whether the caption came to an end of its own, and was not cut off.
    """

    ids_BT: Tensor
    log_probability_B: Tensor
    count_B: Tensor
    ended_B: Tensor


class NextTokens(Protocol):
    """What knows how captions go on, such as `caption_decoder.CaptionWriter`."""

    def __call__(self, ids_Bc: Tensor, origin_Bc: Tensor) -> Tensor:
        """Go on with captions by a token each; gives the log-probabilities of what comes next, ``[B, c, V]``."""


def search_captions(
    go_on: NextTokens,
    images: int,
    search: CaptionSearch,
    *,
    first: int,
    last: int,
    never: Collection[int],
    most: int,
    device: torch.device | None = None,
) -> Found:
    """Search the likeliest caption of each image.

    Args:
        go_on: How captions go on.
        images: How many images, B.
        search: How to search.
        first: The token that all begin with.
        last: The token that ends a caption.
        never: Tokens that no caption holds; 0 is padding and among them.
        most: Tokens after the first that a caption has at most, the last one among them.
        device: Where to compute; None for the CPU.

    Examples:
        >>> import torch
        >>> def coin(ids_Bc, origin_Bc):
        ...     return torch.tensor([0.0, 0.5, 0.3, 0.2]).log().expand(*ids_Bc.shape, 4)
        >>> search_captions(coin, 1, CaptionSearch(), first=2, last=3, never=[0], most=2).ids_BT.tolist()
        [[1, 0]]
    """
    ids_Bc = torch.full((images, 1), first, device=device)
    origin_Bc, done_Bc = torch.zeros_like(ids_Bc), torch.zeros_like(ids_Bc, dtype=torch.bool)
    total_Bc, count_Bc = torch.zeros(2, images, 1, device=device)
    written_BcT, never_n = ids_Bc.new_zeros(images, 1, 0), torch.tensor(sorted(never), device=device)
    for place in range(most):
        next_BcV = go_on(ids_Bc, origin_Bc)
        words = next_BcV.shape[-1]
        next_BcV = next_BcV.index_fill(2, never_n, -torch.inf)
        # A caption that has ended goes on with padding alone, which costs nothing.
        next_BcV = next_BcV.masked_fill(done_Bc[..., None], -torch.inf)
        next_BcV[..., 0].masked_fill_(done_Bc, 0.0)
        count_Bc = count_Bc + ~done_Bc
        sums_BcV = total_Bc[..., None] + next_BcV
        score_BcV = sums_BcV / count_Bc[..., None] ** search.length_power
        best = score_BcV.flatten(1).topk(min(search.beams, score_BcV[0].numel()))
        origin_Bc, ids_Bc = best.indices // words, best.indices % words
        total_Bc = sums_BcV.flatten(1).gather(1, best.indices)
        count_Bc, done_Bc = count_Bc.gather(1, origin_Bc), done_Bc.gather(1, origin_Bc) | (ids_Bc == last)
        index_BcT = origin_Bc[..., None].expand(-1, -1, place)
        written_BcT = torch.cat([written_BcT.gather(1, index_BcT), ids_Bc[..., None]], 2)
        if done_Bc.all():
            break
    # The best stands first; one that was cut off gives way to one that came to its end.
    chosen_B1 = done_Bc.float().argmax(1, keepdim=True)
    ids_BT = written_BcT.gather(1, chosen_B1[..., None].expand(-1, -1, written_BcT.shape[2])).squeeze(1)
    of_chosen = [each.gather(1, chosen_B1).squeeze(1) for each in (total_Bc, count_Bc, done_Bc)]
    return Found(ids_BT.masked_fill(ids_BT == last, 0), *of_chosen)
