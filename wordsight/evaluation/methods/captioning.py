"""The method ``captioning``: how like the captions of people are those that an objective writes?

CIDEr-D and BLEU-1 to BLEU-4 of a caption of each image against all of its references. Read beside the same captions
given to other images, which tells how much of the number comes from how captions are written at all; beside one caption
for all images, the most frequent in training; and beside what the references themselves allow: each image's first
reference against its others, one fewer than the written captions are held against.

https://arxiv.org/abs/1504.00325
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.corpus.encoded_images import CorpusImages, ImageSubset
from wordsight.corpus.splits import part_of
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
from wordsight.evaluation.methods.recorded_settings import recorded_settings
from wordsight.evaluation.metrics.bootstrap import bootstrap_interval
from wordsight.evaluation.metrics.caption_scores import LONGEST, MOST_CIDER, Bleu, References, words_of
from wordsight.evaluation.metrics.classification import clustered_error
from wordsight.evaluation.metrics.outcomes import Outcomes
from wordsight.evaluation.models.evaluated_model import EvaluatedModel
from wordsight.evaluation.predictions.row_samples import sample_rows
from wordsight.evaluation.predictions.written_captions import captioning_objective, write_captions
from wordsight.evaluation.protocol import EvalProtocol
from wordsight.evaluation.results.measurement import baselines_for
from wordsight.evaluation.results.result import Result
from wordsight.evaluation.tasks.caption_split import CorpusSplit
from wordsight.heads.caption_search import CaptionSearch
from wordsight.objectives.capabilities import WrittenCaption
from wordsight.ranges import AtLeastOne, Fraction, LengthPower, Limit, check_ranges
from wordsight.vision.inference import weights_fingerprint

CIDER = "CIDEr-D"
BLEU = tuple(f"BLEU-{n}" for n in range(1, LONGEST + 1))
# Fewer different captions an image than this are said.
_FEW = 0.1
WRONG_IMAGE, MOST_FREQUENT, FIRST_REFERENCE = "wrong image", "most frequent caption", "first reference"


@dataclass(frozen=True)
class CaptioningEvalSettings:
    """Settings of the method.

    Args:
        beams: Captions of each image that the search goes on with; 1 takes the likeliest token each time.
        length_power: A caption's log-probability is divided by its number of tokens to this power: 0 for the sum, which
            favours short captions, 1 for the mean of a token.
        caption_language: References in this language alone; "" for all.
        most_images: With more images than this, so many are drawn, always the same ones; 0 for all.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    beams: AtLeastOne = 5
    length_power: LengthPower = 1.0
    caption_language: str = ""
    most_images: Limit = 0
    crop_share: Fraction = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class CaptionScores:
    """How like references captions are.

    Args:
        cider_N: CIDEr-D of each image, from 0 to 10.
        bleu: BLEU over all images.
    """

    cider_N: NDArray[np.float64]
    bleu: Bleu

    @classmethod
    def of(cls, references: References, captions: Sequence[str]) -> CaptionScores:
        """The scores of a caption for each image."""
        return cls(references.cider(captions), references.bleu(captions))

    @property
    def cider(self) -> float:
        """100 times the mean, as papers give it."""
        return 100 * float(self.cider_N.mean())

    @property
    def named(self) -> dict[str, float]:
        """BLEU by name, in percent."""
        return dict(zip(BLEU, self.bleu.value_k.tolist(), strict=True))


def measure(model: EvaluatedModel, data: CorpusSplit, protocol: EvalProtocol) -> Result:
    """Write a caption for each image of a split, and hold it against the split's own.

    Args:
        model: Its objective writes.
        data: Images with captions.
        protocol: Its settings are :class:`CaptioningEvalSettings`.

    Raises:
        InputError: When the objective writes no captions, or fewer than two images have one.
    """
    settings: CaptioningEvalSettings = protocol.settings
    captioning_objective(model)
    all_examples = data.corpus.indices(data.split)
    texts = _references(data, sample_rows(all_examples, settings.most_images or len(all_examples)), settings)
    examples = np.array(list(texts), np.int64)
    images = ImageSubset(CorpusImages(data.corpus), examples)
    search = CaptionSearch(settings.beams, settings.length_power)
    written = write_captions(model, images, search, settings.crop_share)
    captions, wanted = [each.text for each in written], list(texts.values())
    references = References(wanted)
    found = CaptionScores.of(references, captions)
    frequent, notes = _most_frequent(data, wanted, settings)
    several = [some for some in wanted if len(some) > 1]
    baselines = _baselines(references, captions, frequent, several)
    outcomes = Outcomes(
        np.array([data.corpus.image_hash(int(example)) for example in examples]),
        correct=found.cider_N,
        further=dict(zip(BLEU, found.bleu.parts_Nk.T, strict=True)),
    )
    assert model.objective is not None, "a captioner is an objective"
    return Result(
        task=data.name,
        protocol=protocol.name,
        metric=CIDER,
        value=found.cider,
        baselines=baselines,
        own_baselines=[WRONG_IMAGE],
        more=found.named,
        standard_error=clustered_error(found.cider_N, np.arange(len(examples))),
        interval=bootstrap_interval(outcomes, most=100 * MOST_CIDER),
        outcomes=outcomes,
        counts={
            "images": len(examples),
            "of_images": len(all_examples),
            "references": sum(map(len, wanted)),
            "images_of_several_references": len(several),
            "different_captions": len(set(captions)),
        },
        settings=recorded_settings(protocol, model, data),
        weights=weights_fingerprint(model.objective),
        data=data.fingerprint,
        warnings=[
            *data.seen_in_training(model),
            *notes,
            *_of_the_image(found.cider, baselines[WRONG_IMAGE]),
            *_noteworthy(written, wanted, len(several)),
        ],
    )


def _baselines(
    references: References, captions: list[str], frequent: str, several: Sequence[Sequence[str]]
) -> dict[str, float]:
    """What values are to be read beside; ``several`` are references of images with two at least."""
    beside = {
        # Each is held against the references of the image before it.
        WRONG_IMAGE: CaptionScores.of(references, captions[1:] + captions[:1]),
        MOST_FREQUENT: CaptionScores.of(references, [frequent] * len(captions)),
    }
    if len(several) > 1:
        ceiling = References([some[1:] for some in several])
        beside[FIRST_REFERENCE] = CaptionScores.of(ceiling, [some[0] for some in several])
    found = {name: scores.cider for name, scores in beside.items()}
    for name in BLEU:
        found |= baselines_for(name, {each: scores.named[name] for each, scores in beside.items()})
    return found


def _references(
    data: CorpusSplit, examples: NDArray[np.int64], settings: CaptioningEvalSettings
) -> dict[int, list[str]]:
    """The captions of each image that has one with a word in it."""
    found: dict[int, list[str]] = {}
    for example, text in _captions(data.corpus, examples, settings.caption_language):
        if words_of(text):
            found.setdefault(example, []).append(text)
    if len(found) < 2:
        raise InputError(
            f"{len(found)} images of the split {data.split!r} have a caption",
            where=data.corpus.path,
            expected="two at least",
        )
    return found


def _captions(corpus: Corpus, examples: Iterable[int], language: str) -> Iterable[tuple[int, str]]:
    return ((example, text) for example, *_, text in corpus.caption_iter(examples, language or None))


def _most_frequent(
    data: CorpusSplit, wanted: Sequence[Sequence[str]], settings: CaptioningEvalSettings
) -> tuple[str, list[str]]:
    """The caption that stands most often in training, the first of those that do; and what a reader should know."""
    train = "train" in map(part_of, data.corpus.splits) and not data.shares_with("train")
    texts: Iterable[str] = (
        (text for _, text in _captions(data.corpus, data.corpus.indices("train"), settings.caption_language))
        if train
        else (text for some in wanted for text in some)
    )
    counts = Counter(" ".join(words_of(text)) for text in texts)
    if not counts and train:
        counts = Counter(" ".join(words_of(text)) for some in wanted for text in some)
        train = False
    ((caption, count),) = counts.most_common(1)
    notes = [] if train else [f"the {MOST_FREQUENT} is that of this split: there is no other called train"]
    if count == 1:
        notes.append(f"no caption stands twice in training: the {MOST_FREQUENT} is the first one")
    return caption, notes


def _of_the_image(value: float, wrong: float) -> list[str]:
    if value > wrong:
        return []
    return [f"no better than the captions of other images ({wrong:.1f}): the captions tell nothing of their own"]


def _noteworthy(written: Sequence[WrittenCaption], wanted: Sequence[Sequence[str]], several: int) -> list[str]:
    """What a reader should know of the captions that were written, and of those that they are held against."""
    notes = []
    if len({each.text for each in written}) == 1:
        notes.append(f"all images were given the same caption: {written[0].text!r}")
    elif (different := len({each.text for each in written})) < _FEW * len(written):
        notes.append(f"{different:,} different captions were written for {len(written):,} images")
    if cut := sum(not each.ended for each in written):
        notes.append(f"{cut:,} of {len(written):,} captions were cut off at the longest that the run writes")
    longest = [max(len(words_of(text)) for text in some) for some in wanted]
    if short := sum(words < LONGEST for words in longest):
        notes.append(
            f"{short:,} of {len(wanted):,} images have references of fewer than {LONGEST} words alone: the most that a"
            " caption of one, two or three words can reach is 250, 500 or 750 of CIDEr-D's 1,000"
        )
    if several < 2:
        notes.append(f"no {FIRST_REFERENCE} beside it: images have one reference each")
    return notes
