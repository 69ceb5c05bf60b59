"""A run with a text tower: it learns pairs, is resumed and shared out to the same numbers, and answers texts."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from pathlib import Path

import pytest
import torch

import wordsight
from tests.objectives.towers import SETTINGS, assert_a_stopped_run_goes_on_to_the_same_numbers
from wordsight.batching.batch import Batch
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.objectives import Losses
from wordsight.training.pretrain_settings import OptimizerSettings
from wordsight.training.run import Run
from wordsight.vision.backbones import BackboneSettings


@pytest.fixture(scope="module")
def run(coloured_squares: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return wordsight.pretrain(SETTINGS, corpus=coloured_squares, out=tmp_path_factory.mktemp("run") / "clip")


def test_it_learns_which_caption_belongs_to_which_image(run: Run) -> None:
    metrics = run.metrics()
    assert metrics[-1]["loss"] < 0.5 * metrics[0]["loss"]
    assert 0.01 <= metrics[-1]["temperature"] < 0.2


def test_its_first_lines_say_the_loss_of_guessing(coloured_squares: Corpus, tmp_path: Path) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        wordsight.pretrain(dataclasses.replace(SETTINGS, epochs=1), corpus=coloured_squares, out=tmp_path / "run")
    assert "chance     a loss of 2.08 (ln 8) is that of guessing" in said.getvalue()


def test_a_loss_that_stays_at_chance_is_said_once(
    coloured_squares: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wordsight.pretrain(dataclasses.replace(SETTINGS, lr=1e-12), corpus=coloured_squares, out=tmp_path / "run")
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("still that of guessing (2.08, ln 8)") == 1


def test_zero_shot_and_retrieval_ask_its_towers(run: Run, coloured_squares: Corpus) -> None:
    (zero_shot,) = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot", device="cpu")
    assert zero_shot.value >= 75 and zero_shot.baselines["chance"] == 25
    # What a corpus is asked by default is what the objective says.
    results = wordsight.evaluate(run, corpus=coloured_squares, device="cpu")
    assert {result.protocol for result in results} == {"retrieval"}


def test_protocols_on_words_are_refused_and_what_can_be_asked_is_named(run: Run, coloured_squares: Corpus) -> None:
    with pytest.raises(InputError, match="predicts no masked words.*protocol='retrieval'"):
        wordsight.evaluate(run, corpus=coloured_squares, protocol="masked-words", device="cpu")


def test_a_run_is_opened_again_with_its_vocabulary(run: Run) -> None:
    texts = ["a red square", "a grey square"]
    (first, second) = (Run.open(run.path).objective() for _ in range(2))
    with torch.no_grad():
        assert torch.equal(first.embed_texts(texts), second.embed_texts(texts))
        red, grey = first.embed_texts(texts)
        assert not torch.allclose(red, grey, atol=1e-3)
    assert "to tell the captions of a picture from those of other pictures" in wordsight.report(run).read_text("utf-8")


def test_a_step_in_pieces_is_trained_and_says_what_batch_norm_looks_at(
    coloured_squares: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = dataclasses.replace(SETTINGS, accumulate=2, epochs=1)
    found = wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path / "pieces")
    # Chance among all eight of a step: pieces of four would begin at 1.39.
    assert found.metrics()[0]["loss"] > 1.7
    assert "each piece of 4 images is normalised by itself" in capsys.readouterr().err


def test_a_run_records_every_value_of_its_objective(run: Run) -> None:
    tower = run.settings.objective_settings["text_tower"]
    assert (tower["width"], tower["kind"], tower["max_tokens"]) == (16, "scratch", 48)
    assert run.settings.objective_settings["temperature"] == 0.07


def test_what_is_written_down_is_of_before_the_update(run: Run) -> None:
    objective = run.objective().train()
    weight = next(objective.parameters())

    objective.__dict__["losses"] = lambda seen, batch: Losses(weight.sum(), {"weight": weight})
    told = objective(Batch.of_images(torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.tensor([0])))["weight"]
    with torch.no_grad():
        weight.add_(1)
    assert not told.requires_grad and not torch.equal(told, weight.detach())


def test_a_run_that_was_stopped_goes_on_to_the_same_numbers(coloured_squares: Corpus, tmp_path: Path) -> None:
    assert_a_stopped_run_goes_on_to_the_same_numbers(coloured_squares, tmp_path, "clip")


def test_two_processes_train_as_one(coloured_squares: Corpus, tmp_path: Path) -> None:
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
    one = wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path / "one")
    two = wordsight.pretrain(dataclasses.replace(settings, devices=2), corpus=coloured_squares, out=tmp_path / "two")
    assert [line["loss"] for line in two.metrics()] == pytest.approx([line["loss"] for line in one.metrics()], rel=1e-4)
    first, second = one.objective().state_dict(), two.objective().state_dict()
    for name in first:
        assert torch.allclose(first[name], second[name], rtol=1e-3, atol=1e-6), name
