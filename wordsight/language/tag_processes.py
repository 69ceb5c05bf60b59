"""The tagger in several processes.

They are plain child processes fed through pipes. Forked ones could inherit a lock that a thread holds, and spawned ones
would run the caller's script again where it has no ``__main__`` guard.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from queue import SimpleQueue

from wordsight.errors import InputError
from wordsight.language.tagger import PartOfSpeech, Tagger
from wordsight.parallel import ordered_map

_Spans = list[list[tuple[int, int, PartOfSpeech]]]


def tag_in_processes(chunks: Iterator[list[str]], count: int) -> Generator[tuple[list[str], _Spans], None, None]:
    """Tag chunks of texts in ``count`` processes; yields each chunk with its tags, in order."""
    children = [_start() for _ in range(count)]
    idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
    for child in children:
        idle.put(child)

    def tag(chunk: list[str]) -> tuple[list[str], _Spans]:
        child = idle.get()
        try:
            return chunk, _ask(child, chunk)
        finally:
            idle.put(child)

    def kill() -> None:
        for child in children:
            child.kill()

    try:
        yield from ordered_map(tag, chunks, workers=count, name="tag", cut_short=kill)
    finally:
        kill()
        for child in children:
            child.communicate()


def _start() -> subprocess.Popen[str]:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-m", "wordsight.language.tag_processes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _ask(child: subprocess.Popen[str], chunk: list[str]) -> _Spans:
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(chunk) + "\n")
        child.stdin.flush()
        answer = child.stdout.readline()
    except (BrokenPipeError, ValueError):
        answer = ""
    if not answer:
        raise InputError("a tagging process ended early", mend="free some memory and run the same command again")
    spans: _Spans = json.loads(answer)
    return spans


def _serve() -> None:
    """Answer chunks on standard input until it closes; Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tagger = Tagger()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(tagger.tag(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
