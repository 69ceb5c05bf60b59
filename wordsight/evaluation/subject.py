"""What is measured: a backbone with its random twin, and whatever else of a run the protocols ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.known_images import KnownImages
from wordsight.corpus.splits import ALL
from wordsight.corpus.store import Corpus
from wordsight.language.features import MaskedCaptions
from wordsight.language.model import LanguageModel
from wordsight.objectives.objective import Objective
from wordsight.vision.backbones import Backbone
from wordsight.vision.modes import evaluating
from wordsight.vision.preprocessing import Framing


@dataclass(frozen=True)
class LearnedConcepts:
    """A concept set that a tag head learned from.

    Args:
        concepts: The concept set.
        train_K: How many training examples have each concept, or the sum of its probabilities over them; None where the
            corpus that it was trained on is not at hand.
    """

    concepts: ConceptSet
    train_K: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Subject:
    """A trained backbone and what belongs to it.

    Args:
        name: What a person calls it: the run's name.
        backbone: The trained backbone.
        random_backbone: Makes the same network with random weights, always the same ones.
        image_size: Side of the view it is to see, in pixels.
        results_folder: Where results are written and baselines found again.
        objective: The trained objective, for protocols that ask the heads.
        language: The language model that the objective reads.
        concepts: The concept sets that its tag heads learned from, by name.
        log_means: Gives the logarithm of the mean probability that each concept has over its training images, ``[K]``
            by the name of the set; nothing where that is not known. It may take a look at these images.
        device: Where to compute.
        trained_on: Fingerprint of the corpus it was trained on, "" where unknown.
        trained_split: The split of that corpus.
        pretrained: The images that it was trained on; None where they are not known.
        settings: Hash of the settings that its heads were made with, which their weights don't tell; "" where unknown,
            and then what was asked of the heads before is asked again.
    """

    name: str
    backbone: Backbone
    random_backbone: Callable[[], Backbone]
    image_size: int
    results_folder: Path
    objective: Objective | None = None
    language: LanguageModel | None = None
    concepts: Mapping[str, LearnedConcepts] = field(default_factory=dict)
    log_means: Callable[[], Mapping[str, NDArray[np.float64]]] = dict
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    trained_on: str = ""
    trained_split: str = ""
    pretrained: KnownImages | None = None
    settings: str = ""

    @property
    def framing(self) -> Framing:
        """How an image that is not square becomes one."""
        return self.backbone.preprocessing.framing


@dataclass(frozen=True)
class CorpusSplit:
    """Examples of a corpus that the heads are asked about: what tasks are to probes.

    Args:
        corpus: The corpus.
        split: The split that is asked about.
    """

    corpus: Corpus
    split: str

    @property
    def name(self) -> str:
        """What results are filed under."""
        return f"{self.corpus.name}-{self.split.replace(',', '+')}"

    @property
    def fingerprint(self) -> str:
        """Hash of what is asked about."""
        return hashlib.sha256(f"{self.corpus.fingerprint} {self.split}".encode()).hexdigest()[:16]

    def shares_with(self, split: str) -> bool:
        """Whether another split of the corpus, or several, have examples of this one.

        Args:
            split: As a person asks for it: "train" is every split of training data.
        """
        if split == self.split or not self.corpus.splits:
            return split == self.split
        return not set(self.corpus.splits_meant(self.split)).isdisjoint(self.corpus.splits_meant(split))

    def seen_in_training(self, subject: Subject) -> list[str]:
        """A sentence where the subject was trained on these very captions."""
        if self.corpus.fingerprint != subject.trained_on:
            return []
        if ALL in (self.split, subject.trained_split) or self.shares_with(subject.trained_split):
            return ["the run was trained on these captions: this is not a held-out result"]
        return []


@dataclass(frozen=True)
class CaptionedSplit(CorpusSplit):
    """A split with its captions masked, for questions about masked words.

    Args:
        corpus: The corpus.
        split: The split that is asked about.
        masked: The masked captions of that split.
        concepts: Name of each concept, by its number.
        train: The masked captions that baselines learn from; None where there are none, and so no baselines.
        parts: Part of speech of each concept, where the concept set knows it.
    """

    masked: MaskedCaptions
    concepts: Sequence[str]
    train: MaskedCaptions | None = None
    parts: Sequence[str] | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of images and masked captions."""
        return hashlib.sha256(f"{self.corpus.fingerprint} {self.masked.fingerprint}".encode()).hexdigest()[:16]


@contextmanager
def ready(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Put a network into evaluation mode on a device, and back as it was: it may be in the middle of its training."""
    home = next((tensor.device for tensor in module.parameters()), device)
    filters = [tensor for tensor in module.parameters() if tensor.ndim == 4]
    plain = all(tensor.is_contiguous() for tensor in filters)
    with evaluating(module):
        try:
            # Channels last is what convolutions are quickest in on every device that is known here.
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            yield
        finally:
            # Weights that were contiguous are so again: a person's own code may take views of them.
            order = torch.contiguous_format if plain else torch.preserve_format
            module.to(home, memory_format=order)  # type: ignore[call-overload]


def weights_fingerprint(module: nn.Module) -> str:
    """Hash of a network's weights and running statistics."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def behaviour(backbone: Backbone, side: int, layers: Sequence[str] = ()) -> str:
    """What no weight tells of a network (strides, the code of a person's own ``forward``): traits of what it gives.

    Args:
        backbone: The backbone, on the CPU; it is left as it was found.
        side: Side of the made image that it is shown, in pixels.
        layers: The layers that are asked; none for the last.

    Returns:
        The sizes of the layers' grids, and numbers that change when a value does; rounded, as sums differ in their last
        digits from machine to machine. And how it is shown its images, where that is not as usual.
    """
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with ready(backbone, torch.device("cpu")), torch.inference_mode():
        grids = backbone.tap_all(image, layers) if layers else {"": backbone(image)}
    traits = []
    for layer, grid in grids.items():
        size = grid.double().abs()
        slope = torch.linspace(0, 1, size.numel(), dtype=torch.float64).view_as(size)
        numbers = " ".join(
            f"{float(number):.3g}" for number in (size.mean(), size.square().mean(), (slope * size).mean())
        )
        traits.append(f"{layer} {tuple(grid.shape)} {numbers}")
    shown = backbone.preprocessing
    # What is usual goes unsaid: it was before there was anything else.
    if not shown.usual:
        traits.append(f"mean {tuple(shown.mean)} std {tuple(shown.std)}")
    if shown.framing != "crop":
        traits.append(shown.framing)
    return "; ".join(traits)
