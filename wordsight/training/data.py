"""What a run is trained on, and what follows from it: examples, steps, and what objective and run folder must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.batching.fields import Field, fields_concepts, fields_language, open_fields
from wordsight.batching.fields.tags import TagsField, TagsNeed
from wordsight.batching.needs import Needs
from wordsight.batching.sources import Sources
from wordsight.batching.steps import Steps, StepSettings
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.store import Corpus
from wordsight.environment import environment
from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.objectives import Facts, objective_kind, objective_needs, objective_settings
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run_info import RunConcepts, RunInfo


@dataclass(frozen=True)
class TrainingData:
    """What a run is trained on.

    Args:
        corpus: The images and their texts.
        split: The split to train on; ``all`` for a corpus without splits.
        fields: The fields of a batch that the objective needs, by name; none for objectives on images alone.
    """

    corpus: Corpus
    split: str
    fields: Mapping[str, Field[Any, Any]] = field(default_factory=dict)

    @property
    def concepts(self) -> dict[str, ConceptSet]:
        """The concept sets that fields read, by name."""
        return fields_concepts(self.fields)

    @property
    def language(self) -> LanguageModel | None:
        """The language model that a field reads."""
        return fields_language(self.fields)


def training_data(settings: PretrainSettings, corpus: Corpus, split: str | None = None) -> TrainingData:
    """What a run with these settings is trained on; what fields read is computed where it is not kept yet.

    Args:
        settings: The run's settings.
        corpus: The corpus.
        split: The split to train on; ``train`` where there are splits, else all.

    Raises:
        InputError: When the corpus or the settings do not give what the objective needs.
    """
    sources = Sources(corpus, split or corpus.default_split("train"), settings)
    fields = open_fields(objective_needs(settings.objective, settings.objective_settings), sources)
    if settings.sampling == "concepts" and not fields_concepts(fields) and fields:
        # The objective reads no concepts; images are drawn by them all the same.
        fields["tags"] = TagsField.open(TagsNeed(), sources)
    return TrainingData(corpus, sources.split, fields)


def examples_of(data: TrainingData, needs: Needs) -> NDArray[np.int64]:
    """The split's examples that an objective can learn from.

    Args:
        data: What is trained on.
        needs: What the objective needs.

    Raises:
        InputError: When there are none, or a concept set is of another corpus.
    """
    for name, concepts in data.concepts.items():
        concepts.check_corpus(data.corpus)
        if concepts.path is None:
            raise InputError("the concept set is in no folder yet", where=name, mend="save it, then open it")
    indices = data.corpus.indices(data.split)
    usable = {name: data.fields[name].usable(indices) for name in needs.fields}
    combined = np.all if needs.usable == "all" else np.any
    use = combined(list(usable.values()), axis=0) if usable else np.ones(len(indices), dtype=bool)
    if not use.any():
        found = next((data.fields[name].none_usable for name, some in usable.items() if not some.any()), None)
        raise InputError(found or "this split holds no example that can be used", where=data.corpus.path)
    return np.asarray(indices[use])


def check_sampling(settings: PretrainSettings, data: TrainingData, examples: NDArray[np.int64]) -> None:
    """Check that images can be drawn as the settings say.

    Args:
        settings: The run's settings.
        data: What is trained on.
        examples: The examples to train on.

    Raises:
        InputError: When they are to be drawn by concepts, and the first set has no labels to draw by.
    """
    if settings.sampling != "concepts":
        return
    found = "there are no concepts to draw images by"
    for name, concepts in data.concepts.items():
        if concepts.target == "labels" and np.diff(concepts.matrix.indptr)[examples].any():
            return
        found = f"the concept set {name!r}, the first, holds {concepts.target}"
        found += "" if concepts.target != "labels" else " of other examples than these"
        break
    raise InputError(
        found,
        where="sampling: concepts",
        expected="a first concept set with labels",
        mend="give one, or sampling: images",
    )


def check_learnable(settings: PretrainSettings, data: TrainingData, examples: NDArray[np.int64]) -> None:
    """Check that the objective can learn from the data.

    Args:
        settings: The run's settings.
        data: What is trained on.
        examples: The examples to train on.

    Raises:
        InputError: When it cannot.
    """
    kind, values = objective_kind(settings.objective), settings.objective_settings
    own = objective_settings(settings.objective, values)
    kind.build.check_data(own, data.fields, examples, settings.batch_size)


def facts_of(data: TrainingData, needs: Needs, images: int) -> Facts:
    """What an objective has to know of the data.

    Args:
        data: What is trained on.
        needs: What the objective needs.
        images: How many images of it.
    """
    return Facts({name: data.fields[name].facts() for name in needs.fields}, images)


def steps_of(
    settings: PretrainSettings, data: TrainingData, examples: NDArray[np.int64], needs: Needs, rank: int, world: int
) -> Steps:
    """All steps of a run.

    Args:
        settings: The run's settings.
        data: What is trained on.
        examples: Those to train on.
        needs: What the objective needs.
        rank: Number of this process.
        world: Number of processes.
    """
    first = next(iter(data.concepts.values()), None)
    return Steps(
        data.corpus,
        examples,
        StepSettings(
            image_size=settings.image_size,
            view=settings.view,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            seed=settings.seed,
            sampling=settings.sampling,
            views=needs.views,
        ),
        fields={name: data.fields[name] for name in needs.fields},
        concepts=None if first is None else scipy.sparse.csr_matrix(first.matrix),
        rank=rank,
        world=world,
    )


def info_of(data: TrainingData, examples: int, steps: int) -> RunInfo:
    """What the run folder keeps of the data.

    Args:
        data: What is trained on.
        examples: How many images of it.
        steps: Steps in all.
    """
    return RunInfo(
        corpus=str(data.corpus.path.resolve()),
        corpus_fingerprint=data.corpus.fingerprint,
        split=data.split,
        examples=examples,
        concepts={
            name: RunConcepts(
                folder=str(found.path.resolve() if found.path else ""),
                fingerprint=found.fingerprint,
                count=len(found),
                target=found.target,
                unseen=int((found.matrix[data.corpus.indices(data.split)].getnnz(axis=0) == 0).sum()),
            )
            for name, found in data.concepts.items()
        },
        language=None if data.language is None else data.language.name,
        fields={name: record for name, found in data.fields.items() if (record := found.record())},
        environment=environment(),
        steps=steps,
        language_fingerprint="" if data.language is None else data.language.fingerprint,
    )
