"""The method ``caption-choice``: which is the image's caption, among hard ones with two of its words exchanged?

"A dog on a horse" or "a horse on a dog"? Two nouns, two adjectives or two verbs of a caption change places, as in ARO
(Yuksekgonul et al. 2023) and in SugarCrepe's swaps (Hsieh et al. 2023): all words are the same, so whoever reads a
caption as a bag of words finds them equal. Captions where no exchange gives another text are left out, and counted.
Read beside chance, the same heads on the backbone with random weights, and what a language model of the training
captions finds likeliest: a choice that is right without a look at the image says nothing about seeing.

https://arxiv.org/abs/2210.01936, https://arxiv.org/abs/2306.14610
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.concepts.english import english_languages
from wordsight.corpus.encoded_images import CorpusImages, ImageSubset
from wordsight.corpus.splits import part_of
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
from wordsight.evaluation.image_text.few_guesses import no_difference
from wordsight.evaluation.image_text.queries import TextQueries, TextQuery, TextSide
from wordsight.evaluation.image_text.similarity import SimilarityScores
from wordsight.evaluation.image_text.text_sides import (
    AUTO,
    asking,
    check_text_side,
    chosen_similarity,
    others_unasked,
    see_images,
    text_sides,
    with_backbone,
)
from wordsight.evaluation.methods.recorded_settings import recorded_settings
from wordsight.evaluation.metrics.bootstrap import clustered_interval
from wordsight.evaluation.metrics.classification import CHANCE, clustered_error
from wordsight.evaluation.metrics.outcomes import Outcomes, parts_of_ratio
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.predictions.row_samples import sample_rows
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.result import Result, ResultGroup
from wordsight.evaluation.tasks.caption_split import CorpusSplit
from wordsight.language.trigrams import Trigrams
from wordsight.language.word_swaps import PARTS, swapped
from wordsight.ranges import AtLeastOne, Fraction, Limit, Seed, check_ranges
from wordsight.vision.inference import weights_fingerprint

METRIC, TEXT_ONLY = "right caption", "text only"
_NAMES = {"noun": "nouns", "adjective": "adjectives", "verb": "verbs"}
# A larger share of choices in which all captions score alike is said.
_MANY_ALIKE = 0.5


@dataclass(frozen=True)
class CaptionChoiceSettings:
    """Settings of the method.

    Args:
        hard: Most captions with exchanged words beside the right one.
        seed: Which of more than that.
        text_side: ``auto``, or which of an objective's text sides is asked: a name in ``TEXT_SIDES``.
        similarity: ``auto`` for the text side's own, or another that it has.
        most_images: With more images than this, so many are drawn, always the same ones; 0 for all.
        text_only: Whether a language model of the training captions chooses too.
        random_init: Whether the heads are asked on a backbone with random weights too.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    hard: AtLeastOne = 3
    seed: Seed = 0
    text_side: str = AUTO
    similarity: str = AUTO
    most_images: Limit = 0
    text_only: bool = True
    random_init: bool = True
    crop_share: Fraction = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)
        check_text_side(self.text_side, self.similarity)


@dataclass(frozen=True)
class Choices:
    """C captions, each with others to choose it from.

    Args:
        examples: N examples that have such a caption.
        image_of_C: Which of the examples each belongs to, ascending.
        texts: All texts: of each choice the right one first, then the others.
        first_C: The place of each choice's right text.
        parts_C: Of each choice, the parts of speech of the words that were exchanged in the others.
        left_out: How many captions have no others.
    """

    examples: NDArray[np.int64]
    image_of_C: NDArray[np.int64]
    texts: Sequence[str]
    first_C: NDArray[np.int64]
    parts_C: Sequence[Sequence[str]]
    left_out: int

    def options(self, choice: int) -> slice:
        """The places of a choice's texts."""
        first = int(self.first_C[choice])
        return slice(first, first + 1 + len(self.parts_C[choice]))

    def hashes(self, data: CorpusSplit) -> NDArray[np.str_]:
        """What the images are known by, ``[N]``."""
        return np.array([data.corpus.image_hash(int(example)) for example in self.examples], np.str_)

    @property
    def chance_C(self) -> NDArray[np.float64]:
        """The share of guesses that is right by chance."""
        return np.array([1 / (1 + len(parts)) for parts in self.parts_C])


def measure(model: EvaluatedModel, data: CorpusSplit, protocol: EvalProtocol) -> list[Result]:
    """Ask which caption is the image's, among hard ones.

    Args:
        model: Its objective's text side is asked.
        data: Captioned images.
        protocol: Its settings are :class:`CaptionChoiceSettings`.

    Returns:
        A result; of several tag heads one for each.

    Raises:
        InputError: When the objective has no text side, no caption has words to exchange, or the tagger is absent.
    """
    settings: CaptionChoiceSettings = protocol.settings
    sides = text_sides(model, settings.text_side)
    chosen = {name: chosen_similarity(side, settings.similarity) for name, side in sides.items()}
    results = []
    for name, side in sides.items():
        choices = choices_of(data, side, settings)
        beside, notes = _text_only(data, side, choices) if settings.text_only else ({}, [])
        part = name if len(sides) > 1 else ""
        results.append(_of_side(model, data, protocol, side, chosen[name], choices, beside, notes, part))
    return results


def choices_of(data: CorpusSplit, side: TextSide, settings: CaptionChoiceSettings) -> Choices:
    """The captions of a split that have others to be told from.

    Args:
        data: The split.
        side: Who reads them: captions in its own languages.
        settings: How many others.

    Raises:
        InputError: When there is none.
    """
    examples = data.corpus.indices(data.split)
    examples = sample_rows(examples, settings.most_images or len(examples))
    captions = list(_english(data.corpus, side, examples.tolist()))
    found = list(zip(captions, swapped((text for _, text in captions), settings.hard, settings.seed), strict=True))
    kept = [(example, text, swaps) for (example, text), swaps in found if swaps]
    if not kept:
        raise InputError(
            f"none of the {len(captions):,} captions has two words of one kind whose exchange gives another text",
            where=data.name,
            expected="English captions with two nouns, adjectives or verbs",
        )
    numbers, image_of_C = np.unique([example for example, _, _ in kept], return_inverse=True)
    texts = [text for _, right, swaps in kept for text in (right, *(swap.text for swap in swaps))]
    counts_C = np.array([1 + len(swaps) for *_, swaps in kept])
    parts = [[swap.part for swap in swaps] for *_, swaps in kept]
    return Choices(numbers, image_of_C, texts, np.cumsum(counts_C) - counts_C, parts, len(found) - len(kept))


def _english(corpus: Corpus, side: TextSide, examples: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The captions that both the text side and the tagger read, each with its example."""
    languages = english_languages(corpus)
    read = side.captions(corpus, examples)
    if not languages:
        yield from ((example, text) for example, _, text in read)
        return
    told = {place[:2] for language in languages for place in corpus.caption_iter(examples, language)}
    yield from ((example, text) for example, number, text in read if (example, number) in told)


def _of_side(
    model: EvaluatedModel,
    data: CorpusSplit,
    protocol: EvalProtocol,
    side: TextSide,
    similarity: str,
    choices: Choices,
    beside: Mapping[str, NDArray[np.float64]],
    notes: Sequence[str],
    part: str,
) -> Result:
    assert model.objective is not None, "a text side is an objective's"
    settings: CaptionChoiceSettings = protocol.settings
    images = ImageSubset(CorpusImages(data.corpus), choices.examples)

    def looked(queries: TextQueries, what: str) -> tuple[NDArray[np.float64], float, list[str]]:
        seen = see_images(model, queries, images, settings.crop_share, what)
        right_C, alike = right_choices(queries.scores(seen), choices)
        return right_C, alike, no_difference(seen)

    with asking(model):
        queries = side.ask([TextQuery((text,)) for text in choices.texts], similarity)
        right_C, alike, same = looked(queries, "images")
    random = None
    if settings.random_init:
        with with_backbone(model, model.random_backbone()), asking(model):
            random = looked(queries, "images, random weights")[0]
    beside = {CHANCE: choices.chance_C, **beside}
    image_of_C, count = choices.image_of_C, len(choices.examples)
    return Result(
        task=data.name,
        protocol=protocol.name,
        part=part,
        metric=METRIC,
        value=100 * float(right_C.mean()),
        random_weights=None if random is None else 100 * float(random.mean()),
        baselines={name: 100 * float(each.mean()) for name, each in beside.items()},
        standard_error=clustered_error(right_C, image_of_C),
        interval=clustered_interval(right_C, image_of_C),
        groups=_groups(right_C, beside, choices),
        counts={
            "images": count,
            "captions": len(right_C),
            "left_out": choices.left_out,
            "hard_captions": len(choices.texts) - len(right_C),
        },
        settings=recorded_settings(protocol, model, data, text_side=side.name, similarity=queries.similarity),
        weights=weights_fingerprint(model.objective),
        data=data.fingerprint,
        outcomes=Outcomes(choices.hashes(data), correct=_of_images(right_C, image_of_C, count)),
        warnings=[
            *data.seen_in_training(model),
            *others_unasked(model, settings.text_side),
            *queries.notes,
            *_told(choices, alike),
            *notes,
            *same,
        ],
    )


def _of_images(right_C: NDArray[np.float64], image_of_C: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """What each image adds to the share of captions that are chosen right."""
    sums = (np.bincount(image_of_C, weights=each, minlength=count) for each in (right_C, np.ones(len(right_C))))
    return parts_of_ratio(*(np.asarray(each, dtype=np.float64) for each in sums))


def _told(choices: Choices, alike: float) -> list[str]:
    """What was left out, and that all captions were the same to it."""
    asked = len(choices.first_C)
    told = [
        f"{choices.left_out:,} of {choices.left_out + asked:,} captions are left out: they have no two words of one "
        "kind whose exchange gives another text"
    ]
    if alike > _MANY_ALIKE:
        told.append(
            f"in {100 * alike:.0f} % of the choices all captions score alike: it reads a caption as words without "
            "order, and chance decides"
        )
    return told[choices.left_out == 0 :]


def right_choices(scores: SimilarityScores, choices: Choices) -> tuple[NDArray[np.float64], float]:
    """How often each choice is right: 1 or 0, a share where captions score alike; and the share that all score alike.

    Args:
        scores: Of the images for the texts.
        choices: The choices.
    """
    right: list[float] = []
    alike = 0
    # The choices of one image come together: its vector is made once.
    bounds = np.searchsorted(choices.image_of_C, np.arange(len(choices.examples) + 1))
    for image in range(len(choices.examples)):
        one = scores.of_images(slice(image, image + 1))
        for choice in range(int(bounds[image]), int(bounds[image + 1])):
            values_1t, rounding_1t = one.scores_and_rounding(slice(None), choices.options(choice))
            own, *others = zip(values_1t[0].tolist(), rounding_1t[0].tolist(), strict=True)
            above = sum(value - off > own[0] + own[1] for value, off in others)
            tied = sum(abs(value - own[0]) <= off + own[1] for value, off in others)
            right.append(0.0 if above else 1 / (1 + tied))
            alike += tied == len(others)
    return np.array(right), alike / len(right)


def _text_only(data: CorpusSplit, side: TextSide, choices: Choices) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """What a language model of the training captions finds likeliest, without a look."""
    corpus = data.corpus
    if "train" not in map(part_of, corpus.splits) or data.shares_with("train"):
        return {}, ["no language model beside it: there is no other split called train to learn it from"]
    learned = Trigrams(text for *_, text in side.captions(corpus, corpus.indices("train").tolist()))
    right = []
    for choice in range(len(choices.first_C)):
        own, *others = map(learned.log_probability, choices.texts[choices.options(choice)])
        right.append(0.0 if max(others) > own else 1 / (1 + sum(value == own for value in others)))
    return {TEXT_ONLY: np.array(right)}, []


def _groups(
    right_C: NDArray[np.float64], beside: Mapping[str, NDArray[np.float64]], choices: Choices
) -> list[ResultGroup]:
    """Choices whose other captions all have words of one part of speech exchanged."""
    groups = []
    for part in PARTS:
        of_part = np.array([set(parts) == {part} for parts in choices.parts_C])
        if of_part.any():
            baselines = {name: 100 * float(each[of_part].mean()) for name, each in beside.items()}
            value = 100 * float(right_C[of_part].mean())
            groups.append(ResultGroup("exchanged words", _NAMES[part], int(of_part.sum()), value, baselines=baselines))
    return groups
