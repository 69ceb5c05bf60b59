"""A split of a corpus as protocols evaluate it: its captions masked where one of them hides words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wordsight.api.run_model import usual_protocol
from wordsight.concepts import ConceptSet
from wordsight.concepts.apply import places_of
from wordsight.corpus import Corpus
from wordsight.corpus.derived import kept_place
from wordsight.errors import InputError, NoAnswerError, setting

# torch, lightning and transformers take seconds to import; each function imports what it needs.
if TYPE_CHECKING:
    from wordsight.evaluation import CaptionedSplit, CorpusSplit, EvalProtocol, EvaluatedModel
    from wordsight.language.features import MaskedCaptions
    from wordsight.language.model import LanguageModel
    from wordsight.training.run import Run


def corpus_split(
    run: Run, model: EvaluatedModel, corpus: Corpus, split: str | None, protocols: Sequence[EvalProtocol]
) -> CorpusSplit:
    """A split as the protocols ask about it: its captions are masked only where one of them asks for masked words.

    Of a protocol that does so only where it can, such as ``pointing``, they are masked for runs that predict words.

    Args:
        run: The run.
        model: The run as evaluation sees it, heads included.
        corpus: The images and their texts.
        split: The split; ``test`` where there are splits, else all.
        protocols: The protocols.

    Raises:
        InputError: As :func:`captioned_split`, where masked words are asked for.
    """
    from wordsight.evaluation import METHODS, CaptionedSplit, CorpusSplit
    from wordsight.objectives import MaskedWordObjective, parts_of

    methods = [METHODS[protocol.method] for protocol in protocols]
    hides = any(method.hides for method in methods) and bool(parts_of(model.objective, MaskedWordObjective))
    if hides or any(issubclass(method.expects, CaptionedSplit) for method in methods):
        return captioned_split(run, model, corpus, split)
    return CorpusSplit(corpus, split or corpus.default_split("test"))


def captioned_split(run: Run, model: EvaluatedModel, corpus: Corpus, split: str | None = None) -> CaptionedSplit:
    """The masked captions of a split, with those that the run learned from for its baselines.

    Args:
        run: The run; its concepts are what is masked.
        model: The run as evaluation sees it, heads included.
        corpus: The captioned images.
        split: The split; ``test`` where there are splits, else all.

    Raises:
        NoAnswerError: When the run's objective masks no words.
        InputError: When none of them stands in these captions.
    """
    from wordsight.evaluation import CaptionedSplit
    from wordsight.objectives import MaskedWordObjective, parts_of

    split = split or corpus.default_split("test")
    if model.language is None or not parts_of(model.objective, MaskedWordObjective):
        usual = usual_protocol(run)
        raise NoAnswerError(
            f"the objective {run.settings.objective!r} predicts no masked words",
            where=run.path,
            mend=(
                *([f"evaluate it with {setting('protocol', usual)}"] if usual else []),
                f"with {setting('task')} and {setting('protocol', 'logistic')}",
            ),
        )
    concepts = run.maskable_set()
    masked = _masked(run, concepts, model.language, corpus, split)
    train = _learned_captions(run, concepts, model.language)
    return CaptionedSplit(corpus, split, masked, concepts.names, train=train, parts=concepts.parts)


def _learned_captions(run: Run, concepts: ConceptSet, language: LanguageModel) -> MaskedCaptions | None:
    """The masked captions that a run learned from, made again where they were removed; None without its corpus."""
    if (kept := run.masked_captions()) is not None:
        return kept
    try:
        corpus = run.corpus()
    except InputError:
        return None
    return _masked(run, concepts, language, corpus, run.info.split)


def _masked(run: Run, concepts: ConceptSet, language: LanguageModel, corpus: Corpus, split: str) -> MaskedCaptions:
    """The captions of a split with a run's words masked; what was computed before is opened again."""
    from wordsight.language.features import masked_captions

    return masked_captions(
        corpus,
        places_of(concepts, corpus),
        language,
        corpus.indices(split),
        cache=kept_place(corpus, "features"),
        limit_gb=run.settings.feature_cache_gb,
        also=corpus.path / "features",
    )
