"""The training set as a list of steps: the batch of a step is a function of the seed and the step's number alone.

Nothing is carried from one step to the next, so a run resumes at any step with the same batches whatever the number of
loader processes, and processes that train together take their shares of the same global batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from wordsight.batching.batch import Batch, Field, MaskedWords, Tags
from wordsight.batching.masks import draw_masks, gather_masks
from wordsight.batching.sampling import (
    COLOUR,
    MASKS,
    TAG,
    VIEW,
    CandidateSampler,
    ConceptSampler,
    Drawn,
    ImageSampler,
    Sampler,
    stream,
)
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
from wordsight.language.features import MaskedCaptions
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
        masks_per_image: Masked words an image, m.
        seed: The run's seed.
        sampling: ``images``, each once an epoch, or ``concepts``, uniform over those of the first concept set.
        negatives: The concept sets whose losses look at candidates alone, and how many of these are drawn besides the
            concepts of the step's images.
    """

    image_size: int
    view: ViewSettings
    batch_size: int
    epochs: int
    masks_per_image: int
    seed: int
    sampling: Sampling = "images"
    negatives: Mapping[str, int] = field(default_factory=dict)


class Steps(Dataset[Batch]):
    """All steps of a run, in order; item s is the batch of step s.

    Args:
        corpus: The captioned images.
        examples: The corpus's examples to train on.
        settings: How steps are made.
        needs: The fields that the objective declares.
        labels: Concepts of every example of the corpus, [len(corpus), K], by the concept set's name; for ``tags``.
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
        labels: Mapping[str, scipy.sparse.csr_matrix] | None = None,
        masked: MaskedCaptions | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(examples) < settings.batch_size:
            raise InputError(
                f"{len(examples)} images to learn from are fewer than a batch of {settings.batch_size}",
                where=corpus.path,
                mend="give a smaller --batch-size or more images",
            )
        self.corpus, self.examples, self.settings = corpus, examples, settings
        self.needs, self.labels, self.masked = frozenset(needs), dict(labels or {}), masked
        self.rank, self.world = rank, world
        self.sampler = self._sampler()
        self.steps_per_epoch = self.sampler.steps_per_epoch
        self._candidates = {
            name: CandidateSampler(matrix, self.sampler, settings.negatives[name], number)
            for number, (name, matrix) in enumerate(self.labels.items())
            if name in settings.negatives
        }

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
                self._random_of(VIEW, step, int(example), int(copy)),
            )
            for example, copy in zip(mine.examples_B, mine.copies_B, strict=True)
        ]
        # Colours are drawn for the global batch and shared out, so that the number of processes changes nothing.
        random = stream(self.settings.seed, COLOUR, step)
        colours = draw_colours(self.settings.batch_size, self.settings.view.jitter, random)
        return Batch(
            images_BCHW=stack(views),
            examples_B=torch.from_numpy(mine.examples_B),
            colours_B3=None if colours is None else colours[self.rank :: self.world],
            tags=self._tags(step, whole, mine) if "tags" in self.needs else None,
            masked=self._masks(step, mine) if "masked" in self.needs else None,
        )

    def _sampler(self) -> Sampler:
        size, seed = self.settings.batch_size, self.settings.seed
        if self.settings.sampling == "images":
            return ImageSampler(self.examples, size, seed)
        assert self.labels, "images are drawn by the concepts of a set"
        return ConceptSampler(self.examples, size, seed, next(iter(self.labels.values())))

    def _random_of(self, kind: int, step: int, example: int, copy: int) -> np.random.Generator:
        """Chance for an example of a step; an example that is in it again is given another."""
        return stream(self.settings.seed, kind, step, example, *([copy] if copy else []))

    def _tags(self, step: int, whole: Drawn, mine: Drawn) -> dict[str, Tags]:
        assert self.labels, "an objective that needs tags is given concept sets"
        # One number an image, so that what is drawn does not depend on who shares the batch.
        pairs = zip(mine.examples_B, mine.copies_B, strict=True)
        places = np.array([self._random_of(TAG, step, int(example), int(copy)).random() for example, copy in pairs])
        tags = {name: tags_of(matrix[mine.examples_B], places) for name, matrix in self.labels.items()}
        if mine.concepts_B is not None:
            first = next(iter(tags))
            tags[first] = replace(tags[first], drawn_B=torch.from_numpy(mine.concepts_B))
        for name, candidates in self._candidates.items():
            numbers, log_chances = candidates.draw(step, whole.examples_B)
            tags[name] = replace(
                tags[name], candidates_C=torch.from_numpy(numbers), log_chance_C=torch.from_numpy(log_chances)
            )
        return tags

    def _masks(self, step: int, mine: Drawn) -> MaskedWords:
        assert self.masked is not None, "an objective that needs masked words is given masked captions"
        drawn = []
        for example, copy in zip(mine.examples_B, mine.copies_B, strict=True):
            rows = self.masked.of_example(int(example))
            random = self._random_of(MASKS, step, int(example), int(copy))
            drawn.append(rows[draw_masks(self.masked.caption_M[rows], self.settings.masks_per_image, random)])
        return gather_masks(self.masked, drawn, self.settings.masks_per_image)


def tags_of(rows: scipy.sparse.csr_matrix, places_B: NDArray[np.float64]) -> Tags:
    """The concepts of a batch's images as pairs, and one drawn evenly for each image.

    Args:
        rows: Rows of the concept set's matrix, [B, K].
        places_B: A number in [0, 1) for each image, which of its concepts to draw.
    """
    counts_B = np.diff(rows.indptr)
    drawn_B = np.full(len(counts_B), -1, dtype=np.int64)
    some = counts_B > 0
    drawn_B[some] = rows.indices[(rows.indptr[:-1] + (places_B * counts_B).astype(np.int64))[some]]
    return Tags(
        torch.from_numpy(np.repeat(np.arange(len(counts_B)), counts_B)),
        torch.from_numpy(rows.indices.astype(np.int64)),
        torch.from_numpy(rows.data.astype(np.float32)),
        torch.from_numpy(drawn_B),
    )
