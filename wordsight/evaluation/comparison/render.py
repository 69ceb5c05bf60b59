"""A comparison as a person reads it: in the terminal, as Markdown, CSV, or one HTML file that opens anywhere."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wordsight.atomic import write_text
from wordsight.errors import InputError
from wordsight.evaluation.comparison.comparison_table import Cell, Column, Comparison, ComparisonRow, view_of_row
from wordsight.evaluation.comparison.significance import ColumnTest
from wordsight.evaluation.metrics.bootstrap import PairedTest
from wordsight.evaluation.results.measurement import NO_PERCENT, with_direction
from wordsight.spreadsheet import SpreadsheetWriter

_MARKS = {0: "  ", 1: "● ", 2: "○ "}
_WIDEST_NAME, _WIDEST_COLUMN, _GAP = 34, 20, 2


@dataclass(frozen=True)
class ComparisonReport:
    """A table, and what of it was tested.

    Args:
        table: The table.
        tests: The paired tests.
        notes: What was left out, and what a reader should know.
    """

    table: Comparison
    tests: tuple[ColumnTest, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def says(self) -> list[str]:
        """How the table is to be read, a sentence each."""
        plain = sorted({column.metric for column in self.table.columns} & NO_PERCENT)
        but = f" but {' and '.join(plain)}" if plain else ""
        said = [f"Every number{but} is in percent, of one protocol on one task and the same images."]
        if any(row.cells and len(row.runs) > 1 for row in self.table.rows):
            said.append("± is the standard deviation over seeds.")
        if self.tests:
            draws = self.tests[0].test.draws
            said.append(
                f"Tests are paired bootstraps over the test images ({draws:,} draws): p is two-sided, for each column "
                "by itself, and does not cover seed-to-seed variation."
            )
        return said


def check_out(out: Path) -> None:
    """Refuse a file that the table can't be written to, before anything is computed.

    Raises:
        InputError: When its ending is none of the formats', or a folder is there.
    """
    if out.suffix.lower() not in _FORMATS:
        raise InputError(
            f"can't tell the format from {out.suffix or 'no ending'}",
            where=out,
            setting="out",
            expected=f"a name that ends in {', '.join(_FORMATS)}",
        )
    if out.is_dir():
        raise InputError("is a folder", where=out, setting="out", expected="a file")


def write_compared(compared: ComparisonReport, out: Path) -> None:
    """Write a comparison in the format that the file's ending says, whole or not at all.

    Raises:
        InputError: When the ending is unknown, or the file can't be written.
    """
    check_out(out)
    write_text(out, _FORMATS[out.suffix.lower()](compared))


def number(cell: Cell | None, row: ComparisonRow | None = None) -> str:
    """A cell's mean and spread as text; with how many runs that is, where the row has more."""
    if cell is None:
        return ""
    at = "" if cell.view is None else f" ({cell.view} px)"
    text = f"{cell.mean:.1f}{at}" if cell.spread is None else f"{cell.mean:.1f}{at} ± {cell.spread:.1f}"
    fewer = row is not None and row.runs and len(cell.values) < len(row.runs)
    return f"{text} ({len(cell.values)} of {len(row.runs)})" if row is not None and fewer else text


def said(test: PairedTest) -> str:
    """A test's difference, interval and p-value as text."""
    low, high = test.interval
    p_value = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}"
    return f"{_signed(test.difference)} points (95 %: {_signed(low)} to {_signed(high)}), {p_value}"


def print_compared(compared: ComparisonReport, console: Console | None = None) -> None:
    """Print a comparison, in as many blocks of columns as the width asks for.

    Args:
        compared: The comparison.
        console: Where to; standard output by default.
    """
    console = console or Console(highlight=False)
    table = compared.table
    for count, block in enumerate(_blocks(table, console.width)):
        if count:
            console.print()
        console.print(_block(table, block))
    best = any(cell is not None and cell.place for row in table.rows for cell in row.cells)
    console.print()
    sentences = " ".join([*compared.says, *(["● best, ○ second-best of a column."] if best else [])])
    console.print(sentences, style="dim", markup=False)
    for each in compared.tests:
        console.print(f"\n[bold]{escape(each.column.title)}[/]: {escape(said(each.test))}")
        console.print(f"  {each.first} against {each.second}", markup=False)
    if compared.notes:
        console.print()
    for note in compared.notes:
        # What another program reads has a line a note.
        console.print(f"note: {note}", markup=False, style="dim", soft_wrap=not console.is_terminal)


def to_markdown(compared: ComparisonReport) -> str:
    """A comparison as a Markdown table, the best of a column bold and the second-best in italics."""
    table = compared.table
    heads = ["<br>".join(_literal(each) for each in _heads(column)) for column in table.columns]
    lines = [_piped(["run", "seeds", *heads]), "|:--|--:|" + "--:|" * len(heads)]
    around = {0: "", 1: "**", 2: "*"}
    for row in table.rows:
        cells = []
        for cell in row.cells:
            mark = around[cell.place] if cell is not None else ""
            cells.append(f"{mark}{number(cell, row)}{mark}")
        lines.append(_piped([_literal(row.name), str(len(row.runs)), *cells]))
    for row in table.baselines:
        lines.append(_piped([_literal(row.name), "", *(number(cell) for cell in row.cells)]))
    lines += ["", " ".join([*compared.says, "**Best**, *second-best* of a column."])]
    if compared.tests:
        lines += ["", _piped(["task, protocol", "run", "against", "difference"]), "|:--|:--|:--|:--|"]
        for each in compared.tests:
            lines.append(_piped([*map(_literal, (each.column.title, each.first, each.second)), said(each.test)]))
    if compared.notes:
        lines += ["", *(f"- {_literal(note)}" for note in compared.notes)]
    return "\n".join(lines) + "\n"


def to_csv(compared: ComparisonReport) -> str:
    """A comparison as CSV, one line for each number."""
    text = io.StringIO()
    writer = SpreadsheetWriter(text, end="\n")
    writer.write(
        [
            "row",
            "task",
            "protocol",
            "metric",
            "value",
            "spread",
            "seeds",
            "low",
            "high",
            "place",
            "view",
            "data",
            "runs",
        ]
    )
    for row in (*compared.table.rows, *compared.table.baselines):
        for column, cell in zip(compared.table.columns, row.cells, strict=True):
            if cell is None:
                continue
            low, high = cell.interval or ("", "")
            spread = "" if cell.spread is None else cell.spread
            seeds = len(cell.values) if row.runs else ""
            runs = " ".join(str(run.path) for run in row.runs)
            head = [row.name, column.task, column.protocol, column.metric, cell.mean, spread, seeds]
            view = view_of_row(row, column) or ""
            writer.write([*head, low, high, cell.place or "", view, column.data, runs])
    return text.getvalue()


def to_html(compared: ComparisonReport) -> str:
    """A comparison as one HTML file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    table = compared.table
    settings = [
        (column, [(name, _plain(value)) for name, value in column.settings.items()]) for column in table.columns
    ]
    return environment.get_template("comparison.html.j2").render(
        compared=compared,
        table=table,
        number=number,
        said=said,
        settings=settings,
        with_direction=with_direction,
        several=_several(table),
        intervals=any(cell is not None and cell.interval for row in table.rows for cell in row.cells),
    )


_FORMATS: dict[str, Callable[[ComparisonReport], str]] = {".md": to_markdown, ".csv": to_csv, ".html": to_html}


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _literal(text: str) -> str:
    """Text that Markdown is to show as it is."""
    return re.sub(r"([\\`*\[\]<>])", r"\\\1", text)


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _several(table: Comparison) -> bool:
    """Whether a row is more than one run."""
    return any(len(row.runs) > 1 for row in table.rows)


def _heads(column: Column) -> tuple[str, str, str]:
    return column.task, column.protocol, with_direction(column.metric)


def _cells(table: Comparison, k: int) -> Iterator[str]:
    """The cells of a column in the terminal: marks, means and spreads each below each other."""
    rows = [*table.rows, *table.baselines]
    texts = [number(row.cells[k], row).partition(" ± ") for row in rows]
    before = max((len(mean) for mean, _, _ in texts), default=0)
    after = max((len(spread) for _, _, spread in texts), default=0)
    for row, (mean, sign, spread) in zip(rows, texts, strict=True):
        cell = row.cells[k]
        if cell is None:
            yield ""
            continue
        room = f"{sign:3}{spread:<{after}}" if after else ""
        yield f"{_MARKS[cell.place]}{mean:>{before}}{room}"


def _column_width(table: Comparison, k: int) -> int:
    heads = max(min(len(each), _WIDEST_COLUMN) for each in _heads(table.columns[k]))
    return max(heads, *(len(cell) for cell in _cells(table, k)))


def _name_width(table: Comparison) -> int:
    return min(max(len(row.name) for row in (*table.rows, *table.baselines)), _WIDEST_NAME)


def _blocks(table: Comparison, width: int) -> Iterator[list[int]]:
    """The columns, so many at a time as the width holds."""
    taken = _name_width(table) + (7 if _several(table) else 0)
    block: list[int] = []
    used = taken
    for k in range(len(table.columns)):
        needed = _GAP + _column_width(table, k)
        if block and used + needed > width:
            yield block
            block, used = [], taken
        block.append(k)
        used += needed
    yield block


def _block(table: Comparison, columns: Sequence[int]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="", collapse_padding=True)
    shown.add_column("", width=_name_width(table), overflow="fold")
    if _several(table):
        shown.add_column("\n\n[dim]seeds[/]", justify="right", width=5)
    for k in columns:
        task, protocol, metric = (escape(each) for each in _heads(table.columns[k]))
        head = f"[bold]{task}[/]\n{protocol}\n[dim]{metric}[/]"
        shown.add_column(head, justify="right", width=_column_width(table, k), overflow="fold")
    cells = [list(_cells(table, k)) for k in columns]
    for place, row in enumerate((*table.rows, *table.baselines)):
        if place == len(table.rows):
            shown.add_row()
        if not row.runs and all(row.cells[k] is None for k in columns):
            continue
        texts = []
        for k, each in zip(columns, cells, strict=True):
            cell = row.cells[k]
            style = {1: "bold", 2: "underline"}.get(cell.place if cell is not None else 0, "" if row.runs else "dim")
            mark, text = each[place][:2], each[place][2:]
            texts.append(f"{mark}[{style}]{text}[/]" if style else mark + text)
        name = escape(row.name) if row.runs else f"[dim]{escape(row.name)}[/]"
        seeds = [str(len(row.runs)) if row.runs else ""] if _several(table) else []
        shown.add_row(name, *seeds, *texts)
    return shown
