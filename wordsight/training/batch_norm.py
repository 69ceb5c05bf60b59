"""What batch norm looks at in a run, and what a person should know of it before the first step."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from wordsight.errors import setting
from wordsight.objectives import Objective
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.vision.locking import freeze_batch_norm


def prepare_batch_norm(objective: Objective, settings: PretrainSettings) -> None:
    """Freeze the backbone's batch norm where the settings say so.

    Args:
        objective: What is trained; changed in place.
        settings: The run's settings.
    """
    if settings.batch_norm == "frozen":
        freeze_batch_norm(objective.backbone)


def batch_norm_lines(settings: PretrainSettings, objective: Objective) -> list[str]:
    """A line on batch norm where a run could be taken for another one because of it; none for most.

    Args:
        settings: The run's settings.
        objective: What is trained.
    """
    frozen = settings.batch_norm == "frozen"
    if frozen and not (settings.pretrained or settings.weights) and _layers(objective.backbone):
        said = "frozen at mean 0 and variance 1, as the weights are random: nothing is normalised"
        return [f"batch norm {said}; give {setting('weights')}, or {setting('batch_norm', 'synchronised')}"]
    live = [layer for layer in _layers(objective) if layer.training]
    if settings.accumulate == 1 or not live or not objective.learns:
        return []
    images = settings.batch_size // settings.accumulate
    said = f"each piece of {images} images is normalised by itself, not all {settings.batch_size} of a step"
    # Batch norm in heads is never frozen: there are no weights that it was trained with.
    helps = not frozen and {*live} <= {*_layers(objective.backbone)}
    return [f"batch norm {said}" + (f" ({setting('batch_norm', 'frozen')} normalises all alike)" if helps else "")]


def _layers(module: nn.Module) -> list[_BatchNorm]:
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]
