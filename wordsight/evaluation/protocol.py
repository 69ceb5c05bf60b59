"""What a protocol is: a name, its pinned settings, the kind of question that it asks, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wordsight.evaluation.results import Result
from wordsight.evaluation.subject import CaptionedSplit
from wordsight.evaluation.tasks import Task

Question = Task | CaptionedSplit


@dataclass(frozen=True)
class Protocol:
    """A named, fully pinned way to evaluate.

    Args:
        asks: What it is measured on: labelled images (``Task``) or captioned ones (``CaptionedSplit``).
        settings: The dataclass of its settings; the defaults are the protocol, other values are another protocol.
        measure: ``measure(subject, question, settings)`` gives the result, all but its time.
    """

    asks: type[Task] | type[CaptionedSplit]
    settings: type[Any]
    measure: Callable[[Any, Any, Any], Result]
