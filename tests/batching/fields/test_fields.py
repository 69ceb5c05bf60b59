"""A field is one file and one line: a run draws it, keeps it, and builds its objective again, knowing it by no name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import wordsight
from tests.conftest import MakeCorpus
from wordsight.batching.batch import Batch, Part
from wordsight.batching.fields import FIELDS, Field, FieldFacts, StepDraw
from wordsight.batching.needs import FieldNeed, Needs, joined
from wordsight.batching.sampling import stream_of
from wordsight.batching.sources import RunSources, Sources
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.objectives import OBJECTIVES, Facts, Losses, Objective, ObjectiveKind, Seen
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import Run
from wordsight.vision.backbones import Backbone, BackboneSettings


@dataclass(frozen=True)
class Lengths(Part):
    """How long one of each image's captions is."""

    length_B: Tensor
    seen_B: Tensor | None = None


@dataclass(frozen=True)
class LengthsNeed(FieldNeed):
    longest: int = 99


@dataclass(frozen=True)
class LengthsFacts(FieldFacts):
    longest: int
    mean: Tensor

    def kept(self) -> dict[str, Tensor]:
        return {"mean": self.mean}


class LengthsField(Field[LengthsNeed, Lengths]):
    none_usable = "no image has a short caption"

    def __init__(self, corpus: Corpus, longest: int) -> None:
        self.corpus, self.longest = corpus, longest

    @classmethod
    def open(cls, need: LengthsNeed, sources: Sources) -> LengthsField:
        return cls(sources.corpus, need.longest)

    def _lengths(self, example: int) -> list[int]:
        return [len(text) for text in self.corpus.captions(example) if len(text) <= self.longest]

    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array([bool(self._lengths(int(example))) for example in examples])

    def facts(self) -> LengthsFacts:
        return LengthsFacts(self.longest, torch.tensor(13.0))

    @classmethod
    def facts_of_run(cls, need: LengthsNeed, kept: RunSources) -> LengthsFacts:
        assert kept.record == {"longest": need.longest}
        return LengthsFacts(need.longest, kept.tensors["mean"])

    def draw(self, step: StepDraw) -> Lengths:
        drawn = [random.choice(self._lengths(example)) for example, random in step.each(stream_of("lengths"))]
        return Lengths(torch.tensor(drawn))

    def complete(self, part: Lengths, device: torch.device) -> Lengths:
        return dataclasses.replace(part, seen_B=part.length_B.float())

    def record(self) -> dict[str, Any]:
        return {"longest": self.longest}

    @classmethod
    def summary(cls, record: Mapping[str, Any]) -> str:
        return f"captions of {record['longest']} letters"

    def keep(self, run: Path, corpus: Corpus) -> None:
        (run / "lengths.txt").write_text(str(self.longest))


@dataclass(frozen=True)
class HowLongSettings:
    longest: int = 20


class HowLong(Objective):
    """How long is the caption? Needs what no other objective needs."""

    def __init__(self, backbone: Backbone, facts: Facts, settings: HowLongSettings) -> None:
        super().__init__(backbone)
        self.head = nn.Linear(backbone.out_channels, 1)
        self.known = facts.of(LengthsFacts)

    @classmethod
    def needs(cls, settings: HowLongSettings) -> Needs:
        return Needs({"lengths": LengthsNeed(settings.longest)})

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        lengths = batch.of(Lengths)
        assert lengths.seen_B is not None and bool((lengths.seen_B <= self.known.longest).all())
        told_B = self.head(seen.grid().mean((2, 3)))[:, 0]
        return Losses((told_B - (lengths.seen_B - self.known.mean) / 10).square().mean())


SETTINGS = PretrainSettings(
    objective="how-long",
    concepts={"kind": "no such kind"},
    backbone_settings=BackboneSettings(stages=1),
    image_size=16,
    epochs=2,
    batch_size=4,
    workers=0,
    device="cpu",
)
CAPTIONS = [[f"a dog runs {'fast ' * (k % 3)}here".strip(), f"a cat sleeps {k}"] for k in range(9)]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line in each of the two registries."""
    monkeypatch.setitem(FIELDS, "lengths", LengthsField)
    monkeypatch.setitem(OBJECTIVES, "how-long", ObjectiveKind(HowLongSettings, HowLong))


@pytest.mark.usefixtures("registered")
def test_a_run_with_a_field_of_its_own_is_trained_kept_and_read_back(
    make_corpus: MakeCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus([*CAPTIONS, ["a very long caption that is beyond the longest"]])
    run = wordsight.pretrain(SETTINGS, corpus=corpus, out=tmp_path / "run")
    assert "objective  how-long, captions of 20 letters" in capsys.readouterr().err
    # Concepts that nobody reads are not computed, even where the settings name some that can't be.
    assert (run.info.examples, run.info.concepts, run.info.language) == (9, {}, None)
    assert (run.path / "lengths.txt").read_text() == "20"
    objective = Run.open(run.path).objective()
    assert isinstance(objective, HowLong) and float(objective.known.mean) == 13
    assert "Starting from random weights" in wordsight.report(run).read_text("utf-8")


@pytest.mark.usefixtures("registered")
def test_a_split_without_a_usable_example_is_told_by_the_field(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, objective_settings={"longest": 2})
    with pytest.raises(InputError, match="no image has a short caption"):
        wordsight.pretrain(settings, corpus=make_corpus(CAPTIONS), out=tmp_path / "run")


def test_a_run_of_an_earlier_version_knows_where_its_masked_captions_are(tmp_path: Path) -> None:
    old = {"corpus": "c", "corpus_fingerprint": "0", "split": "train", "examples": 3, "concepts": {}, "steps": 1}
    old |= {"language": "minilm", "masked": "/corpora/c/features/1234", "environment": {}}
    (tmp_path / "run.json").write_text(json.dumps(old))
    (tmp_path / "config.yaml").write_text("epochs: 1\n")
    assert Run.open(tmp_path).info.fields == {"masked": {"folder": "/corpora/c/features/1234"}}
    (tmp_path / "run.json").write_text(json.dumps({**old, "masked": None}))
    assert Run.open(tmp_path).info.fields == {}


def test_a_sum_s_needs_are_those_of_its_objectives() -> None:
    one, other = Needs({"lengths": LengthsNeed(3)}), Needs({"more": FieldNeed()}, usable="any")
    assert joined([one, other]) == Needs({"lengths": LengthsNeed(3), "more": FieldNeed()}, "all")
    assert joined([other, other]).usable == "any"
    with pytest.raises(InputError, match="two objectives of a sum ask for different values"):
        joined([one, Needs({"lengths": LengthsNeed(4)})])
