"""Whether a run begins with the weights that its objective builds on."""

from __future__ import annotations

from wordsight.errors import InputError, setting
from wordsight.objectives import objective_kinds
from wordsight.training.pretrain_settings import PretrainSettings


def check_starting_weights(settings: PretrainSettings) -> None:
    """Refuse a backbone with random weights to an objective that keeps its backbone as it is.

    Args:
        settings: The run's settings.

    Raises:
        InputError: When the objective, or a part of a sum, builds on a backbone that has learned before, and the run
            begins with random weights.
    """
    kinds = objective_kinds(settings.objective, settings.objective_settings)
    if any(kind.starts_from_weights for kind in kinds) and not (settings.pretrained or settings.weights):
        of_run = setting("weights", "RUN/backbone.safetensors")
        raise InputError(
            f"the objective {settings.objective!r} builds on a backbone that has learned before, and this one's "
            "weights are random",
            where="pretrained, weights",
            expected="published weights, or those of a file",
            mend=f"give {of_run}, or {setting('pretrained', True)}",
        )
