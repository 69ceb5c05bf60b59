"""Two languages from photos: is the word of the other language that is nearest in the output layer the translation?

    python benchmarks/bilingual.py pairs --parallel multi30k_parallel_en_de_fr_cs.tsv.gz --out en-de.tsv
    python benchmarks/bilingual.py train --captions flickr8k/captions.json --captions-de flickr8k/captions_de.json \
        --images flickr8k/images --dictionary en-de.tsv --out runs/bilingual

`pairs` makes a dictionary from parallel sentences: IBM model 1 (Brown et al. 1993) in both directions, the words that
are each other's best, and of these the most frequent that German writes as nouns. `train` trains the recipe
`tp-words-bilingual-resnet18-small` on the captions of both languages, which are not translations of each other, and
prints 30 pairs with their nearest German words, and precision@1 and @5 against the dictionary beside chance: as
`explain words` has it, and with each part of its nearness left out.
"""

from __future__ import annotations

import argparse
import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import record
from numpy.typing import NDArray
from rich.console import Console

import wordsight
from wordsight.atomic import write_text
from wordsight.concepts.splitters import normal, splitter
from wordsight.corpus import READERS
from wordsight.explain.words.feature_spread import IMAGES
from wordsight.explain.words.known_words import WordReport, print_words
from wordsight.explain.words.translation import Translation, translate
from wordsight.explain.words.word_lists import read_dictionary
from wordsight.explain.words.word_space import word_spaces
from wordsight.training.run import Run

RECIPE = "tp-words-bilingual-resnet18-small"
JOINT = {"kind": "words", "size": 4000}
# Rounds of expectation maximisation: more change nothing that matters.
ROUNDS = 8


@dataclass(frozen=True)
class Side:
    """The sentences of one language as numbers of words.

    Args:
        words: The different words.
        sentences: Numbers of the words of each sentence.
        nouns: How often each word stands with a capital letter inside a sentence, of all times that it stands there.
    """

    words: list[str]
    sentences: list[NDArray[np.int64]]
    nouns: NDArray[np.float64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each word comes."""
        return np.bincount(np.concatenate(self.sentences), minlength=len(self.words))


def side_of(texts: Sequence[str]) -> Side:
    """The words of sentences."""
    cut = splitter("unicode").words
    numbers: dict[str, int] = {}
    sentences, inside, capital = [], Counter[str](), Counter[str]()
    for text in texts:
        words = cut(text)
        for word in words[1:]:
            inside[normal(word)] += 1
            capital[normal(word)] += word[0].isupper()
        sentences.append(np.array([numbers.setdefault(normal(word), len(numbers)) for word in words], dtype=np.int64))
    share = np.array([capital[word] / max(inside[word], 1) for word in numbers])
    return Side(list(numbers), sentences, share)


@dataclass(frozen=True)
class Alignment:
    """Probability of a word given another, for all that come in one pair of sentences.

    Args:
        given: Number of the given word.
        word: Number of the other.
        chance: The probability.
    """

    given: NDArray[np.int64]
    word: NDArray[np.int64]
    chance: NDArray[np.float64]


def align(source: Side, target: Side, rounds: int = ROUNDS) -> Alignment:
    """IBM model 1: expectation maximisation of t(target word | source word), with an empty word on the source side."""
    empty = len(source.words)
    given, word, place, places = [], [], [], 0
    for first, second in zip(source.sentences, target.sentences, strict=True):
        with_empty = np.append(first, empty)
        given.append(np.tile(with_empty, len(second)))
        word.append(np.repeat(second, len(with_empty)))
        place.append(np.repeat(np.arange(places, places + len(second)), len(with_empty)))
        places += len(second)
    keys, kind = np.unique(np.concatenate(given) * len(target.words) + np.concatenate(word), return_inverse=True)
    given_of, word_of = np.divmod(keys, len(target.words))
    at = np.concatenate(place)
    chance = np.ones(len(keys)) / len(target.words)
    for _ in range(rounds):
        weight = chance[kind]
        share = weight / np.bincount(at, weight)[at]
        expected = np.bincount(kind, share)
        chance = expected / np.bincount(given_of, expected)[given_of]
    real = given_of != empty
    return Alignment(given_of[real], word_of[real], chance[real])


def best_pairs(english: Side, german: Side, count: int, least: int) -> list[tuple[str, str]]:
    """The most frequent nouns that are each other's best translation, of words that come `least` times or more.

    A pair is as good as the product of both directions' probabilities.
    """
    there, back = align(english, german), align(german, english)
    width = len(german.words)
    # Both directions hold the same pairs of words: those of one sentence pair.
    order = np.argsort(back.word * width + back.given)
    assert np.array_equal((back.word * width + back.given)[order], there.given * width + there.word)
    score = there.chance * back.chance[order]
    best_of_english, best_of_german = _best(there.given, score), _best(there.word, score)
    mutual = [k for e, k in best_of_english.items() if best_of_german[int(there.word[k])] == k]
    often = np.minimum(english.counts[there.given], german.counts[there.word])
    letters = np.minimum(_lengths(english)[there.given], _lengths(german)[there.word])
    nouns = (german.nouns[there.word] > 0.8) & (letters > 1)
    kept = [k for k in mutual if nouns[k] and often[k] >= least and score[k] > 0.1]
    kept.sort(key=lambda k: (-int(often[k]), english.words[int(there.given[k])]))
    return [(english.words[int(there.given[k])], german.words[int(there.word[k])]) for k in kept[:count]]


def _lengths(side: Side) -> NDArray[np.int64]:
    return np.array([len(word) for word in side.words])


def _best(group: NDArray[np.int64], score: NDArray[np.float64]) -> dict[int, int]:
    """The row with the largest score of each group."""
    order = np.lexsort((score, group))
    last = np.flatnonzero(np.r_[np.diff(group[order]) != 0, True])
    return {int(group[order[k]]): int(order[k]) for k in last}


def make_pairs(options: argparse.Namespace) -> None:
    """Make the dictionary, write it, and show a part of it."""
    opened: Any = gzip.open if options.parallel.suffix == ".gz" else open
    with opened(options.parallel, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    english, german = (side_of([row[k - 1] for row in rows]) for k in (options.english_column, options.german_column))
    pairs = best_pairs(english, german, options.count, options.least)
    write_text(options.out, "".join(f"{a}\t{b}\n" for a, b in [("en", "de"), *pairs]))
    console = Console(highlight=False)
    console.print(", ".join(f"{a} {b}" for a, b in pairs[:: max(1, len(pairs) // 50)]))
    console.print(f"wrote {options.out}: {len(pairs)} pairs from {len(rows):,} sentences; above, 50 of them to look at")


def language(space: str) -> str:
    """The language of a space of words: a head has its name, a joint vocabulary a space for each."""
    return space.rpartition(": ")[2]


def train(options: argparse.Namespace) -> None:
    """Train on both languages where there is no run yet, and hold its nearest words against the dictionary."""
    corpus = options.corpus or options.out.parent / "corpora" / options.out.name
    if not corpus.exists():
        reader = READERS["coco"](  # type: ignore[call-arg]
            options.captions, options.images, language="en", also=(f"de={options.captions_de}",)
        )
        wordsight.build_corpus(reader, out=corpus)
    if not (options.out / "objective.safetensors").exists():
        changes: dict[str, Any] = {"concepts": JOINT} if options.vocabulary == "joint" else {}
        named = {"epochs": options.epochs, "image_size": options.image_size}
        changes |= {name: value for name, value in named.items() if value is not None}
        wordsight.pretrain(RECIPE, corpus=corpus, out=options.out, resume=True, **changes)
    console = Console(highlight=False)
    # What is said before each, and its name among the results.
    ways: list[tuple[str, str, dict[str, Any]]] = [
        ("", f"by {IMAGES:,} photos", {}),
        ("\nwithout using photos:", "`--images 0`", {"images": 0}),
        (
            "\nand without taking the mean of all words from each:",
            "`--images 0 --centre false`",
            {"images": 0, "centre": False},
        ),
    ]
    kept: dict[str, list[Translation]] = {}
    for said, name, how in ways:
        found = wordsight.explain_words(options.out, dictionary=options.dictionary, most=5, **how)
        kept[name] = found.translations
        if said:
            console.print(said)
        print_words(found, console, translated=0 if how else 30)
    pairs = read_dictionary(options.dictionary)
    for photos, said in ((IMAGES, "by cosines alone, with a look at photos"), (0, "and without")):
        console.print(f"\n{said}:")
        spaces = word_spaces(Run.open(options.out), images=photos)
        translations = translate(spaces, pairs, csls=False)
        kept[f"{f'{photos:,} photos' if photos else '`--images 0`'}, by the cosine alone"] = translations
        print_words(WordReport(options.out.name, True, photos, translations=translations), console, translated=0)
    for name, translations in kept.items() if options.record else []:
        figures = {}
        for one in translations:
            way = f"{language(one.source)}-{language(one.target)}"
            figures |= {f"{way} @{k}": f"{one.precision[k]:.1f}" for k in (1, 5)}
        record.append("bilingual", {"vocabulary": options.vocabulary, "nearness": name}, figures, seeds=[0])


def main() -> None:
    """Make the dictionary, or train and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", required=True)
    pairs = jobs.add_parser("pairs", help="make a dictionary from parallel sentences")
    pairs.add_argument("--parallel", type=Path, required=True, help="tab-separated sentences, .gz too")
    pairs.add_argument("--english-column", type=int, default=3, help="from 1")
    pairs.add_argument("--german-column", type=int, default=4, help="from 1")
    pairs.add_argument("--count", type=int, default=200)
    pairs.add_argument("--least", type=int, default=20, help="a word that comes less often is left out")
    pairs.add_argument("--out", type=Path, required=True, help="the dictionary to write")
    pairs.set_defaults(do=make_pairs)
    trained = jobs.add_parser("train", help="train on both languages, and measure")
    trained.add_argument("--captions", type=Path, help="English captions in COCO's layout")
    trained.add_argument("--captions-de", type=Path, help="German captions of the same images")
    trained.add_argument("--images", type=Path, help="folder of the images")
    trained.add_argument("--corpus", type=Path, help="a corpus of both languages built before")
    trained.add_argument("--dictionary", type=Path, required=True, help="what `pairs` wrote, or a list of one's own")
    trained.add_argument("--vocabulary", choices=("heads", "joint"), default="heads")
    trained.add_argument("--epochs", type=int, help="in place of the recipe's")
    trained.add_argument("--image-size", type=int, help="in place of the recipe's")
    trained.add_argument("--out", type=Path, required=True, help="the run folder")
    trained.add_argument("--record", action="store_true", help="append the rows to benchmarks/results/bilingual.csv")
    trained.set_defaults(do=train)
    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()
