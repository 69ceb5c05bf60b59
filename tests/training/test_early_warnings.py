"""Warnings of the first two epochs: each where it is due, and none where it is not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import scipy.sparse
import torch

import wordsight
from tests.training.tiny_runs import SMALL
from wordsight.batching.sampling import ImageSampler
from wordsight.batching.steps import Steps
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus import Corpus
from wordsight.objectives import ConceptFacts, Facts, MaskedFacts, TagFacts, build_objective
from wordsight.training.diagnostics import Watch
from wordsight.vision.backbones import BackboneSettings, build_backbone

MakeCorpus = Callable[..., Corpus]
IMAGES, NAMES = 20, [f"concept-{k}" for k in range(10)]
# One concept for nearly all images: a network that knows how frequent concepts are is far better than an even guess.
FREQUENT = np.zeros((IMAGES, 10), np.float32)
FREQUENT[:, 0] = 1
FREQUENT[:2] = np.eye(10, dtype=np.float32)[1:3]
EVEN = np.tile(np.eye(10, dtype=np.float32), (2, 1))
GUESSING_EVENLY = math.log(10)
BLIND = -(0.9 * math.log(0.9) + 0.1 * math.log(0.05))
FIRST = "after the first epoch the tag loss is {:.2f}, still that of guessing evenly"
SECOND = "after two epochs the tag loss is {:.2f}, no better than ignoring the image"


class FewSteps:
    """Two epochs of five steps."""

    sampler = ImageSampler(np.arange(IMAGES), 4, 0)

    def __len__(self) -> int:
        return 10


def watch(held: np.ndarray = FREQUENT, sets: int = 1, objective: str = "tag-prediction", **values: Any) -> Watch:
    """What watches a run on concept sets ``set-0``, ..., all of which hold the same."""
    found = ConceptSet("words", NAMES, scipy.sparse.csr_matrix(held), "labels", "")
    named = {f"set-{k}": found for k in range(sets)}
    facts = Facts(
        {"tags": TagFacts(dict.fromkeys(named, ConceptFacts(10))), "masked": MaskedFacts(torch.randn(20, 24))}
    )
    built = build_objective(objective, values, build_backbone("resnet18", BackboneSettings(stages=1)), facts)
    return Watch(replace(SMALL, lr=0.25), cast(Steps, FewSteps()), named, built)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[Watch, int, Mapping[str, float]], str]:
    def tell(watched: Watch, number: int, means: Mapping[str, float]) -> str:
        capsys.readouterr()
        watched.epoch(number, means)
        said = " ".join(capsys.readouterr().err.split())
        assert said.count("warning: ") == (said != "")
        return said

    return tell


def test_a_loss_that_is_still_that_of_guessing_evenly_is_said_after_the_first_epoch(told: Any) -> None:
    for loss in (GUESSING_EVENLY, 0.995 * GUESSING_EVENLY, 40.0):
        said = told(watch(), 1, {"tag": loss, "loss": 0.0})
        assert FIRST.format(loss) in said
        assert "(2.30): the learning rate 0.25 may be far too low or too high" in said
    assert told(watch(), 1, {"tag": 0.985 * GUESSING_EVENLY}) == ""


def test_where_concepts_are_equally_frequent_an_even_guess_is_no_sign_of_a_wrong_rate(told: Any) -> None:
    assert told(watch(EVEN), 1, {"tag": GUESSING_EVENLY + 0.1}) == ""


def test_a_loss_no_better_than_ignoring_the_image_is_said_after_two_epochs(told: Any) -> None:
    for held, blind in ((FREQUENT, BLIND), (EVEN, GUESSING_EVENLY)):
        said = told(watch(held), 2, {"tag": blind + 0.01})
        assert SECOND.format(blind + 0.01) in said
        assert f"({blind:.2f}): check that captions belong to their images, and try another " in said
        assert told(watch(held), 2, {"tag": blind - 0.01}) == ""


def test_the_first_epoch_is_too_early_to_be_better_than_ignoring_the_image(told: Any) -> None:
    assert told(watch(), 1, {"tag": BLIND + 0.3}) == ""


def test_later_epochs_are_not_judged(told: Any) -> None:
    assert all(told(watch(), number, {"tag": 40.0}) == "" for number in (3, 4, 20))


def test_the_weight_of_the_loss_is_allowed_for(told: Any) -> None:
    weighted = watch(set_weights={"set-0": 0.1})
    assert FIRST.format(0.1 * GUESSING_EVENLY) in told(weighted, 1, {"tag": 0.1 * GUESSING_EVENLY})
    assert SECOND.format(0.1 * BLIND + 0.01) in told(weighted, 2, {"tag": 0.1 * BLIND + 0.01})
    assert told(weighted, 2, {"tag": 0.1 * BLIND - 0.01}) == ""


def test_of_a_loss_that_asks_for_each_concept_alone_only_the_second_epoch_is_judged(told: Any) -> None:
    sigmoid = watch(loss="sigmoid")
    held = [0.9, 0.05, 0.05]
    blind = -sum(share * math.log(share) + (1 - share) * math.log(1 - share) for share in held)
    assert told(sigmoid, 1, {"tag": 1e6}) == ""
    assert SECOND.format(blind + 0.01) in told(sigmoid, 2, {"tag": blind + 0.01})
    assert told(sigmoid, 2, {"tag": blind - 0.01}) == ""


@pytest.mark.parametrize(
    ("watched", "metric"),
    [
        ({"sets": 2}, "tag"),
        ({"loss": "focal"}, "tag"),
        ({"loss": "sampled-softmax", "negatives": 2}, "tag"),
        ({"objective": "rotation"}, "tag"),
        ({}, "loss"),
    ],
)
def test_what_has_no_known_guess_is_not_judged(told: Any, watched: dict[str, Any], metric: str) -> None:
    assert all(told(watch(**watched), number, {metric: 40.0}) == "" for number in (1, 2))


def test_icmlm_s_tags_are_judged_as_well(told: Any) -> None:
    assert FIRST.format(2.4) in told(watch(objective="icmlm-attfc"), 1, {"tag": 2.4, "masked": 0.1})


def test_a_run_that_learns_nothing_is_told_so_once_an_epoch_and_then_no_more(
    make_corpus: MakeCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dog"] * 14 + ["cat", "car"]
    corpus = make_corpus([[f"one {word} runs here"] for word in words])
    settings = replace(
        SMALL,
        concepts={"kind": "words", "size": 6},
        backbone_settings=BackboneSettings(stages=1),
        epochs=4,
        lr=1e-30,
        device="cpu",
    )
    wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("after the first epoch") == said.count("after two epochs") == 1
    assert said.count("warning: after") == 2
