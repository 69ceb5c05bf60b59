"""The corpus on disk: examples checked, cleaned and packed; memory-mapped, opened in milliseconds whatever its size.

``corpus.json``       sources, fingerprint, counts, settings, version, splits, label names, shards
``images-*.arrow``    image (JPEG bytes), width, height, hash, id of the file that the bytes came from, checksum
``captions.arrow``    what came with each image: id, split, captions, languages, labels, ignored labels, boxes, article
``rejected.csv``      what was left out, and why

Row i of ``captions.arrow`` belongs to row i of the image files laid end to end. Arrow IPC files are mapped, not read:
the pages that are used are shared by all processes, and the bytes of an image are handed out where they lie.
"""

from __future__ import annotations

import io
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from wordsight.corpus.example import Box
from wordsight.corpus.info import check_info
from wordsight.corpus.rows import Rows, row_checksum
from wordsight.corpus.splits import ALL, UnknownSplit, chosen_splits
from wordsight.errors import InputError, setting, unknown

FORMAT_VERSION = 2

IMAGE_SCHEMA = pa.schema(
    [
        ("image", pa.large_binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("hash", pa.string()),
        ("id", pa.string()),
        ("checksum", pa.uint32()),
    ]
)
# Corpora built before there were checksums are read without.
_WITHOUT_CHECKSUM = pa.schema([*IMAGE_SCHEMA][:-1])
# What a row's checksum covers besides the bytes of the image.
_BESIDE_IMAGE = ("width", "height", "hash", "id")
_BOX = pa.struct(
    [
        ("name", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("width", pa.float64()),
        ("height", pa.float64()),
    ]
)
CAPTION_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("captions", pa.list_(pa.string())),
        ("languages", pa.list_(pa.string())),
        ("labels", pa.list_(pa.string())),
        ("ignored_labels", pa.list_(pa.string())),
        ("boxes", pa.list_(_BOX)),
        ("article", pa.string()),
    ]
)


class Corpus:
    """Examples on disk. Open one with :meth:`open`; it can be sent to other processes, which map the same pages.

    Attributes:
        path: The corpus folder.
        info: What ``corpus.json`` holds.
        fingerprint: A hash of the contents; the same source and settings give the same one.
        splits: Names of the splits, and how many examples each has; empty when the source has none.
        language_names: Languages of the captions, and how many captions each has; empty where none is said.
        label_names: Every class of the corpus.

    Examples:
        >>> corpus = Corpus.open("corpora/photos")
        >>> len(corpus), corpus.splits
        (24, {'train': 18, 'test': 6})
        >>> corpus.id(0), corpus.captions(0), corpus.image(0).size
        ('red-circle-0.png', ['a red circle on a black wall'], (48, 48))
        >>> corpus.indices("test").tolist()
        [3, 7, 11, 15, 19, 23]
    """

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path, self.info = path, info
        self.fingerprint: str = info["fingerprint"]
        self.splits: dict[str, int] = info["splits"]
        self.language_names: dict[str, int] = info["languages"]
        self.label_names: list[str] = info["label_names"]
        self._ends = np.cumsum([shard["rows"] for shard in info["shards"]]).tolist()
        self._shards: dict[int, Rows] = {}
        self._seen = _identity(path)
        self._texts = self._rows(info["captions"], CAPTION_SCHEMA, whole=True)

    @classmethod
    def open(cls, path: Path | str) -> Corpus:
        """Open a corpus folder.

        Raises:
            InputError: When the folder is not a corpus, was written by another version, or is incomplete.
        """
        folder = Path(path).absolute()
        info = _read_info(folder, path)
        version = info.get("version")
        if version != FORMAT_VERSION:
            raise InputError(
                f"corpus of version {version}",
                where=path,
                expected=f"version {FORMAT_VERSION}",
                mend="build it again with this wordsight",
            )
        try:
            check_info(info, folder / "corpus.json")
            _check_files(folder, info)
            return cls(folder, info)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"is damaged ({error})", where=folder / "corpus.json", mend="build it again") from error

    def __reduce__(self) -> tuple[Callable[[Path, str], Corpus], tuple[Path, str]]:
        return _opened_again, (self.path, self.fingerprint)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __repr__(self) -> str:
        return f"Corpus({str(self.path)!r}, {len(self):,} examples)"

    @property
    def name(self) -> str:
        """The name of the corpus folder."""
        return self.path.name

    def indices(self, split: str | None = None) -> NDArray[np.int64]:
        """The numbers of the examples in a split, ascending.

        Args:
            split: One split, or several with commas between them; "train", "val" and "test" mean every split of that
                purpose (Karpathy's "restval" is training data). ``None`` or "all" for every example.

        Raises:
            InputError: When there is no such split.
        """
        if split is None or split == ALL:
            return np.arange(len(self), dtype=np.int64)
        within = pc.is_in(self._texts.column("split"), value_set=pa.array(self.splits_meant(split), pa.string()))
        return np.flatnonzero(within.to_numpy(zero_copy_only=False)).astype(np.int64)

    def splits_meant(self, split: str) -> list[str]:
        """The names of the splits that :meth:`indices` takes its examples from.

        Args:
            split: As :meth:`indices` takes it; "all" for every split.

        Raises:
            InputError: When there is no such split.
        """
        try:
            return list(self.splits) if split == ALL else chosen_splits(split, self.splits)
        except UnknownSplit as error:
            raise unknown("split", error.args[0], [*self.splits, ALL], where=self.path) from error

    def default_split(self, wanted: str) -> str:
        """``wanted`` where the corpus has splits, "all" where it has none.

        Raises:
            InputError: When there are splits, and none of this purpose.
        """
        if not self.splits:
            return ALL
        self.splits_meant(wanted)
        return wanted

    def image_bytes(self, i: int) -> memoryview:
        """The JPEG bytes of an image, where they lie on disk: nothing is copied.

        Raises:
            InputError: When they are not those that were written.
        """
        shard, row = self._place(i)
        data = memoryview(shard.cell("image", row).as_buffer())
        if shard.has_checksums:
            beside = [shard.cell(name, row).as_py() for name in _BESIDE_IMAGE]
            if row_checksum(data, *beside) != shard.cell("checksum", row).as_py():
                raise InputError(f"image {i} is damaged", where=shard.path, mend="build or copy the corpus again")
        return data

    def image_size(self, i: int) -> tuple[int, int]:
        """Width and height of an image, in pixels."""
        shard, row = self._place(i)
        return shard.cell("width", row).as_py(), shard.cell("height", row).as_py()

    def image_hash(self, i: int) -> str:
        """A hash of the image's pixels: the same for the same picture in another file."""
        shard, row = self._place(i)
        return str(shard.cell("hash", row).as_py())

    def image(self, i: int) -> Image.Image:
        """The image, decoded, RGB."""
        return Image.open(io.BytesIO(self.image_bytes(i))).convert("RGB")

    def id(self, i: int) -> str:
        """What the source calls the example."""
        return str(self._text("id", i))

    def split(self, i: int) -> str:
        """The example's split; "" when it is in none."""
        return str(self._text("split", i))

    def captions(self, i: int) -> list[str]:
        """The example's captions."""
        return list(self._text("captions", i))

    def languages(self, i: int) -> list[str]:
        """The language of each of the example's captions; "" where it is not said."""
        return list(self._text("languages", i)) or [""] * len(self.captions(i))

    def labels(self, i: int) -> list[str]:
        """The classes that hold."""
        return list(self._text("labels", i))

    def ignored_labels(self, i: int) -> list[str]:
        """The classes that are not to be counted either way."""
        return list(self._text("ignored_labels", i))

    def boxes(self, i: int) -> list[Box]:
        """Named objects and where they are, in fractions of the image."""
        return [Box(**box) for box in self._text("boxes", i)]

    def article(self, i: int) -> str | None:
        """The longer text that the image stands in."""
        article = self._text("article", i)
        return None if article is None else str(article)

    def caption_iter(self, indices: Iterable[int], language: str | None = None) -> Iterator[tuple[int, int, str]]:
        """Yield (example, number of the caption in it, text) for every caption of the given examples.

        Args:
            indices: The examples.
            language: Only captions in this language; their numbers are those they have among all of the example's.

        Raises:
            InputError: When the corpus has no captions in this language.
        """
        if language is not None and not self.language_names:
            what = f"does not say which of its captions are in the language {language!r}"
            raise InputError(
                what, where=self.path, mend=f"build it with their languages ({setting('language')}, or a column)"
            )
        if language is not None and language not in self.language_names:
            raise unknown("language", language, self.language_names, where=self.path)
        return self._captions(indices, language)

    def _captions(self, indices: Iterable[int], language: str | None) -> Iterator[tuple[int, int, str]]:
        for i in map(int, indices):
            wanted = None if language is None else self.languages(i)
            for number, text in enumerate(self.captions(i)):
                if wanted is None or wanted[number] == language:
                    yield i, number, text

    def _text(self, column: str, i: int) -> Any:
        return self._texts.cell(column, self._checked(i)).as_py()

    def _place(self, i: int) -> tuple[Rows, int]:
        i = self._checked(i)
        k = bisect_right(self._ends, i)
        if k not in self._shards:
            self._shards[k] = self._rows(self.info["shards"][k], _WITHOUT_CHECKSUM, whole=False)
        return self._shards[k], i - (self._ends[k - 1] if k else 0)

    def _rows(self, file: dict[str, Any], schema: pa.Schema, *, whole: bool) -> Rows:
        """Map a file, and see to it that it is of the corpus that was opened: by now the folder may hold another."""
        path = self.path / file["file"]
        try:
            rows = Rows(path, schema, file.get("checksums", ""), whole=whole)
        except InputError:
            # Of a folder that was replaced, nothing fits what is known of the old one.
            self._check_replaced()
            raise
        self._check_replaced()
        if len(rows) != file["rows"]:
            raise InputError(f"holds {len(rows):,} rows", where=path, expected=f"{file['rows']:,}")
        return rows

    def _check_replaced(self) -> None:
        """Raise when the folder holds another corpus than when it was opened."""
        if _identity(self.path) == self._seen:
            return
        try:
            info = _read_info(self.path, self.path)
        except InputError:
            info = {}
        if info.get("fingerprint") != self.fingerprint:
            raise _replaced(self.path)

    def _checked(self, i: int) -> int:
        i = int(i)
        if not 0 <= i < len(self):
            raise IndexError(f"example {i} of a corpus of {len(self)}")
        return i


def _opened_again(path: Path, fingerprint: str) -> Corpus:
    """The corpus as another process had it open."""
    corpus = Corpus.open(path)
    if corpus.fingerprint != fingerprint:
        raise _replaced(path)
    return corpus


def _replaced(path: Path) -> InputError:
    what = "was replaced or removed since it was opened"
    return InputError(what, where=path, mend="run the same command again, and leave the folder alone until it ends")


def _identity(folder: Path) -> tuple[int, int, int, int] | None:
    """What tells that ``corpus.json`` is still the same file."""
    try:
        found = (folder / "corpus.json").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _read_info(folder: Path, said: Path | str) -> dict[str, Any]:
    """What ``corpus.json`` holds; ``said`` is the folder as a person wrote it."""
    try:
        info = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            "is not a corpus (it holds no corpus.json)",
            where=said,
            mend="make one with: wordsight corpus build READER ... --out FOLDER",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"can't be read ({error})", where=folder / "corpus.json") from error
    return info if isinstance(info, dict) else {}


def _check_files(folder: Path, info: dict[str, Any]) -> None:
    """A corpus that was copied halfway is told from a whole one by the sizes of its files."""
    for file in [*info["shards"], info["captions"]]:
        place = folder / file["file"]
        size = place.stat().st_size if place.is_file() else None
        if size != file["bytes"]:
            found = "is absent" if size is None else f"has {size:,} bytes"
            raise InputError(found, where=place, expected=f"{file['bytes']:,} bytes", mend="copy or build it again")
