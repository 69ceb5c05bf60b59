"""One beam is greedy; many find the likeliest caption of all; lengths are weighed as asked; ends are ends."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.heads.caption_search import CaptionSearch, Found, search_captions

PAD, FIRST, LAST = 0, 2, 3
WORDS, MOST = 6, 4


class Chain:
    """A made-up language: what comes next depends on the image, and on all that was written."""

    def __init__(self, images: int, seed: int = 0) -> None:
        self.images, self.seed = images, seed
        self.written_BcT = torch.zeros(images, 1, 0, dtype=torch.long)

    def after(self, image: int, written: tuple[int, ...]) -> Tensor:
        seed = hash((self.seed, image, written)) % 2**31
        return (2 * torch.randn(WORDS, generator=torch.Generator().manual_seed(seed))).log_softmax(0)

    def __call__(self, ids_Bc: Tensor, origin_Bc: Tensor) -> Tensor:
        index = origin_Bc[..., None].expand(-1, -1, self.written_BcT.shape[2])
        self.written_BcT = torch.cat([self.written_BcT.gather(1, index), ids_Bc[..., None]], 2)
        rows = [[self.after(b, tuple(one.tolist())) for one in some] for b, some in enumerate(self.written_BcT)]
        return torch.stack([torch.stack(some) for some in rows])

    def likeliest(self, image: int, power: float) -> tuple[list[int], float]:
        """The caption of the best score among all that come to an end, by trying each."""
        best: tuple[float, list[int], float] = (-math.inf, [], 0.0)
        for length in range(1, MOST + 1):
            for inner in itertools.product([1, 4, 5], repeat=length - 1):
                words = [*inner, LAST]
                total = sum(float(self.after(image, (FIRST, *words[:k]))[word]) for k, word in enumerate(words))
                best = max(best, (total / length**power, words[:-1], total))
        return best[1], best[2]


def searched(images: int, beams: int, power: float = 0.0, seed: int = 0) -> Found:
    never = {"first": FIRST, "last": LAST, "never": (PAD, FIRST), "most": MOST}
    return search_captions(Chain(images, seed), images, CaptionSearch(beams, power), **never)  # type: ignore[arg-type]


def words(ids_T: Tensor) -> list[int]:
    return [word for word in ids_T.tolist() if word != PAD]


def test_one_beam_takes_the_likeliest_token_each_time() -> None:
    found, chain = searched(4, 1), Chain(4)
    for image in range(4):
        written, total = [FIRST], 0.0
        while len(written) <= MOST and (len(written) == 1 or written[-1] != LAST):
            next_V = chain.after(image, tuple(written))
            next_V[[PAD, FIRST]] = -math.inf
            total += float(next_V.max())
            written.append(int(next_V.argmax()))
        assert words(found.ids_BT[image]) == [word for word in written[1:] if word != LAST]
        assert float(found.log_probability_B[image]) == pytest.approx(total, abs=1e-5)
        assert int(found.count_B[image]) == len(written) - 1
        assert bool(found.ended_B[image]) == (written[-1] == LAST)


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0])
def test_enough_beams_find_the_likeliest_caption_of_all(power: float) -> None:
    found, chain = searched(4, 200, power), Chain(4)
    for image in range(4):
        wanted, total = chain.likeliest(image, power)
        assert words(found.ids_BT[image]) == wanted
        assert float(found.log_probability_B[image]) == pytest.approx(total, abs=1e-5)
    assert found.ended_B.all()


def test_more_beams_find_what_is_no_less_likely_mostly_and_a_power_of_zero_favours_short_ones() -> None:
    seeds = range(10)
    sums = [[float(searched(4, beams, seed=seed).log_probability_B.sum()) for seed in seeds] for beams in (1, 5)]
    assert sum(sums[1]) > sum(sums[0])
    short, long = (sum(float(searched(4, 5, power, seed).count_B.sum()) for seed in seeds) for power in (0.0, 1.0))
    assert short < long


def test_images_are_searched_for_themselves() -> None:
    alone, together = searched(1, 3), searched(4, 3)
    assert words(alone.ids_BT[0]) == words(together.ids_BT[0])


def test_a_search_without_a_beam_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="beams is 0"):
        CaptionSearch(beams=0)
