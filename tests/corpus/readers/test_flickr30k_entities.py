"""Flickr30k Entities: captions without their marks, and the boxes of their phrases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Box, Example, Rejected
from wordsight.corpus.readers.flickr30k_entities import Flickr30kEntities
from wordsight.errors import InputError

Photo = Callable[..., Path]

SENTENCES = """[/EN#1/people A man] in [/EN#2/bodyparts/clothing a red hat] is standing in [/EN#4/scene a street] .
[/EN#1/people The man] holds [/EN#3/other two balls] and looks at [/EN#0/notvisual it] .
"""
ANNOTATION = """<annotation><filename>36979.jpg</filename>
<size><width>100</width><height>50</height><depth>3</depth></size>
<object><name>1</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>60</xmax><ymax>50</ymax></bndbox></object>
<object><name>2</name><bndbox><xmin>21</xmin><ymin>1</ymin><xmax>30</xmax><ymax>10</ymax></bndbox></object>
<object><name>3</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>10</xmax><ymax>10</ymax></bndbox></object>
<object><name>3</name><name>9</name><bndbox><xmin>91</xmin><ymin>1</ymin><xmax>100</xmax><ymax>10</ymax></bndbox></object>
<object><name>4</name><scene>1</scene><nobndbox>0</nobndbox></object>
</annotation>"""


def source(photo: Photo, top: Path, sentences: str = SENTENCES, annotation: str | None = ANNOTATION) -> Path:
    (top / "Sentences").mkdir()
    (top / "Annotations").mkdir()
    (top / "Sentences" / "36979.txt").write_text(sentences, encoding="utf-8")
    if annotation is not None:
        (top / "Annotations" / "36979.xml").write_text(annotation)
    photo(top / "images" / "36979.jpg", 1, size=(100, 50))
    return top


def test_captions_lose_their_marks_and_phrases_have_boxes(photo: Photo, tmp_path: Path) -> None:
    top = source(photo, tmp_path)
    (found,) = Flickr30kEntities(top, top / "images")
    man, hat = (0.1, 0.1, 0.5, 0.9), (0.2, 0.0, 0.1, 0.2)
    assert isinstance(found, Example)
    assert found.captions == (
        "A man in a red hat is standing in a street .",
        "The man holds two balls and looks at it .",
    )
    expected = [("A man", man), ("a red hat", hat), ("The man", man)]
    expected += [("two balls", (0.0, 0.0, 0.1, 0.2)), ("two balls", (0.9, 0.0, 0.1, 0.2))]
    assert [box.name for box in found.boxes] == [name for name, _ in expected]
    for box, (_, edges) in zip(found.boxes, expected, strict=True):
        assert (box.x, box.y, box.width, box.height) == pytest.approx(edges)
    assert (found.image, found.drawn_on, found.split) == (top / "images" / "36979.jpg", (100, 50), "")


def test_lists_of_images_are_splits(photo: Photo, tmp_path: Path) -> None:
    top = source(photo, tmp_path)
    (top / "test.txt").write_text("36979\n")
    (top / "train.txt").write_text("5\n6\n")
    corpus = build_corpus(Flickr30kEntities(top, top / "images"), tmp_path / "corpus")
    assert corpus.splits == {"test": 1}
    assert len(corpus.boxes(0)) == 5
    (top / "val.txt").write_text("36979\n")
    with pytest.raises(InputError, match=r"test.txt: 36979 is in the split val too"):
        list(Flickr30kEntities(top, top / "images"))


def test_the_same_phrase_of_two_captions_is_one_box(photo: Photo, tmp_path: Path) -> None:
    top = source(photo, tmp_path, "[/EN#1/people A man] runs .\n[/EN#1/people A man] is outside .\n")
    (found,) = Flickr30kEntities(top, top / "images")
    assert isinstance(found, Example)
    assert [box.name for box in found.boxes] == ["A man"]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (None, "no annotation"),
        ("<annotation><object>", "broken XML"),
        (ANNOTATION.replace("<xmin>91</xmin>", "<xmin>much</xmin>"), "box without numbers"),
        (ANNOTATION.replace("<xmin>91</xmin>", "<xmin>191</xmin>").replace("<xmax>100<", "<xmax>201<"), "box outside"),
    ],
)
def test_boxes_that_cannot_be_told_are_counted_and_captions_stay(
    annotation: str | None, reason: str, photo: Photo, tmp_path: Path
) -> None:
    top = source(photo, tmp_path, annotation=annotation)
    *rejected, found = Flickr30kEntities(top, top / "images")
    assert isinstance(found, Example)
    assert len(found.captions) == 2
    assert [(each.kind, each.reason.startswith(reason)) for each in rejected if isinstance(each, Rejected)] == [
        ("box", True)
    ]


def test_marks_that_are_broken_are_no_caption(photo: Photo, tmp_path: Path) -> None:
    top = source(photo, tmp_path, "[/EN#1/people A man runs .\n[/EN#1/people A man] sits .\n")
    rejected, found = Flickr30kEntities(top, top / "images")
    assert rejected == Rejected("36979", "caption", "broken marks", "[/EN#1/people A man runs .")
    assert isinstance(found, Example)
    assert found.captions == ("A man sits .",)


def test_sizes_that_are_not_stated_are_those_of_the_image(photo: Photo, tmp_path: Path) -> None:
    top = source(photo, tmp_path, annotation=ANNOTATION.replace("<width>100</width>", ""))
    (found,) = Flickr30kEntities(top, top / "images")
    assert isinstance(found, Example)
    assert found.boxes[0] == Box("A man", 0.1, 0.1, 0.5, 0.9)


def test_another_folder_is_one_line(photo: Photo, tmp_path: Path) -> None:
    top = source(photo, tmp_path)
    with pytest.raises(InputError, match="none: no such folder"):
        list(Flickr30kEntities(top, tmp_path / "none"))
    (top / "Sentences" / "36979.txt").unlink()
    with pytest.raises(InputError, match=r"holds no Sentences/\*.txt; expected the folder with Sentences/"):
        list(Flickr30kEntities(top, top / "images"))
