"""What tests of objectives that write captions share: tiny ones of them, batches of captions, two processes as one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import TextFacts, Texts
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import SPECIAL
from wordsight.objectives import Facts, Objective, build_objective
from wordsight.vision.backbones import Backbone

WORDS = ["a", "the", "dog", "cat", "runs", "sleeps", "here", "now", "red", "##s"]
READER = TextTokenizer.of_vocabulary([*SPECIAL, *WORDS], max_tokens=9)
SMALL: dict[str, Any] = {"width": 8, "heads": 2, "dropout": 0.0, "max_tokens": 9}
CAPTIONS = [
    ["a dog runs", "the red dog runs here now"],
    ["a cat sleeps here", "cats"],
    ["the cat", ""],
    ["a red red dog runs", "now"],
    ["here", "a cat runs"],
    ["the dog sleeps now a cat runs", "dogs here"],
]


class Flat(nn.Module):
    """A backbone without batch norm: every process sees an image alike."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 4, 4)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        grid_BCHW: Tensor = self.layer(images_BCHW)
        return grid_BCHW


def built(name: str, reader: TextTokenizer = READER, *, large: bool = True, **values: Any) -> Any:
    """An objective; with ``large`` weights, a mix-up shows."""
    torch.manual_seed(0)
    facts = Facts({"texts": TextFacts(reader)}, images=6)
    objective = build_objective(name, {**SMALL, **values}, Backbone(Flat(), {"grid": ""}, 6), facts)
    for part, parameter in objective.named_parameters():
        if large and parameter.ndim > 1 and not part.startswith("backbone"):
            nn.init.normal_(parameter, std=0.4)
    return objective


def read(captions: Sequence[Sequence[str]], reader: TextTokenizer = READER) -> Texts:
    """Captions as the field gives them; "" is no caption."""
    flat = [text for some in captions for text in some]
    ids_nT, present_nT = reader.encode(flat)
    none_n = np.array([not text for text in flat])
    ids_nT[none_n], present_nT[none_n] = 0, False
    present_nT[:, 0] = True
    shape = (len(captions), len(captions[0]))
    ids_BcT = torch.from_numpy(ids_nT).view(*shape, -1)
    kinds = {text: number for number, text in enumerate(dict.fromkeys(flat))}
    chance = torch.rand(*ids_BcT.shape, 3, generator=torch.Generator().manual_seed(5))
    return Texts(
        ids_BcT,
        torch.from_numpy(present_nT).view(*shape, -1),
        torch.from_numpy(~none_n).float().view(shape),
        torch.tensor([kinds[text] if text else -1 for text in flat]).view(shape),
        chance,
    )


def batch(captions: Sequence[Sequence[str]] = CAPTIONS, rank: int = 0, world: int = 1) -> Batch:
    """Images of noise with captions, or the share that a process has of them."""
    pixels = torch.randint(0, 256, (len(captions), 3, 8, 8), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    texts, mine = read(captions), slice(rank, None, world)
    names = ("ids_BcT", "present_BcT", "weight_Bc", "text_Bc", "chance_BcT3")
    share = Texts(*(getattr(texts, name)[mine] for name in names))
    return Batch.of_images(pixels[mine], torch.arange(len(captions))[mine], fields={"texts": share})


def gradients(objective: Objective) -> dict[str, Tensor]:
    """The gradient of every parameter, zeros where there is none."""
    return {
        name: torch.zeros_like(each) if each.grad is None else each.grad.clone()
        for name, each in objective.named_parameters()
    }


def check_pieces(objective: Objective, pieces: int) -> None:
    """Pieces of a batch, one after another, have the loss and the gradients of the whole."""
    found = objective(batch())
    found["loss"].backward()
    whole = gradients(objective)
    objective.zero_grad(set_to_none=True)
    losses = [objective(piece) for piece in batch().split(pieces)]
    sum(each["loss"] / pieces for each in losses).backward()
    for name, value in found.items():
        torch.testing.assert_close(torch.stack([each[name] for each in losses]).mean(0), value, msg=name)
    for name, gradient in gradients(objective).items():
        torch.testing.assert_close(gradient, whole[name], msg=name)


def _one_of_two(rank: int, store: str, out: str, name: str, values: dict[str, Any]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    objective = built(name, **values)
    found = objective(batch(rank=rank, world=2))
    found["loss"].backward()
    losses = {key: value.detach() for key, value in found.items()}
    grads = gradients(objective)
    # As gradients are averaged in training.
    for value in [*losses.values(), *grads.values()]:
        dist.all_reduce(value)
        value /= 2
    torch.save({"losses": losses, "grads": grads}, f"{out}/{rank}.pt")
    dist.destroy_process_group()


def check_two_processes(tmp_path: Path, name: str, **values: Any) -> None:
    """Two processes, each with half of a batch, have the loss and the gradients of one with all of it."""
    context = multiprocessing.get_context("fork")
    arguments = (str(tmp_path / "store"), str(tmp_path), name, values)
    processes = [context.Process(target=_one_of_two, args=(rank, *arguments)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    objective = built(name, **values)
    whole = objective(batch())
    whole["loss"].backward()
    for rank in range(2):
        half = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for key, value in whole.items():
            torch.testing.assert_close(half["losses"][key], value.detach(), msg=key)
        for key, gradient in gradients(objective).items():
            torch.testing.assert_close(half["grads"][key], gradient, msg=key)
