"""A run with a text tower: it learns pairs, is resumed and shared out to the same numbers, and answers texts."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import wordsight
from wordsight.batching.batch import Batch
from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.errors import InputError
from wordsight.objectives import Losses
from wordsight.training.pretrain_settings import OptimizerSettings, PretrainSettings
from wordsight.training.run import Run
from wordsight.training.steps.step import Step
from wordsight.vision.backbones import BackboneSettings
from wordsight.vision.views import ViewSettings

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230), "grey": (128, 128, 128)}
SETTINGS = PretrainSettings(
    objective="clip",
    objective_settings={"width": 16, "text_tower": {"width": 16, "heads": 2, "layers": 1, "vocabulary": 100}},
    concepts={},
    backbone_settings=BackboneSettings(stages=1),
    view=ViewSettings(crop_scale=0.5),
    image_size=16,
    epochs=40,
    batch_size=8,
    lr=5e-3,
    optimizer=OptimizerSettings(warmup_share=0.1),
    workers=0,
    device="cpu",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Squares of four colours in shades, of which captions say the colour; the last of each are for testing."""
    folder = tmp_path_factory.mktemp("colours")

    def examples() -> list[Example]:
        found, noise = [], np.random.default_rng(0)
        for k in range(32):
            word = list(COLOURS)[k % 4]
            pixels = np.clip(np.array(COLOURS[word]) + noise.integers(-25, 26, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{k}.png")
            captions = (f"a {word} square", f"a square that is {word}")
            split = "test" if k >= 24 else "train"
            found.append(Example(f"{k}", folder / f"{k}.png", captions=captions, split=split, labels=(word,)))
        return found

    class Colours:
        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(examples())

        def sources(self) -> list[str]:
            return ["colours of a test"]

        def label_names(self) -> list[str]:
            return list(COLOURS)

    return build_corpus(Colours(), folder / "corpus")


@pytest.fixture(scope="module")
def run(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return wordsight.pretrain(SETTINGS, corpus=corpus, out=tmp_path_factory.mktemp("run") / "clip")


def test_it_learns_which_caption_belongs_to_which_image(run: Run) -> None:
    metrics = run.metrics()
    assert metrics[-1]["loss"] < 0.5 * metrics[0]["loss"]
    assert 0.01 <= metrics[-1]["temperature"] < 0.2


def test_zero_shot_and_retrieval_ask_its_towers(run: Run, corpus: Corpus) -> None:
    (zero_shot,) = wordsight.evaluate(run, task=f"corpus:{corpus.path}", protocol="zero-shot", device="cpu")
    assert zero_shot.value >= 75 and zero_shot.baselines["chance"] == 25
    # What a corpus is asked by default is what the objective says.
    results = wordsight.evaluate(run, corpus=corpus, device="cpu")
    assert {result.protocol for result in results} == {"retrieval"}


def test_protocols_on_words_are_refused_and_what_can_be_asked_is_named(run: Run, corpus: Corpus) -> None:
    with pytest.raises(InputError, match="predicts no masked words.*protocol='retrieval'"):
        wordsight.evaluate(run, corpus=corpus, protocol="masked-words", device="cpu")


def test_a_run_is_opened_again_with_its_vocabulary(run: Run) -> None:
    texts = ["a red square", "a grey square"]
    (first, second) = (Run.open(run.path).objective() for _ in range(2))
    with torch.no_grad():
        assert torch.equal(first.embed_texts(texts), second.embed_texts(texts))
        red, grey = first.embed_texts(texts)
        assert not torch.allclose(red, grey, atol=1e-3)
    assert "to tell the captions of a picture from those of other pictures" in wordsight.report(run).read_text("utf-8")


def test_a_step_in_pieces_is_refused_before_anything_is_made(corpus: Corpus, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, accumulate=2)
    with pytest.raises(InputError, match="accumulate: the objective 'clip' needs the whole batch at once"):
        wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_a_run_records_every_value_of_its_objective(run: Run) -> None:
    tower = run.settings.objective_settings["text_tower"]
    assert (tower["width"], tower["kind"], tower["max_tokens"]) == (16, "scratch", 48)
    assert run.settings.objective_settings["temperature"] == 0.07


def test_what_is_written_down_is_of_before_the_update(run: Run) -> None:
    objective = run.objective().train()
    weight = next(objective.parameters())

    objective.__dict__["losses"] = lambda seen, batch: Losses(weight.sum(), {"weight": weight})
    told = objective(None)["weight"]
    with torch.no_grad():
        weight.add_(1)
    assert not told.requires_grad and not torch.equal(told, weight.detach())


def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(SETTINGS, epochs=3)
    whole = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "whole")
    update, steps = Step.update, []

    def stop_within(step: Step, number: int, batch: Batch) -> dict[str, torch.Tensor]:
        steps.append(number)
        if len(steps) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return update(step, number, batch)

    monkeypatch.setattr(Step, "update", stop_within)
    with pytest.raises(KeyboardInterrupt):
        wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "stopped")
    resumed = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "stopped", resume=True)
    assert [line["loss"] for line in resumed.metrics()] == [line["loss"] for line in whole.metrics()]


def test_two_processes_train_as_one(corpus: Corpus, tmp_path: Path) -> None:
    # Plain gradient descent: what is wrong by a factor shows. Without batch norm, sums differ in last digits alone.
    settings = dataclasses.replace(
        SETTINGS,
        backbone="alexnet",
        backbone_settings=BackboneSettings(),
        image_size=64,
        epochs=2,
        lr=1e-2,
        precision="fp32",
        optimizer=OptimizerSettings(name="sgd", weight_decay=0.0),
    )
    one = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "one")
    two = wordsight.pretrain(dataclasses.replace(settings, devices=2), corpus=corpus, out=tmp_path / "two")
    assert [line["loss"] for line in two.metrics()] == pytest.approx([line["loss"] for line in one.metrics()], rel=1e-4)
    first, second = one.objective().state_dict(), two.objective().state_dict()
    for name in first:
        assert torch.allclose(first[name], second[name], rtol=1e-3, atol=1e-6), name
