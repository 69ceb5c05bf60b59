"""Images that a run was trained on are known again by the hash of their pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.corpus.build import BuildSettings
from wordsight.corpus.known_images import FILE, KnownImages
from wordsight.errors import InputError


class _Photos:
    """Noise of a given size, as JPEG."""

    def __init__(self, folder: Path, count: int, side: int) -> None:
        self.files = []
        for i in range(count):
            pixels = np.random.default_rng(i).integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8)
            file = folder / f"{side}-{i}.jpg"
            Image.fromarray(pixels).resize((side, side)).save(file, quality=90)
            self.files.append(file)

    def __iter__(self):  # type: ignore[no-untyped-def]
        yield from (Example(file.name, file, captions=("a photo of some noise",)) for file in self.files)

    def sources(self) -> list[str]:
        return ["a test"]

    def label_names(self) -> list[str]:
        return []


def _corpus(photos: _Photos, out: Path, side: int = 32) -> Corpus:
    return build_corpus(photos, out, BuildSettings(shorter_side=side))


# 32 px are kept as they are, 96 are shrunk, 400 are decoded at half their size first.
@pytest.mark.parametrize("side", [32, 96, 400])
def test_files_are_known_by_what_a_corpus_made_of_them(tmp_path: Path, side: int) -> None:
    photos = _Photos(tmp_path, 6, side)
    corpus = _corpus(photos, tmp_path / "c")
    known = KnownImages.of(corpus, [0, 2, 3])
    assert (len(known), known.shorter_side) == (3, 32)
    asked: list[Path | bytes | memoryview] = [
        *photos.files,
        photos.files[2].read_bytes(),
        memoryview(photos.files[1].read_bytes()),
    ]
    expected = [True, False, True, True, False, False, True, False]
    assert known.hold(known.hashes_of(asked)).tolist() == expected
    coded = io.BytesIO()
    Image.open(photos.files[0]).save(coded, "PNG")
    if side < 400:
        assert known.hold(known.hashes_of([coded.getvalue()])).all(), "the same picture in another file"


def test_known_images_are_kept_without_their_corpus(tmp_path: Path) -> None:
    known = KnownImages.of(_corpus(_Photos(tmp_path, 5, 32), tmp_path / "c"), range(5))
    assert KnownImages.read(tmp_path) is None
    known.write(tmp_path)
    again = KnownImages.read(tmp_path)
    assert again is not None
    assert (again.hashes.tolist(), again.shorter_side) == (known.hashes.tolist(), 32)
    assert (tmp_path / FILE).stat().st_size < 400
    none = KnownImages(np.zeros(0, np.uint64), 32)
    assert not none.hold(["", "ff" * 16]).any()
    (tmp_path / FILE).write_bytes(b"{}")
    with pytest.raises(InputError, match=f"{FILE} can't be read"):
        KnownImages.read(tmp_path)


def test_what_is_no_image_is_known_by_nothing(tmp_path: Path) -> None:
    known = KnownImages.of(_corpus(_Photos(tmp_path, 2, 32), tmp_path / "c"), range(2))
    assert known.hashes_of([b"text", tmp_path / "absent.jpg"]) == ["", ""]
    assert not known.hold(["", ""]).any()
