"""Checks of a task's table before it is read, and its errors without settings that a task has not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from wordsight.corpus.tabular import TableFile
from wordsight.errors import InputError

_OF_THE_READER = ("encoding", "quotes")


@contextmanager
def own_words() -> Iterator[None]:
    """Leave out the ways to mend an error by settings of the corpus reader that tasks don't have.

    Raises:
        InputError: The one that came, mended by the file alone.
    """
    try:
        yield
    except InputError as error:
        raise error.without(_OF_THE_READER) from error


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
