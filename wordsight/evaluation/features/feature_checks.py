"""Features that can't be learned from: refused, or named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluation.tasks.task import counted

# Spread of a feature below which it is rounding, not signal, relative to its size.
_FLAT = 1e-6


def check_features(features: NDArray[np.float32], what: str, where: str = "") -> list[str]:
    """Refuse features without information, and count those that are constant.

    Args:
        features: Training features ``[n, C]``.
        what: Whose they are, for the sentence.
        where: Where they come from, for errors; "" for the same as `what`.

    Returns:
        A sentence where some features are constant.

    Raises:
        InputError: When a feature is not a finite number, or all are constant over two images or more.
    """
    bad = ~np.isfinite(features)
    broken = int(bad.any(1).sum())
    if broken:
        raise InputError(
            f"{broken:,} of {counted(len(features), 'image')} {'has' if broken == 1 else 'have'} features that are no "
            "finite number",
            where=where or what,
            mend="training diverged: lower the learning rate, or train in float32",
        )
    if len(features) < 2:
        return []
    constant = flat(features.std(0, dtype=np.float64), np.abs(features).max(0))
    if constant.all():
        raise InputError(
            f"all {features.shape[1]:,} features are the same for every image",
            where=where or what,
            mend="unless the images are all alike, the backbone has collapsed: lower the learning rate, or look at its "
            "loss",
        )
    if constant.mean() > 0.1:
        return [f"{int(constant.sum()):,} of {len(constant):,} features of {what} are constant"]
    return []


def flat(spread_C: NDArray[np.floating], largest_C: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which features have no spread.

    Args:
        spread_C: Standard deviation of each feature.
        largest_C: Its largest absolute value.
    """
    return np.asarray(spread_C <= _FLAT * np.maximum(largest_C, 1e-30))
