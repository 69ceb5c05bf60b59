"""The field `labelled-texts`: captions or sentences about classes of each image, and which of them read alike."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import MakeCorpus
from wordsight.batching.fields import StepDraw
from wordsight.batching.fields.field import Mirroring
from wordsight.batching.fields.labelled_texts import LabelledTexts, LabelledTextsField, LabelledTextsNeed
from wordsight.batching.sampling import Drawn
from wordsight.batching.sources import RunSources, Sources
from wordsight.corpus import Corpus
from wordsight.language.model import LanguageModel
from wordsight.training.pretrain_settings import PretrainSettings

CAPTIONS = [["a dog runs", "one brown dog"], [], ["a photo of a cat."], ["a cat sleeps"], []]
LABELS = [["dog"], ["cat", "dog"], [], ["cat", "dog"], []]
IGNORED: list[list[str]] = [[], [], [], ["dog"], []]


def opened(corpus: Corpus, split: str = "train", **values: Any) -> LabelledTextsField:
    need = LabelledTextsNeed(**values)
    return LabelledTextsField.open(need, Sources(corpus, split, PretrainSettings(objective="unicl")))


def draw(field: LabelledTextsField, step: int = 0, rank: int = 0, world: int = 1) -> LabelledTexts:
    whole = Drawn(np.arange(4), np.zeros(4, np.int64))
    return field.draw(StepDraw(step, 7, whole, whole.share(rank, world)))


def read(field: LabelledTextsField, drawn: LabelledTexts) -> list[list[str]]:
    vocabulary = field.facts().tokenizer.vocabulary
    rows = drawn.ids_BcT.tolist()
    return [[" ".join(vocabulary[k] for k in ids if k > 3).replace(" ##", "") for ids in row] for row in rows]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(CAPTIONS, ["train"] * 5, labels=LABELS, ignored=IGNORED, articles=[None] * 4 + ["x"])


def test_an_image_is_usable_that_has_a_caption_or_a_label(corpus: Corpus) -> None:
    assert opened(corpus).usable(np.arange(5)).tolist() == [True] * 4 + [False]


def test_texts_are_captions_or_about_the_image_s_classes(corpus: Corpus) -> None:
    field = opened(corpus, templates=("a photo of a {}.", "the {}"))
    seen: list[set[str]] = [set() for _ in range(4)]
    for step in range(60):
        for place, texts in enumerate(read(field, draw(field, step))):
            seen[place].update(texts)
    dog, cat = ({f"a photo of a {name} .", f"the {name}"} for name in ("dog", "cat"))
    # A class that is to be ignored in an image is not spoken of.
    assert seen == [{"a dog runs", "one brown dog"} | dog, cat | dog, {"a photo of a cat ."}, {"a cat sleeps"} | cat]


@pytest.mark.parametrize(("share", "about"), [(0.0, [False, True, True, False]), (1.0, [True] * 4)])
def test_how_many_texts_are_about_classes_is_a_share(corpus: Corpus, share: float, about: list[bool]) -> None:
    # The caption of image 2 reads like a sentence about cats: it is one.
    assert (draw(opened(corpus, class_share=share)).class_Bc >= 0).flatten().tolist() == about


def test_labels_and_those_to_ignore_stand_beside_the_texts(corpus: Corpus) -> None:
    assert corpus.label_names == ["cat", "dog"]
    drawn = draw(opened(corpus))
    assert [sorted(row) for row in drawn.label_Bm.tolist()] == [[-1, 1], [0, 1], [-1, -1], [-1, 0]]
    assert [sorted(row) for row in drawn.ignored_Bm.tolist()] == [[-1, -1]] * 3 + [[-1, 1]]


def test_texts_that_read_alike_have_one_number(corpus: Corpus) -> None:
    field = opened(corpus, captions=2, class_share=1.0)
    drawn = [draw(field, step) for step in range(20)]
    caption = int(drawn[0].text_Bc[2, 0])
    numbers = {(int(k), int(n)) for d in drawn for k, n in zip(d.class_Bc.flatten(), d.text_Bc.flatten(), strict=True)}
    # One sentence a class, of which that about cats reads like a caption; no text has the class -1 and the number -1.
    assert len(numbers) == 3 and {(0, caption), (-1, -1)} < numbers
    assert drawn[0].weight_Bc.tolist() == [[1, 1], [1, 1], [1, 0], [1, 1]]
    assert all(d.present_BcT.any(2).all() for d in drawn)


def test_draws_depend_on_seed_step_and_example_alone(corpus: Corpus) -> None:
    field = opened(corpus)
    again = pickle.loads(pickle.dumps(field))
    whole, halves = draw(field), [draw(again, rank=rank, world=2) for rank in range(2)]
    for rank, half in enumerate(halves):
        for name in ("text_Bc", "class_Bc", "label_Bm"):
            assert torch.equal(getattr(half, name), getattr(whole, name)[rank::2])


def test_a_corpus_without_captions_makes_a_vocabulary_of_what_is_said_of_classes(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus([[]] * 3, ["train"] * 3, labels=[["zebra"], ["gas_pump"], ["zebra"]])
    field = opened(corpus)
    field.keep(tmp_path, corpus)
    facts = LabelledTextsField.facts_of_run(LabelledTextsNeed(), RunSources(tmp_path, {}, None))
    assert facts.tokenizer.vocabulary == field.facts().tokenizer.vocabulary
    assert {"zebra", "gas", "pump"} < set(facts.tokenizer.vocabulary)


def test_classes_may_be_called_as_a_table_says(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus([[]] * 2, ["train"] * 2, labels=[["n01440764"], ["n02102040"]])
    names = tmp_path / "names.csv"
    names.write_text("class,name\nn01440764,tench\nn02102040,springer\n")
    field = opened(corpus, class_names=str(names), templates=("a {}",))
    whole = Drawn(np.arange(2), np.zeros(2, np.int64))
    assert read(field, field.draw(StepDraw(0, 7, whole, whole))) == [["a tench"], ["a springer"]]


def test_the_language_model_s_tokenizer_reads_both(corpus: Corpus, minilm: LanguageModel) -> None:
    facts = opened(corpus, tokenizer="language").facts()
    assert facts.language is not None and facts.tokenizer.size == minilm.vocabulary_size


def test_a_split_without_labels_or_with_one_class_says_so(
    make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = ["train", "train", "test"]
    none = make_corpus([["a dog runs"], ["a cat runs"], []], splits, name="none", labels=[[], [], ["dog", "cat"]])
    opened(none)
    said = capsys.readouterr().err
    assert "no example of the split 'train' has a label (the corpus's cat, dog are labels of other images)" in said
    opened(make_corpus([["a dog runs"], ["a cat runs"], []], splits, name="one", labels=[["dog"], [], ["cat"]]))
    assert "one class, 'dog', is told apart from captions alone" in capsys.readouterr().err


def test_images_of_classes_called_left_or_right_are_not_mirrored(make_corpus: MakeCorpus) -> None:
    captions = [["a sign here"], ["a dog on the left"], ["a cat sleeps"], ["a sign there"]]
    labels = [["keep right", "sign"], ["dog"], ["cat"], []]
    corpus = make_corpus(captions, ["train"] * 4, labels=labels)
    found = opened(corpus).mirroring(np.array([3, 0, 1, 2]))
    assert found.tolist() == [Mirroring.FREELY, Mirroring.NEVER, Mirroring.TOGETHER, Mirroring.FREELY]
