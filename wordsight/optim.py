"""What every training of a network does alike: how the learning rate rises and falls, and which weights decay."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

# torch takes seconds to import, and settings hold a schedule.
if TYPE_CHECKING:
    from torch import nn, optim

Fall = Literal["cosine", "linear", "steps"]


@dataclass(frozen=True)
class Schedule:
    """The learning rate over a training, as a share of its peak: a linear rise, then a fall.

    Args:
        warmup_share: Share of all steps over which the rate rises.
        fall: ``cosine``: half a cosine (Loshchilov and Hutter 2017, without restarts); ``linear``: a line to zero;
            ``steps``: a tenth of the rate after each ``step_share`` of the training.
        final_share: Where the cosine ends.
        step_share: Of ``steps``, the share of all steps after which the rate falls.

    Examples:
        >>> schedule = Schedule(warmup_share=0.2, fall="linear")
        >>> [round(schedule.rate(step, steps=10), 2) for step in range(10)]
        [0.5, 1.0, 1.0, 0.88, 0.75, 0.62, 0.5, 0.38, 0.25, 0.12]
    """

    warmup_share: float = 0.0
    fall: Fall = "cosine"
    final_share: float = 0.0
    step_share: float = 0.4

    def rate(self, step: int, steps: int) -> float:
        """Share of the peak learning rate in a step.

        Args:
            step: Number of the step, from 0.
            steps: All steps of the training.
        """
        warmup = round(self.warmup_share * steps)
        if step < warmup:
            return (step + 1) / warmup
        if self.fall == "steps":
            return float(0.1 ** (step // max(1, round(self.step_share * steps))))
        if self.fall == "linear":
            return (steps - step) / max(1, steps - warmup)
        progress = (step - warmup) / max(1, steps - warmup)
        return self.final_share + (1 - self.final_share) * 0.5 * (1 + math.cos(math.pi * progress))


def decay_groups(parameters: Iterable[nn.Parameter], weight_decay: float, rate: float = 1.0) -> list[dict[str, Any]]:
    """An optimiser's groups of parameters, of which matrices and filters alone decay.

    Biases, norms and other vectors have no scale to be decayed (Goyal et al. 2017, Section 5.3).

    Args:
        parameters: Frozen ones are left out.
        weight_decay: Decay of those that have more than one axis.
        rate: Their learning rate, as a multiple of the optimiser's; :func:`set_rate` reads it.

    Returns:
        The decayed ones, then the others; no group is empty.
    """
    learned = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": weight_decay, "rate": rate},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0, "rate": rate},
    ]
    return [group for group in groups if group["params"]]


def set_rate(optimizer: optim.Optimizer, lr: float) -> None:
    """Give every group the learning rate of a step, times the group's own multiple.

    Args:
        optimizer: Of groups that :func:`decay_groups` made.
        lr: The step's learning rate.
    """
    for group in optimizer.param_groups:
        group["lr"] = lr * group["rate"]
