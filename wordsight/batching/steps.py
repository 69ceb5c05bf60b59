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

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field, StepDraw
from wordsight.batching.sampling import COLOUR, VIEW, ConceptSampler, ImageSampler, Sampler, random_of, stream
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.vision.views import ViewSettings, draw_colours, stack, train_view

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
    """

    image_size: int
    view: ViewSettings
    batch_size: int
    epochs: int
    seed: int
    sampling: Sampling = "images"


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
        views = [
            train_view(
                self.corpus.image_bytes(int(example)),
                self.settings.image_size,
                self.settings.view,
                random_of(self.settings.seed, VIEW, step, int(example), int(copy)),
            )
            for example, copy in zip(mine.examples_B, mine.copies_B, strict=True)
        ]
        # Colours are drawn for the global batch and shared out, so that the number of processes changes nothing.
        random = stream(self.settings.seed, COLOUR, step)
        colours = draw_colours(self.settings.batch_size, self.settings.view.jitter, random)
        drawn = StepDraw(step, self.settings.seed, whole, mine)
        return Batch(
            images_BCHW=stack(views),
            examples_B=torch.from_numpy(mine.examples_B),
            colours_B3=None if colours is None else colours[self.rank :: self.world],
            fields={name: field.draw(drawn) for name, field in self.fields.items()},
        )

    def _sampler(self, concepts: scipy.sparse.csr_matrix | None) -> Sampler:
        size, seed = self.settings.batch_size, self.settings.seed
        if self.settings.sampling == "images":
            return ImageSampler(self.examples, size, seed)
        assert concepts is not None, "images are drawn by the concepts of a set"
        return ConceptSampler(self.examples, size, seed, concepts)
