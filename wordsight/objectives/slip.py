"""SLIP (Mu et al. 2022, https://arxiv.org/abs/2112.12750): CLIP on one view of each image, SimCLR on two further ones.

The sum of their Algorithm 1; it has no loss of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wordsight.objectives.clip import Clip, ClipSettings
from wordsight.objectives.simclr import SimClrSettings
from wordsight.objectives.weighted_sum import NamedSum, SumPart
from wordsight.ranges import LossWeight
from wordsight.vision.views import ViewSettings

# Their code: less colour than SimCLR's own.
SLIP_VIEW = ViewSettings(
    crop_scale=0.08, jitter=0.4, hue=0.1, jitter_probability=0.8, grey=0.2, blur=0.5, blur_sigma=2.0
)


@dataclass(frozen=True)
class SlipSettings(ClipSettings):
    """Values of SLIP, besides those of CLIP.

    Args:
        views_weight: The weight of SimCLR's loss beside CLIP's; 0 leaves it and its views out.
        views: The values of SimCLR.
    """

    views_weight: LossWeight = 1.0
    views: SimClrSettings = field(
        default_factory=lambda: SimClrSettings(width=256, hidden=4096, layers=3, temperature=0.1, view=SLIP_VIEW)
    )

    @property
    def parts(self) -> dict[str, SumPart]:
        """CLIP, and SimCLR where it has a weight."""
        # The registry names this sum too.
        from wordsight.objectives import objective_kind

        parts = {"contrast": SumPart(objective_kind("clip"), self, 1.0)}
        if self.views_weight > 0:
            parts["views"] = SumPart(objective_kind("simclr"), self.views, self.views_weight)
        return parts


class Slip(NamedSum):
    """CLIP and SimCLR on one backbone.

    Args:
        backbone: The backbone.
        facts: What CLIP has to know.
        settings: Its values.
    """

    asks = Clip.asks
