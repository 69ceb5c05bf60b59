"""Heat, charts and number formats."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wordsight.explain.formats import SPACE, chance, count, duration, percent, plain, share
from wordsight.explain.photo.figure import columns_for
from wordsight.explain.photo.heat import common_top, overlay, scale_colours, smooth
from wordsight.explain.report.charts import MOST_POINTS, line_chart, nice_ticks


def test_heat_lies_over_the_cell_that_is_attended_to() -> None:
    attention_HW = np.zeros((4, 4), np.float32)
    attention_HW[1, 2] = 1
    surface = smooth(attention_HW, 64)
    assert surface[16:32, 32:48].max() == surface.max() > surface[:16].max()
    assert surface.min() >= 0


def test_where_nobody_looks_the_photo_is_grey_and_where_all_look_it_is_coloured() -> None:
    view = np.full((64, 64, 3), (200, 30, 90), np.uint8)
    attention_HW = np.zeros((4, 4), np.float32)
    attention_HW[0, 0] = 1
    mixed = overlay(view, attention_HW, common_top([attention_HW])).astype(int)
    assert np.ptp(mixed[60, 60]) == 0
    assert np.ptp(mixed[8, 8]) > 40


def test_one_scale_serves_several_maps() -> None:
    even = np.full((7, 7), 1 / 49, np.float32)
    assert common_top([even]) == pytest.approx(4 / 49), "aimless attention stays below the top of the scale"
    weak, strong = np.full((4, 4), 1 / 16, np.float32), np.eye(4, dtype=np.float32)
    assert common_top([weak, strong]) == common_top([strong]) > common_top([weak])
    assert common_top([weak, weak, weak, strong], covered=0.5) == common_top([weak])
    assert len(scale_colours(5)) == 5


def test_heat_grows_lighter_evenly_so_that_it_reads_without_colour() -> None:
    shades = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in scale_colours(16)])
    lightness = shades @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize(("panels", "columns"), [(2, 2), (5, 5), (6, 3), (7, 4), (11, 4), (26, 5)])
def test_panels_wrap_into_even_rows(panels: int, columns: int) -> None:
    assert columns_for(panels) == columns


def test_ticks_are_round_and_span_the_values() -> None:
    assert nice_ticks(0, 1, 4) == [0, 0.25, 0.5, 0.75, 1]
    assert nice_ticks(0.13, 0.87, 4) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    ticks = nice_ticks(5, 5)
    assert ticks[0] <= 5 <= ticks[-1]


def test_a_long_training_is_drawn_with_few_points_and_its_range() -> None:
    xs = [float(x) for x in range(5000)]
    chart = line_chart("Loss", "", {"loss": (xs, [x % 2 for x in xs])}, "steps")
    assert chart is not None
    assert len(chart.lines[0].points) <= MOST_POINTS
    assert chart.lines[0].band
    assert chart.lines[0].last == "0.5"


def test_values_that_are_no_numbers_are_left_out_of_a_chart() -> None:
    chart = line_chart("Loss", "", {"loss": ([1, 2, 3], [1, math.nan, 3]), "other": ([1, 2], [math.inf, 1])}, "steps")
    assert chart is not None
    assert [line.name for line in chart.lines] == ["loss"]
    assert line_chart("Loss", "", {"loss": ([1.0], [1.0])}, "steps") is None


def test_numbers_are_written_for_people() -> None:
    assert count(1234567.4) == "1,234,567"
    assert plain(0.0015) == "0.0015"
    assert plain(1.5e-5) == f"1.5{SPACE}×{SPACE}10⁻⁵"
    assert plain(0.1 + 0.2) == "0.3"
    assert plain(-2.0) == "−2"
    assert plain(math.nan) == "undefined"
    assert percent(93.55) == f"93.5{SPACE}%"
    assert chance(0.816) == f"82{SPACE}%" and chance(0.001) == f"<{SPACE}1{SPACE}%"
    assert share(1, 3000) == f"under 0.1{SPACE}%"
    assert [duration(s) for s in (0.42, 41, 221, 7500)] == [
        f"0.4{SPACE}s",
        f"41{SPACE}s",
        f"3{SPACE}min 41{SPACE}s",
        f"2{SPACE}h 05{SPACE}min",
    ]
