"""Flags of `wordsight pretrain` on top of a recipe: what decides over other values takes them along."""

from __future__ import annotations

import pytest

from wordsight.cli.pretrain import PRETRAIN
from wordsight.recipes import read_values, recipe_file
from wordsight.training.pretrain_settings import PretrainSettings

RECIPE = "icmlm-tfm-resnet18-small"


def settings(*words: str, recipe: str = RECIPE) -> PretrainSettings:
    given = ["--corpus", "corpora/a", "--out", "runs/a", "--recipe", recipe, *words]
    return PretrainSettings(**PRETRAIN.read("wordsight pretrain", given).of(PretrainSettings))


def test_another_objective_drops_the_recipe_s_objective_settings() -> None:
    assert settings("--objective", "rotation").objective_settings == {}
    one = settings("--objective", "rotation", "--objective-settings.copies", "1")
    assert one.objective_settings == {"copies": 1}


def test_a_value_of_the_same_objective_leaves_the_others() -> None:
    before = read_values(recipe_file(RECIPE))["objective_settings"]
    assert settings("--objective-settings.layers", "2").objective_settings == {**before, "layers": 2}
    assert settings("--objective", "icmlm-tfm").objective_settings == before


def test_concepts_of_another_kind_drop_the_recipe_s_values() -> None:
    assert settings("--concepts.kind", "words", "--concepts.size", "50").concepts == {"kind": "words", "size": 50}


@pytest.mark.parametrize("kind", [[], ["--concepts.kind", "postag"]])
def test_a_value_of_the_same_concepts_leaves_the_others(kind: list[str]) -> None:
    before = read_values(recipe_file(RECIPE))["concepts"]
    assert settings(*kind, "--concepts.size", "50").concepts == {**before, "size": 50}


def test_the_untouched_network_is_a_flag_away() -> None:
    untouched = settings("--objective", "none", "--epochs", "0", "--weights", "some.pth")
    assert (untouched.objective, untouched.epochs, untouched.weights) == ("none", 0, "some.pth")


def test_a_file_of_weights_goes_before_the_recipe_s_published_ones_and_they_before_its_file() -> None:
    ours = settings("--weights", "some.pth", recipe="imagenet-resnet50")
    assert (ours.pretrained, ours.weights) == (False, "some.pth")
    published = settings("--pretrained", "true", recipe="deepercluster-published-vgg16")
    assert (published.pretrained, published.weights) == (True, "")
