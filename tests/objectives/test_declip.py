"""DeCLIP's loss is the sum of its parts by a direct loop; its queue is the same over processes and in a resumed run."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

import wordsight
from tests.objectives.towers import (
    SETTINGS,
    STEP,
    assert_it_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
    step,
    towers,
)
from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import Texts, TextsNeed
from wordsight.corpus import Corpus
from wordsight.language.model import LanguageModel
from wordsight.objectives import ImageTextObjective, Losses, Seen, objective_chances, objective_needs, parts_of
from wordsight.objectives.declip import DeClip, TextSupervision
from wordsight.objectives.masked_lm import hidden_tokens
from wordsight.objectives.simsiam import SimSiam
from wordsight.training.synced_batch_norm import synced

VIEWS: dict[str, Any] = {"width": 6, "predictor_hidden": 3}
# The step before: examples 3 and 4 are those of `STEP` too, and text 8 reads like one of it.
BEFORE = ([3, 4, 20, 21, 22, 23], [[1, 13], [14, -1], [8, 15], [16, 17], [18, 19], [20, -1]])


def chances(batch: Batch, rank: int = 0, world: int = 1) -> Batch:
    texts = batch.of(Texts)
    whole = torch.rand(99, *texts.ids_BcT.shape[1:], 3, generator=torch.Generator().manual_seed(5))
    drawn = replace(texts, chance_BcT3=whole[rank::world][: len(texts.ids_BcT)])
    return replace(batch, fields={"texts": drawn})


def two_views(rank: int = 0, world: int = 1, of: Any = STEP) -> Batch:
    return chances(step(of[0], of[1], rank, world, 2), rank, world)


def built(after: bool = True, **values: object) -> DeClip:
    """A small objective whose queue holds the texts of the step before."""
    objective = towers("declip", views=VIEWS, queue=16, temperature=0.3, **values)
    assert isinstance(objective, DeClip)
    if dist.is_initialized():
        synced(objective, torch.device("cpu"))
    if after:
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        with torch.no_grad():
            objective(two_views(rank, world, of=BEFORE))
        objective.after_update(0)
    return objective


def cross_entropy(own: Tensor, others: list[Tensor]) -> Tensor:
    return torch.log(sum((score.exp() for score in others), own.exp())) - own


def by_the_formula(images_B2Z: Tensor, texts_BcZ: Tensor, part: TextSupervision) -> tuple[Tensor, Tensor]:
    """The mean over two views and two texts of CLIP's loss, and of that of the nearest stored text, pair by pair."""
    examples, numbers = STEP
    scale = part.log_scale.exp()
    assert part.queue is not None
    stored = list(zip(part.queue.example_Q.tolist(), part.queue.text_Q.tolist(), part.queue.vectors_QZ, strict=True))

    def others(image: int, example: int, number: int) -> bool:
        return example >= 0 and example != examples[image] and number not in numbers[image]

    pairs: list[Tensor] = []
    nearest: list[Tensor] = []
    for slot in range(2):
        real = [image for image in range(6) if numbers[image][slot] >= 0]
        near = {}
        for image in real:
            found = [place for place, (example, number, _) in enumerate(stored) if others(image, example, number)]
            near[image] = max(found, key=lambda place: float(stored[place][2] @ texts_BcZ[image, slot].detach()))
        for view in range(2):
            seen = images_B2Z[:, view]
            score = {(i, t): scale * seen[i] @ texts_BcZ[t, slot] for i in range(6) for t in real}
            to_text = [
                cross_entropy(score[i, i], [score[i, t] for t in real if others(i, examples[t], numbers[t][slot])])
                for i in real
            ]
            to_image = [
                cross_entropy(score[t, t], [score[i, t] for i in range(6) if others(i, examples[t], numbers[t][slot])])
                for t in real
            ]
            pairs.append((torch.stack(to_text).mean() + torch.stack(to_image).mean()) / 2)
            to_near = [
                cross_entropy(
                    scale * seen[i] @ stored[near[i]][2],
                    [
                        scale * seen[i] @ stored[near[t]][2]
                        for t in real
                        if others(i, examples[t], numbers[t][slot])
                        and near[t] != near[i]
                        and others(i, *stored[near[t]][:2])
                    ],
                )
                for i in real
            ]
            nearest.append(torch.stack(to_near).mean())
    return torch.stack(pairs).mean(), torch.stack(nearest).mean()


def test_the_loss_and_its_gradients_are_those_of_a_direct_loop_over_the_formula() -> None:
    objective, batch = built(), two_views()
    (part,) = parts_of(objective, TextSupervision)
    embedded = part.embed(Seen(objective.backbone, batch), batch)
    found = part.compare(embedded, batch)
    pairs, nearest = by_the_formula(embedded["images"], embedded["texts"], part)
    assert float(found.parts["pairs"]) == pytest.approx(float(pairs.detach()), rel=1e-5)
    assert float(found.parts["nearest"]) == pytest.approx(float(nearest.detach()), rel=1e-5)
    # Of six first texts, the mean over all their hidden tokens.
    texts = batch.of(Texts)
    hidden = hidden_tokens(texts, 0.15)[:, 0]
    words = embedded["words"].sum() / hidden.sum()
    assert float(found.parts["words"]) == pytest.approx(float(words.detach()), rel=1e-5)
    leaves = [embedded["images"], embedded["texts"], embedded["words"], part.log_scale]
    assert_same_value_and_gradient(found.total, 0.4 * pairs + 0.2 * nearest + 0.2 * words, leaves)


def test_simsiam_stands_beside_it_on_the_same_two_views() -> None:
    objective, batch, passes = built(), two_views(), []
    objective.backbone.register_forward_hook(lambda *_: passes.append(1))
    found = objective(batch)
    assert len(passes) == 2
    (part,), (simsiam,) = parts_of(objective, TextSupervision), parts_of(objective, SimSiam)
    expected = part(batch)["loss"] + 0.2 * simsiam(batch)["loss"]
    assert float(found["loss"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert {"pairs", "nearest", "words", "accuracy", "words_accuracy", "temperature", "spread"} <= set(found)


def test_hidden_words_are_predicted_from_the_rest_of_the_first_text() -> None:
    objective, batch = built(), two_views()
    (part,) = parts_of(objective, TextSupervision)
    assert part.word_scores is not None
    texts = batch.of(Texts)
    embedded = part.embed(Seen(objective.backbone, batch), batch)
    assert embedded["hidden"].tolist() == [1, 1, 1, 1, 1, 1]
    # With chance as it is for all, the sum over images is what the text tower says of tokens that it is not shown.
    hidden = hidden_tokens(texts, 0.15)[:, 0]
    shown = torch.where(hidden & (texts.chance_BcT3[:, 0, :, 1] < 0.8), 4, texts.ids_BcT[:, 0])  # type: ignore[index]
    others = texts.chance_BcT3[:, 0, :, 1]  # type: ignore[index]
    plain = (hidden & (others >= 0.8) & (others < 0.9)).any(1)
    scores = part.word_scores(part.text_tower.encode(shown, texts.present_BcT[:, 0]))[hidden]
    loss_B = torch.nn.functional.cross_entropy(scores, texts.ids_BcT[:, 0][hidden], reduction="none")
    torch.testing.assert_close(embedded["words"][~plain], loss_B[~plain])
    assert (~plain).any()


def test_no_nearest_text_is_looked_for_while_the_queue_is_empty_and_parts_without_weight_are_left_out() -> None:
    first = built(after=False)(two_views())
    assert float(first["nearest"]) == 0 and math.isfinite(float(first["loss"].detach()))
    bare = built(after=False, nearest_weight=0, words_weight=0, views_weight=0)
    assert not parts_of(bare, SimSiam) and "nearest" not in bare(two_views())
    needs = objective_needs("declip", {"words_weight": 0})
    (texts,) = needs.fields.values()
    assert isinstance(texts, TextsNeed) and texts.edited and texts.captions == 2 and not texts.chance
    assert len(needs.views) == 2 and needs.views[0] == needs.views[1]


def test_a_step_s_texts_are_stored_once_its_weights_are_updated() -> None:
    objective = built(after=False)
    (part,) = parts_of(objective, TextSupervision)
    assert part.queue is not None
    queue = part.queue

    def stored() -> list[tuple[int, int]]:
        both = zip(queue.example_Q.tolist(), queue.text_Q.tolist(), strict=True)
        return [(example, text) for example, text in both if example >= 0]

    objective(two_views(of=BEFORE))
    assert stored() == []
    objective.after_update(0)
    drawn = [(example, text) for example, texts in zip(*BEFORE, strict=True) for text in texts if text >= 0]
    assert stored() == drawn
    batch = two_views(of=BEFORE)
    embedded = part.embed(Seen(objective.backbone, batch), batch)
    texts_nZ = embedded["texts"].flatten(0, 1)[batch.of(Texts).weight_Bc.flatten() > 0]
    torch.testing.assert_close(queue.vectors_QZ[: len(drawn)], texts_nZ.detach())
    objective.eval()(two_views())
    objective.after_update(1)
    assert stored() == drawn, "what is only looked at is not stored"


def test_two_processes_have_the_loss_gradients_and_queue_of_one(tmp_path: Path) -> None:
    """What they look for is what both have stored."""
    assert_two_processes_equal_one(partial(built, views_weight=0), two_views, tmp_path)
    whole = tmp_path / "whole"
    whole.mkdir()
    assert_two_processes_equal_one(built, two_views, whole, apart=True)


def test_pieces_of_a_batch_are_compared_as_the_whole() -> None:
    objective, batch = built(views_weight=0), two_views()
    found = objective(batch)
    pieces = [objective.embed(Seen(objective.backbone, piece), piece) for piece in batch.split(3)]
    together = {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
    compared: Losses = objective.compare(together, batch)
    parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    assert_same_value_and_gradient(compared.total, found["loss"], parameters)


def test_contrast_alone_is_held_against_its_chance_level() -> None:
    (chance,) = (found := objective_chances("declip", {}, 64)).values()
    assert set(found) == {"pairs"} and chance.loss == pytest.approx(math.log(64))


VALUES = {**SETTINGS.objective_settings, "queue": 24, "views": {**VIEWS, "view": {"crop_scale": 0.5}}}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_stopped_run_goes_on_with_its_queue_and_is_asked_for_retrieval(
    coloured_squares: Corpus, tmp_path: Path, accumulate: int
) -> None:
    settings = replace(SETTINGS, objective="declip", objective_settings=VALUES, epochs=3, accumulate=accumulate)
    run = assert_it_goes_on_to_the_same_numbers(coloured_squares, tmp_path, settings)
    (part,) = parts_of(run.objective(), TextSupervision)
    assert part.queue is not None and (part.queue.example_Q >= 0).all()
    assert len(parts_of(run.objective(), ImageTextObjective)) == 1
    found = wordsight.evaluate(run, corpus=coloured_squares, device="cpu")
    assert {result.protocol for result in found} == {"retrieval"}
    assert "that the text tower predicts right" in wordsight.report(run).read_text("utf-8")


def test_captions_teach_their_own_words_beside_the_images(coloured_squares: Corpus, tmp_path: Path) -> None:
    """Section 3.2.1: a text tower learns from texts alone too."""
    run = wordsight.pretrain(
        replace(SETTINGS, objective="declip", objective_settings=VALUES), corpus=coloured_squares, out=tmp_path / "run"
    )
    first, last = run.metrics()[0], run.metrics()[-1]
    assert last["pairs"] < 1 < first["pairs"] and last["words"] < 0.5 * first["words"]


@pytest.mark.parametrize("kind", ["frozen", "tuned"])
def test_a_language_model_is_the_text_tower(
    kind: str, coloured_squares: Corpus, tmp_path: Path, minilm: LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {**VALUES, "text_tower": {"kind": kind, "max_tokens": 12}}
    settings = replace(SETTINGS, objective="declip", objective_settings=values, language="minilm", epochs=1)
    run = wordsight.pretrain(settings, corpus=coloured_squares, out=tmp_path / "run")
    said = "the text tower is frozen: it is not trained as a masked" in " ".join(capsys.readouterr().err.split())
    assert said == (kind == "frozen") and ("words" in run.metrics()[-1]) == (kind == "tuned")
    (part,) = parts_of(run.objective(), TextSupervision)
    assert part.mask_id == minilm.mask_id
