"""What joins rooms of one floor: from settings and a corpus to training data, from a run to what evaluation asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from wordsight.concepts import ConceptSet, Occurrences
from wordsight.concepts.cached import concept_set_for
from wordsight.concepts.words import PARTS, words_of
from wordsight.corpus import Corpus
from wordsight.errors import InputError

# torch, lightning and transformers take seconds to import; each function imports what it needs.
if TYPE_CHECKING:
    from wordsight.evaluation import CaptionedSplit, Subject
    from wordsight.training.pretrain import TrainingData
    from wordsight.training.run import Run
    from wordsight.training.settings import PretrainSettings


def training_data(settings: PretrainSettings, corpus: Corpus, split: str | None = None) -> TrainingData:
    """What a run with these settings is trained on: concepts and token features, computed where they are not kept yet.

    Args:
        settings: The run's settings.
        corpus: The corpus.
        split: The split to train on; ``train`` where there are splits, else all.
    """
    from wordsight.language.features import masked_captions
    from wordsight.language.model import load_language_model
    from wordsight.objectives import objective_kind
    from wordsight.training.pretrain import TrainingData

    split = split or corpus.default_split("train")
    concepts = _concepts(settings, corpus, split)
    if "masked" not in objective_kind(settings.objective).build.needs:
        return TrainingData(corpus, split, concepts)
    if concepts.occurrences is None:
        raise InputError(
            f"the objective {settings.objective!r} masks words, and the concepts ({concepts.kind}) are none",
            where="--concepts",
            expected="a concept set of words, such as {kind: postag, size: 1000}",
        )
    language = load_language_model(settings.language)
    masked = masked_captions(
        corpus,
        concepts.occurrences,
        language,
        corpus.indices(split),
        cache=corpus.path / "features",
        limit_gb=settings.feature_cache_gb,
    )
    text_head = None
    if settings.objective_settings.get("text_prior"):
        from wordsight.language.text_baseline import train_text_baseline

        text_head = dict(train_text_baseline(masked, language).state_dict())
    return TrainingData(corpus, split, concepts, language, masked, text_head)


def captioned_split(run: Run, subject: Subject, corpus: Corpus, split: str | None = None) -> CaptionedSplit:
    """The masked captions of a split, with those that the run learned from for its baselines.

    Args:
        run: The run; its concepts are what is masked.
        subject: The run as evaluation sees it, heads included.
        corpus: The captioned images.
        split: The split; ``test`` where there are splits, else all.

    Raises:
        InputError: When the run's objective masks no words, or none of them stands in these captions.
    """
    from wordsight.evaluation import CaptionedSplit
    from wordsight.language.features import masked_captions

    split = split or corpus.default_split("test")
    if subject.language is None:
        raise InputError(
            f"the objective {run.settings.objective!r} predicts no masked words",
            where=run.path,
            mend="evaluate it with --task and --protocol logistic",
        )
    concepts = run.concept_set()
    masked = masked_captions(
        corpus,
        _where_concepts_stand(concepts, corpus),
        subject.language,
        corpus.indices(split),
        cache=corpus.path / "features",
        limit_gb=run.settings.feature_cache_gb,
    )
    return CaptionedSplit(corpus, split, masked, concepts.names, train=run.masked_captions())


def subject_of(run: Run, device: Literal["auto", "cpu", "cuda"], *, heads: bool) -> Subject:
    """A run as evaluation sees it.

    Args:
        run: The run.
        device: Where to compute.
        heads: Whether its heads and language model are asked too.

    Raises:
        InputError: When the device is not at hand, or the run has no weights yet.
    """
    import torch

    from wordsight.evaluation import Subject

    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is at hand", where="--device cuda", mend="give --device cpu or auto")
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    language = run.language_model() if heads else None
    return Subject(
        name=run.name,
        backbone=run.backbone(),
        random_backbone=lambda: run.backbone("random"),
        image_size=run.settings.image_size,
        results_folder=run.results_folder,
        objective=run.objective(language) if language is not None else None,
        language=language,
        device=torch.device(chosen),
        trained_on=run.info.corpus_fingerprint,
        trained_split=run.info.split,
    )


def _where_concepts_stand(concepts: ConceptSet, corpus: Corpus) -> Occurrences:
    """Where the concepts stand in the captions of a corpus, also in one that they were not built from."""
    if corpus.fingerprint == concepts.corpus_fingerprint and concepts.occurrences is not None:
        return concepts.occurrences
    words = words_of(corpus)
    numbers = {name: number for number, name in enumerate(concepts.names)}
    number = np.array([numbers.get(name, -1) for name in words.names], dtype=np.int32)[words.word]
    parts = [PARTS.index(part) for part in set(concepts.parts or PARTS)]
    kept = (number >= 0) & np.isin(words.part, parts)
    if not kept.any():
        raise InputError("no concept of the run stands in these captions", where=corpus.path)
    return Occurrences(
        words.example[kept], words.caption[kept], words.start[kept], words.end[kept], concept=number[kept]
    )


def _concepts(settings: PretrainSettings, corpus: Corpus, split: str) -> ConceptSet:
    """The concept set that the settings name: a folder's, or one built to order."""
    if isinstance(settings.concepts, str):
        concepts = ConceptSet.open(settings.concepts)
        concepts.check_corpus(corpus)
        return concepts
    wanted = dict(settings.concepts)
    kind = wanted.pop("kind", None)
    if kind is None:
        raise InputError("no kind is named", where="concepts", expected="for example {kind: postag, size: 1000}")
    return concept_set_for(corpus, str(kind), wanted, split)
