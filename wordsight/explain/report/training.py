"""Training in curves, from the run's own ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wordsight.explain.report.charts import Chart, line_chart

X_NAME = "passes over the pictures"
# What a line of metrics.jsonl holds beside losses.
_PROGRESS = ("step", "epoch", "lr", "images_per_second", "seconds", "gradient_norm")
_NAMES = {"loss": "whole loss", "masked": "hidden words", "tag": "tags"}
Series = tuple[list[float], list[float]]


def training_charts(lines: Sequence[Mapping[str, Any]], batch_size: int) -> list[Chart]:
    """Loss with its parts, accuracy, learning rate, gradient and speed over the passes; those that there are.

    Args:
        lines: Lines of ``metrics.jsonl``, in order.
        batch_size: Images in a step, for the speed.
    """
    measured = list(dict.fromkeys(key for line in lines for key in line if key not in _PROGRESS))
    shares = [key for key in measured if "accuracy" in key]
    losses = {_NAMES.get(key, key): _series(lines, key) for key in measured if key not in shares}
    if "tag" in measured and len(losses) == 2:
        # Tag prediction has one part, which is the loss: one line says it.
        losses.pop(_NAMES["tag"])
    parts = "; its parts, each times its weight, add up to it" if len(losses) > 1 else ""
    charts = [
        line_chart("Loss", f"what training makes smaller{parts}", losses, X_NAME),
        line_chart(
            "Training accuracy",
            "share of hidden words whose top prediction is right, in percent",
            {key: _series(lines, key, 100) for key in shares},
            X_NAME,
            zero=True,
        ),
        line_chart(
            "Learning rate",
            "the size of each update: it rises, then falls along a cosine",
            {"learning rate": _series(lines, "lr")},
            X_NAME,
            zero=True,
        ),
        line_chart("Speed", "pictures a second", {"pictures a second": _speed(lines, batch_size)}, X_NAME, zero=True),
        line_chart(
            "Gradient norm",
            "length of the gradient before it is clipped; spikes mean unstable training",
            {"norm": _series(lines, "gradient_norm")},
            X_NAME,
            zero=True,
        ),
    ]
    return [chart for chart in charts if chart is not None]


def _series(lines: Sequence[Mapping[str, Any]], key: str, times: float = 1) -> Series:
    points = [(float(line["epoch"]), times * float(line[key])) for line in lines if key in line and "epoch" in line]
    return [x for x, _ in points], [y for _, y in points]


def _speed(lines: Sequence[Mapping[str, Any]], batch_size: int) -> Series:
    """Pictures a second between one line and the next: the log itself holds the mean since the start."""
    xs, ys = [], []
    before: Mapping[str, Any] = {"step": 0, "seconds": 0.0}
    for line in lines:
        if "seconds" in line and "epoch" in line and line["seconds"] > before["seconds"]:
            xs.append(float(line["epoch"]))
            ys.append((line["step"] - before["step"]) * batch_size / (line["seconds"] - before["seconds"]))
            before = line
    return xs, ys
