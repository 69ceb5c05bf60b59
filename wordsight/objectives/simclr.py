"""SimCLR (Chen et al. 2020, https://arxiv.org/abs/2002.05709): which of the step's views shows the same image?

The loss of their Eq. 1 and Algorithm 1, over two views of each image. Reads no captions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.batching.needs import Needs, ViewNeed
from wordsight.heads.projection import Projection
from wordsight.objectives.comparing import ComparingObjective
from wordsight.objectives.gather import gathered
from wordsight.objectives.objective import Chance, Facts, Losses, Plot
from wordsight.objectives.seen import Seen
from wordsight.ranges import HiddenWidth, Layers, Temperature, Width, check_ranges
from wordsight.vision.backbones import Backbone
from wordsight.vision.views import ViewSettings

# Appendix A, with colours of full strength.
STRONG = ViewSettings(crop_scale=0.08, jitter=0.8, hue=0.2, jitter_probability=0.8, grey=0.2, blur=0.5, blur_sigma=2.0)


@dataclass(frozen=True)
class SimClrSettings:
    """Values of SimCLR.

    Args:
        width: Width of the space in which views are compared.
        hidden: Width of the projection's hidden layers; 0 takes the backbone's.
        layers: Linear layers of the projection.
        temperature: What cosines are divided by.
        view: How both views are cut and coloured, whatever the run's ``view`` is.
    """

    width: Width = 128
    hidden: HiddenWidth = 0
    layers: Layers = 2
    temperature: Temperature = 0.1
    view: ViewSettings = field(default_factory=lambda: STRONG)

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")


class SimClr(ComparingObjective):
    """A backbone with a projection.

    Args:
        backbone: The backbone.
        facts: Not read.
        settings: Its values.
    """

    asks = "to tell which two cut-outs are of the same picture"

    def __init__(self, backbone: Backbone, facts: Facts, settings: SimClrSettings) -> None:
        super().__init__(backbone)
        self.temperature = settings.temperature
        self.projection = Projection(backbone.out_channels, settings.hidden, settings.width, settings.layers, norm=True)

    @classmethod
    def needs(cls, settings: SimClrSettings) -> Needs:
        """Two views, and no field."""
        return Needs(views=(ViewNeed(view=settings.view),) * 2)

    @classmethod
    def plots(cls, settings: SimClrSettings) -> Mapping[str, Plot]:
        """Accuracy."""
        says = "share of views whose nearest other view of the step is of the same picture, in percent"
        return {"accuracy": Plot("accuracy", "share", says)}

    @classmethod
    def chance(cls, settings: SimClrSettings, batch_size: int) -> Chance | None:
        """The logarithm of how many other views there are."""
        others = 2 * batch_size - 1
        return Chance(math.log(others), f"ln {others}")

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """Unit vectors of both views: ``views`` ``[B, 2, Z]``."""
        pooled_NC = torch.cat([seen.grid(view).mean((2, 3)) for view in range(2)])
        views_NZ = functional.normalize(self.projection(pooled_NC).float(), dim=1)
        return {"views": views_NZ.unflatten(0, (2, -1)).transpose(0, 1)}

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """Gives ``accuracy``, the share of views whose nearest other view is of the same image."""
        total, accuracy = nt_xent(gathered(embedded["views"]), gathered(batch.examples_B), self.temperature)
        return Losses(total, {"accuracy": accuracy})


def nt_xent(views_B2Z: Tensor, example_B: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The mean over views of the cross-entropy of finding the other view of the same image among all others (Eq. 1).

    Args:
        views_B2Z: Unit vectors of two views of each image.
        example_B: Which example each image is: one that stands in a step twice is never its own negative.
        temperature: What cosines are divided by.

    Returns:
        The loss, and the share of views whose nearest other view is the right one.
    """
    count = len(example_B)
    views_NZ, example_N = views_B2Z.transpose(0, 1).flatten(0, 1), example_B.repeat(2)
    other_N = torch.arange(2 * count, device=example_B.device).roll(count)
    candidates_NN = example_N[:, None] != example_N[None]
    candidates_NN.scatter_(1, other_N[:, None], True)
    logits_NN = (views_NZ @ views_NZ.T / temperature).masked_fill(~candidates_NN, -math.inf)
    accuracy = (logits_NN.detach().argmax(1) == other_N).float().mean()
    return functional.cross_entropy(logits_NN, other_N), accuracy
