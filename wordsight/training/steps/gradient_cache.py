"""Gradient caching: a batch that is compared as a whole, embedded in pieces, with the gradients of the whole.

Gao et al. 2021 (https://arxiv.org/abs/2101.06983, Section 3), as in BASIC (Pham et al. 2021,
https://arxiv.org/abs/2111.10050): the pieces are embedded without keeping what gradients need; the loss of all
embeddings gives the gradient of each; then every piece is embedded again, and passes its embeddings' gradients on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.objectives import Objective, Seen
from wordsight.objectives.comparing import ComparingObjective
from wordsight.training.steps.step import Step


class GradientCacheStep(Step):
    """A step in pieces of an objective that compares images: every image is compared with all others of the step.

    Memory is that of a piece, and of the embeddings of all; time that of a second forward pass. Chance (dropout) is the
    same in both passes, and what a pass leaves in buffers (running statistics of batch norm) is left once. Batch norm
    and dropout look at each piece by itself.
    """

    def gradients(self, batch: Batch) -> dict[str, Tensor]:
        objective = self.learner.objective
        assert isinstance(objective, ComparingObjective)
        pieces = batch.split(self.settings.accumulate)
        embedded, chances = self._embedded(objective, pieces)
        cached = _compared(objective, embedded, batch)
        begin = 0
        for piece, chance in zip(pieces, chances, strict=True):
            last = piece is pieces[-1]
            end = begin + len(piece.examples_B)
            rows = {name: gradient[begin:end] for name, gradient in cached.of_rows.items()}
            work = _again(piece, rows, cached.of_weights if last else ())
            with nullcontext() if last else self.learner.apart():
                chance.restore()
                self.learner.backward(self.learner.forward(work)["surrogate"])
            begin = end
        return cached.losses

    def _embedded(
        self, objective: ComparingObjective, pieces: Sequence[Batch]
    ) -> tuple[dict[str, Tensor], list[_Chance]]:
        """The embeddings of all pieces, and the state of chance before each."""
        parts: list[dict[str, Tensor]] = []
        chances = []
        with torch.no_grad(), _buffers_kept(objective):
            for piece in pieces:
                chances.append(_Chance.now(piece.examples_B.device))
                # Autocast keeps copies of weights until its end, without gradients here: each piece has its own.
                with self.learner.autocast():
                    parts.append(objective.embed(Seen(objective.backbone, piece), piece))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, chances


@dataclass(frozen=True)
class _Cached:
    """What comparing gives.

    Args:
        losses: The losses of the whole step by name.
        of_rows: Gradients of the embeddings, by their names.
        of_weights: Weights that comparing itself reads, such as a temperature, with their gradients.
    """

    losses: dict[str, Tensor]
    of_rows: Mapping[str, Tensor]
    of_weights: Sequence[tuple[nn.Parameter, Tensor]]


def _compared(objective: ComparingObjective, embedded: Mapping[str, Tensor], batch: Batch) -> _Cached:
    rows = {name: each.requires_grad_(each.is_floating_point()) for name, each in embedded.items()}
    losses = objective.compared(rows, batch)
    names = [name for name, each in rows.items() if each.requires_grad]
    weights = [weight for weight in objective.parameters() if weight.requires_grad]
    found = torch.autograd.grad(losses.total, [*(rows[name] for name in names), *weights], allow_unused=True)
    of_rows = {name: each for name, each in zip(names, found, strict=False) if each is not None}
    pairs = zip(weights, found[len(names) :], strict=True)
    told = {name: value.detach().clone() for name, value in losses.parts.items()}
    return _Cached(
        {"loss": losses.total.detach(), **told},
        of_rows,
        [(weight, gradient) for weight, gradient in pairs if gradient is not None],
    )


def _again(
    piece: Batch, rows: Mapping[str, Tensor], weights: Sequence[tuple[nn.Parameter, Tensor]]
) -> Callable[[Objective], dict[str, Tensor]]:
    """A pass whose gradients are those that are given, passed on: those of a sum of products with them."""

    def work(objective: Objective) -> dict[str, Tensor]:
        assert isinstance(objective, ComparingObjective)
        embedded = objective.embed(Seen(objective.backbone, piece), piece)
        # In float32: the products are summed, and never rounded to an autocast's precision.
        products = [
            (embedded[name].float() * gradient).sum() for name, gradient in rows.items() if embedded[name].requires_grad
        ]
        products += [(weight * gradient).sum() for weight, gradient in weights]
        return {"surrogate": torch.stack(products).sum()}

    return work


@dataclass(frozen=True)
class _Chance:
    """The state of PyTorch's generators.

    Args:
        cpu: Of the CPU's.
        of_device: Of a GPU's, with its device.
    """

    cpu: Tensor
    of_device: tuple[torch.device, Tensor] | None

    @classmethod
    def now(cls, device: torch.device) -> _Chance:
        on_gpu = device.type == "cuda"
        return cls(torch.get_rng_state(), (device, torch.cuda.get_rng_state(device)) if on_gpu else None)

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.of_device is not None:
            device, state = self.of_device
            torch.cuda.set_rng_state(state, device)


@contextmanager
def _buffers_kept(objective: Objective) -> Iterator[None]:
    """Leave buffers as they were, such as the running statistics that a pass in training mode moves."""
    kept = [(buffer, buffer.clone()) for buffer in objective.buffers()]
    yield
    for buffer, before in kept:
        buffer.copy_(before)
