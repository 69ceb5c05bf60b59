"""The tag heads of an objective, one for each concept set, and the sum of their losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from wordsight.batching.fields.tags import Tags, TagsNeed
from wordsight.batching.sources import ConceptFacts
from wordsight.errors import unknown
from wordsight.heads.tag_head import TagHead, TagHeadKind
from wordsight.objectives.processes import global_mean_scale
from wordsight.objectives.tag_losses import TAG_LOSSES, check_loss, check_target, tag_loss, tagged
from wordsight.ranges import Count, HiddenWidth, LossWeight, check_ranges

# A concept's chance before anything is learned, for losses that ask for each alone (Lin et al. 2017, Section 4.1): at a
# half, the many concepts that an image does not show would drown the few that it does.
_PRIOR = 0.01


@dataclass(frozen=True)
class TagSettings:
    """Values of tag heads.

    Args:
        tag_head: ``linear``, ``mlp`` (the paper's with ResNet50) or ``cnn`` (with VGG16).
        tag_hidden: Width of the tag head's hidden layers; 0 takes the backbone's.
        loss: What is minimised. Over all concepts together: ``softmax`` (Eq. 2), ``one-drawn`` (one of the image's
            concepts a step), or either for very many concepts, where a step looks at its images' own concepts alone:
            ``sampled-softmax``, ``sampled-one-drawn``. Each concept alone: ``sigmoid``, ``asymmetric``, ``focal``.
        losses: Another loss for some of several concept sets, by name (``{topics: sigmoid}``).
        negatives: Sampled losses: how many concepts are drawn in each step besides those of its images.
        set_weights: Weight of each concept set's loss, by name; 1 where none is given.
    """

    tag_head: TagHeadKind = "linear"
    tag_hidden: HiddenWidth = 0
    loss: str = "softmax"
    losses: dict[str, str] = field(default_factory=dict)
    negatives: Count = 0
    set_weights: dict[str, LossWeight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_loss(self.loss, "loss")
        for name, loss in self.losses.items():
            check_loss(loss, f"losses: {name}")
        check_ranges(self, "objective_settings")

    @property
    def tags_need(self) -> TagsNeed:
        """What these losses ask of the field ``tags``: candidates, where one looks at these alone."""
        negatives_of = {name: self._negatives(loss) for name, loss in self.losses.items()}
        return TagsNeed(self._negatives(self.loss), negatives_of)

    def _negatives(self, loss: str) -> int | None:
        return self.negatives if TAG_LOSSES[loss].sampled else None

    def loss_of(self, concepts: str) -> str:
        """The loss of a concept set, by the set's name."""
        return self.losses.get(concepts, self.loss)

    def weight_of(self, concepts: str) -> float:
        """The weight of a concept set's loss, by the set's name."""
        return self.set_weights.get(concepts, 1.0)


class TagHeads(nn.Module):
    """A head for each concept set on one grid.

    Args:
        channels: Channels C of the grid.
        concepts: The concept sets, by name.
        settings: Kind of head, losses and weights of the sets.

    Raises:
        InputError: When a loss or a weight is given for a set that is not there, or a loss can't learn from a set.
    """

    def __init__(self, channels: int, concepts: Mapping[str, ConceptFacts], settings: TagSettings) -> None:
        super().__init__()
        for setting in ("losses", "set_weights"):
            for name in getattr(settings, setting):
                if name not in concepts:
                    raise unknown("concept set", name, concepts, where=f"objective_settings: {setting}")
        self.weights = {name: settings.weight_of(name) for name in concepts}
        self.losses = {name: settings.loss_of(name) for name in concepts}
        self.targets = {name: facts.target for name, facts in concepts.items()}
        for name, target in self.targets.items():
            check_target(self.losses[name], target, name)
        self.heads = nn.ModuleDict(
            {name: self._head(channels, name, facts.count, settings) for name, facts in concepts.items()}
        )

    def _head(self, channels: int, name: str, count: int, settings: TagSettings) -> TagHead:
        kind = TAG_LOSSES[self.losses[name]]
        head = TagHead(channels, count, settings.tag_head, settings.tag_hidden, table=kind.sampled)
        if kind.independent:
            scores = head.layers.scores
            assert isinstance(scores, nn.Linear)
            nn.init.constant_(scores.bias, math.log(_PRIOR / (1 - _PRIOR)))
        return head

    @property
    def named(self) -> dict[str, TagHead]:
        """The heads by the names of their concept sets."""
        return {name: head for name, head in self.heads.items() if isinstance(head, TagHead)}

    def forward(self, grid_BCHW: Tensor) -> dict[str, Tensor]:
        """Logits [B, K] of each concept set."""
        return {name: head(grid_BCHW) for name, head in self.heads.items()}

    def loss(self, grid_BCHW: Tensor, tags: Mapping[str, Tags]) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the sets' losses, and its parts: ``tag``, and ``tag_NAME`` of several."""
        losses = {name: self._loss(name, grid_BCHW, tags[name]) for name in self.heads}
        total = torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
        parts = {"tag": total.detach()}
        if len(losses) > 1:
            parts |= {f"tag_{name}": loss.detach() for name, loss in losses.items()}
        return total, parts

    def _loss(self, name: str, grid_BCHW: Tensor, tags: Tags) -> Tensor:
        head, loss = self.heads[name], self.losses[name]
        assert isinstance(head, TagHead)
        if TAG_LOSSES[loss].sampled:
            assert tags.candidates_C is not None, "batching draws candidates for losses that are sampled"
            logits = head.some(grid_BCHW, tags.candidates_C)
        else:
            logits = head(grid_BCHW)
        # Of several sets, an image may have concepts in some only: processes then average over different numbers.
        count = tagged(tags, len(logits)).sum()
        scale = global_mean_scale(count, grid_BCHW.device, tags.mean_count)
        return tag_loss(logits, tags, loss, self.targets[name]) * scale
