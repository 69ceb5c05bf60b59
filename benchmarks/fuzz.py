"""Damaged inputs of every kind: each must work or be refused in one line, and leave nothing where it does not belong.

    python benchmarks/fuzz.py                     # 1,000 inputs of seed 0: some minutes
    python benchmarks/fuzz.py --seed 1 --count 200 --kind tables
    python benchmarks/fuzz.py --seed 1 --only 137 # one input again, its folder kept, its output shown

An input is a copy of a small whole one (`fuzz_inputs.py`) of which one to three files are damaged
(`fuzz_mutations.py`), and a command that reads it. It fails when the exit status is neither 0 nor 2, at a traceback,
when an exit status of 2 comes without one line of error or with more than one, when a line is longer than 1,500
characters, when anything was written besides what was asked for, when something half-written is left, when a library's
warning shows, and when it takes longer than two minutes. Everything follows from the seed. The exit status is 1 when an
input failed.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import torch
from fuzz_inputs import Kind, kinds
from fuzz_mutations import damage
from rich.console import Console
from rich.table import Table

from wordsight.cli import main

SECONDS, LONGEST, MEMORY = 120, 1_500, 12 << 30
LEFT = ("*.part", "*.tmp", "*.old", "*.lock", ".tmp*", "*.part/*")
BUGS = ("Traceback (most recent call last)", "this is a bug")


def forked(work: Callable[[], int], said: Path, where: Path, seconds: float) -> int | None:
    """Do something in a process of its own.

    Args:
        work: Gives the exit status.
        said: A file for what it prints to standard error; standard output goes to one with another ending.
        where: The current folder while it works.
        seconds: How long it may take.

    Returns:
        Its exit status, negative for a signal; None where it took too long.
    """
    if (child := os.fork()) == 0:
        status = 99
        try:
            os.setsid()
            os.chdir(where)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for number, file in ((1, said.with_suffix(".out")), (2, said)):
                os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
            sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
            sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
            torch.set_num_threads(1)
            status = work()
        except BaseException:  # noqa: BLE001  # whatever it is, it is what this looks for
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def snapshot(folder: Path) -> dict[str, str]:
    """What lies in a folder, links not followed, each file by a hash of its bytes."""
    found = {}
    for path in folder.rglob("*"):
        name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha1(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found


def tried(kind: Kind, folder: Path, draw: random.Random, show: bool) -> tuple[int | None, str, list[str]]:
    """Damage a copy of an input and run a command on it.

    Args:
        kind: The input.
        folder: Where the copy goes; nothing but it may be written to.
        draw: Decides all.
        show: Print the command and what it printed.

    Returns:
        The exit status, what was done, and what is wrong with what came of it.
    """
    there = folder / "in"
    shutil.copytree(kind.folder, there, symlinks=True)
    for name in ("tmp", "home"):
        (folder / name).mkdir()
    command = draw.choice(kind.commands)
    done = []
    for _ in range(draw.choice((1, 1, 1, 2, 3)) if kind.damaged else 0):
        files = sorted(
            file for file in there.glob(draw.choice(kind.damaged)) if file.is_file() and not file.is_symlink()
        )
        if files:
            done.append(damage(draw.choice(files), draw))
    before, said = snapshot(folder), folder.parent / f"{folder.name}.err"
    status = forked(lambda: _command(command, folder), said, there, SECONDS)
    after, errors = snapshot(folder), said.read_text("utf-8", "replace")
    if show:
        output = said.with_suffix(".out").read_text("utf-8", "replace")
        sys.stdout.write(f"{there}$ wordsight {' '.join(command)}\n{'; '.join(done)}\n{output}{errors}\n")
    wrong = wrong_lines(status, errors)
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    allowed = (
        "out",
        "out.*",
        "out/*",
        "out-rejected.csv",
        *(f"in/{place}".replace("**", "*") for place in kind.writes),
    )
    for name in sorted(changed):
        if any(fnmatch.fnmatchcase(name, mark) or fnmatch.fnmatchcase(Path(name).name, mark) for mark in LEFT):
            wrong.append(f"left behind: {name}")
        elif not any(fnmatch.fnmatchcase(name, mark) for mark in allowed):
            wrong.append(f"written to: {name}")
    return status, f"{' '.join(command)}; {'; '.join(done)}", wrong


def _command(command: tuple[str, ...], folder: Path) -> int:
    os.environ.update(
        TMPDIR=str(folder / "tmp"), HOME=str(folder / "home"), WORDSIGHT_CACHE=str(folder / "out" / "cache")
    )
    tempfile.tempdir = None
    return main(list(command))


def wrong_lines(status: int | None, errors: str) -> list[str]:
    """What is wrong with an exit status and what was printed to standard error."""
    lines = errors.splitlines()
    if status is None:
        return [f"took longer than {SECONDS} s"]
    wrong = [] if status in (0, 2) else [f"exit status {status}"]
    if any(mark in errors for mark in BUGS):
        wrong.append(f"traceback: {lines[-1][:200]}")
    said = sum(line.startswith("wordsight: ") for line in lines)
    if status == 2 and said != 1:
        wrong.append(f"{said} lines of error")
    wrong += [f"a line of {len(line):,} characters: {line[:80]}..." for line in lines if len(line) > LONGEST]
    wrong += [f"a library's warning: {line[:200]}" for line in lines if "Warning:" in line]
    return wrong


def fuzz(seeds: Path, work: Path, args: argparse.Namespace) -> int:
    """Try the inputs, print the failures and the table, and give the number of failures."""
    console, all_kinds = Console(), kinds_of(seeds, work)
    names = list(dict.fromkeys(kind.name for kind in all_kinds))
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(args.count) if args.only is None else [args.only]:
        draw = random.Random(f"{args.seed}/{number}")
        name = names[number % len(names)]
        kind = draw.choice([kind for kind in all_kinds if kind.name == name])
        if args.kind and name != args.kind:
            continue
        folder = work / str(number)
        folder.mkdir()
        status, what, wrong = tried(kind, folder, draw, args.only is not None)
        counts[name, "inputs"] += 1
        counts[name, f"exit {status}"] += 1
        if wrong:
            counts[name, "failures"] += 1
            console.print(f"--seed {args.seed} --only {number}: {what}", markup=False, highlight=False, soft_wrap=True)
            for line in wrong:
                console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
        if args.only is None:
            shutil.rmtree(folder)
    table = Table("kind", *(columns := ("inputs", "exit 0", "exit 2", "failures")))
    for name in names:
        table.add_row(name, *(f"{counts[name, column]:,}" for column in columns))
    table.add_section()
    table.add_row("all", *(f"{sum(counts[name, column] for name in names):,}" for column in columns))
    console.print(table)
    return sum(counts[name, "failures"] for name in names)


def kinds_of(seeds: Path, work: Path) -> list[Kind]:
    """All kinds. Their files are made in a process of its own, so that this one never begins a thread."""
    listed, said = seeds / "kinds.json", seeds.with_suffix(".err")

    def make() -> int:
        made = [asdict(kind) for kind in kinds(seeds)]
        listed.write_text(json.dumps({"kinds": made, "modules": sorted(sys.modules)}, default=str))
        return 0

    new = not listed.exists()
    if new and forked(make, said, seeds.parent, 1_200) != 0:
        raise SystemExit(f"the whole inputs can't be made:\n{said.read_text()}")
    content = json.loads(listed.read_text())
    # What each input would import anew.
    for name in content["modules"]:
        with suppress(Exception):
            importlib.import_module(name)
    found = [
        Kind(
            one["name"],
            Path(one["folder"]),
            tuple(tuple(command) for command in one["commands"]),
            tuple(one["damaged"]),
            tuple(one["writes"]),
        )
        for one in content["kinds"]
    ]
    if new:
        check_whole(found, work)
    return found


def check_whole(all_kinds: list[Kind], work: Path) -> None:
    """Every command must work on what is not damaged: what is refused as it is would test nothing."""
    refused = []
    for k, kind in enumerate(all_kinds):
        for j, command in enumerate(kind.commands):
            folder = work / f"whole-{k}-{j}"
            folder.mkdir()
            one = replace(kind, commands=(command,), damaged=())
            status, what, wrong = tried(one, folder, random.Random(0), show=False)
            if status != 0 or wrong:
                said = folder.with_suffix(".err").read_text("utf-8", "replace")
                refused.append(f"exit status {status}: {what}\n{wrong}\n{said}")
            shutil.rmtree(folder)
    if refused:
        raise SystemExit("not damaged, and does not work:\n" + "\n".join(refused))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="what is damaged, and how")
    parser.add_argument("--count", type=int, default=1_000, help="how many inputs")
    parser.add_argument("--kind", help="only inputs of this kind, a row of the table")
    parser.add_argument("--only", type=int, help="only this input; its folder is kept and its output shown")
    parser.add_argument("--work", type=Path, help="a folder to work in; whole inputs that lie there are used again")
    given = parser.parse_args()
    place = given.work or Path(tempfile.mkdtemp(prefix="wordsight-fuzz-"))
    place = place.resolve()
    place.mkdir(parents=True, exist_ok=True)
    # Where libraries keep what they compute once for all programs.
    os.environ.update(MPLCONFIGDIR=str(place / "matplotlib"), TORCHINDUCTOR_CACHE_DIR=str(place / "inductor"))
    trials = Path(tempfile.mkdtemp(prefix="inputs-", dir=place))
    failed = fuzz(place / "whole", trials, given)
    if given.only is None:
        shutil.rmtree(trials if given.work else place)
    raise SystemExit(1 if failed else 0)
