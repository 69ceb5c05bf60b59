"""The classes of a corpus: which images have them, what they are called, and sentences about them, tokenised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.class_names import names_of_classes, unreadable
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, listed, setting
from wordsight.language.caption_tokens import CaptionTokens
from wordsight.language.text_tokenizer import TextTokenizer


@dataclass(frozen=True)
class ClassLabels:
    """The classes of a corpus, and which images have them.

    Args:
        names: What each of K classes is called, one name or several.
        label_Nm: The classes of each of N images, -1 where it has fewer than m.
        ignored_Nm: Those of them that are not to be counted either way, -1 else.
    """

    names: Sequence[tuple[str, ...]]
    label_Nm: NDArray[np.int32]
    ignored_Nm: NDArray[np.int32]

    def sentences(self, templates: Sequence[str]) -> list[list[str]]:
        """What can be said of each class: each of its names in each template.

        Args:
            templates: Sentences with ``{}`` in place of the name.
        """
        return [[template.replace("{}", name) for name in some for template in templates] for some in self.names]

    def in_images(self, examples: NDArray[np.int64]) -> NDArray[np.int64]:
        """The classes that some images have.

        Args:
            examples: Their numbers in the corpus.
        """
        found = np.unique(self.label_Nm[examples])
        return found[found >= 0].astype(np.int64)

    @classmethod
    def of(cls, corpus: Corpus, class_names: str) -> ClassLabels:
        """The labels of a corpus.

        Args:
            corpus: The corpus.
            class_names: A table of classes and names; "" for the corpus's own.

        Raises:
            InputError: When the table can't be read, or a class is called by a number, or two by one name.
        """
        own = corpus.label_names
        names = names_of_classes(own, Path(class_names) if class_names else None).names
        if wrong := unreadable(name for some in names for name in some):
            raise InputError(
                f"{len(wrong)} classes are called by numbers: {listed(wrong[:3])}",
                where=corpus.path,
                expected="words",
                mend="give " + setting("objective_settings.class_names", "FILE") + ", a table of classes and names",
            )
        called: dict[str, str] = {}
        for name, some in zip(own, names, strict=True):
            for each in some:
                if called.setdefault(each.lower(), name) != name:
                    raise InputError(
                        f"the classes {called[each.lower()]!r} and {name!r} are both called {each!r}",
                        where=class_names or corpus.path,
                        expected="a name for each class",
                    )
        number = {name: k for k, name in enumerate(own)}
        held = [[number[label] for label in corpus.labels(i) if label in number] for i in range(len(corpus))]
        label_Nm = np.full((len(corpus), max([1, *map(len, held)])), -1, np.int32)
        ignored_Nm = label_Nm.copy()
        for i, labels in enumerate(held):
            ignored = set(corpus.ignored_labels(i)) if labels else set()
            for place, k in enumerate(labels):
                of = ignored_Nm if own[k] in ignored else label_Nm
                of[i, place] = k
        return cls(names, label_Nm, ignored_Nm)


@dataclass(frozen=True)
class ClassSentences:
    """All sentences about K classes, class by class, tokenised.

    Args:
        ids: The vocabulary ids of each sentence.
        class_n: The class that each is about.
        text_n: A number that texts of the same tokens share, captions among them.
        first_K: The first sentence of each class, and the number of all last.
    """

    ids: Sequence[NDArray[np.int32]]
    class_n: NDArray[np.int64]
    text_n: NDArray[np.int64]
    first_K: NDArray[np.int64]

    @classmethod
    def of(cls, sentences: Sequence[Sequence[str]], tokenizer: TextTokenizer, tokens: CaptionTokens) -> ClassSentences:
        """Tokenise the sentences of each class.

        Args:
            sentences: The sentences of each class.
            tokenizer: What reads them.
            tokens: The captions of the corpus: some may read like a sentence about a class.
        """
        flat = [text for some in sentences for text in some]
        ids = [np.array(row, np.int32) for row in tokenizer.ids_of(flat)] if flat else []
        known = _captions_as_long_as(tokens, ids)
        text_n = np.empty(len(ids), np.int64)
        for place, row in enumerate(ids):
            text_n[place] = known.setdefault(row.tobytes(), len(tokens.text_S) + place)
        counts = [len(some) for some in sentences]
        return cls(
            ids,
            np.repeat(np.arange(len(sentences)), counts),
            text_n,
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )

    def draw(self, label: int, random: np.random.Generator) -> int:
        """One of the sentences about a class.

        Args:
            label: The class.
            random: Chance.
        """
        return int(random.integers(self.first_K[label], self.first_K[label + 1]))


def _captions_as_long_as(tokens: CaptionTokens, ids: Sequence[NDArray[np.int32]]) -> dict[bytes, int]:
    """Captions of as many tokens as one of some texts: their tokens to the number that captions of these share."""
    lengths_S = np.diff(tokens.offsets)
    first_S = tokens.text_S == np.arange(len(tokens.text_S))
    near = np.flatnonzero(first_S & np.isin(lengths_S, np.unique([len(row) for row in ids])))
    return {tokens.ids[tokens.offsets[s] : tokens.offsets[s + 1]].tobytes(): int(s) for s in near}
