"""A folder of images: class folders as labels, text files of the same names as captions."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.image_formats import is_image_name
from wordsight.corpus.lines import decoded, lines_of
from wordsight.corpus.paths import is_shown, walk
from wordsight.corpus.splits import split_of
from wordsight.errors import InputError

_CAPTION_ENDINGS = (".txt", ".caption")
# img2dataset numbers its shards with five digits at least, and the files of all of them with more.
_SHARD_DIGITS = 5


@dataclass(frozen=True)
class Folder:
    """A folder of images; class folders are labels, ``train/``, ``val/``, ``test/`` on top are splits.

    The captions of ``a.jpg`` stand in ``a.txt`` or ``a.caption`` beside it, one a line. The folders that img2dataset
    numbers (``00000/000000042.jpg``) are no classes.

    Args:
        path: The folder.
        caption_files: Another folder with the captions: those of ``cat/a.jpg`` are looked for in its ``cat/a.txt``;
            by default they lie beside the images.
    """

    path: Path
    caption_files: Path | None = None

    def __iter__(self) -> Iterator[Example | Rejected]:
        if not self.path.is_dir():
            raise InputError("no such folder", where=self.path, expected="a folder of images")
        if self.caption_files is not None and not self.caption_files.is_dir():
            raise InputError("no such folder", where=self.caption_files, expected="the folder of the captions")
        self._check_caption_files()
        for folder, names in self._folders():
            for name in filter(is_image_name, names):
                yield from self._example(str(PurePosixPath(folder, name)))

    def __length_hint__(self) -> int:
        return sum(1 for _ in self._images())

    def sources(self) -> list[str]:
        """The folder, and that of the captions where it was given."""
        return [str(self.path)] + ([] if self.caption_files is None else [str(self.caption_files)])

    def label_names(self) -> list[str]:
        """The class folders, those without images included."""
        tops = _inner(self.path)
        others = {*self._shards, *self._caption_folder}
        classes = [name for name in tops if not split_of(name) and name not in others]
        for top in filter(split_of, tops):
            classes += [name for name in _inner(self.path / top) if f"{top}/{name}" not in self._shards]
        return sorted(set(classes))

    def unread(self) -> Mapping[str, int]:
        """How many files have each ending that is not read; text files without an image among them."""
        found: Counter[str] = Counter()
        stems: set[str] = set()
        for folder, names in self._folders():
            here = {PurePosixPath(name).stem for name in names if is_image_name(name)}
            stems |= {str(PurePosixPath(folder, stem)) for stem in here} if self.caption_files is not None else set()
            found.update(_ending(name) for name in names if not self._is_read(name, here))
        for folder, names in () if self.caption_files is None else walk(self.caption_files):
            here = {stem for name in names if str(PurePosixPath(folder, stem := PurePosixPath(name).stem)) in stems}
            found.update(_ending(name) for name in names if not _is_caption_of(name, here))
        return found

    def _is_read(self, name: str, stems: set[str]) -> bool:
        return is_image_name(name) or (self.caption_files is None and _is_caption_of(name, stems))

    def _folders(self) -> Iterator[tuple[str, list[str]]]:
        """The folders of the images, as :func:`_walk` has them; that of the captions may lie among them."""
        return walk(self.path, without=None if self.caption_files is None else os.path.realpath(self.caption_files))

    def _images(self) -> Iterator[str]:
        """Image files relative to the folder, in the order of their names."""
        for folder, names in self._folders():
            yield from (str(PurePosixPath(folder, name)) for name in names if is_image_name(name))

    @cached_property
    def _shards(self) -> frozenset[str]:
        """The numbered folders of a downloader, on top or in a split, relative to the folder."""
        found = _shards_in(self.path)
        for top in filter(split_of, _inner(self.path)):
            found |= {f"{top}/{name}" for name in _shards_in(self.path / top)}
        return frozenset(found)

    @property
    def _caption_folder(self) -> list[str]:
        """The folder of the captions, where it lies among those of the images."""
        if self.caption_files is None:
            return []
        folder = self.caption_files.resolve()
        return [folder.name] if folder.parent == self.path.resolve() else []

    def _example(self, name: str) -> Iterator[Example | Rejected]:
        parts = PurePosixPath(name).parts
        split = split_of(parts[0]) if len(parts) > 1 else ""
        classes = parts[1 if split else 0 : -1]
        if classes and str(PurePosixPath(split, classes[0])) in self._shards:
            classes = ()
        captions: list[str] = []
        for file in self._caption_files(name):
            if file.is_fifo():  # reading it would wait for whoever writes to it
                yield Rejected(name, "caption", "unreadable", f"{file.name}: is a pipe")
                continue
            try:
                lines = lines_of(decoded(file.read_bytes()))
            except UnicodeDecodeError as error:
                yield Rejected(name, "caption", "not UTF-8", f"{file.name}: byte {error.start}")
            except OSError as error:
                if not isinstance(error, FileNotFoundError):
                    yield Rejected(name, "caption", "unreadable", f"{file.name}: {error.strerror or error}")
            else:
                captions += [line for line in lines if line.strip()] or [""]
        # An empty file beside one with captions is no caption that was lost.
        captions = [caption for caption in captions if caption] or captions[:1]
        yield Example(id=name, image=self.path / name, captions=tuple(captions), labels=classes[:1], split=split)

    def _caption_files(self, name: str) -> list[Path]:
        """Where the captions of an image may stand."""
        file = (self.path if self.caption_files is None else self.caption_files) / name
        return [file.with_suffix(ending) for ending in _CAPTION_ENDINGS]

    def _check_caption_files(self) -> None:
        """Refuse a folder of captions that none of the images has a file in."""
        if self.caption_files is None:
            return
        first = ""
        for name in self._images():
            if any(file.is_file() for file in self._caption_files(name)):
                return
            first = first or name
        texts = (f"{folder}/{each}" for folder, names in walk(self.caption_files) for each in names)
        found = next((text.removeprefix("./") for text in texts if text.endswith(_CAPTION_ENDINGS)), "")
        if first:
            what = f"no captions of any image of {self.path}" + (f" (it has {found})" if found else "")
            expected = f"{PurePosixPath(first).with_suffix('.txt')} for {first}"
            raise InputError(what, where=self.caption_files, expected=expected)


def _inner(path: Path) -> list[str]:
    if not path.is_dir():
        return []
    return sorted(each.name for each in path.iterdir() if each.is_dir() and is_shown(each.name))


def _shards_in(path: Path) -> set[str]:
    """The folders inside one that img2dataset numbered: all of them, or none.

    Its files are numbered through all folders, with more digits than those have: in folders that are classes the
    numbers begin anew in each (``00000/000001.jpg``, ``00001/000001.jpg``), or are no longer (``00000/00001.jpg``).
    """
    folders = [name for name in _inner(path) if len(name) >= _SHARD_DIGITS and name.isdecimal()]
    seen: set[str] = set()
    begun = False
    for folder in folders:
        names = (each.name for each in (path / folder).iterdir())
        stems = {PurePosixPath(name).stem for name in names if is_image_name(name) and not name.startswith(".")}
        if not all(stem.isdecimal() and len(stem) > len(folder) for stem in stems) or seen & stems:
            return set()
        seen |= stems
        begun = begun or any(stem.startswith(folder) for stem in stems)
    return set(folders) if begun else set()


def _is_caption_of(name: str, stems: set[str]) -> bool:
    path = PurePosixPath(name)
    return path.suffix in _CAPTION_ENDINGS and path.stem in stems


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower() or "no ending"
