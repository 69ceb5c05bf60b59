"""``explain words``: what a run's words have become: the nearest of each, their similarity, and two languages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wordsight.atomic import write_json
from wordsight.concepts.splitters import normal
from wordsight.errors import InputError, said, setting, settled, unknown
from wordsight.explain.words.feature_spread import ENOUGH, IMAGES, photos
from wordsight.explain.words.translation import Translation, translate
from wordsight.explain.words.word_lists import ScoredPair, read_dictionary, read_similarity
from wordsight.explain.words.word_space import Neighbour, WordSpace, word_spaces

if TYPE_CHECKING:
    from wordsight.training.run import Run

T = TypeVar("T")
# Fewer pairs than this say nothing about an order.
_LEAST_PAIRS = 3


@dataclass(frozen=True)
class Nearest:
    """The nearest words of a word, in each space that can be compared with its own.

    Args:
        word: The word.
        space: The concept set (and the language) that it is of.
        images: How many images of the corpus have it.
        near: The nearest words by the name of their space, its own first.
    """

    word: str
    space: str
    images: int
    near: dict[str, list[Neighbour]]


@dataclass(frozen=True)
class Similarity:
    """How well cosines follow people's scores.

    Args:
        space: The concept set (and the language) whose words were compared.
        spearman: Rank correlation of cosines and scores.
        known: Pairs whose words the run knows both: the correlation is over these.
        pairs: Pairs of the list.
    """

    space: str
    spearman: float
    known: int
    pairs: int


@dataclass(frozen=True)
class WordReport:
    """What was found of a run's words.

    Args:
        run: Name of the run.
        centred: Whether the mean of all rows was taken from each.
        images: How many photos told which directions count; 0 for none.
        nearest: Of each word that was asked for, once for each space that has it.
        similarity: Against a list of scores, where one was given.
        translations: Against a dictionary, where one was given: in both directions.
    """

    run: str
    centred: bool
    images: int
    nearest: list[Nearest] = field(default_factory=list)
    similarity: Similarity | None = None
    translations: list[Translation] = field(default_factory=list)


def explain_words(
    run: Run,
    words: Sequence[str] = (),
    *,
    most: int = 10,
    similarity: Path | None = None,
    dictionary: Path | None = None,
    concepts: str | None = None,
    centre: bool = True,
    images: int = IMAGES,
    out: Path | None = None,
    device: torch.device | None = None,
) -> WordReport:
    """Look at the output layer of a run's tag heads, in which every word has a row.

    The arguments are those of :func:`wordsight.api.explain.explain_words`, opened.

    Raises:
        InputError: When the run has no tag head, does not know the one word, or a list can't be read or holds none of
            its words; when its photos are wanted and gone.
        SomeFailedError: When several things are asked and the run knows some of them, with what it knows in ``done``.
    """
    _check_asked(words or similarity or dictionary, most, images)
    # Lists are read before the run: a slip in a file's name should not wait for it.
    scored = None if similarity is None else read_similarity(similarity)
    pairs = None if dictionary is None else read_dictionary(dictionary)
    spaces = word_spaces(run, concepts, centre=centre, images=images, device=device)
    failures: list[InputError] = []

    def answered(ask: Callable[[], T]) -> list[T]:
        """What a run knows of one thing that was asked for; what it does not is said after the rest."""
        try:
            return [ask()]
        except InputError as error:
            failures.append(error)
            return []

    where = str(run.path)
    near = [answered(partial(nearest_of, spaces, word, most, where)) for word in dict.fromkeys(map(normal, words))]
    followed = [] if scored is None else answered(partial(similarity_of, spaces, scored, str(similarity)))
    told = [] if pairs is None else answered(partial(translate, spaces, pairs, most, str(dictionary)))
    answers = [one for each in near for ones in each for one in ones]
    if not answers and not followed and not told:
        settled(None, failures)
    found = WordReport(
        run.name,
        centre,
        len(photos(run, images)) if images else 0,
        answers,
        next(iter(followed), None),
        next(iter(told), []),
    )
    if out is not None:
        write_json(out, asdict(found))
    return settled(found, failures)


def _check_asked(asked: object, most: int, images: int) -> None:
    if not asked:
        raise InputError(
            "nothing is asked for",
            where="wordsight explain words",
            expected=f"words, a list of pairs ({setting('similarity')}) or a dictionary ({setting('dictionary')})",
        )
    if most < 1:
        raise InputError(f"{most} nearest words are asked for", setting="most", expected="at least 1")
    if images < 0 or images == 1:
        raise InputError(f"{images} photos", setting="images", expected="2 or more, or 0 for none")


def nearest_of(spaces: Sequence[WordSpace], word: str, most: int, where: str = "words") -> list[Nearest]:
    """The nearest words of a word, once for each space that has it.

    Args:
        spaces: The words of a run.
        word: The word.
        most: How many.
        where: The run's name in errors.

    Raises:
        InputError: When no space has it, with the word of the nearest spelling.
    """
    having = [space for space in spaces if space.number(word) is not None]
    if not having:
        raise unknown("word", normal(word), (known for space in spaces for known in space.words), where=where, near=3)
    found = []
    for space in having:
        number = space.number(word)
        assert number is not None, "spaces without it were left out"
        others = [other for other in spaces if other is not space and space.shares_space(other)]
        near = {other.name: space.nearest(number, most, other) for other in (space, *others)}
        found.append(Nearest(space.words[number], space.name, int(space.images_K[number]), near))
    return found


def similarity_of(spaces: Sequence[WordSpace], pairs: Sequence[ScoredPair], where: str = "similarity") -> Similarity:
    """Spearman's rank correlation of the cosines with people's scores, in the space that knows most of the pairs.

    Args:
        spaces: The words of a run.
        pairs: Two words and a score each.
        where: The list's name in errors.

    Raises:
        InputError: When fewer than three pairs are known, or all scores are the same.
    """
    from scipy.stats import spearmanr

    def known(space: WordSpace) -> list[tuple[int, int, float]]:
        numbers = [(space.number(pair.first), space.number(pair.second), pair.score) for pair in pairs]
        return [(a, b, score) for a, b, score in numbers if a is not None and b is not None]

    space = max(spaces, key=lambda one: len(known(one)))
    rows = known(space)
    if len(rows) < _LEAST_PAIRS:
        raise InputError(
            f"the run knows both words of {len(rows)} of {len(pairs)} pairs",
            where=where,
            expected=f"{_LEAST_PAIRS} or more in the language of its captions",
        )
    first, second, scores = (np.array(column) for column in zip(*rows, strict=True))
    if len(np.unique(scores)) == 1:
        raise InputError("all known pairs have the same score", where=where)
    cosines = (space.unit_KD[first] * space.unit_KD[second]).sum(1)
    return Similarity(space.name, float(spearmanr(cosines, scores).statistic), len(rows), len(pairs))


def print_words(found: WordReport, console: Console | None = None, translated: int = 30) -> None:
    """Print what was found of a run's words.

    Args:
        found: What was found.
        console: Where to; standard output by default.
        translated: How many words of a dictionary are shown with their nearest words; 0 for the numbers alone.
    """
    console = console or Console(highlight=False)
    for nearest in found.nearest:
        console.print(f"{nearest.word} ({nearest.space}, {nearest.images:,} images)", soft_wrap=True, markup=False)
        if any(nearest.near.values()):
            console.print(_nearest_table(nearest))
        else:
            console.print("no other word to compare it with", style="dim")
        console.print()
    for translation in found.translations[: 1 if translated else 0]:
        console.print(_translation_table(translation, translated))
        console.print()
    for translation in found.translations:
        console.print(_translation_line(translation), soft_wrap=True, markup=False)
    if found.similarity is not None:
        one = found.similarity
        line = f"similarity: Spearman {one.spearman:.3f} over {one.known:,} of {one.pairs:,} pairs ({one.space})"
        console.print(line, soft_wrap=True, markup=False)
    if 0 < found.images < ENOUGH:
        say = f"note: {found.images} photos say little about which directions count: use {ENOUGH} or more, or none"
        console.print(said(f"{say} ({setting('images', 0)})"), soft_wrap=True, markup=False, style="dim")


def _nearest_table(nearest: Nearest) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in nearest.near:
        table.add_column(escape(name), overflow="fold")
        table.add_column("nearness", justify="right", no_wrap=True)
        table.add_column("cosine", justify="right", no_wrap=True)
        table.add_column("images", justify="right", no_wrap=True)
    most = max(len(column) for column in nearest.near.values())
    for row in range(most):
        cells: list[str] = []
        for column in nearest.near.values():
            one = column[row] if row < len(column) else None
            if one is None:
                cells += [""] * 4
            else:
                cells += [escape(one.word), f"{one.nearness:z.2f}", f"{one.cosine:z.2f}", f"{one.images:,}"]
        table.add_row(*cells)
    return table


def _translation_table(translation: Translation, most: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (translation.source, "dictionary"):
        table.add_column(escape(name), overflow="fold")
    table.add_column("at place", justify="right", no_wrap=True)
    table.add_column(escape(f"nearest words of {translation.target}"), overflow="fold")
    for word in translation.words[:most]:
        near = ", ".join(f"{one.word} {one.nearness:z.2f}" for one in word.nearest)
        table.add_row(escape(word.word), escape(", ".join(word.wanted)), f"{word.rank:,}", escape(near))
    return table


def _short(percent: float) -> str:
    """Two digits of a small number, and no more than whole ones of a large one."""
    return f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"


def _translation_line(found: Translation) -> str:
    reached = ", ".join(
        f"precision@{k} {found.precision[k]:.1f} % (chance {_short(found.chance[k])} %)" for k in found.precision
    )
    return (
        f"{found.source} to {found.target}: {reached}; {len(found.words):,} words, {found.known:,} of {found.pairs:,} "
        f"pairs known, {found.candidates:,} words to choose among"
    )
