"""The other layouts of Hugging Face: tables of the hub, saved datasets, class folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.huggingface import HuggingFace
from wordsight.errors import InputError

LABEL = {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}


def rows(encoded: Callable[..., bytes], *numbers: int) -> pa.Table:
    image = [{"bytes": encoded(k), "path": f"{k}.jpg"} for k in numbers]
    return pa.table({"image": image, "caption": [f"picture {k}" for k in numbers], "label": [k % 2 for k in numbers]})


def saved(folder: Path, state: dict[str, Any], *tables: pa.Table) -> None:
    folder.mkdir(parents=True)
    names = [f"data-{k:05d}-of-{len(tables):05d}.arrow" for k in range(len(tables))]
    for name, table in zip(names, tables, strict=True):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names], **state}))
    (folder / "dataset_info.json").write_text(json.dumps(LABEL))


def examples(reader: HuggingFace) -> list[Example]:
    return [item for item in reader if isinstance(item, Example)]


def test_a_repository_of_the_hub_is_its_tables(encoded: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("# A dataset")
    for split, number in (("train-00000-of-00001", 0), ("validation-00000-of-00001", 1)):
        pq.write_table(rows(encoded, number), tmp_path / "data" / f"{split}.parquet")
    assert [(item.captions, item.split) for item in examples(HuggingFace(tmp_path))] == [
        (("picture 0",), "train"),
        (("picture 1",), "validation"),
    ]


def test_a_saved_dataset_is_read_in_its_order(encoded: Callable[..., bytes], tmp_path: Path) -> None:
    saved(tmp_path / "saved", {"_split": "train"}, rows(encoded, 5, 6), rows(encoded, 7))
    found = examples(HuggingFace(tmp_path / "saved"))
    assert [(item.captions[0], item.labels, item.split) for item in found] == [
        ("picture 5", ("dog",), "train"),
        ("picture 6", ("cat",), "train"),
        ("picture 7", ("dog",), "train"),
    ]
    assert build_corpus(HuggingFace(tmp_path / "saved"), tmp_path / "corpus").label_names == ["cat", "dog"]


def test_a_saved_dictionary_of_datasets_has_its_splits(encoded: Callable[..., bytes], tmp_path: Path) -> None:
    for k, split in enumerate(("train", "test", "dogs")):
        saved(tmp_path / split, {}, rows(encoded, k))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test", "dogs"]}')
    assert [item.split for item in examples(HuggingFace(tmp_path))] == ["train", "test", "dogs"]


def test_a_saved_dataset_that_is_not_whole_is_one_line(encoded: Callable[..., bytes], tmp_path: Path) -> None:
    saved(tmp_path / "chosen", {"_indices_data_files": [{"filename": "i.arrow"}]}, rows(encoded, 0))
    with pytest.raises(InputError, match=r"chosen by a file of indices; flatten_indices\(\) it"):
        list(HuggingFace(tmp_path / "chosen"))
    saved(tmp_path / "lost", {}, rows(encoded, 0))
    next((tmp_path / "lost").glob("*.arrow")).unlink()
    with pytest.raises(InputError, match="lacks the file 'data-00000-of-00001.arrow'"):
        list(HuggingFace(tmp_path / "lost"))


def test_class_folders_beside_metadata_are_labels_and_images_without_a_row_are_counted(
    photo: Callable[..., Path], tmp_path: Path
) -> None:
    for k, name in enumerate(("train/cat/1.jpg", "train/dog/2.jpg", "test/cat/3.jpg", "train/dog/4.jpg")):
        photo(tmp_path / name, k)
    (tmp_path / "train" / "metadata.csv").write_text("file_name,text\ncat/1.jpg,a cat\ndog/2.jpg,a dog\n")
    (tmp_path / "test" / "metadata.csv").write_text("file_name,text\ncat/3.jpg,a big cat\n")
    reader = HuggingFace(tmp_path)
    assert [(item.id, item.labels, item.split) for item in examples(reader)] == [
        ("test/cat/3.jpg", ("cat",), "test"),
        ("train/cat/1.jpg", ("cat",), "train"),
        ("train/dog/2.jpg", ("dog",), "train"),
    ]
    corpus = build_corpus(reader, tmp_path / "corpus")
    assert corpus.info["counts"]["unread"] == {"images without a row": 1}
    (tmp_path / "train" / "metadata.csv").write_text("file_name,text,label\ncat/1.jpg,a cat,x\ndog/2.jpg,a dog,\n")
    assert [item.labels for item in examples(reader)] == [("cat",), ("x",), ()]


def test_a_single_folder_of_images_beside_metadata_is_no_class(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "images" / "1.jpg")
    (tmp_path / "metadata.csv").write_text("file_name,text\nimages/1.jpg,a cat\n")
    assert examples(HuggingFace(tmp_path))[0].labels == ()


def test_images_alone_are_class_folders(photo: Callable[..., Path], tmp_path: Path) -> None:
    photo(tmp_path / "train" / "cat" / "1.jpg")
    assert examples(HuggingFace(tmp_path)) == [
        Example("train/cat/1.jpg", tmp_path / "train/cat/1.jpg", labels=("cat",), split="train")
    ]


def test_a_rejected_row_keeps_its_folder(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "metadata.csv").write_text("file_name,text\n1.jpg,a cat, sits\n")
    assert [item.id for item in HuggingFace(tmp_path) if isinstance(item, Rejected)] == ["train/row 2"]
