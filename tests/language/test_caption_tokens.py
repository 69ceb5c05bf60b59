"""Captions as vocabulary ids: tokenised once, found again, and numbered so that equal ones are known."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.conftest import MakeCorpus
from wordsight.errors import InputError
from wordsight.language import caption_tokens as module
from wordsight.language.caption_tokens import CaptionTokens, caption_tokens
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import SPECIAL

WORDS = [*SPECIAL, "a", "dog", "cat", "run", "##s", "sleep"]
CAPTIONS = [["a dog runs", "A cat sleeps"], [], ["a dog runs"], ["a cat runs", "a dog runs", "dog runs a cat sleeps"]]
# A corpus keeps no example without captions unless it has labels.
LABELS = [("x",), ("x",), ("x",), ("x",)]


@pytest.fixture
def tokenizer() -> TextTokenizer:
    return TextTokenizer.of_vocabulary(WORDS, max_tokens=6)


def test_each_caption_has_its_ids_and_each_example_its_captions(
    make_corpus: MakeCorpus, tokenizer: TextTokenizer
) -> None:
    tokens = caption_tokens(make_corpus(CAPTIONS, labels=LABELS), tokenizer)
    assert [tokens.captions_of(k).tolist() for k in range(4)] == [[0, 1], [], [2], [3, 4, 5]]
    ids_nT, present_nT = tokens.padded(np.array([3, 1, -1, 5]))
    # Cut to six tokens, [SEP] among them; where there is no caption, one token of padding stands for it.
    assert ids_nT.tolist() == [[2, 5, 7, 8, 9, 3], [2, 5, 7, 10, 9, 3], [0] * 6, [2, 6, 8, 9, 5, 3]]
    assert present_nT.sum(1).tolist() == [6, 6, 1, 6]


def test_captions_that_read_the_same_have_one_number(make_corpus: MakeCorpus, tokenizer: TextTokenizer) -> None:
    tokens = caption_tokens(make_corpus(CAPTIONS, labels=LABELS), tokenizer)
    assert tokens.text_S.tolist() == [0, 1, 0, 3, 0, 5]


def test_they_are_tokenised_once(
    make_corpus: MakeCorpus, tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(CAPTIONS, labels=LABELS)
    first = caption_tokens(corpus, tokenizer)
    monkeypatch.setattr(TextTokenizer, "ids_of", None)
    again = caption_tokens(corpus, tokenizer)
    assert again.path == first.path and np.array_equal(again.ids, first.ids)
    assert len(pickle.dumps(again)) < 1000, "they go to other processes by their path"
    assert np.array_equal(pickle.loads(pickle.dumps(again)).ids, first.ids)


def test_another_vocabulary_limit_or_language_is_kept_apart(make_corpus: MakeCorpus, tokenizer: TextTokenizer) -> None:
    languages = [["en", "de"], [], ["en"], ["de", "en", "en"]]
    corpus = make_corpus(CAPTIONS, labels=LABELS, languages=languages)
    whole = caption_tokens(corpus, tokenizer)
    longer = caption_tokens(corpus, TextTokenizer.of_vocabulary(WORDS, max_tokens=7))
    other = caption_tokens(corpus, TextTokenizer.of_vocabulary([*WORDS, "z"], max_tokens=6))
    english = caption_tokens(corpus, tokenizer, "en")
    assert len({whole.path, longer.path, other.path, english.path}) == 4
    assert [len(english.captions_of(k)) for k in range(4)] == [1, 0, 1, 2]


def test_a_damaged_folder_says_how_to_make_it_anew(make_corpus: MakeCorpus, tokenizer: TextTokenizer) -> None:
    corpus = make_corpus(CAPTIONS, labels=LABELS)
    folder = caption_tokens(corpus, tokenizer).path
    (folder / "ids.npy").write_bytes(b"cut")
    with pytest.raises(InputError, match="remove the folder: it is made again"):
        _ = caption_tokens(corpus, tokenizer).ids
    (folder / module._INFO).write_text("{")
    with pytest.raises(InputError, match="holds no tokenised captions"):
        CaptionTokens(folder)
