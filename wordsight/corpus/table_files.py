"""Which files a person means by a table: one, several, a folder of them, a pattern of names, a saved dataset."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wordsight.corpus.braces import matching
from wordsight.corpus.lines import ending_of
from wordsight.corpus.splits import split_in, split_of
from wordsight.corpus.tabular import KINDS
from wordsight.errors import InputError, listed

# In a folder: text in .txt is most often something else than a table.
_SOUGHT = tuple(ending for ending in KINDS if ending not in (".txt", ".token"))


@dataclass(frozen=True)
class TablePath:
    """One file of a table.

    Args:
        path: The file.
        name: What tells it from the others: its path without the ending, from the folder that they all are in.
        split: The split that its name means, or the folder it is in where that tells files apart; "" for none.
    """

    path: Path
    name: str
    split: str


def table_paths(given: Sequence[Path]) -> list[TablePath]:
    """The files of a table, in the order of their names.

    Args:
        given: Files, folders, patterns (``data/*.parquet``) and ranges (``{000..012}.csv``), also several with commas
            between them.

    Raises:
        InputError: When there is none, or a folder holds tables of several kinds.
    """
    if not given:
        raise InputError("no table is given", expected="a file, a folder of tables, or a pattern of names")
    found: dict[Path, str] = {}
    for path in given:
        for file, split in _meant(path):
            found.setdefault(file, split)
    whole = {file: Path(os.path.abspath(file)) for file in found}  # noqa: PTH100 (links are names here, and stay)
    folders = {file.parent for file in whole.values()}
    top = Path(os.path.commonpath(folders))
    # A folder that all files are in tells nothing of them: a person called dev keeps no validation data at home.
    return [
        TablePath(
            file,
            _bare(whole[file].relative_to(top).as_posix()),
            split or (split_of(file.parent.name) if len(folders) > 1 else ""),
        )
        for file, split in found.items()
    ]


def is_saved(folder: Path) -> bool:
    """Whether a folder is what ``save_to_disk`` of the datasets library writes."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _meant(given: Path) -> Iterator[tuple[Path, str]]:
    """The files of one path that was given, each with its split."""
    if given.is_file():
        yield given, split_in(_bare(given.name))
    elif given.is_dir():
        for file, inner in _saved(given) if is_saved(given) else _in_folder(given):
            yield file, inner
    elif glob.has_magic(str(given)) or "{" in str(given):
        files = sorted(matching(given))
        if not files:
            raise InputError("no file has such a name", where=given, expected="a table, or a pattern of names")
        for file in files:
            yield file, split_in(_bare(file.name))
    elif "," in str(given):
        for part in str(given).split(","):
            yield from _meant(Path(part.strip()))
    else:
        raise InputError("no such file", where=given, expected="a table")


def _in_folder(folder: Path) -> Iterator[tuple[Path, str]]:
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    tables = [file for file in files if ending_of(file) in _SOUGHT]
    kinds = sorted({KINDS[ending_of(file)] for file in tables})
    if len(kinds) != 1:
        found = f"holds tables of several kinds: {listed(file.name for file in tables)}" if kinds else "holds no table"
        mend = "name those that are meant, or give a pattern, such as 'data/*.parquet'"
        raise InputError(found, where=folder, expected=f"files ending in {', '.join(_SOUGHT)}", mend=mend)
    for file in tables:
        above = file.relative_to(folder).parts[:-1]
        yield file, split_in(_bare(file.name)) or next(filter(None, map(split_of, reversed(above))), "")


def _saved(folder: Path) -> Iterator[tuple[Path, str]]:
    """The Arrow files of a dataset that was saved, with its splits where it has several."""
    if (folder / "dataset_dict.json").is_file():
        splits = _json(folder / "dataset_dict.json").get("splits")
        if not isinstance(splits, list) or not all(isinstance(each, str) and each for each in splits):
            raise InputError(
                "names no splits", where=folder / "dataset_dict.json", expected='{"splits": ["train", ...]}'
            )
        for split in splits:
            for file, _ in _saved(folder / PurePosixPath(split).name):
                yield file, split
        return
    state = _json(folder / "state.json")
    if state.get("_indices_data_files"):
        mend = "flatten_indices() it, and save it again"
        raise InputError("its rows are chosen by a file of indices", where=folder, mend=mend)
    entries = state.get("_data_files")
    names = [each.get("filename") for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    split = state.get("_split")
    for name in names:
        if not isinstance(name, str) or not (folder / PurePosixPath(name).name).is_file():
            raise InputError(f"lacks the file {name!r} that its state.json names", where=folder)
        yield folder / PurePosixPath(name).name, split if isinstance(split, str) else ""
    if not names:
        raise InputError("names no data files", where=folder / "state.json", expected='{"_data_files": [...]}')


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"can't be read ({error})", where=path, expected="a dataset as save_to_disk wrote it"
        ) from error
    return content if isinstance(content, dict) else {}


def _bare(name: str) -> str:
    name = name[:-3] if name.lower().endswith(".gz") else name
    ending = PurePosixPath(name).suffix
    return name.removesuffix(ending) if ending.lower() in KINDS else name
