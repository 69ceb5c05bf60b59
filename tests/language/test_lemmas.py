"""Lemmas and stop words by tables: what WordNet's rules for nouns give, and what is said of an unknown language."""

from __future__ import annotations

from importlib import import_module

import pytest

from wordsight.errors import InputError
from wordsight.language import lemmas
from wordsight.language.lemmas import NounLemmas, noun_lemmas, stop_words
from wordsight.language.plurals import NO_NOUN, OWN, SINGULARS
from wordsight.language.tagger import tagger_name
from wordsight.language.wordnet import open_wordnet

pytest.importorskip("spacy")


def test_an_ending_is_exchanged_only_where_that_gives_a_noun() -> None:
    lemma = NounLemmas(frozenset({"dog", "glass", "man"}), {"men": ["man"]}, [["s", ""], ["ses", "s"]])
    assert [lemma(word) for word in ("dogs", "glass", "glasses", "men", "runs")] == [
        "dog",
        "glass",
        "glass",
        "man",
        "runs",
    ]


def test_english_nouns_are_lowered_and_other_words_stay() -> None:
    lemma = noun_lemmas()
    pairs = {"dogs": "dog", "children": "child", "wolves": "wolf", "boxes": "box", "cities": "city", "women": "woman"}
    assert {word: lemma(word) for word in pairs} == pairs
    assert [lemma(word) for word in ("running", "grass", "people", "zzyzxs")] == [
        "running",
        "grass",
        "people",
        "zzyzxs",
    ]


PLURALS = """
    axe:axes baby:babies beach:beaches bench:benches bike:bikes bird:birds boss:bosses boy:boys box:boxes
    brush:brushes bunch:bunches bus:buses cactus:cacti calf:calves canary:canaries cherry:cherries child:children
    church:churches city:cities cookie:cookies cross:crosses crowd:crowds daisy:daisies dish:dishes dog:dogs
    dress:dresses egg:eggs elf:elves eye:eyes fireman:firemen fish:fishes fly:flies foot:feet fox:foxes fungus:fungi
    glove:gloves goose:geese half:halves hand:hands hero:heroes hippo:hippos horse:horses house:houses iris:irises
    kite:kites knife:knives leaf:leaves lens:lenses loaf:loaves logo:logos man:men mango:mangoes menu:menus
    mouse:mice movie:movies nurse:nurses octopus:octopuses ox:oxen panda:pandas peach:peaches piano:pianos pie:pies
    potato:potatoes quiz:quizzes roof:roofs rose:roses scarf:scarves sheep:sheep shelf:shelves shoe:shoes ski:skis
    sky:skies snowman:snowmen strawberry:strawberries taxi:taxis thief:thieves tie:ties tomato:tomatoes tooth:teeth
    toy:toys tv:tvs vase:vases watch:watches wife:wives window:windows wolf:wolves woman:women zebra:zebras zoo:zoos
"""
SINGLE = """
    shorts pants glasses scissors jeep bus gas grass glass dress tennis lens iris canvas octopus news series species
    mars physics woods goods blues dice people clothes cola dive omen does was his is as this
"""


def test_a_plural_becomes_its_own_singular_and_a_singular_stays() -> None:
    lemma = noun_lemmas()
    pairs = [pair.split(":") for pair in PLURALS.split()]
    assert [(one, lemma(many), lemma(one)) for one, many in pairs] == [(one, one, one) for one, _ in pairs]


def test_what_only_looks_like_a_plural_stays() -> None:
    lemma = noun_lemmas()
    for word in SINGLE.split():
        assert lemma(word) == word


def test_a_word_may_be_the_plural_of_several_nouns() -> None:
    forms = noun_lemmas().forms
    assert forms("glasses") == ("glasses", "glass")
    assert forms("axes") == ("axe", "ax", "axis")
    assert forms("leaves") == ("leaf", "leave")
    assert forms("shorts") == ("shorts",)
    assert forms("vases") == ("vase",)


def test_irregular_plurals_are_those_of_wordnets_list() -> None:
    try:
        known = open_wordnet().lemmas
    except InputError as absent:
        pytest.skip(str(absent))
    others = OWN | NO_NOUN | SINGULARS.keys()
    listed = {
        word: [noun for noun in nouns if noun in known.nouns]
        for word, nouns in known.exceptions.items()
        if word not in others and not word.endswith("ss")
    }
    listed = {word: nouns for word, nouns in listed.items() if nouns}
    assert len(listed) > 1400
    assert {word: known(word) for word in listed} == {word: nouns[0] for word, nouns in listed.items()}


def test_lemmas_are_the_same_from_spacys_tables_and_from_wordnets_files() -> None:
    try:
        theirs = open_wordnet().lemmas
    except InputError as absent:
        pytest.skip(str(absent))
    ours = noun_lemmas()
    words = [word for word in {*ours.nouns, *ours.exceptions} if word.isalpha() and len(word) > 2]
    words += [f"{word}s" for word in words] + [f"{word}es" for word in words]
    assert len(words) > 150_000
    # Both are WordNet 3.0; spaCy's has lost its nouns of several words, and some of their parts became nouns.
    different = [word for word in words if ours(word) != theirs(word)]
    assert len(different) < 0.001 * len(words)


def test_without_spacys_model_wordnets_files_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        open_wordnet()
    except InputError as absent:
        pytest.skip(str(absent))
    monkeypatch.setattr(lemmas, "installed_packages", list)
    noun_lemmas.cache_clear()
    try:
        assert [noun_lemmas()(word) for word in ("men", "vases", "shorts")] == ["man", "vase", "shorts"]
    finally:
        noun_lemmas.cache_clear()


def test_words_of_the_own_list_are_words_that_the_rule_gets_wrong() -> None:
    ours = noun_lemmas()
    for word in OWN - {"goods"}:
        assert word in ours.nouns, word
        assert ours._singulars(word) or word in ours.exceptions, word
    assert [(many, one) for many, singulars in SINGULARS.items() for one in singulars if one not in ours.nouns] == []


def test_the_tables_are_those_of_spacy_s_lemmatizer() -> None:
    spacy = pytest.importorskip("spacy")
    others = ["tok2vec", "tagger", "attribute_ruler", "parser", "senter", "ner"]
    theirs = spacy.load(tagger_name().split()[0], exclude=others).get_pipe("lemmatizer").lookups
    ours = noun_lemmas()
    assert ours.nouns == frozenset(theirs.get_table("lemma_index")["noun"])
    assert ours.exceptions == theirs.get_table("lemma_exc")["noun"]
    assert ours.endings == theirs.get_table("lemma_rules")["noun"]


def test_stop_words_are_those_of_the_language() -> None:
    assert {"the", "is", "with"} <= stop_words("en")
    assert {"der", "ist", "mit"} <= stop_words("de")
    assert "dog" not in stop_words("en")
    assert stop_words("fr") == import_module("spacy.lang.fr.stop_words").STOP_WORDS
    assert stop_words("") == frozenset()


@pytest.mark.parametrize("language", ["zz", "en.tokenizer_exceptions", "../en", "English"])
def test_an_unknown_language_of_stop_words_is_refused(language: str) -> None:
    with pytest.raises(InputError, match="no stop words are known"):
        stop_words(language)
