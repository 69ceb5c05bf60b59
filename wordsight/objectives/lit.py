"""LiT (Zhai et al. 2022, https://arxiv.org/abs/2111.07991): texts learn to be read in what a backbone has learned.

Contrast as CLIP's, with an image tower that has learned before and is locked: nothing of it changes, and the text tower
learns to meet it (Section 3.2). Its last layers may be unlocked. As published, no projection follows the image tower:
the text tower's has the width of the backbone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from wordsight.objectives.clip import Clip, ClipSettings
from wordsight.objectives.objective import Facts
from wordsight.ranges import Temperature, UnlockedLayers
from wordsight.vision.backbones import Backbone
from wordsight.vision.locking import lock


@dataclass(frozen=True)
class LitSettings(ClipSettings):
    """Values of LiT: those of CLIP, and two more.

    Args:
        temperature: What cosines are divided by when training begins; learned from there, not below 0.01.
        unlocked_layers: How many of the backbone's last layers learn, such as stages of a ResNet; 0 locks all.
        image_projection: Whether a learned projection follows the backbone; without one its own width is that in
            which images and texts are compared, and ``width`` is not read.
    """

    temperature: Temperature = 0.1
    unlocked_layers: UnlockedLayers = 0
    image_projection: bool = False


class Lit(Clip):
    """CLIP with a locked backbone.

    Args:
        backbone: The backbone, which has learned before; it is locked in place.
        facts: How captions are tokenised.
        settings: Its values.

    Raises:
        InputError: When more layers are unlocked than the backbone has.
    """

    asks = "to read captions in what a backbone had learned before"
    starts_from_weights = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: LitSettings) -> None:
        own = settings.image_projection
        super().__init__(backbone, facts, settings if own else replace(settings, width=backbone.out_channels))
        if not own:
            self.image_projection = nn.Identity()
        lock(backbone, settings.unlocked_layers)
