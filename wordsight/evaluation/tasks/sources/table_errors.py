"""Checks of a task's table before it is read, and its errors in words that a task's flags can follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from wordsight.corpus.tabular import TableFile
from wordsight.errors import InputError

_OTHER_FLAGS = ("--encoding", "--quotes")


@contextmanager
def own_words() -> Iterator[None]:
    """Leave out of an error's mend the flags of the corpus reader that tasks don't have.

    Raises:
        InputError: The one that came, mended by the file alone.
    """
    try:
        yield
    except InputError as error:
        first, _, other = (error.mend or "").partition(", or give ")
        if not any(flag in other for flag in _OTHER_FLAGS):
            raise
        raise InputError(error.what, where=error.where, expected=error.expected, mend=first) from error


def check_once(file: TableFile, columns: Sequence[str]) -> None:
    """Refuse a table that has two columns of one name, one of which would be left unread.

    Args:
        file: The table.
        columns: The columns that are read.

    Raises:
        InputError: When one of them is there twice.
    """
    for column in columns:
        times = file.columns.count(column)
        if times > 1:
            raise InputError(
                f"{times} columns are called {column!r}",
                where=file.path,
                expected="one column of each name",
                mend="rename or remove the others",
            )
