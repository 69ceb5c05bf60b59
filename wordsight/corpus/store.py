"""The corpus on disk: examples checked, cleaned and packed; memory-mapped, opened in milliseconds whatever its size.

``corpus.json``       sources, fingerprint, counts, settings, version, splits, label names, shards
``images-*.arrow``    image (JPEG bytes), width, height, hash, id of the file that the bytes came from
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
from wordsight.corpus.splits import ALL, UnknownSplit, chosen_splits
from wordsight.errors import InputError, unknown

FORMAT_VERSION = 2

IMAGE_SCHEMA = pa.schema(
    [
        ("image", pa.large_binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("hash", pa.string()),
        ("id", pa.string()),
    ]
)
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


class Rows:
    """The record batches of one Arrow IPC file, mapped; a row is found by its number."""

    def __init__(self, path: Path) -> None:
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            self.batches: list[pa.RecordBatch] = [reader.get_batch(k) for k in range(reader.num_record_batches)]
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                f"can't be read ({error})", where=path, mend="build the corpus again, or copy it again"
            ) from error
        self.starts = np.cumsum([0] + [batch.num_rows for batch in self.batches]).tolist()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches:
            yield from batch.to_pylist()

    def __getitem__(self, row: int) -> dict[str, Any]:
        k = bisect_right(self.starts, row) - 1
        found: dict[str, Any] = self.batches[k].slice(row - self.starts[k], 1).to_pylist()[0]
        return found

    def close(self) -> None:
        """Let go of the file."""
        self.batches = []

    def cell(self, column: str, row: int) -> pa.Scalar:
        k = bisect_right(self.starts, row) - 1
        return self.batches[k].column(column)[row - self.starts[k]]

    def column(self, name: str) -> pa.ChunkedArray:
        return pa.chunked_array([batch.column(name) for batch in self.batches])


class Corpus:
    """Examples on disk. Open one with :meth:`open`; it can be sent to other processes, which map the same pages.

    Attributes:
        path: The corpus folder.
        info: What ``corpus.json`` holds.
        fingerprint: A hash of the contents; the same source and settings give the same one.
        splits: Names of the splits, and how many examples each has; empty when the source has none.
        language_names: Languages of the captions, and how many captions each has; empty where none is said.
        label_names: Every class of the corpus.
    """

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path, self.info = path, info
        self.fingerprint: str = info["fingerprint"]
        self.splits: dict[str, int] = info["splits"]
        self.language_names: dict[str, int] = info["languages"]
        self.label_names: list[str] = info["label_names"]
        self._ends = np.cumsum([shard["rows"] for shard in info["shards"]]).tolist()
        self._shards: dict[int, Rows] = {}
        self._texts = Rows(path / "captions.arrow")

    @classmethod
    def open(cls, path: Path | str) -> Corpus:
        """Open a corpus folder.

        Raises:
            InputError: When the folder is no corpus, was written by another version, or is incomplete.
        """
        folder = Path(path).absolute()
        try:
            info = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                "is no corpus (it holds no corpus.json)",
                where=path,
                mend="make one with: wordsight corpus build READER ... --out FOLDER",
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(f"can't be read ({error})", where=folder / "corpus.json") from error
        version = info.get("version") if isinstance(info, dict) else None
        if version != FORMAT_VERSION:
            raise InputError(
                f"corpus of version {version}",
                where=path,
                expected=f"version {FORMAT_VERSION}",
                mend="build it again with this wordsight",
            )
        try:
            _check_files(folder, info)
            return cls(folder, info)
        except (KeyError, TypeError) as error:
            raise InputError(f"is damaged ({error})", where=folder / "corpus.json", mend="build it again") from error

    def __reduce__(self) -> tuple[Callable[[Path], Corpus], tuple[Path]]:
        return Corpus.open, (self.path,)

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
        """The JPEG bytes of an image, where they lie on disk: nothing is copied."""
        shard, row = self._place(i)
        return memoryview(shard.cell("image", row).as_buffer())

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
            raise InputError(what, where=self.path, mend="build it with their languages (--language, or a column)")
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
            self._shards[k] = Rows(self.path / self.info["shards"][k]["file"])
        return self._shards[k], i - (self._ends[k - 1] if k else 0)

    def _checked(self, i: int) -> int:
        i = int(i)
        if not 0 <= i < len(self):
            raise IndexError(f"example {i} of a corpus of {len(self)}")
        return i


def _check_files(folder: Path, info: dict[str, Any]) -> None:
    """A corpus that was copied halfway is told from a whole one by the sizes of its files."""
    for file in [*info["shards"], info["captions"]]:
        place = folder / file["file"]
        size = place.stat().st_size if place.is_file() else None
        if size != file["bytes"]:
            found = "is absent" if size is None else f"has {size:,} bytes"
            raise InputError(found, where=place, expected=f"{file['bytes']:,} bytes", mend="copy or build it again")
