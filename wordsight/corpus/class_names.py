"""What classes are called in words: from a file, from a table beside the task's images, or from the folders' own names.

Class folders are often named by a number (``n01440764``) that no text side has ever read.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wordsight.corpus import cells
from wordsight.corpus.lines import ending_of, read_lines, read_text
from wordsight.corpus.tabular import Row, TableFile
from wordsight.errors import InputError

# Files beside a task's images that may name its classes, and the columns that would hold the names.
_BESIDE = ("names.csv", "classes.csv", "class_names.csv", "labels.csv")
_CLASSES = ("class", "label", "wnid", "class_id", "id")
_NAMES = ("name", "names", "class_name", "classname", "title", "text")
_TEXTS = ("", ".txt", ".text", ".names")
_DESCRIPTIONS = ("description", "descriptions", "attribute", "attributes", "text", "name")
_WORDNET_ID = re.compile(r"[nvar]\d{8}\Z")


@dataclass(frozen=True)
class ClassNames:
    """The names of K classes, one or several each.

    Args:
        names: The names of each class.
        source: Where they came from, for a result's settings.
    """

    names: Sequence[tuple[str, ...]]
    source: str


def names_of_classes(class_names: Sequence[str], file: Path | None = None, beside: Path | None = None) -> ClassNames:
    """What the classes of a task are called.

    Args:
        class_names: The task's own names of them.
        file: A table of classes and names; one that has not all of them leaves the others their own.
        beside: A folder in which a table may lie that has all of them, such as ``labels.csv``.

    Raises:
        InputError: When the file can't be read or has none of the classes.
    """
    own = [(as_words(name),) for name in class_names]
    if file is not None:
        known = read_lines_of(file, class_names, _NAMES)
        return ClassNames([known.get(name, other) for name, other in zip(class_names, own, strict=True)], str(file))
    for name in _BESIDE if beside is not None and beside.is_dir() else ():
        table = beside / name if beside is not None else Path(name)
        if not table.is_file():
            continue
        try:
            known = read_lines_of(table, class_names, _NAMES, named=True)
        except InputError:
            # Nobody said that this file holds names: one that doesn't is none of our business.
            continue
        if all(each in known for each in class_names) and any(known[each] != (each,) for each in class_names):
            return ClassNames([known[each] for each in class_names], str(table))
    return ClassNames(own, "the task's own")


def one_name_each(class_names: Sequence[str], file: Path) -> list[str]:
    """One name for each class, where folders are called by ids: the first that a file has, its id where it has none.

    Args:
        class_names: The ids.
        file: As for :func:`names_of_classes`.

    Returns:
        The names; no two classes get the same.

    Raises:
        InputError: When the file can't be read, or names none of the classes.
    """
    known = {own: names[0] for own, names in read_lines_of(file, class_names, _NAMES).items()}
    times = Counter(known.values())
    return [
        own if own not in known else f"{known[own]} ({own})" if times[known[own]] > 1 else known[own]
        for own in class_names
    ]


def descriptions_of_classes(class_names: Sequence[str], file: Path) -> dict[str, tuple[str, ...]]:
    """Descriptions of classes by class, several lines each where a class stands in several rows.

    Args:
        class_names: The task's names of its classes.
        file: A table of classes and descriptions.

    Raises:
        InputError: When the file can't be read or has none of the classes.
    """
    return read_lines_of(file, class_names, _DESCRIPTIONS, whole=True)


def unreadable(names: Iterable[str]) -> list[str]:
    """Those of some names that are numbers of WordNet, and no words."""
    return [name for name in names if _WORDNET_ID.match(name)]


def check_templates(templates: Sequence[str], where: str = "templates") -> None:
    """Refuse sentences for classes without a place for the class's name.

    Args:
        templates: The sentences, with ``{}`` in place of the name.
        where: The setting that holds them.

    Raises:
        InputError: When there is none, or one has not just one such place.
    """
    wrong = next((each for each in templates if each.count("{}") != 1), None)
    if wrong is not None or not templates:
        found = "there is none" if wrong is None else f"found {wrong!r}"
        raise InputError(found, where=where, expected='sentences with one {}, such as "a photo of a {}."')


def as_words(name: str) -> str:
    """A folder's or a list's name as words: ``French_horn`` and ``FrenchHorn`` are French horns; numbers stay."""
    if _WORDNET_ID.match(name):
        return name
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("_", " "))
    return " ".join(apart.split())


def read_lines_of(
    file: Path, class_names: Sequence[str], columns: Sequence[str], *, whole: bool = False, named: bool = False
) -> dict[str, tuple[str, ...]]:
    """Names or descriptions of classes in a table: by class, all different cells of one column.

    The column of classes is the one that holds the most of them. The other is the first of ``columns`` that there is,
    or the only other one. A table of two columns without a first line of names will do, as will a JSON object, or text
    with a class and its text a line.

    Args:
        file: A CSV, TSV, JSONL or Parquet table; a JSON object of classes with a text or a list of texts, or of numbers
            with a class and its name (ImageNet's class index); or a text file.
        class_names: The classes.
        columns: Likely names of the column that is wanted.
        whole: Whether a cell is one text; else it may hold several names with ``,`` or ``|`` between them, as
            ImageNet's lists do.
        named: Whether the column has to be called by one of ``columns``.

    Raises:
        InputError: When it can't be read, has none of the classes, or no column is plainly the one that is wanted.
    """
    wanted = frozenset(class_names)
    if ending_of(file) == ".json":
        pairs = _of_json(file, wanted)
    elif ending_of(file) in _TEXTS:
        pairs = _of_text(file, wanted)
    else:
        pairs = _of_table(file, wanted, columns, named, several_lines=whole)
    found: dict[str, dict[str, None]] = {}
    for name, cell in pairs:
        if name in wanted:
            texts = [cell] if whole else re.split(r"[,|]", cell)
            found.setdefault(name, {}).update(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))
    found = {name: texts for name, texts in found.items() if texts}
    if not found:
        some = ", ".join(class_names[:3])
        raise InputError("has none of the classes", where=file, expected=f"{some}, ... and beside each what it is")
    return {name: tuple(texts) for name, texts in found.items()}


def _of_text(file: Path, wanted: frozenset[str]) -> list[tuple[str, str]]:
    """Lines of a class, and after a tab, a comma or a blank its text."""
    pairs = []
    for line in read_lines(file, what="names of classes"):
        parts = (line.strip().split(between, 1) for between in ("\t", ",", None))
        of = next(
            ((part[0].strip(), part[1].strip()) for part in parts if len(part) > 1 and part[0].strip() in wanted), None
        )
        pairs += [] if of is None else [of]
    return pairs


def _of_json(file: Path, wanted: frozenset[str]) -> list[tuple[str, str]]:
    try:
        content = json.loads(read_text(file, what="names of classes"))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"can't be read as JSON ({error})", where=file) from error
    if not isinstance(content, dict):
        raise InputError("is not a JSON object", where=file, expected='{"n01440764": "tench", ...}')
    pairs = []
    for name, said in content.items():
        texts = said if isinstance(said, list) else [said]
        if name not in wanted and len(texts) > 1 and texts[0] in wanted:
            # ImageNet's class index: {"0": ["n01440764", "tench"], ...}.
            name, *texts = texts
        pairs += [(name, one) for one in texts]
    if wrong := next((name for name, one in pairs if not isinstance(one, str)), None):
        raise InputError(f"{wrong!r} stands for no text", where=file, expected='{"n01440764": "tench", ...}')
    return pairs


def _of_table(
    file: Path, wanted: frozenset[str], columns: Sequence[str], named: bool, several_lines: bool
) -> list[tuple[str, str]]:
    table = TableFile(file, headed=True)
    head = table.columns
    rows: list[Mapping[str, tuple[str, ...]]] = [
        {name: names_in(file, row, name) for name in row.cells} for row in table.whole_rows(head, several_lines)
    ]
    bare = len(head) == 2 and bool(wanted & {name.strip() for name in head})
    if bare:
        rows.insert(0, {name: (name.strip(),) for name in head})
    held = {name: len(wanted & {each for row in rows for each in row[name]}) for name in head}
    # A column that is called so is that of the classes, also where texts are classes' names by chance.
    called = [name for name in head if not bare and name.lower().strip() in _CLASSES]
    classes = max(called or head, key=lambda name: held[name])
    if not held[classes]:
        return []
    others = [name for name in head if name != classes]
    lower = {name.lower().strip(): name for name in others}
    only = others[0] if len(others) == 1 and (bare or not named) else None
    said = next((lower[name] for name in columns if name in lower), only)
    if said is None:
        raise InputError(
            "no column is plainly the text of the classes", where=file, expected=f"a column called {columns[0]}"
        )
    return [(each, text) for row in rows for each in row[classes] for text in row[said]]


def names_in(file: Path, row: Row, column: str) -> tuple[str, ...]:
    """The names in a cell, one or a list.

    Args:
        file: The table, for error messages.
        row: One of its rows.
        column: The cell's column.

    Raises:
        InputError: When it holds something that is not text.
    """
    read = cells.names(row.cells[column])
    if read.refused:
        raise InputError(f"{row.name}: {column} is not text ({read.refused[0]})", where=file, expected="a name")
    return read.found
