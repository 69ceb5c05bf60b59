"""Rotations by hand, and their loss against torch's own."""

from __future__ import annotations

import pytest
import torch

from wordsight.batching.batch import Batch
from wordsight.errors import InputError
from wordsight.objectives import Facts, build_objective
from wordsight.objectives.rotation import rotated
from wordsight.vision.backbones import build_backbone


def batch(count: int = 3, side: int = 2) -> Batch:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
    return Batch.of_images(images, torch.arange(count) + 10, colours_BF=torch.rand(count, 3) + 0.5)


def test_a_quarter_turn_is_counter_clockwise_by_hand() -> None:
    image = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).expand(1, 3, 2, 2)
    shown, turns = rotated(Batch.of_images(image, torch.tensor([0])), 4)
    assert turns.tolist() == [0, 1, 2, 3]
    by_hand = [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    assert [rotation[0].tolist() for rotation in shown.images_BCHW] == by_hand


def test_four_copies_show_every_image_in_every_rotation_with_its_colours() -> None:
    sample = batch()
    shown, turns = rotated(sample, 4)
    assert shown.examples_B.tolist() == [10, 11, 12] * 4
    assert sample.colours_BF is not None and shown.colours_BF is not None
    for row, (example, turn) in enumerate(zip(shown.examples_B.tolist(), turns.tolist(), strict=True)):
        before = sample.images_BCHW[example - 10]
        assert torch.equal(shown.images_BCHW[row].rot90(-turn, (1, 2)), before)
        assert torch.equal(shown.colours_BF[row], sample.colours_BF[example - 10])


def test_one_copy_has_as_many_of_each_rotation_and_undoes_to_the_image() -> None:
    sample = batch(16)
    shown, turns = rotated(sample, 1)
    assert torch.bincount(turns).tolist() == [4, 4, 4, 4]
    for before, after, turn in zip(sample.images_BCHW, shown.images_BCHW, turns.tolist(), strict=True):
        assert torch.equal(after.rot90(-turn, (1, 2)), before)


@pytest.mark.parametrize("copies", [1, 4])
def test_the_loss_is_the_cross_entropy_of_the_rotations(copies: int) -> None:
    torch.manual_seed(1)
    objective = build_objective("rotation", {"copies": copies}, build_backbone("resnet18"), Facts()).eval()
    sample = batch(8, side=64)
    with torch.no_grad():
        found = objective(sample)
        shown, turns = rotated(sample, copies)
        logits = objective.get_submodule("head")(objective.grid(shown))
    assert torch.allclose(found["loss"], torch.nn.functional.cross_entropy(logits, turns))
    assert float(found["accuracy"]) == pytest.approx(float((logits.argmax(1) == turns).float().mean()))


def test_other_numbers_of_copies_are_refused() -> None:
    with pytest.raises(InputError, match="copies is 2; expected 1 or 4"):
        build_objective("rotation", {"copies": 2}, build_backbone("resnet18"), Facts())


def test_each_of_several_processes_has_all_rotations_and_together_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rotated(batch(64), 1)[1]
    shares = []
    for rank in range(4):
        monkeypatch.setattr("wordsight.objectives.rotation.processes", lambda rank=rank: (rank, 4))
        shares.append(rotated(batch(16), 1)[1])
        assert torch.bincount(shares[-1], minlength=4).min() > 0
    assert torch.equal(torch.stack(shares, 1).flatten(), whole)
