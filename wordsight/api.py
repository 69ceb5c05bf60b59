"""The verbs as typed functions: what `import wordsight` offers, and all that the command line calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from wordsight.concepts import CONCEPT_SETS, ConceptSet
from wordsight.concepts.cached import concept_set_for
from wordsight.corpus import READERS, BuildSettings, Corpus, Reader
from wordsight.corpus.build import build_corpus as _build_corpus
from wordsight.corpus.show import CorpusSummary, describe, rejects
from wordsight.atomic import refuse_existing
from wordsight.errors import InputError, unknown
from wordsight.language.features import MaskedCaptions, masked_captions
from wordsight.language.model import LanguageModel, load_language_model
from wordsight.objectives import objective_kind, objective_settings
from wordsight.recipes import read_values, recipe_file, recipe_names
from wordsight.settings import from_mapping
from wordsight.training.pretrain import TrainingData, train
from wordsight.training.run import Run, new_backbone
from wordsight.training.settings import PretrainSettings
from wordsight.vision.backbones import Backbone

__all__ = [
    "CONCEPT_SETS",
    "READERS",
    "BuildSettings",
    "CorpusSummary",
    "PretrainSettings",
    "build_concepts",
    "build_corpus",
    "describe",
    "load_backbone",
    "open_corpus",
    "open_run",
    "pretrain",
    "recipe_names",
    "rejects",
]


def build_corpus(
    reader: Reader, *, out: Path | str, settings: BuildSettings = BuildSettings(), overwrite: bool = False
) -> Corpus:
    """Read captioned or labelled images, check them, and pack them into a corpus folder.

    Args:
        reader: Where they come from: one of `READERS` with its arguments.
        out: The folder to make.
        settings: Sizes, rules and limits.
        overwrite: Whether a corpus that is there already is replaced.

    Raises:
        InputError: When ``out`` exists, the source can't be read, too many examples are bad, or the disk is full.
    """
    return _build_corpus(reader, Path(out), settings, overwrite)


def open_corpus(corpus: Corpus | Path | str) -> Corpus:
    """A corpus by its folder.

    Raises:
        InputError: When the folder holds no corpus.
    """
    return corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)


def open_run(run: Run | Path | str) -> Run:
    """A run by its folder.

    Raises:
        InputError: When the folder holds no run.
    """
    return run if isinstance(run, Run) else Run.open(run)


def build_concepts(
    kind: str,
    settings: Mapping[str, Any] | Any = {},
    *,
    corpus: Corpus | Path | str,
    out: Path | str,
    split: str | None = None,
    overwrite: bool = False,
) -> ConceptSet:
    """Turn the captions of a corpus into a concept set.

    Args:
        kind: One of `CONCEPT_SETS`.
        settings: Its settings, as its dataclass or by name; what is not given has its default.
        corpus: The corpus, or its folder.
        out: The folder to make.
        split: The split that it is learned from; ``train`` where there are splits.
        overwrite: Whether a concept set that is there already is replaced.

    Raises:
        InputError: When the kind or a setting is unknown, ``out`` exists, or the captions hold too few concepts.
    """
    if kind not in CONCEPT_SETS:
        raise unknown("concept set", kind, CONCEPT_SETS)
    made = CONCEPT_SETS[kind]
    corpus = open_corpus(corpus)
    resolved = from_mapping(made.settings, settings, kind) if isinstance(settings, Mapping) else settings
    concepts = made.build(corpus, resolved, split or corpus.default_split("train"))
    concepts.save(Path(out), overwrite=overwrite)
    return ConceptSet.open(out)


def pretrain(
    recipe: PretrainSettings | Path | str,
    *,
    corpus: Corpus | Path | str,
    out: Path | str,
    split: str | None = None,
    resume: bool = False,
    **changes: Any,
) -> Run:
    """Train a backbone on a corpus.

    Args:
        recipe: A recipe's name, a YAML file of settings, or settings.
        corpus: The corpus, or its folder.
        out: The run folder to make.
        split: The split to train on; ``train`` where there are splits, else all.
        resume: Go on from the checkpoint in ``out``, to the same numbers as if it had never stopped.
        changes: Settings that go before the recipe's, by name (``epochs=5``).

    Returns:
        The finished run.

    Raises:
        InputError: When a name is unknown, ``out`` exists, or the corpus holds nothing to learn from.
        KeyboardInterrupt: When the person stopped it; a checkpoint is written first.
    """
    settings, out = recipe_settings(recipe, **changes), Path(out)
    if not (resume and (out / "config.yaml").is_file()):
        refuse_existing(out)
    check_names(settings)
    return train(settings, training_data(settings, open_corpus(corpus), split), out, resume=resume)


def check_names(settings: PretrainSettings) -> None:
    """Fail at the door: what a recipe names must exist before minutes are spent on its concepts and features.

    Raises:
        InputError: When the objective, one of its settings or the backbone is unknown.
    """
    objective_settings(settings.objective, settings.objective_settings)
    new_backbone(settings, pretrained=False)


def recipe_settings(recipe: PretrainSettings | Path | str, **changes: Any) -> PretrainSettings:
    """The settings of a recipe.

    Args:
        recipe: A recipe's name, a YAML file of settings, or settings.
        changes: Settings that go before the recipe's, by name; of nested ones, those given alone are changed.
    """
    if isinstance(recipe, PretrainSettings):
        return from_mapping(PretrainSettings, _merged(asdict(recipe), changes), "settings")
    file = recipe_file(recipe)
    return from_mapping(PretrainSettings, _merged(read_values(file), changes), str(file))


def training_data(settings: PretrainSettings, corpus: Corpus, split: str | None = None) -> TrainingData:
    """What a run with these settings is trained on: concepts and token features, computed where they are not kept yet.

    Args:
        settings: The run's settings.
        corpus: The corpus.
        split: The split to train on; ``train`` where there are splits, else all.
    """
    split = split or corpus.default_split("train")
    concepts = _concepts(settings, corpus, split)
    if "masked" not in objective_kind(settings.objective).build.needs:  # type: ignore[attr-defined]
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
    return TrainingData(corpus, split, concepts, language, masked)


def load_backbone(run: Run | Path | str, weights: Literal["trained", "random"] = "trained") -> Backbone:
    """The backbone of a run: images in, a grid of features out.

    Args:
        run: The run, or its folder.
        weights: ``trained``, or ``random`` for the same network before training.
    """
    return open_run(run).backbone(weights)


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


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with changes; a mapping within is changed key by key."""
    merged = dict(values)
    for name, change in changes.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(change, Mapping)
        merged[name] = _merged(before, change) if both else change  # type: ignore[arg-type]
    return merged
