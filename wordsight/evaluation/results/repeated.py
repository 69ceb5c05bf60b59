"""One number measured several times: its mean, and how far the times lie apart."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Repeated:
    """What runs that differ in nothing but chance have measured.

    Args:
        values: The number of each run; one at least.

    Examples:
        >>> found = Repeated((60.0, 62.0))
        >>> found.mean, round(found.spread, 2), Repeated((60.0,)).spread
        (61.0, 1.41, None)
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over runs."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """Standard deviation over runs, in the number's unit; None for a run alone."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None
