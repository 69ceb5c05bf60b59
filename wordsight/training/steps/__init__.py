"""One file, one way from a batch to gradients."""

from __future__ import annotations

from wordsight.errors import InputError, setting
from wordsight.objectives import objective_kinds
from wordsight.training.learner import Learner
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.steps.accumulated import AccumulatedStep
from wordsight.training.steps.plain import PlainStep
from wordsight.training.steps.step import Step

__all__ = ["AccumulatedStep", "PlainStep", "Step", "check_step", "step_of"]


def check_step(settings: PretrainSettings) -> None:
    """Check that an objective can learn by the kind of step that the settings ask for.

    Args:
        settings: The run's settings.

    Raises:
        InputError: When a step is to be made in pieces, and the objective compares images of a batch with each other.
    """
    kinds = objective_kinds(settings.objective, settings.objective_settings)
    if settings.accumulate > 1 and not all(kind.divisible for kind in kinds):
        raise InputError(
            f"the objective {settings.objective!r} needs the whole batch at once",
            setting="accumulate",
            expected="1",
            mend=f"give a smaller {setting('batch_size')} instead",
        )


def step_of(learner: Learner, settings: PretrainSettings, total: int) -> Step:
    """The kind of step that the settings ask for.

    Args:
        learner: What is trained.
        settings: The run's settings.
        total: Steps of the whole run.

    Raises:
        InputError: As :func:`check_step`.
    """
    check_step(settings)
    kind = AccumulatedStep if settings.accumulate > 1 else PlainStep
    return kind(learner, settings, total)
