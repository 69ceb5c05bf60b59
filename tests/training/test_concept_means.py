"""How probable a run's heads find each concept on average: kept with the run, found again, computed where absent."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.tiny_runs import SMALL
from wordsight.api.run_model import evaluated_run
from wordsight.batching.fields.tags import TagsField, TagsNeed
from wordsight.corpus import Corpus
from wordsight.corpus.encoded_images import CorpusImages, ImageSubset
from wordsight.errors import InputError
from wordsight.evaluation.features.extract import view_batches
from wordsight.objectives.tag_prediction import TagPrediction
from wordsight.training import concept_means as module
from wordsight.training.concept_means import means_file, means_of_run, read_means
from wordsight.training.data import TrainingData
from wordsight.training.pretrain import train
from wordsight.training.run import Run
from wordsight.vision.views import prepare

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tagged(data: TrainingData) -> TrainingData:
    return replace(data, fields={"tags": TagsField(data.concepts, TagsNeed(negatives=0))})


def trained(tagged: TrainingData, out: Path, **values: Any) -> Run:
    return train(replace(SMALL, epochs=1, objective_settings=values), tagged, out)


def said_of(run: Run, corpus: Corpus) -> np.ndarray:
    """The head's scores of all training images, without any of the code that is tested."""
    objective = run.objective()
    assert isinstance(objective, TagPrediction)
    images = ImageSubset(CorpusImages(corpus), corpus.indices("train"))
    with torch.no_grad():
        views = torch.cat(list(view_batches(images, run.settings.image_size)))
        logits_NK = objective.tag_heads(objective.backbone(prepare(views)))["postag"].double()
    return np.asarray(logits_NK.numpy())


@pytest.mark.parametrize("loss", ["softmax", "asymmetric", "sampled-softmax"])
def test_a_run_keeps_the_mean_over_its_training_images(tagged: TrainingData, tmp_path: Path, loss: str) -> None:
    run = trained(tagged, tmp_path / "run", loss=loss)
    logits_NK = said_of(run, tagged.corpus)
    if loss == "asymmetric":
        mean_K = (1 / (1 + np.exp(-logits_NK))).mean(0)
    else:
        shares_NK = np.exp(logits_NK - logits_NK.max(1, keepdims=True))
        mean_K = (shares_NK / shares_NK.sum(1, keepdims=True)).mean(0)
    found = read_means(run.path, {"postag": 60})
    assert found is not None
    np.testing.assert_allclose(np.exp(found["postag"]), mean_K, rtol=5e-3)


def test_a_run_without_its_means_has_them_computed_and_kept(tagged: TrainingData, tmp_path: Path) -> None:
    run = trained(tagged, tmp_path / "run", loss="focal")
    kept = means_file(run.path).read_bytes()
    means_file(run.path).unlink()
    found = evaluated_run(run, "cpu", heads=True).log_means()
    assert means_file(run.path).read_bytes() == kept
    np.testing.assert_array_equal(found["postag"], load_file(means_file(run.path))["log_mean.postag"].numpy())


def test_a_run_whose_corpus_is_gone_has_its_means_all_the_same(tagged: TrainingData, tmp_path: Path) -> None:
    run = trained(tagged, tmp_path / "run", loss="focal")
    gone = Run(run.path, run.settings, replace(run.info, corpus=str(tmp_path / "gone"), corpus_from_run=""))
    kept = means_of_run(gone, run.objective(), CPU)
    assert kept["postag"].shape == (60,)
    means_file(run.path).unlink()
    assert means_of_run(gone, run.objective(), CPU) == {}


def test_a_run_that_can_t_be_written_to_is_measured_all_the_same(
    tagged: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(tagged, tmp_path / "run", loss="focal")
    means_file(run.path).unlink()

    def refused(*_: Any) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(module, "write_means", refused)
    assert means_of_run(run, run.objective(), CPU)["postag"].shape == (60,)
    assert not means_file(run.path).exists()


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x00" * 40])
def test_damaged_means_are_one_clear_line(tagged: TrainingData, tmp_path: Path, content: bytes) -> None:
    means_file(tmp_path).write_bytes(content)
    with pytest.raises(InputError, match=r"concept_means.safetensors is damaged.*remove it"):
        read_means(tmp_path, {"postag": 60})


def test_means_of_other_concepts_are_refused(tmp_path: Path) -> None:
    save_file({"log_mean.words": torch.zeros(3)}, means_file(tmp_path))
    assert read_means(tmp_path, {"words": 3}) is not None
    for counts in ({"words": 4}, {"topics": 3}, {"words": 3, "topics": 3}):
        with pytest.raises(InputError, match="means of other concepts than run.json names"):
            read_means(tmp_path, counts)
    shutil.rmtree(tmp_path)
    assert read_means(tmp_path, {"words": 3}) is None


def test_of_many_images_always_the_same_ones_are_looked_at(
    tagged: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(tagged, tmp_path / "run")
    objective, size = run.objective(), run.settings.image_size
    every = module.concept_means(objective, tagged.corpus, "train", size, CPU)["postag"]
    monkeypatch.setattr(module, "MOST_IMAGES", 10)
    some = [module.concept_means(objective, tagged.corpus, "train", size, CPU)["postag"] for _ in range(2)]
    assert torch.equal(some[0], some[1])
    assert not torch.equal(some[0], every)
    assert some[0].exp().sum() == pytest.approx(1, rel=1e-4)
