"""Evaluation: how good a backbone is, each number under the name of its protocol and beside its baselines.

A new method is a file and a line in ``methods.METHODS``, and a protocol of it a YAML file in ``protocols/``; a new kind
of task is a file and a line in ``tasks.TASKS``.
"""

from wordsight.evaluation.engine import check_expects, evaluate, open_protocol, opened_protocols, protocols_for
from wordsight.evaluation.methods import METHODS
from wordsight.evaluation.models.evaluated_model import EvaluatedModel, LearnedConcepts
from wordsight.evaluation.protocol import EvalData, EvalProtocol, protocol_names
from wordsight.evaluation.results.result import Result, read_results
from wordsight.evaluation.results.tables import print_results
from wordsight.evaluation.tasks import TASKS, Task, open_task, task_names
from wordsight.evaluation.tasks.caption_split import CaptionedSplit, CorpusSplit

__all__ = [
    "METHODS",
    "TASKS",
    "CaptionedSplit",
    "CorpusSplit",
    "EvalData",
    "EvalProtocol",
    "EvaluatedModel",
    "LearnedConcepts",
    "Result",
    "Task",
    "check_expects",
    "evaluate",
    "open_protocol",
    "open_task",
    "opened_protocols",
    "print_results",
    "protocol_names",
    "protocols_for",
    "read_results",
    "task_names",
]
