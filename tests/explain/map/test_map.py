"""The map of images: places, cells, colours and thumbnails."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import wordsight
from tests.explain.browser import document, needs_browser, screenshot
from tests.explain.conftest import MakeRun
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.evaluation import open_task
from wordsight.explain.map import MapImages, MapSettings, images_of_corpus, images_of_task
from wordsight.explain.map.embedding import embed
from wordsight.explain.map.grid import Grid, snap
from wordsight.explain.map.map_labels import COLOURS, OTHER, colour_labels, colours_of
from wordsight.explain.map.page import sprite_of, thumbnail_side, write_page
from wordsight.training.run import Run
from wordsight.vision.preprocessing import Framing
from wordsight.vision.views import eval_view


@pytest.fixture(scope="module")
def run(make_run: MakeRun) -> Run:
    """A run whose backbone has random weights."""
    return make_run("tag-prediction")


@pytest.fixture(scope="module")
def class_folders(tmp_path_factory: pytest.TempPathFactory, jpeg: Callable[..., bytes]) -> Path:
    """Two classes under ``train`` and ``test``, four test images each; one name holds a tag."""
    folder = tmp_path_factory.mktemp("classes") / "things"
    for number, name in enumerate(("cat", "<b>dog")):
        for split, count in (("train", 2), ("test", 4)):
            place = folder / split / name
            place.mkdir(parents=True)
            for k in range(count):
                (place / f"{k}.jpg").write_bytes(jpeg(100 * number + 10 * (split == "test") + k))
    return folder


def two_groups(count: int) -> NDArray[np.float32]:
    """Vectors in two directions with some noise, of very different lengths."""
    noise = np.random.default_rng(0).normal(0, 0.05, (count, 8))
    noise[: count // 2, 0] += 1
    noise[count // 2 :, 1] += 1
    lengths = np.random.default_rng(1).uniform(0.1, 100, (count, 1))
    return (noise * lengths).astype(np.float32)


def read_data(page: str) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def test_images_of_one_direction_lie_together_whatever_their_lengths() -> None:
    places = embed(two_groups(60), perplexity=10, seed=0)
    left, right = places[:30], places[30:]
    apart = np.linalg.norm(left.mean(0) - right.mean(0))
    assert apart > 3 * max(left.std(), right.std())


def test_the_same_features_give_the_same_map_bit_for_bit() -> None:
    first, again = (embed(two_groups(40), perplexity=5, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("count", [5, 7])
def test_few_images_get_the_perplexity_that_they_can_have(count: int) -> None:
    places = embed(two_groups(count), perplexity=30, seed=0)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()


@pytest.mark.parametrize(
    "places",
    [
        np.random.default_rng(0).normal(size=(200, 2)),
        np.zeros((30, 2)),
        np.stack([np.arange(40.0), np.zeros(40)], axis=1),
        np.concatenate([np.random.default_rng(0).normal(size=(60, 2)), [[1e6, 1e6]]]),
    ],
    ids=["cloud", "one place", "line", "one far away"],
)
def test_every_image_has_a_cell_of_its_own(places: NDArray[np.float64]) -> None:
    grid = snap(places)
    assert len(np.unique(grid.cells_N2, axis=0)) == len(places)
    assert (grid.cells_N2 >= 0).all()
    assert grid.cells_N2.max() < 4 * np.sqrt(len(places)) + 2


def test_cells_lie_as_the_places_do() -> None:
    places = np.random.default_rng(0).uniform(size=(300, 2)) * [3, 1]
    grid = snap(places)
    assert np.corrcoef(places[:, 0], grid.cells_N2[:, 0])[0, 1] > 0.98
    assert np.corrcoef(places[:, 1], grid.cells_N2[:, 1])[0, 1] > 0.98
    across, down = grid.cells_N2.max(0)
    assert 2 < across / down < 4
    assert np.abs(grid.free_N2 - grid.cells_N2).max() < 4


def test_an_image_has_the_colour_of_its_rarest_label() -> None:
    labels = [["person"], ["person", "dog"], ["person"], []]
    keys = colour_labels(labels)
    assert [(key.name, key.count) for key in keys] == [("person", 3), ("dog", 1)]
    assert colours_of(labels, keys) == [COLOURS[0], COLOURS[1], COLOURS[0], ""]


def test_labels_beyond_the_colours_share_one() -> None:
    labels = [[f"label {k:02d}"] for k in range(30) for _ in range(30 - k)]
    keys = colour_labels(labels)
    assert len(keys) == len(COLOURS)
    assert (keys[-1].name, keys[-1].colour) == ("", OTHER)
    assert sum(key.count for key in keys) == len(labels)
    assert colours_of(labels, keys)[-1] == OTHER
    assert len(colour_labels([[f"label {k}"] for k in range(len(COLOURS))])) == len(COLOURS)
    assert colour_labels([[], []]) == []


def test_a_sprite_holds_every_thumbnail_in_its_place() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (7, 1, 1, 3), dtype=np.uint8)
    sprite, side = sprite_of(np.tile(colours, (1, 32, 32, 1)), 1_000_000)
    sheet = np.asarray(Image.open(io.BytesIO(sprite)))
    assert side == 32
    assert sheet.shape == (96, 96, 3)
    for number, colour in enumerate(colours):
        row, column = divmod(number, 3)
        tile = sheet[row * 32 : (row + 1) * 32, column * 32 : (column + 1) * 32].astype(int)
        # JPEG halves the resolution of colour: it runs over by a pixel at the edges.
        assert np.abs(tile[2:-2, 2:-2] - colour).max() < 6


def test_a_sprite_too_large_is_made_of_smaller_thumbnails() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 96, 96, 3), dtype=np.uint8)
    sprite, side = sprite_of(noise, 20_000)
    assert len(sprite) <= 20_000
    assert side < 96
    assert Image.open(io.BytesIO(sprite)).size == (3 * side, 3 * side)


@pytest.mark.parametrize("count", [5, 12, 2000, 3000])
def test_sprites_are_no_larger_than_phones_can_draw(count: int) -> None:
    assert int(np.ceil(np.sqrt(count))) * thumbnail_side(count) <= 4096
    assert thumbnail_side(count) % 16 == 0


def test_a_lot_is_the_same_for_the_same_seed(corpus: Corpus) -> None:
    first, again, other = (images_of_corpus(corpus, "all", MapSettings(count=5, seed=seed)) for seed in (0, 0, 1))
    assert first.ids == again.ids
    assert first.ids != other.ids
    assert len(first) == 5
    assert all(corpus.captions(corpus.indices().tolist()[0]) for _ in first.captions)


def test_images_of_a_task_are_those_of_its_test(class_folders: Path) -> None:
    shown = images_of_task(open_task(f"folder:{class_folders}"), MapSettings())
    assert sorted(held[0] for held in shown.labels) == ["<b>dog"] * 4 + ["cat"] * 4
    assert all("test" in name for name in shown.ids)


def test_a_map_of_a_corpus_is_a_picture_and_one_page(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    drawn = wordsight.explain_map(run, corpus=corpus, out=tmp_path / "map")
    assert drawn.count == 6  # those of the split test
    assert drawn.picture.read_bytes().startswith(b"\x89PNG")
    page = drawn.page.read_text("utf-8")
    data = read_data(page)
    assert data["ids"] == [corpus.id(i) for i in corpus.indices("test").tolist()]
    assert data["captions"] == [corpus.captions(i) for i in corpus.indices("test").tolist()]
    assert len({tuple(cell) for cell in data["cells"]}) == 6
    assert not re.search(r'(src|href)="(?!data:)|https?://|@import|url\(', page)
    assert "<script>alert" not in page
    assert "<i>" not in page
    again = wordsight.explain_map(run, corpus=corpus, out=tmp_path / "again")
    assert again.picture.read_bytes() == drawn.picture.read_bytes()
    assert again.page.read_bytes() == drawn.page.read_bytes()


def test_images_are_shown_whole_on_the_map_and_to_the_network(
    run: Run, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, str]] = []

    def seen(encoded: bytes, size: int, share: float, framing: Framing) -> NDArray[np.uint8]:
        shown.append((size, framing))
        return eval_view(encoded, size, share, framing)

    monkeypatch.setattr("wordsight.evaluation.features.extract.eval_view", seen)
    wordsight.explain_map(run, corpus=corpus, out=tmp_path / "map", framing="pad")
    assert {framing for _, framing in shown} == {"pad"}
    assert len({size for size, _ in shown}) == 2, "the network's view, and the thumbnail"


def test_the_page_draws_as_soon_as_its_picture_is_loaded_and_waits_for_no_decoder(
    run: Run, corpus: Corpus, tmp_path: Path
) -> None:
    page = wordsight.explain_map(run, corpus=corpus, out=tmp_path / "map").page.read_text("utf-8")
    script = re.sub(r"^\s*//.*$", "", page[page.rindex("<script>") :], flags=re.M)
    assert ".decode()" not in script, "browsers put off the decoding of hidden pictures, some for ever"
    assert 'for (const ending of ["load", "error"]) sprite.addEventListener(ending, start);' in script
    assert "if (sprite.complete) start()" in script, "the picture may be loaded before the script runs"
    start = script[script.index("function start()") :]
    assert "  draw();" in start[: start.index("\n}")], "windows without a screen may have no animation frames"


@needs_browser
def test_a_browser_draws_the_page(tmp_path: Path) -> None:
    # As large as the maps of most corpora: small pictures were drawn even by pages that waited for a decoder.
    count = 144
    thumbnails = np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
    places = np.stack(np.divmod(np.arange(count), 12), axis=1)
    words = [["cat"] if k % 2 else ["dog"] for k in range(count)]
    shown = MapImages("things", [b""] * count, [str(k) for k in range(count)], words, [[]] * count)
    keys = colour_labels(words)
    page = write_page(tmp_path / "map.html", "a map", thumbnails, Grid(places, places.astype(float)), keys, shown)
    pixels = screenshot(page)[80:-60]
    for key in keys:
        wanted = [int(key.colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert (pixels == wanted).all(-1).sum() > 500, "frames of the thumbnails"


@needs_browser
def test_a_page_whose_picture_is_damaged_says_so(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    page = wordsight.explain_map(run, corpus=corpus, out=tmp_path / "map").page
    text = page.read_text("utf-8")
    page.write_text(re.sub(r"data:image/jpeg;base64,[^\"]*", "data:image/jpeg;base64,AAAA", text), "utf-8")
    assert '<p id="broken">' in document(page, 800)


def test_labels_are_drawn_as_frames_with_a_legend(run: Run, class_folders: Path) -> None:
    drawn = wordsight.explain_map(run, task=f"folder:{class_folders}")
    assert drawn.picture == run.path / "map" / "things" / "map.png"
    with Image.open(drawn.picture) as picture:
        pixels = np.asarray(picture).reshape(-1, 3)
    for colour in COLOURS[:2]:
        wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert (pixels == wanted).all(1).sum() > 1000
    page = drawn.page.read_text("utf-8")
    assert "data-label=&#34;" not in page
    assert 'data-label="&lt;b&gt;dog"' in page
    assert set(read_data(page)["colours"]) == set(COLOURS[:2])


def test_class_folders_have_the_names_that_a_file_gives(run: Run, class_folders: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text("cat,house cat\n", "utf-8")
    drawn = wordsight.explain_map(run, task=f"folder:{class_folders}", names=names, out=tmp_path / "map")
    assert "house cat" in drawn.page.read_text("utf-8")
    with pytest.raises(InputError, match="^names says something of a task, and none is given; give `task`"):
        wordsight.explain_map(run, names=names)


def test_maps_that_can_not_be_drawn_are_refused_in_one_line(
    run: Run, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="either a task or a corpus"):
        wordsight.explain_map(run, task="folder:things", corpus=corpus)
    with pytest.raises(InputError, match="count is 4; expected a number from 5 to"):
        wordsight.explain_map(run, count=4)
    with pytest.raises(InputError, match="perplexity is 0"):
        wordsight.explain_map(run, perplexity=0)
    with pytest.raises(InputError, match="unknown split 'tset'"):
        wordsight.explain_map(run, corpus=corpus, split="tset")
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="is a file; expected a folder"):
        wordsight.explain_map(run, corpus=corpus, out=tmp_path / "taken")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'openTSNE is not installed; install it: pip install "wordsight\[map\]"'):
        wordsight.explain_map(run, corpus=corpus)
