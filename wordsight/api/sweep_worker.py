"""One run of a sweep, in a process of its own: what ends it (no memory, a bug, a kill) ends no other.

The process reads its work from standard input as a line of JSON, and says what became of it on standard output, a line
of JSON each; whatever else would be printed goes to standard error, a log. It ends with the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wordsight.api.sweep_measured import note_answer, trained, unmeasured
from wordsight.api.sweep_plan import SweepRun
from wordsight.atomic import write_json
from wordsight.errors import InputError, NoAnswerError, settings_as_flags
from wordsight.locks import let_go, sole_writer, take

# Seconds that the processes of a sweep which was killed a moment ago may take to end.
_ENDING = 20.0
# Seconds between two looks at whether another run has opened its data.
_AGAIN = 0.2
# What stays of standard input: a pipe that closes when the process at its other end is gone.
COMMAND = [sys.executable, "-c", "from wordsight.api.sweep_worker import main; main()"]


def main() -> None:
    """Do the work that standard input names."""
    life, said = os.dup(0), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    work = json.loads(_line(life))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()

    def say(**event: Any) -> None:
        said.write(json.dumps(event) + "\n")
        said.flush()

    try:
        with settings_as_flags():
            if "cost" in work:
                _cost(work, say)
            else:
                _train_and_measure(SweepRun.of_json(work["run"]), Path(work["preparing"]), say)
    except KeyboardInterrupt:
        # The sweep was stopped, and knows it.
        sys.exit(1)


def _train_and_measure(run: SweepRun, preparing: Path, say: Any) -> None:
    """Train a run where it is not finished, and ask it what it was not asked yet."""
    from wordsight.api.evaluate import evaluate
    from wordsight.api.pretrain import pretrain

    try:
        if trained(run) is None:
            with sole_writer(run.folder, patience=_ENDING):
                pass
            with _alone(preparing):
                _open_data(run)
            pretrain(run.settings, corpus=run.place, out=run.folder, split=run.split or None, resume=True)
        say(trained=run.folder.name)
    except InputError as error:
        say(failed="training", why=str(error))
        return
    for asked in unmeasured(run):
        of: dict[str, Any] = {"task": asked.task} if asked.task else {"corpus": run.place, "split": run.test or None}
        try:
            results = evaluate(run.folder, protocol=asked.protocol, jobs=1, **of)
        except NoAnswerError:
            results = []
        except InputError as error:
            say(failed=f"{asked.protocol} {asked.task}".strip(), why=str(error))
            continue
        note_answer(run, asked, results)
        for one in results:
            say(measured=f"{one.task} {one.title}", value=one.value)


def _cost(work: dict[str, Any], say: Any) -> None:
    """Time a step of a finished run."""
    from wordsight.api.pretrain import open_run
    from wordsight.training.step_cost import step_cost

    try:
        cost = step_cost(open_run(work["cost"], work["place"]))
    except InputError as error:
        say(failed="step cost", why=str(error))
        return
    write_json(Path(work["out"]), cost.as_json())
    say(measured="step", value=cost.ratio)


def _open_data(run: SweepRun) -> None:
    """What runs on a corpus share (concepts, token features) is computed by one of them, and found by the others."""
    from wordsight.api.corpus import open_corpus
    from wordsight.training.data import training_data

    training_data(run.settings, open_corpus(run.place), run.split or None)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is in here."""
    while (held := take(lock, make=True)) is None:
        time.sleep(_AGAIN)
    try:
        yield
    finally:
        let_go(held)


def _line(descriptor: int) -> bytes:
    """The first line that comes."""
    found = b""
    while not found.endswith(b"\n"):
        found += os.read(descriptor, 1 << 16) or b"\n"
    return found


def _end_with(descriptor: int) -> None:
    """End when the other end of a pipe is closed: nobody would hear what is done from then on."""
    while os.read(descriptor, 1 << 16):
        pass
    os._exit(1)
