"""What joins rooms of one floor: from settings and a corpus to training data, from a run to what evaluation asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.concepts import CONCEPT_SETS, ConceptSet
from wordsight.concepts.applied import places_of
from wordsight.concepts.cached import concept_set_for
from wordsight.corpus import Corpus
from wordsight.corpus.derived import kept_place
from wordsight.errors import InputError, unknown

# torch, lightning and transformers take seconds to import; each function imports what it needs.
if TYPE_CHECKING:
    from wordsight.evaluation import CaptionedSplit, CorpusSplit, Protocol, Subject
    from wordsight.language.features import MaskedCaptions
    from wordsight.language.model import LanguageModel
    from wordsight.training.data import TrainingData
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
    from wordsight.training.data import TrainingData

    split = split or corpus.default_split("train")
    needs = objective_kind(settings.objective).build.needs
    # What looks at images alone takes corpora without captions, whatever concepts its recipe names.
    concepts = _concepts(settings, corpus, split) if needs else {}
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
        from wordsight.language.text_baseline import train_text_baseline

        text_head = dict(train_text_baseline(masked, language).state_dict())
    return TrainingData(corpus, split, concepts, language, masked, text_head)


def corpus_question(
    run: Run, subject: Subject, corpus: Corpus, split: str | None, protocols: Sequence[Protocol]
) -> CorpusSplit:
    """A split as the protocols ask about it: its captions are masked only where one of them asks for masked words.

    Args:
        run: The run.
        subject: The run as evaluation sees it, heads included.
        corpus: The images and their texts.
        split: The split; ``test`` where there are splits, else all.
        protocols: The protocols.

    Raises:
        InputError: As :func:`captioned_split`, where masked words are asked for.
    """
    from wordsight.evaluation import METHODS, CaptionedSplit, CorpusSplit

    if any(issubclass(METHODS[protocol.method].asks, CaptionedSplit) for protocol in protocols):
        return captioned_split(run, subject, corpus, split)
    return CorpusSplit(corpus, split or corpus.default_split("test"))


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
            mend="evaluate it with --protocol tags, or with --task and --protocol logistic",
        )
    concepts = run.maskable_set()
    masked = masked_captions(
        corpus,
        places_of(concepts, corpus),
        subject.language,
        corpus.indices(split),
        cache=kept_place(corpus, "features"),
        limit_gb=run.settings.feature_cache_gb,
        also=corpus.path / "features",
    )
    train = _learned_captions(run, concepts, subject.language)
    return CaptionedSplit(corpus, split, masked, concepts.names, train=train, parts=concepts.parts)


def _learned_captions(run: Run, concepts: ConceptSet, language: LanguageModel) -> MaskedCaptions | None:
    """The masked captions that a run learned from, made again where they were removed; None without its corpus."""
    from wordsight.language.features import masked_captions

    if (kept := run.masked_captions()) is not None:
        return kept
    try:
        corpus = run.corpus()
    except InputError:
        return None
    return masked_captions(
        corpus,
        places_of(concepts, corpus),
        language,
        corpus.indices(run.info.split),
        cache=kept_place(corpus, "features"),
        limit_gb=run.settings.feature_cache_gb,
        also=corpus.path / "features",
    )


def _concepts(settings: PretrainSettings, corpus: Corpus, split: str) -> dict[str, ConceptSet]:
    """The concept sets that the settings name, each under its name: a folder's, or built to order."""
    given = settings.concepts
    if isinstance(given, str):
        found = _opened(given, corpus)
        return {found.kind: found}
    if "kind" in given:
        return {str(given["kind"]): _built(given, corpus, split, "concepts")}
    return {name: _one_of_several(name, wanted, corpus, split) for name, wanted in given.items()}


def _one_of_several(name: str, wanted: object, corpus: Corpus, split: str) -> ConceptSet:
    if not name or "." in name:
        # Its head is called so, and torch parts the names of modules at dots.
        raise InputError(f"a concept set is called {name!r}", where="concepts", expected="a name without a dot")
    if isinstance(wanted, str):
        return _opened(wanted, corpus)
    if isinstance(wanted, Mapping) and "kind" in wanted:
        return _built(wanted, corpus, split, f"concepts.{name}")
    raise InputError(
        f"found {name}: {wanted!r}",
        where="concepts",
        expected="{kind: postag, size: 1000}, a folder, or several such by name: {nouns: {kind: ...}, topics: {...}}",
    )


def _opened(folder: str, corpus: Corpus) -> ConceptSet:
    if folder in CONCEPT_SETS and not Path(folder).exists():
        raise InputError(
            f"{folder} is a kind of concept set, and no folder of that name is here",
            where="--concepts",
            expected="the folder of a concept set",
            mend=f"to build one for this run: --concepts.kind {folder}",
        )
    found = ConceptSet.open(folder)
    found.check_corpus(corpus)
    return found


def _built(wanted: Mapping[str, Any], corpus: Corpus, split: str, setting: str) -> ConceptSet:
    values = dict(wanted)
    kind = str(values.pop("kind"))
    try:
        return concept_set_for(corpus, kind, values, split)
    except InputError as error:
        if kind not in CONCEPT_SETS:
            raise unknown("concept set", kind, CONCEPT_SETS, where=f"--{setting}.kind") from error
        raise _as_run_flags(error, kind, setting) from error


def _as_run_flags(error: InputError, kind: str, setting: str) -> InputError:
    """An error of a concept set with the flags that change the set within a run: --concepts.size for its --size."""
    names = "|".join(field.name.replace("_", "-") for field in fields(CONCEPT_SETS[kind].settings))

    def told(text: str | None) -> str | None:
        return None if text is None else re.sub(rf"--(?=(?:{names})\b(?!-))", f"--{setting}.", text)

    where = None if error.where is None else told(str(error.where))
    return InputError(told(error.what) or "", where=where, expected=told(error.expected), mend=told(error.mend))
