"""The training set as a list of steps: the batch of a step is a function of the seed and the step's number alone.

Nothing is carried from one step to the next, so a run resumes at any step with the same batches whatever the number of
loader processes, and processes that train together take their shares of the same global batch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from wordsight.batching.batch import Batch, Field, MaskedWords, Tags
from wordsight.batching.masks import draw_masks, gather_masks
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
from wordsight.language.features import MaskedCaptions
from wordsight.vision.views import ViewSettings, draw_colours, stack, train_view

# Streams of chance that must not overlap: the same seed and step feed several draws.
_ORDER, _VIEW, _MASKS, _COLOUR = range(4)


@dataclass(frozen=True)
class StepSettings:
    """How steps are made.

    Args:
        image_size: Side of the views in pixels.
        view: Augmentation.
        batch_size: Images in a step, over all processes.
        epochs: Passes over the images.
        masks_per_image: Masked words an image, m.
        seed: The run's seed.
    """

    image_size: int
    view: ViewSettings
    batch_size: int
    epochs: int
    masks_per_image: int
    seed: int


class Steps(Dataset[Batch]):
    """All steps of a run, in order; item s is the batch of step s.

    Args:
        corpus: The captioned images.
        examples: The corpus's examples to train on.
        settings: How steps are made.
        needs: The fields that the objective declares.
        labels: Concepts of every example of the corpus, [len(corpus), K]; for ``tags``.
        masked: Masked captions of the examples; for ``masked``.
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
        needs: Collection[Field],
        labels: scipy.sparse.csr_matrix | None = None,
        masked: MaskedCaptions | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(examples) < settings.batch_size:
            raise InputError(
                f"{len(examples)} images with concepts are fewer than a batch of {settings.batch_size}",
                where=corpus.path,
                mend="give a smaller --batch-size or more images",
            )
        self.corpus, self.examples, self.settings = corpus, examples, settings
        self.needs, self.labels, self.masked = frozenset(needs), labels, masked
        self.rank, self.world = rank, world
        # An incomplete last batch is left out; its images come earlier in other epochs' orders.
        self.steps_per_epoch = len(examples) // settings.batch_size
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return self.steps_per_epoch * self.settings.epochs

    def __getitem__(self, step: int) -> Batch:
        examples = self._examples_of(step)
        views = [
            train_view(
                self.corpus.image_bytes(int(example)),
                self.settings.image_size,
                self.settings.view,
                self._random(_VIEW, step, int(example)),
            )
            for example in examples
        ]
        # Colours are drawn for the global batch and shared out, so that the number of processes changes nothing.
        colours = draw_colours(self.settings.batch_size, self.settings.view.jitter, self._random(_COLOUR, step))
        return Batch(
            images_BCHW=stack(views),
            examples_B=torch.from_numpy(examples),
            colours_B3=None if colours is None else colours[self.rank :: self.world],
            tags=self._tags(examples) if "tags" in self.needs else None,
            masked=self._masks(step, examples) if "masked" in self.needs else None,
        )

    def _random(self, stream: int, *counters: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.settings.seed, stream, *counters])))

    def _examples_of(self, step: int) -> NDArray[np.int64]:
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, self._random(_ORDER, epoch).permutation(self.examples))
        size = self.settings.batch_size
        whole = self._order[1][place * size : (place + 1) * size]
        return whole[self.rank :: self.world]

    def _tags(self, examples: NDArray[np.int64]) -> Tags:
        assert self.labels is not None, "an objective that needs tags is given a concept set"
        rows = self.labels[examples]
        image = np.repeat(np.arange(len(examples)), np.diff(rows.indptr))
        return Tags(
            torch.from_numpy(image.astype(np.int64)),
            torch.from_numpy(rows.indices.astype(np.int64)),
            torch.from_numpy(rows.data.astype(np.float32)),
        )

    def _masks(self, step: int, examples: NDArray[np.int64]) -> MaskedWords:
        assert self.masked is not None, "an objective that needs masked words is given masked captions"
        drawn = []
        for example in examples:
            rows = self.masked.of_example(int(example))
            random = self._random(_MASKS, step, int(example))
            drawn.append(rows[draw_masks(self.masked.caption_M[rows], self.settings.masks_per_image, random)])
        return gather_masks(self.masked, drawn, self.settings.masks_per_image)
