"""The verbs about runs: train one, measure it, take its backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wordsight.api.corpora import open_corpus
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.joining import corpus_question, subject_of, training_data
from wordsight.recipes import merged, read_values, recipe_file
from wordsight.settings import from_mapping

# What computes with torch is imported by the verb that needs it: a look into a corpus should not wait for it.
if TYPE_CHECKING:
    from wordsight.evaluation import Result
    from wordsight.training.run import Run
    from wordsight.training.settings import PretrainSettings
    from wordsight.vision.backbones import Backbone


def open_run(run: Run | Path | str) -> Run:
    """A run by its folder.

    Raises:
        InputError: When the folder holds no run.
    """
    from wordsight.training.run import Run

    return run if isinstance(run, Run) else Run.open(run)


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
    from wordsight.training.pretrain import train
    from wordsight.training.run import claim

    settings, out = recipe_settings(recipe, **changes), Path(out)
    claim(out, resume=resume)
    check_names(settings)
    return train(settings, training_data(settings, open_corpus(corpus), split), out, resume=resume)


def check_names(settings: PretrainSettings) -> None:
    """Fail at the door: what a recipe names must exist before minutes are spent on its concepts and features.

    Raises:
        InputError: When the objective, one of its settings or the backbone is unknown.
    """
    from wordsight.objectives import objective_settings
    from wordsight.training.run import new_backbone

    objective_settings(settings.objective, settings.objective_settings)
    # A file of weights is at hand and quickly tried; published ones may have to be fetched.
    new_backbone(settings, fresh=not settings.weights)


def recipe_settings(recipe: PretrainSettings | Path | str, **changes: Any) -> PretrainSettings:
    """The settings of a recipe.

    Args:
        recipe: A recipe's name, a YAML file of settings, or settings.
        changes: Settings that go before the recipe's, by name; of nested ones, those given alone are changed.
    """
    from wordsight.training.settings import PretrainSettings

    if isinstance(recipe, PretrainSettings):
        return from_mapping(PretrainSettings, merged(asdict(recipe), changes), "settings")
    file = recipe_file(recipe)
    return from_mapping(PretrainSettings, merged(read_values(file), changes), str(file))


def evaluate(
    run: Run | Path | str,
    *,
    task: str | None = None,
    corpus: Corpus | Path | str | None = None,
    split: str | Sequence[str] | None = None,
    protocols: Sequence[str] = (),
    device: Literal["auto", "cpu", "cuda"] = "auto",
    image: str | None = None,
    label: str | None = None,
    images: Path | str | None = None,
) -> list[Result]:
    """Measure how good a run is, and write each result into its ``results/<task>/<protocol>.json``.

    Args:
        run: The run, or its folder.
        task: Labelled images for probes of the backbone: ``folder:DIR``, ``voc:DIR``, ``table:FILE`` or
            ``corpus:FOLDER``.
        corpus: Captioned images for what is asked of the heads: masked words, pointing, tags.
        split: The split of the corpus, or several, each with results of its own; ``test`` where there are splits, else
            all.
        protocols: Names of protocols; by default ``logistic`` for a task, and for a corpus ``masked-words``, or
            ``tags`` for a run that masks no words.
        device: Where to compute.
        image: Of a table, the column of image files.
        label: Of a table, the column of labels.
        images: Of a table, the folder that its image files are relative to.

    Raises:
        InputError: When neither or both of task and corpus are given, a name is unknown, or a protocol asks otherwise.
    """
    from wordsight.evaluation import CaptionedSplit, Question, Task, check_protocols, open_task
    from wordsight.evaluation import evaluate as measure

    run = open_run(run)
    if (task is None) == (corpus is None):
        raise InputError(
            "give either a task (labelled images) or a corpus (captioned images)",
            where="wordsight evaluate",
            expected="for example --task folder:imagenette, or --corpus corpora/flickr8k --protocol masked-words",
        )
    asked_of_heads = "tags" if run.info.language is None else "masked-words"
    protocols = list(protocols) or ["logistic" if task is not None else asked_of_heads]
    check_protocols(protocols, CaptionedSplit if task is None else Task)
    subject = subject_of(run, device, heads=task is None)
    questions: list[Question]
    if task is None:
        corpus = open_corpus(corpus or run.info.corpus)
        splits = _splits(corpus, split)
        questions = [corpus_question(run, subject, corpus, one, protocols) for one in splits]
    else:
        questions = [open_task(task, image=image, label=label, images=images)]
    return [result for question in questions for result in measure(subject, question, protocols)]


def _splits(corpus: Corpus, asked: str | Sequence[str] | None) -> list[str]:
    """The splits that were asked for, each known to be there before anything is computed; ``test`` by default."""
    named = [asked] if isinstance(asked, str) else list(dict.fromkeys(asked or ()))
    for name in named:
        corpus.indices(name)
    return named or [corpus.default_split("test")]


def load_backbone(run: Run | Path | str, weights: Literal["trained", "random"] = "trained") -> Backbone:
    """The backbone of a run: images in, a grid of features out.

    Args:
        run: The run, or its folder.
        weights: ``trained``, or ``random`` for the same network before training.
    """
    return open_run(run).backbone(weights)
