"""The field `masked`: which images may be mirrored, whose captions are read once, as they are."""

from __future__ import annotations

import pickle

import numpy as np

from tests.conftest import MakeCorpus
from wordsight.batching.fields.field import Mirroring
from wordsight.batching.fields.masked import MaskedField, MaskedNeed
from wordsight.batching.sources import Sources
from wordsight.language.model import LanguageModel
from wordsight.training.pretrain_settings import PretrainSettings


def test_images_whose_captions_say_left_or_right_are_not_mirrored(
    make_corpus: MakeCorpus, minilm: LanguageModel
) -> None:
    captions = [["a dog runs", "a dog on the left"], ["a dog on a righteous cat"], ["a dog, rightmost"], ["a cat left"]]
    languages = [["en", "en"], ["en"], ["en"], ["fr"]]
    corpus = make_corpus(captions, ["train"] * 4, languages=languages)
    settings = PretrainSettings(objective="icmlm-attfc", concepts={"kind": "words", "size": 4}, language="minilm")
    field = MaskedField.open(MaskedNeed(), Sources(corpus, "train", settings))
    for each in (field, pickle.loads(pickle.dumps(field))):
        found = each.mirroring(np.array([2, 0, 1, 3]))
        assert found.tolist() == [Mirroring.NEVER, Mirroring.NEVER, Mirroring.FREELY, Mirroring.FREELY]
