"""A weighted sum of objectives that share one pass of the backbone.

A recipe names its parts: ``objectives: {words: {kind: icmlm-attfc, weight: 1}, tags: {kind: tag-prediction, weight:
0.1}}``. ICMLM is such a sum too, with recipes of its own (`icmlm.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, reduce
from operator import add
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field
from wordsight.batching.needs import Needs, joined, shared_views
from wordsight.errors import InputError
from wordsight.objectives.comparing import ComparingObjective
from wordsight.objectives.objective import EpochFeatures, Facts, Losses, Objective, Plot
from wordsight.objectives.seen import Seen
from wordsight.ranges import LossWeight, check_argument
from wordsight.vision.backbones import Backbone

if TYPE_CHECKING:
    from wordsight.objectives import ObjectiveKind


V = TypeVar("V")
# The loss of a part among its numbers, none of which is called so.
_TOTAL = "total loss"


@dataclass(frozen=True)
class SumPart:
    """An objective of a sum.

    Args:
        kind: What builds it.
        settings: Its settings.
        weight: The weight of its loss.
    """

    kind: ObjectiveKind
    settings: Any
    weight: float


@dataclass(frozen=True)
class SumSettings:
    """Values of a weighted sum.

    Args:
        objectives: The parts by name, each with its ``kind``, its ``weight`` (1 where none is given) and values of its
            own.
    """

    objectives: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.parts:
            raise InputError(
                "names no objective", where="objectives", expected="{words: {kind: icmlm-attfc}, tags: {kind: ...}}"
            )

    @property
    def parts(self) -> dict[str, SumPart]:
        """The parts, checked.

        Raises:
            InputError: When a part's kind is unknown, or one of its values.
        """
        return {name: _part(name, values) for name, values in self.objectives.items()}

    def resolved(self) -> dict[str, Any]:
        """The parts with every value that was left out."""
        return {
            "objectives": {
                name: {"kind": self.objectives[name]["kind"], "weight": part.weight, **asdict(part.settings)}
                for name, part in self.parts.items()
            }
        }


def _part(name: str, values: Mapping[str, Any]) -> SumPart:
    # The registry names sums too.
    from wordsight.objectives import objective_kind
    from wordsight.settings import from_mapping

    where = f"objectives: {name}"
    if not name or "." in name:
        # Torch parts the names of modules at dots.
        raise InputError(f"an objective is called {name!r}", where="objectives", expected="a name without a dot")
    if not isinstance(values, Mapping) or "kind" not in values:
        raise InputError(f"found {values!r}", where=where, expected="{kind: tag-prediction, weight: 1}, and its values")
    kind = objective_kind(str(values["kind"]))
    kind = kind.in_sum or kind
    if kind.build.solved:
        found = f"{values['kind']!r} is solved from all images at once"
        raise InputError(found, where=where, expected="an objective that learns in steps")
    own = {key: value for key, value in values.items() if key not in ("kind", "weight")}
    weight = values.get("weight", 1.0)
    if not isinstance(weight, int | float):
        raise InputError(f"found {weight!r}", where=f"{where}: weight", expected="a number")
    check_argument(f"{where}: weight", weight, LossWeight)
    return SumPart(kind, from_mapping(kind.settings, own, where), float(weight))


class WeightedSum(ComparingObjective):
    """Several objectives on one backbone; the loss is the sum of theirs, each times its weight.

    A number keeps its name; where two parts have one of the same name, it is that of the part, an underscore and the
    name.

    Args:
        backbone: The backbone, which the parts were built with.
        parts: The objectives, by name.
        weights: The weight of each, in the order in which they are added.
        needs: What each part needs, where they look at different views: each then sees its own, counted from 0.
    """

    # As its parts are, which are asked besides.
    divisible = True

    def __init__(
        self,
        backbone: Backbone,
        parts: Mapping[str, Objective],
        weights: Mapping[str, float],
        needs: Mapping[str, Needs] | None = None,
    ) -> None:
        super().__init__(backbone)
        for part in parts.values():
            # Registered once: a part's tensors are its heads'.
            del part._modules["backbone"]
            part.__dict__["_whole"] = self
        self.parts = nn.ModuleDict(parts)
        self.weights = {name: weight for name, weight in weights.items() if name in parts}
        of_parts = needs or {}
        _, numbers = shared_views([need.views for need in of_parts.values()])
        self._views = dict(zip(of_parts, numbers, strict=True))

    def inner(self) -> Sequence[Objective]:
        """The parts."""
        return [part for part in self.parts.values() if isinstance(part, Objective)]

    def _part(self, name: str) -> Objective:
        part = self.parts[name]
        assert isinstance(part, Objective)
        return part

    def _batch_of(self, name: str, batch: Batch) -> Batch:
        return batch.showing(self._views[name]) if name in self._views else batch

    def _seen_by(self, name: str, seen: Seen) -> Seen:
        return seen.showing(self._views[name]) if name in self._views else seen

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """The sum, and the numbers of all parts; of one without any, or that compares images, its loss as its name."""
        return self._added(
            {
                name: self._part(name).losses(self._seen_by(name, seen), self._batch_of(name, batch))
                for name in self.weights
            }
        )

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """What each part compares, under ``PART.NAME``; of one that compares nothing, its numbers, a row an image."""
        return {
            f"{name}.{key}": rows
            for name in self.weights
            for key, rows in _embedded(self._part(name), self._seen_by(name, seen), self._batch_of(name, batch)).items()
        }

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """The sum of the whole step."""
        of_part: dict[str, Losses] = {}
        for name in self.weights:
            own = {key.removeprefix(f"{name}."): row for key, row in embedded.items() if key.startswith(f"{name}.")}
            part = self._part(name)
            comparing = isinstance(part, ComparingObjective)
            of_part[name] = part.compare(own, self._batch_of(name, batch)) if comparing else _mean(own)
        return self._added(of_part)

    def _added(self, of_part: Mapping[str, Losses]) -> Losses:
        total = reduce(add, (weight * of_part[name].total for name, weight in self.weights.items()))
        numbers = {
            name: _numbers(name, type(self._part(name)), losses.parts, losses.total.detach())
            for name, losses in of_part.items()
        }
        return Losses(total, {key: numbers[name][own] for key, (name, own) in _names(numbers).items()})

    def before_epoch(self, epoch: int, look: Callable[[], EpochFeatures]) -> Sequence[nn.Parameter]:
        """What is due in each part; images are looked at once."""
        once = cache(look)
        return [parameter for part in self.inner() for parameter in part.before_epoch(epoch, once)]

    def after_update(self, step: int) -> None:
        """What is due in each part."""
        for part in self.inner():
            part.after_update(step)


class NamedParts(Protocol):
    """Settings that say which parts a sum has."""

    @property
    def parts(self) -> dict[str, SumPart]:
        """The parts, by name; the first is what a run is asked by default."""


class NamedSum(WeightedSum):
    """The sum that a recipe names, or an objective that is one of certain parts (`slip.py`).

    Args:
        backbone: The backbone.
        facts: What is known of the data, for all parts.
        settings: The parts.
    """

    asks = "on several tasks at once"

    def __init__(self, backbone: Backbone, facts: Facts, settings: NamedParts) -> None:
        parts = settings.parts
        built = {name: part.kind.built(backbone, facts, part.settings) for name, part in parts.items()}
        needs = {name: part.kind.build.needs(part.settings) for name, part in parts.items()}
        super().__init__(backbone, built, {name: part.weight for name, part in parts.items()}, needs)

    @classmethod
    def needs(cls, settings: NamedParts) -> Needs:
        """What any part needs."""
        return joined([part.kind.build.needs(part.settings) for part in settings.parts.values()])

    @classmethod
    def check_data(
        cls, settings: NamedParts, fields: Mapping[str, Field[Any, Any]], examples: NDArray[np.int64], batch_size: int
    ) -> None:
        """Refuse what a part refuses."""
        for part in settings.parts.values():
            part.kind.build.check_data(part.settings, fields, examples, batch_size)

    @classmethod
    def default_protocol(cls, settings: NamedParts) -> str:
        """That of the first part."""
        part = next(iter(settings.parts.values()))
        return part.kind.build.default_protocol(part.settings)

    @classmethod
    def kinds(cls, settings: NamedParts) -> Sequence[type[Objective]]:
        """Its own class and those of the parts."""
        return (cls, *(kind for part in settings.parts.values() for kind in part.kind.build.kinds(part.settings)))

    @classmethod
    def plots(cls, settings: NamedParts) -> Mapping[str, Plot]:
        """Those of the parts; of a part without any, or that compares images, its loss."""
        plots = {
            name: _numbers(name, part.kind.build, part.kind.build.plots(part.settings), Plot(name, "loss"))
            for name, part in settings.parts.items()
        }
        return {key: plots[name][own] for key, (name, own) in _names(plots).items()}


def _numbers(name: str, kind: type[Objective], own: Mapping[str, V], loss: V) -> Mapping[str, V]:
    """What is written down of a part: its loss too where that has a chance level, which it is held against."""
    return own if own and not issubclass(kind, ComparingObjective) else {name: loss, **own}


def _embedded(part: Objective, seen: Seen, batch: Batch) -> dict[str, Tensor]:
    if isinstance(part, ComparingObjective):
        return part.embed(seen, batch)
    losses = part.losses(seen, batch)
    # A mean over images is the mean of rows that are all alike, and stays so when pieces of a batch are put together.
    numbers = {_TOTAL: losses.total, **losses.parts}
    return {name: value.float().expand(len(batch.examples_B)) for name, value in numbers.items()}


def _mean(rows: Mapping[str, Tensor]) -> Losses:
    means = {name: row_B.mean() for name, row_B in rows.items()}
    return Losses(means.pop(_TOTAL), means)


def _names(of_part: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """What a number of a part is called in the sum: to the part and its own name there."""
    count = Counter(own for numbers in of_part.values() for own in numbers)
    return {
        own if count[own] == 1 else f"{name}_{own}": (name, own) for name, numbers in of_part.items() for own in numbers
    }
