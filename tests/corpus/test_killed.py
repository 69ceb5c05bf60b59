"""Builds that are killed, interrupted or run out of room, as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus.build import build_corpus
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.store import Corpus

# A reader that never ends: it gives the same images anew, one every few milliseconds.
SLOW_BUILD = """
import itertools, sys, time
from dataclasses import replace
from pathlib import Path
from wordsight.corpus.build import build_corpus
from wordsight.corpus.readers.coco import Coco

class Endless(Coco):
    def __iter__(self):
        for turn in itertools.count():
            for example in super().__iter__():
                time.sleep(0.002)
                yield replace(example, id=f"{turn}/{example.id}")

captions, images, out = map(Path, sys.argv[1:])
build_corpus(Endless(captions, images), out, overwrite=True)
"""
# Room for files of 20 kB and no more; the way that the command line prints an error stands in for the command line.
TIGHT_BUILD = """
import resource, sys
from pathlib import Path
from wordsight.corpus.build import build_corpus
from wordsight.corpus.readers.coco import Coco
from wordsight.errors import InputError

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
captions, images, out = map(Path, sys.argv[1:])
try:
    build_corpus(Coco(captions, images), out, overwrite=True)
except InputError as error:
    sys.exit(str(error))
"""


def heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(program: str, *arguments: Path) -> subprocess.Popen[str]:
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    # A shell's background job ignores Ctrl-C, and so would its children: the tests may run in one.
    return subprocess.Popen(command, env=here, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts)


def parts(out: Path) -> list[Path]:
    return [each for each in out.parent.iterdir() if each != out]


def wait_for_images(out: Path) -> None:
    for _ in range(2000):
        if any((part / "images-00000.arrow").exists() or (part / "rejected.csv").exists() for part in parts(out)):
            time.sleep(0.3)
            return
        time.sleep(0.01)
    raise AssertionError("the build did not start")


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_a_build_that_is_stopped_leaves_the_old_corpus(
    signal_number: signal.Signals, coco: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    source, out = coco(6), tmp_path / "corpora" / "x"
    before = build_corpus(Coco(*source), out).fingerprint
    process = start(SLOW_BUILD, *source, out)
    wait_for_images(out)
    process.send_signal(signal_number)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert Corpus.open(out).fingerprint == before
    if signal_number == signal.SIGINT:
        assert parts(out) == []
    build_corpus(Coco(*source), out, overwrite=True)
    assert parts(out) == []


def test_a_first_build_that_is_killed_leaves_no_corpus(coco: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    source, out = coco(6), tmp_path / "corpora" / "x"
    out.parent.mkdir()
    process = start(SLOW_BUILD, *source, out)
    wait_for_images(out)
    process.kill()
    process.communicate(timeout=30)
    assert not out.exists()
    assert len(build_corpus(Coco(*source), out)) == 6
    assert parts(out) == []


def test_a_file_that_may_not_grow_is_one_clear_line(coco: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    source, out = coco(40), tmp_path / "corpora" / "x"
    process = start(TIGHT_BUILD, *source, out)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.strip() == f"{out}: a file grew larger than allowed; raise the limit on file sizes (ulimit -f)"
    assert parts(out) == []
    assert not out.exists()
