"""The training set as a list of steps: the batch of a step is a function of the seed and the step's number alone.

Nothing is carried from one step to the next, so a run resumes at any step with the same batches whatever the number of
loader processes, and processes that train together take their shares of the same global batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from wordsight.batching.batch import Batch, Views
from wordsight.batching.fields import Field, StepDraw
from wordsight.batching.fields.field import Mirroring
from wordsight.batching.needs import ViewNeed
from wordsight.batching.sampling import (
    COLOUR,
    VIEW,
    ConceptSampler,
    Drawn,
    ImageSampler,
    Sampler,
    random_of,
    stream,
    stream_of,
)
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.vision.views import ViewSettings, stack, train_view

Sampling = Literal["images", "concepts"]


@dataclass(frozen=True)
class StepSettings:
    """How steps are made.

    Args:
        image_size: Side of the views in pixels.
        view: Augmentation.
        batch_size: Images in a step, over all processes.
        epochs: Passes over the images.
        seed: The run's seed.
        sampling: ``images``, each once an epoch, or ``concepts``, uniform over those of the first concept set.
        views: The views of each image; sides and augmentation are those above where they do not say it themselves.
    """

    image_size: int
    view: ViewSettings
    batch_size: int
    epochs: int
    seed: int
    sampling: Sampling = "images"
    views: tuple[ViewNeed, ...] = (ViewNeed(),)


class Steps(Dataset[Batch]):
    """All steps of a run, in order; item s is the batch of step s.

    Args:
        corpus: The captioned images.
        examples: The corpus's examples to train on.
        settings: How steps are made.
        fields: What the objective needs besides images, by name.
        concepts: Concepts of every example of the corpus, [len(corpus), K], where images are drawn by these.
        rank: Number of this process.
        world: Number of processes.

    Raises:
        InputError: When there are fewer examples than a batch holds.
    """

    def __init__(
        self,
        corpus: Corpus,
        examples: NDArray[np.int64],
        settings: StepSettings,
        fields: Mapping[str, Field[Any, Any]] | None = None,
        concepts: scipy.sparse.csr_matrix | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(examples) < settings.batch_size:
            raise InputError(
                f"{len(examples)} images to learn from are fewer than a batch of {settings.batch_size}",
                where=corpus.path,
                mend=f"give a smaller {setting('batch_size')} or more images",
            )
        self.corpus, self.examples, self.settings = corpus, examples, settings
        self.fields = dict(fields or {})
        self.rank, self.world = rank, world
        self.sampler = self._sampler(concepts)
        self.steps_per_epoch = self.sampler.steps_per_epoch
        for field in self.fields.values():
            field.prepare(self.sampler)

    def __len__(self) -> int:
        return self.steps_per_epoch * self.settings.epochs

    def __getitem__(self, step: int) -> Batch:
        whole = self.sampler.draw(step)
        mine = whole.share(self.rank, self.world)
        views: tuple[Views, ...] = ()
        for number in range(len(self.settings.views)):
            views += (self._views(number, step, mine, self._mirrored(mine, views)),)
        drawn = StepDraw(step, self.settings.seed, whole, mine, views)
        return Batch(
            views=views,
            examples_B=torch.from_numpy(mine.examples_B),
            fields={name: field.draw(drawn) for name, field in self.fields.items()},
        )

    def _mirrored(self, mine: Drawn, before: tuple[Views, ...]) -> list[bool | None]:
        """Of each of this process's images whether its next view is mirrored; None where chance says it."""
        says = [field.mirroring(mine.examples_B) for field in self.fields.values()]
        first: list[bool] = before[0].flipped_B.tolist() if before else []
        found: list[bool | None] = [None] * len(mine.examples_B)
        for place, how in enumerate(np.max(says, axis=0) if says else ()):
            if how == Mirroring.NEVER:
                found[place] = False
            elif how == Mirroring.TOGETHER and before:
                found[place] = first[place]
        return found

    def _views(self, number: int, step: int, mine: Drawn, mirrored: list[bool | None]) -> Views:
        """One view of each of this process's images."""
        need, settings = self.settings.views[number], self.settings
        size, how = need.size or settings.image_size, need.view or settings.view
        # The first has the streams that runs of one view have always had; the others' are their own.
        cuts, tints = (VIEW, COLOUR) if number == 0 else (stream_of(f"view {number}"), stream_of(f"colour {number}"))
        views = [
            train_view(
                self.corpus.image_bytes(int(example)),
                size,
                how,
                random_of(settings.seed, cuts, step, int(example), int(copy)),
                flip,
            )
            for example, copy, flip in zip(mine.examples_B, mine.copies_B, mirrored, strict=True)
        ]
        # Colours are drawn for the global batch and shared out, so that the number of processes changes nothing.
        colours = how.colours(settings.batch_size, stream(settings.seed, tints, step))
        return Views(
            images_BCHW=stack([view.pixels for view in views]),
            crop_B4=torch.tensor([view.crop for view in views], dtype=torch.float32),
            flipped_B=torch.tensor([view.flipped for view in views], dtype=torch.bool),
            colours_BF=None if colours is None else colours[self.rank :: self.world],
        )

    def _sampler(self, concepts: scipy.sparse.csr_matrix | None) -> Sampler:
        size, seed = self.settings.batch_size, self.settings.seed
        if self.settings.sampling == "images":
            return ImageSampler(self.examples, size, seed)
        assert concepts is not None, "images are drawn by the concepts of a set"
        return ConceptSampler(self.examples, size, seed, concepts)
