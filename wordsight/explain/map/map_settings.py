"""Settings of a map."""

from __future__ import annotations

from dataclasses import dataclass

from wordsight.ranges import MapCount, Perplexity, Seed, check_ranges


@dataclass(frozen=True)
class MapSettings:
    """Settings of a map.

    Args:
        count: The most images; of more, a random sample is shown.
        seed: Of the sample and of t-SNE.
        perplexity: How many neighbours each image is held close to; at most a third of the images.
    """

    count: MapCount = 2000
    seed: Seed = 0
    perplexity: Perplexity = 30.0

    def __post_init__(self) -> None:
        check_ranges(self)
