"""Objectives that read no captions: on photos without any, resumed to the same bits, one process or two."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.tiny_runs import SMALL, same_weights, signal_within
from wordsight.api import evaluate
from wordsight.concepts import kmeans
from wordsight.corpus.build import BuildSettings, build_corpus
from wordsight.corpus.readers.folder import Folder
from wordsight.errors import InputError
from wordsight.training import epoch_features
from wordsight.training.data import TrainingData, training_data
from wordsight.training.pretrain import train
from wordsight.training.run import Run
from wordsight.vision.backbones import BackboneSettings
from wordsight.vision.views import ViewSettings

CLUSTERS = dataclasses.replace(
    SMALL,
    objective="deepercluster",
    objective_settings={"clusters": 4, "every_epochs": 2, "copies": 1},
    concepts={},
    backbone_settings=BackboneSettings(stages=2),
    epochs=3,
)
UNTOUCHED = dataclasses.replace(CLUSTERS, objective="none", objective_settings={}, epochs=0)
STEPS = 3 * 6


@pytest.fixture(scope="session")
def photos(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """48 photos of four classes, without a caption."""
    folder = tmp_path_factory.mktemp("photos")
    for part, count in (("train", 12), ("val", 6)):
        for kind in sorted((shared_data / "imagenette" / part).iterdir())[:4]:
            (folder / part / kind.name).mkdir(parents=True)
            for photo in sorted(kind.iterdir())[:count]:
                shutil.copy(photo, folder / part / kind.name / photo.name)
    corpus = build_corpus(Folder(folder), folder / "corpus", BuildSettings(shorter_side=64))
    return TrainingData(corpus, "train")


@pytest.fixture(scope="module")
def whole(photos: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was never stopped: clustered before epochs 1 and 3."""
    return train(CLUSTERS, photos, tmp_path_factory.mktemp("runs") / "whole")


def test_rotation_learns_from_photos_without_captions(photos: TrainingData, tmp_path: Path) -> None:
    plain = ViewSettings(crop_scale=1.0, flip=0.0)
    settings = dataclasses.replace(CLUSTERS, objective="rotation", objective_settings={}, view=plain, epochs=12)
    run = train(settings, photos, tmp_path / "run")
    losses = [line["loss"] for line in run.metrics()]
    assert run.info.finished and losses[-1] < 0.8 * losses[0] and run.metrics()[-1]["accuracy"] > 0.5


def test_what_reads_no_captions_builds_no_concepts(photos: TrainingData) -> None:
    settings = dataclasses.replace(CLUSTERS, concepts={"kind": "postag", "size": 1000})
    assert training_data(settings, photos.corpus).concepts == {}


def test_the_clusters_of_a_run_are_kept_with_its_heads(whole: Run, photos: TrainingData) -> None:
    heads = load_file(whole.path / "objective.safetensors")
    assert heads["example_n"].tolist() == photos.corpus.indices("train").tolist()
    assert heads["cluster_n"].unique().tolist() == [0, 1, 2, 3]
    objective = whole.objective()
    assert torch.equal(objective.get_buffer("cluster_n"), heads["cluster_n"])


# Within an epoch that had no clustering before it, and within one that had.
@pytest.mark.parametrize("stop_at", [8, 14])
def test_a_stopped_run_resumes_to_the_same_bits(whole: Run, photos: TrainingData, tmp_path: Path, stop_at: int) -> None:
    stopped = f"stopped at step {stop_at + 1} of {STEPS}"
    with signal_within(stop_at), pytest.raises(KeyboardInterrupt, match=stopped):
        train(CLUSTERS, photos, tmp_path / "stopped")
    assert same_weights(whole.path, train(CLUSTERS, photos, tmp_path / "stopped", resume=True).path)


def test_ctrl_c_while_images_are_looked_at_loses_nothing(
    whole: Run, photos: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, looks = epoch_features.PlainViews.__getitem__, []

    def stop_within(views: epoch_features.PlainViews, k: int) -> torch.Tensor:
        looks.append(k)
        if len(looks) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return view(views, k)

    monkeypatch.setattr(epoch_features.PlainViews, "__getitem__", stop_within)
    with pytest.raises(KeyboardInterrupt, match="stopped before epoch 3"):
        train(CLUSTERS, photos, tmp_path / "stopped")
    monkeypatch.undo()
    assert same_weights(whole.path, train(CLUSTERS, photos, tmp_path / "stopped", resume=True).path)


@pytest.mark.parametrize("library", ["faiss", "scikit-learn"])
def test_two_processes_cluster_and_train_as_one(
    photos: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """A network without batch norm and dropout: the same global batches give the same clusters and weights."""
    if library == "faiss":
        pytest.importorskip("faiss")
    else:
        _without_faiss(tmp_path, monkeypatch)
    plain = BackboneSettings()
    values = {"backbone": "alexnet", "backbone_settings": plain, "image_size": 64, "epochs": 1, "lr": 1e-4}
    settings = dataclasses.replace(CLUSTERS, **values)  # type: ignore[arg-type]
    one = train(settings, photos, tmp_path / "one")
    two = train(dataclasses.replace(settings, devices=2), photos, tmp_path / "two")
    assert kmeans.library() == library
    for part in ("backbone", "objective"):
        first, second = (load_file(run.path / f"{part}.safetensors") for run in (one, two))
        for name in first:
            # Clusters are whole numbers: they are the same ones. Losses are those of each process's own images.
            assert torch.allclose(first[name], second[name], atol=2e-5), name


def _without_faiss(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it is not installed, in this process and in those that it starts."""
    (folder / "absent").mkdir()
    (folder / "absent" / "sitecustomize.py").write_text("import sys; sys.modules['faiss'] = None\n", "utf-8")
    places = [str(folder / "absent"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))
    monkeypatch.setitem(sys.modules, "faiss", None)


def test_the_untouched_network_is_measured_like_any_other(photos: TrainingData, tmp_path: Path) -> None:
    run = train(UNTOUCHED, photos, tmp_path / "untouched")
    assert run.info.finished and run.info.steps == 0
    trained, random = run.backbone("trained").state_dict(), run.backbone("random").state_dict()
    assert all(torch.equal(trained[name], random[name]) for name in trained)
    (result,) = evaluate(run, task=f"corpus:{photos.corpus.path}", protocols=["logistic"])
    assert result.value == result.random_weights


def test_an_untouched_network_may_come_from_a_file(whole: Run, photos: TrainingData, tmp_path: Path) -> None:
    weights = whole.path / "backbone.safetensors"
    run = train(dataclasses.replace(UNTOUCHED, weights=str(weights)), photos, tmp_path / "from-file")
    before, after = load_file(weights), load_file(run.path / "backbone.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    random = run.backbone("random").state_dict()
    assert not torch.equal(random["network.conv1.weight"], before["conv1.weight"])


def test_training_may_begin_with_a_file_s_weights(whole: Run, photos: TrainingData, tmp_path: Path) -> None:
    weights = whole.path / "backbone.safetensors"
    settings = dataclasses.replace(CLUSTERS, objective="rotation", objective_settings={}, weights=str(weights), lr=1e-9)
    run = train(dataclasses.replace(settings, epochs=1), photos, tmp_path / "run")
    before, after = load_file(weights), load_file(run.path / "backbone.safetensors")
    assert torch.allclose(before["conv1.weight"], after["conv1.weight"], atol=1e-6)


def test_only_what_learns_nothing_has_no_epochs() -> None:
    with pytest.raises(InputError, match="epochs is 0; expected 1 or more"):
        dataclasses.replace(CLUSTERS, epochs=0)
    with pytest.raises(InputError, match="'none' learns nothing, and epochs is 3; expected epochs: 0"):
        dataclasses.replace(UNTOUCHED, epochs=3)


def test_published_weights_and_a_file_s_exclude_each_other() -> None:
    with pytest.raises(InputError, match="both published weights and a file's"):
        dataclasses.replace(UNTOUCHED, pretrained=True, weights="some.pth")
