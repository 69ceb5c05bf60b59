"""An imagefolder with its metadata: which image a row is of, and which column holds what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.huggingface import HuggingFace
from wordsight.errors import InputError


def jsonl(path: Path, *rows: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_split_folders_hold_their_own_metadata(photo: Callable[..., Path], tmp_path: Path) -> None:
    jsonl(tmp_path / "train" / "metadata.jsonl", {"file_name": "1.jpg", "text": "a dog runs"})
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "metadata.csv").write_text("file_name,text,label\nin/2.jpg,a cat sits,cat\n")
    assert list(HuggingFace(tmp_path)) == [
        Example("test/in/2.jpg", tmp_path / "test" / "in" / "2.jpg", ("a cat sits",), ("cat",), split="test"),
        Example("train/1.jpg", tmp_path / "train" / "1.jpg", ("a dog runs",), split="train"),
    ]
    photo(tmp_path / "train" / "1.jpg", 1)
    photo(tmp_path / "test" / "in" / "2.jpg", 2)
    assert build_corpus(HuggingFace(tmp_path), tmp_path / "corpus").splits == {"test": 1, "train": 1}


def test_metadata_on_top_may_name_files_in_split_folders(tmp_path: Path) -> None:
    jsonl(
        tmp_path / "metadata.jsonl",
        {"file_name": "train/1.jpg", "captions": ["a dog runs", "a dog"]},
        {"file_name": "2.jpg", "captions": []},
    )
    assert list(HuggingFace(tmp_path)) == [
        Example("train/1.jpg", tmp_path / "train" / "1.jpg", ("a dog runs", "a dog"), split="train"),
        Example("2.jpg", tmp_path / "2.jpg", ("",)),
    ]


def test_columns_can_be_named(tmp_path: Path) -> None:
    jsonl(tmp_path / "metadata.jsonl", {"file_name": "1.jpg", "prompt": "a dog runs", "style": "photo"})
    found = list(HuggingFace(tmp_path, caption="prompt", label="style"))
    assert found == [Example("1.jpg", tmp_path / "1.jpg", ("a dog runs",), ("photo",))]


def test_names_that_lead_out_are_left_out(tmp_path: Path) -> None:
    jsonl(tmp_path / "train" / "metadata.jsonl", {"file_name": "../../1.jpg", "text": "a dog runs"})
    assert [each.reason for each in HuggingFace(tmp_path) if isinstance(each, Rejected)] == ["outside the folder"]


def test_what_is_no_imagefolder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        list(HuggingFace(tmp_path / "none"))
    with pytest.raises(InputError, match=r"holds no metadata.jsonl.*'folder'"):
        list(HuggingFace(tmp_path))
    jsonl(tmp_path / "metadata.jsonl", {"name": "1.jpg", "text": "a dog runs"})
    with pytest.raises(
        InputError, match=r"metadata.jsonl: unknown image column 'file_name'; expected one of: name, text"
    ):
        list(HuggingFace(tmp_path))
    (tmp_path / "metadata.csv").write_text("file_name,text\n")
    with pytest.raises(InputError, match="more than one metadata file"):
        list(HuggingFace(tmp_path))
