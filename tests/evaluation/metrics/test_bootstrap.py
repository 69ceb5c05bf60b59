"""Bootstrap intervals are SciPy's, of whole images, and depend on the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from wordsight.errors import InputError
from wordsight.evaluation.metrics import bootstrap
from wordsight.evaluation.metrics.bootstrap import (
    bootstrap_interval,
    clustered_interval,
    drawn_values,
    over_draws,
    paired_test,
)
from wordsight.evaluation.metrics.classification import AVERAGE_PRECISIONS, average_precisions, mean_of_known
from wordsight.evaluation.metrics.outcomes import Outcomes


def _ids(count: int) -> NDArray[np.str_]:
    return np.array([f"{i:05d}" for i in range(count)])


def _right(count: int, share: float, seed: int = 0) -> Outcomes:
    return Outcomes(_ids(count), (np.random.default_rng(seed).random(count) < share).astype(np.float64))


def _ranked(count: int, classes: int, *, rule: str = "sklearn", strength: float = 1.0, seed: int = 0) -> Outcomes:
    random = np.random.default_rng(seed)
    targets = (random.random((count, classes)) < 0.2).astype(np.int8)
    # Rounded, so that some scores are equal.
    scores = np.round(strength * targets + random.normal(size=targets.shape), 1)
    targets[random.random(targets.shape) < 0.05] = -1
    return Outcomes(_ids(count), None, scores, targets, rule)


def test_the_interval_of_an_accuracy_is_that_of_scipy() -> None:
    outcomes = _right(300, 0.6)
    low, high = bootstrap_interval(outcomes, draws=5000) or (0, 0)
    theirs = stats.bootstrap((outcomes.correct,), np.mean, n_resamples=5000, method="percentile", rng=1)
    assert (low, high) == pytest.approx([100 * each for each in theirs.confidence_interval], abs=0.4)


def test_captions_of_one_image_are_drawn_together() -> None:
    right = _right(200, 0.4).correct
    assert right is not None
    alone = clustered_interval(right, np.arange(200))
    assert alone == bootstrap_interval(_right(200, 0.4))
    # Five captions that fare alike say no more than one.
    together = clustered_interval(np.repeat(right, 5), np.repeat(np.arange(200), 5))
    assert together == pytest.approx(alone)
    apart = clustered_interval(np.repeat(right, 5), np.arange(1000))
    assert apart[1] - apart[0] == pytest.approx((alone[1] - alone[0]) / 5**0.5, rel=0.1)


def test_the_interval_of_a_mean_average_precision_is_scipy_s_basic_one() -> None:
    outcomes = _ranked(120, 2)
    assert outcomes.scores is not None
    assert outcomes.targets is not None
    scores, targets = outcomes.scores, outcomes.targets

    def statistic(rows: NDArray[np.int64]) -> float:
        return mean_of_known(average_precisions(scores[rows], targets[rows]))

    theirs = stats.bootstrap(
        (np.arange(120),), statistic, n_resamples=2000, vectorized=False, method="basic", rng=1
    ).confidence_interval
    assert bootstrap_interval(outcomes, draws=4000) == pytest.approx([theirs.low, theirs.high], abs=1.2)


@pytest.mark.parametrize("rule", ["sklearn", "voc-area"])
def test_the_interval_of_a_mean_average_precision_holds_that_of_all_images(rule: str) -> None:
    def rare(count: int, seed: int) -> Outcomes:
        random = np.random.default_rng(seed)
        targets = (random.random((count, 5)) < 0.1).astype(np.int8)
        return Outcomes(_ids(count), None, targets + random.normal(size=targets.shape), targets, rule)

    truth = rare(100_000, 0).value
    inside = np.zeros(2)
    for seed in range(1, 61):
        outcomes = rare(300, seed)
        low, high = bootstrap_interval(outcomes, draws=200) or (0, 0)
        percentiles = np.quantile(drawn_values(outcomes, draws=200), [0.025, 0.975])
        inside += [low <= truth <= high, percentiles[0] <= truth <= percentiles[1]]
        assert low <= outcomes.value <= high
    # The rules' own lean, which no draws of the same images show, keeps it from 95.
    assert inside[0] >= 0.7 * 60
    assert inside[0] > inside[1] + 5


@pytest.mark.parametrize("rule", AVERAGE_PRECISIONS)
def test_every_draw_is_the_metric_of_the_images_that_were_drawn(rule: str) -> None:
    outcomes = _ranked(40, 3, rule=rule)
    assert outcomes.scores is not None
    assert outcomes.targets is not None
    found = drawn_values(outcomes, draws=30, seed=7)
    (chosen_DN,) = bootstrap._draws(40, 30, 7)
    for value, rows in zip(found, chosen_DN, strict=True):
        expected = mean_of_known(average_precisions(outcomes.scores[rows], outcomes.targets[rows], rule))
        assert value == pytest.approx(expected)


def test_blocks_change_nothing_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = _ranked(50, 2)
    whole = drawn_values(outcomes, draws=100)
    monkeypatch.setattr(bootstrap, "_HELD", 50 * 7)
    np.testing.assert_array_equal(drawn_values(outcomes, draws=100), whole)


def test_draws_depend_on_the_seed_alone() -> None:
    outcomes = _right(50, 0.5)
    np.testing.assert_array_equal(drawn_values(outcomes, seed=3), drawn_values(outcomes, seed=3))
    assert not np.array_equal(drawn_values(outcomes, seed=3), drawn_values(outcomes, seed=4))


@pytest.mark.parametrize("rule", AVERAGE_PRECISIONS)
def test_a_class_whose_negatives_are_not_drawn_is_left_out_of_the_mean(rule: str) -> None:
    targets = np.ones((12, 2), dtype=np.int8)
    targets[4, 0], targets[7:, 1], targets[:2, 1] = 0, 0, -1
    scores = np.random.default_rng(0).normal(size=(12, 2))
    found = drawn_values(Outcomes(_ids(12), None, scores, targets, rule=rule), draws=60, seed=1)
    (chosen_DN,) = bootstrap._draws(12, 60, 1)
    without = 0
    for value, rows in zip(found, chosen_DN, strict=True):
        each = average_precisions(scores[rows], targets[rows], rule)
        without += bool(np.isnan(each[0]))
        assert value == pytest.approx(mean_of_known(each), nan_ok=True)
    assert without > 5, "draws without the one image that lacks the first class"


def test_a_class_whose_positives_are_not_drawn_is_left_out_of_the_mean() -> None:
    targets = np.zeros((6, 2), dtype=np.int8)
    targets[:3, 0], targets[5, 1] = 1, 1
    scores = np.stack([np.arange(6, 0, -1), np.arange(6)], 1).astype(np.float64)
    found = drawn_values(Outcomes(_ids(6), None, scores, targets), draws=200)
    # Some draws hold no positive of either class: they have no value.
    assert set(found[~np.isnan(found)].tolist()) == {100.0}
    # The others are all alike, as perfect orders are: that says nothing of other images.
    assert bootstrap_interval(Outcomes(_ids(6), None, scores, targets), draws=200) is None


@pytest.mark.parametrize(("count", "low"), [(18, 82.4), (100, 96.3)])
def test_an_interval_of_all_right_is_not_of_no_width(count: int, low: float) -> None:
    every = Outcomes(_ids(count), np.ones(count))
    assert list(bootstrap_interval(every) or ()) == pytest.approx([low, 100], abs=0.1)
    none = Outcomes(_ids(count), np.zeros(count))
    assert list(bootstrap_interval(none) or ()) == pytest.approx([0, 100 - low], abs=0.1)
    assert clustered_interval(np.ones(count), np.arange(count)) == bootstrap_interval(every)


def test_copies_of_an_image_make_no_interval_narrower() -> None:
    once, ranked = _right(100, 0.6), _ranked(100, 3)
    assert once.correct is not None
    assert ranked.scores is not None
    assert ranked.targets is not None
    twice = Outcomes(np.repeat(once.ids, 4), np.repeat(once.correct, 4))
    assert bootstrap_interval(twice) == pytest.approx(bootstrap_interval(once), abs=0.2)
    scores, targets = np.repeat(ranked.scores, 4, axis=0), np.repeat(ranked.targets, 4, axis=0)
    copied = bootstrap_interval(Outcomes(np.repeat(ranked.ids, 4), None, scores, targets), draws=300)
    alone = bootstrap_interval(ranked, draws=300)
    assert copied is not None
    assert alone is not None
    assert copied[1] - copied[0] == pytest.approx(alone[1] - alone[0], rel=0.05)


def test_an_interval_over_draws_of_training_images_holds_the_value_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = np.zeros(400, dtype=np.bool_)
    for trial in range(400):
        # The chance of an image to be right depends on the draw: 60 % on average, spread 6 points.
        drawn = (random.random((5, 150)) < random.normal(0.6, 0.06, (5, 1))).astype(np.float64)
        mean = Outcomes(_ids(150), drawn.mean(0))
        interval = bootstrap_interval(mean, draws=200)
        assert interval is not None
        low, high = over_draws(interval, mean.value, (100 * drawn.mean(1)).tolist())
        held[trial] = low <= 60 <= high
    assert held.mean() > 0.93
    assert over_draws((50, 70), 60, [60]) == (50, 70), "nothing is known of other draws"


def test_few_images_that_all_differ_are_no_proof() -> None:
    three = paired_test([Outcomes(_ids(3), np.zeros(3))], [Outcomes(_ids(3), np.ones(3))])
    assert [three.difference, *three.interval, three.p_value] == [-100, -100, 0, 0.25]
    ten = paired_test([Outcomes(_ids(10), np.zeros(10))], [Outcomes(_ids(10), np.ones(10))])
    assert list(ten.interval) == [-100, -100]
    copies = np.repeat(_ids(3), 10)
    assert paired_test([Outcomes(copies, np.zeros(30))], [Outcomes(copies, np.ones(30))]).p_value == 0.25


def test_two_equal_runs_do_not_differ() -> None:
    test = paired_test([_right(200, 0.5)], [_right(200, 0.5)])
    assert (test.difference, test.interval, test.p_value) == (0, (0, 0), 1)


def test_a_clear_difference_is_found_and_noise_is_not() -> None:
    clear = paired_test([_right(800, 0.7, 1)], [_right(800, 0.5, 2)])
    assert clear.difference == pytest.approx(20, abs=5)
    assert clear.interval[0] > 0
    assert clear.p_value < 0.01
    noise = paired_test([_right(800, 0.5, 1)], [_right(800, 0.505, 2)])
    assert noise.interval[0] < 0 < noise.interval[1]
    assert noise.p_value > 0.05


def test_the_paired_test_agrees_with_the_exact_test_of_mcnemar() -> None:
    first, second = _right(400, 0.60, 1), _right(400, 0.53, 2)
    assert first.correct is not None
    assert second.correct is not None
    only_first = int(((first.correct == 1) & (second.correct == 0)).sum())
    only_second = int(((first.correct == 0) & (second.correct == 1)).sum())
    exact = stats.binomtest(only_first, only_first + only_second).pvalue
    assert paired_test([first], [second], draws=10_000).p_value == pytest.approx(exact, rel=0.5, abs=0.01)


def test_seeds_of_one_recipe_are_averaged_and_order_of_images_is_none_of_its_business() -> None:
    first, second, third = _ranked(100, 2, seed=1), _ranked(100, 2, seed=2, strength=2), _ranked(100, 2, seed=3)
    test = paired_test([first, second], [third], draws=300)
    assert test.difference == pytest.approx((first.value + second.value) / 2 - third.value)
    turned = third.ordered_as(third.ids[::-1])
    assert paired_test([first, second], [turned], draws=300) == test


def test_outcomes_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(InputError, match="other images"):
        paired_test([_right(10, 0.5)], [_right(11, 0.5)])
    with pytest.raises(InputError, match="two metrics"):
        paired_test([_right(10, 0.5)], [_ranked(10, 2)])
    with pytest.raises(InputError, match="two metrics"):
        paired_test([_ranked(10, 2)], [_ranked(10, 2, rule="voc-area")])
    with pytest.raises(InputError, match="no image"):
        bootstrap_interval(Outcomes(np.array([], dtype=np.str_), np.zeros(0)))


def test_an_interval_holds_its_value_where_draws_lean_by_more_than_they_differ() -> None:
    random = np.random.default_rng(3)
    # Two images of each of very many classes: their mean hardly differs from draw to draw.
    targets = np.zeros((60, 200), np.int8)
    for column in targets.T:
        column[random.choice(60, 2, replace=False)] = 1
    outcomes = Outcomes(_ids(60), None, random.normal(size=targets.shape), targets, "sklearn")
    # The case is one: mirrored, all that 95 of 100 draws reach lies below the value.
    assert 2 * outcomes.value - np.percentile(drawn_values(outcomes), 2.5) < outcomes.value
    low, high = bootstrap_interval(outcomes) or (0, 0)
    assert low < outcomes.value == high
