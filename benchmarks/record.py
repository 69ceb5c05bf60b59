"""Measured numbers as files: a row for each in `benchmarks/results/NAME.csv`, with when, where and how it was measured.

The benchmarks append theirs with `--record`. A number that a command of wordsight printed is recorded by hand:

    python benchmarks/record.py protocols run=tp-postag protocol=knn imagenette:48.5 --seeds 0 \
        --command "wordsight evaluate runs/a --task folder:imagenette --protocol knn"

NAME=VALUE says what was measured, NAME:VALUE is a figure. `python benchmarks/readme_tables.py` makes the tables of
README.md and docs/ from these files. Nothing is changed or removed: of the same thing a table shows the latest row.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
# How a number came about. `note` says what is not known of it.
PROVENANCE = ("date", "commit", "machine", "seeds", "command", "note")


def commit() -> str:
    """The commit that is measured, with `-dirty` where files differ from it; "unknown" outside a checkout.

    Files of results may differ: the rows before this one were recorded by the same command.
    """
    name = ["git", "describe", "--always", "--exclude=*", "--abbrev=8"]
    differs = ["git", "diff", "--name-only", "HEAD", "--", ":/", f":(exclude,top){RESULTS.parent.name}/{RESULTS.name}"]
    try:
        said, files = (
            subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=True).stdout.strip()
            for command in (name, differs)
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{said}-dirty" if files else said


def machine() -> str:
    """Processor, cores that this process may use, and accelerators; never the machine's name."""
    processor = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        named = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line[:10] == "model name"]
        processor = next(iter(named), processor)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch = sys.modules.get("torch")
    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())] if torch is not None else []
    return ", ".join([processor, f"{cores} core{'s' * (cores != 1)}", *(gpus or ["no GPU"])])


def this_command() -> str:
    """The command line of this process; of absolute paths the last part."""
    words = [f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]
    return shlex.join(["python", *(Path(word).name if Path(word).is_absolute() else word for word in words)])


def rows_of(name: str, folder: Path = RESULTS) -> list[dict[str, str]]:
    """The rows of a file of results, oldest first; none where there is no such file."""
    file = folder / f"{name}.csv"
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, strict=True))


def append(
    name: str,
    what: Mapping[str, object],
    figures: Mapping[str, object],
    *,
    seeds: Sequence[int] = (),
    command: str | None = None,
    note: str = "",
    folder: Path = RESULTS,
) -> None:
    """Append a row.

    Args:
        name: Of the file, without its ending.
        what: What was measured: together these tell the row from others of the file.
        figures: The numbers, by name with their units; what has none (an empty text or None) stays empty.
        seeds: The seeds that the figures are of.
        command: The command that measures it again; this process's where there is none.
        note: What a reader has to know of it.
        folder: Where the files lie.
    """
    known = rows_of(name, folder)
    row = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "seeds": " ".join(map(str, seeds)),
        "command": command or this_command(),
        "note": note,
        **{key: "" if value is None else str(value) for key, value in {**what, **figures}.items()},
    }
    columns = list(PROVENANCE)
    for one in [*known, row]:
        columns += [column for column in one if column not in columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows([*known, row])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text(text.getvalue(), encoding="utf-8")


def main() -> None:
    """Record one row by hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="the file, without .csv")
    parser.add_argument("values", nargs="+", metavar="NAME=VALUE or NAME:VALUE", help="what it is, and its figures")
    parser.add_argument("--seeds", nargs="*", type=int, default=[])
    parser.add_argument("--command", required=True, help="what measured it")
    parser.add_argument("--note", default="", help="what a reader has to know of it")
    options = parser.parse_args()
    what: dict[str, str] = {}
    figures: dict[str, str] = {}
    for value in options.values:
        sign = next((sign for sign in value if sign in "=:"), None)
        if sign is None:
            parser.error(f"{value!r}: expected NAME=VALUE or NAME:VALUE")
        key, _, said = value.partition(sign)
        (what if sign == "=" else figures)[key] = said
    append(options.name, what, figures, seeds=options.seeds, command=options.command, note=options.note)


if __name__ == "__main__":
    main()
