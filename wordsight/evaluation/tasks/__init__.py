"""Tasks: one file, one way to name labelled images. A new one is a file and a line in ``TASKS``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol, get_type_hints

from wordsight.errors import InputError, listed, setting, unknown
from wordsight.evaluation.results.result import folder_name
from wordsight.evaluation.tasks.sources.coco import CocoLabelsTask
from wordsight.evaluation.tasks.sources.corpus import CorpusTask
from wordsight.evaluation.tasks.sources.folder import FolderTask
from wordsight.evaluation.tasks.sources.multilabel import MultilabelTask
from wordsight.evaluation.tasks.sources.table import TableTask
from wordsight.evaluation.tasks.sources.torchvision_datasets import TorchvisionTask
from wordsight.evaluation.tasks.sources.voc import VocTask
from wordsight.evaluation.tasks.task import LabelledImages, Task, TaskSplit, build_task

__all__ = ["TASKS", "LabelledImages", "Task", "TaskSplit", "build_task", "open_task", "task_names"]


class TaskSource(Protocol):
    """Labelled images of one layout: a frozen dataclass whose first field is ``path``; the others are flags."""

    @property
    def name(self) -> str:
        """What results are filed under."""

    def read(self) -> LabelledImages:
        """The labelled images."""


TASKS: dict[str, type[Any]] = {
    "folder": FolderTask,
    "voc": VocTask,
    "table": TableTask,
    "multilabel": MultilabelTask,
    "coco-labels": CocoLabelsTask,
    "torchvision": TorchvisionTask,
    "corpus": CorpusTask,
}


def open_task(spec: str | Path, *, name: str | None = None, **flags: str | Path | bool | None) -> Task:
    """Open a task by what a person writes for it.

    Args:
        spec: ``folder:DIR``, ``voc:DIR``, ``table:FILE``, ``multilabel:FILE``, ``coco-labels:FILE``,
            ``torchvision:NAME`` or ``corpus:FOLDER``; for a corpus its folder alone will do.
        name: What to file its results under, where the folder's name won't do.
        flags: Options of the layout: the fields of its class in ``TASKS`` (for tables ``image``,
            ``label``, ``images``, ``separator``; for torchvision ``root``, ``download``; ...). None is unset.

    Raises:
        InputError: When there is no such layout, it has no such flag, or the labelled images can't be used.

    Examples:
        >>> task = open_task("folder:classes")
        >>> task.class_names, len(task.train), len(task.test)
        (['circle', 'square'], 18, 6)
    """
    spec = str(spec)
    source = _source(spec, flags)
    return build_task(_name_of(source, name), spec, source.read())


def task_names(specs: Sequence[str], **flags: str | Path | bool | None) -> dict[str, str]:
    """What the results of tasks are filed under, by what a person wrote for each; nothing is read yet.

    Args:
        specs: As :func:`open_task` takes them.
        flags: Likewise.

    Raises:
        InputError: When there is no such layout, or it has no such flag.
    """
    return {spec: _name_of(_source(spec, flags)) for spec in specs}


def _source(spec: str, flags: Mapping[str, str | Path | bool | None]) -> TaskSource:
    kind, colon, place = spec.partition(":")
    if not colon and (Path(spec) / "corpus.json").is_file():
        kind, place = "corpus", spec
    if kind not in TASKS or not place:
        raise _no_such_task(spec, kind, bool(colon))
    source_type = TASKS[kind]
    given = {flag: value for flag, value in flags.items() if value is not None}
    known = {each.name for each in fields(source_type)} - {"path"}
    for flag in given:
        if flag not in known:
            expected = f"one of: {listed(setting(each) for each in sorted(known))}" if known else "none of its own"
            raise InputError(f"{kind} tasks have no {setting(flag)}", where=setting("task", spec), expected=expected)
    hints = get_type_hints(source_type)
    read = {flag: Path(str(value)) if hints[flag] == Path | None else value for flag, value in given.items()}
    source: TaskSource = source_type(Path(place), **read)
    return source


def _no_such_task(spec: str, kind: str, has_kind: bool) -> InputError:
    if has_kind and kind not in TASKS:
        return unknown("kind of task", kind, TASKS, where=setting("task", spec))
    return InputError(
        "names no labelled images",
        where=setting("task", spec),
        expected="folder:DIR, voc:DIR, table:FILE, multilabel:FILE, coco-labels:FILE, torchvision:NAME, "
        "corpus:FOLDER, or the folder of a corpus",
    )


def _name_of(source: TaskSource, given: str | None = None) -> str:
    """What results are filed under."""
    return folder_name(given or source.name) or "task"
