"""Concept sets of words in any language: what is counted, where it holds, and in how much memory."""

from __future__ import annotations

import re
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from wordsight.concepts.cached import concept_set_for
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.frequent_words import WordsSettings, apply_words, build_words, places_of_words
from wordsight.corpus import Corpus
from wordsight.errors import InputError

MakeCorpus = Callable[..., Corpus]
CAPTIONS = [
    ["A black dog runs on the beach .", "The DOG runs ."],
    ["A cat sleeps on the black sofa ."],
    ["A zebra sleeps on the beach ."],
]


def test_the_most_frequent_words_come_first_and_ties_are_alphabetical(make_corpus: MakeCorpus) -> None:
    found = build_words(make_corpus(CAPTIONS), WordsSettings(size=11), "all")
    assert found.names == ["the", "a", "on", "beach", "black", "dog", "runs", "sleeps", "cat", "sofa", "zebra"]
    assert found.parts is None
    assert found.target == "labels"


def test_the_most_frequent_and_the_rare_can_be_left_out(make_corpus: MakeCorpus) -> None:
    found = build_words(make_corpus(CAPTIONS), WordsSettings(size=5, stop=3, min_count=2), "all")
    assert found.names == ["beach", "black", "dog", "runs", "sleeps"]
    with pytest.raises(InputError, match="hold 5 words that come 2 times or more after the 3 most frequent; give"):
        build_words(make_corpus(CAPTIONS, name="again"), WordsSettings(size=6, stop=3, min_count=2), "all")


def test_a_word_holds_where_any_caption_of_the_example_has_it(make_corpus: MakeCorpus) -> None:
    found = build_words(make_corpus(CAPTIONS), WordsSettings(size=5, stop=3), "all")
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 1, 1, 1, 0], [0, 1, 0, 0, 1], [1, 0, 0, 0, 1]])
    assert found.matrix.dtype == np.float32


def test_every_place_holds_its_word(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([["The man's Café, don’t run", "cafe\u0301 the man"], [], ["a small café there"]])
    found = build_words(corpus, WordsSettings(size=5), "all")
    places = found.occurrences
    assert places is not None
    told = {
        (
            example,
            caption,
            corpus.captions(example)[caption][start:end].lower().replace("e\u0301", "é").replace("’", "'"),
        )
        for example, caption, start, end in zip(
            places.example.tolist(), places.caption.tolist(), places.start.tolist(), places.end.tolist(), strict=True
        )
    }
    assert {(0, 0, "café"), (0, 1, "café"), (2, 0, "café"), (0, 0, "man")} <= told
    assert {word for _, _, word in told} == set(found.names)


def test_the_same_as_scikit_learn_on_real_captions(real_captions: list[list[str]], make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(real_captions)
    found = build_words(corpus, WordsSettings(size=500), "all")
    counter = CountVectorizer(token_pattern=r"[a-z0-9]+(?:'(?:t|re|ve|ll|d|m)\b)?", binary=True)
    joined = [re.sub(r"'s\b", "", " . ".join(corpus.captions(i)).lower()) for i in range(len(corpus))]
    theirs = counter.fit_transform(joined)
    known = counter.vocabulary_
    assert set(found.names) <= set(known)
    np.testing.assert_array_equal(
        found.matrix.toarray(), theirs[:, [known[name] for name in found.names]].toarray().astype(np.float32)
    )
    counts = Counter(word for text in joined for word in counter.build_analyzer()(text))
    assert [counts[name] for name in found.names] == sorted(counts.values(), reverse=True)[:500]


def test_held_out_captions_do_not_choose_the_words_but_have_them(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, ["train", "train", "test"])
    found = build_words(corpus, WordsSettings(size=10), "train")
    assert "zebra" not in found.names
    assert found.matrix[2].toarray().sum() == 5  # a, sleeps, on, the, beach


def test_words_of_german_chinese_and_japanese_captions(make_corpus: MakeCorpus) -> None:
    german = make_corpus([["Ein weißer Hund läuft", "Der Hund läuft weg"]], name="german")
    assert build_words(german, WordsSettings(size=2), "all").names == ["hund", "läuft"]
    chinese = make_corpus([["一只狗在草地上奔跑", "草地上的狗"]], name="chinese")
    assert build_words(chinese, WordsSettings(size=4), "all").names == ["上", "地", "狗", "草"]
    pytest.importorskip("jieba")
    words = build_words(chinese, WordsSettings(size=3, splitter="jieba"), "all")
    assert words.names == ["上", "狗", "草地"]
    assert apply_words(words, [["狗在草地上"], ["没有"]]).toarray()[:, words.names.index("草地")].tolist() == [1.0, 0.0]


def test_only_captions_of_the_language_asked_for_count(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([["a dog in snow", "ein Hund im Schnee"]] * 2, languages=[["en", "de"]] * 2)
    german = build_words(corpus, WordsSettings(size=4, language="de"), "all")
    assert german.names == ["ein", "hund", "im", "schnee"]
    assert german.occurrences is not None
    assert set(german.occurrences.caption.tolist()) == {1}
    with pytest.raises(InputError, match="unknown language 'fr'"):
        build_words(corpus, WordsSettings(language="fr"), "all")
    with pytest.raises(InputError, match="does not say which of its captions"):
        build_words(make_corpus(CAPTIONS, name="unsaid"), WordsSettings(language="de"), "all")


def test_words_of_a_set_are_found_in_other_texts_and_corpora(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_words(corpus, WordsSettings(size=11), "all")
    again = apply_words(found, [corpus.captions(i) for i in range(3)])
    np.testing.assert_array_equal(again.toarray(), found.matrix.toarray())
    assert again.dtype == np.float32
    assert apply_words(found, [[], ["nothing known here", ""], ["A Dog there"]]).toarray().sum(axis=1).tolist() == [
        0,
        0,
        2,
    ]
    other = make_corpus([["nothing of this is known"], ["the black Dog"]], name="other")
    places = places_of_words(found, other)
    assert [found.names[k] for k in places.concept] == ["the", "black", "dog"]
    assert places.example.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 12}, "12 concepts are asked for, the captions of the split 'all' hold 11 words; give size=11"),
        ({"size": 0}, "size is 0; expected a number from 1"),
        ({"stop": -1}, "stop is -1; expected a number from 0"),
        ({"size": 1, "stop": 11}, "hold 0 words after the 11 most frequent"),
        ({"splitter": "blanks"}, "unknown value 'blanks'"),
    ],
)
def test_what_can_not_be_is_said_in_a_line(make_corpus: MakeCorpus, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        concept_set_for(make_corpus(CAPTIONS), "words", settings, "all")


def test_a_corpus_without_captions_or_words_is_refused(make_corpus: MakeCorpus) -> None:
    with pytest.raises(InputError, match="holds no captions"):
        build_words(make_corpus([[], []]), WordsSettings(size=1), "all")
    with pytest.raises(InputError, match="hold no words"):
        build_words(make_corpus([["... ! ..."]], name="signs"), WordsSettings(size=1), "all")


def test_what_was_built_is_opened_the_same(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    found = build_words(make_corpus(CAPTIONS), WordsSettings(size=6), "all")
    found.save(tmp_path / "set")
    opened = ConceptSet.open(tmp_path / "set")
    assert opened.fingerprint == found.fingerprint
    assert opened.occurrences is not None
    assert len(opened.occurrences) == len(found.occurrences or ())
    assert [entry.name for entry in (tmp_path / "corpus").iterdir() if entry.name.startswith(("tmp", "."))] == []


class Stream:
    """What `build_words` asks of a corpus, its captions made as they are read: Zipf-like, new words all the time."""

    fingerprint, language_names, path = "stream", {}, Path("nowhere")  # type: ignore[var-annotated]

    def __init__(self, examples: int) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return self.examples

    def indices(self, split: str | None) -> range:
        return range(self.examples)

    def caption_iter(self, indices: range, language: str | None = None) -> Iterator[tuple[int, int, str]]:
        for i in indices:
            yield i, 0, f"common{i % 50} common{3 * i % 50} common{7 * i % 50} rare{i} odd{3 * i}"


def peak_of(examples: int) -> tuple[int, ConceptSet]:
    corpus: Any = Stream(examples)
    tracemalloc.start()
    found = build_words(corpus, WordsSettings(size=40, capacity=400), "all")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, found


def test_memory_does_not_grow_with_the_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordsight.concepts.matrix_writer._PIECE", 1 << 12)
    monkeypatch.setattr("wordsight.concepts.counting._CHUNK", 256)
    monkeypatch.setattr("wordsight.concepts.frequent_words._REMEMBERED", 400)
    peak_of(100)  # what is imported and compiled once
    small, _ = peak_of(2000)
    large, found = peak_of(8000)
    assert large < 1.2 * small
    assert len(found.occurrences or ()) > 15_000
    assert all(name.startswith("common") for name in found.names)


def test_counts_that_may_be_too_low_are_said() -> None:
    assert peak_of(100)[1].settings["counts_too_low_by_at_most"] == 0
    assert peak_of(6000)[1].settings["counts_too_low_by_at_most"] > 0
