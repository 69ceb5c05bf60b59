"""Every recipe pins a whole run, says where it comes from, and explains each of its values."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from wordsight.api import recipe_settings
from wordsight.api.pretrain import check_names
from wordsight.concepts import CONCEPT_SETS
from wordsight.errors import InputError
from wordsight.objectives import objective_kind, objective_needs, objective_settings
from wordsight.recipes import FOLDER, read_values, recipe_file, recipe_names
from wordsight.settings import from_mapping
from wordsight.training.pretrain_settings import PretrainSettings

# Where and how fast a run runs, but not its numbers: these belong to the machine, not to the recipe.
MACHINE = {"device", "devices", "workers", "compile", "checkpoint_minutes", "feature_cache_gb"}

# One of its size for every row; what else has the rows of the papers' tables.
TAGS = ("postag", "labels", "clusters", "topics", "article-topics", "words", "ngrams", "subwords", "synsets")
SMALL = [*(f"tp-{kind}" for kind in TAGS), "joulin", "icmlm-tfm", "icmlm-attfc", "rotation", "deepercluster"]
SMALL += ["labels", "random", "slip", "declip", "simclr", "simsiam"]
TABLE_2 = ["imagenet", "labels", "labels-100-per-class", "labels-100-classes", "tp-labels", "deepercluster-published"]
TABLE_2 += ["deepercluster", "rotation", "tp-topics", "tp-clusters", "tp-clusters-10k", "tp-postag", "tp-postag-10k"]
TABLE_2 += ["icmlm-tfm", "icmlm-attfc"]
TABLE_3 = ("imagenet", "tp-labels", "tp-postag", "icmlm-tfm", "icmlm-attfc")
EXPECTED = {
    "demo",
    *(f"{row}-resnet18-small" for row in SMALL),
    *(f"{row}-vgg16" for row in TABLE_2),
    *(f"{row}-resnet50" for row in TABLE_3),
    "random-vgg16",
    "random-resnet50",
    "tp-article-topics-alexnet",
    "joulin-alexnet",
}


def own_file(path: Path, **values: Any) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_recipes_are_there() -> None:
    assert set(recipe_names()) >= EXPECTED


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_names_only_what_exists(name: str) -> None:
    settings = recipe_settings(name)
    objective_settings(settings.objective, settings.objective_settings)
    assert isinstance(settings.concepts, dict)
    sets = [settings.concepts] if "kind" in settings.concepts else settings.concepts.values()
    for one in sets:
        kind = CONCEPT_SETS[one["kind"]]
        from_mapping(kind.settings, {key: value for key, value in one.items() if key != "kind"}, name)


def test_the_backbones_of_recipes_can_be_built() -> None:
    one_of_each = {
        (settings.backbone, settings.backbone_settings): settings for settings in map(recipe_settings, recipe_names())
    }
    for settings in one_of_each.values():
        check_names(replace(settings, weights=""))


@pytest.mark.parametrize("name", recipe_names())
def test_concepts_are_named_where_they_are_needed(name: str) -> None:
    settings = recipe_settings(name)
    needs = objective_needs(settings.objective, settings.objective_settings)
    assert bool(settings.concepts) == bool({"tags", "masked"} & needs.fields.keys())


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


def test_a_file_of_weights_and_published_ones_are_given_in_place_of_each_other() -> None:
    published = recipe_settings("imagenet-resnet50", weights="own.pth")
    assert (published.pretrained, published.weights) == (False, "own.pth")
    ours = recipe_settings("deepercluster-published-vgg16", pretrained=True)
    assert (ours.pretrained, ours.weights) == (True, "")
    with pytest.raises(InputError, match="both published weights and a file's"):
        recipe_settings("imagenet-resnet50", weights="own.pth", pretrained=True)


def test_a_recipe_of_one_s_own_is_a_file(tmp_path: Path) -> None:
    assert recipe_settings(own_file(tmp_path / "own.yaml", epochs=7)).epochs == 7


def test_a_recipe_gives_only_what_it_changes_of_its_base(tmp_path: Path) -> None:
    base = recipe_settings("icmlm-tfm-resnet18-small")
    first = own_file(tmp_path / "first.yaml", base="icmlm-tfm-resnet18-small", epochs=7, concepts={"size": 50})
    second = own_file(tmp_path / "second.yaml", base=str(first), objective_settings={"layers": 2}, epochs=8)
    settings = recipe_settings(second)
    assert settings.epochs == 8
    assert settings.concepts == {**base.concepts, "size": 50}  # type: ignore[dict-item]
    assert settings.objective_settings == {**base.objective_settings, "layers": 2}
    assert settings.optimizer == base.optimizer


def test_another_objective_and_other_concepts_take_nothing_of_the_base_s(tmp_path: Path) -> None:
    values = {"objective": "rotation", "concepts": {"kind": "words", "size": 50}}
    settings = recipe_settings(own_file(tmp_path / "own.yaml", base="icmlm-tfm-resnet18-small", **values))
    assert settings.objective_settings == {}
    assert settings.concepts == {"kind": "words", "size": 50}


def test_recipes_that_are_each_other_s_base_are_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    own_file(first, base=str(second))
    own_file(second, base=str(first))
    with pytest.raises(InputError, match="is its own base"):
        recipe_settings(first)


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'tp-postag-vgg16'"):
        recipe_file("tp-postag-vgg")


def test_recipes_lie_in_the_package() -> None:
    assert FOLDER.name == "recipes"
    assert recipe_file("demo").parent == FOLDER


@pytest.mark.parametrize("name", recipe_names())
def test_the_docs_list_every_recipe(name: str) -> None:
    row = re.sub("-(resnet18-small|vgg16|resnet50|alexnet)$", "", name)
    assert f"`{row}`" in (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
