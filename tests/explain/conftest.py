"""A small corpus with awkward captions and boxes, and runs with random weights: being explained takes no skill."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse
import torch
from PIL import Image

from wordsight.batching.fields import FieldFacts
from wordsight.concepts.concept_set import ConceptSet, Occurrences
from wordsight.corpus import Box, BuildSettings, Corpus, Example, build_corpus
from wordsight.language.model import LanguageModel
from wordsight.objectives import ConceptFacts, Facts, MaskedFacts, TagFacts, build_objective
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import Run, new_backbone, write_start, write_weights
from wordsight.training.run_info import RunConcepts, RunInfo

NAMES = ["dog", "ball", "red", "beach", "runs"]
PARTS = ["noun", "noun", "adjective", "noun", "verb"]
CAPTIONS = (
    "a dog runs on the beach",
    "a red ball & a <script>alert(1)</script> dog",
    "the <b>dog</b> has a red ball",
)
MakeRun = Callable[..., Run]


def _jpeg(seed: int, size: tuple[int, int] = (60, 40)) -> bytes:
    """A photograph's stand-in: smooth coloured noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


@dataclass(frozen=True)
class Scenes:
    """Twelve pictures with a dog in the left half of each."""

    def __iter__(self) -> Iterator[Example]:
        for k in range(12):
            yield Example(
                id=f"<i>{k}</i>.jpg",
                image=_jpeg(k),
                captions=(CAPTIONS[k % 3],),
                boxes=(Box("dog", 0.1, 0.2, 0.4, 0.6),),
                split="train" if k < 6 else "test",
            )

    def sources(self) -> list[str]:
        return ["scenes of a test", "Drawings: Nobody (https://example.org). License: CC BY-SA 4.0."]

    def label_names(self) -> list[str]:
        return []


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """``jpeg(seed, size)``: the bytes of a photograph's stand-in."""
    return _jpeg


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The twelve pictures."""
    return build_corpus(Scenes(), tmp_path_factory.mktemp("explain") / "scenes", BuildSettings(shorter_side=40))


@pytest.fixture(scope="session")
def concepts(corpus: Corpus) -> ConceptSet:
    """Five words and where they stand."""
    rows = [
        (example, caption, found.start(), found.end(), NAMES.index(found.group()))
        for example, caption, text in corpus.caption_iter(corpus.indices())
        for found in re.finditer(r"\w+", text)
        if found.group() in NAMES
    ]
    table = np.array(rows, dtype=np.int64)
    places = Occurrences(table[:, 0].copy(), *(table[:, k].astype(np.int32) for k in range(1, 5)))
    ones = np.ones(len(table), np.float32)
    matrix = scipy.sparse.csr_matrix((ones, (table[:, 0], table[:, 4])), shape=(len(corpus), 5))
    made = ConceptSet("postag", NAMES, matrix, "labels", corpus.fingerprint, occurrences=places, parts=PARTS)
    made.save(corpus.path / "concepts" / "five")
    return ConceptSet.open(corpus.path / "concepts" / "five")


@pytest.fixture(scope="session")
def make_run(
    corpus: Corpus, concepts: ConceptSet, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> MakeRun:
    """``make_run(objective, finished=True)``: a run folder, as training leaves it but with random weights."""

    def make(objective: str, finished: bool = True) -> Run:
        words = objective.startswith("icmlm")
        language: LanguageModel | None = request.getfixturevalue("minilm") if words else None
        settings = PretrainSettings(objective=objective, image_size=32, epochs=2, batch_size=2)
        info = RunInfo(
            corpus=str(corpus.path),
            corpus_fingerprint=corpus.fingerprint,
            split="train",
            examples=6,
            concepts={"postag": RunConcepts(str(concepts.path), concepts.fingerprint, len(NAMES), "labels")},
            language="minilm" if words else None,
            fields={},
            environment={"python": "3", "cores": 2, "gpus": [], "packages": {"torch": torch.__version__}},
            steps=6,
            finished=finished,
            seconds=75.0 if finished else 0.0,
        )
        path = tmp_path_factory.mktemp("runs") / f"run-<{objective}>"
        path.mkdir()
        write_start(path, settings, info)
        if finished:
            known: dict[str, FieldFacts] = {"tags": TagFacts({"postag": ConceptFacts(len(NAMES))})}
            if language is not None:
                known["masked"] = MaskedFacts(language.vocabulary_matrix())
            facts = Facts(known)
            write_weights(path, build_objective(objective, {}, new_backbone(settings), facts), facts)
        return Run.open(path)

    return make
