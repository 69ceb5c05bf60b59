"""The tagger speaks English: captions in other languages are refused before they are tagged wrongly."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from wordsight.concepts.apply import concepts_of
from wordsight.concepts.cached import concept_set_for
from wordsight.concepts.english import language_of
from wordsight.concepts.postag import PostagSettings, build_postag
from wordsight.concepts.topics import TopicsSettings, build_topics
from wordsight.corpus import Corpus
from wordsight.errors import InputError

pytest.importorskip("spacy")
MakeCorpus = Callable[..., Corpus]
GERMAN = ["Ein Hund läuft auf der Wiese", "Zwei Männer sitzen an einem Tisch", "Eine Frau mit einem Hut"]
ENGLISH = ["A dog runs on the grass", "Two men sit at a table", "A woman with a hat"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("A man in a green hat running at night", "English"),
        ("Vintage leather handbag, brown", "English"),
        ("", "English"),
        ("Ein Hund läuft auf der Wiese", "German"),
        ("Un homme est assis sur un banc", "French"),
        ("Muž sedí na lavičce a drží psa, který je bílý", "Czech"),
        ("Một người đàn ông và con chó trên bãi cỏ", "Vietnamese"),
        ("Isang babae na may dalang payong sa harap ng bahay", "Filipino"),
        ("Mtu anatembea na mbwa wake katika bustani ya mji", "Swahili"),
        ("собака бежит по траве", "one with other letters"),
        ("一只狗在草地上奔跑", "one with other letters"),
    ],
)
def test_a_language_is_told_by_its_letters_and_small_words(text: str, language: str) -> None:
    assert language_of(text) == language


def test_real_captions_in_four_languages_are_told_apart(shared_data: Path) -> None:
    with gzip.open(shared_data / "text" / "multi30k_parallel_en_de_fr_cs.tsv.gz", "rt", encoding="utf-8") as file:
        rows = [
            row for row, _ in zip(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), range(500), strict=False)
        ]
    told = [sum(language_of(row[k]) != "English" for row in rows) / len(rows) for k in (2, 3, 4, 5)]
    assert told[0] < 0.01
    assert min(told[1:]) > 0.5


def test_captions_in_other_languages_are_refused_and_words_is_pointed_to(make_corpus: MakeCorpus) -> None:
    with pytest.raises(InputError, match="100% of the captions are not English .*German.* use the concept set 'words'"):
        build_postag(make_corpus([[text] for text in GERMAN]), PostagSettings(size=2), "all")


def test_where_the_corpus_knows_languages_the_english_captions_can_be_taken(make_corpus: MakeCorpus) -> None:
    pairs = [list(pair) for pair in zip(ENGLISH, GERMAN, strict=True)]
    corpus = make_corpus(pairs, languages=[["en", "de"]] * 3)
    with pytest.raises(InputError, match="50% of the captions are not English .* or give language='en'"):
        build_postag(corpus, PostagSettings(size=2), "all")
    found = build_postag(corpus, PostagSettings(size=6, parts="nouns", language="en"), "all")
    assert found.names == ["dog", "grass", "hat", "men", "table", "woman"]
    assert found.occurrences is not None
    assert set(found.occurrences.caption.tolist()) == {0}
    with pytest.raises(InputError, match="100% of the captions are not English"):
        build_postag(corpus, PostagSettings(size=2, language="de"), "all")
    with pytest.raises(InputError, match="unknown language 'fr'"):
        build_postag(corpus, PostagSettings(size=2, language="fr"), "all")


def test_a_corpus_that_says_another_language_is_refused_whatever_its_words_look_like(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([["xe hoi mau do"], ["con meo den"], ["qua bong da"]], languages=[["vi"]] * 3)
    words = "100% of the captions are not English .most of those: vi., and .* use the concept set 'words'"
    for kind, settings in (
        ("postag", {"size": 2}),
        ("synsets", {"size": 2}),
        ("postag", {"size": 2, "language": "vi"}),
    ):
        with pytest.raises(InputError, match=words):
            concept_set_for(corpus, kind, settings, "all")
    with pytest.raises(InputError, match="most of those: vi.*give `stop_words` of their language"):
        build_topics(corpus, TopicsSettings(size=2, min_count=1), "all")
    assert concept_set_for(corpus, "words", {"size": 2}, "all").languages == ("vi",)


def test_a_few_captions_in_other_languages_are_left_out_and_that_is_said(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    # "hat" and "die" are English words too.
    captions = [[text] for text in ENGLISH * 3] + [["die Frau hat"], ["a dog here"]]
    languages = [["en-GB"]] * 9 + [["de"], [""]]
    corpus = make_corpus(captions, languages=languages)
    found = concept_set_for(corpus, "postag", {"size": 6, "parts": "nouns"}, "all")
    said = " ".join(capsys.readouterr().err.split())
    assert "captions in other languages than English (de), which the tagger leaves out: 1 of 11" in said
    assert found.languages == ("en-GB", "")
    assert found.matrix[:, found.names.index("hat")].toarray().ravel().tolist() == [0, 0, 1] * 3 + [0, 0]
    assert found.matrix[:, found.names.index("dog")].toarray().ravel().tolist() == [1, 0, 0] * 3 + [0, 1]


def test_a_set_of_a_corpus_without_languages_reads_the_english_captions_of_another(make_corpus: MakeCorpus) -> None:
    concepts = build_postag(make_corpus([[text] for text in ENGLISH]), PostagSettings(size=6, parts="nouns"), "all")
    both = make_corpus([["a dog runs", "die Frau hat"], ["a hat here"]], languages=[["en", "de"], [""]], name="both")
    found = concepts_of(concepts, both, both.indices()).toarray()
    assert found[:, concepts.names.index("hat")].tolist() == [0, 1]
    german = make_corpus([["die Frau hat"]], languages=[["de"]], name="german")
    with pytest.raises(InputError, match="captions are in de, the concept set .* was made from captions in English"):
        concepts_of(concepts, german, german.indices())


def test_captions_are_looked_at_from_the_first_example_to_the_last(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wordsight.concepts.tagged_words._SAMPLE", 4)
    with pytest.raises(InputError, match="50% of the captions are not English"):
        build_postag(make_corpus([ENGLISH] * 4 + [GERMAN] * 4), PostagSettings(size=2), "all")


def test_topics_of_another_language_ask_for_its_stop_words(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([[text] for text in GERMAN * 4])
    settings = TopicsSettings(size=2, min_count=2)
    with pytest.raises(InputError, match="100% of the captions are not English .*German.* stop words and lemmas are"):
        build_topics(corpus, settings, "all")
    with pytest.raises(InputError, match="and the lemmas are; give `stop_words` of their language"):
        build_topics(corpus, replace(settings, stop_words="de"), "all")
    found = build_topics(corpus, replace(settings, stop_words="de", lemmas=False), "all")
    words = {word for name in found.names for word in name.split()}
    assert "hund" in words
    assert not words & {"ein", "eine", "auf", "der"}
