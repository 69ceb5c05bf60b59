"""A metric with its value and its baselines, as results are read; in files baselines of all metrics lie side by side.

In a file the baselines of the main metric have plain names (``chance``), and those of a further metric its name after a
comma (``chance, top-5 accuracy``). Only this module knows of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RANDOM_WEIGHTS = "random weights"
# Metrics that are numbers of their own, not percentages.
NO_PERCENT = frozenset({"median rank", "CIDEr-D"})
# Metrics that are better the smaller they are.
LESS_IS_BETTER = frozenset({"median rank", "distance of probabilities"})


@dataclass(frozen=True)
class Measurement:
    """One metric of a result, or of a group in it.

    Args:
        metric: Its name, such as ``top-1 accuracy``.
        value: In percent, but for those in ``NO_PERCENT``.
        baselines: What the value is to be read beside, by name.
    """

    metric: str
    value: float
    baselines: Mapping[str, float]

    @property
    def title(self) -> str:
        """The metric's name, and that lower is better where it is so."""
        return with_direction(self.metric)


def with_direction(metric: str) -> str:
    """A metric's name, and that lower is better where it is so."""
    return f"{metric} (lower is better)" if metric in LESS_IS_BETTER else metric


def baselines_for(metric: str, baselines: Mapping[str, float]) -> dict[str, float]:
    """Baselines of a further metric under the names that they have in a result.

    Args:
        metric: The metric, one of a result's ``more``.
        baselines: By name.
    """
    return {f"{name}, {metric}": value for name, value in baselines.items()}


def measurements(
    metric: str, value: float, more: Mapping[str, float], baselines: Mapping[str, float]
) -> list[Measurement]:
    """All metrics of a result, each with its own baselines, the main one first.

    Args:
        metric: The main metric.
        value: Its value.
        more: Further metrics and their values.
        baselines: Of all metrics, under the names that they have in a result.
    """
    endings = tuple(f", {other}" for other in more)
    own = {name: number for name, number in baselines.items() if not (endings and name.endswith(endings))}
    found = [Measurement(metric, value, own)]
    for other, number in more.items():
        ending = f", {other}"
        beside = {name.removesuffix(ending): each for name, each in baselines.items() if name.endswith(ending)}
        found.append(Measurement(other, number, beside))
    return found
