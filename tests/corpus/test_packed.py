"""Packed files are read whatever they are called, or said to be unpacked first."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus.json_items import json_content, json_items
from wordsight.corpus.packed import unpacked
from wordsight.errors import InputError

ITEMS = [{"image": "a.jpg", "caption": "café"}, {"image": "b.jpg"}]
TEXT = json.dumps(ITEMS).encode()


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_is_read_whatever_it_is_called(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(pack(TEXT))
    assert json_content(tmp_path / "a.json", "a list") == ITEMS
    assert list(json_items(tmp_path / "a.json", "a list")) == ITEMS


def test_a_zip_of_one_file_is_that_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"in/": b"", "in/a.json": TEXT, "__MACOSX/in/._a.json": b"x"})
    assert json_content(path, "a list") == list(json_items(path, "a list")) == ITEMS


def test_a_zip_of_several_files_is_to_be_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {f"{k}.json": TEXT for k in range(500)})
    with pytest.raises(
        InputError, match=r"a.zip is a zip of 500 files \(0.json, .* \(500 in all\)\); unpack it"
    ) as caught:
        json_content(path, "a list")
    assert len(str(caught.value)) < 300
    with pytest.raises(InputError, match="is an empty zip|can't be read"):
        json_content(zipped(tmp_path / "b.zip", {"in/": b""}), "a list")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_damaged_packing_is_one_line(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    whole = pack(TEXT * 1_000)
    for broken in (whole[: len(whole) // 2], whole[:20] + b"nonsense" * 8 + whole[84:]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"a.json (is damaged or cut off|can't be read)") as caught:
            json_content(path, "a list")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x00", b"\x28\xb5\x2f\xfd"])
def test_other_packings_are_to_be_unpacked(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(start + b"...")
    with pytest.raises(InputError, match=r"is packed \(.*\); unpack it first"), unpacked(tmp_path / "a.json"):
        pass
