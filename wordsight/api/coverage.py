"""The verb about what a corpus has of a task's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.api.corpus import open_corpus
from wordsight.atomic import write_json
from wordsight.corpus import Corpus
from wordsight.errors import InputError, setting

# torch and matplotlib are imported by the verb that needs them.
if TYPE_CHECKING:
    from wordsight.explain.coverage.count import Coverage


def coverage(
    corpus: Corpus | Path | str,
    classes: Path | str | Mapping[str, Sequence[str]] | Sequence[str],
    *,
    split: str | None = None,
    matchers: Sequence[str] = ("exact", "lemma", "substring"),
    results: Path | str | None = None,
    out: Path | str | None = None,
) -> Coverage:
    """Count how many of a task's classes the captions of a corpus name, and in how many images.

    Args:
        corpus: The corpus folder.
        classes: A file of class names: a name a line, or a table with a column name and one label. In Python also the
            names themselves, or classes with the names that each goes by.
        split: The split of the corpus, or several with commas between them; by default all of it.
        matchers: What counts as naming a class: exact (its words, one after another), lemma (their singulars),
            substring (its letters, within words too).
        results: A result with a value per class, a JSON file that evaluate wrote, to draw coverage against.
        out: A picture (.png, .svg, .pdf) of the images that name each class, against its accuracy where there is a
            result; or a .json file of all numbers.

    Raises:
        InputError: When a file can't be read, there are no captions, or the result has none of the classes.

    Examples:
        >>> import wordsight
        >>> found = wordsight.coverage("corpora/photos", ["circle", "triangle"])
        >>> {name: each.images_K.tolist() for name, each in found.found.items()}
        {'exact': [12, 0], 'lemma': [12, 0], 'substring': [12, 0]}
    """
    from wordsight.evaluation.results.result import Result
    from wordsight.explain.coverage.count import accuracy_of, read_classes
    from wordsight.explain.coverage.count import coverage as count
    from wordsight.explain.coverage.plot import plot_coverage

    if results is not None and out is None:
        raise InputError(
            "is drawn into a picture", setting="results", mend=f"name the picture: {setting('out', 'plot.png')}"
        )
    result = None if results is None else Result.read(Path(results))
    named = read_classes(Path(classes)) if isinstance(classes, str | Path) else classes
    found = count(open_corpus(corpus), named, split=split, matchers=matchers)
    if result is not None:
        accuracy_of(found, result)
    if out is not None and Path(out).suffix.lower() == ".json":
        write_json(Path(out), found.as_json())
    elif out is not None:
        plot_coverage(found, Path(out), result)
    return found
