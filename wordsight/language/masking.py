"""From words in captions to masked sentences: t_m replaced by the mask token (Section 3.2)."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.progress import track

# Captions tokenised at a time: enough for the tokenizer to use its threads.
_CHUNK = 4096


@dataclass(frozen=True)
class MaskedRows:
    """M masked captions, sorted by example, caption and position, and the S different sentences that they make.

    Args:
        example: Index of the example in its corpus, int64 ``[M]``.
        caption: Number of the caption in its example, int32 ``[M]``.
        position: Index of the mask token, [CLS] being 0, int32 ``[M]``.
        target: Vocabulary id of what was masked, int32 ``[M]``.
        concept: Number of the masked word's concept, int32 ``[M]``.
        sentence: Number of the row's masked sentence, int64 ``[M]``.
        sentence_offsets: First token of each sentence, and the number of all tokens last, int64 ``[S + 1]``.
        ids: Vocabulary ids of all sentences, one after another, int32.
        example_offsets: First row of each example of the corpus, and M last, int64.
    """

    example: NDArray[np.int64]
    caption: NDArray[np.int32]
    position: NDArray[np.int32]
    target: NDArray[np.int32]
    concept: NDArray[np.int32]
    sentence: NDArray[np.int64]
    sentence_offsets: NDArray[np.int64]
    ids: NDArray[np.int32]
    example_offsets: NDArray[np.int64]


def mask_words(corpus: Corpus, columns: list[NDArray[Any]], model: LanguageModel) -> MaskedRows:
    """Mask each word that is a single wordpiece, one at a time.

    Args:
        corpus: The captions.
        columns: Example, caption, start, end (characters, end excluded) and concept of each word, sorted so.
        model: Whose tokenizer and mask token are used.

    Raises:
        InputError: When no word is a single wordpiece.
    """
    example_n, caption_n, start_n, end_n, concept_n = columns
    rows, ids, lengths = array("q"), array("i"), array("q")
    sentences: dict[bytes, int] = {}
    chunks = list(_chunks(example_n, caption_n)) if len(example_n) else []
    for firsts in track(chunks, "masking words"):
        texts = [corpus.captions(int(example_n[first]))[int(caption_n[first])] for first in firsts[:-1]]
        for k, (caption_ids, places) in enumerate(_tokenised(texts, model)):
            for word in range(firsts[k], firsts[k + 1]):
                position = places.get((int(start_n[word]), int(end_n[word])))
                if position is None:
                    continue
                target, caption_ids[position] = caption_ids[position], model.mask_id
                # A digest in place of the sentence: 16 bytes, whatever its length.
                digest = hashlib.blake2b(np.array(caption_ids, np.int32).tobytes(), digest_size=16).digest()
                sentence = sentences.setdefault(digest, len(sentences))
                if sentence == len(lengths):
                    ids.extend(caption_ids)
                    lengths.append(len(caption_ids))
                rows.extend((word, position, target, sentence))
                caption_ids[position] = target
    if not rows:
        raise InputError(
            f"none of the {len(example_n)} words to mask is a single token of {model.name!r}",
            where=corpus.path,
            expected="words that the language model can mask",
        )
    word_M, position_M, target_M, sentence_M = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return MaskedRows(
        example=example_n[word_M].astype(np.int64),
        caption=caption_n[word_M].astype(np.int32),
        position=position_M.astype(np.int32),
        target=target_M.astype(np.int32),
        concept=concept_n[word_M].astype(np.int32),
        sentence=sentence_M.copy(),
        sentence_offsets=np.concatenate([[0], np.cumsum(np.array(lengths, dtype=np.int64))]),
        ids=np.array(ids, dtype=np.int32),
        example_offsets=np.searchsorted(example_n[word_M], np.arange(len(corpus) + 1)),
    )


def _chunks(example_n: NDArray[Any], caption_n: NDArray[Any]) -> Iterator[list[int]]:
    """Numbers of the first word of some thousand captions, and of the first word after them last."""
    new = (np.diff(example_n) != 0) | (np.diff(caption_n) != 0)
    firsts = [0, *(np.flatnonzero(new) + 1).tolist(), len(example_n)]
    for begin in range(0, len(firsts) - 1, _CHUNK):
        yield firsts[begin : begin + _CHUNK + 1]


def _tokenised(texts: list[str], model: LanguageModel) -> Iterator[tuple[list[int], dict[tuple[int, int], int]]]:
    """Vocabulary ids of each caption, and the position of the token that covers each span of characters."""
    encoded = model.tokenizer(texts, truncation=True, max_length=model.max_tokens, return_offsets_mapping=True)
    for ids, offsets in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        # A word that the vocabulary does not know is one token too, but nothing that could be predicted.
        known = {span: place for place, span in enumerate(offsets) if ids[place] != model.tokenizer.unk_token_id}
        yield ids, known
