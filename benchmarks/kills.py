"""kill -9 at any time, and the same command again: what is stuck, what is left over, what comes out otherwise?

    python benchmarks/kills.py --kills 20
    python benchmarks/kills.py --kills 20 --only pretrain evaluate --seed 1

For each verb a small job is run once to its end, and then over and over in a fresh copy of its folder: killed with all
of its processes, then given again as it was, with `--resume true` where the answer says so. Half of the kills come at a
random time between the first file that it writes and its end, the other half in the moment in which one of the files
is being written. What lies in the folder at the end is compared byte for byte with what the run that was never killed
made; of JSON, times and versions are left out, and TensorBoard's files, which hold the clock, are not compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from wordsight.atomic import is_leftover

IMAGES, CLASSES = 240, ("dog", "boat", "kite", "tree")
PLACES = ("on green grass", "near the water", "under a grey sky", "beside an old wall", "in the snow")
# Of a JSON file, what tells of the clock and the machine.
_OF_THE_CLOCK = {"seconds", "environment", "versions", "images_per_second", "created"}
_TRAIN = (
    "--recipe tp-words-resnet18-small --corpus corpus --concepts.size 15 --concepts.min-count 2 --image-size 32 "
    "--epochs 4 --batch-size 16 --workers 1 --backbone-settings.stages 2 --checkpoint-minutes 0.005 --device cpu"
)
_CLUSTERS = "concepts build clusters --corpus corpus --size 8 --language-model language"
_LANGUAGE = "language train --corpus corpus --epochs 40 --layers 1 --width 32 --heads 2 --vocabulary 200 --device cpu"


@dataclass(frozen=True)
class Job:
    """One verb to be killed.

    Args:
        words: Its command line.
        needs: What is made before, by name of the job.
        out: The folder that is compared.
    """

    words: str
    needs: tuple[str, ...]
    out: str


JOBS: dict[str, Job] = {
    "build": Job("corpus build folder photos --out corpus", (), "corpus"),
    "clusters": Job(f"{_CLUSTERS} --out clusters", ("build", "language"), "clusters"),
    "pretrain": Job(f"pretrain {_TRAIN} --out run", ("build",), "run"),
    "evaluate": Job("evaluate run --task folder:photos --protocol knn,logistic", ("build", "pretrain"), "run"),
    "language": Job(f"{_LANGUAGE} --out language --checkpoint-minutes 0.01", ("build",), "language"),
}


@dataclass
class Tally:
    """What became of the kills of one verb."""

    kills: int = 0
    early: int = 0
    finished: int = 0
    resumed: int = 0
    stuck: int = 0
    other: int = 0
    leftovers: int = 0


def main() -> None:
    """Kill each verb, print the table, and fail where anything is stuck, otherwise or left over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="kills of each verb")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS))
    given = parser.parse_args()
    tallies = {}
    with tempfile.TemporaryDirectory(prefix="kills-") as above:
        for name in given.only:
            tallies[name] = kill_job(name, Path(above) / name, given.kills, random.Random(f"{given.seed} {name}"))
            show({name: tallies[name]})
    show(tallies)
    if any(each.stuck or each.other or each.leftovers for each in tallies.values()):
        raise SystemExit(1)


def note(text: str) -> None:
    """Say what went wrong."""
    Console(stderr=True).print(text, markup=False, soft_wrap=True)


def show(tallies: Mapping[str, Tally]) -> None:
    """Print what became of the kills."""
    table = Table(
        "verb", "kills", "before it wrote", "had finished", "by --resume", "stuck", "other bytes", "leftovers"
    )
    for name, tally in tallies.items():
        table.add_row(name, *(str(getattr(tally, field)) for field in Tally.__dataclass_fields__))
    Console(width=120).print(table)


def kill_job(name: str, folder: Path, kills: int, chance: random.Random) -> Tally:
    """Run a job to its end once, then kill it over and over."""
    job, work, ready = JOBS[name], folder / "work", folder / "ready"
    work.mkdir(parents=True)
    make_photos(work / "photos")
    for need in _all_needs(name):
        run_to_end(work, JOBS[need].words)
    shutil.copytree(work, ready, symlinks=True)
    first, seconds, writes = watched(work, job.words)
    expected = content(work / job.out)
    tally = Tally()
    for number in range(kills):
        shutil.rmtree(work)
        shutil.copytree(ready, work, symlinks=True)
        before = listing(work)
        if number % 2:
            killed = kill_when(work, job.words, after_writes(work, chance.randint(1, max(1, writes))), seconds * 3)
        else:
            late = chance.uniform(first, seconds)
            killed = kill_when(
                work, job.words, lambda started, late=late: time.monotonic() - started > late, seconds * 3
            )
        tally.kills += 1
        tally.early += killed and listing(work) == before
        tally.finished += not killed
        go_on(work, job, tally, expected)
    return tally


def go_on(work: Path, job: Job, tally: Tally, expected: Mapping[str, str]) -> None:
    """Give the same command again, and compare."""
    done = start(work, job.words)
    said = done.communicate()[0]
    if done.returncode == 2 and "--resume true" in said:
        tally.resumed += 1
        done = start(work, f"{job.words} --resume true")
        said = done.communicate()[0]
    finished = done.returncode == 2 and ("exists already" in said or "is finished" in said)
    found = content(work / job.out) if (work / job.out).is_dir() else {}
    left = [str(path.relative_to(work)) for path in work.rglob("*") if is_leftover(path)]
    if done.returncode != 0 and not (finished and found == expected):
        tally.stuck += 1
        note(f"stuck: {job.words}\n{said}")
    elif found != expected:
        tally.other += 1
        names = [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]
        note(f"other bytes: {job.words}: {', '.join(names)}")
    if left:
        tally.leftovers += 1
        note(f"left over: {job.words}: {', '.join(left)}")


def start(work: Path, words: str) -> subprocess.Popen[str]:
    """Begin a command line in a folder, in a group of processes of its own."""
    environment = {**os.environ, "WORDSIGHT_CACHE": str(work / "cache"), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])
    )
    return subprocess.Popen(
        [sys.executable, "-m", "wordsight", *words.split()],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_to_end(work: Path, words: str) -> None:
    """A command that has to work."""
    done = start(work, words)
    said = done.communicate()[0]
    if done.returncode:
        raise SystemExit(f"{words}: {said}")


def watched(work: Path, words: str) -> tuple[float, float, int]:
    """Run a command to its end: seconds to the first change of the folder, to the end, and how many writes it made."""
    before, first, parts = listing(work), None, set()
    started = time.monotonic()
    done = start(work, words)
    while done.poll() is None:
        now = listing(work)
        if first is None and now != before:
            first = time.monotonic() - started
        parts |= {path for path in now if is_leftover(Path(path))}
        time.sleep(0.002)
    said = done.communicate()[0]
    if done.returncode:
        raise SystemExit(f"{words}: {said}")
    seconds = time.monotonic() - started
    return first or seconds, seconds, len(parts)


def after_writes(work: Path, number: int) -> Callable[[float], bool]:
    """Whether the so-manieth write is under way."""
    seen: set[str] = {path for path in listing(work) if is_leftover(Path(path))}
    begun = len(seen)

    def due(started: float) -> bool:
        seen.update(path for path in listing(work) if is_leftover(Path(path)))
        return len(seen) - begun >= number

    return due


def kill_when(work: Path, words: str, due: Callable[[float], bool], limit: float) -> bool:
    """Start a command and kill all of its processes when it is due; False where it ended before."""
    started = time.monotonic()
    process = start(work, words)
    while process.poll() is None and not due(started) and time.monotonic() - started < limit:
        time.sleep(0.001)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alive


def listing(work: Path) -> set[str]:
    """What lies in a folder."""
    return {f"{folder}/{name}" for folder, inner, files in os.walk(work) for name in (*inner, *files)}


def content(folder: Path) -> dict[str, str]:
    """A hash of every file of a folder, of what in it does not depend on the clock."""
    found = {}
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and "tensorboard" not in name and not is_leftover(file):
            found[name] = hashlib.sha256(_without_clock(file)).hexdigest()
    return found


def _without_clock(file: Path) -> bytes:
    if file.suffix not in (".json", ".jsonl"):
        return file.read_bytes()
    lines = file.read_text("utf-8").splitlines() if file.suffix == ".jsonl" else [file.read_text("utf-8")]
    return json.dumps([_plain(json.loads(line)) for line in lines]).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name not in _OF_THE_CLOCK}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _all_needs(name: str) -> Sequence[str]:
    found: dict[str, None] = {}
    for need in JOBS[name].needs:
        found |= dict.fromkeys([*_all_needs(need), need])
    return list(found)


def make_photos(folder: Path) -> None:
    """Noisy pictures of four colours in class folders, in three parts, with two captions each."""
    chance = np.random.default_rng(0)
    for number in range(IMAGES):
        kind = number % len(CLASSES)
        part = ("train", "train", "test")[number // len(CLASSES) % 3]
        place = folder / part / CLASSES[kind]
        place.mkdir(parents=True, exist_ok=True)
        base = np.full((96, 96, 3), 60 + 40 * kind, np.int64)
        pixels = (base + chance.integers(0, 60, base.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number:04d}.png")
        one, two = PLACES[number % 5], PLACES[(number // 5) % 5]
        texts = [f"a {CLASSES[kind]} {one} and {two}", f"the small {CLASSES[kind]} stands {two} number {number}"]
        (place / f"{number:04d}.txt").write_text("\n".join(texts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
