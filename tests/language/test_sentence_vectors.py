"""Sentence vectors: what they are, in which order, and that none is computed twice, after an interruption either."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wordsight.corpus import Corpus
from wordsight.language import sentence_vectors as module
from wordsight.language.model import LanguageModel
from wordsight.language.sentence_vectors import Pool, sentence_vectors, vectors_of

MakeCorpus = Callable[..., Corpus]
CAPTIONS = [
    [f"a {colour} {animal} is running on the {place} ." for animal in ("dog", "cat", "horse")]
    for colour in ("black", "white", "brown")
    for place in ("beach", "grass", "snow covered mountain")
]


@pytest.fixture
def corpus(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """27 captions, kept in files of 8."""
    monkeypatch.setattr(module, "_FILE", 8)
    return make_corpus(CAPTIONS)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sentences each call of the language model was asked for."""
    counts: list[int] = []

    def counting(texts: Sequence[str], model: LanguageModel, pool: Pool) -> NDArray[np.float16]:
        counts.append(len(texts))
        return vectors_of(texts, model, pool)

    monkeypatch.setattr(module, "vectors_of", counting)
    return counts


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_a_vector_is_the_first_token_s_feature_or_the_mean_over_tokens(minilm: LanguageModel, pool: Pool) -> None:
    texts = ["A dog runs .", "Two small children play in the sand .", "A dog runs .", "A cat sleeps ."]
    found = vectors_of(texts, minilm, pool)
    for text, vector in zip(texts, found, strict=True):
        ids = torch.tensor(minilm.tokenizer(text)["input_ids"])[None]
        tokens_TD = minilm.features(ids, torch.ones_like(ids, dtype=torch.bool))[0].cpu()
        expected = tokens_TD[0] if pool == "cls" else tokens_TD.mean(0)
        # Matrix products round by the size of their batch; float16 has three digits.
        np.testing.assert_allclose(vector, expected.numpy(), atol=0.02)
    np.testing.assert_array_equal(found[0], found[2])


def test_no_text_gives_no_vector(minilm: LanguageModel) -> None:
    assert vectors_of([], minilm, "cls").shape == (0, minilm.width)


def test_vectors_are_those_of_the_captions_in_their_order(corpus: Corpus, minilm: LanguageModel) -> None:
    vectors = sentence_vectors(corpus, minilm, "mean")
    places = [(example, caption) for example, caption, _ in corpus.caption_iter(corpus.indices(None))]
    assert list(zip(vectors.example_N.tolist(), vectors.caption_N.tolist(), strict=True)) == places
    texts = [text for _, _, text in corpus.caption_iter(corpus.indices(None))]
    everything = np.concatenate(list(vectors.blocks()))
    np.testing.assert_allclose(everything, vectors_of(texts, minilm, "mean"), atol=0.02)
    some = np.array([0, 7, 8, 9, 20, 26])
    np.testing.assert_array_equal(vectors.rows(some), everything[some])


def test_vectors_are_computed_once(corpus: Corpus, minilm: LanguageModel, computed: list[int]) -> None:
    first = sentence_vectors(corpus, minilm, "cls")
    assert computed == [8, 8, 8, 3]
    second = sentence_vectors(corpus, minilm, "cls")
    assert computed == [8, 8, 8, 3]
    np.testing.assert_array_equal(np.concatenate(list(first.blocks())), np.concatenate(list(second.blocks())))
    sentence_vectors(corpus, minilm, "mean")
    assert len(computed) == 8


def test_after_an_interruption_the_rest_is_computed(
    corpus: Corpus, minilm: LanguageModel, computed: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    features_of_batches = minilm.features_of_batches
    with pytest.MonkeyPatch.context() as patch:

        def interrupted(batches: object) -> object:
            if len(computed) == 3:
                raise KeyboardInterrupt
            return features_of_batches(batches)  # type: ignore[arg-type]

        patch.setattr(minilm, "features_of_batches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sentence_vectors(corpus, minilm, "cls")
    assert "16 of 27 sentence vectors are kept" in capsys.readouterr().err
    computed.clear()
    sentence_vectors(corpus, minilm, "cls")
    assert computed == [8, 3]
    assert not list(corpus.path.rglob("*.part"))


def test_a_damaged_file_is_made_again(corpus: Corpus, minilm: LanguageModel, computed: list[int]) -> None:
    before = np.concatenate(list(sentence_vectors(corpus, minilm, "cls").blocks()))
    damaged = sorted(corpus.path.glob("features/sentences-*/vectors-*.npy"))[1]
    damaged.write_bytes(damaged.read_bytes()[:200])
    computed.clear()
    np.testing.assert_array_equal(np.concatenate(list(sentence_vectors(corpus, minilm, "cls").blocks())), before)
    assert computed == [8]
