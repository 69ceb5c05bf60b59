"""Results beside their baselines: every number with the protocol that it was measured by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wordsight.evaluation import open_protocol, protocol_names
from wordsight.evaluation.results import DRAW, NO_PERCENT, GroupColumn, Result, group_columns
from wordsight.explain.formats import count, percent, plain
from wordsight.explain.report.contents import Bar, GroupsTable, Headline, Protocol, ResultRow

HEADLINES = 4
TEXT = "text only"
# Guessing without looking is called by either name.
BLIND = ("chance", "most frequent")
# What a person looks for first; other protocols follow.
_FIRST = ("masked-words", "pointing", "logistic", "zero-shot", "retrieval")


def result_rows(results: Sequence[Result]) -> list[ResultRow]:
    """A row for every value of every result, the result's main value first."""
    return [row for result in results for row in _rows(result)]


def _rows(result: Result) -> list[ResultRow]:
    rows = [_row(result, result.metric, result.value, result.random_weights, _note(result))]
    rows += [_row(result, metric, value, None, "") for metric, value in result.more.items()]
    return rows


def _row(result: Result, metric: str, value: float, random: float | None, note: str) -> ResultRow:
    main = metric == result.metric
    beside = result.beside(metric)
    text, blind = beside.pop(TEXT, None), next((beside.pop(name) for name in BLIND if name in beside), None)
    compared = [
        ("this run", value, "trained"),
        ("random weights", random, "random"),
        ("text alone", text, "text"),
        ("chance", blind, "chance"),
    ]
    known = [(name, number, kind) for name, number, kind in compared if number is not None]
    written = plain if metric in NO_PERCENT else percent
    # A bar shows a share of a hundred.
    barred = [] if metric in NO_PERCENT else known
    return ResultRow(
        task=result.task,
        protocol=result.title,
        metric=metric,
        value=written(value),
        error=_error(result) if main else "",
        random="" if random is None else written(random),
        text="" if text is None else written(text),
        chance="" if blind is None else written(blind),
        note="; ".join(filter(None, [*(f"{name} {written(number)}" for name, number in beside.items()), note])),
        bars=[Bar(name, written(number), max(0.0, min(100.0, number)), kind) for name, number, kind in barred],
        alt="; ".join(f"{name} {written(number)}" for name, number, _ in known),
    )


def _error(result: Result) -> str:
    if result.spread is not None:
        return f"spread {result.spread:.1f}"
    return "" if result.standard_error is None else f"± {result.standard_error:.1f}"


def _note(result: Result) -> str:
    parts = []
    if result.penalty is not None:
        tried = f", the best of {len(result.sweep)}" if result.sweep else ""
        parts.append(f"penalty {plain(result.penalty)}{tried}")
    return "; ".join([*parts, *result.warnings])


def groups_tables(results: Sequence[Result]) -> list[GroupsTable]:
    """A table for each way in which a result was grouped: by part of speech, by frequency, best and least learned."""
    found = []
    for result in results:
        for by in dict.fromkeys(group.by for group in result.groups if group.by != DRAW):
            groups = [group for group in result.groups if group.by == by]
            columns = group_columns(groups)
            rows = [
                (group.name, count(group.count), [_percent_or_none(column.of(group)) for column in columns])
                for group in groups
            ]
            names = [_column_name(column, result) for column in columns]
            found.append(GroupsTable(f"{result.task}, {result.title}", by, names, rows))
    return found


def _column_name(column: GroupColumn, result: Result) -> str:
    if not column.baseline:
        return column.metric or result.metric
    return f"{column.baseline}, {column.metric}" if column.metric else column.baseline


def _percent_or_none(value: float | None) -> str:
    return "–" if value is None else percent(value)


def headlines(results: Sequence[Result]) -> list[Headline]:
    """The main values of a few results, each beside what it has to be held against."""
    found = []
    for result in telling(results, HEADLINES):
        row = _rows(result)[0]
        beside = [f"{bar.name} {bar.value}" for bar in row.bars[1:]]
        found.append(Headline(f"{result.task}: {result.metric}", row.value, " · ".join(beside), result.title))
    return found


def telling(results: Sequence[Result], count: int) -> list[Result]:
    """Those few results that say most, in the order that they came in: of every task, by the best known protocols."""
    best_first = sorted(
        results, key=lambda result: _FIRST.index(result.protocol) if result.protocol in _FIRST else len(_FIRST)
    )
    times: Counter[str] = Counter()
    ranked = []
    for result in best_first:
        ranked.append((times[result.task], result))
        times[result.task] += 1
    chosen = [id(result) for _, result in sorted(ranked, key=lambda each: each[0])[:count]]
    return [result for result in results if id(result) in chosen]


def protocols(results: Sequence[Result]) -> list[Protocol]:
    """The protocols that were used, each in a sentence."""
    names = dict.fromkeys(result.protocol for result in results)
    return [Protocol(name, protocol_says(name)) for name in names]


def protocol_says(name: str) -> str:
    """What a protocol's file says of it in its header; empty for one that comes from a person's own file."""
    return open_protocol(name).says if name in protocol_names() else ""
