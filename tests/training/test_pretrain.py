"""A run learns, resumes to the same bits however it was stopped, and refuses what can't work."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.training.tiny_runs import SMALL, WITHOUT_NORM, same_weights, signal_within
from wordsight.batching.fields.masked import MaskedField
from wordsight.batching.fields.tags import TagsField
from wordsight.concepts.concept_set import ConceptSet
from wordsight.errors import InputError
from wordsight.objectives import build_objective, objective_needs
from wordsight.training.data import TrainingData, facts_of, info_of
from wordsight.training.diagnostics import summary_lines
from wordsight.training.diverged import diverged
from wordsight.training.pretrain import train
from wordsight.training.pretrain_settings import OptimizerSettings
from wordsight.training.run import Run, new_backbone, write_start
from wordsight.vision.backbones import Backbone
from wordsight.vision.preprocessing import MEAN

WORDS = dataclasses.replace(SMALL, objective="icmlm-tfm", masks_per_image=2, epochs=3)


def masked_of(data: TrainingData) -> MaskedField:
    found = data.fields["masked"]
    assert isinstance(found, MaskedField)
    return found


def figures(run: Run) -> list[dict[str, float]]:
    """The metrics without what the clock decides."""
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in run.metrics()]


@pytest.fixture(scope="module")
def whole(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was never stopped."""
    return train(WORDS, data, tmp_path_factory.mktemp("runs") / "whole")


def test_the_loss_falls(whole: Run) -> None:
    losses = [line["loss"] for line in whole.metrics()]
    assert losses[-1] < losses[0] and whole.info.finished


def test_a_run_folder_holds_what_it_promises(whole: Run) -> None:
    names = {entry.name for entry in whole.path.iterdir()}
    assert {"config.yaml", "run.json", "metrics.jsonl", "backbone.safetensors", "objective.safetensors"} <= names
    assert "checkpoint.safetensors" not in names, "a finished run needs no checkpoint"


def test_concepts_that_no_image_trained_on_has_are_said(data: TrainingData, whole: Run) -> None:
    assert whole.info.concepts["postag"].unseen == 0
    held = np.zeros((len(data.corpus), 3), dtype=np.float32)
    held[:, 0] = 1
    words = ConceptSet("words", ["a", "b", "c"], scipy.sparse.csr_matrix(held), "labels", data.corpus.fingerprint)
    info = info_of(dataclasses.replace(data, fields={"tags": TagsField({"words": words})}), 48, 1)
    facts = facts_of(data, objective_needs("icmlm-tfm", {}), 48)
    objective = build_objective("icmlm-tfm", {}, new_backbone(WORDS), facts)
    assert "3 concepts (2 of them in none of these images)" in summary_lines(WORDS, objective, info)[1]


def test_an_interrupted_run_resumes_to_the_same_bits(whole: Run, data: TrainingData, tmp_path: Path) -> None:
    with signal_within(9), pytest.raises(KeyboardInterrupt, match="stopped at step 10 of 18"):
        train(WORDS, data, tmp_path / "stopped")
    resumed = train(WORDS, data, tmp_path / "stopped", resume=True)
    assert same_weights(whole.path, resumed.path)
    assert figures(whole) == figures(resumed)


def test_a_killed_run_resumes_to_the_same_bits(whole: Run, data: TrainingData, tmp_path: Path) -> None:
    """kill -9 between two checkpoints: the run goes on from the older one, and ends the same."""
    concepts, masked = data.concepts["postag"], masked_of(data).masked
    script = f"""
import signal
import torch
torch.set_num_threads({torch.get_num_threads()})
from pathlib import Path
from wordsight.batching.fields.masked import MaskedField
from wordsight.batching.fields.tags import TagsField
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.store import Corpus
from wordsight.language.features import MaskedCaptions
from wordsight.language.model import load_language_model
from tests.training.tiny_runs import signal_within
from wordsight.training.data import TrainingData
from wordsight.training.pretrain import train
from wordsight.settings import from_mapping
from wordsight.training.pretrain_settings import PretrainSettings
settings = from_mapping(PretrainSettings, {dataclasses.asdict(WORDS)!r}, "test")
sets = {{"postag": ConceptSet.open({str(concepts.path)!r})}}
masked = MaskedField(MaskedCaptions({str(masked.path)!r}), load_language_model("minilm"), sets, 2)
data = TrainingData(
    Corpus.open({str(data.corpus.path)!r}), "train", {{"tags": TagsField(sets), "masked": masked}})
with signal_within(9, signal.SIGKILL):
    train(settings, data, Path({str(tmp_path / "killed")!r}))
"""
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, cwd=root)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert (tmp_path / "killed" / "checkpoint.safetensors").exists()
    resumed = train(WORDS, data, tmp_path / "killed", resume=True)
    assert same_weights(whole.path, resumed.path)
    assert figures(whole) == figures(resumed)


def test_loader_processes_change_nothing(whole: Run, data: TrainingData, tmp_path: Path) -> None:
    other = train(dataclasses.replace(WORDS, workers=2), data, tmp_path / "workers")
    assert same_weights(whole.path, other.path)


def test_live_token_features_train_as_cached_ones_do(whole: Run, data: TrainingData, tmp_path: Path) -> None:
    from wordsight.language.features import masked_captions

    occurrences = data.concepts["postag"].occurrences
    assert occurrences is not None and data.language is not None
    live = masked_captions(
        data.corpus,
        occurrences,
        data.language,
        data.corpus.indices(),
        tmp_path / "features",
        limit_gb=0.0,
    )
    assert live.live
    field = MaskedField(live, data.language, data.concepts, WORDS.masks_per_image)
    run = train(WORDS, dataclasses.replace(data, fields={**data.fields, "masked": field}), tmp_path / "live")
    # Cached features are rounded to half precision.
    assert run.metrics()[-1]["loss"] == pytest.approx(whole.metrics()[-1]["loss"], rel=0.02)


def test_tag_prediction_needs_no_language_model(data: TrainingData, tmp_path: Path) -> None:
    settings = dataclasses.replace(WORDS, objective="tag-prediction", epochs=1)
    run = train(settings, dataclasses.replace(data, fields={"tags": data.fields["tags"]}), tmp_path / "tags")
    assert run.info.finished and run.objective().backbone.out_channels == 512


def test_a_trained_objective_is_read_back_as_it_was_saved(whole: Run) -> None:
    objective, heads = whole.objective(), load_file(whole.path / "objective.safetensors")
    state = objective.state_dict()
    assert all(torch.equal(state[name], heads[name]) for name in heads if name in state)


def test_the_random_backbone_is_the_run_before_its_first_step(whole: Run) -> None:
    trained = dict(whole.backbone("trained").named_parameters())
    random = dict(whole.backbone("random").named_parameters())
    again = dict(whole.backbone("random").named_parameters())
    assert all(torch.equal(random[name], again[name]) for name in random)
    assert not torch.equal(trained["network.conv1.weight"], random["network.conv1.weight"])


def test_an_existing_run_is_not_overwritten(whole: Run, data: TrainingData) -> None:
    with pytest.raises(InputError, match="exists already"):
        train(WORDS, data, whole.path)
    with pytest.raises(InputError, match="is already finished"):
        train(WORDS, data, whole.path, resume=True)


def test_an_unfinished_run_says_how_to_go_on(data: TrainingData, tmp_path: Path) -> None:
    write_start(tmp_path / "run", WORDS, info_of(data, 48, 18))
    with pytest.raises(InputError, match="go on with resume=True"):
        train(WORDS, data, tmp_path / "run")


def test_resuming_with_other_settings_is_refused(data: TrainingData, tmp_path: Path) -> None:
    write_start(tmp_path / "run", WORDS, info_of(data, 48, 18))
    with pytest.raises(InputError, match="lr was 0.001 and is now 0.002"):
        train(dataclasses.replace(WORDS, lr=2e-3), data, tmp_path / "run", resume=True)


def test_a_loss_that_is_no_number_stops_the_run_with_one_line(data: TrainingData, tmp_path: Path) -> None:
    settings = dataclasses.replace(WORDS, lr=1e30, optimizer=OptimizerSettings(warmup_share=0.0, clip_norm=0.0))
    with pytest.raises(
        InputError, match=r"the loss is \S+ at step 2 \(learning rate 9.9\d+e\+29\).*lower `lr`"
    ) as told:
        train(settings, data, tmp_path / "diverged")
    # No checkpoint was written yet, and none is promised.
    assert "checkpoint" not in str(told.value)
    kept = tmp_path / "diverged" / "diverged-batch.safetensors"
    assert str(kept) in str(told.value)
    with safe_open(kept, framework="pt") as file:
        note = json.loads(file.metadata()["wordsight"])
        examples = file.get_tensor("examples_B").tolist()
        assert file.get_tensor("views.0.images_BCHW").shape[0] == len(examples) == settings.batch_size
    assert note["step"] == 2 and note["images"] == [data.corpus.id(example) for example in examples]


def test_a_checkpoint_from_before_a_diverged_step_is_named(data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").touch()
    assert "the checkpoint checkpoint.safetensors from before it is kept" in str(
        diverged(3, float("nan"), 1.0, tmp_path / "batch", tmp_path / "checkpoint.safetensors")
    )


def test_an_input_error_of_a_spawned_process_is_the_same_line(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fewer than a batch of 512"):
        train(dataclasses.replace(WORDS, batch_size=512, devices=2), data, tmp_path / "large")


def test_more_epochs_are_refused_with_what_differs_and_why(data: TrainingData, tmp_path: Path) -> None:
    write_start(tmp_path / "run", WORDS, info_of(data, 48, 18))
    longer = dataclasses.replace(WORDS, epochs=WORDS.epochs + 1)
    with pytest.raises(InputError, match=r"epochs was \d and is now \d \(the learning rate's schedule spans"):
        train(longer, data, tmp_path / "run", resume=True)


def test_a_batch_larger_than_the_corpus_is_refused(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fewer than a batch of 512"):
        train(dataclasses.replace(WORDS, batch_size=512), data, tmp_path / "large")
    assert not (tmp_path / "large").exists()


def test_two_processes_train_as_one(data: TrainingData, tmp_path: Path) -> None:
    """A network without batch norm and dropout: the same global batches give the same losses and weights."""
    settings = dataclasses.replace(WITHOUT_NORM, objective="icmlm-attfc", masks_per_image=2, epochs=1)
    # AlexNet's features hold no dropout; its classifier, which does, is left out.
    one = train(settings, data, tmp_path / "one")
    two = train(dataclasses.replace(settings, devices=2), data, tmp_path / "two")
    before = one.metrics()[-1]["loss"]
    assert two.metrics()[-1]["loss"] == pytest.approx(before, rel=0.2)
    first, second = one.backbone().state_dict(), two.backbone().state_dict()
    for name in first:
        assert torch.allclose(first[name], second[name], atol=2e-5), name


def test_a_run_that_is_resumed_goes_on_seeing_what_it_saw(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(WORDS, epochs=2)
    prepare = Backbone.prepare
    seen: list[tuple[float, ...]] = []

    def watched(backbone: Backbone, *images: torch.Tensor | None) -> torch.Tensor:
        seen.append(backbone.preprocessing.mean)
        return prepare(backbone, *images)  # type: ignore[arg-type]

    monkeypatch.setattr(Backbone, "prepare", watched)
    with signal_within(7), pytest.raises(KeyboardInterrupt):
        train(settings, data, tmp_path / "run")
    # As if it had begun with weights of another mean.
    info = dataclasses.replace(Run.open(tmp_path / "run").info, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    write_start(tmp_path / "run", settings, info)
    run = train(settings, data, tmp_path / "run", resume=True)
    assert set(seen[8:]) == {(0.5, 0.5, 0.5)} and set(seen[:8]) == {MEAN}
    assert run.backbone().preprocessing.mean == run.objective().backbone.preprocessing.mean == (0.5, 0.5, 0.5)
