"""How likely a caption that is drawn is each text: where all read alike, none tells an image from another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def text_shares(
    starts_N: NDArray[np.int64],
    text_S: NDArray[np.int64],
    examples: NDArray[np.int64],
    weight_n: NDArray[np.float64] | None = None,
) -> NDArray[Any]:
    """How likely a caption that is drawn for one of some examples is each text.

    Args:
        starts_N: First caption of each example of the corpus, and the number of all captions last.
        text_S: A number for each caption, which captions that read alike share.
        examples: The examples' numbers in the corpus.
        weight_n: How likely each of them is drawn; evenly by default.

    Returns:
        One for each text; they sum to one where every example has a caption.

    Examples:
        >>> import numpy as np
        >>> starts, texts = np.array([0, 2, 3]), np.array([7, 9, 7])
        >>> text_shares(starts, texts, np.array([0, 1])).tolist()
        [0.75, 0.25]
    """
    counts_n = starts_N[examples + 1] - starts_N[examples]
    places_S = np.arange(counts_n.sum()) - np.repeat(np.cumsum(counts_n) - counts_n, counts_n)
    _, which_S = np.unique(text_S[np.repeat(starts_N[examples], counts_n) + places_S], return_inverse=True)
    weight_n = np.full(len(examples), 1 / max(1, len(examples))) if weight_n is None else weight_n
    return np.bincount(which_S, np.repeat(weight_n / np.maximum(counts_n, 1), counts_n))
