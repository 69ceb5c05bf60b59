"""What a sweep is asked for, checked before anything is trained: its runs, and what each of them is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from wordsight.api.pretrain import check_names, recipe_settings
from wordsight.api.sweep_settings import SweepCorpus, SweepSettings
from wordsight.corpus import READERS
from wordsight.errors import InputError, unknown
from wordsight.recipes import merged
from wordsight.settings import from_mapping

# What computes with torch is imported by the verb that needs it.
if TYPE_CHECKING:
    from wordsight.evaluation import EvalProtocol
    from wordsight.training.pretrain_settings import PretrainSettings

# What a sweep's folder holds, besides its table.
RUNS, CORPORA, COSTS, LOGS = "runs", "corpora", "costs", "logs"


@dataclass(frozen=True)
class Asked:
    """One thing that a run is asked: a protocol, on a task or on a split of the corpus.

    Args:
        protocol: The protocol's name or file.
        task: The task; "" for a protocol of a corpus.
    """

    protocol: str
    task: str = ""


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Args:
        row: The row.
        corpus: The name of the corpus.
        place: The corpus's folder.
        folder: The run's folder.
        settings: Its settings.
        asked: What it is asked.
        split: The split to train on; "" for the usual one.
        test: The split that its heads are asked about; "" for the usual one.
    """

    row: str
    corpus: str
    place: Path
    folder: Path
    settings: PretrainSettings
    asked: tuple[Asked, ...]
    split: str = ""
    test: str = ""

    @property
    def cost_file(self) -> Path:
        """Where the cost of one of its steps is kept."""
        return self.folder.parents[2] / COSTS / self.folder.parent.name / f"{self.folder.name}.json"

    def as_json(self) -> dict[str, Any]:
        """The run for a process of its own."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        paths = {name: str(found[name]) for name in ("place", "folder")}
        return {**found, **paths, "settings": asdict(self.settings), "asked": [asdict(each) for each in self.asked]}

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> SweepRun:
        """The run that :meth:`as_json` gave."""
        from wordsight.training.pretrain_settings import PretrainSettings

        asked = tuple(Asked(**each) for each in content["asked"])
        settings = from_mapping(PretrainSettings, content["settings"], None)
        paths = {name: Path(content[name]) for name in ("place", "folder")}
        return cls(**{**content, **paths, "asked": asked, "settings": settings})


@dataclass(frozen=True)
class SweepPlan:
    """All that a sweep may train.

    Args:
        settings: What was asked for.
        out: The sweep's folder.
        recipes: The settings of each row on each corpus, by the names of both, but for seed and learning rate.
        fixed: Those whose learning rate is said, and so is not tried.
        begins_with: The row whose weights a row begins with, for rows that do.
    """

    settings: SweepSettings
    out: Path
    recipes: Mapping[tuple[str, str], PretrainSettings]
    fixed: frozenset[tuple[str, str]]
    begins_with: Mapping[str, str]

    def rates(self, row: str, corpus: str) -> Sequence[float | None]:
        """The learning rates that are tried for a row; None for the recipe's own."""
        learns = self.recipes[row, corpus].epochs > 0
        return self.settings.lrs if self.settings.lrs and learns and (row, corpus) not in self.fixed else (None,)

    def seeds(self, corpus: str) -> Sequence[int]:
        """The seeds of each row on a corpus."""
        return self.settings.corpora[corpus].seeds or self.settings.seeds

    def run(self, row: str, corpus: str, lr: float | None, seed: int, weights: Path | None = None) -> SweepRun:
        """One of the runs.

        Args:
            row: Its row.
            corpus: Its corpus.
            lr: The learning rate; None for the recipe's own.
            seed: The seed.
            weights: What it begins with, where that is what another row has learned.
        """
        from wordsight.evaluation.results.result import folder_name

        block, recipe = self.settings.corpora[corpus], self.recipes[row, corpus]
        changed: dict[str, Any] = {"seed": seed} if lr is None else {"seed": seed, "lr": lr}
        changed |= {} if weights is None else {"weights": str(weights)}
        rate = "" if lr is None else f"-lr{lr:g}"
        return SweepRun(
            row,
            corpus,
            self.place(corpus),
            self.out / RUNS / folder_name(corpus) / f"{folder_name(row)}{rate}-seed{seed}",
            replace(recipe, **changed),
            self.asked(corpus),
            block.split,
            block.test,
        )

    def asked(self, corpus: str) -> tuple[Asked, ...]:
        """What the runs on a corpus are asked."""
        from wordsight.evaluation import METHODS, Task

        block = self.settings.corpora[corpus]
        found: list[Asked] = []
        for name, protocol in opened(block.protocols).items():
            of_tasks = METHODS[protocol.method].expects is Task
            found += [Asked(name, self.task(task)) for task in block.tasks] if of_tasks else [Asked(name)]
        return tuple(found)

    def place(self, corpus: str) -> Path:
        """The folder of a corpus: where it is, or where it is built."""
        from wordsight.evaluation.results.result import folder_name

        block = self.settings.corpora[corpus]
        return Path(self.settings.data) / block.corpus if block.corpus else self.out / CORPORA / folder_name(corpus)

    def task(self, task: str) -> str:
        """A task as it is opened from the current folder."""
        kind, colon, place = task.partition(":")
        if not colon or kind == "torchvision":
            return task if colon else str(Path(self.settings.data) / task)
        return f"{kind}:{Path(self.settings.data) / place}"

    def waves(self) -> list[list[tuple[str, str]]]:
        """The pairs of rows and corpora, those that begin with what others have learned after these."""

        def depth(row: str) -> int:
            return 1 + depth(self.begins_with[row]) if row in self.begins_with else 0

        depths = sorted({depth(row) for row, _ in self.recipes})
        return [[pair for pair in self.recipes if depth(pair[0]) == one] for one in depths]

    def pairs(self) -> list[tuple[str, str]]:
        """Each row with each of the corpora that it learns from, in the order of both."""
        return list(self.recipes)


def opened(protocols: Sequence[str]) -> dict[str, EvalProtocol]:
    """Protocols by what a person wrote for each."""
    from wordsight.evaluation import open_protocol

    return {name: open_protocol(name) for name in protocols}


def planned(settings: SweepSettings, out: Path) -> SweepPlan:
    """The plan of a sweep, checked: recipes, names, protocols and tasks, before minutes are spent.

    Args:
        settings: What is asked for.
        out: The sweep's folder.

    Raises:
        InputError: When a recipe, an objective, a protocol, a task or a reader is unknown, or two things would be kept
            under one name.
    """
    from wordsight.evaluation import task_names
    from wordsight.evaluation.results.result import folder_name

    recipes: dict[tuple[str, str], PretrainSettings] = {}
    fixed: set[tuple[str, str]] = set()
    begins: dict[str, str] = {}
    _check_distinct(settings.rows, "rows", folder_name)
    _check_distinct(settings.corpora, "corpora", folder_name)
    for row, given in settings.rows.items():
        recipe, changes = _row(row, given)
        if (before := changes.pop("begins_with", None)) is not None:
            begins[row] = before
            # Until it is known which, a name that says so: published weights are not read then.
            changes["weights"] = f"those of {before}"
        for corpus, block in settings.corpora.items():
            if block.rows and row not in block.rows:
                continue
            budget = merged(settings.settings, block.settings)
            recipes[row, corpus] = _recipe(recipe, budget, changes)
            if "lr" in changes or "lr" in budget:
                fixed.add((row, corpus))
    _check_begun(begins, recipes)
    told = {json.dumps(asdict(one), sort_keys=True): one for (row, _), one in recipes.items() if row not in begins}
    for found in told.values():
        check_names(found)
    plan = SweepPlan(settings, out, recipes, frozenset(fixed), begins)
    for name, block in settings.corpora.items():
        _check_corpus(name, block)
        asked = plan.asked(name)
        names = task_names([plan.task(task) for task in block.tasks])
        _check_distinct(names, f"corpora.{name}.tasks", names.__getitem__)
        if block.tasks and not any(each.task for each in asked):
            raise InputError("no protocol asks about tasks", setting=f"corpora.{name}.protocols", expected="logistic")
    return plan


def _row(row: str, given: Any) -> tuple[str, dict[str, Any]]:
    """A row's recipe, and what it changes of it."""
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping) or not isinstance(given.get("recipe"), str):
        raise InputError(
            f"found {given!r}", setting=f"rows.{row}", expected="a recipe, or {recipe: NAME} with settings that change"
        )
    return given["recipe"], {name: value for name, value in given.items() if name != "recipe"}


def _recipe(recipe: str, budget: Mapping[str, Any], changes: Mapping[str, Any]) -> PretrainSettings:
    """The settings of a row: what learns nothing has no epochs, whatever the budget says."""
    from wordsight.objectives import objective_kind
    from wordsight.recipes import read_values, recipe_file

    name = str(merged(read_values(recipe_file(recipe)), changes).get("objective", ""))
    learns = not name or objective_kind(name).build.learns
    given = {key: value for key, value in budget.items() if learns or key != "epochs"}
    return recipe_settings(recipe, **merged(given, changes))


def _check_begun(begins: Mapping[str, str], recipes: Mapping[tuple[str, str], Any]) -> None:
    """What a row begins with is trained on the same corpora, and does not begin with that row."""
    rows = {row for row, _ in recipes}
    for row, before in begins.items():
        if before not in rows:
            raise unknown("row", str(before), rows, setting=f"rows.{row}.begins_with")
        if absent := [corpus for name, corpus in recipes if name == row and (before, corpus) not in recipes]:
            raise InputError(f"{before} does not learn from {absent[0]}", setting=f"rows.{row}.begins_with")
        seen = [row]
        while (next_one := begins.get(seen[-1])) is not None:
            if next_one in seen:
                raise InputError(f"{next_one} begins with itself", setting=f"rows.{row}.begins_with")
            seen.append(next_one)


def _check_distinct(names: Any, what: str, kept_as: Any) -> None:
    """Things are kept in folders: two of one name would be one."""
    of: dict[str, str] = {}
    for name in names:
        if (folder := kept_as(name)) in of or not folder:
            alike = f"{of.get(folder, '')} and {name} are" if folder else f"{name!r} is"
            raise InputError(f"{alike} kept as {folder!r}", setting=what, mend="give one of them another name")
        of[folder] = name


def _check_corpus(name: str, block: SweepCorpus) -> None:
    if bool(block.corpus) == bool(block.build):
        raise InputError(
            "give either the folder of a corpus, or a reader to build it by",
            setting=f"corpora.{name}",
            expected="{corpus: corpora/flickr8k}, or {build: {reader: pictures}}",
        )
    if block.build and str(block.build.get("reader")) not in READERS:
        raise unknown("reader", str(block.build.get("reader")), READERS, setting=f"corpora.{name}.build")


def reader_of(plan: SweepPlan, corpus: str) -> Any:
    """The reader that a corpus is built by."""
    values = dict(plan.settings.corpora[corpus].build)
    kind: type[Any] = READERS[str(values.pop("reader"))]
    hints = get_type_hints(kind)
    for name, value in values.items():
        if "Path" in str(hints.get(name)) and isinstance(value, str):
            values[name] = Path(plan.settings.data) / value
    return from_mapping(kind, values, None, within=f"corpora.{corpus}.build")
