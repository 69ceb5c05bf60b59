"""The field ``masked``: captions of each image with one word masked, and their token features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.fields.field import Field, FieldFacts, Mirroring, StepDraw
from wordsight.batching.fields.references import concept_sets, language_model
from wordsight.batching.masks import MaskedWords, draw_masks, gather_masks
from wordsight.batching.needs import FieldNeed
from wordsight.batching.sampling import MASKS
from wordsight.batching.sources import RunSources, Sources
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.derived import kept_place
from wordsight.errors import InputError
from wordsight.language.features import MaskedCaptions, masked_captions
from wordsight.language.left_right import sided_examples
from wordsight.language.model import LanguageModel
from wordsight.language.text_baseline import train_text_baseline


@dataclass(frozen=True)
class MaskedNeed(FieldNeed):
    """What an objective asks of masked words.

    Args:
        per_image: Masked words of an image in a step, m; None for the run's ``masks_per_image``.
        text_prior: Whether a token classifier is trained on the captions alone before the run.
        shown: Whether the objective is told all maskable words of an image's captions.
    """

    per_image: int | None = None
    text_prior: bool = False
    shown: bool = False

    def joined(self, other: Self) -> Self:
        """What serves two objectives of a sum: what either asks, where both mask as many words of an image.

        Args:
            other: What the other asks.

        Raises:
            InputError: When they mask different numbers of words.
        """
        either = {name: getattr(self, name) or getattr(other, name) for name in ("text_prior", "shown")}
        return replace(self, **either).equal(replace(other, **either))


@dataclass(frozen=True)
class MaskedFacts(FieldFacts):
    """What an objective has to know of masked words.

    Args:
        vectors_VD: The language model's vocabulary matrix.
        maskable: Vocabulary ids that are ever masked.
        classifier: The language model's own masked-token classifier, where it has one.
        text_head: A token classifier over the maskable words trained on the captions alone, for a text prior.
    """

    vectors_VD: Tensor
    maskable: Tensor | None = None
    classifier: Mapping[str, Tensor] | None = None
    text_head: Mapping[str, Tensor] | None = None

    def kept(self) -> dict[str, Tensor]:
        """The maskable words; all else is the language model's, or among the weights."""
        return {} if self.maskable is None else {"maskable": self.maskable}


class MaskedField(Field[MaskedNeed, MaskedWords]):
    """Masked words of each image; an image is usable that has one.

    Args:
        masked: The masked captions.
        language: The language model that reads them.
        sets: The concept sets of the run, whose words are masked.
        per_image: Masked words of an image in a step, m.
        text_head: A token classifier trained on these captions alone, for objectives with a text prior.
        sided_N: Which examples of the corpus have a caption that says left or right.
        shown: Whether to give all maskable words of an image's captions.
    """

    none_usable = "no example of this split has a word that can be masked"

    def __init__(
        self,
        masked: MaskedCaptions,
        language: LanguageModel,
        sets: Mapping[str, ConceptSet],
        per_image: int,
        text_head: Mapping[str, Tensor] | None = None,
        sided_N: NDArray[np.bool_] | None = None,
        shown: bool = False,
    ) -> None:
        self.masked, self._language, self._sets = masked, language_model(language), concept_sets(sets)
        self._per_image, self._text_head, self._sided_N = per_image, text_head, sided_N
        self._shown = shown

    @classmethod
    def open(cls, need: MaskedNeed, sources: Sources) -> MaskedField:
        """The words of the first concept set of words, masked in all captions of the split.

        Raises:
            InputError: When no concept set is one of words.
        """
        settings, concepts = sources.settings, sources.concepts
        occurrences = next((found.occurrences for found in concepts.values() if found.occurrences is not None), None)
        if occurrences is None:
            kinds = ", ".join(found.kind for found in concepts.values()) or "none given"
            raise InputError(
                f"the objective {settings.objective!r} masks words, and the concepts ({kinds}) are none",
                setting="concepts",
                expected="a concept set of words, such as {kind: postag, size: 1000}",
            )
        masked = masked_captions(
            sources.corpus,
            occurrences,
            sources.language,
            sources.indices,
            cache=kept_place(sources.corpus, "features"),
            limit_gb=settings.feature_cache_gb,
            also=sources.corpus.path / "features",
        )
        head = dict(train_text_baseline(masked, sources.language).state_dict()) if need.text_prior else None
        sided_N = sided_examples(sources.corpus, sources.indices)
        count = need.per_image or settings.masks_per_image
        return cls(masked, sources.language, concepts, count, head, sided_N, need.shown)

    @property
    def concepts(self) -> Mapping[str, ConceptSet]:
        """The concept sets of the run."""
        return self._sets.value

    @property
    def language(self) -> LanguageModel:
        """The language model."""
        return self._language.value

    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which examples have a word that can be masked."""
        return np.asarray(np.diff(self.masked.example_offsets)[examples] > 0)

    def facts(self) -> MaskedFacts:
        """The language model's vocabulary, and which of its words are masked."""
        maskable = torch.from_numpy(np.unique(self.masked.target_M).astype(np.int64))
        return _facts(self.language, maskable, self._text_head)

    @classmethod
    def facts_of_run(cls, need: MaskedNeed, kept: RunSources) -> MaskedFacts:
        """The same of the run's language model.

        Raises:
            InputError: When the run names none.
        """
        if kept.language is None:
            raise InputError(
                "names no language model", where=kept.folder / "run.json", mend="copy the run again, whole"
            )
        # What a text prior has learned is among the weights.
        return _facts(kept.language, kept.tensors.get("maskable"), None)

    def mirroring(self, examples_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """No view of an image whose captions say left or right: their token features are computed once, as they are."""
        if self._sided_N is None:
            return super().mirroring(examples_B)
        return np.where(self._sided_N[examples_B], Mirroring.NEVER, Mirroring.FREELY)

    def draw(self, step: StepDraw) -> MaskedWords:
        """Some masked words of each of this process's images."""
        drawn, shown = [], []
        for example, random in step.each(MASKS):
            rows = self.masked.of_example(example)
            drawn.append(rows[draw_masks(self.masked.caption_M[rows], self._per_image, random)])
            if self._shown:
                shown.append(np.unique(self.masked.target_M[rows]))
        words = gather_masks(self.masked, drawn, self._per_image)
        return replace(words, shown_BS=_padded(shown)) if self._shown else words

    def complete(self, part: MaskedWords, device: torch.device) -> MaskedWords:
        """Run the language model on the masked captions, where their features are not cached."""
        return part if part.tokens_BmTD is not None else part.read_by(self.language.to(device))

    def record(self) -> dict[str, Any]:
        """Where the masked captions lie, and how many words of an image are masked."""
        return {"folder": str(self.masked.path.resolve()), "per_image": self._per_image}

    @classmethod
    def summary(cls, record: Mapping[str, Any]) -> str:
        """How many words of an image are masked."""
        return f"{record['per_image']} masked words an image"


def _padded(ids: list[NDArray[np.int32]]) -> Tensor:
    """Ids of each image as a tensor, -1 where there are no more."""
    found = np.full((len(ids), max(map(len, ids), default=0)), -1, dtype=np.int64)
    for row, some in zip(found, ids, strict=True):
        row[: len(some)] = some
    return torch.from_numpy(found)


def _facts(language: LanguageModel, maskable: Tensor | None, text_head: Mapping[str, Tensor] | None) -> MaskedFacts:
    return MaskedFacts(language.vocabulary_matrix(), maskable, language.token_classifier_weights(), text_head)
