"""What a protocol is: a name, its pinned settings, the kind of question that it asks, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wordsight.evaluation.results import Result
from wordsight.evaluation.subject import CorpusSplit
from wordsight.evaluation.tasks import Task

Question = Task | CorpusSplit


@dataclass(frozen=True)
class Protocol:
    """A named, fully pinned way to evaluate.

    Args:
        asks: What it is measured on: labelled images (``Task``), examples of a corpus (``CorpusSplit``), or these with
            their captions masked (``CaptionedSplit``).
        settings: The dataclass of its settings; the defaults are the protocol, other values are another protocol.
        measure: ``measure(subject, question, settings)`` gives the results, all but their time: one, or one for each
            concept set that it can be asked of.
    """

    asks: type[Task] | type[CorpusSplit]
    settings: type[Any]
    measure: Callable[[Any, Any, Any], Result | list[Result]]
