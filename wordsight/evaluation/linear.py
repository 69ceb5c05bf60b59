"""L2-penalised logistic regression on standardised features, by scikit-learn's L-BFGS.

The objective is mean cross-entropy + penalty / 2 * ||W||^2, biases free. Counting the loss as a mean makes a penalty
chosen on a part of the data mean the same on all of it (scikit-learn's C is 1 / (penalty * n)).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluation.guards import constant

# Below this many numbers a matrix product is over before a second thread has started.
_SMALL = 4_000_000


@dataclass(frozen=True)
class Standardiser:
    """Features to zero mean and unit spread; constant ones to zero.

    Args:
        mean: Of the features that it was made from, ``[C]``.
        scale: One over their spread, 0 where there is none, ``[C]``.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Standardiser:
        """The standardiser of some features ``[n, C]``."""
        spread = features.std(0, dtype=np.float64)
        flat = constant(features)
        scale = np.where(flat, 0.0, 1 / np.where(flat, 1.0, spread))
        return cls(features.mean(0, dtype=np.float64).astype(np.float32), scale.astype(np.float32))

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardised features, contiguous."""
        return np.ascontiguousarray((features - self.mean) * self.scale)


@dataclass
class LogisticFits:
    """Fits of one set of examples under several penalties, each starting from the one before.

    Args:
        features: Standardised features ``[n, C]``.
        targets: Classes ``[n]``; or 1, 0, -1 (ignored) ``[n, K]``, which are fitted one class against the rest.
        classes: Number K of classes.
        max_iterations: Of L-BFGS, for each fit.
        tolerance: L-BFGS stops when no entry of the mean gradient is larger.
    """

    features: NDArray[np.float32]
    targets: NDArray[Any]
    classes: int
    max_iterations: int
    tolerance: float
    unfinished: int = 0
    _models: dict[int, Any] = field(default_factory=dict)

    def scores(self, penalty: float, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Fit under one penalty and score other examples.

        Args:
            penalty: Weight of the penalty.
            features: Standardised features ``[m, C]``.

        Returns:
            ``[m, K]``: log-odds; minus infinity for a class that nothing was learned about.
        """
        found = np.full((len(features), self.classes), -np.inf)
        with _threads(self.features.size):
            if self.targets.ndim == 1:
                model = self._fit(0, self.features, self.targets, penalty)
                scores = model.decision_function(features)
                # Of two classes scikit-learn gives the log-odds of the second.
                found[:, model.classes_] = scores if scores.ndim == 2 else np.stack([-scores / 2, scores / 2], axis=1)
                return found
            for k in range(self.classes):
                counted = self.targets[:, k] >= 0
                positive = self.targets[counted, k] == 1
                if positive.any() and not positive.all():
                    chosen = self.features if counted.all() else self.features[counted]
                    found[:, k] = self._fit(k, chosen, positive, penalty).decision_function(features)
        return found

    def _fit(self, k: int, features: NDArray[np.float32], targets: NDArray[Any], penalty: float) -> Any:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        model = self._models.setdefault(
            k, LogisticRegression(max_iter=self.max_iterations, tol=self.tolerance, warm_start=True)
        )
        model.C = 1 / (penalty * len(features))
        with warnings.catch_warnings():
            # Counted here and said once in the result, not once for each of some hundred fits.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, targets)
        self.unfinished += int(np.max(model.n_iter_) >= self.max_iterations)
        return model


@contextmanager
def _threads(numbers: int) -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1 if numbers < _SMALL else None):
        yield


def strongest_first(penalties: Sequence[float]) -> list[float]:
    """The order to fit in: strong penalties are quick to fit, and a good start for the weaker ones."""
    return sorted(penalties, reverse=True)
