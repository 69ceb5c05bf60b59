"""What a sweep can be asked for: rows, corpora, a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, setting, unknown
from wordsight.ranges import LearningRateTried, Seed, SeedOrSweeps, check_ranges

# The corpus of a sweep that is given by flags.
_ONLY = "corpus"


@dataclass(frozen=True)
class SweepCorpus:
    """A corpus of a sweep, and what the runs that learn from it are asked.

    Args:
        corpus: Its folder; "" where it is built.
        build: A reader with its values (``{reader: pictures, count: 2000}``): the corpus is built once, into the
            sweep's folder.
        split: The split to train on; "" for train where there are splits, else all.
        test: The split that the heads are asked about; "" for test where there are splits, else all.
        tasks: Labelled images, as `wordsight evaluate` takes them.
        protocols: How it is measured. Those of tasks are asked on every task, those of a corpus on ``test``; an
            objective that can't answer one is not asked it.
        rows: The rows that learn from this corpus; all by default.
        seeds: Seeds of each row on this corpus; by default the sweep's.
        settings: Settings of all runs on this corpus; they override the sweep's.
    """

    corpus: str = ""
    build: dict[str, Any] = field(default_factory=dict)
    split: str = ""
    test: str = ""
    tasks: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ("logistic",)
    rows: tuple[str, ...] = ()
    seeds: tuple[SeedOrSweeps, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class SweepSettings:
    """What a sweep trains and measures.

    Args:
        rows: What is compared: a name for each row, with its recipe, or the recipe and settings that it changes
            (``{recipe: clip-resnet18-small, objective_settings: {width: 128}}``). ``begins_with: ROW`` gives a run the
            weights of that row's run on the same corpus with the same seed, which is trained first.
        corpora: The corpora, by name.
        settings: Settings of all runs, such as ``{epochs: 10, image_size: 64}``: the budget. A row's own override them.
        seeds: Seeds of each row.
        lrs: Learning rates that are tried at the first seed; the other seeds have the one that scored best there. None
            to take the recipes' own.
        data: Folder that relative paths of corpora and tasks begin in; "" for the current one.
        step_cost: Whether a step of each row is timed against that of its bare backbone, and its memory measured.
    """

    rows: dict[str, Any]
    corpora: dict[str, SweepCorpus]
    settings: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[Seed, ...] = (0,)
    lrs: tuple[LearningRateTried, ...] = ()
    data: str = ""
    step_cost: bool = True

    def __post_init__(self) -> None:
        if not self.rows:
            example = "{clip: clip-resnet18-small}"
            raise InputError("no recipe is named", where="wordsight sweep", expected=f"{setting('rows')} {example}")
        if not self.corpora:
            raise InputError(
                "no corpus is named", where="wordsight sweep", expected=setting("corpus", "corpora/photos")
            )
        check_ranges(self)
        for name, corpus in self.corpora.items():
            for row in corpus.rows:
                if row not in self.rows:
                    raise unknown("row", row, self.rows, setting=f"corpora.{name}.rows")

    def only(self, names: Sequence[str]) -> SweepSettings:
        """The same with some of the rows, and those that they begin with.

        Args:
            names: The rows.

        Raises:
            InputError: When there is no such row.
        """
        kept: list[str] = []
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in self.rows:
                raise unknown("row", name, self.rows, setting="only")
            given = self.rows[name]
            kept.append(name)
            waiting += [given["begins_with"]] if isinstance(given, Mapping) and "begins_with" in given else []
        rows = {name: given for name, given in self.rows.items() if name in kept}
        corpora = {
            name: replace(corpus, rows=tuple(row for row in corpus.rows if row in rows))
            for name, corpus in self.corpora.items()
            if not corpus.rows or set(corpus.rows) & set(rows)
        }
        return replace(self, rows=rows, corpora=corpora)


def one_corpus(
    corpus: Path | str | None, split: str, test: str, tasks: Sequence[str], protocols: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The corpora of a sweep whose only one is given by arguments; none where it is not.

    Raises:
        InputError: When others are given, and no such corpus.
    """
    if corpus is None:
        for name, value in (("split", split), ("test", test), ("task", tasks), ("protocol", protocols)):
            if value:
                raise InputError("belongs to a corpus", setting=name, mend=f"give {setting('corpus')} too")
        return {}
    given = {"corpus": str(corpus), "split": split, "test": test, "tasks": list(tasks)}
    return {_ONLY: {**given, **({"protocols": list(protocols)} if protocols else {})}}
