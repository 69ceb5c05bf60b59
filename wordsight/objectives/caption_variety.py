"""Whether captions tell images apart: of captions that all read alike nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wordsight.batching.fields import Field
from wordsight.errors import InputError, setting
from wordsight.progress import say

# A larger share of batches without any two captions that differ is said.
_MANY_ALIKE = 0.005


@runtime_checkable
class DrawsTexts(Protocol):
    """A field that draws captions, and knows how often each is drawn."""

    def text_shares(self, examples: NDArray[np.int64]) -> NDArray[Any]:
        """How likely a caption that is drawn for one of some examples is each text."""


def refuse_one_caption(
    fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], so: str = "none can be told from another"
) -> None:
    """Refuse captions that all read alike.

    Args:
        fields: The fields of a run, opened.
        examples: The examples that are trained on.
        so: What follows from it, in half a sentence.

    Raises:
        InputError: When they do.
    """
    for shares_S in _shares(fields, examples):
        if len(shares_S) == 1:
            raise InputError(
                f"all captions of the {len(examples):,} images read alike, and {so}",
                expected="captions that differ from image to image",
                mend="check which column or field the corpus took for the captions",
            )


def check_captions_differ(fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int) -> None:
    """Refuse captions that all read alike; say in how many batches no two differ.

    Args:
        fields: The fields of a run, opened.
        examples: The examples that are trained on.
        batch_size: Images in a step.

    Raises:
        InputError: When all captions read alike.
    """
    refuse_one_caption(fields, examples)
    for shares_S in _shares(fields, examples):
        alike = float((shares_S**batch_size).sum())
        if alike > _MANY_ALIKE:
            say(
                f"warning: in about {100 * alike:.0f} % of the batches all captions read alike, which teaches nothing: "
                f"give a larger {setting('batch_size')}"
            )


def _shares(fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64]) -> list[NDArray[Any]]:
    return [field.text_shares(examples) for field in fields.values() if isinstance(field, DrawsTexts)]
