"""SimSiam (Chen and He 2021, https://arxiv.org/abs/2011.10566): what would the other view of the image look like?

Their Eq. 2 and Algorithm 1: one view's projection predicts the other's, to which no gradient flows, and no view is
held against those of other images. Reads no captions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.batching.needs import Needs, ViewNeed
from wordsight.heads.projection import Projection
from wordsight.objectives.gather import gathered
from wordsight.objectives.objective import Facts, Losses, Objective, Plot
from wordsight.objectives.seen import Seen
from wordsight.ranges import HiddenWidth, Width, check_ranges
from wordsight.vision.backbones import Backbone
from wordsight.vision.views import ViewSettings

# Section 3, "Baseline settings": the augmentation of MoCo v2.
SIMSIAM_VIEW = ViewSettings(
    crop_scale=0.2, jitter=0.4, hue=0.1, jitter_probability=0.8, grey=0.2, blur=0.5, blur_sigma=2.0
)


@dataclass(frozen=True)
class SimSiamSettings:
    """Values of SimSiam.

    Args:
        width: Width of the projection, and of its hidden layers.
        predictor_hidden: Width of the predictor's hidden layer: a bottleneck.
        view: How both views are cut and coloured, whatever the run's ``view`` is.
    """

    width: Width = 2048
    predictor_hidden: HiddenWidth = 512
    view: ViewSettings = field(default_factory=lambda: SIMSIAM_VIEW)

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")


class SimSiam(Objective):
    """A backbone with a projection of three layers and a predictor of two.

    Args:
        backbone: The backbone.
        facts: Not read.
        settings: Its values.
    """

    asks = "to predict what another cut-out of the same picture looks like"
    # A mean over images; its batch norm, as the backbone's, looks at a piece by itself.
    divisible = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: SimSiamSettings) -> None:
        super().__init__(backbone)
        width = settings.width
        self.projection = Projection(backbone.out_channels, width, width, layers=3, norm=True)
        self.predictor = Projection(width, settings.predictor_hidden, width)

    @classmethod
    def needs(cls, settings: SimSiamSettings) -> Needs:
        """Two views, and no field."""
        return Needs(views=(ViewNeed(view=settings.view),) * 2)

    @classmethod
    def plots(cls, settings: SimSiamSettings) -> Mapping[str, Plot]:
        """How far projections are spread."""
        says = "how far the step's projections are spread: 0 where all are one, near 1 where they go in all directions"
        return {"spread": Plot("spread", "value", says)}

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """Gives ``spread`` (their Figure 2, middle): where it falls to 0, all images are given the same vector."""
        one_BZ, other_BZ = (self.projection(seen.grid(view).mean((2, 3))) for view in range(2))
        total = (
            negative_cosine(self.predictor(one_BZ), other_BZ) + negative_cosine(self.predictor(other_BZ), one_BZ)
        ) / 2
        return Losses(total, {"spread": spread(gathered(one_BZ.detach()))})


def negative_cosine(predicted_BZ: Tensor, target_BZ: Tensor) -> Tensor:
    """The mean over images of minus the cosine of a prediction with a target, to which no gradient flows (Eq. 1).

    Args:
        predicted_BZ: The predictions.
        target_BZ: The targets.
    """
    return -functional.cosine_similarity(predicted_BZ.float(), target_BZ.detach().float(), dim=1).mean()


def spread(projected_BZ: Tensor) -> Tensor:
    """The mean over channels of the deviation of unit vectors, times the root of their width.

    Args:
        projected_BZ: The vectors.
    """
    unit_BZ = functional.normalize(projected_BZ.float(), dim=1)
    found: Tensor = unit_BZ.std(0, correction=0).mean() * unit_BZ.shape[1] ** 0.5
    return found
