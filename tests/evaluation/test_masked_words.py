from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from tests.evaluation.conftest import LooksAtRed, MakeSplit, picture
from wordsight.corpus import Box
from wordsight.errors import InputError
from wordsight.evaluation import Subject, check_protocols, evaluate, open_task
from wordsight.evaluation.answers import ask, sample_rows
from wordsight.evaluation.features import BATCH
from wordsight.evaluation.subject import CaptionedSplit
from wordsight.evaluation.tasks import Task

VOCABULARY = 10


def _split(make_split: MakeSplit, targets: list[int], **more: Any) -> CaptionedSplit:
    """A picture for every four words."""
    pictures: list[tuple[Image.Image, list[Box]]] = [
        (picture((i * 40 % 256, 100, 50), noise=i), []) for i in range(-(-len(targets) // 4))
    ]
    words = [(i // 4, target, target % 2) for i, target in enumerate(targets)]
    return make_split(pictures, words, ["even", "odd"], **more)


def test_top_1_and_top_5_by_hand(subject: Subject, make_split: MakeSplit) -> None:
    # Guesses are always 3, 1, 4, 5, 9.
    split = _split(make_split, [3, 3, 1, 9, 2, 8, 3, 7])
    (result,) = evaluate(replace(subject, objective=LooksAtRed([3, 1, 4, 5, 9], VOCABULARY)), split, ["masked-words"])
    assert result.value == 100 * 3 / 8
    assert result.more == {"top-5": 100 * 5 / 8}
    assert result.per_class == {"even": 0, "odd": pytest.approx(100 * 3 / 6)}
    assert result.counts == {"masked_words": 8, "of_masked_words": 8, "images": 2, "candidates": VOCABULARY}
    assert (result.task, result.random_weights) == ("made-all", None)


def test_many_words_of_one_image_are_all_answered_in_their_order(subject: Subject, make_split: MakeSplit) -> None:
    words = [(0, k % 10, 0) for k in range(21)] + [(2, k % 10, 0) for k in range(3)]
    pictures: list[tuple[Image.Image, list[Box]]] = [(picture((i * 60, 0, 0), noise=i), []) for i in range(3)]
    split = make_split(pictures, words, ["thing"])
    rows = np.array([*range(0, 20, 2), 20, 22, 23])
    answers = ask(replace(subject, objective=LooksAtRed([3], VOCABULARY)), split, rows)
    assert answers.rows.tolist() == rows.tolist()
    assert answers.guesses.shape == (len(rows), 5)
    assert (answers.guesses[:, 0] == 3).all()
    assert answers.grid == (4, 4)


def test_fewer_candidates_than_guesses_are_no_error(subject: Subject, make_split: MakeSplit) -> None:
    split = _split(make_split, [0, 1, 2, 0])
    (result,) = evaluate(replace(subject, objective=LooksAtRed([0], 3)), split, ["masked-words"])
    assert (result.value, result.more["top-5"]) == (50, 100)


def test_frequency_is_counted_on_the_training_captions(subject: Subject, make_split: MakeSplit) -> None:
    split = _split(make_split, [3, 3, 1, 9], train=[1, 1, 3])
    (result,) = evaluate(replace(subject, objective=LooksAtRed([3], VOCABULARY)), split, ["masked-words"])
    assert result.baselines["most frequent"] == 25
    assert result.baselines["most frequent, top-5"] == 75


def test_the_text_only_baseline_is_trained_once_for_all_runs(
    subject: Subject, make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wordsight.language import text_baseline

    split = _split(make_split, [3, 3, 1, 9], train=[3] * 8 + [1] * 2)
    trained = 0
    train = text_baseline.train_text_baseline

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal trained
        trained += 1
        return train(*arguments, **named)

    monkeypatch.setattr(text_baseline, "train_text_baseline", counting)
    model = SimpleNamespace(
        fingerprint="model",
        vocabulary_matrix=lambda: torch.randn(VOCABULARY, 2, generator=torch.Generator().manual_seed(0)),
        token_classifier_weights=lambda: None,
    )
    asked = replace(subject, objective=LooksAtRed([3], VOCABULARY), language=cast(Any, model))
    first = evaluate(asked, split, ["masked-words"])[0]
    second = evaluate(replace(asked, name="another run"), split, ["masked-words"])[0]
    assert trained == 1
    assert first.baselines == second.baselines
    # All features are zero, so that only frequency can be learned; guessing the same is no use of the image.
    assert first.baselines["text only"] == 50
    assert any("no better than the captions alone" in warning for warning in first.warnings)


def test_captions_that_were_trained_on_are_said(subject: Subject, make_split: MakeSplit) -> None:
    split = _split(make_split, [3, 3, 1, 9])
    trained = replace(
        subject, objective=LooksAtRed([3], VOCABULARY), trained_on=split.corpus.fingerprint, trained_split="train"
    )
    (result,) = evaluate(trained, split, ["masked-words"])
    assert "the run was trained on these captions: this is no held-out number" in result.warnings
    assert split.seen_in_training(replace(trained, trained_on="another corpus")) == []
    assert replace(split, split="test").seen_in_training(trained) == []


def test_a_sample_is_always_the_same_and_ascending() -> None:
    rows = np.arange(100, 400)
    sample = sample_rows(rows, 50)
    assert len(np.unique(sample)) == 50
    assert (np.diff(sample) > 0).all()
    np.testing.assert_array_equal(sample, sample_rows(rows, 50))
    np.testing.assert_array_equal(sample_rows(rows, 300), rows)


def test_protocols_are_refused_before_anything_is_computed(subject: Subject, colour_folder: Path) -> None:
    task = open_task(f"folder:{colour_folder}")
    with pytest.raises(InputError, match="unknown protocol 'logistics'.*did you mean 'logistic'"):
        evaluate(subject, task, ["logistic", "logistics"])
    with pytest.raises(InputError, match="masked-words asks about captioned images"):
        evaluate(subject, task, ["masked-words"])
    with pytest.raises(InputError, match="logistic asks about labelled images"):
        check_protocols(["logistic"], CaptionedSplit)
    with pytest.raises(InputError, match="no protocol was named"):
        check_protocols([], Task)
    assert not subject.results_folder.exists()


def test_wrong_images_are_other_images_of_the_split(subject: Subject, make_split: MakeSplit) -> None:
    left, right = (picture((60, 60, 180), noise=i) for i in range(2))
    left.paste((255, 0, 0), (0, 0, 8, 8))
    right.paste((255, 0, 0), (24, 24, 32, 32))
    split = make_split([(left, []), (right, [])], [(0, 1, 0), (1, 1, 0)], ["thing"])
    looking = replace(subject, objective=LooksAtRed([1], VOCABULARY))
    rows = np.arange(2)
    assert ask(looking, split, rows).peak.tolist() == [[0, 0], [3, 3]]
    assert ask(looking, split, rows, wrong_images=True).peak.tolist() == [[3, 3], [0, 0]]


def test_an_image_alone_in_the_last_batch_is_shown_a_wrong_one_too(subject: Subject, make_split: MakeSplit) -> None:
    scenes: list[tuple[Image.Image, list[Box]]] = []
    for i in range(BATCH + 1):
        scene = picture((60, 60, 180), noise=i)
        scene.paste((255, 0, 0), (0, 0, 8, 8) if i < BATCH else (24, 24, 32, 32))
        scenes.append((scene, []))
    split = make_split(scenes, [(i, 1, 0) for i in range(BATCH + 1)], ["thing"])
    looking = replace(subject, objective=LooksAtRed([1], VOCABULARY))
    rows = np.arange(BATCH + 1)
    assert ask(looking, split, rows).peak[-1].tolist() == [3, 3]
    assert ask(looking, split, rows, wrong_images=True).peak[-1].tolist() == [0, 0]
