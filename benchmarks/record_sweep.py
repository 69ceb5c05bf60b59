"""The table of a sweep as rows of `benchmarks/results/FILE.csv`: one for each row, with the mean of each column.

    wordsight sweep --config benchmarks/sweeps/signals.yaml --data DATA --out sweeps/signals-S
    python benchmarks/record_sweep.py sweeps/signals-S --file objectives --budget S

A column of the protocol `logistic` has its task's name, others the task's and the protocol's; beside a mean stands its
standard deviation where there are several seeds. `--changes` says what was changed for all rows of the sweep.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import record

_COSTS = {"a step": "x bare backbone", "memory": "MB", "time": "seconds"}


def column(cell: Mapping[str, Any]) -> str:
    """What a figure is called in the file."""
    if cell["task"] == "training":
        return _COSTS[cell["protocol"]]
    return cell["task"] if cell["protocol"] == "logistic" else f"{cell['task']} {cell['protocol']}"


def figures_of(cells: list[dict[str, Any]]) -> dict[str, str]:
    """A row's figures: means, and standard deviations beside those over several seeds."""
    found: dict[str, str] = {}
    for cell in cells:
        digits = {"a step": 2, "memory": 0, "time": 0}.get(cell["protocol"], 1)
        found[column(cell)] = f"{cell['mean']:.{digits}f}"
        if cell["task"] != "training":
            found[f"{column(cell)}, sd"] = "" if cell["sd"] == "" else f"{cell['sd']:.{digits}f}"
    return found


def main() -> None:
    """Append the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="the sweep's folder")
    parser.add_argument("--file", required=True, help="the file, without .csv")
    parser.add_argument("--budget", required=True, help="what the settings of all rows are called")
    parser.add_argument("--changes", default="", help="what was changed for all rows besides")
    parser.add_argument("--command", default="", help="the command that measures it again")
    options = parser.parse_args()
    content = json.loads((options.sweep / "table.json").read_text("utf-8"))
    names = dict.fromkeys(cell["row"] for cell in content["cells"] if cell["seeds"])
    for name in names:
        cells = [cell for cell in content["cells"] if cell["row"] == name and cell["seeds"]]
        rate = next((f"{cell['lr']:g}" for cell in cells if cell["lr"] != ""), "")
        what = {"budget": options.budget, "row": name, "changes": options.changes, "lr": rate}
        measured = [cell["seeds"] for cell in cells if cell["task"] != "training"]
        seeds = max(measured, key=len, default=[])
        record.append(options.file, what, figures_of(cells), seeds=seeds, command=options.command or None)


if __name__ == "__main__":
    main()
