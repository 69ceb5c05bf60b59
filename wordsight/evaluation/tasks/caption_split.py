"""A split of a corpus that is evaluated: its images and captions, masked where a protocol hides words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.corpus.splits import ALL
from wordsight.corpus.store import Corpus
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.language.features import MaskedCaptions


@dataclass(frozen=True)
class CorpusSplit:
    """Examples of a corpus that the heads are evaluated on: what tasks are to probes.

    Args:
        corpus: The corpus.
        split: The split that is evaluated.
    """

    corpus: Corpus
    split: str

    @property
    def name(self) -> str:
        """What results are filed under."""
        return f"{self.corpus.name}-{self.split.replace(',', '+')}"

    @property
    def fingerprint(self) -> str:
        """Hash of the corpus and the split."""
        return hashlib.sha256(f"{self.corpus.fingerprint} {self.split}".encode()).hexdigest()[:16]

    def shares_with(self, split: str) -> bool:
        """Whether another split of the corpus, or several, have examples of this one.

        Args:
            split: As a person writes it: "train" is every split of training data.
        """
        if split == self.split or not self.corpus.splits:
            return split == self.split
        return not set(self.corpus.splits_meant(self.split)).isdisjoint(self.corpus.splits_meant(split))

    def seen_in_training(self, model: EvaluatedModel) -> list[str]:
        """A sentence where the model was trained on these very captions."""
        if self.corpus.fingerprint != model.trained_on:
            return []
        if ALL in (self.split, model.trained_split) or self.shares_with(model.trained_split):
            return ["the run was trained on these captions: this is not a held-out result"]
        return []


@dataclass(frozen=True)
class CaptionedSplit(CorpusSplit):
    """A split with its captions masked, for protocols about masked words.

    Args:
        corpus: The corpus.
        split: The split that is evaluated.
        masked: The masked captions of that split.
        concepts: Name of each concept, by its number.
        train: The masked captions that baselines learn from; None where there are none, and so no baselines.
        parts: Part of speech of each concept, where the concept set knows it.
    """

    masked: MaskedCaptions
    concepts: Sequence[str]
    train: MaskedCaptions | None = None
    parts: Sequence[str] | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of images and masked captions."""
        return hashlib.sha256(f"{self.corpus.fingerprint} {self.masked.fingerprint}".encode()).hexdigest()[:16]
