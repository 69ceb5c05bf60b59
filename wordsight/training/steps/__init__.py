"""One file, one way from a batch to gradients."""

from __future__ import annotations

from wordsight.errors import InputError, setting
from wordsight.objectives import objective_kinds
from wordsight.objectives.comparing import ComparingObjective
from wordsight.training.learner import Learner
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.steps.accumulated import AccumulatedStep
from wordsight.training.steps.gradient_cache import GradientCacheStep
from wordsight.training.steps.plain import PlainStep
from wordsight.training.steps.step import Step

__all__ = ["AccumulatedStep", "GradientCacheStep", "PlainStep", "Step", "check_step", "step_of"]


def check_step(settings: PretrainSettings) -> None:
    """Check that an objective can learn by the kind of step that the settings ask for.

    Args:
        settings: The run's settings.

    Raises:
        InputError: When a step is to be made in pieces, and the objective can neither add up the losses of pieces nor
            embed them apart from each other.
    """
    _kind(settings)


def step_of(learner: Learner, settings: PretrainSettings, total: int) -> Step:
    """The kind of step that the settings ask for.

    Args:
        learner: What is trained.
        settings: The run's settings.
        total: Steps of the whole run.

    Raises:
        InputError: As :func:`check_step`.
    """
    return _kind(settings)(learner, settings, total)


def _kind(settings: PretrainSettings) -> type[Step]:
    if settings.accumulate == 1:
        return PlainStep
    kinds = objective_kinds(settings.objective, settings.objective_settings)
    if all(kind.divisible for kind in kinds):
        return AccumulatedStep
    if all(kind.divisible or issubclass(kind, ComparingObjective) for kind in kinds):
        return GradientCacheStep
    raise InputError(
        f"the objective {settings.objective!r} needs the whole batch at once",
        setting="accumulate",
        expected="1",
        mend=f"give a smaller {setting('batch_size')} instead",
    )
