"""Building a corpus: what it holds, what is left out and why, when the build stops."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from PIL import Image

from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.build import BuildSettings, build_corpus
from wordsight.corpus.example import Box, Example, Rejected
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.readers.folder import Folder
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError

Encoded = Callable[..., bytes]
ListedReader = Callable[..., Any]
ANY_SHARE = BuildSettings(max_rejected_share=1.0)


def rejected(corpus: Corpus) -> list[tuple[str, str, str]]:
    with (corpus.path / "rejected.csv").open(encoding="utf-8", newline="") as file:
        return [(line["id"], line["kind"], line["reason"]) for line in csv.DictReader(file)]


def left_beside(out: Path) -> list[str]:
    """What a build left in the folder of its output, other than the output."""
    return sorted(each.name for each in out.parent.iterdir() if each.name.startswith(("." + out.name, out.name + "-")))


def test_a_corpus_holds_what_the_source_held(
    coco: Callable[..., tuple[Path, Path]], encoded: Encoded, tmp_path: Path
) -> None:
    corpus = build_corpus(Coco(*coco(8)), tmp_path / "corpus")
    assert len(corpus) == 8
    assert corpus.splits == {"test": 2, "train": 6}
    assert corpus.id(3) == "003.jpg"
    assert corpus.captions(3) == ["a picture with the number 3 .", "number 3 in bright colours"]
    assert bytes(corpus.image_bytes(3)) == encoded(3)
    assert rejected(corpus) == []


def test_everything_that_came_with_an_image_is_kept(encoded: Encoded, listed: ListedReader, tmp_path: Path) -> None:
    box = Box("dog", 0.1, 0.2, 0.3, 0.4)
    full = Example(
        "a", encoded(1), ("a dog runs here",), ("dog", "beach"), ("cat",), (box,), "A long text\nof two lines.", "val"
    )
    corpus = build_corpus(listed(full, Example("b", encoded(2)), names=("zebra",)), tmp_path / "corpus")
    assert (corpus.id(0), corpus.split(0), corpus.captions(0)) == ("a", "val", ["a dog runs here"])
    assert (corpus.labels(0), corpus.ignored_labels(0)) == (["dog", "beach"], ["cat"])
    assert corpus.boxes(0) == [box]
    assert corpus.article(0) == "A long text\nof two lines."
    assert (corpus.split(1), corpus.captions(1), corpus.labels(1), corpus.article(1)) == ("", [], [], None)
    assert corpus.label_names == ["beach", "cat", "dog", "zebra"]
    assert corpus.splits == {"val": 1}


def test_bad_examples_are_left_out_counted_and_listed_with_their_reason(
    encoded: Encoded, listed: ListedReader, tmp_path: Path
) -> None:
    reader = listed(
        Example("good", encoded(1), ("a dog runs here",)),
        Example("half", encoded(2, size=(300, 300))[:4000], ("a dog runs here",)),
        Example("text", b"no image", ("a dog runs here",)),
        Example("none", tmp_path / "none.jpg", ("a dog runs here",)),
        Example("large", encoded(3, size=(200, 200)), ("a dog runs here",)),
        Example("empty", encoded(4), ("", "a dog sits here", "too short", "word " * 26, "a dog sits here")),
        Example("wordless", encoded(5), ("", "two words")),
        Example("labelled", encoded(6), ("",), ("dog",)),
        Rejected("row 9", "example", "broken row", "2 cells"),
        Example("good", encoded(7), ("a dog runs here",)),
    )
    corpus = build_corpus(reader, tmp_path / "corpus", BuildSettings(max_rejected_share=0.9, max_pixels=39_000))
    assert [corpus.id(i) for i in range(len(corpus))] == ["good", "empty", "labelled"]
    assert corpus.captions(1) == ["a dog sits here"]
    assert rejected(corpus) == [
        ("half", "image", "too large"),
        ("text", "image", "unreadable"),
        ("none", "image", "absent"),
        ("large", "image", "too large"),
        ("empty", "caption", "empty caption"),
        ("empty", "caption", "caption too short"),
        ("empty", "caption", "caption too long"),
        ("empty", "caption", "repeated caption"),
        ("wordless", "example", "no caption left"),
        ("labelled", "caption", "empty caption"),
        ("row 9", "example", "broken row"),
        ("good", "example", "repeated id"),
    ]
    counts = corpus.info["counts"]
    assert (counts["read"], counts["examples"], counts["bad"], counts["captions"]) == (10, 3, 7, 2)
    assert counts["rejected"]["too large"] == 2


def test_more_than_a_twentieth_of_bad_examples_stops_the_build(
    encoded: Encoded, listed: ListedReader, tmp_path: Path
) -> None:
    good = [Example(f"good {i}", encoded(i), ("a dog runs here",)) for i in range(19)]
    bad = [Example(f"bad {i}", tmp_path / f"none{i}.jpg", ("a dog runs here",)) for i in range(2)]
    out = tmp_path / "corpora" / "x"
    assert len(build_corpus(listed(*good, bad[0]), out)) == 19
    with pytest.raises(
        InputError, match=r"2 of 21 examples can't be used: 2 absent \(such as bad 0: no file"
    ) as caught:
        build_corpus(listed(*good, *bad), out, overwrite=True)
    assert "at most 5 % bad ones" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(Corpus.open(out)) == 19
    assert left_beside(out) == ["x-rejected.csv"]
    assert "bad 1,image,absent" in (tmp_path / "corpora" / "x-rejected.csv").read_text()
    build_corpus(listed(*good), out, overwrite=True)
    assert left_beside(out) == []


def test_a_captions_file_with_the_wrong_folder_is_found_out_early(
    coco: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    captions, _ = coco(200)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"11 of the first 11 examples \(of 200\) can't be used: 11 absent"):
        build_corpus(Coco(captions, tmp_path / "empty"), tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_lost_captions_and_duplicates_do_not_stop_the_build(
    encoded: Encoded, listed: ListedReader, tmp_path: Path
) -> None:
    same = [Example(f"e{i}", encoded(1), ("too short", f"a dog with number {i}")) for i in range(10)]
    corpus = build_corpus(listed(*same), tmp_path / "corpus")
    assert len(corpus) == 1
    assert corpus.captions(0) == [f"a dog with number {i}" for i in range(10)]
    assert corpus.info["counts"]["rejected"] == {"caption too short": 10, "duplicate": 9}


def test_the_same_picture_in_train_and_test_stays_in_test(
    encoded: Encoded, listed: ListedReader, tmp_path: Path
) -> None:
    reader = listed(
        Example("a", encoded(1), ("a dog in train",), split="train"),
        Example("b", encoded(2), ("a cat in train",), split="train"),
        Example("c", encoded(1), ("a dog in test",), split="test"),
        Example("d", encoded(2), ("another cat in train",), split="train"),
    )
    corpus = build_corpus(reader, tmp_path / "corpus")
    assert {(corpus.id(i), corpus.split(i), *corpus.captions(i)) for i in range(len(corpus))} == {
        ("c", "test", "a dog in test"),
        ("b", "train", "a cat in train", "another cat in train"),
    }
    assert corpus.splits == {"test": 1, "train": 1}
    assert bytes(corpus.image_bytes(0)) == encoded(1)
    assert rejected(corpus) == [("a", "image", "duplicate"), ("d", "image", "duplicate")]


def test_an_existing_folder_is_replaced_only_when_told(coco: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    first = build_corpus(Coco(*coco(4)), out).fingerprint
    with pytest.raises(InputError, match=r"exists already.*overwrite=True"):
        build_corpus(Coco(*coco(5)), out)
    assert Corpus.open(out).fingerprint == first
    assert len(build_corpus(Coco(*coco(5)), out, overwrite=True)) == 5
    assert left_beside(out) == []


def test_overwrite_never_replaces_what_is_no_corpus(coco: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    captions, images = coco(4)
    with pytest.raises(InputError, match="no corpus"):
        build_corpus(Coco(captions, images), images.parent, overwrite=True)
    assert captions.is_file()
    assert len(list(images.iterdir())) == 4


def test_the_fingerprint_is_that_of_the_contents(coco: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    source, other = Coco(*coco(40)), Coco(*coco(40, folder="copy"))
    prints = [
        build_corpus(source, tmp_path / f"c{threads}", BuildSettings(threads=threads)).fingerprint
        for threads in (1, 2, 7)
    ]
    assert len({*prints, build_corpus(other, tmp_path / "other").fingerprint}) == 1
    content = json.loads(source.captions.read_text())
    content["annotations"][0]["caption"] += " indeed"
    source.captions.write_text(json.dumps(content))
    changed = build_corpus(Coco(source.captions, source.images), tmp_path / "changed").fingerprint
    smaller = build_corpus(other, tmp_path / "smaller", BuildSettings(shorter_side=24)).fingerprint
    assert len({prints[0], changed, smaller}) == 3


def test_the_files_of_two_builds_are_the_same_byte_for_byte(
    coco: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    source = Coco(*coco(20))
    for name, threads in (("a", 1), ("b", 3)):
        build_corpus(source, tmp_path / name, BuildSettings(threads=threads))
    files = sorted(each.name for each in (tmp_path / "a").iterdir())
    assert files == ["captions.arrow", "corpus.json", "images-00000.arrow", "rejected.csv"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_a_source_without_examples_is_an_error(listed: ListedReader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a list: no example was found"):
        build_corpus(listed(), tmp_path / "corpus")
    with pytest.raises(InputError, match="no example is left"):
        build_corpus(listed(Example("a", b"", ("a dog runs",))), tmp_path / "corpus", ANY_SHARE)
    assert not (tmp_path / "corpus").exists()


def test_text_that_utf8_cannot_hold_is_written_out(encoded: Encoded, listed: ListedReader, tmp_path: Path) -> None:
    reader = listed(Example("caf\udce9.jpg", encoded(1), ("a dog \ud800 runs",)), Example("b", b"", ("a \udce9 b",)))
    corpus = build_corpus(reader, tmp_path / "corpus", ANY_SHARE)
    assert corpus.id(0) == "caf\\udce9.jpg"
    assert corpus.captions(0) == ["a dog \\ud800 runs"]


def test_folders_and_endings_may_be_named_in_bytes_that_are_not_utf8(encoded: Encoded, tmp_path: Path) -> None:
    home = tmp_path / "caf\udce9"
    for name in ("photos/k\udce9s/a.png", "photos/dog/b.png", "photos/dog/notes.t\udce9t"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(encoded(len(name)))
    build_corpus(Folder(home / "photos"), home / "corpus")
    corpus = Corpus.open(home / "corpus")
    assert corpus.label_names == ["dog", "k\\udce9s"]
    assert corpus.info["sources"] == [str(home / "photos").replace("\udce9", "\\udce9")]
    assert corpus.info["counts"]["unread"] == {".t\\udce9t": 1}
    matrix = scipy.sparse.csr_matrix(np.ones((len(corpus), 1), np.float32))
    made = ConceptSet("words", ["dog"], matrix, "labels", corpus.fingerprint).made_from(corpus)
    made.save(home / "set")
    assert ConceptSet.open(home / "set").corpus_path == corpus.path


def test_a_large_corpus_is_spread_over_files(
    encoded: Encoded, listed: ListedReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wordsight.corpus.writing.FILE_BYTES", 6000)
    monkeypatch.setattr("wordsight.corpus.writing.BATCH_ROWS", 3)
    same = Example("same", encoded(0), ("a picture once more",))
    reader = listed(*(Example(f"{i}", encoded(i), (f"a picture number {i}",)) for i in range(40)), same)
    corpus = Corpus.open(build_corpus(reader, tmp_path / "corpus").path)
    assert len(corpus.info["shards"]) > 3
    assert corpus.captions(0) == ["a picture number 0", "a picture once more"]
    for i in (39, 0, 17, 3, 20):
        assert bytes(corpus.image_bytes(i)) == encoded(i)
        assert corpus.captions(i)[0] == f"a picture number {i}"


def test_pillows_own_limit_is_as_before_after_a_build(encoded: Encoded, listed: ListedReader, tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    build_corpus(listed(Example("a", encoded(1))), tmp_path / "corpus")
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_corpus(
    coco: Callable[..., tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "corpora" / "x"
    before = build_corpus(Coco(*coco(4)), out).fingerprint

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wordsight.corpus.writing.RowWriter._flush", full)
    with pytest.raises(InputError, match="the disk is full"):
        build_corpus(Coco(*coco(5)), out, overwrite=True)
    assert Corpus.open(out).fingerprint == before
    assert left_beside(out) == []


@pytest.mark.parametrize(
    ("settings", "what"),
    [({"shorter_side": 0}, "shorter_side is 0"), ({"jpeg_quality": 96}, "jpeg_quality"), ({"threads": -1}, "threads")],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        BuildSettings(**settings)
    with pytest.raises(InputError, match="max_tokens is 3; expected min_tokens \\(4\\) or more"):
        BuildSettings(min_tokens=4, max_tokens=3)
