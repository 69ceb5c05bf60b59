"""In files the baselines of all metrics lie side by side; readers find each beside its own metric."""

from __future__ import annotations

from wordsight.evaluation.image_text.pairs import MEDIAN
from wordsight.evaluation.methods.captioning import CIDER
from wordsight.evaluation.methods.tags import DISTANCE
from wordsight.evaluation.results.measurement import (
    LESS_IS_BETTER,
    NO_PERCENT,
    Measurement,
    baselines_for,
    measurements,
)
from wordsight.evaluation.results.result import Result, ResultGroup
from wordsight.evaluation.results.tables import group_columns, group_numbers

BASELINES = {"chance": 10.0, "text only": 20.0, **baselines_for("top-5", {"chance": 50.0, "random weights": 55.0})}


def test_every_metric_finds_its_own_baselines_again() -> None:
    assert measurements("top-1", 40.0, {"top-5": 80.0}, BASELINES) == [
        Measurement("top-1", 40.0, {"chance": 10.0, "text only": 20.0}),
        Measurement("top-5", 80.0, {"chance": 50.0, "random weights": 55.0}),
    ]


def test_a_name_with_a_comma_is_the_main_metric_s_where_no_other_metric_ends_so() -> None:
    (main,) = measurements("top-1", 40.0, {}, {"CCA, 16 dimensions": 3.0})
    assert main.baselines == {"CCA, 16 dimensions": 3.0}


def test_random_weights_are_a_baseline_of_the_main_metric_like_others() -> None:
    result = Result("t", "p", "top-1", 40.0, random_weights=30.0, baselines=BASELINES, more={"top-5": 80.0})
    main, further = result.measurements
    assert list(main.baselines.items()) == [("random weights", 30.0), ("chance", 10.0), ("text only", 20.0)]
    assert further.baselines == {"chance": 50.0, "random weights": 55.0}
    assert result.measurement("top-5") == further
    assert result.measurement("top-10") is None


def test_metrics_that_are_better_the_smaller_are_called_as_their_methods_call_them() -> None:
    assert {MEDIAN, DISTANCE} == LESS_IS_BETTER
    assert {MEDIAN, CIDER} == NO_PERCENT


def test_of_a_median_rank_lower_is_better() -> None:
    assert Measurement("median rank", 3.0, {}).title == "median rank (lower is better)"
    assert Measurement("R@1", 3.0, {}).title == "R@1"


def test_groups_have_a_column_for_each_metric_and_baseline() -> None:
    noun = ResultGroup(
        "part", "noun", 9, 40.0, {"top-5": 80.0}, {"chance": 1.0, **baselines_for("top-5", {"chance": 5.0})}
    )
    verb = ResultGroup("part", "verb", 3, 30.0, {}, {"text only": 2.0})
    result = Result("t", "p", "top-1", 38.0, groups=[noun, verb])
    columns = group_columns(result, result.groups)
    assert columns == [(m, b) for m in ("top-1", "top-5") for b in ("", "chance", "text only")]
    assert group_numbers(result, noun, columns) == [40.0, 1.0, None, 80.0, 5.0, None]
    assert group_numbers(result, verb, columns) == [30.0, None, 2.0, None, None, None]
