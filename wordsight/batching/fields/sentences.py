"""The field ``sentences``: captions of each image as vectors of the frozen language model, computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.batch import Part
from wordsight.batching.fields.field import Field, FieldFacts, Mirroring, StepDraw
from wordsight.batching.fields.references import language_model
from wordsight.batching.fields.text_shares import text_shares
from wordsight.batching.needs import FieldNeed
from wordsight.batching.sampling import stream_of
from wordsight.batching.sources import RunSources, Sources
from wordsight.errors import InputError
from wordsight.language.left_right import sided_examples
from wordsight.language.model import LanguageModel
from wordsight.language.sentence_vectors import Pool, SentenceVectors, sentence_vectors

_SENTENCES = stream_of("sentences")
# Images whose captions are read together.
_TOGETHER = 4096


@dataclass(frozen=True)
class DrawnSentences(Part):
    """c captions of every image of the batch.

    Args:
        vectors_BcD: The vector of each, zeros where there is none.
        weight_Bc: 1 for a caption, 0 where an image has fewer than c.
        text_Bc: A number that captions of the same words share, also those of other images; -1 where there is none.
    """

    vectors_BcD: Tensor
    weight_Bc: Tensor
    text_Bc: Tensor


@dataclass(frozen=True)
class SentencesNeed(FieldNeed):
    """What an objective asks of captions.

    Args:
        captions: Captions of an image in a step, c; drawn without repeats.
        pool: The vector of a caption: the mean of its tokens' features, or that of the first token, ``cls``.
        language: Captions in this language alone; "" for all.
    """

    captions: int = 1
    pool: Pool = "mean"
    language: str = ""


@dataclass(frozen=True)
class SentenceFacts(FieldFacts):
    """What an objective has to know of captions.

    Args:
        language: The language model, for texts that are asked about.
        pool: How a text becomes one vector.
        vectors: The vectors of all captions; None after training.
    """

    language: LanguageModel
    pool: Pool
    vectors: SentenceVectors | None = None

    def of_images(self, examples_n: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """All captions of some images: the place of each one's image among them, and the vectors, some at a time.

        Args:
            examples_n: The images' numbers in the corpus, ascending.

        Raises:
            LookupError: After training, when the vectors are not at hand.
        """
        if self.vectors is None:
            raise LookupError("the vectors of captions are those of a run that is being trained")
        for first in range(0, len(examples_n), _TOGETHER):
            some_n = examples_n[first : first + _TOGETHER]
            place_N = np.searchsorted(some_n, self.vectors.example_N)
            mine_N = some_n[np.minimum(place_N, len(some_n) - 1)] == self.vectors.example_N
            numbers_c = np.flatnonzero(mine_N)
            yield first + place_N[numbers_c], self.vectors.rows(numbers_c)


class SentencesField(Field[SentencesNeed, DrawnSentences]):
    """Vectors of the captions of each image; an image is usable that has a caption.

    Args:
        vectors: The vectors of all captions of the corpus.
        text_N: A number for each caption that captions of the same words share.
        sided: Which examples have a caption that says left or right in English.
        need: What the objective asks.
        language: The language model that made the vectors.
    """

    none_usable = "no example of this split has a caption"

    def __init__(
        self,
        vectors: SentenceVectors,
        text_N: NDArray[np.int64],
        sided: NDArray[np.bool_],
        need: SentencesNeed,
        language: LanguageModel,
    ) -> None:
        self._vectors, self._text_N, self._sided, self._need = vectors, text_N, sided, need
        self._language = language_model(language)
        # Captions are sorted by their image.
        self._starts = np.searchsorted(vectors.example_N, np.arange(len(sided) + 1))

    @classmethod
    def open(cls, need: SentencesNeed, sources: Sources) -> SentencesField:
        """The vectors of all captions of the corpus, which are kept with it.

        Raises:
            InputError: When it has no captions.
        """
        corpus, language = sources.corpus, sources.language
        first_of: dict[bytes, int] = {}
        numbers = [
            first_of.setdefault(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16], len(first_of))
            for *_, text in corpus.caption_iter(corpus.indices(None), need.language or None)
        ]
        if not numbers:
            raise InputError("this corpus has no captions", where=corpus.path, expected="images with captions")
        sided = sided_examples(corpus, corpus.indices(None))
        vectors = sentence_vectors(corpus, language, need.pool, need.language)
        return cls(vectors, np.array(numbers, np.int64), sided, need, language)

    @property
    def language(self) -> LanguageModel:
        """The language model."""
        return self._language.value

    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which examples have a caption."""
        return np.asarray(np.diff(self._starts)[examples] > 0)

    def text_shares(self, examples: NDArray[np.int64]) -> NDArray[Any]:
        """How likely a caption that is drawn for one of some examples is each text.

        Args:
            examples: Their numbers in the corpus.
        """
        return text_shares(self._starts, self._text_N, examples)

    def facts(self) -> SentenceFacts:
        """The vectors, and what makes them."""
        return SentenceFacts(self.language, self._need.pool, self._vectors)

    @classmethod
    def facts_of_run(cls, need: SentencesNeed, kept: RunSources) -> SentenceFacts:
        """What makes the vectors of other texts.

        Raises:
            InputError: When the run names no language model.
        """
        if kept.language is None:
            raise InputError(
                "names no language model", where=kept.folder / "run.json", mend="copy the run again, whole"
            )
        return SentenceFacts(kept.language, need.pool)

    def mirroring(self, examples_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """No view of an image whose captions say left or right: their vectors are those of what they say."""
        return np.where(self._sided[examples_B], Mirroring.NEVER, Mirroring.FREELY)

    def draw(self, step: StepDraw) -> DrawnSentences:
        """Some captions of each of this process's images, in random order, none of them twice."""
        chosen_Bc = np.full((len(step.mine.examples_B), self._need.captions), -1, np.int64)
        for place, (example, random) in enumerate(step.each(_SENTENCES)):
            drawn = random.permutation(np.arange(self._starts[example], self._starts[example + 1]))
            chosen_Bc[place, : len(drawn)] = drawn[: self._need.captions]
        has_Bc = chosen_Bc >= 0
        vectors_BcD = np.zeros((*chosen_Bc.shape, self._vectors.width), np.float32)
        wanted_n, place_n = np.unique(chosen_Bc[has_Bc], return_inverse=True)
        vectors_BcD[has_Bc] = self._vectors.rows(wanted_n)[place_n]
        return DrawnSentences(
            torch.from_numpy(vectors_BcD),
            torch.from_numpy(has_Bc.astype(np.float32)),
            torch.from_numpy(np.where(has_Bc, self._text_N[chosen_Bc], -1)),
        )

    def record(self) -> dict[str, Any]:
        """How many captions of an image are drawn, and how each becomes a vector."""
        return {"captions": self._need.captions, "pool": self._need.pool}

    @classmethod
    def summary(cls, record: Mapping[str, Any]) -> str:
        """How many captions of an image are drawn in a step."""
        many = "s" if record["captions"] != 1 else ""
        return f"{record['captions']} caption{many} an image"
