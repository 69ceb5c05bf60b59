"""Training in curves, from the run's own ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wordsight.explain.report.charts import Chart, line_chart
from wordsight.objectives import Plot

X_NAME = "passes over the pictures"
# What a line of metrics.jsonl holds beside losses.
_PROGRESS = ("step", "epoch", "lr", "images_per_second", "seconds", "gradient_norm")
_LOSS = "loss"
Series = tuple[list[float], list[float]]


def training_charts(
    lines: Sequence[Mapping[str, Any]], batch_size: int, plots: Mapping[str, Plot] | None = None
) -> list[Chart]:
    """Loss with its parts, accuracies, learning rate, gradient and speed over the passes; those that there are.

    Args:
        lines: Lines of ``metrics.jsonl``, in order.
        batch_size: Images in a step, for the speed.
        plots: How the objective's own numbers are drawn, by name.
    """
    own = list(dict.fromkeys(key for line in lines for key in line if key not in (*_PROGRESS, _LOSS)))
    of = {key: _plot(key, plots or {}) for key in own}
    losses = {"whole loss": _series(lines, _LOSS)}
    losses |= {plot.label: _series(lines, key) for key, plot in of.items() if plot.kind == "loss"}
    if len(losses) == 2:
        # A loss with one part is that part: one line says it.
        losses.popitem()
    parts = "; its parts, each times its weight, add up to it" if len(losses) > 1 else ""
    charts = [line_chart("Loss", f"what training makes smaller{parts}", losses, X_NAME)]
    shares = {key: plot for key, plot in of.items() if plot.kind == "share"}
    for says in dict.fromkeys(plot.says for plot in shares.values()):
        series = {plot.label: _series(lines, key, 100) for key, plot in shares.items() if plot.says == says}
        charts.append(line_chart("Training accuracy", says, series, X_NAME, zero=True))
    charts += [
        line_chart(plot.label.capitalize(), plot.says, {plot.label: _series(lines, key)}, X_NAME)
        for key, plot in of.items()
        if plot.kind == "value"
    ]
    charts += [
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


def _plot(key: str, plots: Mapping[str, Plot]) -> Plot:
    """How a number is drawn: as its objective says, else by its name in a chart of its own."""
    for pattern, plot in plots.items():
        if key == pattern or (pattern.endswith("*") and key.startswith(pattern[:-1])):
            return plot if plot.label else replace(plot, label=key)
    return Plot(key, "value")


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
