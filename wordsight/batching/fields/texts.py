"""The field ``texts``: captions drawn for each image, as vocabulary ids, for objectives with a text tower."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

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
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.language.caption_tokens import CaptionTokens, caption_tokens
from wordsight.language.caption_vectors import CaptionVectors, caption_vectors
from wordsight.language.model import LanguageModel
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.texts import SentenceReader
from wordsight.language.towers import TOWERS, TowerSettings
from wordsight.language.wordpiece import read_vocabulary, train_wordpiece, write_vocabulary
from wordsight.progress import say

# A larger share of words that a tokenizer does not know is said.
_MANY_UNKNOWN = 0.2
_TEXTS, _CHANCE, _EDITS = (stream_of(name) for name in ("texts", "texts, chance", "texts, edits"))
# Share of a caption's tokens that an edit changes, as EDA's alpha.
_EDITED = 0.1


@dataclass(frozen=True)
class Texts(Part):
    """c captions of every image of the batch.

    Args:
        ids_BcT: Vocabulary ids of the tokens, [CLS] first, 0 where absent.
        present_BcT: Where there is a token; one at least of every row.
        weight_Bc: 1 for a caption, 0 where an image has fewer than c.
        text_Bc: A number that captions of the same tokens share, also those of other images; -1 where there is none.
        chance_BcT3: Three random numbers from 0 to 1 for each token, for objectives that hide some; None where the need
            asks for none. They are the same however many processes or pieces share a step.
        vectors_BcD: What a frozen language model makes of each caption, pooled, in half precision; None where the need
            asks for none, or they are not kept.
        whole: Of a piece of a batch, the captions of all of it; None for a whole one.
        pieces: How many pieces that was split into.
    """

    ids_BcT: Tensor
    present_BcT: Tensor
    weight_Bc: Tensor
    text_Bc: Tensor
    chance_BcT3: Tensor | None = None
    vectors_BcD: Tensor | None = None
    whole: Texts | None = None
    pieces: int = 1

    def split(self, parts: int) -> list[Self]:
        """The captions of the first images, of the next ones, and so on."""
        return [replace(piece, whole=self, pieces=parts) for piece in super().split(parts)]

    def mean_count(self, count: Callable[[Texts], Tensor]) -> Tensor | None:
        """Of a piece of a batch, how many of something a piece has on average; None for a whole one.

        Args:
            count: How many there are in captions.
        """
        return None if self.whole is None else count(self.whole) / self.pieces


@dataclass(frozen=True)
class TextsNeed(FieldNeed):
    """What an objective asks of captions.

    Args:
        captions: Captions of an image in a step, c; drawn without repeats.
        tokenizer: ``captions``: a vocabulary made from the captions that are trained on; ``language``: the tokenizer of
            the run's language model.
        max_tokens: Tokens that a caption is cut to.
        vocabulary: ``captions``: most tokens of the vocabulary.
        lowercase: ``captions``: whether capitals are made small.
        language: Captions in this language alone; "" for all.
        mirrored: Whether an English caption follows its picture where this is mirrored: what is left in the one is then
            right in the other. All views of such a picture are mirrored, or none.
        chance: Whether random numbers are drawn for each token.
        edited: Whether an image that has fewer captions is given some of them again, edited: a tenth of the tokens left
            out, or as many exchanged for each other (EDA, Wei and Zou 2019, without its synonyms).
        vectors: Whether the language model's vector of each caption will do, and of what: the ``mean`` of its tokens or
            the first, ``cls``; they are computed once. "" where its tokens are read, or the model changes.
    """

    captions: int = 1
    tokenizer: Literal["captions", "language"] = "captions"
    max_tokens: int = 48
    vocabulary: int = 5000
    lowercase: bool = True
    language: str = ""
    mirrored: bool = True
    chance: bool = False
    edited: bool = False
    vectors: Literal["", "mean", "cls"] = ""

    def joined(self, other: Self) -> Self:
        """What serves two objectives of a sum: random numbers, and vectors, where one asks for them."""
        more: dict[str, Any] = {"chance": self.chance or other.chance}
        if "" in (self.vectors, other.vectors):
            more["vectors"] = self.vectors or other.vectors
        return super(TextsNeed, replace(self, **more)).joined(replace(other, **more))

    @classmethod
    def of_tower(cls, tower: TowerSettings, captions: int = 1, language: str = "", *, pooled: bool = False) -> Self:
        """What a text tower reads.

        Args:
            tower: The tower's settings.
            captions: Captions of an image in a step.
            language: Captions in this language alone; "" for all.
            pooled: Whether one vector a caption is all that is asked of the tower.
        """
        kind = TOWERS[tower.kind]
        need = cls(captions, kind.reads, tower.max_tokens, tower.vocabulary, tower.lowercase, language)
        return replace(need, vectors=tower.pool) if pooled and kind.fixed else need


@dataclass(frozen=True)
class TextFacts(FieldFacts):
    """What an objective has to know of captions.

    Args:
        tokenizer: What reads texts, in training and after it.
        language: The run's language model; None where the vocabulary was made from the captions.
    """

    tokenizer: TextTokenizer
    language: LanguageModel | None = None


class TextsField(Field[TextsNeed, Texts]):
    """Captions of each image; an image is usable that has one.

    Args:
        tokens: The corpus's captions, tokenised.
        need: What the objective asks.
        tokenizer: What reads texts.
        language: The language model whose tokenizer that is.
        vectors: What it makes of each caption, where that is kept.
    """

    none_usable = "no example of this split has a caption"
    # What a run keeps of a tokenizer that was made from its captions.
    vocabulary_file: ClassVar[str] = "captions-vocabulary.txt"
    facts_kind: ClassVar[type[TextFacts]] = TextFacts

    def __init__(
        self,
        tokens: CaptionTokens,
        need: TextsNeed,
        tokenizer: TextTokenizer,
        language: LanguageModel | None = None,
        vectors: CaptionVectors | None = None,
    ) -> None:
        self.tokens, self._need, self._tokenizer, self._vectors = tokens, need, tokenizer, vectors
        self._language = None if language is None else language_model(language)

    @classmethod
    def open(cls, need: TextsNeed, sources: Sources) -> TextsField:
        """The captions of the corpus, tokenised; a vocabulary of its own is made from those that are trained on.

        Raises:
            InputError: When the corpus has no captions in that language, or the tokenizer knows none of their words.
        """
        language = sources.language if need.tokenizer == "language" else None
        if language is not None:
            tokenizer = language.text_tokenizer(need.max_tokens)
        else:
            texts = SentenceReader(sources.corpus, sources.split, need.language or None)
            vocabulary = train_wordpiece(texts, need.vocabulary, lowercase=need.lowercase)
            tokenizer = own_tokenizer(vocabulary, need)
        tokens = caption_tokens(sources.corpus, tokenizer, need.language, need.mirrored)
        check_known(tokens, tokenizer, sources.corpus.path)
        vectors = None
        # Captions that are edited anew in every step have no vector that could be kept.
        if need.vectors and language is not None and not need.edited:
            limit = sources.settings.feature_cache_gb
            vectors = caption_vectors(sources.corpus, tokens, language, need.vectors, limit)
        return cls(tokens, need, tokenizer, language, vectors)

    @property
    def language(self) -> LanguageModel | None:
        """The language model; None where the vocabulary was made from the captions."""
        return None if self._language is None else self._language.value

    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which examples have a caption."""
        return np.asarray(np.diff(self.tokens.example_offsets)[examples] > 0)

    def text_shares(self, examples: NDArray[np.int64], weight_n: NDArray[np.float64] | None = None) -> NDArray[Any]:
        """How likely a caption that is drawn for one of some examples is each text; captions that read alike are one.

        Args:
            examples: Their numbers in the corpus.
            weight_n: How likely each of them is drawn; evenly by default.
        """
        return text_shares(self.tokens.example_offsets, self.tokens.text_S, examples, weight_n)

    def facts(self) -> TextFacts:
        """What reads texts."""
        return self.facts_kind(self._tokenizer, self.language)

    @classmethod
    def facts_of_run(cls, need: TextsNeed, kept: RunSources) -> TextFacts:
        """The same of a run: its language model's tokenizer, or the vocabulary that it keeps.

        Raises:
            InputError: When the vocabulary is absent.
        """
        if need.tokenizer == "language" and kept.language is not None:
            return cls.facts_kind(kept.language.text_tokenizer(need.max_tokens), kept.language)
        return cls.facts_kind(own_tokenizer(read_vocabulary(kept.folder / cls.vocabulary_file), need))

    def mirroring(self, examples_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """All views of an image whose captions say left or right in English, or none of them."""
        if not self._need.mirrored:
            return super().mirroring(examples_B)
        return np.where(self.tokens.sided_N[examples_B], Mirroring.TOGETHER, Mirroring.FREELY)

    def draw(self, step: StepDraw) -> Texts:
        """Some captions of each of this process's images, in random order, none of them twice but edited."""
        count = self._need.captions
        chosen_Bc = np.full((len(step.mine.examples_B), count), -1, np.int64)
        edited_Bc = np.zeros_like(chosen_Bc, bool)
        for place, (example, random) in enumerate(step.each(_TEXTS)):
            drawn = random.permutation(self.tokens.captions_of(example))[:count]
            chosen_Bc[place, : len(drawn)] = drawn
            if self._need.edited and len(drawn):
                chosen_Bc[place] = np.resize(drawn, count)
                edited_Bc[place, len(drawn) :] = True
        if self._need.mirrored and step.views:
            flipped_B1 = step.views[0].flipped_B.numpy()[:, None]
            chosen_Bc = np.where(flipped_B1, self.tokens.mirrored(chosen_Bc), chosen_Bc)
        ids_nT, present_nT = self.tokens.padded(chosen_Bc.ravel())
        ids_BcT, present_BcT = ids_nT.reshape(*chosen_Bc.shape, -1), present_nT.reshape(*chosen_Bc.shape, -1)
        for place, (_, random) in enumerate(step.each(_EDITS) if edited_Bc.any() else ()):
            for slot in np.flatnonzero(edited_Bc[place]):
                _edit(ids_BcT[place, slot], present_BcT[place, slot], random)
        text_Bc = np.where(chosen_Bc < 0, -1, self.tokens.text_S[np.maximum(chosen_Bc, 0)])
        return Texts(
            torch.from_numpy(ids_BcT),
            torch.from_numpy(present_BcT),
            torch.from_numpy((chosen_Bc >= 0).astype(np.float32)),
            torch.from_numpy(text_Bc),
            self._chance(step, present_BcT) if self._need.chance else None,
            self._kept(chosen_Bc),
        )

    def _kept(self, chosen_Bc: NDArray[np.int64]) -> Tensor | None:
        if self._vectors is None:
            return None
        return torch.from_numpy(self._vectors.of(chosen_Bc.ravel()).reshape(*chosen_Bc.shape, -1))

    def _chance(self, step: StepDraw, present_BcT: NDArray[np.bool_]) -> Tensor:
        chance_BcT3 = np.zeros((*present_BcT.shape, 3), np.float32)
        for place, (_, random) in enumerate(step.each(_CHANCE)):
            # As many for each token of a caption as there are, whatever other captions stand beside it.
            chance_BcT3[place][present_BcT[place]] = random.random((int(present_BcT[place].sum()), 3), np.float32)
        return torch.from_numpy(chance_BcT3)

    def record(self) -> dict[str, Any]:
        """How many captions of an image are drawn, and how many tokens the tokenizer has."""
        return {"captions": self._need.captions, "tokenizer": self._need.tokenizer, "tokens": self._tokenizer.size}

    @classmethod
    def summary(cls, record: Mapping[str, Any]) -> str:
        """How many captions of an image are drawn in a step."""
        many = "s" if record["captions"] != 1 else ""
        return f"{record['captions']} caption{many} an image, {record['tokens']:,} tokens"

    def keep(self, run: Path, corpus: Corpus) -> None:
        """Write a vocabulary that was made from the captions into the run."""
        if self._tokenizer.vocabulary:
            write_vocabulary(run / self.vocabulary_file, list(self._tokenizer.vocabulary))


def own_tokenizer(vocabulary: list[str], need: TextsNeed) -> TextTokenizer:
    """The tokenizer of a vocabulary that was made for a run.

    Args:
        vocabulary: Its tokens.
        need: What the objective asks.
    """
    return TextTokenizer.of_vocabulary(vocabulary, max_tokens=need.max_tokens, lowercase=need.lowercase)


def check_known(tokens: CaptionTokens, tokenizer: TextTokenizer, where: Path) -> None:
    """Refuse captions of which a tokenizer knows no word, and say when it knows few.

    Args:
        tokens: The captions, tokenised.
        tokenizer: The tokenizer.
        where: Their corpus, for messages.

    Raises:
        InputError: When it knows none.
    """
    ids_n = np.asarray(tokens.ids)
    unknown = np.isin(ids_n, tokenizer.unknown_ids).sum()
    words = unknown + (~np.isin(ids_n, tokenizer.special_ids)).sum()
    if words and unknown == words:
        raise InputError(
            "the tokenizer knows none of the captions' words: all would read alike",
            where=where,
            mend=(f"give a {setting('language')} model of their script", "a text tower with a vocabulary of its own"),
        )
    if unknown > _MANY_UNKNOWN * words:
        say(f"warning: the tokenizer does not know {100 * unknown / words:.0f} % of the captions' words")


def _edit(ids_T: NDArray[np.int64], present_T: NDArray[np.bool_], random: np.random.Generator) -> None:
    """Leave some tokens of a caption out, or exchange as many; never the first and the last, [CLS] and [SEP]."""
    length = int(present_T.sum())
    inner = ids_T[1 : length - 1].copy()
    count = max(1, round(_EDITED * len(inner)))
    if len(inner) < 2:
        return
    if random.random() < 0.5:
        kept = inner[np.sort(random.permutation(len(inner))[count:])]
        ids_T[1 : length - count] = [*kept, ids_T[length - 1]]
        ids_T[length - count :], present_T[length - count :] = 0, False
        return
    for _ in range(count):
        one, other = random.choice(len(inner), 2, replace=False)
        inner[[one, other]] = inner[[other, one]]
    ids_T[1 : length - 1] = inner
