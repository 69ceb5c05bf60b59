"""What class folders are called: a table from their ids (ImageNet's ``n01440764``) to names (``tench``)."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from wordsight.errors import InputError

_IDS = ("id", "wnid", "synset", "label", "class", "folder")


def read_class_names(path: Path, classes: Sequence[str]) -> dict[str, str]:
    """The name of each class; its id where the file has none for it. No two classes get one name.

    Args:
        path: JSON ``{id: name}`` (or ``{number: [id, name]}``, as ImageNet's class index is); CSV or TSV with a first
            line that has a column ``name`` and one of ``id``, ``wnid``, ``label``, ..., or with two columns; or any
            other text with an id and its name a line.
        classes: The ids.

    Raises:
        InputError: When the file can't be read, or names none of the classes.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        kind = path.suffix.lower()
        pairs = (
            _of_json(text) if kind == ".json" else _of_table(text, kind) if kind in (".csv", ".tsv") else _lines(text)
        )
    except FileNotFoundError as error:
        raise InputError("no such file", where=path, expected="names of classes") from error
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"can't be read ({error})", where=path, expected="ids of classes with their names") from error
    found = {each: pairs[each] for each in classes if pairs.get(each)}
    if not found:
        if any(each in pairs for each in classes):
            raise InputError("has the classes and no name for any", where=path, expected="a name beside each")
        some = ", ".join(list(pairs)[:3]) or "nothing"
        raise InputError(
            f"names none of the classes ({some}, ...)", where=path, expected=f"{', '.join(classes[:3])}, ..."
        )
    times = Counter(found.values())
    return {each: f"{name} ({each})" if times[name] > 1 else name for each, name in found.items()}


def _of_json(text: str) -> dict[str, str]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("no JSON object")
    pairs = {}
    for key, value in content.items():
        listed = value if isinstance(value, list) else [key, value]
        if len(listed) != 2 or not all(isinstance(each, str) for each in listed):
            raise ValueError(f"{key!r} stands for {str(value)[:60]}")
        pairs[listed[0]] = listed[1]
    return pairs


def _of_table(text: str, kind: str) -> dict[str, str]:
    rows = [row for row in csv.reader(io.StringIO(text), delimiter="\t" if kind == ".tsv" else ",") if row]
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    ids = next((header.index(name) for name in _IDS if name in header), None)
    if ids is not None and "name" in header:
        name = header.index("name")
        return {row[ids].strip(): row[name].strip() for row in rows[1:] if len(row) > max(ids, name)}
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1}


def _lines(text: str) -> dict[str, str]:
    parts = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return {part[0]: part[1].strip() for part in parts if len(part) > 1}
