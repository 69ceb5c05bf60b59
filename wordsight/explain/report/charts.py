"""The geometry of the report's curves: axes, ticks and paths in plain numbers, which the template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.explain.formats import plain

WIDTH, HEIGHT = 360.0, 216.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 10.0, 12.0, 34.0
# A training of a million steps is drawn with as many points as a screen can tell apart.
MOST_POINTS = 160


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, ``at`` in the chart's units."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """One curve: the path of its means, the path of the band from its lowest to its highest value, and its end."""

    name: str
    path: str
    band: str
    end_x: float
    end_y: float
    last: str
    points: list[tuple[float, float, str, str]]  # x and y in the chart, step and value as written


@dataclass(frozen=True)
class Chart:
    """A chart ready to draw."""

    title: str
    says: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    x_name: str
    alt: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """About ``wanted`` round numbers that span an interval, in steps of 1, 2, 2.5 or 5 times a power of ten."""
    if not high > low:
        high, low = low + (abs(low) or 1.0) * 0.5, low - (abs(low) or 1.0) * 0.5
    raw = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    # Multiplying, not adding up, keeps 0.3 from becoming 0.30000000000000004.
    return [round(number * step, 12) for number in range(first, last + 1)]


def _binned(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float, float, float]]:
    """(x, mean, lowest, highest) of at most ``MOST_POINTS`` runs of neighbouring points."""
    size = math.ceil(len(xs) / MOST_POINTS)
    bins = []
    for start in range(0, len(xs), size):
        part_x, part_y = xs[start : start + size], ys[start : start + size]
        bins.append((part_x[-1], sum(part_y) / len(part_y), min(part_y), max(part_y)))
    return bins


def line_chart(
    title: str, says: str, series: dict[str, tuple[list[float], list[float]]], x_name: str, zero: bool = False
) -> Chart | None:
    """Lay out a line chart.

    Args:
        title: What is drawn.
        says: Half a sentence that explains it.
        series: For each curve its places and values, places ascending. Values that are not finite are left out.
        x_name: What the horizontal axis counts.
        zero: Whether the vertical axis starts at zero.

    Returns:
        The chart, or None where no curve has two points.
    """
    clean = {}
    for name, (xs, ys) in series.items():
        pairs = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
        if len(pairs) > 1:
            clean[name] = _binned([x for x, _ in pairs], [y for _, y in pairs])
    if not clean:
        return None
    every = [point for points in clean.values() for point in points]
    left, right = min(p[0] for p in every), max(p[0] for p in every)
    y_ticks = nice_ticks(0.0 if zero else min(p[2] for p in every), max(p[3] for p in every))
    low, high = y_ticks[0], y_ticks[-1]

    def place_x(x: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (x - left) / ((right - left) or 1), 1)

    def place_y(y: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - low) / (high - low), 1)

    lines = [
        _line(
            name,
            [(place_x(x), place_y(mean), place_y(least), place_y(most), x, mean) for x, mean, least, most in points],
        )
        for name, points in clean.items()
    ]
    x_ticks = [Tick(place_x(x), plain(x)) for x in nice_ticks(left, right, 4) if left <= x <= right]
    ends = "; ".join(f"{line.name} from {line.points[0][3]} to {line.last}" for line in lines)
    return Chart(
        title,
        says,
        lines,
        x_ticks,
        [Tick(place_y(y), plain(y)) for y in y_ticks],
        x_name,
        alt=f"{title} over {plain(right)} {x_name}: {ends}.",
    )


def _line(name: str, points: list[tuple[float, float, float, float, float, float]]) -> Line:
    path = "M" + " L".join(f"{x:g},{y:g}" for x, y, *_ in points)
    band = ""
    if any(least != most for _, _, least, most, _, _ in points):
        upper = " L".join(f"{x:g},{most:g}" for x, _, _, most, _, _ in points)
        lower = " L".join(f"{x:g},{least:g}" for x, _, least, _, _, _ in reversed(points))
        band = f"M{upper} L{lower} Z"
    end = points[-1]
    written = [(x, y, plain(step), plain(value, 3)) for x, y, _, _, step, value in points]
    return Line(name, path, band, end[0], end[1], plain(end[5], 3), written)
