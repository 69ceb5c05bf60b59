"""What tag prediction minimises: from the scores of concepts and an image's tags to a loss. `TAG_LOSSES` lists them.

Those over all concepts together (``softmax`` and its kin) ask which concepts an image shows more than others; those one
by one (``sigmoid`` and its kin) ask of each concept whether it is there. All are sums over concepts and means over the
images that have tags: a concept's gradient has the same scale in all of them, whatever K is. (The papers on one-vs-all
losses sum over concepts too; a mean over them would be smaller by K.)

https://arxiv.org/abs/2008.01392
https://arxiv.org/abs/1511.02251
https://arxiv.org/abs/2009.14119 (asymmetric)
https://arxiv.org/abs/1708.02002 (focal)
https://arxiv.org/abs/1412.2007 (sampled softmax)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wordsight.batching.fields.tags import Tags
from wordsight.errors import InputError, unknown

_BOTH = ("labels", "probabilities")


@dataclass(frozen=True)
class TagLoss:
    """A loss and what it can be given.

    Args:
        total: From logits and tags to the sum of the loss over the images that have tags. Logits are [B, K], or [B, C]
            over the tags' candidates.
        targets: Which values it learns from: ``labels``, ``probabilities``.
        independent: Whether each concept is asked for alone. Then a label is there or not, whatever its weight, and
            scores begin at a chance of one in a hundred (Lin et al. 2017, Section 4.1).
        sampled: Whether it looks at the step's candidates alone.
        drawn: Whether its target is the concept drawn for the step, whatever else the image shows.
    """

    total: Callable[[Tensor, Tags], Tensor]
    targets: Collection[str] = _BOTH
    independent: bool = False
    sampled: bool = False
    drawn: bool = False


def _softmax(logits_BK: Tensor, tags: Tags) -> Tensor:
    """Categorical cross-entropy against tags normalised to sum to one (Eq. 2).

    With labels y that sum to one, -sum_k y_k log p_k = logsumexp(z) - sum_k y_k z_k: no dense label matrix is needed.
    """
    wanted_P = _shares(tags, len(logits_BK)) * logits_BK[tags.image_P, tags.concept_P]
    return _cross_entropy(logits_BK, _per_image(wanted_P, tags, len(logits_BK)), tags)


def _one_drawn(logits_BK: Tensor, tags: Tags) -> Tensor:
    """Categorical cross-entropy against the one concept drawn for the step (Joulin et al. 2016, Section 3)."""
    wanted_B = logits_BK.gather(1, tags.drawn_B.clamp_min(0)[:, None])[:, 0]
    return _cross_entropy(logits_BK, wanted_B, tags)


def _sampled_softmax(logits_BC: Tensor, tags: Tags) -> Tensor:
    """:func:`_softmax`, with the sum over all concepts estimated from the step's candidates."""
    place_P, corrected_BC = _corrected(logits_BC, tags)
    wanted_P = _shares(tags, len(logits_BC)) * logits_BC[tags.image_P, place_P]
    return _cross_entropy(corrected_BC, _per_image(wanted_P, tags, len(logits_BC)), tags)


def _sampled_one_drawn(logits_BC: Tensor, tags: Tags) -> Tensor:
    """:func:`_one_drawn`, with the sum over all concepts estimated from the step's candidates."""
    assert tags.candidates_C is not None, "batching draws candidates for losses that are sampled"
    _, corrected_BC = _corrected(logits_BC, tags)
    # Of an image without concepts any place will do: it is left out of the sum.
    place_B = torch.searchsorted(tags.candidates_C, tags.drawn_B).clamp_max(logits_BC.shape[1] - 1)
    return _cross_entropy(corrected_BC, logits_BC.gather(1, place_B[:, None])[:, 0], tags)


def _sigmoid(logits_BK: Tensor, tags: Tags) -> Tensor:
    """Binary cross-entropy of every concept: -y log s(z) - (1 - y) log(1 - s(z)) = softplus(z) - y z."""
    wanted_P = tags.value_P * logits_BK[tags.image_P, tags.concept_P]
    of_image_B = torch.nn.functional.softplus(logits_BK).sum(1) - _per_image(wanted_P, tags, len(logits_BK))
    return torch.where(tagged(tags, len(logits_BK)), of_image_B, 0).sum()


def _asymmetric(logits_BK: Tensor, tags: Tags) -> Tensor:
    """The asymmetric loss of timm with its default values (Ridnik et al. 2021)."""
    from timm.loss.asymmetric_loss import AsymmetricLossMultiLabel

    has_B = tagged(tags, len(logits_BK))
    # All in a single row: timm's versions differ in how they average rows.
    logits, labels = (matrix_BK[has_B].flatten()[None] for matrix_BK in (logits_BK, _dense(tags, logits_BK)))
    total: Tensor = AsymmetricLossMultiLabel()(logits, labels)
    return total


def _focal(logits_BK: Tensor, tags: Tags) -> Tensor:
    """The focal loss of torchvision with its default values (Lin et al. 2017, Eq. 5: alpha 0.25, gamma 2)."""
    from torchvision.ops import sigmoid_focal_loss

    of_concept_BK = sigmoid_focal_loss(logits_BK, _dense(tags, logits_BK))
    return torch.where(tagged(tags, len(logits_BK)), of_concept_BK.sum(1), 0).sum()


TAG_LOSSES: dict[str, TagLoss] = {
    "softmax": TagLoss(_softmax),
    "one-drawn": TagLoss(_one_drawn, targets=("labels",), drawn=True),
    "sampled-softmax": TagLoss(_sampled_softmax, sampled=True),
    "sampled-one-drawn": TagLoss(_sampled_one_drawn, targets=("labels",), sampled=True, drawn=True),
    "sigmoid": TagLoss(_sigmoid, independent=True),
    "asymmetric": TagLoss(_asymmetric, targets=("labels",), independent=True),
    "focal": TagLoss(_focal, targets=("labels",), independent=True),
}


def check_loss(name: str, where: str) -> None:
    """Check the name of a loss.

    Args:
        name: The name.
        where: The setting that gave it.

    Raises:
        InputError: When there is no such loss, with the nearest name.
    """
    if name not in TAG_LOSSES:
        raise unknown("loss", name, TAG_LOSSES, where=f"objective_settings: {where}")


def check_target(name: str, target: str, concepts: str) -> None:
    """Check that a loss can learn from what a concept set holds.

    Args:
        name: The loss.
        target: What the set holds: ``labels`` or ``probabilities``.
        concepts: Name of the set.

    Raises:
        InputError: When it can't, with the losses that can.
    """
    if target not in TAG_LOSSES[name].targets:
        able = ", ".join(other for other, loss in TAG_LOSSES.items() if target in loss.targets)
        raise InputError(
            f"the loss {name!r} can't learn from the {target} of the concept set {concepts!r}",
            where="objective_settings: loss",
            expected=f"one of: {able}",
        )


def tag_loss(logits: Tensor, tags: Tags, loss: str = "softmax", target: str = "labels") -> Tensor:
    """A loss, as its mean over the images that have tags.

    Args:
        logits: Scores of all concepts, [B, K]; for a sampled loss those of the tags' candidates, [B, C].
        tags: Concepts of each image.
        loss: One of `TAG_LOSSES`.
        target: Whether the tags' values are ``labels`` or ``probabilities``.

    Examples:
        >>> import torch
        >>> from wordsight.batching.fields.tags import Tags
        >>> two_of_three = Tags(torch.tensor([0, 0]), torch.tensor([0, 2]), torch.ones(2), torch.tensor([2]))
        >>> logits_BK = torch.tensor([[2.0, 0.0, 2.0]])
        >>> losses = ("softmax", "sigmoid", "one-drawn")
        >>> {loss: round(float(tag_loss(logits_BK, two_of_three, loss)), 2) for loss in losses}
        {'softmax': 0.76, 'sigmoid': 0.95, 'one-drawn': 0.76}
    """
    kind = TAG_LOSSES[loss]
    if kind.independent and target == "labels":
        tags = replace(tags, value_P=torch.ones_like(tags.value_P))
    if not logits.shape[1]:
        # A step whose images have no concept of this set, and for which none was drawn.
        return logits.float().sum()
    count = tagged(tags, len(logits)).sum()
    return kind.total(logits.float(), tags) / count.clamp_min(1)


def log_probabilities(logits_BK: Tensor, loss: str) -> Tensor:
    """The logarithm of what a head that learned by a loss holds its scores to mean, [B, K].

    Args:
        logits_BK: Scores of all concepts.
        loss: One of `TAG_LOSSES`: of one over all concepts together they are one of K, else each is there or not.
    """
    if TAG_LOSSES[loss].independent:
        return torch.nn.functional.logsigmoid(logits_BK)
    return logits_BK.log_softmax(1)


def tagged(tags: Tags, images: int) -> Tensor:
    """Which images of a batch have tags, bool [B]; of the others nothing is known."""
    return _per_image(tags.value_P, tags, images) > 0


def _per_image(values_P: Tensor, tags: Tags, images: int) -> Tensor:
    """The sum of an image's values, [B]."""
    return torch.zeros(images, device=values_P.device).index_add(0, tags.image_P, values_P)


def _shares(tags: Tags, images: int) -> Tensor:
    """The tags' values, normalised so that an image's sum to one."""
    return tags.value_P / _per_image(tags.value_P, tags, images)[tags.image_P]


def _cross_entropy(logits: Tensor, wanted_B: Tensor, tags: Tags) -> Tensor:
    """From the scores of all and the mean score of the wanted ones to -sum y log p, summed over images with tags."""
    return torch.where(tagged(tags, len(logits)), logits.logsumexp(-1) - wanted_B, 0).sum()


def _corrected(logits_BC: Tensor, tags: Tags) -> tuple[Tensor, Tensor]:
    """Place of each tag among the candidates, and scores whose exponentials sum to what those of all concepts would.

    For an image with the concepts T, the sum over all concepts Z = sum_k exp(z_k) is estimated by

        sum_{k in T} exp(z_k) + sum_{k in C, not in T} exp(z_k) / q_k,

    where q_k is the chance that k is among the candidates C of a step in which the image is. The image's own concepts
    are so for certain; every other concept adds exp(z_k) in expectation, so that the estimate has no bias. Dividing by
    q_k is adding -log q_k to the score: the correction term of importance sampling (Bengio and Senécal 2008; Jean et
    al. 2015; TensorFlow's ``sampled_softmax_loss`` subtracts the logarithm of the expected count, which for rare
    concepts is the chance). With all concepts as candidates every q_k is one, and this is the full softmax.
    """
    assert tags.candidates_C is not None and tags.log_chance_C is not None, "batching draws candidates where needed"
    place_P = torch.searchsorted(tags.candidates_C, tags.concept_P)
    offset_BC = (-tags.log_chance_C).expand_as(logits_BC).contiguous()
    offset_BC[tags.image_P, place_P] = 0
    return place_P, logits_BC + offset_BC


def _dense(tags: Tags, logits_BK: Tensor) -> Tensor:
    """The tags as a matrix, [B, K]."""
    labels_BK = torch.zeros_like(logits_BK)
    labels_BK[tags.image_P, tags.concept_P] = tags.value_P
    return labels_BK
