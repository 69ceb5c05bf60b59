"""DeeperCluster (Caron et al. 2019): which cluster of images does it belong to, and how was it rotated?

Every few epochs the features of all images are clustered; the clusters are the classes of the epochs that follow. What
is predicted is the product of clusters and rotations (Section 3.2). The paper splits it into two levels, as its 320,000
clusters need several machines; here it is one softmax over 4 K classes.

https://arxiv.org/abs/1905.01278
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.errors import InputError
from wordsight.heads.tag_head import TagHead
from wordsight.objectives.clustering import cluster
from wordsight.objectives.objective import EpochFeatures, Facts, Losses, Objective, Plot
from wordsight.objectives.processes import processes
from wordsight.objectives.rotation import TURNS, RotationSettings, rotated
from wordsight.objectives.seen import Seen
from wordsight.ranges import AtLeastOne, AtLeastTwo, Width
from wordsight.vision.backbones import Backbone


@dataclass(frozen=True)
class DeeperClusterSettings(RotationSettings):
    """Values of DeeperCluster, besides those of rotation.

    Args:
        clusters: K, how many clusters.
        every_epochs: After how many epochs images are clustered anew.
        components: How many whitened principal components of the features are clustered.
        balance: Whether an image counts by the inverse of its cluster's size, which is what drawing clusters evenly
            comes to (DeepCluster, Caron et al. 2018, Section 3.3), so that large clusters do not swallow all.
    """

    clusters: AtLeastTwo = 500
    every_epochs: AtLeastOne = 3
    components: Width = 256
    balance: bool = True


class DeeperCluster(Objective):
    """Softmax over the product of K clusters and four rotations.

    Args:
        backbone: The backbone.
        facts: How many images there are.
        settings: Its values.

    Raises:
        InputError: When there are more clusters than images.
    """

    divisible = True
    example_n: Tensor
    cluster_n: Tensor
    weight_K: Tensor

    def __init__(self, backbone: Backbone, facts: Facts, settings: DeeperClusterSettings) -> None:
        super().__init__(backbone)
        if settings.clusters > facts.images:
            raise InputError(
                f"{settings.clusters} clusters are asked for, there are {facts.images} images",
                where="objective_settings: clusters",
                expected="fewer clusters than images, with tens of images in each",
            )
        self.settings = settings
        self.head = TagHead(
            backbone.out_channels, TURNS * settings.clusters, settings.rotation_head, settings.rotation_hidden
        )
        # Buffers, so that a checkpoint holds them and a run goes on within an epoch with the clusters that it had.
        self.register_buffer("example_n", torch.arange(facts.images))
        self.register_buffer("cluster_n", torch.zeros(facts.images, dtype=torch.int64))
        self.register_buffer("weight_K", torch.ones(settings.clusters))

    def before_epoch(self, epoch: int, look: Callable[[], EpochFeatures]) -> Sequence[nn.Parameter]:
        """Cluster the images anew where it is due; the last layer, whose classes then are others, starts again."""
        if epoch % self.settings.every_epochs:
            return ()
        found = look()
        seed = int(torch.randint(2**31 - 1, ()))
        self.example_n.copy_(found.examples_n)
        self.cluster_n.copy_(self._clusters(found, seed))
        sizes_K = torch.bincount(self.cluster_n, minlength=self.settings.clusters)
        # Weights are 1 in the mean over images.
        even_K = len(self.cluster_n) / ((sizes_K > 0).sum() * sizes_K.clamp_min(1))
        self.weight_K.copy_(even_K if self.settings.balance else torch.ones_like(self.weight_K))
        self.head.last.reset_parameters()
        return list(self.head.last.parameters())

    def _clusters(self, found: EpochFeatures, seed: int) -> Tensor:
        """The cluster of each image, computed by the first process and told to the others."""
        found_n = torch.empty_like(self.cluster_n)
        rank, world = processes()
        if rank == 0:
            of_images = cluster(found.features_nC.numpy(), self.settings.clusters, self.settings.components, seed)
            found_n.copy_(torch.from_numpy(of_images))
        if world > 1:
            dist.broadcast(found_n, 0)
        return found_n

    @classmethod
    def plots(cls, settings: DeeperClusterSettings) -> Mapping[str, Plot]:
        """Two accuracies."""
        says = "share of pictures whose {} is predicted right, in percent"
        return {
            "accuracy": Plot("accuracy", "share", says.format("cluster and rotation")),
            "rotation_accuracy": Plot("rotation accuracy", "share", says.format("rotation")),
        }

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """The weighted cross-entropy, ``accuracy`` (cluster and rotation both right) and ``rotation_accuracy``."""
        shown, turns_B = rotated(batch, self.settings.copies)
        logits_BR = self.head(seen.grid_of(shown.views[0])).float()
        cluster_B = self.cluster_n[torch.searchsorted(self.example_n, shown.examples_B)]
        class_B = turns_B * self.settings.clusters + cluster_B
        loss_B = functional.cross_entropy(logits_BR, class_B, reduction="none")
        predicted_B = logits_BR.detach().argmax(1)
        accuracies = {
            "accuracy": (predicted_B == class_B).float().mean(),
            "rotation_accuracy": (predicted_B // self.settings.clusters == turns_B).float().mean(),
        }
        return Losses((self.weight_K[cluster_B] * loss_B).mean(), accuracies)
