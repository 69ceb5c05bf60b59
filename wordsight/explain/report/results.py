"""Results beside their baselines: every number with the protocol that it was measured by."""

from __future__ import annotations

from collections.abc import Sequence

from wordsight.evaluation import open_protocol, protocol_names
from wordsight.evaluation.results.measurement import NO_PERCENT, RANDOM_WEIGHTS, Measurement
from wordsight.evaluation.results.result import DRAW, Result
from wordsight.evaluation.results.tables import group_columns, group_numbers
from wordsight.explain.formats import MINUS, count, percent, plain
from wordsight.explain.report.contents import Bar, GroupsTable, Headline, ProtocolSummary, ResultRow, ResultTable

TEXT = "text only"
# Guessing without looking: at random, or always what is most frequent. A bar shows one, under its own name.
CHANCE = "chance"
BLIND = (CHANCE, "most frequent")
# What a person looks for first; other protocols follow.
_FIRST = ("masked-words", "pointing", "logistic", "zero-shot", "retrieval")


def result_tables(results: Sequence[Result]) -> list[ResultTable]:
    """A table for each result: a row for every value, the result's main value first."""
    return [
        ResultTable(
            result.task,
            result.title,
            [_row(result, measured) for measured in result.measurements],
        )
        for result in results
    ]


def _row(result: Result, measured: Measurement) -> ResultRow:
    metric, value, beside = measured.metric, measured.value, dict(measured.baselines)
    main = metric == result.metric
    random = beside.pop(RANDOM_WEIGHTS, None)
    text, chance = beside.pop(TEXT, None), beside.get(CHANCE)
    blind = next((name for name in BLIND if name in beside), CHANCE)
    compared = [
        ("this run", value, "trained"),
        (RANDOM_WEIGHTS, random, "random"),
        ("text alone", text, "text"),
        (blind, beside.get(blind), "chance"),
    ]
    known = [(name, number, kind) for name, number, kind in compared if number is not None]
    written = plain if metric in NO_PERCENT else percent
    # A bar shows a share of a hundred.
    barred = [] if metric in NO_PERCENT else known
    others = [f"{name} {written(number)}" for name, number in beside.items() if name != CHANCE]
    return ResultRow(
        metric=measured.title,
        value=written(value),
        error=_error(result) if main else "",
        random="" if random is None else written(random),
        text="" if text is None else written(text),
        chance="" if chance is None else written(chance),
        note="; ".join([*others, *(_penalty(result) if main else [])]),
        bars=[Bar(name, written(number), max(0.0, min(100.0, number)), kind) for name, number, kind in barred],
        alt="; ".join(f"{name} {written(number)}" for name, number, _ in known),
    )


def _error(result: Result) -> str:
    if result.spread is not None:
        return f"spread {result.spread:.1f}"
    return "" if result.standard_error is None else f"± {result.standard_error:.1f}"


def _penalty(result: Result) -> list[str]:
    if result.penalty is None:
        return []
    tried = f", the best of {len(result.sweep)}" if result.sweep else ""
    return [f"penalty {plain(result.penalty)}{tried}"]


def groups_tables(results: Sequence[Result]) -> list[GroupsTable]:
    """A table for each way in which a result was grouped: by part of speech, by frequency, best and least learned."""
    found = []
    for result in results:
        for by in dict.fromkeys(group.by for group in result.groups if group.by != DRAW):
            groups = [group for group in result.groups if group.by == by]
            columns = group_columns(result, groups)
            rows = [
                (group.name, count(group.count), list(map(_percent_or_none, group_numbers(result, group, columns))))
                for group in groups
            ]
            names = [_column_name(metric, baseline, result) for metric, baseline in columns]
            found.append(GroupsTable(f"{result.task}, {result.title}", by, names, rows))
    return found


def _column_name(metric: str, baseline: str, result: Result) -> str:
    if not baseline:
        return metric
    return baseline if metric == result.metric else f"{baseline}, {metric}"


def _percent_or_none(value: float | None) -> str:
    return "–" if value is None else percent(value)


def headlines(results: Sequence[Result]) -> list[Headline]:
    """The main number of every result: task by task, the best known protocols first."""
    tasks = list(dict.fromkeys(result.task for result in results))

    def place(result: Result) -> tuple[int, int]:
        known = result.protocol in _FIRST
        return tasks.index(result.task), _FIRST.index(result.protocol) if known else len(_FIRST)

    found = []
    for result in sorted(results, key=place):
        row = _row(result, result.measurements[0])
        found.append(
            Headline(
                result.task, result.title, row.metric, row.value, _interval(result), row.random, row.text, row.chance
            )
        )
    return found


def _interval(result: Result) -> str:
    """The 95 % interval; where there is none the standard error, by its name."""
    if result.interval is not None:
        low, high = result.interval
        return f"{low:.1f} to {high:.1f}".replace("-", MINUS)
    return "" if result.standard_error is None else f"± {result.standard_error:.1f} (standard error)"


def warnings(results: Sequence[Result]) -> list[str]:
    """What a reader should know of the results, each warning once with all that it is said of."""
    said: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for warning in result.warnings:
            said.setdefault((result.task, warning), []).append(result.title)
    return [f"{task}, {', '.join(dict.fromkeys(titles))}: {warning}" for (task, warning), titles in said.items()]


def protocols(results: Sequence[Result]) -> list[ProtocolSummary]:
    """The protocols that were used, each in a sentence."""
    names = dict.fromkeys(result.protocol for result in results)
    return [ProtocolSummary(name, protocol_says(name)) for name in names]


def protocol_says(name: str) -> str:
    """What a protocol's file says of it in its header; empty for one that comes from a person's own file."""
    return open_protocol(name).says if name in protocol_names() else ""
