"""Linear classifiers by the hundred: classes, penalties, folds and seeds on the same features, solved together."""

from wordsight.evaluation.solvers.batched import Plan, SharedFeatures, room_for_features
from wordsight.evaluation.solvers.logistic import solve_logistic, solve_multinomial
from wordsight.evaluation.solvers.newton import Settings
from wordsight.evaluation.solvers.problems import Fits, Problems, class_weights, grid
from wordsight.evaluation.solvers.ridge import solve_ridge
from wordsight.evaluation.solvers.squared_hinge import solve_squared_hinge

__all__ = [
    "Fits",
    "Plan",
    "Problems",
    "Settings",
    "SharedFeatures",
    "class_weights",
    "grid",
    "room_for_features",
    "solve_logistic",
    "solve_multinomial",
    "solve_ridge",
    "solve_squared_hinge",
]
