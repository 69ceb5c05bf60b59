"""Captions that many images share are left out where a person asks for it, and counted; without that all stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import wordsight
from tests.conftest import Captions
from tests.objectives.towers import SETTINGS
from wordsight.corpus import Corpus, build_corpus
from wordsight.corpus.build import BuildSettings
from wordsight.corpus.readers.folder import Folder
from wordsight.corpus.readers.table import Table
from wordsight.corpus.show import describe

ALTS = [
    ("Click to enlarge!", "a red bicycle"),
    ("click to ENLARGE!", "a blue kettle"),
    ("click to enlarge!",),
    ("a green chair", "a red bicycle"),
]


def built(folder: Path, most: int, **more: object) -> Corpus:
    reader = Captions(folder / "images", ALTS, [""] * len(ALTS), **more)  # type: ignore[arg-type]
    return build_corpus(reader, folder / f"corpus-{most}", BuildSettings(max_caption_images=most))


def captions(corpus: Corpus) -> list[tuple[str, ...]]:
    return [tuple(corpus.captions(image)) for image in range(len(corpus))]


def test_a_caption_of_more_images_than_asked_is_left_out_whatever_its_capitals(tmp_path: Path) -> None:
    assert captions(built(tmp_path, 2)) == [
        ("a red bicycle",),
        ("a blue kettle",),
        (),
        ("a green chair", "a red bicycle"),
    ]
    assert captions(built(tmp_path, 1)) == [(), ("a blue kettle",), (), ("a green chair",)]


def test_by_default_all_stay(tmp_path: Path) -> None:
    corpus = built(tmp_path, 0)
    assert captions(corpus) == [tuple(each) for each in ALTS]
    assert corpus.fingerprint == built(tmp_path, 5).fingerprint, "what leaves nothing out changes nothing"


def test_they_are_counted_with_the_setting_that_keeps_them_and_listed(tmp_path: Path) -> None:
    corpus = built(tmp_path, 2)
    assert "left out: caption of many images (3 captions, more than max_caption_images=2)" in describe(corpus).counted()
    lines = (corpus.path / "rejected.csv").read_text("utf-8").splitlines()
    assert lines[1] == "0.png,caption,caption of many images,3 images: Click to enlarge!"


def test_languages_of_the_others_stay_beside_them(tmp_path: Path) -> None:
    corpus = built(tmp_path, 2, languages=[("en", "fr"), ("en", "en"), ("en",), ("en", "de")])
    assert [corpus.languages(image) for image in range(4)] == [["fr"], ["en"], [], ["en", "de"]]


def test_copies_of_a_picture_count_once(tmp_path: Path) -> None:
    """The same picture on three pages has its text once; another picture with that text makes two."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, shade in (("a", 10), ("b", 10), ("c", 10), ("d", 200)):
        Image.fromarray(np.full((16, 16, 3), shade, np.uint8)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("buy it here now\n", "utf-8")
    kept = build_corpus(Folder(folder), tmp_path / "two", BuildSettings(max_caption_images=2))
    assert len(kept) == 2 and all(captions(kept))
    assert not any(captions(build_corpus(Folder(folder), tmp_path / "one", BuildSettings(max_caption_images=1))))


def test_align_is_trained_on_raw_alt_texts_of_a_table(tmp_path: Path) -> None:
    noise, rows = np.random.default_rng(0), ["file\talt"]
    (tmp_path / "images").mkdir()
    for number in range(24):
        Image.fromarray(noise.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{number}.png")
        rows.append(f"{number}.png\t{'Image may be sold' if number % 3 == 0 else f'bag number {number} left'}")
    (tmp_path / "alts.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    reader = Table(tmp_path / "alts.tsv", image="file", caption="alt", images=tmp_path / "images")
    corpus = build_corpus(reader, tmp_path / "corpus", BuildSettings(max_caption_images=5))
    assert sum(map(len, captions(corpus))) == 16
    settings = replace(SETTINGS, objective="align", epochs=1)
    run = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
    assert run.info.examples == 16, "images without a text are passed over"
