"""Objectives of a sum share one pass of the backbone; their losses add up, and what a part can answer is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from tests.objectives.test_icmlm import batch, facts
from wordsight.batching.batch import Views
from wordsight.batching.fields.masked import MaskedNeed
from wordsight.batching.fields.tags import TagsNeed
from wordsight.batching.needs import Needs, ViewNeed
from wordsight.errors import InputError
from wordsight.objectives import (
    OBJECTIVES,
    EpochFeatures,
    Facts,
    Losses,
    MaskedWordObjective,
    Objective,
    ObjectiveKind,
    Seen,
    TagObjective,
    build_objective,
    objective_kind,
    objective_needs,
    objective_settings,
    parts_of,
    resolved_values,
    tag_heads_of,
)
from wordsight.objectives.no_training import NoTrainingSettings
from wordsight.objectives.weighted_sum import NamedSum
from wordsight.recipes import merged
from wordsight.vision.backbones import build_backbone

WORDS_AND_TAGS: dict[str, Any] = {
    "words": {"kind": "icmlm-attfc", "heads": 2},
    "tags": {"kind": "tag-prediction", "weight": 0.25},
}


def build(**objectives: dict[str, Any]) -> NamedSum:
    torch.manual_seed(0)
    built = build_objective("weighted-sum", {"objectives": objectives}, build_backbone("resnet18"), facts()).eval()
    assert isinstance(built, NamedSum)
    return built


def test_the_loss_is_the_weighted_sum_and_the_backbone_runs_once() -> None:
    objective, passes = build(**WORDS_AND_TAGS), []
    objective.backbone.register_forward_hook(lambda *_: passes.append(1))
    found = objective(batch())
    assert float(found["loss"].detach()) == pytest.approx(float(found["masked"]) + 0.25 * float(found["tag"]), rel=1e-6)
    assert set(found) == {"loss", "masked", "accuracy", "tag"} and len(passes) == 1


def test_embedded_in_pieces_and_compared_a_sum_is_the_same() -> None:
    """The halves of a step of gradient caching: of parts that are means, the mean of the pieces' losses."""
    objective, step = build(**WORDS_AND_TAGS), batch()
    pieces = [objective.embed(Seen(objective.backbone, piece), piece) for piece in step.split(2)]
    joined = {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
    assert {len(rows) for rows in joined.values()} == {len(step.examples_B)}
    found, whole = objective.compared(joined, step), objective(step)
    assert float(found.total.detach()) == pytest.approx(float(whole["loss"].detach()), rel=1e-5)
    assert float(found.parts["tag"].detach()) == pytest.approx(float(whole["tag"]), rel=1e-5)


def test_masked_words_and_tags_are_the_sum_that_icmlm_is() -> None:
    torch.manual_seed(0)
    icmlm = build_objective("icmlm-attfc", {"tag_weight": 0.25, "heads": 2}, build_backbone("resnet18"), facts()).eval()
    named = build(**WORDS_AND_TAGS)
    named.load_state_dict(icmlm.state_dict())
    assert {name: float(value) for name, value in named(batch()).items()} == {
        name: float(value) for name, value in icmlm(batch()).items()
    }


def test_needs_and_answers_are_those_of_the_parts() -> None:
    needs = objective_needs("weighted-sum", {"objectives": WORDS_AND_TAGS})
    assert needs.fields == {"masked": MaskedNeed(), "tags": TagsNeed()}
    objective = build(**WORDS_AND_TAGS)
    assert len(parts_of(objective, MaskedWordObjective)) == len(parts_of(objective, TagObjective)) == 1
    assert tag_heads_of(build(words={"kind": "icmlm-tfm"})) is None
    settings = objective_settings("weighted-sum", {"objectives": WORDS_AND_TAGS})
    assert objective_kind("weighted-sum").build.default_protocol(settings) == "masked-words"
    assert any(issubclass(kind, TagObjective) for kind in objective_kind("weighted-sum").build.kinds(settings))


def test_another_backbone_is_that_of_all_parts() -> None:
    objective = build(**WORDS_AND_TAGS)
    before = objective(batch())["tag"]
    objective.backbone = build_backbone("resnet18").eval()
    (words,) = parts_of(objective, MaskedWordObjective)
    assert words.backbone is objective.backbone and not torch.equal(before, objective(batch())["tag"])
    names = [name for name, _ in objective.named_parameters()]
    assert sum(name.endswith("network.conv1.weight") for name in names) == 1


class Looks(Objective):
    """Adds up the pixels of two views of its own and their grids."""

    @classmethod
    def needs(cls, settings: Any) -> Needs:
        return Needs(views=(ViewNeed(size=4), ViewNeed(size=5)))

    def __init__(self, backbone: Any, facts: Facts, settings: NoTrainingSettings) -> None:
        super().__init__(backbone)

    def losses(self, seen: Seen, batch: Any) -> Losses:
        one, other = (views.images_BCHW.float().mean() for views in batch.views)
        return Losses(one + 2 * other + seen.grid(0).mean() + seen.grid(1).mean())


def test_each_part_sees_its_own_views_counted_from_0_and_equal_ones_are_passed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(OBJECTIVES, "looks", ObjectiveKind(NoTrainingSettings, Looks))
    words = {"kind": "icmlm-attfc", "heads": 2}
    objectives: dict[str, dict[str, Any]] = {
        "looks": {"kind": "looks"},
        "words": words,
        "again": {"kind": "looks", "weight": 2},
    }
    needs = objective_needs("weighted-sum", {"objectives": objectives})
    assert [view.size for view in needs.views] == [4, 5, None]
    objective, passes = build(**objectives), []
    step = batch()
    (plain,) = step.views
    first, second = (Views.whole(torch.full_like(plain.images_BCHW, value)) for value in (10, 30))
    whole = replace(step, views=(first, second, plain))
    objective.backbone.register_forward_hook(lambda *_: passes.append(1))
    found = objective(whole)
    assert len(passes) == 3
    of_looks = replace(step, views=(first, second))
    (looks, _), (masked,) = parts_of(objective, Looks), parts_of(objective, MaskedWordObjective)
    assert float(found["looks"]) == float(found["again"]) == pytest.approx(float(looks(of_looks)["loss"].detach()))
    assert float(found["masked"]) == pytest.approx(float(masked(step)["masked"]))
    assert isinstance(objective, NamedSum)
    pieces = [objective.embed(Seen(objective.backbone, piece), piece) for piece in whole.split(2)]
    together = {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
    assert float(objective.compare(together, whole).total.detach()) == pytest.approx(float(found["loss"].detach()))


class Counts(Objective):
    """Gives a number, and counts how it is called."""

    def __init__(self, backbone: Any, facts: Facts, settings: NoTrainingSettings) -> None:
        super().__init__(backbone)
        self.offset = nn.Parameter(torch.zeros(()))
        self.updates: list[int] = []

    def losses(self, seen: Seen, batch: Any) -> Losses:
        return Losses(self.offset + 3)

    def before_epoch(self, epoch: int, look: Any) -> Sequence[nn.Parameter]:
        look()
        return [self.offset]

    def after_update(self, step: int) -> None:
        self.updates.append(step)


def test_parts_without_numbers_are_called_by_their_names_and_all_are_told_of_epochs_and_updates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(OBJECTIVES, "counts", ObjectiveKind(NoTrainingSettings, Counts))
    objective = build(one={"kind": "counts"}, two={"kind": "counts", "weight": 2})
    assert {name: float(value) for name, value in objective(batch()).items()} == {"loss": 9, "one": 3, "two": 3}
    looks = []

    def look() -> EpochFeatures:
        looks.append(1)
        return EpochFeatures(torch.zeros(0), torch.zeros(0))

    assert len(objective.before_epoch(0, look)) == 2 and len(looks) == 1
    objective.after_update(7)
    assert [part.updates for part in parts_of(objective, Counts)] == [[7], [7]]


def test_numbers_of_one_name_are_told_apart_by_their_parts() -> None:
    found = build(first={"kind": "rotation", "copies": 1}, second={"kind": "rotation", "copies": 1})(batch())
    assert {"first_accuracy", "second_accuracy"} <= set(found)


def test_what_is_wrong_with_a_part_is_told_with_its_name() -> None:
    with pytest.raises(InputError, match="objectives: tags.*did you mean 'tag_head'"):
        build(tags={"kind": "tag-prediction", "tag_heads": "mlp"})
    with pytest.raises(InputError, match="did you mean 'tag-prediction'"):
        build(tags={"kind": "tags-prediction"})
    with pytest.raises(InputError, match="weight"):
        build(tags={"kind": "tag-prediction", "weight": -1})
    with pytest.raises(InputError, match="names no objective"):
        build()


def test_objectives_of_a_recipe_are_merged_by_their_names() -> None:
    base = merged({"objective": "rotation", "objective_settings": {"copies": 1}}, {"objectives": WORDS_AND_TAGS})
    assert base["objective"] == "weighted-sum" and base["objective_settings"] == {"objectives": WORDS_AND_TAGS}
    changed = merged(base, {"objectives": {"tags": {"weight": 1}, "words": {"kind": "icmlm-tfm"}}})
    assert changed["objective_settings"]["objectives"] == {
        "words": {"kind": "icmlm-tfm"},
        "tags": {"kind": "tag-prediction", "weight": 1},
    }
    assert "objective_settings" not in merged(base, {"objective": "rotation"})
    with pytest.raises(InputError, match="both one objective and several"):
        merged(base, {"objectives": WORDS_AND_TAGS, "objective": "rotation"})


@pytest.mark.parametrize("name", ["icmlm-attfc", "icmlm-tfm", "tag-prediction"])
def test_tensors_of_earlier_versions_find_their_places(name: str) -> None:
    def made(seed: int) -> Objective:
        torch.manual_seed(seed)
        return build_objective(name, {}, build_backbone("resnet18"), facts())

    objective, other = made(0), made(1)
    before = {
        key.removeprefix("parts.words.").removeprefix("parts.tags.").replace("tag_heads.", "tp."): value
        for key, value in objective.state_dict().items()
    }
    assert any(key.startswith("tp.heads.postag.") for key in before)
    other.load_state_dict(before)
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in objective.state_dict().items())


def test_a_sum_s_settings_are_resolved_part_by_part() -> None:
    given = {"objectives": {"tags": {"kind": "tag-prediction", "loss": "sigmoid"}, "turns": {"kind": "rotation"}}}
    found = resolved_values("weighted-sum", given)["objectives"]
    assert (found["tags"]["kind"], found["tags"]["weight"], found["tags"]["loss"]) == ("tag-prediction", 1.0, "sigmoid")
    assert found["tags"]["tag_head"] == "linear" and found["turns"]["copies"] == 4
    assert resolved_values("weighted-sum", {"objectives": found}) == {"objectives": found}
