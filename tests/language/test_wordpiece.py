"""The vocabulary is BERT's kind, keeps accents, and is read back by transformers as it was learned."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest

from wordsight.errors import InputError
from wordsight.language.wordpiece import (
    SPECIAL,
    bert_tokenizer,
    continues_word,
    read_vocabulary,
    train_wordpiece,
    write_vocabulary,
)

TEXTS = ["Ein Mädchen läuft durch den schönen Garten.", "Zwei Mädchen laufen über die Straße."] * 20


def test_frequent_words_become_single_tokens_and_special_ones_stand_first() -> None:
    vocabulary = train_wordpiece(TEXTS, 200)
    assert tuple(vocabulary[:5]) == SPECIAL
    assert {"mädchen", "straße", "schönen"} <= set(vocabulary)
    assert vocabulary == train_wordpiece(TEXTS, 200)


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "tokens"),
    [(True, False, ["ein", "mädchen"]), (False, False, ["Ein", "Mädchen"]), (True, True, ["ein", "madchen"])],
)
def test_capitals_and_accents_are_settings_that_transformers_reads_back(
    lowercase: bool, strip_accents: bool, tokens: list[str], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    vocabulary = train_wordpiece(TEXTS, 200, lowercase=lowercase, strip_accents=strip_accents)
    made = bert_tokenizer(vocabulary, lowercase=lowercase, strip_accents=strip_accents, max_tokens=32)
    made.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    read = AutoTokenizer.from_pretrained(tmp_path)
    for tokenizer in (made, read):
        assert tokenizer.tokenize("Ein Mädchen") == tokens
        assert tokenizer.model_max_length == 32
        ids = tokenizer("Ein Mädchen")["input_ids"]
        assert (ids[0], ids[-1]) == (SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]"))
        assert len(tokenizer) == len(vocabulary)


def test_frequent_words_of_real_german_captions_are_single_tokens(shared_data: Path) -> None:
    with gzip.open(shared_data / "text" / "flickr30k_5caps_de.tsv.gz", "rt", encoding="utf-8") as file:
        captions = [line.split("\t")[2] for line in itertools.islice(file, 4000)]
    vocabulary = train_wordpiece(captions, 4000)
    tokenizer = bert_tokenizer(vocabulary, lowercase=True, strip_accents=False, max_tokens=32)
    assert tokenizer.tokenize("Ein Mädchen auf der Straße.") == ["ein", "mädchen", "auf", "der", "straße", "."]


def test_pieces_inside_a_word_are_told() -> None:
    assert continues_word(["[PAD]", "hund", "##e", "##"]) == [False, False, True, False]


def test_a_vocabulary_is_written_and_read(tmp_path: Path) -> None:
    vocabulary = train_wordpiece(TEXTS, 100)
    write_vocabulary(tmp_path / "vocab.txt", vocabulary)
    assert read_vocabulary(tmp_path / "vocab.txt") == vocabulary
    (tmp_path / "vocab.txt").write_text("ein\nhund\n")
    with pytest.raises(InputError, match="holds no vocabulary"):
        read_vocabulary(tmp_path / "vocab.txt")


def test_a_small_text_gives_a_small_vocabulary() -> None:
    assert len(train_wordpiece(TEXTS, 30_000)) < 200


def test_a_vocabulary_without_room_for_the_letters_is_refused() -> None:
    letters = " ".join(chr(0x4E00 + k) for k in range(500))
    with pytest.raises(InputError, match="^vocabulary: a vocabulary of 60 has no room") as error:
        train_wordpiece([letters, "abcdefghijklmnopqrstuvwxyz zyxwvutsrqponmlkjihgfedcba äöüß"] * 3, 60)
    assert "\n" not in str(error.value)
