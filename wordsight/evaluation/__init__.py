"""Evaluation: how good a backbone is, each number under the name of its protocol and beside its baselines.

A new protocol is a file and a line in ``PROTOCOLS``; a new kind of task is a file and a line in ``tasks.TASKS``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from wordsight.errors import InputError, unknown
from wordsight.evaluation import logistic, masked_words, pointing, tags
from wordsight.evaluation.protocol import Protocol, Question
from wordsight.evaluation.results import Result, print_results, read_results
from wordsight.evaluation.subject import CaptionedSplit, CorpusSplit, LearnedConcepts, Subject
from wordsight.evaluation.tasks import TASKS, Task, open_task

__all__ = [
    "PROTOCOLS",
    "TASKS",
    "CaptionedSplit",
    "CorpusSplit",
    "LearnedConcepts",
    "Protocol",
    "Question",
    "Result",
    "Subject",
    "Task",
    "check_protocols",
    "evaluate",
    "open_task",
    "print_results",
    "read_results",
]

PROTOCOLS: dict[str, Protocol] = {
    logistic.NAME: Protocol(Task, logistic.LogisticSettings, logistic.measure),
    masked_words.NAME: Protocol(CaptionedSplit, masked_words.MaskedWordsSettings, masked_words.measure),
    pointing.NAME: Protocol(CaptionedSplit, pointing.PointingSettings, pointing.measure),
    tags.NAME: Protocol(CorpusSplit, tags.TagsSettings, tags.measure),
}


def evaluate(subject: Subject, question: Question, protocols: Sequence[str]) -> list[Result]:
    """Measure a subject on one question under some protocols, and write each result into its folder of results.

    Args:
        subject: What is measured.
        question: A task (labelled images) or a split of a corpus, its captions masked where a protocol asks for that.
        protocols: Names of protocols.

    Raises:
        InputError: When a protocol is unknown or asks another kind of question, or can't be measured on this one.
    """
    check_protocols(protocols, type(question))
    results = []
    for name in protocols:
        protocol = PROTOCOLS[name]
        started = time.perf_counter()
        found = protocol.measure(subject, question, protocol.settings())
        seconds = round(time.perf_counter() - started, 3)
        for each in found if isinstance(found, list) else [found]:
            result = replace(each, subject=subject.name, seconds=seconds)
            result.write(subject.results_folder)
            results.append(result)
    return results


def check_protocols(protocols: Sequence[str], asked: type[Task] | type[CorpusSplit]) -> None:
    """Refuse protocols that don't exist or that ask another kind of question, before anything is computed.

    Args:
        protocols: Their names.
        asked: ``Task`` for labelled images, ``CaptionedSplit`` for captioned ones, ``CorpusSplit`` for these unmasked.

    Raises:
        InputError: In these cases, or when there is none.
    """
    if not protocols:
        raise InputError("no protocol was named", where="--protocol", expected=f"one of: {', '.join(PROTOCOLS)}")
    for name in protocols:
        if name not in PROTOCOLS:
            raise unknown("protocol", name, PROTOCOLS, where="--protocol")
        if not issubclass(asked, PROTOCOLS[name].asks):
            wanted = "labelled images (--task)" if PROTOCOLS[name].asks is Task else "captioned images (--corpus)"
            raise InputError(f"{name} asks about {wanted}", where="--protocol")
