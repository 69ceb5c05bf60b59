"""What numbers a setting may be: one table for all settings, read by the command line, YAML files and Python alike.

A setting says its range where it says its type, by a name of this table::

    lr: LearningRate = 1e-3
    seed: Seed = 0

To a type checker these are plain ``float`` and ``int``. :func:`check_ranges` refuses a dataclass whose numbers are out
of their ranges; the command line checks its arguments against the same table, and names the flag.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from wordsight.errors import InputError, setting


@dataclass(frozen=True)
class Range:
    """The numbers between two bounds.

    Args:
        low: The lower bound.
        high: The upper bound.
        above: Whether the lower bound itself is not allowed.
        below: Whether the upper bound itself is not allowed.
        note: What a special value means, in words.
        empty: Whether a list of such numbers may be empty.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False
    note: str = ""
    empty: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number lies between the bounds; NaN and infinity do not."""
        # A whole number may be too long for a float, and is compared as it is.
        if not isinstance(value, int) and not math.isfinite(value):
            return False
        over = value > self.low if self.above else value >= self.low
        under = value < self.high if self.below else value <= self.high
        return over and under

    def __str__(self) -> str:
        low, high = _shown(self.low), _shown(self.high)
        if self.above:
            words = f"above {low} and below {high}" if self.below else f"above {low}, at most {high}"
        else:
            words = f"from {low}, below {high}" if self.below else f"from {low} to {high}"
        return f"a number {words}" + (f" ({self.note})" if self.note else "")


def _shown(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) and abs(bound) < 1e15 else f"{bound:g}"


# More of anything than a machine of today can hold or count to.
_MOST = 1_000_000_000
# A side beyond which a batch of images fills the memory of any machine.
LARGEST_SIDE = 8192

# Numbers of things.
Count = Annotated[int, Range(0, _MOST)]
Limit = Annotated[int, Range(0, _MOST, note="0 for no limit")]
AtLeastOne = Annotated[int, Range(1, _MOST)]
AtLeastTwo = Annotated[int, Range(2, _MOST)]
Epochs = Annotated[int, Range(0, 1_000_000)]
Passes = Annotated[int, Range(1, 1_000_000)]

# Shares and probabilities, by which ends are allowed.
Probability = Annotated[float, Range(0.0, 1.0)]
Fraction = Annotated[float, Range(0.0, 1.0, above=True)]
OpenUnit = Annotated[float, Range(0.0, 1.0, above=True, below=True)]
UnitFromZero = Annotated[float, Range(0.0, 1.0, below=True)]

# Training.
# Any rate that a float can hold: what a rate that is far too high does is said when the loss is no number.
LearningRate = Annotated[float, Range(0.0, 1e30, above=True)]
LearningRateTried = Annotated[float, Range(0.0, 1e30, above=True, empty=True)]
RateMultiple = Annotated[float, Range(0.0, 1e6, above=True)]
WeightDecay = Annotated[float, Range(0.0, 100.0)]
ClipNorm = Annotated[float, Range(0.0, 1e12, note="0 for no clipping")]
LossWeight = Annotated[float, Range(0.0, 1e6)]
Minutes = Annotated[float, Range(0.0, 1e6)]
Gigabytes = Annotated[float, Range(0.0, 1e6)]
# What PyTorch, NumPy and scikit-learn all take.
Seed = Annotated[int, Range(0, 2**32 - 1)]
SeedOrSweeps = Annotated[int, Range(0, 2**32 - 1, empty=True)]
Devices = Annotated[int, Range(1, 1024)]
Workers = Annotated[int, Range(-1, 512, note="-1 to choose by the machine")]
Processes = Annotated[int, Range(1, 512)]
ProcessesOrAuto = Annotated[int, Range(0, 512, note="0 to choose by the machine")]

# Networks.
Width = Annotated[int, Range(1, 65_536)]
Temperature = Annotated[float, Range(0.01, 100.0)]
Logit = Annotated[float, Range(-100.0, 100.0)]
HiddenWidth = Annotated[int, Range(0, 65_536)]
Layers = Annotated[int, Range(1, 256)]
HiddenLayers = Annotated[int, Range(0, 256)]
UnlockedLayers = Annotated[int, Range(0, 256, note="0 to lock all")]
Heads = Annotated[int, Range(1, 1024)]
Tokens = Annotated[int, Range(8, 65_536)]

Vocabulary = Annotated[int, Range(50, 10_000_000)]
Stride = Annotated[int, Range(1, 4)]
Stages = Annotated[int, Range(1, 4)]

# Images.
Side = Annotated[int, Range(1, LARGEST_SIDE)]
SideOrNetworks = Annotated[int, Range(0, LARGEST_SIDE, note="0 for the network's own side")]
StoredSide = Annotated[int, Range(8, LARGEST_SIDE)]
PixelCount = Annotated[int, Range(1, 1 << 40)]
JpegQuality = Annotated[int, Range(1, 95)]
AspectRatio = Annotated[float, Range(1.0, 100.0)]
HueTurn = Annotated[float, Range(0.0, 0.5)]
BlurSigma = Annotated[float, Range(0.1, 100.0)]

# Evaluation.
LengthPower = Annotated[float, Range(0.0, 10.0)]
Penalty = Annotated[float, Range(0.0, 1e12, above=True)]
PenaltyLimit = Annotated[float, Range(0.0, 1e12, above=True, empty=True)]
Positive = Annotated[float, Range(0.0, 1e12, above=True)]
Power = Annotated[float, Range(0.0, 64.0)]
Perplexity = Annotated[float, Range(1.0, 1e6)]
# Below 5 nothing is near or far; beyond 3,000 thumbnails are too small to see, and finding a cell for each takes
# minutes (5 s for 2,000, 76 s for 5,000, on one core).
LEAST_ON_MAP, MOST_ON_MAP = 5, 3000
MapCount = Annotated[int, Range(LEAST_ON_MAP, MOST_ON_MAP)]

# The embedded pictures.
PictureSide = Annotated[int, Range(32, 1024)]
UpToThree = Annotated[int, Range(1, 3)]
ObjectWidth = Annotated[float, Range(0.1, 0.6)]
Tilt = Annotated[float, Range(0.0, 180.0)]
VisibleShare = Annotated[float, Range(0.0, 0.8)]


def range_of(hint: Any) -> Range | None:
    """The range that a type, or what a tuple or mapping holds, says; None where it says none."""
    if get_origin(hint) is Annotated:
        return next((note for note in get_args(hint)[1:] if isinstance(note, Range)), None)
    found = (range_of(part) for part in get_args(hint))
    return next((one for one in found if one is not None), None)


def check_ranges(settings: Any, within: str = "") -> None:
    """Refuse a dataclass whose numbers are out of the ranges that their types say.

    Args:
        settings: A dataclass of settings.
        within: Name of the setting that holds them, where one does.

    Raises:
        InputError: At the first number that is out of its range.

    Example:
        >>> @dataclass(frozen=True)
        ... class Fit:
        ...     lr: LearningRate
        ...     def __post_init__(self) -> None:
        ...         check_ranges(self)
    """
    for name, allowed in _ranges(type(settings)).items():
        check_value(f"{within}.{name}" if within else name, getattr(settings, name), allowed)


def check_argument(name: str, value: Any, hint: Any) -> None:
    """Refuse an argument of a function that is out of the range that a type of this table says.

    Raises:
        InputError: When it is.

    Examples:
        >>> check_argument("epochs", 20, AtLeastOne)
        >>> check_argument("epochs", 0, AtLeastOne)
        Traceback (most recent call last):
            ...
        wordsight.errors.InputError: epochs is 0; expected a number from 1 to 1,000,000,000
    """
    if (allowed := range_of(hint)) is not None:
        check_value(name, value, allowed)


def check_value(name: str, value: Any, allowed: Range, where: str | None = None) -> None:
    """Refuse a number, or any of several, that is out of a range; none at all (``None``) is not looked at.

    Args:
        name: The setting.
        value: What it is.
        allowed: What it may be.
        where: The file that it stands in.

    Raises:
        InputError: When it is.
    """
    if isinstance(value, tuple) and not value and not allowed.empty:
        raise InputError(
            f"{setting(name)} is empty", where=where, setting=name, expected=f"one or more, each {allowed}"
        )
    if any(not allowed.holds(one) for one in _numbers(value)):
        shown = list(value) if isinstance(value, tuple) else value
        each = "each " if isinstance(value, tuple | Mapping) else ""
        raise InputError(f"{setting(name)} is {shown}", where=where, setting=name, expected=f"{each}{allowed}")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, tuple | list):
        yield from value
    elif value is not None:
        yield value


def _ranges(kind: type) -> dict[str, Range]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: found for name, hint in hints.items() if (found := range_of(hint)) is not None}
