"""Caption choice: order decides, a bag of words gets chance, and a language model is asked without a look."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conftest import MakeCorpus
from tests.evaluation.colour_words import TinyClip
from wordsight.corpus import Corpus
from wordsight.errors import InputError, NoAnswerError
from wordsight.evaluation import CorpusSplit, EvaluatedModel, Result, open_protocol
from wordsight.evaluation.image_text.similarity import DotProduct, StoredEmbeddings
from wordsight.evaluation.methods import caption_choice
from wordsight.evaluation.methods.caption_choice import CaptionChoiceSettings, Choices, right_choices
from wordsight.language.tagger import installed_packages
from wordsight.objectives import Facts
from wordsight.objectives.rotation import Rotation, RotationSettings

pytestmark = pytest.mark.skipif(not installed_packages(), reason="the extra 'offline' is not installed")
# Said in this order in training, so that a language model of it chooses right; the last has nothing to choose from.
CAPTIONS = ["a dog behind a man", "a cat beside a mouse", "a boy under a ball", "a red thing here"]


class LikesFirst(TinyClip):
    """Every image is the same to it; it likes some texts, whatever it is shown."""

    def __init__(self, liked: Sequence[str]) -> None:
        super().__init__()
        self.liked = liked

    def embed_images(self, images_BCHW: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).repeat(len(images_BCHW), 1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        others = ([1.0, zlib.crc32(text.encode()) % 7 + 1.0] for text in texts)
        return torch.tensor([[1.0, 0.0] if text in self.liked else next(others) for text in texts])


def made(make_corpus: MakeCorpus, train: Sequence[str] = CAPTIONS) -> Corpus:
    captions = [*([text] for text in train), *([text] for text in CAPTIONS)]
    return make_corpus(captions, ["train"] * len(train) + ["test"] * len(CAPTIONS))


def asked(model: EvaluatedModel, corpus: Corpus, **changes: Any) -> Result:
    pinned = open_protocol("caption-choice")
    changed = replace(pinned, settings=replace(pinned.settings, **changes))
    (result,) = caption_choice.measure(model, CorpusSplit(corpus, "test"), changed)
    return result


def test_the_protocol_is_whole() -> None:
    assert open_protocol("caption-choice").settings == CaptionChoiceSettings()


def test_whoever_reads_the_order_is_right_and_left_out_captions_are_counted(
    model: EvaluatedModel, make_corpus: MakeCorpus
) -> None:
    right = asked(replace(model, objective=LikesFirst(CAPTIONS)), made(make_corpus))
    assert (right.metric, right.value, right.random_weights) == ("right caption", 100.0, 100.0)
    assert right.counts == {"images": 3, "captions": 3, "left_out": 1, "hard_captions": 3}
    assert right.baselines == {"chance": 50.0, "text only": 100.0}
    assert any(said.startswith("1 of 4 captions are left out") for said in right.warnings)
    assert any("no difference between the images" in said for said in right.warnings), "it was right without a look"
    (nouns,) = right.groups
    assert (nouns.by, nouns.name, nouns.count, nouns.value) == ("exchanged words", "nouns", 3, 100.0)
    assert right.outcomes is not None and right.outcomes.value == right.value


def test_a_bag_of_words_is_told_to_be_chance(model: EvaluatedModel, make_corpus: MakeCorpus) -> None:
    result = asked(replace(model, objective=TinyClip()), made(make_corpus))
    assert result.value == pytest.approx(50)
    assert any("in 100 % of the choices all captions score alike" in said for said in result.warnings)


def test_a_language_model_that_was_told_the_reverse_chooses_that(
    model: EvaluatedModel, make_corpus: MakeCorpus
) -> None:
    reverse = ["a man behind a dog", "a mouse beside a cat", "a ball under a boy"]
    result = asked(replace(model, objective=TinyClip()), made(make_corpus, reverse))
    assert result.baselines["text only"] == 0
    assert "text only" not in asked(replace(model, objective=TinyClip()), made_alone(make_corpus)).baselines


def made_alone(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus([[text] for text in CAPTIONS], ["test"] * len(CAPTIONS), name="alone")


def test_ties_share_what_is_right_and_each_image_is_asked_about_its_own_captions() -> None:
    # Two images; the first has two choices. Of the second choice two captions tie with the right one.
    texts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.0], [0.5, 0.1], [0.5, 0.2], [0.0, 0.3], [0.0, 0.9]])
    compared = DotProduct(StoredEmbeddings(torch.eye(2)), StoredEmbeddings(texts), torch.zeros(7))
    parts = [["noun"], ["noun", "noun"], ["verb"]]
    choices = Choices(np.arange(2), np.array([0, 0, 1]), ["text"] * 7, np.array([0, 2, 5]), parts, 0)
    right, alike = right_choices(compared, choices)
    assert right.tolist() == [1, pytest.approx(1 / 3), 0] and alike == pytest.approx(1 / 3)
    assert choices.chance_C.tolist() == [0.5, pytest.approx(1 / 3), 0.5]


def test_captions_in_other_languages_are_not_asked_about(model: EvaluatedModel, make_corpus: MakeCorpus) -> None:
    captions = [[text, "ein Hund neben einem Mann"] for text in CAPTIONS[:3]]
    corpus = make_corpus(captions, ["test"] * 3, languages=[["en", "de"]] * 3)
    assert asked(replace(model, objective=TinyClip()), corpus).counts["captions"] == 3


def test_what_can_t_be_asked_is_refused_in_a_line(
    model: EvaluatedModel, make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = made(make_corpus)
    turned = Rotation(model.backbone, Facts(), RotationSettings())
    with pytest.raises(NoAnswerError, match=r"can't compare images with texts"):
        asked(replace(model, objective=turned), corpus)
    plain = make_corpus([["a red thing"], ["a blue thing"]], ["train", "test"], name="plain")
    with pytest.raises(InputError, match=r"none of the 1 captions has two words of one kind whose exchange"):
        asked(replace(model, objective=TinyClip()), plain)
