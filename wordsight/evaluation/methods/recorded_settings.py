"""What a result says of how it was measured: the protocol's settings, the view, the precision, and on which images."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from wordsight.device import precision_on
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.protocol import EvalData, EvalProtocol
from wordsight.evaluation.tasks import Task


def recorded_settings(
    protocol: EvalProtocol, model: EvaluatedModel, data: EvalData, *, view: int = 0, **own: Any
) -> dict[str, Any]:
    """The settings of a result, as JSON gives them back: lists in place of tuples.

    Args:
        protocol: Its settings.
        model: What was measured: the side of its view, and its device, which decides the precision.
        data: The task or the split that it was measured on.
        view: Side of the view in pixels; 0 for the one that the network was trained with.
        own: What a method says besides, and settings that it resolved (``text_side`` in place of ``auto``).
    """
    said: dict[str, Any] = json.loads(json.dumps(asdict(protocol.settings)))
    of_question = (
        {"split": data.split_rule, "source": data.spec}
        if isinstance(data, Task)
        else {"split": data.split, "corpus": data.corpus.name}
    )
    return {
        **said,
        "view": view or model.image_size,
        "precision": str(precision_on(model.device)).removeprefix("torch."),
        **of_question,
        **own,
    }
