"""Masked words: top-1 and top-5 by hand, and the baselines that do not look."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from tests.evaluation.conftest import LooksAtRed, MakeSplit, picture, write_masked
from wordsight.corpus import Box
from wordsight.errors import InputError
from wordsight.evaluation import EvaluatedModel, Result, evaluate, open_task, print_results, protocols_for
from wordsight.evaluation.methods import masked_words
from wordsight.evaluation.methods.masked_words import BY_PART, BY_RANK, asked_rows, groups_of
from wordsight.evaluation.predictions.text_only import cross_fit_folds
from wordsight.evaluation.tasks import Task
from wordsight.evaluation.tasks.caption_split import CaptionedSplit
from wordsight.language.features import MaskedCaptions
from wordsight.language.model import LanguageModel
from wordsight.language.text_baseline import train_text_baseline

VOCABULARY = 10


def _split(make_split: MakeSplit, targets: list[int], **more: Any) -> CaptionedSplit:
    """A picture for every four words."""
    pictures: list[tuple[Image.Image, list[Box]]] = [
        (picture((i * 40 % 256, 100, 50), noise=i), []) for i in range(-(-len(targets) // 4))
    ]
    words = [(i // 4, target, target % 2) for i, target in enumerate(targets)]
    return make_split(pictures, words, ["even", "odd"], **more)


def _model() -> LanguageModel:
    """As much of a language model as a text-only head asks for."""
    model = SimpleNamespace(
        fingerprint="model",
        vocabulary_matrix=lambda: torch.randn(VOCABULARY, 2, generator=torch.Generator().manual_seed(0)),
        token_classifier_weights=lambda: None,
    )
    return cast(LanguageModel, model)


def _learned(split: CaptionedSplit, tmp_path: Path, words: list[tuple[int, int]]) -> CaptionedSplit:
    """The split with training captions (example, target) of its own corpus."""
    examples, targets = zip(*words, strict=True)
    folder = write_masked(tmp_path / "own", examples, targets, [0] * len(words), len(split.corpus))
    train = MaskedCaptions(folder)
    train.info["corpus"] = split.corpus.fingerprint
    return replace(split, train=train)


def test_top_1_and_top_5_by_hand(model: EvaluatedModel, make_split: MakeSplit) -> None:
    # Guesses are always 3, 1, 4, 5, 9.
    split = _split(make_split, [3, 3, 1, 9, 2, 8, 3, 7])
    (result,) = evaluate(replace(model, objective=LooksAtRed([3, 1, 4, 5, 9], VOCABULARY)), split, ["masked-words"])
    assert result.value == 100 * 3 / 8
    assert result.more == {"top-5": 100 * 5 / 8}
    assert result.per_class == {"even": 0, "odd": pytest.approx(100 * 3 / 6)}
    assert result.counts == {"masked_words": 8, "of_masked_words": 8, "images": 2, "candidates": VOCABULARY}
    assert (result.task, result.random_weights) == ("made-all", None)


def test_fewer_candidates_than_guesses_are_no_error(model: EvaluatedModel, make_split: MakeSplit) -> None:
    split = _split(make_split, [0, 1, 2, 0])
    (result,) = evaluate(replace(model, objective=LooksAtRed([0], 3)), split, ["masked-words"])
    assert (result.value, result.more["top-5"]) == (50, 100)


def test_frequency_is_counted_on_the_training_captions(model: EvaluatedModel, make_split: MakeSplit) -> None:
    split = _split(make_split, [3, 3, 1, 9], train=[1, 1, 3])
    (result,) = evaluate(replace(model, objective=LooksAtRed([3], VOCABULARY)), split, ["masked-words"])
    assert result.baselines["most frequent"] == 25
    assert result.baselines["most frequent, top-5"] == 75


def test_the_text_only_baseline_is_trained_once_for_all_runs(
    model: EvaluatedModel, make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = _split(make_split, [3, 3, 1, 9], train=[3] * 8 + [1] * 2)
    trained = 0

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal trained
        trained += 1
        return train_text_baseline(*arguments, **named)

    monkeypatch.setattr("wordsight.evaluation.predictions.text_only.train_text_baseline", counting)
    asked = replace(model, objective=LooksAtRed([3], VOCABULARY), language=_model())
    first = evaluate(asked, split, ["masked-words"])[0]
    second = evaluate(replace(asked, name="another run"), split, ["masked-words"])[0]
    assert trained == 1
    assert first.baselines == second.baselines
    # All features are zero, so that only frequency can be learned; guessing the same is no use of the image.
    assert first.baselines["text only"] == 50
    assert "no better than the captions alone (50.0)" in first.warnings


def test_what_the_image_is_worth_is_said_where_the_captions_alone_are_as_good() -> None:
    said = masked_words._compare_with_text(40.0, {"text only": 41.0, "wrong image": 38.5})
    assert said == ["no better than the captions alone (41.0): the right image gives 1.5 points more than a wrong one"]
    assert masked_words._compare_with_text(42.0, {"text only": 41.0}) == []


def test_captions_that_were_trained_on_are_said(model: EvaluatedModel, make_split: MakeSplit) -> None:
    split = _split(make_split, [3, 3, 1, 9])
    trained = replace(
        model, objective=LooksAtRed([3], VOCABULARY), trained_on=split.corpus.fingerprint, trained_split="train"
    )
    (result,) = evaluate(trained, split, ["masked-words"])
    assert "the run was trained on these captions: this is not a held-out result" in result.warnings
    assert split.seen_in_training(replace(trained, trained_on="another corpus")) == []
    assert replace(split, split="test").seen_in_training(trained) == []


def test_protocols_are_refused_before_anything_is_computed(model: EvaluatedModel, colour_folder: Path) -> None:
    task = open_task(f"folder:{colour_folder}")
    with pytest.raises(InputError, match="unknown protocol 'logistics'.*did you mean 'logistic'"):
        evaluate(model, task, ["logistic", "logistics"])
    with pytest.raises(InputError, match="masked-words expects captioned images"):
        evaluate(model, task, ["masked-words"])
    with pytest.raises(InputError, match="logistic expects labelled images"):
        protocols_for(["logistic"], CaptionedSplit)
    with pytest.raises(InputError, match="no protocol was named"):
        protocols_for([], Task)
    assert not model.results_folder.exists()


def test_groups_by_part_of_speech_by_hand(model: EvaluatedModel, make_split: MakeSplit) -> None:
    # Guesses are always 3, 1, 4, 5, 9; odd words are of the second concept, a verb.
    split = replace(_split(make_split, [3, 3, 1, 9, 2, 8, 3, 7]), parts=["noun", "verb"])
    (result,) = evaluate(replace(model, objective=LooksAtRed([3, 1, 4, 5, 9], VOCABULARY)), split, ["masked-words"])
    noun, verb = result.groups
    assert (noun.by, noun.name, noun.count, noun.value, noun.more) == (BY_PART, "noun", 2, 0, {"top-5": 0})
    assert (verb.name, verb.count, verb.value) == ("verb", 6, 100 * 3 / 6)
    assert verb.more == {"top-5": pytest.approx(100 * 5 / 6)}
    assert verb.standard_error == 0  # half of the words of either image are right


def test_groups_by_rank_count_in_the_training_captions(make_split: MakeSplit) -> None:
    targets = [0, 9, 10, 11, 7]
    # Word k was masked 20 - k times, so that its rank is k + 1; 7 never was.
    train = [word for word in range(12) if word != 7 for _ in range(20 - word)]
    split = _split(make_split, targets, train=train)
    found = {name: inside.tolist() for by, name, inside in groups_of(split, np.arange(5)) if by == BY_RANK}
    assert found == {
        "1-10": [True, True, True, False, False],
        "11-100": [False, False, False, True, False],
        "not in them": [False, False, False, False, True],
    }


def test_every_group_stands_beside_the_text_only_baseline(model: EvaluatedModel, make_split: MakeSplit) -> None:
    split = replace(_split(make_split, [3, 3, 1, 2], train=[3] * 8 + [1] * 2), parts=["noun", "verb"])
    asked = replace(model, objective=LooksAtRed([1], VOCABULARY), language=_model())
    (result,) = evaluate(asked, split, ["masked-words"])
    # All features are zero: text alone says 3 of every word, the network 1.
    verb = next(group for group in result.groups if group.name == "verb")
    assert verb.count == 3
    assert [verb.value, verb.baselines["text only"]] == pytest.approx([100 / 3, 200 / 3])
    assert verb.baselines["text only, top-5"] == 100
    assert sum(group.count for group in result.groups if group.by == BY_RANK) == 4
    assert Result.read(model.results_folder / "made-all" / "masked-words.json").groups == result.groups


def test_groups_are_printed_with_their_counts(model: EvaluatedModel, make_split: MakeSplit) -> None:
    split = replace(_split(make_split, [3, 3, 1, 2], train=[3] * 8 + [1] * 2), parts=["noun", "verb"])
    asked = replace(model, objective=LooksAtRed([1], VOCABULARY), language=_model())
    console = Console(width=120, record=True, file=io.StringIO())
    print_results(evaluate(asked, split, ["masked-words"]), console)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "made-all, masked-words" in lines
    assert "count top-1 of masked words text only top-5 text only" in lines
    assert "verb 3 33.3 66.7 33.3 100.0" in lines
    assert "1-10 3 33.3 66.7 33.3 100.0" in lines


def test_no_head_is_asked_about_captions_that_it_learned_from(
    model: EvaluatedModel, make_split: MakeSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [3, 3, 1, 9] * 6
    split = _learned(_split(make_split, words), tmp_path, [(k // 4, word) for k, word in enumerate(words)])
    assert split.train is not None
    learned: list[set[int]] = []

    def watched(masked: MaskedCaptions, *arguments: Any, **named: Any) -> Any:
        learned.append(set(masked.example_M[named["rows"]].tolist()))
        return train_text_baseline(masked, *arguments, **named)

    monkeypatch.setattr("wordsight.evaluation.predictions.text_only.train_text_baseline", watched)
    rows = asked_rows(split, 1000)
    folds = cross_fit_folds(split, rows)
    asked = replace(model, objective=LooksAtRed([3], VOCABULARY), language=_model())
    (result,) = evaluate(asked, split, ["masked-words"])
    assert len(learned) == 5
    for fold, seen in enumerate(learned):
        scored = set(split.masked.example_M[rows[folds == fold]].tolist())
        assert scored
        assert not scored & seen
        assert scored | seen == set(range(6))
    assert result.baselines["text only"] == 50
    assert any("text only has seen none of these captions" in warning for warning in result.warnings)


def test_a_few_whole_images_are_asked_about_where_captions_were_learned_from(
    make_split: MakeSplit, tmp_path: Path
) -> None:
    words = [3, 3, 1, 9] * 12
    split = _learned(_split(make_split, words), tmp_path, [(k // 4, word) for k, word in enumerate(words)])
    rows = asked_rows(split, 9)
    assert split.masked.example_M[rows].tolist() == sorted([*{*split.masked.example_M[rows].tolist()}] * 4)
    assert len(rows) == 8
    # Two of twelve images are withheld: one head that learned from the ten others does.
    assert cross_fit_folds(split, rows).tolist() == [0] * 8
    held_out = replace(split, train=None)
    assert len(asked_rows(held_out, 9)) == 9
    assert cross_fit_folds(held_out, rows).tolist() == [-1] * 8


def test_a_training_split_of_one_image_has_no_text_only_baseline(
    model: EvaluatedModel, make_split: MakeSplit, tmp_path: Path
) -> None:
    split = _learned(_split(make_split, [3, 1]), tmp_path, [(0, 3), (0, 1)])
    asked = replace(model, objective=LooksAtRed([3], VOCABULARY), language=_model())
    (result,) = evaluate(asked, split, ["masked-words"])
    assert "text only" not in result.baselines
    assert any("no other training image" in warning for warning in result.warnings)
