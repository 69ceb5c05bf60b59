"""Pointing: whether attention is inside the box of the word, in each framing of the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.sparse import csr_matrix

from tests.evaluation.conftest import GRID, LooksAtRed, MakeSplit, picture, shrinking_backbone
from wordsight.concepts import ConceptSet
from wordsight.corpus import Box
from wordsight.errors import InputError
from wordsight.evaluation import CorpusSplit, EvaluatedModel, LearnedConcepts, evaluate
from wordsight.evaluation.methods.pointing import boxes_seen, named_boxes, points_inside, share_inside
from wordsight.objectives import ConceptFacts, Facts, TagFacts
from wordsight.objectives.tag_prediction import TagPrediction, TagPredictionSettings
from wordsight.vision.preprocessing import Framing

VOCABULARY = 10
NAMES = ["ball", "on", "Lawn", "all"]


def _scene(x: int, y: int, side: int = 32, width: int = 32, noise: int = 0) -> tuple[Image.Image, list[Box]]:
    """A blue picture with a red square of a quarter of its height, and the box of that square."""
    image = picture((20, 20, 150), width, side, noise=noise)
    image.paste(picture((220, 20, 20), side // 4, side // 4, noise=noise + 1), (x, y))
    return image, [Box("ball", x / width, y / side, side / 4 / width, 1 / 4)]


def test_attention_on_the_object_points_always_and_attention_off_it_never(
    model: EvaluatedModel, make_split: MakeSplit
) -> None:
    scenes = [_scene(8 * column, 8 * row, noise=10 * column + row) for column in range(4) for row in range(4)]
    split = make_split(scenes, [(i, 5, 0) for i in range(16)], ["ball"])
    looking = replace(model, objective=LooksAtRed([5], VOCABULARY))
    (result,) = evaluate(looking, split, ["pointing"])
    assert result.value == 100
    assert result.per_class == {"ball": 100}
    assert result.counts["masked_words"] == 16
    # One cell of sixteen holds the ball; the image's centre touches the four boxes in the middle.
    assert result.baselines == {"chance": 100 / 16, "image centre": 100 * 4 / 16}
    away = replace(model, objective=LooksAtRed([5], VOCABULARY, sign=-1.0))
    assert evaluate(away, split, ["pointing"])[0].value == 0
    assert (model.results_folder / "made-all" / "pointing.json").is_file()


def test_only_words_that_name_a_box_are_asked_about(model: EvaluatedModel, make_split: MakeSplit) -> None:
    scenes = [_scene(0, 0, noise=1), _scene(8, 8, noise=2)]
    split = make_split(scenes, [(0, 5, 0), (0, 6, 1), (1, 6, 1)], ["Ball", "tree"])
    (result,) = evaluate(replace(model, objective=LooksAtRed([5], VOCABULARY)), split, ["pointing"])
    assert result.counts["masked_words"] == 1
    with pytest.raises(InputError, match="no box bears the name of a masked word"):
        evaluate(subject_with(model), replace(split, concepts=["x", "y"]), ["pointing"])


def subject_with(model: EvaluatedModel) -> EvaluatedModel:
    return replace(model, objective=LooksAtRed([5], VOCABULARY))


def test_objects_that_the_view_cuts_away_are_not_asked_about(model: EvaluatedModel, make_split: MakeSplit) -> None:
    # 64 x 32 pixels: the view shows columns 16 to 48.
    scenes = [_scene(2, 8, width=64, noise=1), _scene(24, 8, width=64, noise=2)]
    split = make_split(scenes, [(0, 5, 0), (1, 5, 0)], ["ball"])
    (result,) = evaluate(subject_with(model), split, ["pointing"])
    assert result.counts["masked_words"] == 1
    assert result.value == 100


def test_an_image_that_is_shown_whole_has_all_its_objects(model: EvaluatedModel, make_split: MakeSplit) -> None:
    # 96 x 32 pixels: the centre crop shows columns 32 to 64 alone.
    scenes = []
    for number, (x, y) in enumerate(((0, 0), (24, 16), (72, 16))):
        image = picture((20, 20, 150), 96, 32, noise=number)
        image.paste(picture((220, 20, 20), 24, 16, noise=9), (x, y))
        scenes.append((image, [Box("ball", x / 96, y / 32, 24 / 96, 16 / 32)]))
    split = make_split(scenes, [(i, 5, 0) for i in range(3)], ["ball"])
    looking = subject_with(model)
    assert looking.objective is not None
    (cropped,) = evaluate(looking, split, ["pointing"])
    assert cropped.counts["masked_words"] == 1 and cropped.settings["framing"] == "crop"
    framings: tuple[Framing, ...] = ("squash", "pad")
    for framing in framings:
        for backbone in (looking.backbone, looking.objective.backbone):
            backbone.preprocessing = replace(backbone.preprocessing, framing=framing)
        (whole,) = evaluate(looking, split, ["pointing"])
        assert whole.counts["masked_words"] == 3 and whole.settings["framing"] == framing
        assert whole.value == 100, "boxes are where the red fields are seen"


def test_boxes_are_mapped_through_the_view_of_each_framing() -> None:
    box = [Box("ball", 0.5, 0.25, 0.25, 0.5)]
    np.testing.assert_allclose(boxes_seen(box, 90, 30, framing="squash"), [[0.5, 0.25, 0.75, 0.75]])
    np.testing.assert_allclose(boxes_seen(box, 90, 30, framing="pad"), [[0.5, 5 / 12, 0.75, 7 / 12]])


def test_boxes_are_mapped_through_the_centre_crop() -> None:
    box = Box("ball", 0.25, 0.5, 0.25, 0.5)
    np.testing.assert_allclose(boxes_seen([box], 64, 32), [[0.0, 0.5, 0.5, 1.0]])
    # Half of the shorter side: 16 pixels, from (24, 8); the box from (16, 16) to (32, 32) is clipped.
    np.testing.assert_allclose(boxes_seen([box], 64, 32, crop_share=0.5), [[0.0, 0.5, 0.5, 1.0]])
    assert boxes_seen([Box("ball", 0.0, 0.0, 0.2, 0.2)], 64, 32).shape == (0, 4)
    assert boxes_seen([], 64, 32).shape == (0, 4)


def test_a_point_is_inside_when_any_box_holds_it() -> None:
    boxes = np.array([[0.0, 0.0, 0.3, 0.3], [0.6, 0.6, 1.0, 1.0]])
    points = np.array([[0.2, 0.1], [0.7, 0.9], [0.5, 0.5], [0.1, 0.9]])
    assert points_inside(points, [boxes] * 4).tolist() == [True, True, False, False]


def test_chance_is_the_share_of_cells_inside() -> None:
    assert share_inside(np.array([[0.0, 0.0, 0.5, 1.0]]), (GRID, GRID)) == 0.5
    # Overlapping boxes count once.
    assert share_inside(np.array([[0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.5, 0.5]]), (GRID, GRID)) == 0.5
    assert share_inside(np.array([[0.0, 0.0, 0.1, 0.1]]), (GRID, GRID)) == 0


def test_an_objective_that_knows_no_words_is_refused(model: EvaluatedModel, make_split: MakeSplit) -> None:
    split = make_split([_scene(0, 0)], [(0, 5, 0)], ["ball"])
    with pytest.raises(InputError, match=r"seer: it has no objective that knows words; expected .* predicts tags"):
        evaluate(model, split, ["pointing"])


def _said(scene: tuple[Image.Image, list[Box]], name: str) -> tuple[Image.Image, list[Box]]:
    """The scene with a box of another name, a word of the captions that the splits are made with."""
    return scene[0], [replace(box, name=name) for box in scene[1]]


def test_tags_point_where_the_head_s_weights_do(model: EvaluatedModel, make_split: MakeSplit) -> None:
    """Captions are "a thing in a picture": `thing` is the red square, `picture` what is least red."""
    scenes = [_said(_scene(8 * column, 8, noise=column), "thing") for column in range(4)]
    split = make_split(scenes, [(0, 5, 0)], ["ball"])
    unmasked = CorpusSplit(split.corpus, split.split)
    facts = Facts({"tags": TagFacts({"words": ConceptFacts(2)})})
    tags = TagPrediction(shrinking_backbone(), facts, TagPredictionSettings())
    with torch.no_grad():
        tags.tag_heads.named["words"].last.weight.copy_(torch.tensor([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]]))
    concepts = ConceptSet("words", ["thing", "picture"], csr_matrix((4, 2)), "labels", split.corpus.fingerprint)
    tagging = replace(model, objective=tags, concepts={"words": LearnedConcepts(concepts, None)})
    (result,) = evaluate(tagging, unmasked, ["pointing"])
    assert result.value == 100 and result.per_class == {"thing": 100}
    assert result.counts == {"words": 4, "of_words": 4, "images": 4} and result.settings["map"] == "class-activation"
    assert result.baselines["chance"] == 100 / 16
    unnamed = replace(tagging, concepts={"words": LearnedConcepts(replace(concepts, names=["x", "y"]), None)})
    with pytest.raises(InputError, match="no box bears the name of a word that the run can be asked about"):
        evaluate(unnamed, unmasked, ["pointing"])


def test_a_box_named_by_a_phrase_counts_for_its_words_and_not_for_its_small_ones(
    model: EvaluatedModel, make_split: MakeSplit
) -> None:
    image, (box,) = _scene(8, 8, noise=1)
    split = make_split([(image, [replace(box, name="A red ball on the lawn")])], [(0, 5, k) for k in range(4)], NAMES)
    rows, edges = named_boxes(split)
    assert [NAMES[k] for k in split.masked.concept_M[rows]] == ["ball", "Lawn"]
    np.testing.assert_allclose(edges[int(rows[0])], [[0.25, 0.25, 0.5, 0.5]])
