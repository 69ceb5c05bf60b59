"""What a run is trained on, and what follows from it: examples, steps, and what objective and run folder must know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray

from wordsight.batching.batch import Field
from wordsight.batching.steps import Steps, StepSettings
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.named import named_concepts
from wordsight.corpus.derived import kept_place
from wordsight.corpus.store import Corpus
from wordsight.environment import environment
from wordsight.errors import InputError
from wordsight.language.features import MaskedCaptions, masked_captions
from wordsight.language.model import LanguageModel, load_language_model
from wordsight.language.text_baseline import train_text_baseline
from wordsight.objectives import ConceptFacts, Facts, objective_kind, objective_settings
from wordsight.objectives.tag_heads import TagSettings
from wordsight.objectives.tag_losses import TAG_LOSSES
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run_info import RunConcepts, RunInfo


@dataclass(frozen=True)
class TrainingData:
    """What a run is trained on.

    Args:
        corpus: The captioned images.
        split: The split to train on; ``all`` for a corpus without splits.
        concepts: The concept sets, by name; none for objectives that look at images alone.
        language: The language model, for objectives that read words.
        masked: Masked captions with their token features, for objectives on masked words.
        text_head: A token classifier trained on these captions alone, for objectives with a text prior.
    """

    corpus: Corpus
    split: str
    concepts: Mapping[str, ConceptSet] = field(default_factory=dict)
    language: LanguageModel | None = None
    masked: MaskedCaptions | None = None
    text_head: dict[str, torch.Tensor] | None = None


def training_data(settings: PretrainSettings, corpus: Corpus, split: str | None = None) -> TrainingData:
    """What a run with these settings is trained on: concepts and token features, computed where they are not kept yet.

    Args:
        settings: The run's settings.
        corpus: The corpus.
        split: The split to train on; ``train`` where there are splits, else all.
    """
    split = split or corpus.default_split("train")
    needs = objective_kind(settings.objective).build.needs
    # What looks at images alone takes corpora without captions, whatever concepts its recipe names.
    concepts = named_concepts(settings.concepts, corpus, split) if needs else {}
    if "masked" not in needs:
        return TrainingData(corpus, split, concepts)
    occurrences = next((found.occurrences for found in concepts.values() if found.occurrences is not None), None)
    if occurrences is None:
        kinds = ", ".join(found.kind for found in concepts.values()) or "none given"
        raise InputError(
            f"the objective {settings.objective!r} masks words, and the concepts ({kinds}) are none",
            where="--concepts",
            expected="a concept set of words, such as {kind: postag, size: 1000}",
        )
    language = load_language_model(settings.language)
    masked = masked_captions(
        corpus,
        occurrences,
        language,
        corpus.indices(split),
        cache=kept_place(corpus, "features"),
        limit_gb=settings.feature_cache_gb,
        also=corpus.path / "features",
    )
    text_head = None
    if settings.objective_settings.get("text_prior"):
        text_head = dict(train_text_baseline(masked, language).state_dict())
    return TrainingData(corpus, split, concepts, language, masked, text_head)


def examples_of(data: TrainingData, needs: Collection[str]) -> NDArray[np.int64]:
    """The split's examples that an objective can learn from: with a concept of any set, and with a masked word.

    Args:
        data: What is trained on.
        needs: The fields that the objective declares.

    Raises:
        InputError: When there are none, or a concept set is of another corpus or holds no words that could be masked.
    """
    indices = data.corpus.indices(data.split)
    use = np.ones(len(indices), dtype=bool)
    for name, concepts in data.concepts.items():
        concepts.check_corpus(data.corpus)
        if concepts.path is None:
            raise InputError("the concept set is in no folder yet", where=name, mend="save it, then open it")
    if "tags" in needs:
        held = [np.diff(concepts.matrix.indptr)[indices] > 0 for concepts in data.concepts.values()]
        use &= np.any(held, axis=0) if held else False
    if "masked" in needs:
        if data.masked is None:
            raise InputError(
                "the concepts have no words that could be masked",
                where="concepts",
                expected="a concept set of words, such as postag",
            )
        use &= np.diff(data.masked.example_offsets)[indices] > 0
    if not use.any():
        found = "no example of this split holds a concept" if "tags" in needs else "this split holds no example"
        raise InputError(found, where=data.corpus.path)
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


def facts_of(data: TrainingData, images: int) -> Facts:
    """What an objective has to know of the data.

    Args:
        data: What is trained on.
        images: How many images of it.
    """
    return Facts(
        concepts={name: ConceptFacts(len(found), found.target) for name, found in data.concepts.items()},
        vectors_VD=None if data.language is None else data.language.vocabulary_matrix(),
        maskable=None if data.masked is None else torch.from_numpy(np.unique(data.masked.target_M).astype(np.int64)),
        classifier=None if data.language is None else data.language.token_classifier_weights(),
        text_head=data.text_head,
        images=images,
    )


def steps_of(
    settings: PretrainSettings,
    data: TrainingData,
    examples: NDArray[np.int64],
    needs: Collection[Field],
    rank: int,
    world: int,
) -> Steps:
    """All steps of a run.

    Args:
        settings: The run's settings.
        data: What is trained on.
        examples: Those to train on.
        needs: The fields that the objective declares.
        rank: Number of this process.
        world: Number of processes.
    """
    return Steps(
        data.corpus,
        examples,
        StepSettings(
            image_size=settings.image_size,
            view=settings.view,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            masks_per_image=settings.masks_per_image,
            seed=settings.seed,
            sampling=settings.sampling,
            negatives=_negatives(settings, data),
        ),
        needs=needs,
        labels={name: scipy.sparse.csr_matrix(found.matrix) for name, found in data.concepts.items()},
        masked=data.masked,
        rank=rank,
        world=world,
    )


def _negatives(settings: PretrainSettings, data: TrainingData) -> dict[str, int]:
    """The concept sets whose losses look at candidates alone, and how many of these are drawn from all."""
    values = objective_settings(settings.objective, settings.objective_settings)
    if not isinstance(values, TagSettings):
        return {}
    return {name: values.negatives for name in data.concepts if TAG_LOSSES[values.loss_of(name)].sampled}


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
        masked=None if data.masked is None else str(data.masked.path.resolve()),
        environment=environment(),
        steps=steps,
        language_fingerprint="" if data.language is None else data.language.fingerprint,
    )
