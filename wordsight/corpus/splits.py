"""The names that people give to splits: of folders, of columns, of lists of files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

ALL = "all"

SplitKind = Literal["train", "val", "test"]
PARTS: tuple[SplitKind, ...] = ("train", "val", "test")

# Each also with a word for what it is of (training_set, test-images, TrainData) and a year (val2017).
_WORDS: dict[SplitKind, tuple[str, ...]] = {
    "train": ("train", "training", "trainval", "restval", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev", "devel", "development"),
    "test": ("test", "testing", "eval", "evaluation", "tst", "holdout", "heldout"),
}
_OF = "(sets?|splits?|data|dataset|images?|imgs?|photos?|pictures?|folder|dir)"
_PART_OF = {word: part for part, words in _WORDS.items() for word in words}
_NAME = re.compile(rf"({'|'.join(sorted(_PART_OF, key=len, reverse=True))}){_OF}?\d{{0,4}}")


_SEPARATORS = re.compile(r"[-_ .+]+")


class UnknownSplit(KeyError):  # noqa: N818  # read as "except UnknownSplit"
    """A split that was asked for and is not there; its argument is the name."""


def part_of(name: str) -> SplitKind | Literal[""]:
    """What a split is for, by its name: to learn from, to choose by, or to test on; "" when the name does not say.

    Args:
        name: As a folder, a column or a list of files has it: ``training_set``, ``Val``, ``test2015``.
    """
    found = _NAME.fullmatch(re.sub(r"[-_ .+]", "", name.lower()))
    return _PART_OF[found[1]] if found else ""


def split_of(name: str) -> str:
    """The split that a folder's name means, as it is named; "" when it means none."""
    return name if part_of(name) else ""


def split_in(name: str) -> str:
    """The split that one word of a file's name means, as it is written there; "" when none does, or two differ.

    Args:
        name: Without its ending: ``train-00000-of-00010``, ``imagenet1k-validation-07``, ``cc3m_train``.
    """
    found = {part_of(word): word for word in _SEPARATORS.split(name) if part_of(word)}
    return next(iter(found.values())) if len(found) == 1 else ""


def chosen_splits(asked: str, known: Iterable[str]) -> list[str]:
    """The splits that a person asks for, in the order of ``known``.

    ``train``, ``val`` and ``test`` mean every split of that purpose: Karpathy's ``restval`` is training data.

    Args:
        asked: One split, or several with commas between them.
        known: The splits that there are.

    Raises:
        UnknownSplit: When one of them is not there.
    """
    known = list(known)
    if asked in known and not part_of(asked):
        return [asked]
    found = set()
    for name in (piece.strip() for piece in asked.split(",")):
        meant = {each for each in known if each == name or (name in PARTS and part_of(each) == name)}
        if not meant:
            raise UnknownSplit(name)
        found |= meant
    return [each for each in known if each in found]
