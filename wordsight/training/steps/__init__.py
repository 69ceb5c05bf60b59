"""One file, one way from a batch to gradients."""

from __future__ import annotations

from wordsight.training.learner import Learner
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.steps.accumulated import AccumulatedStep
from wordsight.training.steps.plain import PlainStep
from wordsight.training.steps.step import Step

__all__ = ["AccumulatedStep", "PlainStep", "Step", "step_of"]


def step_of(learner: Learner, settings: PretrainSettings, total: int) -> Step:
    """The kind of step that the settings ask for.

    Args:
        learner: What is trained.
        settings: The run's settings.
        total: Steps of the whole run.

    Raises:
        InputError: When the objective can't be learned so.
    """
    kind = AccumulatedStep if settings.accumulate > 1 else PlainStep
    return kind(learner, settings, total)
