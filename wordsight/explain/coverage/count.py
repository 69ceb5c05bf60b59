"""Coverage: how many of a task's classes do the captions of a corpus name, and in how many images?

The table of the tutorial "Vision-Language Learning for Visual Recognition" (Jianwei Yang): number of concepts, size of
the vocabulary, share of the class names covered, images per concept. What counts as naming a class is a matcher, and a
number is never shown without its matcher's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from operator import contains
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wordsight.concepts.splitters import normal, splitter
from wordsight.corpus.class_names import as_words, names_in
from wordsight.corpus.lines import ending_of, read_lines
from wordsight.corpus.store import Corpus
from wordsight.corpus.tabular import TableFile
from wordsight.errors import InputError, listed, unknown
from wordsight.language.lemmas import noun_lemmas
from wordsight.progress import track

if TYPE_CHECKING:
    from wordsight.evaluation.results.result import Result

MATCHERS = ("exact", "lemma", "substring")
# Examples whose captions are searched together for substrings.
_TOGETHER = 1024
_CLASSES, _NAMES = ("label", "class", "id", "wnid", "class_id"), ("name", "names", "class_name", "classname")


@dataclass(frozen=True)
class ClassCoverage:
    """What a corpus has of the classes, by one matcher.

    Args:
        matcher: ``exact``: the name's words stand in a caption one after another. ``lemma``: so do their singulars.
            ``substring``: its letters stand in a caption, also within words (cat in cattle).
        images_K: How many images have a caption that names each class.
    """

    matcher: str
    images_K: NDArray[np.int64]

    @property
    def share(self) -> float:
        """Share of the classes that are named at all, in percent."""
        return 100 * float((self.images_K > 0).mean())

    @property
    def images_per_class(self) -> float:
        """Images that name a class, mean over the classes that are named."""
        named = self.images_K[self.images_K > 0]
        return float(named.mean()) if len(named) else 0.0


@dataclass(frozen=True)
class Coverage:
    """What a corpus has of a task's classes.

    Args:
        corpus: Name of the corpus.
        split: The split that was looked at.
        images: How many images it has.
        captions: How many captions.
        vocabulary: How many different words these have, in lower case.
        concepts: How many different nouns, as WordNet knows them, in the singular; None where no lemmas were asked for.
        classes: Names of the K classes as results have them.
        names: What each is called in words, one or several names.
        class_vocabulary: How many different words the class names have.
        found: What is covered, by matcher.
    """

    corpus: str
    split: str
    images: int
    captions: int
    vocabulary: int
    concepts: int | None
    classes: Sequence[str]
    names: Sequence[tuple[str, ...]]
    class_vocabulary: int
    found: Mapping[str, ClassCoverage]

    def shown(self, number: int) -> str:
        """What a class is called where a person reads it: the first of its names that is no code as n02102040."""
        names = self.names[number]
        return next((name for name in names if not any(letter.isdigit() for letter in name)), names[0])

    def as_json(self) -> dict[str, Any]:
        """What a JSON file holds of it."""
        content = {name: value for name, value in asdict(self).items() if name != "found"}
        content["covered"] = {
            name: {
                "percent_of_classes": one.share,
                "images_per_class": one.images_per_class,
                "images": dict(zip(self.classes, one.images_K.tolist(), strict=True)),
            }
            for name, one in self.found.items()
        }
        return content


def coverage(
    corpus: Corpus,
    class_names: Mapping[str, Sequence[str]] | Sequence[str],
    *,
    split: str | None = None,
    matchers: Sequence[str] = MATCHERS,
) -> Coverage:
    """Count what the captions of a corpus have of some classes.

    Args:
        corpus: The captions.
        class_names: The classes, or these with the names that each goes by.
        split: The split that is looked at; all by default.
        matchers: Which of `MATCHERS`.

    Raises:
        InputError: When there are no captions or no classes, or a matcher is unknown.
    """
    for name in matchers:
        if name not in MATCHERS:
            raise unknown("matcher", name, MATCHERS, setting="matchers")
    if not isinstance(class_names, Mapping):
        class_names = {name: (as_words(name),) for name in class_names}
    if not class_names or not matchers:
        raise InputError("no class is named" if matchers else "no matcher is named", where="wordsight coverage")
    indices = corpus.indices(split)
    names = [tuple(each) for each in class_names.values()]
    wanted: dict[str, Callable[[str], tuple[str, ...]]] = {}
    if "exact" in matchers:
        wanted["exact"] = lambda word: (word,)
    if "lemma" in matchers:
        wanted["lemma"] = cache(noun_lemmas().forms)
    searches = {name: _Sequences(names, forms) for name, forms in wanted.items()}
    counts = {name: np.zeros(len(names), dtype=np.int64) for name in matchers}
    vocabulary: set[str] = set()
    captions = 0
    for example in track(indices.tolist(), "captions"):
        texts = [_words(text) for text in corpus.captions(example)]
        captions += len(texts)
        vocabulary.update(word for text in texts for word in text)
        for name, search in searches.items():
            counts[name][list(search.in_texts(texts))] += 1
    if captions == 0:
        raise InputError(
            f"the split {split or 'all'!r} has no captions", where=corpus.path, expected="a corpus with captions"
        )
    if "substring" in matchers:
        counts["substring"] = _substrings(corpus, indices, names)
    return Coverage(
        corpus=corpus.name,
        split=split or "all",
        images=len(indices),
        captions=captions,
        vocabulary=len(vocabulary),
        concepts=_nouns(vocabulary) if "lemma" in matchers else None,
        classes=list(class_names),
        names=names,
        class_vocabulary=len({word for each in names for name in each for word in _words(name)}),
        found={name: ClassCoverage(name, counts[name]) for name in matchers},
    )


def _words(text: str) -> list[str]:
    return [normal(word) for word in splitter("unicode").words(text)]


def _nouns(vocabulary: set[str]) -> int:
    lemma = noun_lemmas()
    return len({noun for noun in map(lemma, vocabulary) if noun in lemma.nouns})


class _Sequences:
    """Finds names of several words in texts, by their first word.

    A word of a name is one noun; one of a caption may be a form of several ("axes": of axe and of axis), and stands for
    each of them.

    Args:
        names: The names of each class.
        forms: From a word to the forms that are compared, its own first.
    """

    def __init__(self, names: Sequence[tuple[str, ...]], forms: Callable[[str], tuple[str, ...]]) -> None:
        self._forms = forms
        self._starting: dict[str, list[tuple[list[str], int]]] = {}
        for k, each in enumerate(names):
            for name in each:
                if words := [forms(word)[0] for word in _words(name)]:
                    self._starting.setdefault(words[0], []).append((words, k))

    def in_texts(self, texts: Sequence[Sequence[str]]) -> set[int]:
        """The classes that some texts name."""
        return {k for text in texts for k in self._in([self._forms(word) for word in text])}

    def _in(self, words: list[tuple[str, ...]]) -> Iterator[int]:
        for place, forms in enumerate(words):
            for first in forms:
                for name, k in self._starting.get(first, ()):
                    after = words[place : place + len(name)]
                    if len(after) == len(name) and all(map(contains, after, name)):
                        yield k


def _substrings(corpus: Corpus, indices: NDArray[np.int64], names: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
    """In how many examples the letters of each class stand: one search through many captions at once."""
    counts = np.zeros(len(names), dtype=np.int64)
    for first in track(range(0, len(indices), _TOGETHER), "substrings"):
        texts = ["\n".join(corpus.captions(int(i))).lower() + "\n" for i in indices[first : first + _TOGETHER]]
        ends = np.cumsum([len(text) for text in texts])
        joined = "".join(texts)
        for k, each in enumerate(names):
            places = [place for name in each if name for place in _places(joined, name.lower())]
            counts[k] += len(np.unique(np.searchsorted(ends, places, "right")))
    return counts


def _places(text: str, name: str) -> Iterator[int]:
    place = text.find(name)
    while place >= 0:
        yield place
        place = text.find(name, place + 1)


def read_classes(file: Path) -> dict[str, tuple[str, ...]]:
    """The classes that a file lists, with the names that each goes by.

    Args:
        file: Text with a class a line, its names with commas between them; or a table (CSV, TSV, JSONL, Parquet) with a
            column ``name``, and one of the classes as results have them (``label``, ``class``, ``id``, ...).

    Raises:
        InputError: When it can't be read or holds no class.
    """
    found: dict[str, dict[str, None]] = {}
    for own, names in _table_rows(file) if ending_of(file) not in (".txt", "") else _lines(file):
        several = [" ".join(as_words(name).split()) for name in names.split(",")]
        found.setdefault(own, {}).update(dict.fromkeys(name for name in several if name))
    nameless = next((own for own, names in found.items() if own and not names), None)
    if nameless is not None:
        raise InputError(f"{nameless} has no name", where=file, mend="give it one, or leave its line out")
    found = {own: names for own, names in found.items() if own}
    if not found:
        raise InputError("holds no class name", where=file, expected="a name a line, or a table with a column name")
    return {own: tuple(names) for own, names in found.items()}


def _lines(file: Path) -> list[tuple[str, str]]:
    lines = read_lines(file, what="a class name a line")
    return [(line.strip(), line.strip()) for line in lines if line.strip() and not line.startswith("#")]


def _table_rows(file: Path) -> list[tuple[str, str]]:
    table = TableFile(file)
    lower = {name.lower().strip(): name for name in table.columns}
    own = next((lower[name] for name in _CLASSES if name in lower), None)
    name = next((lower[name] for name in _NAMES if name in lower), own)
    if name is None:
        raise InputError(
            f"has the columns {listed(table.columns)}", where=file, expected="a column name, and one label"
        )
    columns = list(dict.fromkeys([own or name, name]))
    return [
        (",".join(names_in(file, row, own or name)), ",".join(names_in(file, row, name)))
        for row in table.whole_rows(columns)
    ]


def print_coverage(found: Coverage, console: Console | None = None, most: int = 20) -> None:
    """Show what is covered: the table, and the classes that are named least.

    Args:
        found: What was counted.
        console: Where to; standard output by default.
        most: How many of the least-named classes are shown.
    """
    console = console or Console(highlight=False)
    nouns = "" if found.concepts is None else f", {found.concepts:,} concepts (nouns)"
    per = "" if not found.concepts else f", {found.images / found.concepts:,.1f} images per concept"
    console.print(
        f"{escape(found.corpus)}, {escape(found.split)}: {found.images:,} images, {found.captions:,} captions, "
        f"{found.vocabulary:,} words{nouns}{per}",
        soft_wrap=True,
    )
    console.print(f"{len(found.classes):,} classes, {found.class_vocabulary:,} words in their names")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("matcher", "classes covered, percent", "images per covered class"):
        table.add_column(column, justify="left" if column == "matcher" else "right")
    for name, one in found.found.items():
        table.add_row(name, f"{one.share:.1f}", f"{one.images_per_class:,.1f}")
    console.print(table)
    by = next(iter(found.found))
    by = "lemma" if "lemma" in found.found else by
    order = np.argsort(found.found[by].images_K, kind="stable")[:most]
    named = ", ".join(f"{found.shown(k)} {found.found[by].images_K[k]:,}" for k in order.tolist())
    console.print(f"named in the fewest images ({by}): {escape(named)}", soft_wrap=True)


def accuracy_of(found: Coverage, result: Result) -> NDArray[np.float64]:
    """The value of each class in a result, ``[K]``; NaN for one that it has not.

    Raises:
        InputError: When it has none of the classes.
    """
    values = np.array(
        [
            next((result.per_class[name] for name in (own, *names) if name in result.per_class), np.nan)
            for own, names in zip(found.classes, found.names, strict=True)
        ]
    )
    if np.isnan(values).all():
        some = ", ".join(list(result.per_class)[:3])
        raise InputError(
            "the result has a value for none of the classes",
            where=f"{result.task}, {result.protocol}",
            expected=f"classes such as {some}" if some else "a result with values per class",
            mend="give the classes as a table with a column of these and a column name",
        )
    return values
