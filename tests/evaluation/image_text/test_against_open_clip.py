"""A small open_clip model with random weights, asked by open_clip's own code and by ours: the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.evaluation.colour_words import COLOURS, coloured_corpus, folder_task
from tests.evaluation.conftest import shrinking_backbone
from wordsight.batching.batch import Batch
from wordsight.corpus.encoded_images import CorpusImages
from wordsight.evaluation import CorpusSplit, EvaluatedModel, evaluate, open_protocol
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.methods.zero_shot import ZeroShotSettings
from wordsight.objectives import ImageTextObjective, Losses, Seen
from wordsight.vision.views import prepare

open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed: pip install open_clip_torch")


class OpenClip(ImageTextObjective):
    """open_clip's two towers as an objective."""

    def __init__(self, side: int) -> None:
        super().__init__(shrinking_backbone())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = open_clip.CLIP(
                embed_dim=16,
                vision_cfg={"image_size": side, "layers": 1, "width": 64, "patch_size": 8, "head_width": 32},
                text_cfg={"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
            )
        self.tokenizer: Any = open_clip.SimpleTokenizer(context_length=24)

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        return Losses(self.model.logit_scale)

    def embed_images(self, images_BCHW: Tensor) -> Tensor:
        embedded: Tensor = self.model.encode_image(images_BCHW)
        return embedded

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        embedded: Tensor = self.model.encode_text(self.tokenizer(list(texts)))
        return embedded


@pytest.fixture
def clip(model: EvaluatedModel) -> EvaluatedModel:
    return replace(model, objective=OpenClip(model.image_size).eval())


def model_of(model: EvaluatedModel) -> OpenClip:
    assert isinstance(model.objective, OpenClip)
    return model.objective


def embedded_images(model: EvaluatedModel, images: Any) -> Tensor:
    pixels = prepare(torch.cat(list(view_batches(images, model.image_size))))
    with torch.no_grad():
        unit: Tensor = model_of(model).model.encode_image(pixels, normalize=True)
    return unit


def test_zero_shot_is_open_clip_s_classifier(clip: EvaluatedModel, tmp_path: Path) -> None:
    task = folder_task(tmp_path / "colours", {name: name for name in COLOURS}, 15)
    protocol = open_protocol("zero-shot-ensemble")
    settings = protocol.settings
    assert isinstance(settings, ZeroShotSettings)
    (result,) = evaluate(clip, task, [protocol])

    model = model_of(clip)
    weights = open_clip.build_zero_shot_classifier(
        model.model, model.tokenizer, task.class_names, list(settings.templates)
    )
    guessed = (embedded_images(clip, task.test.images) @ weights).argmax(1).numpy()
    assert result.value == pytest.approx(100 * (guessed == task.test.targets).mean())
    for k, name in enumerate(task.class_names):
        asked = task.test.targets == k
        assert result.per_class[name] == pytest.approx(100 * (guessed[asked] == k).mean())
    # Not one class for everything.
    assert len(set(guessed.tolist())) > 1


def test_retrieval_is_open_clip_s(clip: EvaluatedModel, tmp_path: Path) -> None:
    metrics = pytest.importorskip("open_clip_train.train").get_clip_metrics
    corpus = coloured_corpus(tmp_path / "corpus", 9)
    protocol = open_protocol("retrieval")
    protocol = replace(protocol, name="joined", settings=replace(protocol.settings, texts="joined", projections=False))
    results = evaluate(clip, CorpusSplit(corpus, "test"), [protocol])

    model = model_of(clip)
    with torch.no_grad():
        texts = [" ".join(corpus.captions(i)) for i in range(len(corpus))]
        said = model.model.encode_text(model.tokenizer(texts), normalize=True)
        theirs = metrics(embedded_images(clip, CorpusImages(corpus)), said, torch.tensor(100.0))
    assert [result.part for result in results] == ["image-to-text", "text-to-image"]
    for result in results:
        way = result.part.replace("-", "_")
        assert result.value == pytest.approx(100 * theirs[f"{way}_R@1"])
        assert result.more["R@5"] == pytest.approx(100 * theirs[f"{way}_R@5"])
        assert result.more["R@10"] == pytest.approx(100 * theirs[f"{way}_R@10"])
        assert np.floor(result.more["median rank"]) == theirs[f"{way}_median_rank"]
