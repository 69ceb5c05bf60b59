"""The batched solvers against scikit-learn's, one problem at a time, in double precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.evaluation.metrics.classification import average_precision
from wordsight.evaluation.solvers import (
    Fits,
    Plan,
    Problems,
    SharedFeatures,
    class_weights,
    grid,
    room_for_features,
    solve_logistic,
    solve_multinomial,
    solve_ridge,
    solve_squared_hinge,
)

PENALTIES = [0.01, 1.0, 100.0]
WEIGHTS = {1: 2, -1: 1}


def made(rows: int = 240, width: int = 48, classes: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Features as networks give them (no negatives, unit length), sides of classes, two folds' training rows."""
    drawn = torch.Generator().manual_seed(0)
    side_TN = (torch.rand(classes, rows, generator=drawn) < 0.2) * 2 - 1
    lean = (side_TN.T > 0).float() @ (torch.randn(classes, width, generator=drawn) / 2)
    features = torch.relu(torch.randn(rows, width, generator=drawn) - 0.5 + lean)
    rows_FN = torch.stack([torch.arange(rows) % 3 != fold for fold in range(2)])
    return features / features.norm(dim=1, keepdim=True), side_TN, rows_FN


def parts(features: Tensor, problems: Problems, p: int) -> tuple[Any, Any, float]:
    """Features, targets and penalty of one problem, for scikit-learn."""
    rows = problems.weights()[problems.target_P[p]] > 0
    own = problems.target_TN[problems.target_P[p]][rows]
    return features[rows].double().numpy(), own.numpy(), float(problems.penalty_P[p])


def reference_svm(features: Any, side: Any, penalty: float) -> tuple[float, Any]:
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=penalty, class_weight=WEIGHTS, dual=False, tol=1e-6, max_iter=1000).fit(features, side)
    short = np.maximum(1 - side * model.decision_function(features), 0)
    penalised = (model.coef_**2).sum() + (model.intercept_**2).sum()
    return float(penalised / 2 + penalty * (np.where(side > 0, 2, 1) * short**2).sum()), model


def reference_logistic(features: Any, side: Any, penalty: float) -> tuple[float, Any]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=penalty, class_weight=WEIGHTS, tol=1e-8, max_iter=20_000).fit(features, side)
    losses = np.logaddexp(0, -side * model.decision_function(features))
    return float((model.coef_**2).sum() / 2 + penalty * (np.where(side > 0, 2, 1) * losses).sum()), model


def check_against(reference: Any, fits: Fits, features: Tensor, problems: Problems) -> None:
    assert fits.converged_P.all()
    scores_PN = fits.scores(features).numpy()
    for p in range(len(problems)):
        value, model = reference(*parts(features, problems, p))
        assert float(fits.objective_P[p]) == pytest.approx(value, rel=1e-4)
        positive = problems.target_TN[problems.target_P[p]].numpy() > 0
        ours, theirs = (average_precision(each, positive) for each in (scores_PN[p], model.decision_function(features)))
        assert ours == pytest.approx(theirs, abs=0.1)


@pytest.mark.parametrize("width", [48, 300])
def test_squared_hinge_reaches_liblinears_objective_and_precision(width: int) -> None:
    features, side_TN, rows_FN = made(width=width)
    problems = grid(side_TN, PENALTIES, rows_FN, class_weights(side_TN, 2.0, 1.0))
    check_against(reference_svm, solve_squared_hinge(features, problems), features, problems)


@pytest.mark.parametrize("width", [48, 300])
def test_logistic_reaches_lbfgs_objective_and_precision(width: int) -> None:
    features, side_TN, rows_FN = made(width=width)
    problems = grid(side_TN, PENALTIES, rows_FN, class_weights(side_TN, 2.0, 1.0))
    check_against(reference_logistic, solve_logistic(features, problems), features, problems)


def test_multinomial_reaches_lbfgs_objective() -> None:
    from sklearn.linear_model import LogisticRegression

    features, _, rows_FN = made()
    labels = features[:, :4].argmax(1)
    problems = grid(labels[None], PENALTIES, rows_FN)
    fits = solve_multinomial(features, problems, 4)
    assert fits.converged_P.all()
    assert fits.scores(features).shape == (len(problems), 4, len(features))
    for p in range(len(problems)):
        x, y, penalty = parts(features, problems, p)
        model = LogisticRegression(C=penalty, tol=1e-8, max_iter=20_000).fit(x, y)
        value = (model.coef_**2).sum() / 2 - penalty * model.predict_log_proba(x)[np.arange(len(y)), y].sum()
        assert float(fits.objective_P[p]) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("width", [48, 300])
def test_ridge_gives_scikits_weights_at_every_penalty(width: int) -> None:
    from sklearn.linear_model import Ridge

    features, side_TN, rows_FN = made(width=width)
    problems = grid(side_TN.double(), PENALTIES, rows_FN, class_weights(side_TN, 2.0, 1.0))
    fits = solve_ridge(features, problems)
    for p in range(len(problems)):
        x, y, penalty = parts(features, problems, p)
        model = Ridge(alpha=penalty).fit(x, y, sample_weight=np.where(y > 0, 2, 1))
        assert fits.weight_PKD[p, 0].numpy() == pytest.approx(model.coef_, abs=1e-3)
        assert float(fits.bias_PK[p, 0]) == pytest.approx(model.intercept_, abs=1e-3)


@pytest.mark.parametrize("solve", [solve_squared_hinge, solve_logistic, solve_ridge])
def test_a_mapped_half_precision_file_read_in_blocks_gives_the_same(solve: Any, tmp_path: Path) -> None:
    features, side_TN, rows_FN = made()
    np.save(tmp_path / "features.npy", features.half().numpy(), allow_pickle=False)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    problems = grid(side_TN, [0.1, 10.0], rows_FN)
    whole = solve(features.half(), problems, Plan())
    # So little memory that no features stay, and each problem is solved alone.
    blocks = solve(mapped, problems, Plan(memory_bytes=1000, features_bytes=1000, block=50))
    torch.testing.assert_close(blocks.objective_P, whole.objective_P, rtol=1e-5, atol=0)
    torch.testing.assert_close(blocks.scores(features), whole.scores(features), rtol=0, atol=0.02)


def test_rows_outside_a_set_or_of_weight_zero_do_not_matter() -> None:
    features, side_TN, rows_FN = made()
    other = features.clone()
    other[~rows_FN[0]] = torch.rand(int((~rows_FN[0]).sum()), features.shape[1])
    masked, weighted = (
        grid(side_TN, [1.0], rows_FN[:1]),
        grid(side_TN, [1.0], None, rows_FN[:1].float().expand(side_TN.shape)),
    )
    first, second, third = (
        solve_squared_hinge(*each).objective_P for each in ((features, masked), (other, masked), (other, weighted))
    )
    torch.testing.assert_close(second, first, rtol=1e-5, atol=0)
    torch.testing.assert_close(third, first, rtol=1e-4, atol=0)


def test_a_grid_is_every_fold_with_every_class_and_penalty() -> None:
    _, side_TN, rows_FN = made()
    problems = grid(side_TN, PENALTIES, rows_FN)
    assert len(problems) == 2 * 2 * 3
    assert problems.penalty_P[:3].tolist() == PENALTIES
    assert problems.target_P[:6].tolist() == [0, 0, 0, 1, 1, 1]
    assert [problems.of_fold(target) for target in range(4)] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    torch.testing.assert_close(problems.weights(), rows_FN.float().repeat_interleave(2, 0))
    torch.testing.assert_close(problems.target_TN, side_TN.repeat(2, 1))


def test_features_that_are_shared_give_the_same_whoever_learns_from_them() -> None:
    features, side_TN, rows_FN = made()
    shared = SharedFeatures(features)
    for problems in (grid(side_TN, PENALTIES, rows_FN), grid(side_TN, PENALTIES)):
        for solve in (solve_squared_hinge, solve_logistic):
            torch.testing.assert_close(
                solve(shared, problems).objective_P, solve(features, problems).objective_P, rtol=1e-5, atol=0
            )


def test_targets_with_penalties_of_their_own_are_solved_each_from_its_strongest() -> None:
    features, side_TN, _ = made()
    own = Problems(side_TN, torch.tensor([1, 0, 1, 0]), torch.tensor([5.0, 0.3, 0.02, 70.0]).double())
    found = solve_logistic(features, own).objective_P
    for p in range(4):
        (alone,) = solve_logistic(features, grid(side_TN[own.target_P[p]][None], [float(own.penalty_P[p])])).objective_P
        assert float(found[p]) == pytest.approx(float(alone), rel=1e-5)


def test_a_softmax_does_without_the_class_that_a_fold_lacks() -> None:
    features, _, rows_FN = made()
    labels = features[:, :3].argmax(1)
    labels[rows_FN[1] & (labels == 2)] = 0
    problems = grid(labels[None], [1.0], rows_FN)
    fits = solve_multinomial(features, problems, 3, some_absent=True)
    two = solve_multinomial(features[rows_FN[1]], grid(labels[None, rows_FN[1]], [1.0]), 2)
    assert float(fits.objective_P[1]) == pytest.approx(float(two.objective_P[0]), rel=1e-5)


def test_a_class_without_a_positive_in_a_fold_is_named() -> None:
    features, side_TN, rows_FN = made()
    side_TN[1, rows_FN[1]] = -1
    with pytest.raises(InputError, match="no positive of cat in fold 1's training rows"):
        solve_squared_hinge(features, grid(side_TN, [1.0], rows_FN), names=["dog", "cat"])
    with pytest.raises(InputError, match="no positive of class 2 in fold 0"):
        solve_multinomial(features, grid((side_TN[:1] > 0).long(), [1.0], rows_FN), 3)


def test_features_that_hold_nothing_are_refused() -> None:
    features, side_TN, _ = made()
    problems = grid(side_TN, [1.0])
    with pytest.raises(InputError, match="are the same for every image"):
        solve_logistic(torch.ones_like(features), problems)
    features[130, 0] = torch.nan
    with pytest.raises(InputError, match="rows 100 to 199: 1 of 100 images has features that are no finite number"):
        solve_ridge(features, problems, Plan(block=100))


@pytest.mark.parametrize(
    ("labels", "said"), [([0, 1, 3], "labels from 0 to 3"), ([-1, 0, 1], "labels from -1 to 1; expected whole numbers")]
)
def test_labels_out_of_range_are_refused(labels: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        solve_multinomial(torch.rand(3, 2), grid(torch.tensor([labels]), [1.0]), 3)


def test_other_sides_than_plus_and_minus_one_are_refused() -> None:
    with pytest.raises(InputError, match=r"a target is 0; expected \+1 and -1"):
        solve_squared_hinge(torch.rand(3, 2), grid(torch.tensor([[0, 1, -1]]), [1.0]))


def test_penalties_and_shapes_that_do_not_fit_are_refused() -> None:
    side_TN = torch.tensor([[1, -1, 1]])
    with pytest.raises(InputError, match="all above zero"):
        grid(side_TN, [1.0, 0.0])
    with pytest.raises(InputError, match="sets of rows are for 2 rows, targets for 3"):
        grid(side_TN, [1.0], torch.ones(1, 2))
    with pytest.raises(InputError, match="4 rows of features for 3 targets"):
        solve_logistic(torch.rand(4, 2), grid(side_TN, [1.0]))


@pytest.mark.parametrize("penalty", [1e-1, 1e1, 1e3])
def test_a_softmax_whose_rows_are_all_right_stays_finite_and_finishes(penalty: float) -> None:
    torch.manual_seed(0)
    classes = torch.arange(19) % 2
    features = torch.randn(2, 64)[classes] + 1e-2 * torch.randn(19, 64)
    fits = solve_multinomial(features, grid(classes[None], [penalty]), 2)
    assert fits.converged_P.all()
    assert torch.isfinite(fits.objective_P).all()
    assert (fits.scores(features)[0].argmax(0) == classes).all()


def test_features_stay_on_the_device_where_a_quarter_of_its_memory_holds_them() -> None:
    psutil = pytest.importorskip("psutil")
    assert room_for_features(torch.device("cpu")) == pytest.approx(psutil.virtual_memory().total / 4, rel=0.01)
    assert Plan(features_bytes=4 * 100 * 50).resident(100, 50)
    assert not Plan(features_bytes=4 * 100 * 50).resident(101, 50)
