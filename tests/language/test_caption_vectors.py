"""A frozen tower's vector of each caption is computed once, and gives what the tower gives."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import MakeCorpus
from wordsight.batching.fields.texts import TextsField, TextsNeed
from wordsight.batching.sources import Sources
from wordsight.corpus import Corpus
from wordsight.language import caption_vectors as module
from wordsight.language.caption_tokens import CaptionTokens, caption_tokens
from wordsight.language.caption_vectors import CaptionVectors, caption_vectors
from wordsight.language.model import LanguageModel
from wordsight.language.towers import FrozenTower, TowerSettings, build_tower
from wordsight.training.pretrain_settings import PretrainSettings

CAPTIONS = [
    ["a dog runs on the grass", "a man stands there"],
    ["a cat on the left of a red chair"],
    ["a man stands there", "two boats on water"],
]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(CAPTIONS)


def tokens_of(corpus: Corpus, minilm: LanguageModel) -> CaptionTokens:
    return caption_tokens(corpus, minilm.text_tokenizer(8), mirrored=True)


def kept(corpus: Corpus, minilm: LanguageModel, pool: str = "mean", limit: float = 1.0) -> CaptionVectors:
    found = caption_vectors(corpus, tokens_of(corpus, minilm), minilm, pool, limit)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_a_tower_gives_the_same_by_tokens_and_by_vectors(corpus: Corpus, minilm: LanguageModel, pool: str) -> None:
    tokens, vectors = tokens_of(corpus, minilm), kept(corpus, minilm, pool)
    torch.manual_seed(0)
    settings = TowerSettings(kind="frozen", pool=pool, max_tokens=8)  # type: ignore[arg-type]
    tower = build_tower(settings, 16, minilm.text_tokenizer(8), minilm)
    captions = np.arange(len(tokens.offsets) - 1)
    assert len(captions) > 5, "captions of mirrored pictures have vectors too"
    ids, present = map(torch.from_numpy, tokens.padded(captions))
    with torch.no_grad():
        by_tokens = tower.pooled(ids, present)
        by_vectors = tower.pooled(ids, present, torch.from_numpy(vectors.of(captions)))
    assert float((by_tokens - by_vectors).norm(dim=1).max() / by_tokens.norm(dim=1).min()) < 3e-3


def test_captions_that_read_alike_share_a_vector_and_all_is_pickled_by_its_place(
    corpus: Corpus, minilm: LanguageModel
) -> None:
    vectors = kept(corpus, minilm)
    again = pickle.loads(pickle.dumps(vectors))
    found = again.of(np.array([1, 3, 0, -1]))
    assert (found[0] == found[1]).all() and not (found[0] == found[2]).all()
    assert found.dtype == np.float16 and np.isfinite(found).all()


def test_what_was_interrupted_goes_on_and_what_is_damaged_is_made_again(
    corpus: Corpus, minilm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FILE", 2)
    vectors = kept(corpus, minilm)
    everything = vectors.of(np.arange(5))
    files = sorted(vectors.folder.glob("*.npy"))
    assert len(files) == 3
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:-10])
    first = files[0].stat().st_mtime_ns
    assert (kept(corpus, minilm).of(np.arange(5)) == everything).all()
    assert files[0].stat().st_mtime_ns == first


def test_more_than_may_be_kept_is_computed_in_every_step(
    corpus: Corpus, minilm: LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert caption_vectors(corpus, tokens_of(corpus, minilm), minilm, "mean", 0.0) is None
    assert "the language model runs in every step instead" in " ".join(capsys.readouterr().err.split())


def test_vectors_are_asked_of_a_frozen_tower_alone_and_where_one_a_caption_will_do() -> None:
    assert FrozenTower.fixed
    asked = {
        (kind, pooled): TextsNeed.of_tower(TowerSettings(kind=kind, pool="cls"), pooled=pooled).vectors
        for kind in ("frozen", "tuned", "scratch")
        for pooled in (True, False)
    }
    assert {key for key, value in asked.items() if value} == {("frozen", True)} and asked["frozen", True] == "cls"
    one = TextsNeed(tokenizer="language", vectors="mean")
    assert one.joined(TextsNeed(tokenizer="language")) == one


def test_a_run_without_room_for_them_draws_none(corpus: Corpus, minilm: LanguageModel, tmp_path: Path) -> None:
    need = TextsNeed(tokenizer="language", max_tokens=8, vectors="mean")
    for limit, some in ((1.0, True), (0.0, False)):
        settings = PretrainSettings(objective="clip", feature_cache_gb=limit)
        field = TextsField.open(need, Sources(corpus, "all", settings))
        assert (field._kept(np.array([[0], [1]])) is not None) == some
