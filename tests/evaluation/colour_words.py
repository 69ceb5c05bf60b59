"""Coloured pictures with captions, and small objectives that compare them with texts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from tests.evaluation.conftest import MadeReader, encoded, picture, shrinking_backbone
from wordsight.batching.batch import Batch
from wordsight.concepts import ConceptSet
from wordsight.concepts.frequent_words import WordsSettings, build_words
from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.evaluation import EvaluatedModel, LearnedConcepts, Task, open_task
from wordsight.heads.tag_head import TagHead
from wordsight.objectives import ConceptFacts, Facts, ImageTextObjective, Losses, Seen, TagFacts
from wordsight.objectives.tag_prediction import TagPrediction, TagPredictionSettings

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


def coloured_corpus(
    folder: Path,
    count: int = 4,
    splits: Sequence[str] = ("test",),
    *,
    labelled: bool = False,
    captioned: bool = True,
) -> Corpus:
    """Pictures of three colours with two captions each: so many of each colour in each split."""
    examples = [
        Example(
            f"{split}-{name}-{i}.png",
            encoded(picture(colour, noise=1000 * s + 100 * c + i)),
            captions=(f"a {name} square number {i}", f"something that is {name} here") if captioned else (),
            labels=(name,) if labelled else (),
            split=split,
        )
        for s, split in enumerate(splits)
        for c, (name, colour) in enumerate(COLOURS.items())
        for i in range(count)
    ]
    return build_corpus(MadeReader(examples), folder)


def folder_task(folder: Path, classes: dict[str, str], count: int = 3) -> Task:
    """Class folders, each of one colour."""
    for c, (name, colour) in enumerate(classes.items()):
        for split in ("train", "test"):
            for i in range(count):
                file = folder / split / name / f"{i}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                picture(COLOURS[colour], noise=1000 * c + 100 * (split == "test") + i).save(file)
    return open_task(f"folder:{folder}")


def words_of(corpus: Corpus) -> ConceptSet:
    """All words of a corpus."""
    words = {word for _, _, text in corpus.caption_iter(corpus.indices()) for word in text.split()}
    return build_words(corpus, WordsSettings(size=len(words), min_count=1), "all")


def tag_model(
    model: EvaluatedModel,
    train: Sequence[float] | None = None,
    loss: str = "softmax",
    mean: Sequence[float] | None = None,
    **sets: ConceptSet,
) -> EvaluatedModel:
    """A model whose tag heads know red, green and blue by sight, and nothing of other words.

    Args:
        model: The model to be.
        train: How many training examples have each concept.
        loss: What the heads learned by.
        mean: The mean probability of each concept; ``train``'s shares where that is given alone.
        sets: The concept sets.
    """
    facts = Facts({"tags": TagFacts({name: ConceptFacts(len(one), one.target) for name, one in sets.items()})})
    objective = TagPrediction(shrinking_backbone(), facts, TagPredictionSettings(loss=loss))
    for name, head in objective.tag_heads.heads.items():
        assert isinstance(head, TagHead)
        with torch.no_grad():
            head.last.bias.zero_()
            for k, concept in enumerate(sets[name].names):
                seen = [float(concept == colour) for colour in COLOURS]
                head.last.weight[k] = 4 * torch.tensor(seen) - 2 * (sum(seen) > 0)
    counts = None if train is None else np.array(train, dtype=np.float64)
    learned = {name: LearnedConcepts(one, counts) for name, one in sets.items()}
    means = counts / counts.sum() if mean is None and counts is not None else mean
    log_means = {} if means is None else dict.fromkeys(sets, np.log(means))
    return replace(model, objective=objective, concepts=learned, log_means=lambda: log_means)


def topic_set(corpus: Corpus, rows: Any, target: Literal["labels", "probabilities"] = "labels") -> ConceptSet:
    """A set of given rows."""
    import scipy.sparse

    matrix = scipy.sparse.csr_matrix(np.asarray(rows, dtype=np.float32))
    names = [*COLOURS, "never"][: matrix.shape[1]]
    return ConceptSet("words", names, matrix, target, corpus.fingerprint, {"splitter": "unicode"})


class TinyClip(ImageTextObjective):
    """Two towers with random weights: colours through a layer, the mean of words' random vectors through another."""

    def __init__(self, width: int = 12, seed: int = 0) -> None:
        super().__init__(shrinking_backbone())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.visual, self.words = nn.Linear(3, width), nn.Embedding(997, width)
            self.textual = nn.Linear(width, width)

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        return Losses(self.visual.weight.sum())

    def embed_images(self, images_BCHW: Tensor) -> Tensor:
        pooled: Tensor = self.visual(self.backbone(images_BCHW).mean((2, 3)))
        return pooled

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        numbers = [[zlib.crc32(word.encode()) % 997 for word in text.split()] for text in texts]
        return torch.stack([self.textual(self.words(torch.tensor(one)).mean(0)) for one in numbers])


class TinyFilip(TinyClip):
    """The same towers with a vector for each cell of the grid, and one for each word."""

    def embed_images(self, images_BCHW: Tensor) -> Tensor:
        cells: Tensor = self.visual(self.backbone(images_BCHW).flatten(2).transpose(1, 2))
        return cells

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        words = [[zlib.crc32(word.encode()) % 997 for word in text.split()] for text in texts]
        return nn.utils.rnn.pad_sequence(
            [self.textual(self.words(torch.tensor(one))) for one in words], batch_first=True
        )


def independent_embeddings(clip: TinyClip, images: Tensor, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """What the two towers give, of unit length, without any of the code that is tested."""
    clip.eval()
    with torch.no_grad():
        sides = clip.embed_images(images), clip.embed_texts(texts)
    return sides[0] / sides[0].norm(dim=1, keepdim=True), sides[1] / sides[1].norm(dim=1, keepdim=True)
