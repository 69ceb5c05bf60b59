"""Lemmas and stop words by spaCy's tables, word by word: no tagger runs.

Gomez et al. (2017) and Patel et al. (2019) lower each word of their articles to WordNet's form of the noun ("dogs" to
"dog"; "running" stays) and leave out stop words. spaCy's small English model holds WordNet's nouns, its exceptions and
its endings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any

from wordsight.errors import InputError
from wordsight.language.tagger import tagger_name

# Where the tables lie in the model's package, and what spaCy calls nouns in them (its hash of "noun"). They are read as
# they lie: importing spaCy imports torch, which takes seconds and 600 MB.
_TABLES = "*/lemmatizer/lookups/lookups.bin"
_NOUN = 16833663260455505849


@dataclass(frozen=True)
class NounLemmas:
    """WordNet's way from a word to its noun (Morphy): an exception, or an ending exchanged for another.

    Args:
        nouns: Every noun.
        exceptions: Irregular forms with their nouns.
        endings: Pairs of an ending and what replaces it.
    """

    nouns: frozenset[str]
    exceptions: Mapping[str, Sequence[str]]
    endings: Sequence[Sequence[str]]

    def __call__(self, word: str) -> str:
        """The noun of a word in lower case, the shortest of several; the word itself where there is none."""
        if word in self.exceptions:
            found = [word, *self.exceptions[word]]
        else:
            found = [word] + [word[: -len(old)] + new for old, new in self.endings if word.endswith(old)]
        return min((form for form in found if form in self.nouns), key=len, default=word)


@cache
def noun_lemmas() -> NounLemmas:
    """The English lemmas of spaCy's small model.

    Raises:
        InputError: When it is not installed, or holds no such tables.
    """
    package = find_spec(tagger_name().split()[0])
    folders = [] if package is None else package.submodule_search_locations or []
    file = next((file for folder in folders for file in Path(folder).glob(_TABLES)), None)
    if file is None:
        raise InputError("spaCy's small English model holds no lemmas", mend="pip install 'wordsight[offline]'")
    import srsly

    tables: Any = srsly.msgpack_loads(file.read_bytes())
    index, exceptions, endings = (tables[f"lemma_{name}"][_NOUN] for name in ("index", "exc", "rules"))
    return NounLemmas(frozenset(index), exceptions, endings)


def stop_words(language: str) -> frozenset[str]:
    """spaCy's stop words of a language; none for "".

    Args:
        language: Its code, such as "en" or "de".

    Raises:
        InputError: When spaCy is not installed or has no such list.
    """
    if not language:
        return frozenset()
    package = find_spec("spacy")
    if package is None or not package.submodule_search_locations:
        raise InputError("spaCy is not installed", mend="pip install spacy, or give --stop-words ''")
    file = Path(package.submodule_search_locations[0]) / "lang" / language / "stop_words.py"
    if not language.isalpha() or not file.is_file():
        raise InputError(
            f"no stop words are known of the language {language!r}",
            where="--stop-words",
            expected="a code such as en, de, fr or cs",
            mend="or give --stop-words '' for none",
        )
    return frozenset(run_path(str(file))["STOP_WORDS"])
