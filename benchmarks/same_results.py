"""Do two code trees give the same results? Proves a refactor equal, bit for bit.

    python benchmarks/same_results.py --before main
    python benchmarks/same_results.py --before ../other-checkout --before-out /tmp/before
    python benchmarks/same_results.py --before-out /tmp/before --only tags attfc --keep /tmp/kept

The same small jobs (`same_results_jobs.py`) are given by the command line to the tree before (another checkout, or a
revision of this one) and to this tree: corpora, concept sets, runs of each objective (one of them interrupted and
resumed), the results of twelve protocols, a table of comparison. Compared are fingerprints, losses, tensors, numbers,
warnings, baselines and outcomes, all but the clock and the machine. It prints a table of what was compared with the
first difference of each, and ends with 1 where there is one. `--before-out` keeps what the tree before made, and takes
it from there the next time. What was renamed on purpose is told in `same_results_renamed.py`.

It takes two to three minutes on two cores, and half of the work where the tree before was kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table
from same_results_compare import Made, Row, compared
from same_results_jobs import Job, asked_for, digest, jobs
from same_results_tree import CONSOLE, DONE, WORK, Tree, import_once

HERE = Path(__file__).parents[1]


def kept(folder: Path, wanted: list[Job]) -> dict[str, Any]:
    """What is told of the jobs that were done in a folder.

    Raises:
        SystemExit: When it is no such folder, or other jobs were done there.
    """
    try:
        told: dict[str, Any] = json.loads((folder / DONE).read_text())
    except (OSError, ValueError):
        raise SystemExit(f"{folder} holds no outcomes of this comparison; remove it, or give another folder") from None
    if told["jobs"] != digest() or any(job.name not in told["ended"] for job in wanted):
        raise SystemExit(f"{folder} holds the outcomes of other jobs than these; remove it, or give another folder")
    return told


def table_of(wanted: list[Job], before: Path, after: Path) -> list[Row]:
    """Compare the outcomes in two folders, job by job."""
    told = {"before": kept(before, wanted), "after": kept(after, wanted)}
    rows: list[Row] = []
    for job in wanted:
        failed = [f"{name}: {of['ended'][job.name]}" for name, of in told.items() if of["ended"][job.name]]
        if failed:
            rows.append(Row(job.name, "the command", "; ".join(failed)))
            continue
        first = Made(before / WORK / job.out, told["before"]["home"], names_before=True)
        second = Made(after / WORK / job.out, told["after"]["home"], names_before=False)
        rows += compared(job.name, first, second)
        if job.same_as:
            other = next(found for found in jobs() if found.name == job.same_as)
            for name, folder in (("before", before), ("after", after)):
                whole, resumed = (Made(folder / WORK / out, told[name]["home"], False) for out in (other.out, job.out))
                for row in compared(job.name, whole, resumed, ("losses", "tensors")):
                    rows.append(Row(job.name, f"{row.what}, as {job.same_as} in the tree {name}", row.difference))
    return rows


def show(rows: list[Row]) -> bool:
    """Print the rows; whether all are equal."""
    table = Table("job", "what", "outcome", title="compared, bit for bit")
    for row in rows:
        outcome = f"DIFFERS  {row.difference}" if row.difference else f"equal{f'  ({row.note})' if row.note else ''}"
        table.add_row(row.job, row.what, outcome.replace("[", "\\["), style="red" if row.difference else "")
    CONSOLE.print(table)
    different = [row for row in rows if row.difference]
    CONSOLE.print(
        f"{len(rows) - len(different)} of {len(rows)} comparisons are equal" + (": the same" if not different else "")
    )
    return not different


@contextmanager
def checkout(asked: str, scratch: Path) -> Iterator[Path]:
    """The folder of a code tree: a checkout that is there, or a revision of this repository.

    Raises:
        SystemExit: When it is neither.
    """
    if (Path(asked) / "wordsight").is_dir():
        yield Path(asked).resolve()
        return
    git = ["git", "-C", str(HERE), "worktree"]
    added = subprocess.run(
        [*git, "add", "--detach", str(scratch / "code"), asked], capture_output=True, text=True, check=False
    )
    if added.returncode:
        raise SystemExit(f"{asked} is neither a checkout of wordsight nor a revision of {HERE}")
    try:
        yield scratch / "code"
    finally:
        subprocess.run([*git, "remove", "--force", str(scratch / "code")], check=False)


def run_trees(
    asked: argparse.Namespace, wanted: list[Job], reused: bool, before: Path, after: Path, scratch: Path
) -> None:
    """Run the jobs in this tree and, unless its outcomes were kept, in the tree before; both at the same time."""
    with ThreadPoolExecutor(2) as pool, checkout(str(HERE) if reused else asked.before, scratch) as code:
        waiting = [pool.submit(Tree("after", asked.after.resolve(), after).do_all, wanted)]
        if not reused:
            # What is kept is whole: it lies beside its place until it is, and all jobs are in it.
            home = before.with_name(f"{before.name}.{os.getpid()}.part")
            waiting.append(pool.submit(Tree("before", code, home).do_all, jobs() if asked.before_out else wanted))
        for each in waiting:
            each.result()
        if not reused:
            home.rename(before)


def main() -> int:
    """Run the jobs in both trees and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="another checkout, or a git revision")
    parser.add_argument("--after", default=HERE, type=Path, help="the other checkout; by default this one")
    parser.add_argument("--before-out", type=Path, help="where the outcomes of the tree before lie; made where absent")
    parser.add_argument("--only", nargs="+", default=[], help="names of jobs, or what they begin with")
    parser.add_argument("--keep", type=Path, help="a new folder for the outcomes, which are otherwise removed")
    asked = parser.parse_args()
    wanted, reused = asked_for(asked.only), bool(asked.before_out and asked.before_out.exists())
    if reused:
        kept(asked.before_out, wanted)
    elif not asked.before:
        raise SystemExit("give --before CHECKOUT or REVISION, or --before-out with outcomes that were kept")
    if asked.keep and asked.keep.exists():
        raise SystemExit(f"{asked.keep} exists already")
    import_once()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (asked.keep or Path(scratch)).resolve()
        before = asked.before_out.resolve() if asked.before_out else folder / "before"
        run_trees(asked, wanted, reused, before, folder / "after", Path(scratch))
        same = show(table_of(wanted, before, folder / "after"))
    CONSOLE.print(f"took {time.monotonic() - started:.0f} s")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
