"""The embedded pictures: scenes composed of OpenMoji drawings with captions that describe them, made from a seed.

They stand in for a data set where there is none: the demonstration and the tests learn from them. The drawings are
OpenMoji's (CC BY-SA 4.0): whatever shows them shows ``wordsight.corpus.pictures.catalogue.ATTRIBUTION`` too.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.corpus.example import Box, Example
from wordsight.corpus.pictures import grammar
from wordsight.corpus.pictures.catalogue import ATTRIBUTION, CAPTIONED, UNSEEN, Drawing
from wordsight.corpus.pictures.drawings import Renderer
from wordsight.corpus.pictures.scenes import PlacedDrawing, Scene, SceneSettings, compose
from wordsight.errors import InputError
from wordsight.ranges import (
    Count,
    ObjectWidth,
    PictureSide,
    Probability,
    Seed,
    Tilt,
    UpToThree,
    VisibleShare,
    check_ranges,
)

_JPEG_QUALITY = 92
_RELATION_MARGIN = 0.12
"""How far apart two centres must be for a caption to say where one stands to the other, as a share of the picture."""


@dataclass(frozen=True)
class Pictures:
    """Reads the embedded pictures: scenes of named objects, or a 60-class task on drawings that no caption names.

    A scene depends on the seed, the split and its number in the split alone: asking for more scenes changes none.

    Args:
        count: Scenes in the split ``train``.
        seed: Which scenes.
        task: ``captions``: scenes with captions that name 120 objects; splits train, val, test. ``unseen``: one object
            a picture, 60 labelled classes, none of them ever captioned; splits train, test.
        size: Side of a picture in pixels.
        val_count: Scenes in the split ``val``.
        test_count: Scenes in the split ``test``.
        captions: Different captions of each scene, 1 to 3.
        objects: Most objects in a scene, 1 to 3.
        copies: Share of the scenes of several objects in which one drawing stands more than once.
        smallest: Least width of an object, as a share of the picture's.
        largest: Greatest width of an object, as a share of the picture's.
        tilt: Greatest turn of an object either way, in degrees.
        mirrored: Share of the objects that are mirrored.
        visible: Least share of each object that nothing hides.
        train_per_class: Training pictures of each class of the task ``unseen``.
        test_per_class: Test pictures of each class of the task ``unseen``.

    Raises:
        InputError: A value that can't be; or, when read, a package that is not installed.
    """

    count: Count = 4000
    seed: Seed = 0
    task: Literal["captions", "unseen"] = "captions"
    size: PictureSide = 96
    val_count: Count = 500
    test_count: Count = 500
    captions: UpToThree = 2
    objects: UpToThree = 3
    copies: Probability = 0.15
    smallest: ObjectWidth = 0.25
    largest: ObjectWidth = 0.5
    tilt: Tilt = 25.0
    mirrored: Probability = 0.5
    visible: VisibleShare = 0.7
    train_per_class: Count = 20
    test_per_class: Count = 20

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.smallest > self.largest:
            raise InputError(f"smallest is {self.smallest}", expected=f"largest ({self.largest}) or less")
        if self.task not in ("captions", "unseen"):
            raise InputError(f"unknown task {self.task!r}", where="task", expected="captions or unseen")

    def __iter__(self) -> Iterator[Example]:
        renderer = Renderer(self.largest * self.size)
        if self.task == "captions":
            for split, number in (("train", self.count), ("val", self.val_count), ("test", self.test_count)):
                for index in range(number):
                    yield self._captioned(renderer, split, index)
        else:
            for split, per_class in (("train", self.train_per_class), ("test", self.test_per_class)):
                for index in range(per_class):
                    for name in UNSEEN:
                        yield self._labelled(renderer, split, name, index)

    def sources(self) -> list[str]:
        """Where the pictures come from, for the corpus to record."""
        return [f"embedded pictures, task {self.task}, seed {self.seed}, {self.size} px", ATTRIBUTION]

    def label_names(self) -> list[str]:
        """Every name that can label a picture."""
        return list(CAPTIONED if self.task == "captions" else UNSEEN)

    def _captioned(self, renderer: Renderer, split: str, index: int) -> Example:
        scene, captions = self.scene(renderer, split, index)
        names = tuple(dict.fromkeys(placed.drawing.name for placed in scene.objects))
        return self._example(f"scene-{split}-{index:06d}", scene, split, labels=names, captions=captions)

    def scene(self, renderer: Renderer, split: str, index: int) -> tuple[Scene, tuple[str, ...]]:
        """One scene of the task ``captions`` and its captions.

        Args:
            renderer: What draws it.
            split: The split it is in.
            index: Its number in the split.
        """
        random = Random(f"scene/{self.seed}/{split}/{index}")
        scene = compose(random, self._drawings(random), renderer, self._settings())
        shown = grammar.things(scene.objects)
        return scene, grammar.captions(random, shown, self.captions, _RELATION_MARGIN * self.size)

    def _drawings(self, random: Random) -> list[Drawing]:
        """What is to be in a scene: different kinds, but for copies of the first one."""
        number = random.randint(1, self.objects)
        copies = random.randint(2, number) if number > 1 and random.random() < self.copies else 1
        kinds = random.sample(_NAMES, number - copies + 1)
        first, *rest = (random.choice(CAPTIONED[name]) for name in kinds)
        drawings = [first] * copies + rest
        random.shuffle(drawings)
        return drawings

    def _labelled(self, renderer: Renderer, split: str, name: str, index: int) -> Example:
        random = Random(f"unseen/{self.seed}/{split}/{name}/{index}")
        scene = compose(random, UNSEEN[name], renderer, self._settings())
        return self._example(f"unseen-{split}-{name}-{index:03d}", scene, split, labels=(name,))

    def _settings(self) -> SceneSettings:
        return SceneSettings(self.size, self.smallest, self.largest, self.tilt, self.mirrored, self.visible)

    def _example(
        self, name: str, scene: Scene, split: str, labels: tuple[str, ...], captions: tuple[str, ...] = ()
    ) -> Example:
        return Example(
            id=f"{name}.jpg",
            image=_jpeg(scene.pixels),
            captions=captions,
            labels=labels,
            boxes=tuple(_box(placed, self.size) for placed in scene.objects),
            split=split,
        )


_NAMES = tuple(CAPTIONED)


def _box(placed: PlacedDrawing, size: int) -> Box:
    return Box(placed.drawing.name, placed.left / size, placed.top / size, placed.width / size, placed.height / size)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    held = io.BytesIO()
    # Colours at full resolution: at these sizes halving them would smear the thin coloured parts of a drawing.
    Image.fromarray(pixels).save(held, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return held.getvalue()
