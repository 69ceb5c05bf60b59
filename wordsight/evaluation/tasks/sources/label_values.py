"""Labels that a table wrote as numbers: 1.0 is class 1, and what is no number is no label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from wordsight.evaluation.tasks.task import LabelledImages

_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")


def as_classes(found: LabelledImages) -> LabelledImages:
    """Labels as classes are called: NaN is no label; whole numbers are written without decimals, where all are such.

    A column of whole numbers with a gap in it is written as 1.0, 2.0, NaN by what reads tables.

    Args:
        found: Labelled images of a table, or of a corpus that was built from one.
    """
    said = [tuple(label for label in labels if label.lower() != "nan") for labels in found.labels]
    names = {label for labels in (*said, *found.ignored) for label in labels}
    written = {name: str(int(float(name))) if _WHOLE.fullmatch(name) else name for name in names}
    if not all(map(_WHOLE.fullmatch, names)) or not any("." in name for name in names):
        written = {name: name for name in names}

    def each(labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(written[label] for label in labels))

    declared = [written.get(name, name) for name in found.class_names if name.lower() != "nan"]
    return replace(
        found,
        labels=[each(labels) for labels in said],
        ignored=[each(labels) for labels in found.ignored],
        class_names=list(dict.fromkeys(declared)),
    )
