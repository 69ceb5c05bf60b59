"""An open corpus: images, captions and splits as they were stored; damage is found."""

from __future__ import annotations

import gc
import json
import pickle
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.show import describe
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError


@pytest.fixture
def corpus(coco: Callable[..., tuple[Path, Path]], tmp_path: Path) -> Corpus:
    return build_corpus(Coco(*coco(12)), tmp_path / "corpora" / "numbers")


def test_a_corpus_has_its_folder_for_a_name(corpus: Corpus) -> None:
    assert corpus.name == "numbers"
    assert Corpus.open(str(corpus.path)).fingerprint == corpus.fingerprint


def test_indices_are_those_of_the_split(corpus: Corpus) -> None:
    assert corpus.indices("test").tolist() == [0, 4, 8]
    assert corpus.indices("test").dtype == np.int64
    assert corpus.indices("train").tolist() == [1, 2, 3, 5, 6, 7, 9, 10, 11]
    assert corpus.indices().tolist() == corpus.indices("all").tolist() == list(range(12))


def test_an_unknown_split_names_the_ones_there_are(corpus: Corpus) -> None:
    with pytest.raises(
        InputError, match="unknown split 'tset'; expected one of: test, train, all; did you mean 'test'"
    ):
        corpus.indices("tset")
    with pytest.raises(InputError, match="unknown split 'val'"):
        corpus.default_split("val")
    assert corpus.default_split("train") == "train"
    assert corpus.default_split("all") == "all"


def test_without_splits_the_default_is_everything(
    encoded: Callable[..., bytes], listed: Callable[..., Coco], tmp_path: Path
) -> None:
    corpus = build_corpus(listed(Example("a", encoded(1)), Example("b", encoded(2), split="all")), tmp_path / "c")
    assert corpus.splits == {}
    assert corpus.default_split("train") == "all"


def test_image_bytes_lie_in_the_mapped_file(corpus: Corpus, encoded: Callable[..., bytes]) -> None:
    before = pa.total_allocated_bytes()
    views = [corpus.image_bytes(i) for i in range(12)]
    assert pa.total_allocated_bytes() == before
    assert all(bytes(view) == encoded(i) for i, view in enumerate(views))
    del corpus
    gc.collect()
    assert bytes(views[5]) == encoded(5)  # a view keeps the file mapped


def test_images_are_rgb_and_of_the_size_stated(corpus: Corpus) -> None:
    for i in (0, 11):
        image = corpus.image(i)
        assert isinstance(image, Image.Image)
        assert image.mode == "RGB"
        assert image.size == corpus.image_size(i) == (48, 36)


def test_captions_come_in_order_with_their_numbers(corpus: Corpus) -> None:
    found = list(corpus.caption_iter(np.array([3, 1])))
    assert [(i, number) for i, number, _ in found] == [(3, 0), (3, 1), (1, 0), (1, 1)]
    assert found[2][2] == "a picture with the number 1 ."


def test_captions_can_be_asked_for_by_language_and_keep_their_numbers(
    encoded: Callable[..., bytes], listed: Callable[..., Coco], tmp_path: Path
) -> None:
    reader = listed(
        Example("a", encoded(1), ("a dog runs", "ein Hund rennt", "two dogs run"), languages=("en", "de", "en")),
        Example("b", encoded(2), ("a cat sits",)),
        Example("c", encoded(3), ("kurz", "eine Katze sitzt", "a cat again"), languages=("de", "de", "")),
    )
    corpus = Corpus.open(build_corpus(reader, tmp_path / "c").path)
    assert corpus.language_names == corpus.info["languages"] == {"en": 2, "de": 2}
    assert [corpus.languages(i) for i in range(3)] == [["en", "de", "en"], [""], ["de", ""]]
    assert list(corpus.caption_iter([2, 0], "de")) == [(2, 0, "eine Katze sitzt"), (0, 1, "ein Hund rennt")]
    assert list(corpus.caption_iter([0], "en")) == [(0, 0, "a dog runs"), (0, 2, "two dogs run")]
    assert len(list(corpus.caption_iter(corpus.indices()))) == 6
    with pytest.raises(InputError, match="unknown language 'fr'; expected one of: en, de"):
        corpus.caption_iter([0], "fr")


def test_a_corpus_that_names_no_language_says_how_to_name_them(corpus: Corpus) -> None:
    assert corpus.language_names == {}
    assert corpus.languages(0) == ["", ""]
    with pytest.raises(InputError, match=r"does not say which .* language 'de'; build it with their languages"):
        corpus.caption_iter([0], "de")


def test_a_number_outside_the_corpus_is_an_index_error(corpus: Corpus) -> None:
    for i in (-1, 12):
        with pytest.raises(IndexError):
            corpus.id(i)
        with pytest.raises(IndexError):
            corpus.image_bytes(i)


def test_a_corpus_travels_to_another_process_by_its_path(corpus: Corpus) -> None:
    sent = pickle.dumps(corpus)
    assert len(sent) < 500
    assert pickle.loads(sent).captions(7) == corpus.captions(7)


def test_opening_takes_milliseconds(corpus: Corpus) -> None:
    def seconds() -> float:
        start = time.perf_counter()
        Corpus.open(corpus.path)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.02


def test_what_is_no_corpus_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a corpus .*wordsight corpus build"):
        Corpus.open(tmp_path)
    with pytest.raises(InputError, match="is not a corpus"):
        Corpus.open(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a corpus"):
        Corpus.open(tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "can't be read"),
        ("[]", "corpus of version None"),
        ('{"version": 1}', "corpus of version 1; expected version 2; build it again with this wordsight"),
    ],
)
def test_a_strange_corpus_json_is_one_line(text: str, what: str, corpus: Corpus) -> None:
    (corpus.path / "corpus.json").write_text(text)
    with pytest.raises(InputError, match=what):
        Corpus.open(corpus.path)


_TOP = ["fingerprint", "sources", "settings", "splits", "languages", "label_names", "shards", "captions", "counts"]
_COUNTS = [f"counts.{name}" for name in ("captions", "boxes", "rejected", "rejected_units", "unread")]
_FILES = [f"captions.{name}" for name in ("file", "rows", "bytes", "checksums")]


@pytest.mark.parametrize("place", [*_TOP, *_COUNTS, *_FILES])
def test_a_corpus_json_with_values_of_other_types_is_one_line_or_can_be_shown(place: str, corpus: Corpus) -> None:
    file = corpus.path / "corpus.json"
    whole = file.read_text()
    *above, name = place.split(".")
    for value in (7, -1, 0.5, "text", None, True, [], {}, [7], {"a": "b"}, {"file": "../x", "rows": 1, "bytes": 1}):
        info, said = json.loads(whole), ""
        (info[above[0]] if above else info)[name] = value
        file.write_text(json.dumps(info))
        try:
            str(describe(Corpus.open(corpus.path)))
        except InputError as error:
            said = str(error)
        assert not said or (str(corpus.path) in said and len(said) < 1_000)


def test_a_corpus_json_with_parts_missing_is_damaged(corpus: Corpus) -> None:
    info = json.loads((corpus.path / "corpus.json").read_text())
    del info["shards"]
    (corpus.path / "corpus.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="is damaged"):
        Corpus.open(corpus.path)


def test_a_corpus_copied_halfway_is_told_from_a_whole_one(corpus: Corpus, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(corpus.path, copy)
    images = copy / "images-00000.arrow"
    images.write_bytes(images.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"images-00000.arrow has [\d,]+ bytes; expected [\d,]+ bytes"):
        Corpus.open(copy)
    images.unlink()
    with pytest.raises(InputError, match=r"images-00000.arrow is absent"):
        Corpus.open(copy)


def test_damage_inside_a_file_is_one_line(corpus: Corpus) -> None:
    file = corpus.path / "captions.arrow"
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(InputError, match=r"captions.arrow can't be read"):
        Corpus.open(corpus.path)


OPENS_AGAIN = """
import sys
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
import pickle
try:
    pickle.loads(bytes.fromhex(sys.argv[1])).captions(0)
except InputError as error:
    sys.exit(str(error))
"""


def another(corpus: Corpus, encoded: Callable[..., bytes], listed: Callable[..., Coco], captions: str) -> None:
    """Put another corpus in the place of one."""
    examples = [Example(f"{i}", encoded(100 + i), captions=(f"{captions} {i} .",)) for i in range(12)]
    build_corpus(listed(*examples), corpus.path, overwrite=True)


def test_an_open_corpus_that_is_replaced_never_gives_old_captions_with_new_images(
    corpus: Corpus, encoded: Callable[..., bytes], listed: Callable[..., Coco]
) -> None:
    opened = Corpus.open(corpus.path)
    opened.image(0)
    fresh, sent = Corpus.open(corpus.path), pickle.dumps(corpus).hex()
    another(corpus, encoded, listed, "another picture with the number")
    assert bytes(opened.image_bytes(5)) == encoded(5), "what was mapped before is the old corpus, whole"
    for ask in (fresh.image_bytes, fresh.image_size, fresh.image_hash, fresh.image):
        with pytest.raises(InputError, match="was replaced or removed since it was opened"):
            ask(0)
    done = subprocess.run([sys.executable, "-c", OPENS_AGAIN, sent], capture_output=True, text=True, check=False)
    assert "was replaced or removed since it was opened" in done.stderr


def test_an_open_corpus_that_is_removed_stops(corpus: Corpus) -> None:
    opened = Corpus.open(corpus.path)
    shutil.rmtree(corpus.path)
    with pytest.raises(InputError, match="was replaced or removed since it was opened"):
        opened.image(0)


def test_the_same_corpus_copied_over_is_no_other(corpus: Corpus, tmp_path: Path) -> None:
    opened = Corpus.open(corpus.path)
    shutil.copytree(corpus.path, tmp_path / "copy")
    shutil.rmtree(corpus.path)
    shutil.copytree(tmp_path / "copy", corpus.path)
    assert opened.image(3).size == (48, 36)


def flip(file: Path, word: bytes, by: bytes) -> None:
    assert len(word) == len(by)
    content = file.read_bytes()
    assert word in content
    file.write_bytes(content.replace(word, by, 1))


@pytest.mark.parametrize("by", [b"\xff\xff\xff\xff", b"text"], ids=["not UTF-8", "other text"])
def test_captions_that_are_not_those_that_were_written_are_one_line(corpus: Corpus, by: bytes) -> None:
    flip(corpus.path / "captions.arrow", b"with", by)
    with pytest.raises(InputError, match=r"captions\.arrow is damaged .*build the corpus again, or copy it again"):
        list(Corpus.open(corpus.path).caption_iter(range(12)))


def test_without_checksums_text_that_is_no_text_is_still_one_line(corpus: Corpus) -> None:
    """Corpora that earlier versions built have none."""
    info = json.loads((corpus.path / "corpus.json").read_text())
    for file in [*info["shards"], info["captions"]]:
        del file["checksums"]
    (corpus.path / "corpus.json").write_text(json.dumps(info))
    assert Corpus.open(corpus.path).captions(0)
    flip(corpus.path / "captions.arrow", b"with", b"\xff\xff\xff\xff")
    with pytest.raises(InputError, match="is damaged"):
        Corpus.open(corpus.path).captions(0)


def test_one_damaged_image_is_one_line_and_the_others_are_read(corpus: Corpus, encoded: Callable[..., bytes]) -> None:
    image = encoded(4)
    flip(corpus.path / "images-00000.arrow", image, image[:-9] + b"another!" + image[-1:])
    opened = Corpus.open(corpus.path)
    assert bytes(opened.image_bytes(3)) == encoded(3)
    with pytest.raises(InputError, match=r"images-00000\.arrow: image 4 is damaged"):
        opened.image(4)


def test_no_flipped_byte_of_the_captions_goes_unseen(corpus: Corpus) -> None:
    """Wherever it is: in the text, in what says where texts end, in the list of batches."""
    file = corpus.path / "captions.arrow"
    whole = file.read_bytes()

    def read() -> list[list[str]]:
        found = Corpus.open(corpus.path)
        return [[*found.captions(i), *found.labels(i), found.id(i), found.split(i)] for i in range(12)]

    for at in random.Random(0).sample(range(len(whole)), 60):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x21]) + whole[at + 1 :])
        with pytest.raises(InputError):
            read()
