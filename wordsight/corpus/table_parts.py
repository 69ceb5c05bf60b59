"""The files of one table, each with the columns that play a role in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from wordsight.corpus import cells
from wordsight.corpus.columns import (
    Role,
    folder_column,
    has_column,
    named_column,
    named_columns,
    not_told,
    told_column,
    told_columns,
)
from wordsight.corpus.example import Rejected
from wordsight.corpus.table_files import TablePath
from wordsight.corpus.tabular import Row, Tabular
from wordsight.errors import InputError, setting

Named = Mapping[Role, str | None]
"""The columns that a person named, by role."""

# An "article" in a shop's table is a thing it sells: that column is taken for a text only when it is named.
_TOLD: tuple[Role, ...] = ("image", "caption", "label", "split", "language")
# Roles that several columns may play.
_SEVERAL: tuple[Role, ...] = ("caption", "label")


@dataclass(frozen=True)
class TablePart:
    """One file of a table.

    Args:
        file: The file.
        roles: The columns that play each role.
        prefix: What comes before the names of rows that have no other, where there are several files; else "".
        inner: The folder that it is in, from the one that all the files are in; "" for that one.
        split: The split that its name means; "" for none.
        folder_is_guessed: Whether there is a column of folders that nobody named.
    """

    file: Tabular
    roles: Mapping[Role, Sequence[str]]
    prefix: str
    inner: str
    split: str
    folder_is_guessed: bool

    @property
    def image(self) -> str:
        """The column of images."""
        return self.roles["image"][0]

    @cached_property
    def holds_bytes(self) -> bool:
        """Whether the column of images holds them, not their names."""
        return self.file.holds_bytes(self.image)

    @cached_property
    def class_names_of(self) -> dict[Role, list[str]]:
        """What the classes are called whose numbers stand in the columns of labels and splits."""
        return {role: self.file.class_names(self.roles[role][0]) for role in ("label", "split") if role in self.roles}

    def class_names(self) -> list[str]:
        """The classes that the file declares for its labels."""
        return self.class_names_of.get("label", [])

    def rows(self, only_names: bool = False) -> Iterator[Row | Rejected]:
        """The rows, each with a name that no other file's row has.

        Args:
            only_names: Whether only the columns that name the image are read.
        """
        roles = ("image", "folder") if only_names else tuple(self.roles)
        for row in self.file.rows(list(dict.fromkeys(name for role in roles for name in self.roles.get(role, ())))):
            if not self.prefix:
                yield row
            elif isinstance(row, Rejected):
                yield replace(row, id=f"{self.prefix}/{row.id}")
            else:
                yield replace(row, name=f"{self.prefix}/{row.name}")

    def image_of(self, row: Row) -> str | bytes | None:
        """The image in a row: its bytes, or its file's name with the folder that stands in another column."""
        found = cells.image(row.cells[self.image])
        if not isinstance(found, str) or "folder" not in self.roles:
            return found
        folder = cells.word(row.cells[self.roles["folder"][0]])
        return f"{folder.rstrip('/')}/{found}" if folder else found


def parts_of(paths: Sequence[TablePath], named: Named, opened: Callable[[Path], Tabular]) -> list[TablePart]:
    """The files of a table with the roles of their columns, which are those of the first file.

    Args:
        paths: The files.
        named: The columns that a person named.
        opened: Reads one file.

    Raises:
        InputError: When a column that was named is absent, or one that is needed can't be told.
    """
    files = [opened(each.path) for each in paths]
    roles = _roles(files[0], named)
    for file in files[1:]:
        for role, names in roles.items():
            if lacks := [name for name in names if not has_column(file, name)]:
                found = f"has no column {lacks[0]!r} for the {role}, which {files[0].path.name} has"
                raise InputError(found, where=file.path, mend="read files of other columns one after another")
    several = len(files) > 1
    return [
        TablePart(
            file,
            roles,
            each.name if several else "",
            each.name.rpartition("/")[0],
            each.split,
            "folder" in roles and not named.get("folder"),
        )
        for file, each in zip(files, paths, strict=True)
    ]


def _roles(file: Tabular, named: Named) -> dict[Role, list[str]]:
    roles: dict[Role, list[str]] = {}
    for role, name in named.items():
        found: list[str] = []
        if name:
            found = named_columns(file, role, name) if role in _SEVERAL else [named_column(file, role, name)]
        elif role in _SEVERAL:
            found = told_columns(file, role)
        elif role in _TOLD and (told := told_column(file, role)) is not None:
            found = [told]
        if found:
            roles[role] = found
    if "image" not in roles:
        raise not_told(file, "the image", setting("image"))
    if not roles.keys() & {"caption", "label", "article"}:
        raise not_told(file, "the caption or the label", f"{setting('caption')} or {setting('label')}")
    if "folder" not in roles and (folder := folder_column(file, roles["image"][0])) is not None:
        roles["folder"] = [folder]
    return roles
