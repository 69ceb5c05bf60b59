"""Every recipe pins a whole run, says where it comes from, and explains each of its values."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from wordsight.api import check_names, recipe_settings
from wordsight.errors import InputError
from wordsight.objectives import objective_kind
from wordsight.recipes import FOLDER, read_values, recipe_file, recipe_names
from wordsight.training.settings import PretrainSettings

# Where and how fast a run runs, but not its numbers: these belong to the machine, not to the recipe.
MACHINE = {"device", "devices", "workers", "compile", "checkpoint_minutes", "feature_cache_gb"}
EXPECTED = {
    "demo",
    *(f"{method}-resnet18-small" for method in ("icmlm-attfc", "icmlm-tfm", "tp-postag")),
    *(f"{method}-{net}" for method in ("icmlm-attfc", "icmlm-tfm", "tp-postag") for net in ("vgg16", "resnet50")),
}


def test_the_recipes_are_there() -> None:
    assert set(recipe_names()) >= EXPECTED


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_names_only_what_exists(name: str) -> None:
    check_names(recipe_settings(name))


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_gives_every_value_that_the_numbers_depend_on(name: str) -> None:
    given = read_values(recipe_file(name))
    assert set(given) == {field.name for field in fields(PretrainSettings)} - MACHINE
    objective = objective_kind(given["objective"]).settings
    assert set(given["objective_settings"]) == {field.name for field in fields(objective)}
    for inner in ("view", "optimizer", "backbone_settings"):
        settings = type(getattr(PretrainSettings(), inner))
        assert set(given[inner]) == {field.name for field in fields(settings)}


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_says_its_source_what_it_should_reach_and_what_it_costs(name: str) -> None:
    header = recipe_file(name).read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in header.splitlines())
    for word in ("Source:", "Should reach", "Costs"):
        assert word in header


@pytest.mark.parametrize("name", recipe_names())
def test_every_value_of_a_recipe_has_a_comment_above_it(name: str) -> None:
    lines = recipe_file(name).read_text().splitlines()
    for above, line in pairwise(lines):
        if line and not line.lstrip().startswith("#"):
            assert above.lstrip().startswith("#"), line


def test_the_paper_s_values_are_as_it_states_them() -> None:
    vgg, resnet = recipe_settings("icmlm-attfc-vgg16"), recipe_settings("icmlm-attfc-resnet50")
    assert (vgg.objective_settings["heads"], vgg.objective_settings["tag_weight"]) == (12, 1.0)
    assert (resnet.objective_settings["heads"], resnet.objective_settings["tag_weight"]) == (1, 0.1)
    assert (vgg.objective_settings["tag_head"], resnet.objective_settings["tag_head"]) == ("cnn", "mlp")
    assert isinstance(vgg.concepts, dict)
    assert isinstance(resnet.concepts, dict)
    assert (vgg.concepts["size"], resnet.concepts["size"]) == (1000, 5000)


def test_changes_go_before_the_recipe_and_leave_what_is_beside_them() -> None:
    before = recipe_settings("icmlm-attfc-resnet18-small")
    after = recipe_settings("icmlm-attfc-resnet18-small", epochs=3, objective_settings={"heads": 4})
    assert after.epochs == 3
    assert after.objective_settings == {**before.objective_settings, "heads": 4}
    assert recipe_settings(after, lr=0.1).objective_settings["heads"] == 4


def test_a_recipe_of_one_s_own_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({"epochs": 7}))
    assert recipe_settings(file).epochs == 7


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'tp-postag-vgg16'"):
        recipe_file("tp-postag-vgg")


def test_recipes_lie_in_the_package() -> None:
    assert FOLDER.name == "recipes"
    assert recipe_file("demo").parent == FOLDER
