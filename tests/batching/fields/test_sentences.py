"""The field `sentences`: captions of images as vectors of the frozen language model."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import MakeCorpus
from wordsight.batching.fields import StepDraw
from wordsight.batching.fields.field import Mirroring
from wordsight.batching.fields.sentences import DrawnSentences, SentenceFacts, SentencesField, SentencesNeed
from wordsight.batching.sampling import Drawn
from wordsight.batching.sources import RunSources, Sources
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.language.sentence_vectors import vectors_of
from wordsight.training.pretrain_settings import PretrainSettings

CAPTIONS = [["a dog runs", "a dog to the left"], [], ["a cat sleeps"], ["a dog runs", "a red dog", "a bus stands"]]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(CAPTIONS, labels=[["x"]] * 4)


def opened(corpus: Corpus, captions: int = 2) -> SentencesField:
    return SentencesField.open(
        SentencesNeed(captions), Sources(corpus, "all", PretrainSettings(objective="structure-preserving"))
    )


def draw(field: SentencesField, step: int = 0, rank: int = 0, world: int = 1) -> DrawnSentences:
    whole = Drawn(np.array([3, 0, 2]), np.zeros(3, np.int64))
    return field.draw(StepDraw(step, 7, whole, whole.share(rank, world)))


def test_vectors_are_those_of_the_captions(corpus: Corpus, minilm: LanguageModel) -> None:
    field = opened(corpus)
    assert field.usable(np.arange(4)).tolist() == [True, False, True, True]
    drawn = draw(field)
    assert drawn.weight_Bc.tolist() == [[1, 1], [1, 1], [1, 0]]
    cat = torch.from_numpy(vectors_of(["a cat sleeps"], minilm, "mean")).float()
    assert torch.equal(drawn.vectors_BcD[2, :1], cat)
    assert not drawn.vectors_BcD[2, 1].any() and drawn.text_Bc[2].tolist() == [2, -1]
    # The caption that two images share has one number.
    seen = {int(n) for step in range(20) for n in draw(field, step).text_Bc.flatten()}
    assert seen == {-1, 0, 1, 2, 3, 4}


def test_draws_depend_on_seed_step_and_example_alone_also_in_another_process(
    corpus: Corpus, minilm: LanguageModel
) -> None:
    field = opened(corpus)
    again = pickle.loads(pickle.dumps(field))
    whole = draw(field)
    for rank in range(2):
        half = draw(again, rank=rank, world=2)
        assert torch.equal(half.vectors_BcD, whole.vectors_BcD[rank::2])
        assert torch.equal(half.text_Bc, whole.text_Bc[rank::2])


def test_vectors_go_to_other_processes_by_their_place(corpus: Corpus, minilm: LanguageModel) -> None:
    vectors = opened(corpus).facts().vectors
    assert vectors is not None
    written = pickle.dumps(vectors)
    assert len(written) < vectors.files[0].nbytes and vectors.paths[0].name.encode() in written


def test_images_whose_captions_say_left_or_right_are_not_mirrored(corpus: Corpus, minilm: LanguageModel) -> None:
    found = opened(corpus).mirroring(np.arange(4))
    assert found.tolist() == [Mirroring.NEVER, Mirroring.FREELY, Mirroring.FREELY, Mirroring.FREELY]


def test_all_captions_of_some_images_come_with_their_image(
    corpus: Corpus, minilm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wordsight.batching.fields.sentences._TOGETHER", 1)
    facts = opened(corpus).facts()
    places, vectors = zip(*facts.of_images(np.array([0, 1, 3])), strict=True)
    assert np.concatenate(places).tolist() == [0, 0, 2, 2, 2]
    expected = vectors_of([*CAPTIONS[0], *CAPTIONS[3]], minilm, "mean")
    np.testing.assert_array_equal(np.concatenate(vectors), expected.astype(np.float32))


def test_a_run_knows_what_makes_vectors_and_no_longer_those_of_its_captions(
    corpus: Corpus, minilm: LanguageModel
) -> None:
    kept = SentencesField.facts_of_run(SentencesNeed(pool="cls"), RunSources(Path("run"), {}, minilm))
    assert kept == SentenceFacts(minilm, "cls")
    with pytest.raises(LookupError):
        next(kept.of_images(np.arange(2)))
    with pytest.raises(InputError, match="names no language model"):
        SentencesField.facts_of_run(SentencesNeed(), RunSources(Path("run"), {}, None))


def test_a_corpus_without_captions_is_refused(make_corpus: MakeCorpus, minilm: LanguageModel) -> None:
    with pytest.raises(InputError, match="this corpus has no captions"):
        opened(make_corpus([[], []], labels=[["x"], ["y"]]))
