"""Every noun, adjective and verb of a corpus's English captions: tagged once, kept for all of its concept sets."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.arrays import DAMAGED
from wordsight.atomic import atomic_folder
from wordsight.concepts.english import check_english, english_languages
from wordsight.concepts.languages import captions_in
from wordsight.corpus.derived import kept_place
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, listed
from wordsight.language.tagger import tag_words, tagger_name
from wordsight.progress import console, track

VERSION = 2
PARTS = ("noun", "adjective", "verb")
_COLUMNS = ("example", "caption", "start", "end", "word", "part")
# About how many captions, of examples from the first to the last, tell the language of all.
_SAMPLE = 5000


@dataclass(frozen=True)
class Words:
    """n words sorted by example, caption and start.

    Args:
        names: The different words, in lower case.
        example: Index of the example in its corpus, int64 ``[n]``.
        caption: Number of the caption in its example, int32 ``[n]``.
        start: First character, int32 ``[n]``.
        end: One past the last character, int32 ``[n]``.
        word: Number of the word in ``names``, int32 ``[n]``.
        part: Number of the part of speech in ``PARTS``, int32 ``[n]``.
    """

    names: list[str]
    example: NDArray[np.int64]
    caption: NDArray[np.int32]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    word: NDArray[np.int32]
    part: NDArray[np.int32]


def words_of(corpus: Corpus, language: str = "") -> Words:
    """The nouns, adjectives and verbs of the captions of a corpus.

    A word is what the tagger splits off, in lower case; of two or more letters or digits, a letter first. They are kept
    in ``<corpus>/concepts/tagged-<fingerprint>/`` where the corpus may be written to.

    Args:
        corpus: The corpus. Where it says the languages of its captions, those that are not English are left out.
        language: Only captions in this language, where the corpus knows their languages.

    Raises:
        InputError: When the corpus holds no captions, none in the language, or captions in languages that the tagger
            doesn't speak, or the tagger is not installed.
    """
    languages = tagged_languages(corpus, language)
    made_from = f"{VERSION} {corpus.fingerprint} {tagger_name()} {' '.join(languages)}".rstrip()
    key = hashlib.sha256(made_from.encode()).hexdigest()[:12]
    folder = kept_place(corpus, "concepts", f"tagged-{key}", whole=_is_whole)
    if folder.is_dir() and (kept := _open(folder)) is not None:
        return kept
    words = _read(corpus, language)
    with atomic_folder(folder, overwrite=True) as beside:
        (beside / "words.json").write_text(json.dumps(words.names, ensure_ascii=False), "utf-8")
        np.savez(beside / "words.npz", allow_pickle=False, **{name: getattr(words, name) for name in _COLUMNS})
    return words


def tagged_languages(corpus: Corpus, language: str = "") -> tuple[str, ...]:
    """The languages of the captions that are tagged, "" being that of captions whose language is not said.

    Args:
        corpus: The corpus.
        language: The language that was asked for; empty for English and what is not said.

    Returns:
        None for all captions.
    """
    return (language,) if language else english_languages(corpus)


def is_word(text: str) -> bool:
    """Whether what the tagger splits off counts as a word: two or more letters or digits, a letter first."""
    return len(text) > 1 and text.isalnum() and text[0].isalpha()


def _read(corpus: Corpus, language: str) -> Words:
    everything, languages = corpus.indices(None), tagged_languages(corpus, language)
    # Says of a language that the corpus has not that there is none.
    asked = sum(1 for _ in corpus.caption_iter(everything, language or None))
    if asked == 0:
        raise InputError("holds no captions", where=corpus.path, expected="a corpus built from captioned images")
    some = everything[:: max(1, round(asked / _SAMPLE))]
    check_english(
        _with_languages(corpus, some, language),
        corpus,
        why="the tagger speaks English alone",
        mend="use the concept set 'words', which needs no tagger",
    )
    count = sum(1 for _ in captions_in(corpus, everything, languages))
    if count < asked:
        others = listed([name for name in corpus.language_names if name not in languages])
        console.print(
            f"captions in other languages than English ({others}), which the tagger leaves out: {asked - count:,} of "
            f"{asked:,}; the concept set 'words' takes them in",
            markup=False,
            soft_wrap=True,
        )
    numbers: dict[str, int] = {}
    flat = array("q")
    texts = (text for _, _, text in captions_in(corpus, everything, languages))
    tagged = track(tag_words(texts), "tagging captions", total=count)
    for (example, caption, _), words in zip(captions_in(corpus, everything, languages), tagged, strict=True):
        for word in words:
            if word.part in PARTS and is_word(word.text):
                number = numbers.setdefault(word.text.lower(), len(numbers))
                flat.extend((example, caption, word.start, word.end, number, PARTS.index(word.part)))
    table = np.array(flat, dtype=np.int64).reshape(-1, len(_COLUMNS))
    return Words(list(numbers), table[:, 0].copy(), *(table[:, k].astype(np.int32) for k in range(1, 6)))


def _with_languages(corpus: Corpus, indices: NDArray[np.int64], language: str) -> Iterator[tuple[str, str]]:
    """Captions, each with its language as the corpus says it; all of them, or those in one language."""
    for i, number, text in corpus.caption_iter(indices, language or None):
        yield text, language or corpus.languages(i)[number]


def _is_whole(folder: Path) -> bool:
    return folder.is_dir() and _open(folder) is not None


def _open(folder: Path) -> Words | None:
    """What was kept; None where it was damaged since, so that it is made again."""
    try:
        names = json.loads((folder / "words.json").read_text("utf-8"))
        with (folder / "words.npz").open("rb") as file, np.load(file, allow_pickle=False) as columns:
            return Words(names, **{name: columns[name] for name in _COLUMNS})
    except (OSError, *DAMAGED):
        return None
