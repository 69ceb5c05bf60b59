"""What ``wordsight corpus build`` says when it is done, and when it stops."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.cli import main
from wordsight.corpus import Corpus

LONG = "in this picture there is a tall tower of grey stone beside a narrow road and behind it stand many green trees"


def images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for k in range(count):
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (24, 32, 3), np.uint8)).save(file, "JPEG")
        (folder / f"{k}.jpg").write_bytes(file.getvalue())


def table(folder: Path, captions: list[str], labels: list[str] | None = None) -> Path:
    images(folder, len(captions))
    cells = [[f"{k}.jpg", caption, *(labels[k : k + 1] if labels else [])] for k, caption in enumerate(captions)]
    header = ["image", "caption", *(["label"] if labels else [])]
    (folder / "t.tsv").write_text("".join("\t".join(row) + "\n" for row in [header, *cells]))
    return folder / "t.tsv"


def build(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["corpus", "build", *map(str, words)])
    said = capsys.readouterr()
    return status, said.out + said.err


@pytest.mark.parametrize(
    ("caption", "flag", "mend"),
    [
        (LONG * 2, "more than --max-tokens 25", "raise --max-tokens"),
        ("tower", "fewer than --min-tokens 3", "lower --min-"),
    ],
)
def test_captions_of_a_wrong_length_that_stop_the_build_name_the_flag(
    caption: str, flag: str, mend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = table(tmp_path / "in", [caption if k % 4 == 0 else "a photo of a tower" for k in range(12)])
    status, said = build("table", source, "--out", tmp_path / "c", capsys=capsys)
    assert status == 2
    # An example's reason is what its file says, which names settings alike for everyone.
    reason = flag.replace("--max-tokens", "max_tokens").replace("--min-tokens", "min_tokens")
    assert "can't be used" in said and reason in said and mend in said
    status, said = build("table", source, "--out", tmp_path / "c", "--max-rejected-share", "0.5", capsys=capsys)
    assert status == 0
    assert f"(3 examples, {flag})" in said


def test_a_corpus_that_no_caption_is_left_of_says_so_and_what_it_can_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = table(tmp_path / "in", ["boat", "barn"] * 4, ["sea", "land"] * 4)
    status, said = build("table", source, "--out", tmp_path / "c", capsys=capsys)
    assert status == 0
    assert "no caption is left of 8: caption too short (8 captions, fewer than --min-tokens 3)" in said
    assert f"wordsight evaluate MODEL --task corpus:{tmp_path / 'c'}" in said
    assert "--recipe labels-resnet18-small" in said


def test_images_alone_are_for_an_objective_of_images_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images(tmp_path / "in", 3)
    _, said = build("folder", tmp_path / "in", "--out", tmp_path / "c", capsys=capsys)
    assert "next:" in said and "--recipe rotation-resnet18-small" in said and "no caption is left" not in said
    source = table(tmp_path / "with", ["a photo of a tower"] * 2)
    _, said = build("table", source, "--out", tmp_path / "d", capsys=capsys)
    assert f"or wordsight pretrain --corpus {tmp_path / 'd'} ..." in said


def test_every_source_takes_labels_from_a_table_and_holds_images_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images(tmp_path / "in", 10)
    rows = "".join(f"{k}.jpg,{'odd' if k % 2 else 'even'}\n" for k in range(9))
    (tmp_path / "labels.csv").write_text("image,label\n" + rows)
    shares = ("--test-share", "0.3", "--val-share", "0.2", "--split-seed", "7")
    labels = ("--labels", tmp_path / "labels.csv")
    status, said = build("folder", tmp_path / "in", "--out", tmp_path / "c", *labels, *shares, capsys=capsys)
    assert status == 0
    assert "2 labels; left out: nothing; not read: images not in labels.csv (1 file)" in said
    assert Corpus.open(tmp_path / "c").splits == {"train": 5, "test": 3, "val": 2}
