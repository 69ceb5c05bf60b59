"""The names that people give to splits: of folders, of columns, of lists of files."""

from __future__ import annotations

import re
from typing import Literal

Part = Literal["train", "val", "test"]

# Each also with a word for what it is of (training_set, test-images, TrainData) and a year (val2017).
_WORDS: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training", "trainval", "restval", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev", "devel", "development"),
    "test": ("test", "testing", "eval", "evaluation", "tst", "holdout", "heldout"),
}
_OF = "(sets?|splits?|data|dataset|images?|imgs?|photos?|pictures?|folder|dir)"
_PART_OF = {word: part for part, words in _WORDS.items() for word in words}
_NAME = re.compile(rf"({'|'.join(sorted(_PART_OF, key=len, reverse=True))}){_OF}?\d{{0,4}}")


def part_of(name: str) -> Part | Literal[""]:
    """What a split is for, by its name: to learn from, to choose by, or to test on; "" when the name does not say.

    Args:
        name: As a folder, a column or a list of files has it: ``training_set``, ``Val``, ``test2015``.
    """
    found = _NAME.fullmatch(re.sub(r"[-_ .+]", "", name.lower()))
    return _PART_OF[found[1]] if found else ""


def split_of(name: str) -> str:
    """The split that a folder's name means, as it is named; "" when it means none."""
    return name if part_of(name) else ""
