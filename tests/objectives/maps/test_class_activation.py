"""Class activation maps: exact of linear heads, captum's Grad-CAM of others; which words of a caption are tags."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import Tensor, nn

from wordsight.heads.tag_head import TagHead, TagHeadKind
from wordsight.objectives import ConceptFacts, Facts, TagFacts, TagObjective, build_objective
from wordsight.objectives.maps import AskedWord, MapSources, Span
from wordsight.objectives.maps.class_activation import ClassActivationMaps, activation
from wordsight.vision.backbones import Backbone

NAMES = ["dog", "fire hydrant", "fire", "red", "hot dog stand"]


class Coarse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 4, 4)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        grid_BCHW: Tensor = self.layer(images_BCHW).relu()
        return grid_BCHW


def maps(kind: TagHeadKind = "linear") -> ClassActivationMaps:
    torch.manual_seed(0)
    facts = Facts({"tags": TagFacts({"words": ConceptFacts(len(NAMES))})})
    built = build_objective("tag-prediction", {"tag_head": kind}, Backbone(Coarse(), {"grid": ""}, 6), facts)
    assert isinstance(built, TagObjective)
    return ClassActivationMaps(built.eval(), MapSources(concepts={"words": NAMES}))


def test_of_a_linear_head_the_cells_shares_add_up_to_the_score() -> None:
    head, grid_1CHW = maps().heads["words"], torch.randn(1, 6, 3, 5)
    for concept in range(len(NAMES)):
        values_HW = activation(head, grid_1CHW, concept)
        assert values_HW.shape == (3, 5)
        torch.testing.assert_close(values_HW.mean() + head.last.bias[concept], head(grid_1CHW)[0, concept])


@pytest.mark.parametrize("kind", ["linear", "mlp", "cnn"])
@pytest.mark.skipif(importlib.util.find_spec("captum") is None, reason="captum is not installed")
def test_maps_are_captum_s_grad_cam_at_the_grid(kind: TagHeadKind) -> None:
    from captum.attr import LayerGradCam

    found = maps(kind)
    network = nn.Sequential(found.part.backbone, found.heads["words"])
    images = torch.randn(1, 3, 12, 20)
    for concept in (0, 3):
        theirs_HW = LayerGradCam(network, network[0]).attribute(images, target=concept)[0, 0].detach()
        with torch.inference_mode():
            ours_HW = activation(found.heads["words"], found.part.backbone(images), concept)
        # The gradient of a mean over cells is the mean's share of it.
        scale = theirs_HW.numel() if found.heads["words"].reads_features else 1
        torch.testing.assert_close(ours_HW, theirs_HW * scale, rtol=1e-4, atol=1e-6)


def test_the_longest_tag_that_begins_at_a_word_is_taken() -> None:
    caption = "A Dog, by the fire hydrant: red-hot fire. hotdogs"
    words = [caption[span.start : span.end] for span in maps().words(caption)]
    assert words == ["Dog", "fire hydrant", "red", "fire"]
    assert maps().words("a hot dog stand") == [Span(2, 15)]
    assert maps().words("") == []


def test_shares_are_of_what_speaks_for_the_tag_and_ranks_are_of_all_tags() -> None:
    found, grid_1CHW = maps(), torch.rand(1, 6, 3, 5)
    own = found.own_words(grid_1CHW)
    best = found.heads["words"](grid_1CHW)[0].argsort(descending=True).tolist()
    assert [word.word for word in own] == [NAMES[k] for k in best[:4]]
    seen = found.maps(grid_1CHW, own)
    assert [each.said for each in seen] == [f"number {rank} of 5 tags" for rank in (1, 2, 3, 4)]
    for each in seen:
        above_HW = each.values_HW.clamp_min(0)
        torch.testing.assert_close(each.shares_HW * above_HW.sum(), above_HW)
    with torch.no_grad():
        found.heads["words"].last.weight.fill_(-1)
    (none,) = found.maps(grid_1CHW, [AskedWord("a dog", Span(2, 5))])
    assert float(none.shares_HW.sum()) == 0 and float(none.values_HW.max()) < 0


def test_of_several_sets_the_first_that_has_the_word_answers() -> None:
    facts = Facts({"tags": TagFacts({"a": ConceptFacts(2), "b": ConceptFacts(2)})})
    built = build_objective("tag-prediction", {}, Backbone(Coarse(), {"grid": ""}, 6), facts).eval()
    found = ClassActivationMaps(built, MapSources(concepts={"a": ["dog", "cat"], "b": ["cat", "bird"]}))
    grid_1CHW = torch.rand(1, 6, 2, 2)
    cat, bird = found.maps(grid_1CHW, [AskedWord("cat bird", Span(0, 3)), AskedWord("cat bird", Span(4, 8))])
    assert torch.equal(cat.values_HW, activation(found.heads["a"], grid_1CHW, 1))
    assert torch.equal(bird.values_HW, activation(found.heads["b"], grid_1CHW, 1))


def test_a_linear_head_is_one_without_layers_between() -> None:
    kinds: list[TagHeadKind] = ["linear", "mlp", "cnn"]
    assert [TagHead(6, 5, kind).reads_features for kind in kinds] == [True, False, False]
