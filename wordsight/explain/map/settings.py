"""Settings of a map."""

from __future__ import annotations

from dataclasses import dataclass

from wordsight.errors import InputError

# Below this nothing can be near or far; beyond it thumbnails are too small to see,
# and finding a cell for each takes minutes (5 s for 2,000, 76 s for 5,000, on one core).
LEAST, MOST = 5, 3000


@dataclass(frozen=True)
class MapSettings:
    """Settings of a map.

    Args:
        count: With more images than this, so many are drawn by lot.
        seed: Of the lot and of t-SNE.
        perplexity: How many neighbours each image is held close to; at most a third of the images.
    """

    count: int = 2000
    seed: int = 0
    perplexity: float = 30.0

    def __post_init__(self) -> None:
        if not LEAST <= self.count <= MOST:
            raise InputError(f"count is {self.count}", expected=f"{LEAST} to {MOST:,} images")
        if not self.perplexity >= 1:
            raise InputError(f"perplexity is {self.perplexity:g}", expected="1 or more")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}", expected="0 or more")
