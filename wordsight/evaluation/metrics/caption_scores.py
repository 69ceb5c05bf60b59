"""BLEU (Papineni et al. 2002) and CIDEr-D (Vedantam et al. 2015): how like captions of people is a caption?

Both count n-grams of up to four words that a caption shares with an image's references, as the code of the COCO
captions does (pycocoevalcap): BLEU's length of the references is the one closest to the caption's, and summed over
images; CIDEr-D weighs n-grams by how few images have them in a reference. Words are runs of letters and digits in small
letters, and single Chinese or Japanese signs, in captions and references alike; that code splits by the rules of the
Penn Treebank, which need Java and differ in apostrophes and hyphens.

https://aclanthology.org/P02-1040 and https://arxiv.org/abs/1411.5726
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The longest n-grams.
LONGEST = 4
# CIDEr-D of an image is at most this.
MOST_CIDER = 10.0
# Width of CIDEr-D's penalty for another length, in words.
_SIGMA = 6.0
# Signs that stand for a word or a syllable, in scripts without blanks between words.
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")

NGrams = Counter[tuple[str, ...]]


def words_of(text: str) -> list[str]:
    """The words of a caption as the metrics count them: runs of letters and digits, in small letters, and single signs.

    >>> words_of("A man's T-shirt.")
    ['a', 'man', 's', 't', 'shirt']
    """
    return _WORD.findall(text.lower())


def _ngrams(words: Sequence[str]) -> NGrams:
    return Counter(tuple(words[k : k + n]) for n in range(1, LONGEST + 1) for k in range(len(words) - n + 1))


@dataclass(frozen=True)
class Bleu:
    """BLEU-1 to BLEU-4 of captions of N images.

    Args:
        value_k: In percent, float64 ``[4]``.
        parts_Nk: Each image's part in each (see `outcomes`), as shares: their mean is the value.
    """

    value_k: NDArray[np.float64]
    parts_Nk: NDArray[np.float64]


@dataclass(frozen=True)
class _Weighed:
    """A text's n-grams by their weight, the length of the weights by n, and what CIDEr-D takes for its length."""

    weights: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    length: int


class References:
    """The references of N images, which captions are scored against.

    Args:
        texts: The references of each image, one at least.

    Examples:
        >>> references = References([["a dog runs on grass", "the dog is on grass"], ["a cat sleeps on a red bed"]])
        >>> [round(x) for x in references.bleu(["a dog runs on grass", "a cat sleeps"]).value_k]
        [61, 61, 61, 61]
        >>> [round(x, 1) for x in references.cider(["a dog runs on grass", "a cat sleeps"]).tolist()]
        [6.0, 3.5]
    """

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._words = [[words_of(text) for text in some] for some in texts]
        self._ngrams = [[_ngrams(words) for words in some] for some in self._words]
        counts: Counter[tuple[str, ...]] = Counter()
        for some in self._ngrams:
            counts.update(set().union(*some))
        # An n-gram that no reference has counts like one that one image has.
        self._images_with = counts
        self._weighed = [[self._weigh(ngrams) for ngrams in some] for some in self._ngrams]

    def __len__(self) -> int:
        return len(self._words)

    def bleu(self, captions: Sequence[str]) -> Bleu:
        """BLEU of a caption for each image, over all images.

        Args:
            captions: The captions.
        """
        found = [
            self._matches(words_of(caption), words, ngrams)
            for caption, words, ngrams in zip(captions, self._words, self._ngrams, strict=True)
        ]
        right_Nk, given_Nk, length_N, wanted_N = (np.array(column, np.float64) for column in zip(*found, strict=True))
        right_k, given_k, length, wanted = (each.sum(0) for each in (right_Nk, given_Nk, length_N, wanted_N))
        order_k = np.arange(1, LONGEST + 1)
        if length == 0:
            return Bleu(np.zeros(LONGEST), np.zeros((len(found), LONGEST)))
        with np.errstate(divide="ignore", invalid="ignore"):
            share_k = np.where(given_k > 0, right_k / np.maximum(given_k, 1), 0.0)
            slope_Nk = np.where(share_k > 0, right_Nk / right_k - given_Nk / given_k, 0.0)
            value_k = np.exp(np.cumsum(np.log(share_k)) / order_k)
        slope_Nk = np.cumsum(slope_Nk, 1) / order_k
        if length < wanted:
            # The brevity penalty, and its slope in an image's weight.
            value_k = value_k * math.exp(1 - wanted / length)
            slope_Nk = slope_Nk + ((wanted * length_N / length - wanted_N) / length)[:, None]
        return Bleu(100 * value_k, value_k * (1 + len(found) * slope_Nk))

    def cider(self, captions: Sequence[str]) -> NDArray[np.float64]:
        """CIDEr-D of a caption for each image, from 0 to 10, ``[N]``. Papers give 100 times the mean.

        Of a caption of fewer than four words less is the most: 2.5 for each length of n-grams that it has.

        Args:
            captions: The captions.
        """
        return np.array(
            [
                self._likeness(self._weigh(_ngrams(words_of(caption))), some)
                for caption, some in zip(captions, self._weighed, strict=True)
            ]
        )

    def _matches(
        self, words: list[str], references: list[list[str]], ngrams: list[NGrams]
    ) -> tuple[list[int], list[int], int, int]:
        """N-grams that are right and all of them, by n; words, and words of the reference of the closest length."""
        most: NGrams = Counter()
        for each in ngrams:
            most |= each
        right = [0] * LONGEST
        for ngram, count in _ngrams(words).items():
            right[len(ngram) - 1] += min(count, most[ngram])
        given = [max(0, len(words) - n) for n in range(LONGEST)]
        closest = min((abs(len(each) - len(words)), len(each)) for each in references)[1]
        return right, given, len(words), closest

    def _weigh(self, ngrams: NGrams) -> _Weighed:
        weights: tuple[dict[tuple[str, ...], float], ...] = tuple({} for _ in range(LONGEST))
        images = math.log(len(self._words))
        for ngram, count in ngrams.items():
            weights[len(ngram) - 1][ngram] = count * (images - math.log(max(1, self._images_with[ngram])))
        norms = tuple(math.sqrt(sum(weight**2 for weight in of_n.values())) for of_n in weights)
        # The reference code takes the number of pairs of words for the length.
        return _Weighed(weights, norms, sum(count for ngram, count in ngrams.items() if len(ngram) == 2))

    def _likeness(self, caption: _Weighed, references: list[_Weighed]) -> float:
        """The mean over n and over the references of clipped cosines, each less the more the lengths differ."""
        total = 0.0
        for each in references:
            near = math.exp(-((caption.length - each.length) ** 2) / (2 * _SIGMA**2))
            for mine, theirs, norm, their_norm in zip(
                caption.weights, each.weights, caption.norms, each.norms, strict=True
            ):
                both = sum(
                    min(weight, theirs.get(ngram, 0.0)) * theirs.get(ngram, 0.0) for ngram, weight in mine.items()
                )
                if norm and their_norm:
                    total += near * both / (norm * their_norm)
        return MOST_CIDER * total / LONGEST / len(references)
