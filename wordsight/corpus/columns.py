"""Which column of a table plays which role: named by a person, or told by a plain name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, Literal

from wordsight.corpus import cells
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.separated import form_of
from wordsight.corpus.tabular import Row, Tabular
from wordsight.errors import InputError, listed, setting, unknown

Role = Literal["image", "folder", "caption", "label", "split", "language", "article", "id"]
# A column with the first name of its role is it; otherwise the only one with any of the others; those behind None are
# looked at only where none before it is there.
_NAMES: Mapping[Role, tuple[str | None, ...]] = {
    "image": (
        "image", "image_path", "image_file", "image_name", "img", "img_path", "file_name", "filename", "file",
        "filepath", "file_path", "path", "photo", "picture", None, "image_bytes", "image_id", "img_id", "imgid",
    ),
    "caption": (
        "caption", "captions", "text", "title", "sentence", "sentences", "description", "raw", "alt", "alt_text", None,
        "comment", "comments", "conversations", "messages", "caption_text", "texts", "descriptions",
    ),
    "label": ("label", "labels", "class", "category", "categories", "tag", "tags"),
    "split": ("split",),
    "language": ("language", "lang"),
    "article": ("article", "article_text", "body", "content", "page", "page_text", "document", "story"),
}  # fmt: skip
# Where one of these stands beside the column of files and holds no files itself, it is the folder that they are in.
_FOLDERS = ("filepath", "file_path", "folder", "dir", "directory", "image_dir", "image_folder", "subdir", "path")
_COUNTED = re.compile(r"(.*\D)??[ _.-]?(\d{1,3})")
_SAMPLE = 20


def known_name(name: str) -> bool:
    """Whether a name is one that columns have."""
    return any(name.strip().lower() in names for names in _NAMES.values())


def names_image(name: str) -> bool:
    """Whether a column of this name may hold images or their names."""
    return name.strip().lower() in _NAMES["image"]


def has_column(file: Tabular, name: str) -> bool:
    """Whether a table has a column, or one with a field of that name in it.

    Args:
        file: The table.
        name: A column's name, or that and a field's with a dot between them: ``objects.category``.
    """
    if name in file.columns or not any(name.startswith(f"{column}.") for column in file.columns):
        return name in file.columns
    return any(isinstance(row, Row) and row.cells[name] is not None for row in islice(file.rows([name]), _SAMPLE))


def named_column(file: Tabular, role: Role, name: str) -> str:
    """The column that a person named, by its name, its number from 1, or its name and that of a field in it.

    Raises:
        InputError: When the table has no such column.
    """
    if has_column(file, name):
        return name
    if name.isdecimal() and 1 <= int(name) <= len(file.columns):
        return file.columns[int(name) - 1]
    raise unknown(f"{role} column", name, file.columns, where=file.path)


def named_columns(file: Tabular, role: Role, names: str) -> list[str]:
    """The columns that a person named, with commas between them.

    Raises:
        InputError: When the table has one of them not.
    """
    if has_column(file, names):
        return [names]
    return list(dict.fromkeys(named_column(file, role, name.strip()) for name in names.split(",") if name.strip()))


def told_column(file: Tabular, role: Role) -> str | None:
    """The column whose name tells that it plays a role, ``None`` where there is none.

    Raises:
        InputError: When there are several, none of which has the plainest name.
    """
    if not file.has_names:
        return _told_by_cells(file, role)
    names = _NAMES[role]
    by_name = {column.strip().lower(): column for column in reversed(file.columns)}
    if names[0] in by_name:
        return by_name[str(names[0])]
    plain = names.index(None) if None in names else len(names)
    for group in (names[1:plain], names[plain + 1 :]):
        found = [by_name[name] for name in group if name in by_name]
        if role == "image" and len(found) > 1:
            found = _without_folders(file, found)
        if len(found) > 1:
            what = f"the columns {' and '.join(found)} could each be the {role}"
            raise InputError(what, where=file.path, mend=f"name one with {setting(role)}")
        if found:
            return found[0]
    return _told_inside(file, role)


def told_columns(file: Tabular, role: Role) -> list[str]:
    """The columns whose names tell that they play a role: one, or several that are counted (``caption_0``, ...).

    Raises:
        InputError: When it can't be told which.
    """
    by_stem: dict[str, list[tuple[int, str]]] = {}
    for column in file.columns if file.has_names else ():
        counted = _COUNTED.fullmatch(column.strip().lower())
        if counted is not None and (counted[1] or "").rstrip("_ .-") in _NAMES[role]:
            by_stem.setdefault((counted[1] or "").rstrip("_ .-"), []).append((int(counted[2]), column))
    one = told_column(file, role)
    if one is not None:
        return [one, *(name for _, name in sorted(by_stem.get(one.strip().lower(), [])))]
    if len(by_stem) > 1:
        what = f"the columns {listed(found[0][1] for found in by_stem.values())} could each be the {role}"
        raise InputError(what, where=file.path, mend=f"name one with {setting(role)}")
    return [name for found in by_stem.values() for _, name in sorted(found)]


def folder_column(file: Tabular, image: str) -> str | None:
    """The column of the folders that image files are in, where the file's name and its folder stand in two columns.

    Args:
        file: The table.
        image: The column of the files' names.
    """
    if not file.has_names or file.holds_bytes(image):
        return None
    others = {name.strip().lower(): name for name in file.columns if name != image}
    found = [others[name] for name in _FOLDERS if name in others]
    rows = list(islice((row for row in file.rows([image, *found]) if isinstance(row, Row)), _SAMPLE)) if found else []
    files = [_text(row.cells[image]) for row in rows]
    # A file's name that has its folder already needs no other.
    if not any(map(is_image_name, files)) or any("/" in name for name in files):
        return None
    return next((name for name in found if not _any_image([row.cells[name] for row in rows])), None)


def not_told(file: Tabular, what: str, named: str) -> InputError:
    """The error for a table none of whose columns plays a role that is needed.

    Args:
        file: The table.
        what: The role, as it stands in a sentence.
        named: The setting that names the column, as a message tells it.
    """
    found = f"no column is plainly {what}; its columns: {listed(file.columns)}"
    return InputError(found, where=file.path, mend=f"name it with {named}")


def _told_by_cells(file: Tabular, role: Role) -> str | None:
    """The column of a table without names that holds image files, or the one that holds sentences."""
    if role not in ("image", "caption"):
        return None
    rows = [row.cells for row in islice(file.rows(file.columns), _SAMPLE) if isinstance(row, Row)]
    images = [name for name in file.columns if _any_image([row[name] for row in rows])]
    if not images:
        # Names without an ending are all alike but for their numbers.
        images = [name for name in file.columns if len({form_of(_text(row[name])) for row in rows} | {""}) == 2]
    if role == "image":
        return images[0] if images else None
    others = [name for name in file.columns if name not in images]
    wordy = [name for name in others if any(" " in _text(row[name]).strip() for row in rows)]
    found = wordy if len(wordy) == 1 else others
    return found[0] if len(found) == 1 else None


def _told_inside(file: Tabular, role: Role) -> str | None:
    """The field inside another (``photo.url``) that is called like an image or a caption, where only one is."""
    if role not in ("image", "caption"):
        return None
    for wanted in filter(None, _NAMES[role]):
        found = [name for name in file.columns if name.lower().endswith(f".{wanted}")]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _without_folders(file: Tabular, found: list[str]) -> list[str]:
    """Of columns that are called like files, those that hold files, where some hold only their folders."""
    rows = [row.cells for row in islice(file.rows(found), _SAMPLE) if isinstance(row, Row)]
    files = [name for name in found if file.holds_bytes(name) or _any_image([row[name] for row in rows])]
    folders = [name for name in found if name not in files and name.strip().lower() in _FOLDERS]
    return [name for name in found if name not in folders] if files else found


def _any_image(column: list[Any]) -> bool:
    return any(isinstance(found := cells.image(cell), str) and is_image_name(found) for cell in column)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else ""
