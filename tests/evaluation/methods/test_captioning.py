"""Captioning is measured against people's captions, beside other images' captions, one for all, and people's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from tests.conftest import MakeCorpus
from tests.evaluation.conftest import shrinking_backbone
from wordsight.batching.batch import Batch
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.evaluation import METHODS, CorpusSplit, EvaluatedModel, Result, open_protocol
from wordsight.evaluation.methods import captioning
from wordsight.evaluation.methods.captioning import CaptioningEvalSettings
from wordsight.evaluation.metrics.caption_scores import References
from wordsight.heads.caption_search import CaptionSearch, NextTokens
from wordsight.objectives import CaptionAttention, CaptioningObjective, Facts, Losses, Seen, WrittenCaption
from wordsight.objectives.rotation import Rotation, RotationSettings

TRAIN = [["a dog runs", "one thing here"], ["A dog runs.", "another thing here"], ["a cat runs"]]
TEST = [
    ["a red dog runs here", "a dog that is red runs", "a fast dog"],
    ["the cat sleeps on a bed", "a cat in a bed"],
    ["two birds fly over the sea", "birds fly over water"],
    ["a man rides a bike", "a man on a red bike rides"],
]
WRITTEN = ["a red dog runs", "a cat on a bed", "birds fly over a bed", "a man rides a bike"]


class Said(CaptioningObjective):
    """An objective that writes given captions, in the order in which it is shown images."""

    def __init__(self, captions: Sequence[str], ended: bool = True) -> None:
        super().__init__(shrinking_backbone())
        self.captions, self.ended, self.searches = list(captions), ended, list[CaptionSearch]()

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        raise NotImplementedError

    def writer(self, grid_BCHW: Tensor) -> NextTokens:
        raise NotImplementedError

    def attend(self, grid_BCHW: Tensor, captions: Sequence[str]) -> CaptionAttention:
        raise NotImplementedError

    def generate(self, grid_BCHW: Tensor, search: CaptionSearch) -> list[WrittenCaption]:
        self.searches.append(search)
        said, self.captions = self.captions[: len(grid_BCHW)], self.captions[len(grid_BCHW) :]
        return [WrittenCaption(text, -1.0, 3, self.ended) for text in said]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus([*TRAIN, *TEST], ["train"] * 3 + ["test"] * 4)


def asked(model: EvaluatedModel, corpus: Corpus, objective: CaptioningObjective, **changes: object) -> Result:
    protocol = open_protocol("captioning")
    changed = replace(protocol, settings=replace(protocol.settings, **changes))
    found = captioning.measure(replace(model, objective=objective), CorpusSplit(corpus, "test"), changed)
    assert isinstance(found, Result)
    return found


def test_the_protocol_is_whole() -> None:
    assert open_protocol("captioning").settings == CaptioningEvalSettings()
    assert METHODS["captioning"].heads


def test_captions_are_held_against_all_captions_of_their_images(model: EvaluatedModel, corpus: Corpus) -> None:
    objective = Said(WRITTEN)
    found = asked(model, corpus, objective)
    references = References(TEST)
    assert found.value == pytest.approx(100 * references.cider(WRITTEN).mean())
    assert list(found.more.values()) == pytest.approx(references.bleu(WRITTEN).value_k.tolist())
    assert list(found.more) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"]
    assert found.counts["images"] == 4 and found.counts["references"] == 9 and found.counts["different_captions"] == 4
    assert objective.searches == [CaptionSearch(5, 1.0)]


def test_beside_them_stand_wrong_images_one_caption_for_all_and_peoples_own(
    model: EvaluatedModel, corpus: Corpus
) -> None:
    found = asked(model, corpus, Said(WRITTEN))
    references = References(TEST)
    wrong = 100 * references.cider(WRITTEN[1:] + WRITTEN[:1]).mean()
    assert found.baselines["wrong image"] == pytest.approx(wrong)
    assert found.baselines["most frequent caption"] == pytest.approx(100 * references.cider(["a dog runs"] * 4).mean())
    own = References([some[1:] for some in TEST])
    first = [some[0] for some in TEST]
    assert found.baselines["first reference"] == pytest.approx(100 * own.cider(first).mean())
    assert found.baselines["first reference, BLEU-4"] == pytest.approx(own.bleu(first).value_k[3])
    assert found.own_baselines == ["wrong image"] and found.warnings == []


def test_each_image_s_part_is_kept_and_the_interval_may_pass_a_hundred(model: EvaluatedModel, corpus: Corpus) -> None:
    found = asked(model, corpus, Said(WRITTEN))
    outcomes = found.outcomes
    assert outcomes is not None and found.interval is not None and found.standard_error is not None
    assert outcomes.value == pytest.approx(found.value)
    assert outcomes.more == pytest.approx(found.more)
    assert outcomes.ids.tolist() == [corpus.image_hash(k) for k in range(3, 7)]
    assert found.value > 100 and found.interval[0] < found.value < found.interval[1]


def test_what_a_reader_has_to_know_is_said(model: EvaluatedModel, make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([["a dog runs"], ["the red cat"], [". . . ."], ["a man rides a bike"]], ["test"] * 4)
    found = asked(model, corpus, Said(["a dog runs"] * 3, ended=False))
    assert found.counts["images"] == 3 and found.counts["of_images"] == 4
    said = "; ".join(found.warnings)
    assert "no better than the captions of other images" in said
    assert "all images were given the same caption: 'a dog runs'" in said
    assert "3 of 3 captions were cut off" in said
    assert "2 of 3 images have references of fewer than 4 words alone" in said
    assert "no first reference beside it" in said
    assert "there is no other called train" in said
    assert "first reference" not in found.baselines and np.isfinite(found.value)


def test_few_different_captions_are_said(model: EvaluatedModel, make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([[f"a dog runs {k} times"] for k in range(30)], ["test"] * 30)
    found = asked(model, corpus, Said(["a dog runs 3 times"] * 20 + ["a dog runs 7 times"] * 10))
    assert "2 different captions were written for 30 images" in found.warnings


def test_references_may_be_of_one_language(model: EvaluatedModel, make_corpus: MakeCorpus) -> None:
    texts = [["a dog runs", "ein Hund rennt"], ["a cat sleeps", "eine Katze ruht"]]
    corpus = make_corpus(texts, ["test"] * 2, languages=[["en", "de"]] * 2)
    found = asked(model, corpus, Said(["ein Hund rennt", "eine Katze ruht"]), caption_language="de")
    assert found.more["BLEU-3"] == pytest.approx(100) and found.counts["references"] == 2


def test_what_can_not_be_measured_is_said_in_a_line(model: EvaluatedModel, make_corpus: MakeCorpus) -> None:
    one = make_corpus([["a dog runs"], [". . . ."]], ["test"] * 2)
    with pytest.raises(InputError, match="1 images of the split 'test' have a caption; expected two at least"):
        asked(model, one, Said(WRITTEN))
    other = Rotation(shrinking_backbone(), Facts(), RotationSettings())
    with pytest.raises(InputError, match="its objective writes no captions; expected a run of captioning or coca"):
        asked(model, one, other)  # type: ignore[arg-type]
