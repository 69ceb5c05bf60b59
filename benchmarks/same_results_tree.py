"""A code tree and its jobs: each in a process of its own, by the command line, as a person gives it.

What takes most of the time of so small a job is to import PyTorch and others. A server imports these once (and nothing
of wordsight), and the process of each job begins as a copy of it.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import runpy
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from same_results_jobs import Job, digest, write_inputs

DONE = "done.json"
# The folder that jobs run in has the same name in both trees, as tasks are named after it.
WORK = "work"
CONSOLE = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
_LONGEST = 900  # seconds that one command may take
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_IMPORTED_ONCE = ["torch", "torch._dynamo", "torchvision", "timm", "transformers", "lightning", "sklearn.linear_model",
                  "scipy.stats", "pyarrow", "spacy", "jsonargparse", "rich.console", "safetensors"]  # fmt: skip
_FORKS = multiprocessing.get_context("forkserver")


def import_once() -> None:
    """Say what is imported once, before the first job: with one thread, so that sums are added in one order."""
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    _FORKS.set_forkserver_preload(_IMPORTED_ONCE)


def command(code: str, home: str, log: str, words: list[str]) -> None:
    """What the process of a job does: `python -m wordsight WORDS`, with the code of a tree."""
    with open(log, "ab", buffering=0) as file:  # noqa: PTH123  descriptors, not texts
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(home)
    os.environ.update(PYTHONPATH=code, WORDSIGHT_CACHE=f"{home}/cache")
    sys.path[:] = [code, *(path for path in sys.path if path != str(Path(__file__).parent))]
    found = importlib.util.find_spec("wordsight")
    if not found or not found.origin or not Path(found.origin).is_relative_to(code):
        sys.exit(f"{code} holds no package wordsight")
    sys.argv = ["wordsight", *words]
    runpy.run_module("wordsight", run_name="__main__", alter_sys=True)


@dataclass(frozen=True)
class Tree:
    """A code tree.

    Args:
        name: before or after.
        code: The checkout.
        out: The folder of its outcomes, in which its jobs' folder lies.
    """

    name: str
    code: Path
    out: Path

    def do(self, job: Job) -> str:
        """Do a job; empty, or what went wrong."""
        log = self.out / "logs" / f"{job.name}.txt"
        words = job.command(after=self.name == "after")
        if job.stopped:
            if not any(self._interrupted(log, words, self.out / WORK / job.out) for _ in range(3)):
                return "could not be interrupted between its first checkpoint and its end"
            words += ["--resume", "true"]
        process = self._start(log, words)
        process.join(_LONGEST)
        if process.is_alive():
            process.terminate()
            return f"not done after {_LONGEST} s"
        said = log.read_text("utf-8", errors="replace").splitlines()[-1:]
        return "" if process.exitcode == 0 else f"exit status {process.exitcode}: {''.join(said)}"

    def _interrupted(self, log: Path, words: list[str], run: Path) -> bool:
        """Begin a run and interrupt it at its first checkpoint; whether it had not ended by then."""
        shutil.rmtree(run, ignore_errors=True)
        process = self._start(log, words)
        while process.is_alive() and not (run / "checkpoint.safetensors").exists():
            time.sleep(0.005)
        if process.pid and process.is_alive():
            os.kill(process.pid, signal.SIGINT)
        process.join(_LONGEST)
        return (run / "checkpoint.safetensors").exists() and not (run / "backbone.safetensors").exists()

    def do_all(self, wanted: list[Job]) -> None:
        """Do these jobs one after another, and write down how each ended."""
        work = self.out / WORK
        work.mkdir(parents=True)
        (self.out / "logs").mkdir()
        write_inputs(work, after=self.name == "after")
        ended: dict[str, str] = {}
        for job in wanted:
            started = time.monotonic()
            missing = [need for need in job.needs if ended[need]]
            ended[job.name] = f"not done, for want of {missing[0]}" if missing else self.do(job)
            took = f"{time.monotonic() - started:.1f} s"
            CONSOLE.print(f"{self.name:6}  {job.name:18} {ended[job.name] or took}", markup=False)
        (self.out / DONE).write_text(json.dumps({"home": str(work), "jobs": digest(), "ended": ended}, indent=1))

    def _start(self, log: Path, words: list[str]) -> multiprocessing.process.BaseProcess:
        process = _FORKS.Process(target=command, args=(str(self.code), str(self.out / WORK), str(log), words))
        process.start()
        return process
