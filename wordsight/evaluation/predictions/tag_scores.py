"""Scores that tag heads give images, and how well they rank them: precision and recall at k, average precision.

Of the scores of N images and K concepts only a block is in memory at a time: the input of the last layer is stored for
each image, and the scores of some images, or of some concepts, are computed from it when they are used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.corpus.encoded_images import CorpusImages, EncodedImage, ImageSubset
from wordsight.corpus.store import Corpus
from wordsight.device import autocast
from wordsight.errors import InputError
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.metrics.classification import average_precision_slopes, mean_of_known
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.objectives.objective import Objective
from wordsight.objectives.tag_heads import TagHeads
from wordsight.progress import progress_bar
from wordsight.vision.inference import ready

# Scores that are in memory at once: 64 MB of float32.
BLOCK = 1 << 24


@dataclass(frozen=True)
class TagScores:
    """Scores of one head for N images, a block at a time.

    Args:
        hidden_ND: Input of the head's last layer for each image.
        weight_KD: The last layer's rows.
        bias_K: Its bias.
    """

    hidden_ND: Tensor
    weight_KD: Tensor
    bias_K: Tensor

    def __len__(self) -> int:
        return len(self.hidden_ND)

    @property
    def concepts(self) -> int:
        """Number K of concepts."""
        return len(self.weight_KD)

    def of(self, images: NDArray[np.int64]) -> TagScores:
        """The scores of some of the images."""
        return TagScores(self.hidden_ND[torch.from_numpy(images)], self.weight_KD, self.bias_K)

    def by_images(self) -> Iterator[tuple[slice, Tensor]]:
        """Some images at a time: which, and their scores of all concepts ``[n, K]``."""
        size = max(1, BLOCK // self.concepts)
        for first in range(0, len(self), size):
            images = slice(first, first + size)
            yield images, torch.addmm(self.bias_K, self.hidden_ND[images], self.weight_KD.T)

    def by_concepts(self, wanted: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Some of the wanted concepts at a time: which, and their scores for all images ``[k, N]``."""
        size = max(1, BLOCK // max(len(self), 1))
        for first in range(0, len(wanted), size):
            concepts = wanted[first : first + size]
            rows = torch.from_numpy(concepts).to(self.weight_KD.device)
            yield concepts, self.weight_KD[rows] @ self.hidden_ND.T + self.bias_K[rows][:, None]


def hidden_features(
    objective: Objective,
    heads: TagHeads,
    images: Sequence[EncodedImage],
    size: int,
    device: torch.device,
    crop_share: float = 1.0,
    what: str = "photos",
) -> dict[str, Tensor]:
    """Input of the last layer of each head, for some images.

    Args:
        objective: Whose backbone sees the images; it is left as it was found.
        heads: The heads.
        images: Encoded images.
        size: Side of the view in pixels.
        device: Where to compute.
        crop_share: Side of the centre crop, as a share of the image's shorter side.
        what: What the progress bar says.

    Returns:
        float32 ``[N, D]`` of every head, by the name of its concept set, on the device.
    """
    named = heads.named
    parts: dict[str, list[Tensor]] = {name: [] for name in named}
    with ready(objective, device), torch.inference_mode(), progress_bar() as bar:
        progress = bar.add_task(what, total=len(images), note="")
        for views in view_batches(images, size, crop_share, objective.backbone.preprocessing.framing):
            with autocast(device):
                grid_BCHW = objective.backbone(objective.backbone.prepare(views.to(device)))
            for name, head in named.items():
                parts[name].append(head.hidden(grid_BCHW.float()))
            bar.advance(progress, len(views))
    return {name: torch.cat(of_head) for name, of_head in parts.items()}


def tag_scores(
    model: EvaluatedModel, heads: TagHeads, corpus: Corpus, examples: NDArray[np.int64], crop_share: float = 1.0
) -> dict[str, TagScores]:
    """Scores of the tag heads for some images.

    Args:
        model: Whose heads they are.
        heads: The heads.
        corpus: Where the images are.
        examples: Which of them.
        crop_share: Side of the centre crop, as a share of the image's shorter side.

    Returns:
        The scores of every head, by the name of its concept set.

    Raises:
        InputError: When the scores are not finite numbers.
    """
    assert model.objective is not None, "heads are an objective's"
    images = ImageSubset(CorpusImages(corpus), examples)
    with ready(model.objective, model.device), torch.inference_mode():
        hidden = hidden_features(model.objective, heads, images, model.image_size, model.device, crop_share, "tags")
        last = {
            name: (head.last.weight.float().clone(), head.last.bias.float().clone())
            for name, head in heads.named.items()
        }
    scores = {name: TagScores(hidden[name], *last[name]) for name in hidden}
    for found in scores.values():
        if not (torch.isfinite(found.hidden_ND).all() and torch.isfinite(found.weight_KD).all()):
            raise InputError(
                "the tag head's scores are not finite numbers",
                where=model.name,
                mend="training diverged: lower the learning rate, or train in float32",
            )
    return scores


@dataclass(frozen=True)
class PrecisionRecallAtK:
    """How many of an image's first k concepts are present (precision), and what share of the present ones they cover
    (recall).

    Args:
        precision: By k, mean over the images, in percent.
        recall: By k; of weights or probabilities their sum, in percent.
        of_images: Shares of each image ``[N]``, by ``precision@k`` and ``recall@k``; empty where there is only a mean.
    """

    precision: dict[int, float]
    recall: dict[int, float]
    of_images: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, compare=False)


def precision_recall_at_k(
    scores: TagScores, truth: scipy.sparse.csr_matrix, ranks: Sequence[int]
) -> PrecisionRecallAtK:
    """Precision and recall at some ranks.

    Args:
        scores: Scores of N images.
        truth: What is present, ``[N, K]``: labels or probabilities; no row is empty.
        ranks: The numbers k; those above K are left out.
    """
    most = min(max(ranks), scores.concepts)
    held = [
        np.take_along_axis(truth[images].toarray(), block.topk(most, dim=1).indices.cpu().numpy(), 1)
        for images, block in scores.by_images()
    ]
    return _at_ranks(np.concatenate(held), truth, ranks)


def precision_recall_of_order(
    order: NDArray[np.int64], truth: scipy.sparse.csr_matrix, ranks: Sequence[int]
) -> PrecisionRecallAtK:
    """The same where every image is given the same concepts in the same order.

    Args:
        order: Concepts, the likeliest first.
        truth: What is present, ``[N, K]``.
        ranks: The numbers k.
    """
    return _at_ranks(truth[:, order[: max(ranks)]].toarray(), truth, ranks)


def random_precision_recall(truth: scipy.sparse.csr_matrix, ranks: Sequence[int]) -> PrecisionRecallAtK:
    """The same for concepts drawn at random, on average."""
    known = [k for k in ranks if k <= truth.shape[1]]
    share = 100 * truth.nnz / (truth.shape[0] * truth.shape[1])
    return PrecisionRecallAtK(dict.fromkeys(known, share), {k: 100 * k / truth.shape[1] for k in known})


def _at_ranks(held: NDArray[np.float32], truth: scipy.sparse.csr_matrix, ranks: Sequence[int]) -> PrecisionRecallAtK:
    """``held``: the truth of each image's first concepts, in their order."""
    total = np.asarray(truth.sum(1)).ravel()
    known = [k for k in ranks if k <= truth.shape[1]]
    precision = {k: (held[:, :k] > 0).mean(1, dtype=np.float64) for k in known}
    recall = {k: np.asarray(held[:, :k].sum(1, dtype=np.float64) / total) for k in known}
    return PrecisionRecallAtK(
        {k: 100 * float(each.mean()) for k, each in precision.items()},
        {k: 100 * float(each.mean()) for k, each in recall.items()},
        {f"precision@{k}": each for k, each in precision.items()} | {f"recall@{k}": recall[k] for k in known},
    )


def has_positive_and_negative(truth: scipy.sparse.csr_matrix) -> NDArray[np.bool_]:
    """Which concepts some images have and others lack, ``[K]``: of the others every order of the images is right.

    Args:
        truth: What is present, ``[N, K]``.
    """
    positives_K = np.asarray(truth.getnnz(axis=0))
    return np.asarray((positives_K > 0) & (positives_K < truth.shape[0]))


@dataclass(frozen=True)
class ConceptValues:
    """A metric of each concept over the images, and each image's part in it.

    Args:
        value_K: In percent; NaN for a concept that has none.
        parts_N: Each image's part in the mean over the concepts that have one (see `outcomes`), as shares.
    """

    value_K: NDArray[np.float64]
    parts_N: NDArray[np.float64]

    @classmethod
    def of(cls, value_K: NDArray[np.float64], slopes_N: NDArray[np.float64]) -> ConceptValues:
        """From the values, and the sum of their slopes in each image's weight, both in percent."""
        slope_N = slopes_N / max(int((~np.isnan(value_K)).sum()), 1)
        return cls(value_K, (mean_of_known(value_K) + len(slope_N) * slope_N) / 100)


def precision_of_concepts(scores: TagScores, truth: scipy.sparse.csr_matrix) -> ConceptValues:
    """Average precision of each concept over the images; NaN for a concept that none of them has, or all of them.

    Args:
        scores: Scores of N images.
        truth: What is present, ``[N, K]``.
    """
    columns = truth.tocsc()
    wanted = np.flatnonzero(has_positive_and_negative(truth)).astype(np.int64)
    found, slopes_N = np.full(truth.shape[1], np.nan), np.zeros(truth.shape[0])
    with progress_bar() as bar:
        progress = bar.add_task("concepts", total=len(wanted), note="")
        for concepts, block in scores.by_concepts(wanted):
            values = block.cpu().numpy()
            ranked = np.sort(values, axis=1)
            for row, concept in enumerate(concepts.tolist()):
                holds = columns.indices[columns.indptr[concept] : columns.indptr[concept + 1]]
                found[concept], slope_N = average_precision_slopes(values[row], ranked[row], holds)
                slopes_N += slope_N
            bar.advance(progress, len(concepts))
    return ConceptValues.of(found, slopes_N)
