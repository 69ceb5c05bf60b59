"""How a text tower reads: texts to vocabulary ids, with a language model's tokenizer or one made from the captions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.language.wordpiece import bert_tokenizer


class TextTokenizer:
    """A fast tokenizer, cut to a number of tokens.

    Args:
        tokenizer: The fast transformers tokenizer; [CLS] comes first in what it gives, [SEP] last.
        size: Number of vocabulary ids.
        fingerprint: Hash of what it is: equal ones read alike.
        max_tokens: Tokens that a text is cut to, [CLS] and [SEP] among them.
        vocabulary: The tokens in the order of their ids, of one that was made from captions; () for a language
            model's, which lies with the model.
    """

    def __init__(
        self, tokenizer: Any, size: int, fingerprint: str, max_tokens: int, vocabulary: Sequence[str] = ()
    ) -> None:
        self._tokenizer, self.size, self.max_tokens = tokenizer, size, max_tokens
        self.fingerprint = f"{fingerprint}-{max_tokens}"
        self.vocabulary = tuple(vocabulary)

    @classmethod
    def of_vocabulary(cls, vocabulary: Sequence[str], *, max_tokens: int, lowercase: bool = True) -> TextTokenizer:
        """The tokenizer of a WordPiece vocabulary of one's own.

        Args:
            vocabulary: As :func:`wordsight.language.wordpiece.train_wordpiece` gives it.
            max_tokens: Tokens that a text is cut to.
            lowercase: Whether capitals are made small.

        Examples:
            >>> from wordsight.language.wordpiece import SPECIAL
            >>> reader = TextTokenizer.of_vocabulary([*SPECIAL, "a", "dog", "run", "##s"], max_tokens=8)
            >>> reader.encode(["a dog runs", "a"])[0].tolist()
            [[2, 5, 6, 7, 8, 3], [2, 5, 3, 0, 0, 0]]
        """
        tokenizer = bert_tokenizer(list(vocabulary), lowercase=lowercase, strip_accents=False, max_tokens=max_tokens)
        digest = hashlib.sha256("\n".join([str(lowercase), *vocabulary]).encode("utf-8", "surrogatepass"))
        return cls(tokenizer, len(vocabulary), digest.hexdigest()[:16], max_tokens, vocabulary)

    @property
    def special_ids(self) -> list[int]:
        """The ids that stand for no text: of beginning, end, padding, the mask, and words that it does not know."""
        return list(self._tokenizer.all_special_ids)

    @property
    def unknown_ids(self) -> list[int]:
        """The id of words that it does not know; none where there are no such words."""
        found = self._tokenizer.unk_token_id
        return [] if found is None else [int(found)]

    def ids_of(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, unpadded."""
        found = self._tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return [list(ids) for ids in found]

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of some ids: pieces joined to words, special tokens left out, no blank before a comma or full stop.

        Examples:
            >>> from wordsight.language.wordpiece import SPECIAL
            >>> reader = TextTokenizer.of_vocabulary([*SPECIAL, "a", "dog", "run", "##s", "."], max_tokens=8)
            >>> reader.text_of(reader.ids_of(["A dog runs."])[0])
            'a dog runs.'
        """
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=True)
        return text

    def tokens_within(self, text: str, start: int, end: int) -> list[int]:
        """Numbers of the tokens of a text that stand within some of its characters, [CLS] being 0.

        Args:
            text: The text.
            start: The first character.
            end: One past the last character.

        Examples:
            >>> from wordsight.language.wordpiece import SPECIAL
            >>> reader = TextTokenizer.of_vocabulary([*SPECIAL, "a", "dog", "run", "##s"], max_tokens=8)
            >>> reader.tokens_within("a dog runs", 6, 10)
            [3, 4]
        """
        # Byte-level tokenizers count the space before a word as part of it.
        return [
            place
            for place, (first, last) in enumerate(self._places(text))
            if first < last and start <= first + len(text[first:last]) - len(text[first:last].lstrip()) and last <= end
        ]

    def reaches(self, text: str) -> int:
        """How many characters of a text are read: all, but of one that is cut.

        Args:
            text: The text.
        """
        places = self._places(text)
        return len(text) if len(places) < self.max_tokens else max((last for _, last in places), default=0)

    def _places(self, text: str) -> list[tuple[int, int]]:
        """Where each token stands in a text; the same place twice for special ones."""
        coded = self._tokenizer(text, truncation=True, max_length=self.max_tokens, return_offsets_mapping=True)
        return [(int(first), int(last)) for first, last in coded["offset_mapping"]]

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Texts as one padded array.

        Args:
            texts: B texts.

        Returns:
            Vocabulary ids, 0 where absent, and where there is a token: ``[B, T]`` each.
        """
        rows = self.ids_of(texts)
        ids_BT = np.zeros((len(rows), max(map(len, rows), default=1)), np.int64)
        present_BT = np.zeros(ids_BT.shape, bool)
        for place, ids in enumerate(rows):
            ids_BT[place, : len(ids)], present_BT[place, : len(ids)] = ids, True
        return ids_BT, present_BT
