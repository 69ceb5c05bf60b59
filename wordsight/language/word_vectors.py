"""Vectors of words that a frozen language model gives: what is known of a word before any image of it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.language.model import LanguageModel
from wordsight.language.sentence_vectors import vectors_of

WordVectorKind = Literal["contextual", "vocabulary"]


class WordVectors:
    """Unit vectors of words, and of texts as if each were one long word.

    Args:
        language: The language model; it stays as it is.
        kind: ``contextual``: the mean of its token features, as it reads a text; ``vocabulary``: the mean of the
            vocabulary matrix's rows of a text's tokens, which do not depend on what stands beside them.

    Examples:
        >>> from wordsight.language.model import load_language_model
        >>> vectors = WordVectors(load_language_model("minilm"), "vocabulary")
        >>> cosine = vectors.of(["a dog", "dogs"]) @ vectors.of(["dog", "bridge"]).T
        >>> bool((cosine[:, 0] > cosine[:, 1]).all())
        True
    """

    def __init__(self, language: LanguageModel, kind: WordVectorKind) -> None:
        self.language, self.kind = language, kind
        self._matrix_VD: Tensor | None = language.vocabulary_matrix() if kind == "vocabulary" else None

    def to(self, device: torch.device) -> WordVectors:
        """Move the language model to where it should compute; returns itself.

        Args:
            device: The device.
        """
        self.language.to(device)
        return self

    def of(self, texts: Sequence[str]) -> Tensor:
        """The vectors of some words or texts, float32 ``[n, D]`` on the CPU, of unit length.

        Args:
            texts: The words or texts; what is beyond the language model's longest is cut off.
        """
        if self._matrix_VD is None:
            vectors_nD = torch.from_numpy(vectors_of(texts, self.language, "mean")).float()
        else:
            matrix_VD, language = self._matrix_VD, self.language
            encoded = language.tokenizer(
                list(texts), truncation=True, max_length=language.max_tokens, add_special_tokens=False
            )["input_ids"]
            nothing_D = matrix_VD.new_zeros(matrix_VD.shape[1])
            vectors_nD = torch.stack([matrix_VD[ids].mean(0) if ids else nothing_D for ids in encoded])
        return functional.normalize(vectors_nD, dim=1)

    def unknown(self, words: Sequence[str]) -> list[str]:
        """Those of some words of which the tokenizer knows no part.

        Args:
            words: The words.
        """
        encoded = self.language.tokenizer(list(words), add_special_tokens=False)["input_ids"]
        unknown = self.language.tokenizer.unk_token_id
        return [word for word, ids in zip(words, encoded, strict=True) if all(each == unknown for each in ids)]
