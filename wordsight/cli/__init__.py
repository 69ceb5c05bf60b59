"""The command line: finds the verb, reads its words, calls `wordsight.api`, prints what came out.

Thin on purpose: nothing here computes. Whatever a person did wrong is answered with one line on standard error and exit
status 2, Ctrl-C with one line and 130, a polite kill with one line and 143. Imports wait for the verb that needs them,
so that `--help` is quick.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from wordsight import __version__
from wordsight.cli.caption import CAPTION
from wordsight.cli.compare import COMPARE
from wordsight.cli.corpus import CONCEPTS, CORPUS
from wordsight.cli.coverage import COVERAGE
from wordsight.cli.demo import DEMO
from wordsight.cli.evaluate import EVALUATE
from wordsight.cli.explain import EXPLAIN
from wordsight.cli.language import LANGUAGE
from wordsight.cli.pretrain import PRETRAIN
from wordsight.cli.report import REPORT
from wordsight.cli.signals import LOADER_KILLED, terminable
from wordsight.cli.sweep import SWEEP
from wordsight.cli.verb import NOTHING_BEGUN, Group, Verb
from wordsight.disk import refused
from wordsight.errors import InputError, SomeFailedError, Terminated, settings_as_flags, unknown

VERBS: dict[str, Verb | Group] = {
    "demo": DEMO,
    "corpus": CORPUS,
    "concepts": CONCEPTS,
    "language": LANGUAGE,
    "pretrain": PRETRAIN,
    "evaluate": EVALUATE,
    "compare": COMPARE,
    "sweep": SWEEP,
    "coverage": COVERAGE,
    "explain": EXPLAIN,
    "caption": CAPTION,
    "report": REPORT,
}

if TYPE_CHECKING:
    from wordsight.cli.arguments import Values

WRONG_INPUT, INTERRUPTED, TERMINATED = 2, 130, 143
ERROR_LOG = "wordsight-error.log"
_ABOUT = "wordsight learns to see from captions: captioned images in, a trained, measured and explained backbone out."


def script() -> None:
    """What the installed command `wordsight` runs."""
    sys.excepthook = _report_bug
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name, or a caption under another locale, may hold what the terminal can't show.
        sys.stdout.reconfigure(errors="backslashreplace")
    threading.excepthook = _in_thread
    raise SystemExit(main())


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        words: What follows `wordsight`; by default what the process was started with.

    Returns:
        The exit status: 0 when it worked, 2 when something given can't be used, 130 after Ctrl-C, 143 after SIGTERM.
    """
    with settings_as_flags():
        return _run(list(sys.argv[1:] if words is None else words))


def _run(given: list[str]) -> int:
    """Find the verb, do it, and answer whatever stops it."""
    verb: Verb | None = None
    values: Values | None = None
    try:
        found = find_verb(given)
        if found is None:
            return 0
        prog, verb, rest = found
        with terminable():
            values = verb.read(prog, rest)
            verb.call(values)
            sys.stdout.flush()
    except InputError as error:
        sys.stdout.flush()
        for each in error.failures if isinstance(error, SomeFailedError) else (error,):
            print(f"wordsight: {each}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt as stop:
        return _stopped(verb, values, TERMINATED if isinstance(stop, Terminated) else INTERRUPTED)
    except BrokenPipeError:  # the reader of our output (`| head`) has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SystemExit as stop:  # `--help` of a verb
        return int(stop.code or 0)
    except Exception as error:
        if isinstance(error, RuntimeError) and LOADER_KILLED in str(error):
            return _stopped(verb, values, TERMINATED)
        if (clear := refused(error)) is None:
            raise
        print(f"wordsight: {clear}", file=sys.stderr)
        return WRONG_INPUT
    return 0


def _in_thread(failed: threading.ExceptHookArgs) -> None:
    """What fails in a thread of a library's: a full disk is told once, by the call that finds out."""
    if failed.exc_value is None or refused(failed.exc_value) is None:
        threading.__excepthook__(failed)


def _stopped(verb: Verb | None, values: Values | None, status: int) -> int:
    """Say what is kept of what was stopped."""
    kept = verb.kept(values) if verb is not None else NOTHING_BEGUN
    print(f"\nwordsight: stopped; {kept}", file=sys.stderr)
    return status


def find_verb(words: Sequence[str]) -> tuple[str, Verb, list[str]] | None:
    """The verb that the first words name, its words so far, and the words after it.

    Args:
        words: What follows `wordsight`.

    Returns:
        None where help was asked for, and printed.

    Raises:
        InputError: When there is no such verb, with the nearest one.
    """
    branch: Mapping[str, Verb | Group] = VERBS
    prog, about = "wordsight", _ABOUT
    rest = list(words)
    while True:
        if not rest or rest[0] in ("--help", "-h"):
            _print_help(prog, branch, about)
            return None
        name = rest.pop(0)
        if name == "--version" and branch is VERBS:
            print(f"wordsight {__version__}")
            return None
        if name not in branch:
            raise unknown("flag" if name.startswith("-") else "name", name, branch, where=prog)
        prog, one = f"{prog} {name}", branch[name]
        if isinstance(one, Verb):
            return prog, one, rest
        branch, about = one.members(), one.summary


def _print_help(prog: str, branch: Mapping[str, Group | Verb], about: str) -> None:
    print(f"usage: {prog} NAME ...\n\n{about}\n")
    for name, one in branch.items():
        print(f"  {name:<14} {one.summary}")
    print(f"\nmore about one: {prog} NAME --help")


def _report_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback is a bug of ours: one line for the person, the traceback in a file for whoever mends it."""
    report = "".join(traceback.format_exception(kind, error, trace))
    said = f"wordsight: this is a bug in wordsight ({kind.__name__}: {' '.join(str(error).split())[:200]})"
    try:
        Path(ERROR_LOG).write_text(f"wordsight {__version__}\n{sys.argv}\n{report}", encoding="utf-8")
    except OSError:
        print(f"{report}{said}", file=sys.stderr)
        return
    print(f"{said}; the traceback is in {ERROR_LOG}: please send it along when you report this", file=sys.stderr)
