"""A language model of counted words: how likely a sentence is, for what is to be read beside a look at the image.

Trigrams with interpolated absolute discounting (Ney, Essen and Kneser 1994): the probability of a word after two others
is that of its count, less a discount, and what is taken off goes to the shorter context. It learns a corpus's captions
in a second, and knows their way of saying things better than a large model of other texts.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_START, _END = "<s>", "</s>"
# What is taken off each count.
_DISCOUNT = 0.75


class Trigrams:
    """Counts of words after the two before them.

    Args:
        sentences: What it learns from.

    Examples:
        >>> model = Trigrams(["a dog bites a man", "a dog runs", "a man runs"])
        >>> model.log_probability("a dog bites a man") > model.log_probability("a man bites a dog")
        True
    """

    def __init__(self, sentences: Iterable[str]) -> None:
        # Counts of words after contexts of no, one and two words.
        self._after: list[dict[tuple[str, ...], Counter[str]]] = [defaultdict(Counter) for _ in range(3)]
        for sentence in sentences:
            for words, word in _steps(sentence):
                for length, counts in enumerate(self._after):
                    counts[words[2 - length :]][word] += 1
        self._totals = [{context: found.total() for context, found in counts.items()} for counts in self._after]

    def log_probability(self, sentence: str) -> float:
        """The logarithm of a sentence's probability, its end among it.

        Args:
            sentence: The sentence; capitals and signs between words are not read.
        """
        return sum(math.log(self._probability(words, word)) for words, word in _steps(sentence))

    def _probability(self, context: tuple[str, ...], word: str) -> float:
        counts, total = self._after[len(context)].get(context), self._totals[len(context)].get(context, 0)
        shorter = self._probability(context[1:], word) if context else 1 / (1 + len(counts or ()))
        if counts is None:
            return shorter
        # What was never seen has a part of what is taken off all others.
        kept = max(counts[word] - _DISCOUNT, 0.0) if word in counts else 0.0
        return (kept + _DISCOUNT * len(counts) * shorter) / total


def _steps(sentence: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each word with the two before it, and the end."""
    words: Sequence[str] = [_START, _START, *_WORD.findall(sentence.lower()), _END]
    return ((tuple(words[place - 2 : place]), words[place]) for place in range(2, len(words)))
