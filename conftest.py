"""What tests and examples share: how many threads PyTorch takes, where caches lie, and the small world of the examples.

An example (`>>>`) in a docstring of `wordsight/` runs in a folder that holds:

    photos/           24 pictures of 48 px, `red-circle-0.png` ...
    captions.json     their captions in COCO's layout, a quarter of them with split "test"
    classes/          the same pictures in class folders: `train/circle/`, `test/square/`, ...
    corpora/photos    the corpus of these captions
    runs/a            ICMLM att-fc, trained on it for one pass
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

# More threads make tensors this small no quicker, and on a busy machine they wait for each other at every step.
torch.set_num_threads(1)

COLOURS, SHAPES, GROUNDS = ("red", "green", "blue"), ("circle", "square"), ("black", "white", "grey", "brown")


@pytest.fixture(autouse=True, scope="session")
def _kept_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features and baselines that tests compute are not kept among a person's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORDSIGHT_CACHE", str(tmp_path_factory.mktemp("kept")))
        yield


def _draw(folder: Path) -> None:
    """The pictures, their captions and their classes."""
    (folder / "photos").mkdir()
    images, annotations = [], []
    for number, (colour, shape, ground) in enumerate(product(COLOURS, SHAPES, GROUNDS)):
        picture = Image.new("RGB", (48, 48), ground)
        draw = ImageDraw.Draw(picture)
        (draw.ellipse if shape == "circle" else draw.rectangle)((12, 12, 36, 36), fill=colour)
        split = "test" if ground == "brown" else "train"
        name = f"{colour}-{shape}-{number % 4}.png"
        for file in (folder / "photos" / name, folder / "classes" / split / shape / name):
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)
        images.append({"id": number, "file_name": name, "split": split})
        annotations.append({"image_id": number, "id": number, "caption": f"a {colour} {shape} on a {ground} wall"})
    (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": annotations}))


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that examples run in."""
    import wordsight

    folder = tmp_path_factory.mktemp("examples")
    _draw(folder)
    corpus = wordsight.build_corpus(
        wordsight.READERS["coco"](folder / "captions.json", folder / "photos"),  # type: ignore[call-arg]
        out=folder / "corpora" / "photos",
    )
    small: dict[str, Any] = {"epochs": 1, "batch_size": 6, "image_size": 32, "concepts": {"size": 8}}
    wordsight.pretrain("icmlm-attfc-resnet18-small", corpus=corpus, out=folder / "runs" / "a", **small)
    return folder


@pytest.fixture(autouse=True)
def _examples_run_in_the_small_world(request: pytest.FixtureRequest) -> Iterator[None]:
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    before = Path.cwd()
    os.chdir(request.getfixturevalue("small_world"))
    try:
        yield
    finally:
        os.chdir(before)
