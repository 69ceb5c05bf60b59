"""The cache of token features: what it holds equals what the language model computes, and costs what it should."""

from __future__ import annotations

import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.feature_writer import write_features
from wordsight.language.features import MaskedCaptions, masked_captions
from wordsight.language.model import LanguageModel

MakeCorpus = Callable[..., Corpus]
SpansOf = Callable[..., Any]
CAPTIONS = [
    ["A dog runs on grass .", "the dog and the dog"],
    ["Nothing to mask here ."],
    ["A cat runs on grass .", "A wakeboarder and a dog"],
]
WORDS = ["dog", "cat", "grass", "wakeboarder"]


@pytest.fixture
def masked(make_corpus: MakeCorpus, spans_of: SpansOf, minilm: LanguageModel, tmp_path: Path) -> MaskedCaptions:
    corpus = make_corpus(CAPTIONS)
    return masked_captions(corpus, spans_of(corpus, WORDS), minilm, corpus.indices(None), tmp_path / "cache")


def test_each_word_is_masked_once_and_is_its_rows_target(masked: MaskedCaptions, minilm: LanguageModel) -> None:
    read = minilm.tokenizer.convert_ids_to_tokens
    rows = [
        (int(masked.example_M[row]), int(masked.caption_M[row]), " ".join(read(masked.ids(row))[1:-1]),
         read([int(masked.target_M[row])])[0], WORDS[masked.concept_M[row]])
        for row in range(len(masked))
    ]  # fmt: skip
    assert rows == [
        (0, 0, "a [MASK] runs on grass .", "dog", "dog"),
        (0, 0, "a dog runs on [MASK] .", "grass", "grass"),
        (0, 1, "the [MASK] and the dog", "dog", "dog"),
        (0, 1, "the dog and the [MASK]", "dog", "dog"),
        (2, 0, "a [MASK] runs on grass .", "cat", "cat"),
        (2, 0, "a cat runs on [MASK] .", "grass", "grass"),
        (2, 1, "a wake ##board ##er and a [MASK]", "dog", "dog"),
    ]
    assert all(masked.ids(row)[masked.position_M[row]] == minilm.mask_id for row in range(len(masked)))


def test_rows_of_an_example_are_found(masked: MaskedCaptions) -> None:
    assert [masked.of_example(k).tolist() for k in range(3)] == [[0, 1, 2, 3], [], [4, 5, 6]]


def test_a_word_of_several_wordpieces_is_not_maskable(masked: MaskedCaptions) -> None:
    assert 3 not in masked.concept_M
    assert len(masked) / masked.info["words"] == pytest.approx(7 / 8)


def test_equal_masked_sentences_share_their_features(masked: MaskedCaptions) -> None:
    assert masked.sentence_M[0] == masked.sentence_M[4]
    assert masked.info["sentences"] == 6
    assert masked.flat_features is not None
    assert len(masked.flat_features) == masked.sentence_offsets[-1]


def test_kept_features_equal_computed_ones(masked: MaskedCaptions, minilm: LanguageModel) -> None:
    for row in range(len(masked)):
        kept, ids = masked.tokens(row), torch.from_numpy(masked.ids(row).copy())
        assert kept is not None
        computed = minilm.features(ids[None], torch.ones(1, len(ids), dtype=torch.bool))[0]
        torch.testing.assert_close(torch.from_numpy(kept.astype(np.float32)), computed, atol=0.02, rtol=0.02)


def test_over_the_limit_only_ids_are_kept(
    make_corpus: MakeCorpus, spans_of: SpansOf, minilm: LanguageModel, tmp_path: Path
) -> None:
    corpus = make_corpus(CAPTIONS)
    arguments = (corpus, spans_of(corpus, WORDS), minilm, corpus.indices(None), tmp_path / "cache")
    live = masked_captions(*arguments, limit_gb=0)
    assert live.live
    assert live.tokens(0) is None
    assert not list(live.path.glob("features*"))
    kept = masked_captions(*arguments)
    assert not kept.live
    np.testing.assert_array_equal(kept.ids(3), live.ids(3))
    assert masked_captions(*arguments, limit_gb=0).path == live.path


def test_how_large_they_are_is_said_before_they_are_computed(
    make_corpus: MakeCorpus,
    spans_of: SpansOf,
    minilm: LanguageModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus = make_corpus(CAPTIONS)
    arguments = (corpus, spans_of(corpus, WORDS), minilm, corpus.indices(None), tmp_path / "cache")
    said: list[str] = []

    def write(*given: Any) -> None:
        said.append(" ".join(capsys.readouterr().err.split()))
        write_features(*given)

    monkeypatch.setattr("wordsight.language.features.write_features", write)
    kept = masked_captions(*arguments)
    size = (kept.path / "features.npy").stat().st_size
    assert f"token features of 6 masked captions: {size / 1e6:.1f} MB, computed once and kept in {kept.path}" in said[0]
    assert "`feature_cache_gb`" in said[0]
    masked_captions(*arguments)
    assert capsys.readouterr().err == ""
    masked_captions(*arguments, limit_gb=0)
    assert "more than feature_cache_gb=0: none are kept" in " ".join(capsys.readouterr().err.split())


def test_the_second_opening_takes_milliseconds(
    real_captions: list[list[str]], make_corpus: MakeCorpus, spans_of: SpansOf, minilm: LanguageModel, tmp_path: Path
) -> None:
    corpus = make_corpus(real_captions[:60])
    spans = spans_of(corpus, ["dog", "man", "girl", "red", "water"])
    first = masked_captions(corpus, spans, minilm, corpus.indices(None), tmp_path)
    started = time.process_time()
    second = masked_captions(corpus, spans, minilm, corpus.indices(None), tmp_path)
    assert time.process_time() - started < 0.1
    assert second.fingerprint == first.fingerprint
    assert len(second) > 100


def test_only_the_examples_asked_for_are_masked(
    make_corpus: MakeCorpus, spans_of: SpansOf, minilm: LanguageModel, tmp_path: Path
) -> None:
    corpus = make_corpus(CAPTIONS, ["train", "train", "test"])
    spans = spans_of(corpus, WORDS)
    train = masked_captions(corpus, spans, minilm, corpus.indices("train"), tmp_path / "cache", limit_gb=0)
    test = masked_captions(corpus, spans, minilm, corpus.indices("test"), tmp_path / "cache", limit_gb=0)
    assert set(train.example_M.tolist()) == {0}
    assert test.of_example(2).tolist() == [0, 1, 2]
    assert train.fingerprint != test.fingerprint


def test_it_travels_to_other_processes_by_its_path(masked: MaskedCaptions) -> None:
    sent = pickle.dumps(masked)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent).tokens(2), masked.tokens(2))


def test_no_maskable_word_is_said(
    make_corpus: MakeCorpus, spans_of: SpansOf, minilm: LanguageModel, tmp_path: Path
) -> None:
    corpus = make_corpus(CAPTIONS)
    for words in (["wakeboarder"], ["absent"]):
        with pytest.raises(InputError, match="single token"):
            masked_captions(corpus, spans_of(corpus, words), minilm, corpus.indices(None), tmp_path / "cache")


def test_an_unknown_word_is_not_maskable(
    make_corpus: MakeCorpus, spans_of: SpansOf, minilm: LanguageModel, tmp_path: Path
) -> None:
    corpus = make_corpus([["a dog and a ꙮꙮ today"]])
    found = masked_captions(corpus, spans_of(corpus, ["dog", "ꙮꙮ"]), minilm, corpus.indices(None), tmp_path / "cache")
    assert found.concept_M.tolist() == [0]


def test_an_interrupted_computation_leaves_nothing(
    make_corpus: MakeCorpus,
    spans_of: SpansOf,
    minilm: LanguageModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    corpus = make_corpus(CAPTIONS)
    monkeypatch.setattr(LanguageModel, "features_of_one_length", interrupt)
    with pytest.raises(KeyboardInterrupt):
        masked_captions(corpus, spans_of(corpus, WORDS), minilm, corpus.indices(None), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_disk_too_small_is_said_before_the_work(
    make_corpus: MakeCorpus,
    spans_of: SpansOf,
    minilm: LanguageModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus = make_corpus(CAPTIONS)
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="GB left"):
        masked_captions(corpus, spans_of(corpus, WORDS), minilm, corpus.indices(None), tmp_path / "cache")


def test_a_damaged_cache_says_which_file(masked: MaskedCaptions) -> None:
    file = masked.path / "features.npy"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match=r"features\.npy"):
        MaskedCaptions(masked.path).tokens(0)
