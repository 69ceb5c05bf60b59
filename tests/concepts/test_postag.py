"""Concept sets from parts of speech (Section 3.1): what is counted, in which order, and what holds where."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wordsight.concepts import tagged_words
from wordsight.concepts.cached import concept_set_for
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.postag import PostagSettings, build_postag, places_of_postag
from wordsight.corpus import Corpus
from wordsight.errors import InputError

pytest.importorskip("spacy")
MakeCorpus = Callable[..., Corpus]
CAPTIONS = [
    ["A black dog is running on the beach .", "The dog is running ."],
    ["A cat is sleeping on the black sofa ."],
    ["A zebra is sleeping on the beach ."],
]


def test_the_most_frequent_words_come_first_and_ties_are_alphabetical(make_corpus: MakeCorpus) -> None:
    found = build_postag(make_corpus(CAPTIONS), PostagSettings(size=8), "all")
    assert found.names == ["beach", "black", "dog", "running", "sleeping", "cat", "sofa", "zebra"]
    assert found.parts == ["noun", "adjective", "noun", "verb", "verb", "noun", "noun", "noun"]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("nouns", ["beach", "dog", "cat", "sofa", "zebra"]),
        ("nouns+adjectives", ["beach", "black", "dog", "cat", "sofa", "zebra"]),
    ],
)
def test_only_the_parts_asked_for_are_concepts(make_corpus: MakeCorpus, parts: str, expected: list[str]) -> None:
    settings = PostagSettings(len(expected), parts)  # type: ignore[arg-type]
    assert build_postag(make_corpus(CAPTIONS), settings, "all").names == expected


def test_a_concept_holds_where_any_caption_of_the_example_has_it(make_corpus: MakeCorpus) -> None:
    found = build_postag(make_corpus(CAPTIONS), PostagSettings(size=3), "all")
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 1, 1], [0, 1, 0], [1, 0, 0]])
    assert found.matrix.dtype == np.float32


def test_occurrences_are_sorted_and_name_their_concept(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_postag(corpus, PostagSettings(size=8), "all").occurrences
    assert found is not None
    keys = list(zip(found.example.tolist(), found.caption.tolist(), found.start.tolist(), strict=True))
    assert keys == sorted(keys)
    names = build_postag(corpus, PostagSettings(size=8), "all").names
    for (example, caption, start), end, concept in zip(keys, found.end.tolist(), found.concept.tolist(), strict=True):
        assert corpus.captions(example)[caption][start:end].lower() == names[concept]


def test_held_out_captions_do_not_choose_the_concepts_but_have_their_labels(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, ["train", "train", "test"])
    found = build_postag(corpus, PostagSettings(size=7), "train")
    assert "zebra" not in found.names
    assert found.matrix[2].toarray().sum() == 2  # beach, sleeping
    assert found.settings == {"size": 7, "parts": "nouns+adjectives+verbs", "language": "", "split": "train"}


def test_more_concepts_than_words_says_how_many_there_are(make_corpus: MakeCorpus) -> None:
    with pytest.raises(InputError, match="hold 8; give size=8 or less"):
        build_postag(make_corpus(CAPTIONS), PostagSettings(size=1000), "all")


def test_a_corpus_without_captions_is_refused(make_corpus: MakeCorpus) -> None:
    with pytest.raises(InputError, match="no captions"):
        build_postag(make_corpus([[], []]), PostagSettings(size=1), "all")


def test_captions_without_such_words_are_refused(make_corpus: MakeCorpus) -> None:
    with pytest.raises(InputError, match="no words"):
        build_postag(make_corpus([["of the and in"]]), PostagSettings(size=1), "all")


def test_an_unknown_split_or_setting_or_kind_suggests_the_nearest(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, ["train", "train", "test"])
    with pytest.raises(InputError, match="'train'"):
        concept_set_for(corpus, "postag", {"size": 2}, "trian")
    with pytest.raises(InputError, match="'size'"):
        concept_set_for(corpus, "postag", {"sise": 2}, "train")
    with pytest.raises(InputError, match="'postag'"):
        concept_set_for(corpus, "posttag", {}, "train")
    with pytest.raises(InputError, match="'nouns'"):
        concept_set_for(corpus, "postag", {"parts": "noun"}, "train")
    with pytest.raises(InputError, match="expected a value of type int"):
        concept_set_for(corpus, "postag", {"size": "2"}, "train")
    with pytest.raises(InputError, match="size is 0; expected a number from 1 to 1,000,000,000"):
        concept_set_for(corpus, "postag", {"size": 0}, "train")


def test_the_second_call_opens_what_the_first_built(
    real_captions: list[list[str]], make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(real_captions)
    first = concept_set_for(corpus, "postag", {"size": 300}, "all")
    monkeypatch.setattr(tagged_words, "tag_words", None)  # nothing is tagged again, not even for other settings
    started = time.process_time()
    second = concept_set_for(corpus, "postag", {"size": 300}, "all")
    assert time.process_time() - started < 1
    assert second.fingerprint == first.fingerprint
    assert second.names[:2] == ["dog", "man"]
    assert len(concept_set_for(corpus, "postag", {"size": 100, "parts": "nouns"}, "all")) == 100


def test_a_damaged_word_list_is_made_again(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    before = build_postag(corpus, PostagSettings(size=3), "all")
    for file in corpus.path.glob("concepts/tagged-*/tagged_words.npz"):
        file.write_bytes(file.read_bytes()[:100])
    assert build_postag(corpus, PostagSettings(size=3), "all").fingerprint == before.fingerprint


def test_building_twice_gives_the_same_bytes(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    for name in ("first", "second"):
        build_postag(make_corpus(CAPTIONS, name=name), PostagSettings(size=4), "all").save(tmp_path / f"{name}-set")
    first, second = tmp_path / "first-set", tmp_path / "second-set"
    assert (first / "concepts.json").read_bytes() == (second / "concepts.json").read_bytes()
    assert ConceptSet.open(first).fingerprint == ConceptSet.open(second).fingerprint


def test_a_word_stands_in_another_corpus_where_it_would_have_stood_in_its_own(make_corpus: MakeCorpus) -> None:
    # A noun most often, and a verb once: each part that was asked for counts.
    corpus = make_corpus([["The dog is on a walk .", "The walk is long ."], ["They walk on the beach ."]])
    found = build_postag(corpus, PostagSettings(size=1), "all")
    assert (found.names, found.parts) == (["walk"], ["noun"])
    assert found.occurrences is not None
    again = places_of_postag(found, corpus)
    assert again.example.tolist() == found.occurrences.example.tolist() == [0, 0, 1]
