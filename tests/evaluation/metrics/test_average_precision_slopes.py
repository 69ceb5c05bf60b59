"""How average precision changes with the weight of each example, beside differences of scikit-learn's weighted one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from wordsight.evaluation.metrics.classification import average_precision_slopes


@pytest.mark.parametrize("levels", [1000, 6], ids=["few ties", "many ties"])
@pytest.mark.parametrize("positives", [1, 4, 11])
def test_slopes_are_the_differences_of_the_weighted_average_precision(levels: int, positives: int) -> None:
    random = np.random.default_rng(positives)
    scores = random.integers(0, levels, 12) / levels
    holds = np.sort(random.choice(12, positives, replace=False))
    labels = np.isin(np.arange(12), holds)
    value, slopes = average_precision_slopes(scores, np.sort(scores), holds)
    assert value == pytest.approx(100 * average_precision_score(labels, scores))
    step = 1e-5
    for k in range(12):
        up, down = (average_precision_score(labels, scores, sample_weight=1 + s * np.eye(12)[k]) for s in (step, -step))
        assert slopes[k] == pytest.approx(100 * (up - down) / (2 * step), abs=1e-4), k
    assert float(slopes.sum()) == pytest.approx(0, abs=1e-9)
