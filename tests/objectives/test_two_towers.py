"""Contrast learns from captions alone; what it cannot learn from is refused in one line, before anything is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

import wordsight
from tests.conftest import ColouredSquares, MakeCorpus
from tests.objectives.towers import SETTINGS, Flat, step
from wordsight.batching.fields.texts import TextFacts
from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.objectives import Facts, build_objective
from wordsight.vision.backbones import Backbone

FAMILY = ["clip", "align", "siglip", "clip-lite"]


@dataclass(frozen=True)
class WrongTexts(ColouredSquares):
    """Coloured squares, of which every fifth to be trained on has the texts of another colour."""

    def __iter__(self) -> Iterator[Example]:
        read = list(super().__iter__())
        for place, example in enumerate(read):
            wrong = place % 5 == 0 and example.split == "train"
            yield replace(example, captions=read[place + 1].captions) if wrong else example


ALIKE = [["a dog runs here"]] * 12
IN_A_SUM = {"objectives": {"pairs": {"kind": "clip"}, "turns": {"kind": "rotation"}}}


@pytest.mark.parametrize("objective", ["align", "siglip"])
def test_classes_are_told_by_name_after_learning_from_captions_alone(
    objective: str, coloured_squares: Corpus, tmp_path: Path
) -> None:
    """The trend of CLIP's paper: no label was ever seen, and the names of classes are enough."""
    run = wordsight.pretrain(replace(SETTINGS, objective=objective), corpus=coloured_squares, out=tmp_path / "run")
    (found,) = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot", device="cpu")
    assert found.value >= 75 and found.baselines["chance"] == 25


def test_align_learns_though_a_fifth_of_the_texts_is_wrong(tmp_path: Path) -> None:
    """The trend of ALIGN's paper: noise in the texts is made up for by their number."""
    (tmp_path / "images").mkdir()
    corpus = build_corpus(WrongTexts(tmp_path / "images"), tmp_path / "corpus")
    run = wordsight.pretrain(replace(SETTINGS, objective="align"), corpus=corpus, out=tmp_path / "run")
    (found,) = wordsight.evaluate(run, task=f"corpus:{corpus.path}", protocol="zero-shot", device="cpu")
    assert found.value >= 75


@pytest.mark.parametrize("objective", [*FAMILY, "weighted-sum"])
def test_one_caption_for_all_images_is_refused(objective: str, make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(ALIKE)
    values = IN_A_SUM if objective == "weighted-sum" else SETTINGS.objective_settings
    settings = replace(SETTINGS, objective=objective, objective_settings=values)
    with pytest.raises(InputError, match="all captions of the 12 images read alike") as caught:
        wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["frozen", "tuned"])
@pytest.mark.parametrize("objective", FAMILY)
def test_texts_may_be_read_by_a_language_model(objective: str, kind: str, minilm: LanguageModel) -> None:
    torch.manual_seed(0)
    facts = Facts({"texts": TextFacts(minilm.text_tokenizer(8), minilm)}, images=3)
    values = {"width": 5, "text_tower": {"kind": kind, "max_tokens": 8}}
    built = build_objective(objective, values, Backbone(Flat(), {"grid": ""}, 6), facts)
    found = built(step([0, 1, 2], [[1], [2], [3]]))
    found["loss"].backward()
    learned = {name for name, parameter in built.named_parameters() if parameter.grad is not None}
    assert math.isfinite(float(found["loss"].detach()))
    assert any("encoder" in name for name in learned) == (kind == "tuned")
    assert "text_tower.projection.weight" in learned


def test_a_corpus_without_captions_is_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus([[]] * 12, labels=[["x"]] * 12)
    with pytest.raises(InputError, match="no example of this split has a caption"):
        wordsight.pretrain(SETTINGS, corpus=corpus, out=tmp_path / "run")


def test_a_batch_of_one_is_refused() -> None:
    with pytest.raises(InputError, match="batch_size: a batch of one image .* expected at least 2 images") as caught:
        replace(SETTINGS, batch_size=1)
    assert "\n" not in str(caught.value)


def test_how_many_batches_hold_positives_alone_is_said(
    make_corpus: MakeCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the captions read alike: of two images drawn, both have one of two texts in every second batch."""
    corpus = make_corpus([[f"a dog runs {'here' if number % 2 else 'away'}"] for number in range(12)])
    settings = replace(SETTINGS, batch_size=2, epochs=1)
    run = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
    assert "in about 50 % of the batches all captions read alike, which teaches nothing" in capsys.readouterr().err
    assert run.info.finished, "and its loss is a number all the same"
