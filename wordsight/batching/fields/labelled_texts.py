"""The field ``labelled-texts``: of each image a caption, or a sentence about one of its classes, and its labels.

Images may have captions, labels or both, in one corpus. A sentence about a class has that class for its label, a
caption one of its own, which captions that read alike share (Yang et al. 2022, Section 3.1).

https://arxiv.org/abs/2204.03610
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.class_labels import ClassLabels, ClassSentences
from wordsight.batching.fields.field import Mirroring, StepDraw
from wordsight.batching.fields.texts import TextFacts, Texts, TextsField, TextsNeed, check_known, own_tokenizer
from wordsight.batching.sampling import stream_of
from wordsight.batching.sources import Sources
from wordsight.errors import InputError, listed, setting
from wordsight.language.caption_tokens import CaptionTokens, caption_tokens
from wordsight.language.left_right import says_left_or_right
from wordsight.language.model import LanguageModel
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.texts import SentenceReader
from wordsight.language.wordpiece import train_wordpiece
from wordsight.progress import say

_LABELLED = stream_of("labelled-texts")


@dataclass(frozen=True, kw_only=True)
class LabelledTexts(Texts):
    """c texts of every image of the batch, captions or sentences about its classes, and its labels.

    Args:
        class_Bc: The class that a text is about; -1 for a caption, and where there is no text.
        label_Bm: The classes of each image, -1 where it has fewer than m.
        ignored_Bm: Those of them that are not to be counted either way (PASCAL's difficult objects), -1 else.
    """

    class_Bc: Tensor
    label_Bm: Tensor
    ignored_Bm: Tensor


@dataclass(frozen=True)
class LabelledTextFacts(TextFacts):
    """What an objective has to know of captions and sentences about classes."""


@dataclass(frozen=True)
class LabelledTextsNeed(TextsNeed):
    """What an objective asks of captions and labels.

    Args:
        templates: Sentences with a class's name in place of ``{}``.
        class_share: Of the texts of an image with captions and labels, the share that is about its classes.
        class_names: A table of classes and names; "" for the corpus's own.
    """

    templates: tuple[str, ...] = ("a photo of a {}.",)
    class_share: float = 0.5
    class_names: str = ""


class LabelledTextsField(TextsField):
    """Captions of each image, and sentences about its classes; an image is usable that has a caption or a label.

    Args:
        tokens: The corpus's captions, tokenised.
        need: What the objective asks.
        tokenizer: What reads texts.
        classes: The corpus's labels.
        language: The language model whose tokenizer that is.
    """

    none_usable = "no example of this split has a caption or a label"
    vocabulary_file = "labelled-texts-vocabulary.txt"
    facts_kind = LabelledTextFacts

    def __init__(
        self,
        tokens: CaptionTokens,
        need: LabelledTextsNeed,
        tokenizer: TextTokenizer,
        classes: ClassLabels,
        language: LanguageModel | None = None,
    ) -> None:
        super().__init__(tokens, need, tokenizer, language)
        self._asked, self._classes = need, classes
        self._sided_K = np.array([any(map(says_left_or_right, names)) for names in classes.names], bool)
        self._about = ClassSentences.of(classes.sentences(need.templates), tokenizer, tokens)

    @classmethod
    def open(cls, need: TextsNeed, sources: Sources) -> LabelledTextsField:
        """Captions and labels of the corpus; a vocabulary is made from the captions and the sentences about classes.

        Raises:
            InputError: When the split has neither captions nor labels, or one class and nothing to tell it from.
        """
        assert isinstance(need, LabelledTextsNeed)
        classes = ClassLabels.of(sources.corpus, need.class_names)
        _check_split(sources, classes, need.language)
        language = sources.language if need.tokenizer == "language" else None
        if language is not None:
            tokenizer = language.text_tokenizer(need.max_tokens)
        else:
            texts = _AllTexts(
                SentenceReader(sources.corpus, sources.split, need.language or None), classes, need.templates
            )
            tokenizer = own_tokenizer(train_wordpiece(texts, need.vocabulary, lowercase=need.lowercase), need)
        tokens = caption_tokens(sources.corpus, tokenizer, need.language, need.mirrored)
        check_known(tokens, tokenizer, sources.corpus.path)
        return cls(tokens, need, tokenizer, classes, language)

    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which examples have a caption or a label."""
        return super().usable(examples) | (self._classes.label_Nm[examples] >= 0).any(1)

    def mirroring(self, examples_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """As captions; and no view of an image of a class that is called left or right, such as a traffic sign's."""
        label_Bm = self._classes.label_Nm[examples_B]
        never_Bm = np.zeros(label_Bm.shape, bool)
        never_Bm[label_Bm >= 0] = self._sided_K[label_Bm[label_Bm >= 0]]
        return np.where(never_Bm.any(1), Mirroring.NEVER, super().mirroring(examples_B))

    def text_shares(self, examples: NDArray[np.int64], weight_n: NDArray[np.float64] | None = None) -> NDArray[Any]:
        """How likely a text that is drawn for one of some examples is each caption, or is about each class.

        Args:
            examples: Their numbers in the corpus.
            weight_n: How likely each of them is drawn; evenly by default.
        """
        weight_n = np.full(len(examples), 1 / max(1, len(examples))) if weight_n is None else weight_n
        label_Nm = self._classes.label_Nm[examples]
        counts_n = (label_Nm >= 0).sum(1)
        of_class_n = np.where(super().usable(examples), self._asked.class_share, 1.0) * (counts_n > 0)
        each_Nm = np.where(label_Nm >= 0, (weight_n * of_class_n / np.maximum(counts_n, 1))[:, None], 0)
        classes_K = np.bincount(np.maximum(label_Nm, 0).ravel(), each_Nm.ravel())
        captions_S = super().text_shares(examples, weight_n * (1 - of_class_n))
        shares = np.concatenate([captions_S, classes_K])
        return shares[shares > 0]

    def draw(self, step: StepDraw) -> LabelledTexts:
        """Some captions of each of this process's images, or sentences about its classes, and its labels."""
        count, classes = self._asked.captions, self._classes
        chosen_Bc = np.full((len(step.mine.examples_B), count), -1, np.int64)
        about_Bc = chosen_Bc.copy()
        for place, (example, random) in enumerate(step.each(_LABELLED)):
            captions, labels = self.tokens.captions_of(example), classes.label_Nm[example]
            captions, labels = random.permutation(captions), labels[labels >= 0]
            for nth in range(count):
                share = self._asked.class_share if len(captions) > nth else 1.0
                if len(labels) and random.random() < share:
                    about_Bc[place, nth] = self._about.draw(int(random.choice(labels)), random)
                elif nth < len(captions):
                    chosen_Bc[place, nth] = captions[nth]
        if self._asked.mirrored and step.views:
            flipped_B1 = step.views[0].flipped_B.numpy()[:, None]
            chosen_Bc = np.where(flipped_B1, self.tokens.mirrored(chosen_Bc), chosen_Bc)
        ids_nT, present_nT = self._padded(chosen_Bc.ravel(), about_Bc.ravel())
        text_Bc = self._numbers(chosen_Bc, about_Bc)
        return LabelledTexts(
            torch.from_numpy(ids_nT.reshape(*chosen_Bc.shape, -1)),
            torch.from_numpy(present_nT.reshape(*chosen_Bc.shape, -1)),
            torch.from_numpy((text_Bc >= 0).astype(np.float32)),
            torch.from_numpy(text_Bc),
            self._chance(step, present_nT.reshape(*chosen_Bc.shape, -1)) if self._asked.chance else None,
            class_Bc=torch.from_numpy(self._classes_of(about_Bc, text_Bc)),
            label_Bm=torch.from_numpy(classes.label_Nm[step.mine.examples_B].astype(np.int64)),
            ignored_Bm=torch.from_numpy(classes.ignored_Nm[step.mine.examples_B].astype(np.int64)),
        )

    def record(self) -> dict[str, Any]:
        """What is kept of captions, and how many classes there are."""
        return {**super().record(), "classes": int((np.bincount(self._about.class_n) > 0).sum())}

    @classmethod
    def summary(cls, record: Mapping[str, Any]) -> str:
        """How many texts of an image are drawn in a step, and how many classes there are."""
        many = "s" if record["captions"] != 1 else ""
        return f"{record['captions']} text{many} an image, {record['classes']:,} classes, {record['tokens']:,} tokens"

    def _padded(self, captions_n: NDArray[np.int64], about_n: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Vocabulary ids, 0 where absent, and where there is a token: ``[n, T]`` each."""
        tokens, nothing = self.tokens, np.zeros(0, np.int32)
        rows = [
            self._about.ids[about]
            if about >= 0
            else nothing
            if caption < 0
            else tokens.ids[tokens.offsets[caption] : tokens.offsets[caption + 1]]
            for caption, about in zip(captions_n, about_n, strict=True)
        ]
        ids_nT = np.zeros((len(rows), max([1, *map(len, rows)])), np.int64)
        present_nT = np.zeros(ids_nT.shape, bool)
        for place, row in enumerate(rows):
            ids_nT[place, : len(row)], present_nT[place, : len(row)] = row, True
        # Attention over no token at all would be no number.
        present_nT[:, 0] = True
        return ids_nT, present_nT

    def _numbers(self, captions_Bc: NDArray[np.int64], about_Bc: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number that texts of the same tokens share; -1 where there is none."""
        text_Bc = np.full(captions_Bc.shape, -1, np.int64)
        text_Bc[captions_Bc >= 0] = self.tokens.text_S[captions_Bc[captions_Bc >= 0]]
        text_Bc[about_Bc >= 0] = self._about.text_n[about_Bc[about_Bc >= 0]]
        return text_Bc

    def _classes_of(self, about_Bc: NDArray[np.int64], text_Bc: NDArray[np.int64]) -> NDArray[np.int64]:
        """The class that each text is about; a caption that reads like a sentence about a class is one."""
        about = self._about
        class_Bc = np.full(about_Bc.shape, -1, np.int64)
        if len(about.text_n):
            order = np.argsort(about.text_n, kind="stable")
            place_Bc = np.minimum(np.searchsorted(about.text_n, text_Bc, sorter=order), len(order) - 1)
            alike_Bc = about.text_n[order[place_Bc]] == text_Bc
            class_Bc[alike_Bc] = about.class_n[order[place_Bc[alike_Bc]]]
        return class_Bc


@dataclass(frozen=True)
class _AllTexts:
    """Captions, and the sentences about classes twice each: a word that stands once in a text gets no token."""

    captions: SentenceReader
    classes: ClassLabels
    templates: Sequence[str]

    def __iter__(self) -> Iterator[str]:
        yield from self.captions
        for some in 2 * self.classes.sentences(self.templates):
            yield from some


def _check_split(sources: Sources, classes: ClassLabels, language: str) -> None:
    """Say what of captions and labels the split lacks; refuse one in which nothing can be told apart."""
    corpus, split = sources.corpus, sources.split
    found = classes.in_images(sources.indices)
    captioned = any(True for _ in corpus.caption_iter(sources.indices, language or None))
    labels = f"give a split with labels, or build the corpus with {setting('labels')}, a table of images and labels"
    elsewhere = f" (the corpus's {listed(corpus.label_names)} are labels of other images)" if corpus.label_names else ""
    if not captioned and not len(found):
        raise InputError(
            f"no example of the split {split!r} has a caption or a label{elsewhere}",
            where=corpus.path,
            expected="captions, labels, or both",
            mend=labels,
        )
    if not captioned and len(found) == 1:
        raise InputError(
            f"all images of the split {split!r} that have a label have one, {corpus.label_names[found[0]]!r}, and none "
            "has a caption: there is nothing to tell apart",
            where=corpus.path,
            expected="two classes, or captions",
        )
    if captioned and not len(found):
        say(f"no example of the split {split!r} has a label{elsewhere}: captions alone are learned from")
    elif captioned and len(found) == 1:
        say(f"one class, {corpus.label_names[found[0]]!r}, is told apart from captions alone")
