"""The verbs about runs: train one, open it, take its backbone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wordsight.api.corpus import open_corpus
from wordsight.corpus import Corpus
from wordsight.recipes import merged, read_values, recipe_file
from wordsight.settings import from_mapping

# What computes with torch is imported by the verb that needs it: a look into a corpus should not wait for it.
if TYPE_CHECKING:
    from wordsight.training.pretrain_settings import PretrainSettings
    from wordsight.training.run import Run
    from wordsight.vision.backbones import Backbone


def open_run(run: Run | Path | str, corpus: Corpus | Path | str | None = None) -> Run:
    """A run by its folder.

    Args:
        run: The run, or its folder.
        corpus: The corpus that it was trained on, or its folder, where that is not where it was.

    Raises:
        InputError: When the folder holds no run, or the corpus is another one.

    Examples:
        >>> import wordsight
        >>> run = wordsight.open_run("runs/a")
        >>> run.settings.objective, run.settings.epochs
        ('icmlm-attfc', 1)
    """
    from wordsight.training.run import Run

    opened = run if isinstance(run, Run) else Run.open(run)
    return opened if corpus is None else opened.with_corpus(open_corpus(corpus))


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
        corpus: The corpus folder.
        out: The run folder to make.
        split: The split to train on, or several with commas between them; by default train where there are splits, else
            all.
        resume: Go on from the checkpoint in the run folder, to the same numbers as if it had never stopped.
        changes: Settings that override the recipe's, by name (``epochs=5``).

    Returns:
        The finished run.

    Raises:
        InputError: When a name is unknown, ``out`` exists or another process trains into it, or the corpus holds
            nothing to learn from.
        KeyboardInterrupt: When the person stopped it; a checkpoint is written first.

    Examples:
        >>> import wordsight
        >>> run = wordsight.pretrain("random-resnet18-small", corpus="corpora/photos", out="runs/random", image_size=32)
        >>> run.name, run.settings.image_size
        ('random', 32)
    """
    from wordsight.training.claim import claimed
    from wordsight.training.data import training_data
    from wordsight.training.pretrain import train

    settings, out = recipe_settings(recipe, **changes), Path(out)
    with claimed(out, resume=resume):
        check_names(settings)
        return train(settings, training_data(settings, open_corpus(corpus), split), out, resume=resume)


def check_names(settings: PretrainSettings) -> None:
    """Fail at the door: what a recipe names must exist before minutes are spent on its concepts and features.

    Raises:
        InputError: When the objective, one of its settings or the backbone is unknown, or the objective can't learn
            from a batch in pieces, or with a backbone of random weights, which is asked for.
    """
    from wordsight.objectives import objective_settings
    from wordsight.training.run import new_backbone
    from wordsight.training.starting_weights import check_starting_weights
    from wordsight.training.steps import check_step

    objective_settings(settings.objective, settings.objective_settings)
    check_step(settings)
    check_starting_weights(settings)
    # A file of weights is at hand and quickly tried; published ones may have to be fetched.
    new_backbone(settings, fresh=not settings.weights)


def recipe_settings(recipe: PretrainSettings | Path | str, **changes: Any) -> PretrainSettings:
    """The settings of a recipe.

    Args:
        recipe: A recipe's name, a YAML file of settings, or settings.
        changes: Settings that override the recipe's, by name; of nested ones, those given alone are changed.
    """
    from wordsight.training.pretrain_settings import PretrainSettings

    if isinstance(recipe, PretrainSettings):
        return from_mapping(PretrainSettings, merged(asdict(recipe), changes), "settings", within="")
    file = recipe_file(recipe)
    return from_mapping(PretrainSettings, merged(read_values(file), changes), str(file))


def load_backbone(run: Run | Path | str, weights: Literal["trained", "random"] = "trained") -> Backbone:
    """The backbone of a run: images in, a grid of features out.

    Args:
        run: The run, or its folder.
        weights: ``trained``, or ``random`` for the same network before training.

    Examples:
        >>> import wordsight
        >>> import torch
        >>> backbone = wordsight.load_backbone("runs/a")
        >>> tuple(backbone(torch.zeros(1, 3, 32, 32)).shape)
        (1, 512, 2, 2)
    """
    return open_run(run).backbone(weights)
