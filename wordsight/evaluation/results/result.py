"""What a measurement leaves: a number with its protocol, its baselines, its sweep, its time, and what was measured.

``results/<task>/<protocol>.json`` holds one of them; the table that is printed shows the same numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from wordsight.atomic import write_json
from wordsight.disk import unreadable
from wordsight.environment import installed_versions
from wordsight.errors import InputError
from wordsight.evaluation.metrics.outcomes import Outcomes, write_outcomes
from wordsight.evaluation.results.measurement import RANDOM_WEIGHTS, Measurement, measurements
from wordsight.settings import from_mapping

# Groups that are told by the value's ± already.
DRAW = "draw"
# Names that result files and protocols of earlier versions have for what is called otherwise now.
_OLD_NAMES = {"subject": "model"}
OLD_SETTINGS = {"random_twin": "random_init"}
_PACKAGES = ("wordsight", "torch", "torchvision", "timm", "numpy", "scikit-learn", "pillow")


@dataclass(frozen=True)
class SweepPoint:
    """One value of the penalty, and the metric in percent that it reached on the validation split."""

    penalty: float
    value: float


@dataclass(frozen=True)
class ResultGroup:
    """The same number for some of what was asked, such as the nouns among the words.

    Args:
        by: What it was grouped by, such as ``part of speech``.
        name: Name of the group.
        count: How many were asked.
        value: The result's metric among them, in percent.
        more: Further metrics, in percent.
        baselines: What they are to be read beside, in percent; one of a further metric has ``, METRIC`` after its name.
        standard_error: Uncertainty of the value, in points.
    """

    by: str
    name: str
    count: int
    value: float
    more: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, float] = field(default_factory=dict)
    standard_error: float | None = None

    def measurements(self, metric: str) -> list[Measurement]:
        """All metrics of the group with their values and baselines.

        Args:
            metric: The result's own metric.
        """
        return measurements(metric, self.value, self.more, self.baselines)


@dataclass(frozen=True)
class Result:
    """One number, and everything needed to read it.

    Args:
        task: Name of the task.
        protocol: Name of the protocol.
        metric: What ``value`` is, such as ``top-1 accuracy``.
        value: The number, in percent.
        random_weights: What the same network with random weights reaches, in percent; None where none was asked.
        baselines: What else the value is to be read beside (``chance``, ``text only``, ...), in percent.
        more: Further metrics, in percent but for those in ``NO_PERCENT``.
        standard_error: Uncertainty of the value from the number of test images or words, in points; None where unknown.
        spread: Standard deviation of the value over draws of the training images, in points; None where there is one
            draw.
        interval: 95 % interval of the value, in percent: over test images, and over draws of the training images where
            there are several; None where unknown.
        per_class: The metric for each class, in percent.
        groups: The metric for groups of what was asked, each beside its own baselines.
        penalty: The penalty that was chosen.
        class_penalties: The penalty that was chosen for each class, where each has its own.
        sweep: All penalties that were tried.
        counts: How many images, classes, words, ...
        settings: The protocol's settings, and the view's.
        part: Which of several results of one protocol it is: the name of a concept set; "" for the only one.
        model: What was measured, usually a run's name.
        weights: Fingerprint of the weights that were measured.
        data: Fingerprint of the images and labels.
        seconds: How long it took.
        warnings: What a reader should know, a sentence each.
        versions: Of the packages that took part.
        key: Hash of all that the result depends on: another measurement with the same key need not be made.
        parts: How many results the measurement gave.
        place: Which of them it is, from 0.
        own_baselines: Which of the baselines were made with the network's own features: they hold for no other.
        outcomes: What became of each test image, kept in a file of its own beside the result; None where it is not.

    Examples:
        >>> import wordsight
        >>> (result,) = wordsight.evaluate("runs/a", task="folder:classes", protocol="knn")
        >>> result.task, result.protocol, result.metric
        ('classes', 'knn', 'top-1 accuracy')
        >>> 0 <= result.value <= 100, result.baselines["chance"]
        (True, 50.0)
    """

    task: str
    protocol: str
    metric: str
    value: float
    random_weights: float | None = None
    baselines: dict[str, float] = field(default_factory=dict)
    more: dict[str, float] = field(default_factory=dict)
    standard_error: float | None = None
    spread: float | None = None
    interval: tuple[float, float] | None = None
    per_class: dict[str, float] = field(default_factory=dict)
    groups: list[ResultGroup] = field(default_factory=list)
    penalty: float | None = None
    class_penalties: dict[str, float] = field(default_factory=dict)
    sweep: list[SweepPoint] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    model: str = ""
    weights: str = ""
    data: str = ""
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=lambda: installed_versions())
    key: str = ""
    parts: int = 1
    place: int = 0
    own_baselines: list[str] = field(default_factory=list)
    outcomes: Outcomes | None = field(default=None, compare=False, repr=False)

    @property
    def measurements(self) -> list[Measurement]:
        """All metrics with their values and baselines, the main one first; random weights before other baselines."""
        main, *more = measurements(self.metric, self.value, self.more, self.baselines)
        random = {} if self.random_weights is None else {RANDOM_WEIGHTS: self.random_weights}
        return [replace(main, baselines=random | {**main.baselines}), *more]

    def measurement(self, metric: str) -> Measurement | None:
        """One of the metrics with its value and baselines; None where it was not measured.

        Args:
            metric: The main metric's name, or one of ``more``.
        """
        return next((each for each in self.measurements if each.metric == metric), None)

    @property
    def title(self) -> str:
        """The protocol, and the part where there are several."""
        return f"{self.protocol} ({self.part})" if self.part else self.protocol

    def write(self, results_folder: Path) -> Path:
        """Write the result under its task and protocol, whole or not at all.

        Args:
            results_folder: The run's folder of results.

        Returns:
            The file.
        """
        file = result_file(results_folder, self.task, self.protocol, self.part)
        content = asdict(replace(self, outcomes=None))
        del content["outcomes"]
        if self.outcomes is not None:
            write_outcomes(file.with_suffix(".npz"), self.outcomes)
        # JSON has no word for a number that there is not.
        content["baselines"] = {name: value for name, value in content["baselines"].items() if not math.isnan(value)}
        write_json(file, content)
        return file

    @classmethod
    def read(cls, file: Path) -> Result:
        """Read a result that :meth:`write` wrote.

        Raises:
            InputError: When the file is absent or holds no result.
        """
        try:
            content = _renamed(json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_number))
            known = {f.name for f in fields(cls)} - {"outcomes"}
            return from_mapping(cls, {name: value for name, value in content.items() if name in known}, "it")
        except FileNotFoundError as error:
            raise InputError("is not there", where=file, mend="make it with: wordsight evaluate") from error
        except OSError as error:
            raise unreadable(error, file) from error
        except (ValueError, AttributeError, RecursionError) as error:
            raise InputError(
                f"is not a result ({error})",
                where=file,
                expected="what wordsight evaluate writes into results/TASK/PROTOCOL.json",
            ) from error


def _renamed(content: dict[str, Any]) -> dict[str, Any]:
    """A result file's content under the names of today."""
    content = {_OLD_NAMES.get(name, name): value for name, value in content.items()}
    settings = content.get("settings")
    if isinstance(settings, dict):
        content["settings"] = {OLD_SETTINGS.get(name, name): value for name, value in settings.items()}
    return content


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def folder_name(name: str) -> str:
    """A name as one folder's name on any system: letters, digits and ``-_.`` stay, the rest becomes ``-``."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip(".-")


def result_file(results_folder: Path, task: str, protocol: str, part: str = "") -> Path:
    """Where the result of a protocol on a task lies."""
    return results_folder / task / f"{'-'.join(filter(None, (protocol, part)))}.json"


def read_results(results_folder: Path) -> list[Result]:
    """All results of a run, ordered by task, protocol and part; none where nothing was measured yet."""
    files = [file for file in sorted(results_folder.glob("*/*.json")) if not file.name.startswith(".")]
    return sorted(map(Result.read, files), key=lambda result: (result.task, result.protocol, result.place))
