"""What the method ``probe`` is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from wordsight.errors import InputError, unknown
from wordsight.evaluation.classifiers.linear import CLASSIFIERS
from wordsight.evaluation.features.task_features import FeatureSettings
from wordsight.evaluation.metrics.classification import check_average_precision
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.solvers import Plan, Settings, room_for_features
from wordsight.ranges import AtLeastOne, AtLeastTwo, OpenUnit, Penalty, PenaltyLimit, Positive, check_ranges


@dataclass(frozen=True)
class ProbeSettings:
    """Settings of the method.

    Args:
        features: What of the backbone is read.
        classifier: ``logistic``, ``svm`` or ``ridge``.
        penalties: Penalties that are tried: of ``logistic`` the weight of ||W||² / 2 beside the mean loss, of ``svm``
            the weight C of the summed loss, of ``ridge`` the weight alpha of ||w||² beside the summed squares.
        penalty_limits: How far the sweep widens itself while the best penalty lies at its edge: the least and the
            greatest that may be tried. Empty where the list is part of a published protocol, which is left as it is.
        choose_by: ``validation``: on one split of the training images. ``own validation``: on the source's own (VOC's
            val), where it has one and a test besides. ``folds``: on each of several in turn. ``folds of each class``:
            on each of several in turn that are dealt for each class by itself, in the order of the task's files, as
            scikit-learn's ``StratifiedKFold`` deals them.
        validation_share: Share of the training images that the split keeps aside. Read by ``validation``, and by ``own
            validation`` where the source has none.
        folds: How many. Read by the two with folds.
        penalty_of_each_class: Whether each class has a penalty of its own; with one label an image all have the same.
        positive_weight: Weight of positives in one-vs-rest.
        ignored_in_training: Labels that are to be ignored: ``left out``, or taken as ``negative``. In the test they are
            always left out.
        average_precision: Which, for several labels an image.
        chosen_by_precision: The one that penalties are compared by; empty for the same.
        tolerance: A fit is finished when its gradient is this share of that at zero.
        max_steps: Newton steps of a fit.
    """

    features: FeatureSettings
    classifier: str
    penalties: tuple[Penalty, ...]
    penalty_limits: tuple[PenaltyLimit, ...]
    choose_by: Literal["validation", "own validation", "folds", "folds of each class"]
    validation_share: OpenUnit
    folds: AtLeastTwo
    penalty_of_each_class: bool
    positive_weight: Positive
    ignored_in_training: Literal["left out", "negative"]
    average_precision: str
    chosen_by_precision: str
    tolerance: Positive
    max_steps: AtLeastOne

    def __post_init__(self) -> None:
        if self.classifier not in CLASSIFIERS:
            raise unknown("classifier", self.classifier, CLASSIFIERS)
        check_average_precision(self.average_precision)
        check_average_precision(self.chosen_by_precision or self.average_precision)
        check_ranges(self)
        limits = self.penalty_limits
        if limits and not (len(limits) == 2 and _hold(limits[0], self.penalties, limits[1])):
            raise InputError(
                f"penalty_limits is {list(limits)}",
                expected="the least and the greatest penalty that may be tried, with those listed between them; or []",
            )

    def plan(self, model: EvaluatedModel) -> Plan:
        """How problems are solved."""
        settings = Settings(tolerance=self.tolerance, max_steps=self.max_steps)
        return Plan(str(model.device), features_bytes=room_for_features(model.device), settings=settings)


def _hold(low: float, penalties: tuple[float, ...], high: float) -> bool:
    return 0 < low <= min(penalties) and max(penalties) <= high < math.inf
