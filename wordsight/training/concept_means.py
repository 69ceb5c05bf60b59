"""How probable a run's tag heads find each concept on average, over the images that they were trained on.

Kept in the run as ``concept_means.safetensors``, so that an image's probabilities can be held against them wherever
the training images are: what a head says of every image says nothing of one. Training frequencies would not do in its
place. A head's mean is near them only where its loss makes it so: one by one, probabilities sum to more than one, and
losses that weigh absent concepts less (focal, asymmetric) leave all of them too high, the rare ones most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from wordsight.corpus.store import Corpus
from wordsight.device import autocast
from wordsight.errors import InputError
from wordsight.objectives.capabilities import tag_heads_of
from wordsight.objectives.objective import Objective
from wordsight.objectives.tag_losses import log_probabilities
from wordsight.progress import track
from wordsight.tensors import read_tensors, save_tensors
from wordsight.training.epoch_features import PlainViews
from wordsight.training.run import Run
from wordsight.vision.modes import evaluating

# Images that a mean is taken over at most, always the same ones: of a concept that one in a hundred of them has, a mean
# over so many is known to about a tenth.
MOST_IMAGES = 5000
_SET = "log_mean."


def concept_means(
    objective: Objective, corpus: Corpus, split: str, size: int, device: torch.device, workers: int = 0
) -> dict[str, Tensor]:
    """The logarithm of the mean probability of each concept, of every tag head.

    Args:
        objective: A trained objective, on the device; its modes are left as they were found.
        corpus: The images that it was trained on.
        split: The split of these.
        size: Side of the view in pixels.
        device: Where to compute.
        workers: Loader processes.

    Returns:
        By the name of the concept set, float64 ``[K]``; nothing where the objective has no tag heads.
    """
    heads = tag_heads_of(objective)
    if heads is None:
        return {}
    examples = corpus.indices(split)
    if len(examples) > MOST_IMAGES:
        examples = np.sort(np.random.default_rng(0).choice(examples, MOST_IMAGES, replace=False))
    views = PlainViews(corpus, examples, size)
    loader = DataLoader(views, batch_size=None, num_workers=workers)
    sums_K = {name: torch.full((head.last.out_features,), -math.inf).double() for name, head in heads.named.items()}
    with torch.inference_mode(), evaluating(objective):
        for some in track(loader, "means of concepts", total=len(views)):
            with autocast(device):
                grid_BCHW = objective.backbone(objective.backbone.prepare(some.to(device)))
            for name, head in heads.named.items():
                log_BK = log_probabilities(head(grid_BCHW.float()), heads.losses[name]).double()
                sums_K[name] = torch.logaddexp(sums_K[name], log_BK.logsumexp(0).cpu())
    return {name: sum_K - math.log(len(examples)) for name, sum_K in sums_K.items()}


def means_of_run(run: Run, objective: Objective, device: torch.device) -> dict[str, NDArray[np.float64]]:
    """The means that a run keeps; of one that keeps none they are computed from its training images, and kept.

    Args:
        run: The run.
        objective: Its objective.
        device: Where to compute.

    Returns:
        As :func:`concept_means`; nothing where the training images are not at hand.

    Raises:
        InputError: As :func:`read_means`.
    """
    kept = read_means(run.path, {name: known.count for name, known in run.info.concepts.items()})
    if kept is not None:
        return kept
    try:
        corpus = run.corpus()
    except InputError:
        return {}
    home = next(objective.parameters()).device
    try:
        means = concept_means(objective.to(device), corpus, run.info.split, run.settings.image_size, device)
    finally:
        objective.to(home)
    with suppress(OSError, InputError):
        # A run that can't be written to is measured all the same.
        write_means(run.path, means)
    return {name: mean_K.numpy() for name, mean_K in means.items()}


def write_means(run: Path, means: Mapping[str, Tensor]) -> None:
    """Keep the means in a run, whole or not at all; nothing where there are none.

    Args:
        run: The run folder.
        means: As :func:`concept_means` gives them.
    """
    if means:
        save_tensors(means_file(run), {f"{_SET}{name}": mean_K for name, mean_K in means.items()})


def read_means(run: Path, counts: Mapping[str, int]) -> dict[str, NDArray[np.float64]] | None:
    """The means that a run keeps; None where it keeps none.

    Args:
        run: The run folder.
        counts: The number of concepts of each of its sets.

    Raises:
        InputError: When the file can't be read, or is about other concepts.
    """
    file = means_file(run)
    mend = "remove it: it is computed again from the images that the run was trained on"
    if not file.is_file():
        return None
    tensors = read_tensors(file, damaged=mend)
    found = {name.removeprefix(_SET): np.asarray(mean_K.double().numpy()) for name, mean_K in tensors.items()}
    if {name: mean_K.shape for name, mean_K in found.items()} != {name: (count,) for name, count in counts.items()}:
        raise InputError("holds means of other concepts than run.json names", where=file, mend=mend)
    return found


def means_file(run: Path) -> Path:
    """Where a run keeps them."""
    return run / "concept_means.safetensors"
