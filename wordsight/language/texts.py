"""Sentences to learn a language model from: captions of a corpus, lines of text files, columns of tables, COCO JSON.

A file is told by its name, before ``.gz`` where it is packed: ``.tsv`` and ``.csv`` are tables (with a line of names,
or without one), ``.jsonl``, ``.parquet`` and ``.arrow`` are tables with names, ``.json`` holds COCO captions, and
anything else is plain text, one sentence a line; ``.txt`` and ``.token`` are tables when a column is named.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wordsight.corpus import cells
from wordsight.corpus.columns import known_name
from wordsight.corpus.example import Rejected
from wordsight.corpus.lines import ending_of, read_lines, read_text
from wordsight.corpus.store import Corpus
from wordsight.corpus.tabular import KINDS, TableFile
from wordsight.errors import InputError, listed, setting, unknown
from wordsight.progress import say

_TABLES = (".tsv", ".csv", ".jsonl", ".ndjson", ".parquet", ".arrow")
_TOKENS = (".txt", ".token")
# More rows without a text than this and the column or the file is not the one that was meant.
_MOST_WRONG = 0.05
_COCO = "COCO captions: {'annotations': [{'caption': ...}]}, or {'images': [{'sentences': [{'raw': ...}]}]}"


@dataclass(frozen=True)
class SentenceReader:
    """Sentences, read again each time they are gone through, so that memory does not grow with them.

    Args:
        corpus: A corpus whose captions are read.
        split: The split of the corpus.
        language: Only captions of this language, where the corpus knows their languages.
        files: Text files; a name may be a pattern (``texts/*.tsv.gz``).
        column: Of tables, the column that holds the text: its name, or its number from 1 for a table without names.

    Raises:
        InputError: When there is neither corpus nor file, or a file is absent.
    """

    corpus: Corpus | None = None
    split: str | None = None
    language: str | None = None
    files: tuple[Path, ...] = ()
    column: str | None = None
    _said: set[Path] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.corpus is None and not self.files:
            raise InputError(
                "no text is given", expected=f"a corpus ({setting('corpus')}), text files ({setting('text')}), or both"
            )
        if self.corpus is None and (self.split is not None or self.language is not None):
            given = "split" if self.split is not None else "language"
            raise InputError(
                "chooses among the captions of a corpus",
                setting=given,
                mend=f"give a corpus ({setting('corpus')}), or leave this out",
            )
        object.__setattr__(self, "files", tuple(found for file in self.files for found in _matching(file)))

    def __iter__(self) -> Iterator[str]:
        """Yield each sentence that is not empty, its white space brought to single blanks."""
        for text in self._raw():
            sentence = " ".join(text.split())
            if sentence:
                yield sentence

    @property
    def sources(self) -> list[str]:
        """Where the sentences come from, in words."""
        found = (
            [] if self.corpus is None else [f"{self.corpus.path} ({self.split or 'all'}, {self.corpus.fingerprint})"]
        )
        if found and self.language is not None:
            found[0] += f" in {self.language}"
        return [*found, *(str(file) for file in self.files)]

    def _raw(self) -> Iterable[str]:
        if self.corpus is not None:
            rows = self.corpus.caption_iter(self.corpus.indices(self.split), self.language)
            yield from (text for _, _, text in rows)
        for file in self.files:
            yield from texts_of_file(file, self.column, None if file in self._said else say)
            self._said.add(file)


def texts_of_file(path: Path, column: str | None = None, say: Callable[[str], None] | None = None) -> Iterator[str]:
    """Yield the texts of one file as they stand there, empty ones too.

    Args:
        path: The file.
        column: Of a table, the column that holds the text: its name, or its number from 1 for a table without names.
        say: Takes a line about rows that were left out.

    Raises:
        InputError: When it can't be read, is not UTF-8, has no such column, or too many of its rows are broken.
    """
    kind = ending_of(path)
    if kind == ".json":
        return _coco(path)
    if kind in _TABLES or (kind in _TOKENS and _is_token_file(path)) or (column is not None and kind in KINDS):
        return _column(path, column, say)
    if column is not None:
        raise InputError("has no columns", where=path, expected=f"a table: a name ending in {', '.join(KINDS)}")
    return read_lines(path)


def _matching(file: Path) -> list[Path]:
    if file.exists() or not glob.has_magic(str(file)):
        found = [file]
    else:
        found = [Path(name) for name in sorted(glob.glob(str(file)))]  # noqa: PTH207 (an absolute pattern may be given)
    for one in found:
        if not one.is_file():
            raise InputError("no such file", where=one, expected="a text file")
    if not found:
        raise InputError("no file has such a name", where=file, expected="a text file, or a pattern of names")
    return found


def _is_token_file(path: Path) -> bool:
    """Whether each line begins with an image's name, as in the token files of Flickr8k: no one wants to read these."""
    try:
        text = TableFile(path).text
        return len(text.first) > 1 and not text.has_names
    except InputError:
        # An empty file is one without sentences; one that can't be read is told of where it is read.
        return False


def _column(path: Path, column: str | None, say: Callable[[str], None] | None) -> Iterator[str]:
    table, name = _chosen(path, column)
    rows, wrong, first = 0, 0, ""
    for row in table.rows([name]):
        rows += 1
        read = cells.CellTexts((), (row.detail,)) if isinstance(row, Rejected) else cells.texts(row.cells[name])
        yield from read.found
        if read.refused:
            wrong += 1
            first = first or f"{row.id if isinstance(row, Rejected) else row.name}: {read.refused[0]}"
    if wrong > _MOST_WRONG * rows:
        raise InputError(
            f"{wrong:,} of {rows:,} rows hold no text (such as {first})",
            where=path,
            expected=f"at most {_MOST_WRONG:.0%} such rows",
            mend=f"fix them, or name another {setting('column')}",
        )
    if wrong and say is not None:
        say(f"{path}: {wrong:,} of {rows:,} rows hold no text and are left out (such as {first})")


def _chosen(path: Path, column: str | None) -> tuple[TableFile, str]:
    """The table and the column of it that a person means.

    Raises:
        InputError: When there is no such column, or it can't be told which.
    """
    table = TableFile(path)
    if column is not None and (not column.isdecimal() or not table.is_text):
        table = replace(table, headed=True)
        if column not in table.columns:
            raise unknown("column", column, table.columns, where=path)
        return table, column
    if not table.is_text:
        expected = f"{setting('column')}: one of: {listed(table.columns)}"
        raise InputError("which column holds the text?", where=path, expected=expected)
    first = table.text.first
    # The names of columns are no sentences, also where a person counts.
    table = replace(table, headed=table.has_names and any(map(known_name, first)))
    shown = [f"{number} ({cell[:30]!r})" for number, cell in enumerate(first, start=1)]
    if column is None and len(first) > 1:
        expected = f"{setting('column')}: the name of one, or its number: {listed(shown)}"
        raise InputError(f"has {len(first)} columns", where=path, expected=expected)
    place = 1 if column is None else int(column)
    if not 1 <= place <= len(first):
        raise unknown("column", str(place), shown, where=path)
    return table, table.columns[place - 1]


def _coco(path: Path) -> Iterator[str]:
    try:
        content: Any = json.loads(read_text(path))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({error})", where=path, expected=_COCO) from error
    fields = content if isinstance(content, dict) else {}
    annotations, images = fields.get("annotations", []), fields.get("images", [])
    if not isinstance(annotations, list) or not isinstance(images, list) or not (annotations or images):
        raise InputError("holds no captions", where=path, expected=_COCO)
    for annotation in annotations:
        yield _text(annotation, "caption")
    for image in images:
        inner = image.get("sentences") if isinstance(image, dict) else None
        for sentence in inner if isinstance(inner, list) else []:
            yield sentence if isinstance(sentence, str) else _text(sentence, "raw")


def _text(entry: Any, key: str) -> str:
    found = entry.get(key) if isinstance(entry, dict) else None
    return found if isinstance(found, str) else ""
