"""The field `word-vectors`: what the run's concepts are called, as vectors, also after the concept set is gone."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import MakeCorpus
from wordsight.batching.fields.word_vectors import WordVectorsField, WordVectorsNeed
from wordsight.batching.sources import RunSources, Sources
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.language.word_vectors import WordVectors
from wordsight.training.pretrain_settings import PretrainSettings

LABELS = [["gas_pump"], ["dog"]]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus([["a dog runs there"]] * 2, labels=LABELS)


def opened(corpus: Corpus, need: WordVectorsNeed, **concepts: object) -> WordVectorsField:
    settings = PretrainSettings(objective="devise", concepts=concepts or {"kind": "labels"})
    return WordVectorsField.open(need, Sources(corpus, "all", settings))


def test_names_become_words_and_their_vectors_are_kept_with_the_run(corpus: Corpus, minilm: LanguageModel) -> None:
    need = WordVectorsNeed("vocabulary")
    field = opened(corpus, need)
    facts = pickle.loads(pickle.dumps(field)).facts()
    assert torch.equal(facts.names_KD, WordVectors(minilm, "vocabulary").of(["dog", "gas pump"]))
    kept = RunSources(Path("run"), {}, minilm, noted=facts.noted(), tensors=facts.kept())
    again = WordVectorsField.facts_of_run(need, kept)
    assert again.concept_set == facts.concept_set and torch.equal(again.names_KD, facts.names_KD)
    assert field.usable(np.arange(2)).all()


def test_one_of_several_concept_sets_is_chosen_by_name(corpus: Corpus, minilm: LanguageModel) -> None:
    sets = {"a": {"kind": "words", "size": 2, "stop": 0}, "b": {"kind": "labels"}}
    assert opened(corpus, WordVectorsNeed(concept_set="b"), **sets).facts().concept_set == "b"
    with pytest.raises(InputError, match="unknown concept set 'c'"):
        opened(corpus, WordVectorsNeed(concept_set="c"), **sets)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([["n01440764"], ["dog"]], "1 concepts are called by numbers: n01440764"),
        ([["\u2d63"], ["\u2d63\u2d63"]], "its tokenizer knows none of the 2 concepts' names"),
    ],
)
def test_names_that_are_no_words_are_refused(
    make_corpus: MakeCorpus, minilm: LanguageModel, labels: list[list[str]], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        opened(make_corpus([["a dog runs there"]] * 2, labels=labels), WordVectorsNeed())
