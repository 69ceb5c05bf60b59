"""Text towers: texts to one vector each, and to one for every token, for objectives that hold images against texts.

``frozen``: the language model as it is, with a projection that is learned. ``tuned``: a copy of the language model that
is trained along. ``scratch``: a small transformer that is trained from nothing, with a vocabulary made from the
captions: no text but the corpus's own has a part in what is learned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from wordsight.errors import InputError, unknown
from wordsight.language.model import LanguageModel
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.ranges import Heads, Layers, Tokens, UnitFromZero, Vocabulary, Width, check_ranges


@dataclass(frozen=True)
class TowerSettings:
    """Values of a text tower.

    Args:
        kind: ``frozen``: the language model with a learned projection; ``tuned``: a copy of it that is trained along;
            ``scratch``: a small transformer and a vocabulary from the captions alone.
        pool: The vector of a text: ``mean`` of its tokens, or that of the first, ``cls``.
        max_tokens: Tokens that a text is cut to, [CLS] and [SEP] among them.
        width: ``scratch``: width of the transformer.
        layers: ``scratch``: its layers.
        heads: ``scratch``: its attention heads.
        dropout: ``scratch``: its dropout.
        vocabulary: ``scratch``: most tokens of the vocabulary.
        lowercase: ``scratch``: whether capitals are made small.
    """

    kind: str = "scratch"
    pool: Literal["mean", "cls"] = "mean"
    max_tokens: Tokens = 48
    width: Width = 256
    layers: Layers = 3
    heads: Heads = 4
    dropout: UnitFromZero = 0.0
    vocabulary: Vocabulary = 5000
    lowercase: bool = True

    def __post_init__(self) -> None:
        check_ranges(self, "text_tower")
        if self.kind not in TOWERS:
            raise unknown("text tower", self.kind, TOWERS, where="text_tower: kind")
        if self.width % self.heads:
            raise InputError(
                f"a width of {self.width} is not a multiple of {self.heads} heads",
                where="text_tower",
                expected="a multiple",
            )


class TextVectors(NamedTuple):
    """What a tower makes of B texts.

    Args:
        pooled_BZ: One vector a text.
        tokens_BTZ: One vector a token.
        present_BT: Where there is a token.
    """

    pooled_BZ: Tensor
    tokens_BTZ: Tensor
    present_BT: Tensor


class TextTower(nn.Module, ABC):
    """A text tower, which reads texts with a tokenizer of its own. It is built with that, Z, settings, language model.

    Args:
        tokenizer: What reads texts.
        width: Width D of what the tower computes.
        out: Width Z of the vectors that it gives.
        pool: The vector of a text: the mean of its tokens, or the first.
    """

    # Whose vocabulary it reads: that of the run's language model, or one that is made from the captions.
    reads: ClassVar[Literal["language", "captions"]] = "language"
    # Whether what it makes of a text before the projection never changes, and can be computed before training.
    fixed: ClassVar[bool] = False

    def __init__(self, tokenizer: TextTokenizer, width: int, out: int, pool: Literal["mean", "cls"]) -> None:
        super().__init__()
        self.tokenizer, self.pool = tokenizer, pool
        self.projection = nn.Linear(width, out, bias=False)

    @abstractmethod
    def encode(self, ids_BT: Tensor, present_BT: Tensor) -> Tensor:
        """Token features before the projection, ``[B, T, D]``."""

    def forward(self, ids_BT: Tensor, present_BT: Tensor) -> TextVectors:
        """Texts as ids to vectors.

        Args:
            ids_BT: Vocabulary ids, [CLS] first; anything where absent.
            present_BT: Where there is a token: at the start of each row, one at least.
        """
        tokens_BTZ = self.projection(self.encode(ids_BT, present_BT))
        if self.pool == "cls":
            pooled_BZ = tokens_BTZ[:, 0]
        else:
            weight_BT1 = present_BT.unsqueeze(2).to(tokens_BTZ.dtype)
            pooled_BZ = (tokens_BTZ * weight_BT1).sum(1) / weight_BT1.sum(1)
        return TextVectors(pooled_BZ, tokens_BTZ, present_BT)

    def pooled(self, ids_BT: Tensor, present_BT: Tensor, computed_BD: Tensor | None = None) -> Tensor:
        """Texts to one vector each ``[B, Z]``.

        Args:
            ids_BT: As the forward pass takes them.
            present_BT: Likewise.
            computed_BD: What a ``fixed`` tower makes of them, pooled, before the projection, where that is at hand;
                towers that learn don't look at it.
        """
        if computed_BD is None or not self.fixed:
            vectors: TextVectors = self(ids_BT, present_BT)
            return vectors.pooled_BZ
        # The mean of projected tokens is the projection of their mean.
        projected_BZ: Tensor = self.projection(computed_BD.to(self.projection.weight.dtype))
        return projected_BZ

    def read(self, texts: Sequence[str]) -> TextVectors:
        """Texts to vectors, on the tower's device.

        Args:
            texts: B texts; what is beyond ``max_tokens`` is cut off.
        """
        device = self.projection.weight.device
        ids_BT, present_BT = self.tokenizer.encode(texts)
        vectors: TextVectors = self(torch.from_numpy(ids_BT).to(device), torch.from_numpy(present_BT).to(device))
        return vectors


class FrozenTower(TextTower):
    """The frozen language model; the projection alone is learned, and alone is saved with the run.

    Args:
        tokenizer: The language model's.
        out: Width Z of the vectors.
        settings: Its values.
        language: The language model.
    """

    fixed = True

    def __init__(self, tokenizer: TextTokenizer, out: int, settings: TowerSettings, language: LanguageModel) -> None:
        super().__init__(tokenizer, language.width, out, settings.pool)
        # No module: neither optimisers nor the run's weights have a part of it.
        self._language = language

    def encode(self, ids_BT: Tensor, present_BT: Tensor) -> Tensor:
        """The language model's token features, without gradients."""
        tokens_BTD = self._language.to(ids_BT.device).features(ids_BT, present_BT)
        # What was computed without gradients in inference mode could not be multiplied with a weight that is learned.
        return tokens_BTD.clone() if tokens_BTD.is_inference() else tokens_BTD


class TunedTower(TextTower):
    """A copy of the language model that is trained along.

    Args:
        tokenizer: The language model's.
        out: Width Z of the vectors.
        settings: Its values.
        language: The language model; it stays as it is.
    """

    def __init__(self, tokenizer: TextTokenizer, out: int, settings: TowerSettings, language: LanguageModel) -> None:
        super().__init__(tokenizer, language.width, out, settings.pool)
        self.encoder = language.trainable_copy()

    def encode(self, ids_BT: Tensor, present_BT: Tensor) -> Tensor:
        """The copy's token features."""
        tokens_BTD: Tensor = self.encoder(input_ids=ids_BT, attention_mask=present_BT.long()).last_hidden_state
        return tokens_BTD


class ScratchTower(TextTower):
    """A small transformer with a vocabulary from the captions, trained from nothing.

    Args:
        tokenizer: Made from the captions.
        out: Width Z of the vectors.
        settings: Its values.
        language: Not read.
    """

    reads = "captions"

    def __init__(
        self, tokenizer: TextTokenizer, out: int, settings: TowerSettings, language: LanguageModel | None = None
    ) -> None:
        super().__init__(tokenizer, settings.width, out, settings.pool)
        self.words = nn.Embedding(tokenizer.size, settings.width)
        self.places = nn.Parameter(torch.empty(settings.max_tokens, settings.width))
        # As CLIP's text transformer is initialised (Radford et al. 2021, their code).
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.normal_(self.places, std=0.01)
        layer = nn.TransformerEncoderLayer(
            settings.width,
            settings.heads,
            4 * settings.width,
            settings.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.transformer = nn.TransformerEncoder(
            layer, settings.layers, nn.LayerNorm(settings.width), enable_nested_tensor=False
        )

    def encode(self, ids_BT: Tensor, present_BT: Tensor) -> Tensor:
        """The transformer's token features."""
        tokens_BTD = self.words(ids_BT) + self.places[: ids_BT.shape[1]]
        encoded_BTD: Tensor = self.transformer(tokens_BTD, src_key_padding_mask=~present_BT)
        return encoded_BTD


# A new tower is a class and a line here.
TOWERS: dict[str, type[TextTower]] = {
    "frozen": FrozenTower,
    "tuned": TunedTower,
    "scratch": ScratchTower,
}


def build_tower(
    settings: TowerSettings, out: int, tokenizer: TextTokenizer, language: LanguageModel | None = None
) -> TextTower:
    """Build a text tower.

    Args:
        settings: Its values.
        out: Width Z of the vectors.
        tokenizer: What reads texts.
        language: The language model, for towers that are made of it.

    Raises:
        InputError: When the tower is made of a language model, and there is none.

    Examples:
        >>> from wordsight.language.wordpiece import SPECIAL
        >>> reader = TextTokenizer.of_vocabulary([*SPECIAL, "a", "dog"], max_tokens=8)
        >>> tower = build_tower(TowerSettings(kind="scratch", width=64, max_tokens=8), 32, reader)
        >>> tuple(tower.read(["a dog", "a"]).pooled_BZ.shape)
        (2, 32)
    """
    if language is None and TOWERS[settings.kind].reads == "language":
        raise InputError(
            f"a {settings.kind} text tower needs a language model",
            where="language",
            expected="minilm, a folder or a name",
        )
    kind: Any = TOWERS[settings.kind]
    tower: TextTower = kind(tokenizer, out, settings, language)
    return tower
