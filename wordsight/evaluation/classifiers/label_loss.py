"""The loss of labels, for classifiers that are learned by gradient descent."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def label_loss(scores_BK: Tensor, targets: Tensor) -> Tensor:
    """Softmax cross-entropy for one label an image; for several, binary cross-entropy summed over classes.

    Labels to be ignored count nothing, and the mean is over images, as DeeperCluster has it.

    Args:
        scores_BK: A score for each class.
        targets: Classes ``[B]``, or 1, 0, -1 (ignored) ``[B, K]``.
    """
    if targets.ndim == 1:
        return functional.cross_entropy(scores_BK, targets)
    each_BK = functional.binary_cross_entropy_with_logits(scores_BK, (targets == 1).float(), reduction="none")
    return each_BK.masked_fill(targets < 0, 0.0).sum() / len(targets)
