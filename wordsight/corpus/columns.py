"""Which column of a table plays which role: named by a person, or told by a plain name."""

from __future__ import annotations

from typing import Literal

from wordsight.corpus.tabular import TableFile
from wordsight.errors import InputError, listed, unknown

Role = Literal["image", "caption", "label", "split", "language", "article", "id"]
# A column with the first name of its role is it; otherwise the only one with any of the others.
_NAMES: dict[Role, tuple[str, ...]] = {
    "image": (
        "image", "image_path", "image_file", "image_name", "img", "img_path", "file_name", "filename", "file",
        "filepath", "file_path", "path", "photo", "picture",
    ),
    "caption": (
        "caption", "captions", "text", "title", "sentence", "sentences", "description", "raw", "alt", "alt_text",
    ),
    "label": ("label", "labels", "class", "category", "categories", "tag", "tags"),
    "split": ("split",),
    "language": ("language", "lang"),
    "article": ("article", "article_text", "body", "content", "page", "page_text", "document", "story"),
}  # fmt: skip


def named_column(file: TableFile, role: Role, name: str) -> str:
    """The column that a person named.

    Raises:
        InputError: When the table has no such column.
    """
    if name not in file.columns:
        raise unknown(f"{role} column", name, file.columns, where=file.path)
    return name


def told_column(file: TableFile, role: Role) -> str | None:
    """The column whose name tells that it plays a role, ``None`` where there is none.

    Raises:
        InputError: When there are several, none of which has the plainest name.
    """
    names = _NAMES[role]
    by_name = {column.strip().lower(): column for column in reversed(file.columns)}
    if names[0] in by_name:
        return by_name[names[0]]
    found = [by_name[name] for name in names[1:] if name in by_name]
    if len(found) > 1:
        what = f"the columns {' and '.join(found)} could each be the {role}"
        raise InputError(what, where=file.path, mend=f"name one: --{role} COLUMN")
    return found[0] if found else None


def not_told(file: TableFile, what: str, flag: str) -> InputError:
    """The error for a table none of whose columns plays a role that is needed.

    Args:
        file: The table.
        what: The role, as it stands in a sentence.
        flag: The flag that names the column.
    """
    found = f"no column is plainly {what}; its columns: {listed(file.columns)}"
    return InputError(found, where=file.path, mend=f"name it: {flag} COLUMN")
