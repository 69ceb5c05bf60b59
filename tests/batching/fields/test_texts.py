"""The field `texts`: which captions a step has of its images, and what a run keeps of a vocabulary of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import MakeCorpus
from wordsight.batching.batch import Views
from wordsight.batching.fields import StepDraw
from wordsight.batching.fields.field import Mirroring
from wordsight.batching.fields.texts import Texts, TextsField, TextsNeed
from wordsight.batching.sampling import Drawn
from wordsight.batching.sources import RunSources, Sources
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.left_right import sided_examples
from wordsight.language.model import LanguageModel
from wordsight.language.towers import TowerSettings
from wordsight.training.pretrain_settings import PretrainSettings

CAPTIONS = [["a dog runs", "a dog runs fast", "a red dog"], ["a cat sleeps"], ["a dog runs", "a cat sleeps here"], []]
SPLITS = ["train", "train", "train", "test"]


def opened(corpus: Corpus, need: TextsNeed) -> TextsField:
    return TextsField.open(need, Sources(corpus, "train", PretrainSettings(objective="clip")))


def draw(field: TextsField, step: int = 0, rank: int = 0, world: int = 1) -> Texts:
    whole = Drawn(np.array([2, 0, 1]), np.zeros(3, np.int64))
    return field.draw(StepDraw(step, 7, whole, whole.share(rank, world)))


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(CAPTIONS, SPLITS, labels=[["x"]] * 4)


def test_an_image_is_usable_that_has_a_caption(corpus: Corpus) -> None:
    assert opened(corpus, TextsNeed()).usable(np.arange(4)).tolist() == [True, True, True, False]


def test_captions_of_an_image_are_drawn_without_repeats(corpus: Corpus) -> None:
    field = opened(corpus, TextsNeed(captions=2))
    drawn = draw(field)
    assert drawn.ids_BcT.shape[:2] == (3, 2) and drawn.weight_Bc.tolist() == [[1, 1], [1, 1], [1, 0]]
    assert set(drawn.text_Bc[0].tolist()) == {0, 5} and len(set(drawn.text_Bc[1].tolist())) == 2
    # The caption that two images share has one number, and what is no caption has none.
    assert drawn.text_Bc[2].tolist() == [3, -1]
    assert drawn.present_BcT.any(2).all(), "attention over no token would be no number"


def test_draws_depend_on_seed_step_and_example_alone(corpus: Corpus) -> None:
    field = opened(corpus, TextsNeed())
    whole, halves = draw(field), [draw(field, rank=rank, world=2) for rank in range(2)]
    assert halves[0].text_Bc.tolist() == whole.text_Bc[::2].tolist()
    assert halves[1].text_Bc.tolist() == whole.text_Bc[1::2].tolist()
    over_steps = {tuple(draw(field, step).text_Bc.flatten().tolist()) for step in range(30)}
    # Two captions of one image, three of another.
    assert len(over_steps) == 6


def test_a_vocabulary_of_one_s_own_is_made_from_what_is_trained_on_and_kept(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    captions = [["a dog runs"], ["a dog runs"], ["zebra zebra zebra"]]
    corpus = make_corpus(captions, ["train", "train", "test"])
    field = opened(corpus, TextsNeed())
    vocabulary = field.facts().tokenizer.vocabulary
    assert "dog" in vocabulary and "zebra" not in vocabulary
    field.keep(tmp_path, corpus)
    facts = TextsField.facts_of_run(TextsNeed(), RunSources(tmp_path, {}, None))
    assert facts.tokenizer.vocabulary == vocabulary and facts.language is None
    assert facts.tokenizer.fingerprint == field.facts().tokenizer.fingerprint


def test_towers_of_the_language_model_read_with_its_tokenizer(corpus: Corpus, minilm: LanguageModel) -> None:
    need = TextsNeed.of_tower(TowerSettings(kind="frozen", max_tokens=8))
    field = opened(corpus, need)
    facts = field.facts()
    assert facts.language is not None and facts.tokenizer.size == minilm.vocabulary_size
    ids_BT, _ = facts.tokenizer.encode(["a cat sleeps"])
    assert torch.equal(torch.from_numpy(ids_BT[0]), draw(field).ids_BcT[2, 0][: ids_BT.shape[1]])
    assert TextsNeed.of_tower(TowerSettings()).tokenizer == "captions"


def test_captions_of_mirrored_views_say_right_for_left(make_corpus: MakeCorpus) -> None:
    captions = [["a dog left of a cat"], ["a red bus"], ["a dog right of a cat"]]
    field = opened(make_corpus(captions, ["train"] * 3, labels=[["x"]] * 3), TextsNeed())
    whole = Drawn(np.arange(3), np.zeros(3, np.int64))

    def drawn(*flipped: bool) -> Texts:
        views = replace(Views.whole(torch.zeros(3, 3, 2, 2)), flipped_B=torch.tensor(flipped))
        return field.draw(StepDraw(0, 7, whole, whole, (views,)))

    plain, first, all_of_them = drawn(False, False, False), drawn(True, True, False), drawn(True, True, True)
    left, bus, right = plain.ids_BcT
    assert not torch.equal(left, right)
    assert torch.equal(first.ids_BcT, torch.stack([right, bus, right]))
    assert torch.equal(all_of_them.ids_BcT, torch.stack([right, bus, left]))
    # All views of what says left or right are mirrored, or none.
    assert field.mirroring(np.array([1, 0, 2])).tolist() == [Mirroring.FREELY, Mirroring.TOGETHER, Mirroring.TOGETHER]
    # Captions that read the same have one number, mirrored or not.
    assert plain.text_Bc.tolist() == [[0], [1], [2]]
    assert first.text_Bc.tolist() == [[2], [1], [2]] and all_of_them.text_Bc.tolist() == [[2], [1], [0]]
    assert field.usable(np.arange(3)).all()


def test_captions_of_another_language_are_left_alone(make_corpus: MakeCorpus) -> None:
    captions = [["left and right"], ["left and right"], ["left of a dog"]]
    corpus = make_corpus(captions, ["train"] * 3, languages=[["en"], ["de"], [""]])
    tokens = opened(corpus, TextsNeed()).tokens
    assert tokens.sided_N.tolist() == [True, False, True]
    assert sided_examples(corpus, np.arange(2)).tolist() == [True, False, False]
    german = opened(corpus, TextsNeed(language="de")).tokens
    assert not german.sided_N.any() and german.mirrored(np.array([0, -1])).tolist() == [0, -1]


def test_how_likely_each_text_is_drawn_counts_captions_that_read_alike_once(corpus: Corpus) -> None:
    shares = opened(corpus, TextsNeed()).text_shares(np.array([0, 2]))
    # "a dog runs" is one of three captions of image 0 and one of two of image 2; the other three stand alone.
    assert sorted(shares.tolist()) == pytest.approx([1 / 6, 1 / 6, 1 / 4, 1 / 6 + 1 / 4])


def test_captions_of_which_the_tokenizer_knows_no_word_are_refused(
    make_corpus: MakeCorpus, minilm: LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    signs = [chr(0x1F600 + number) for number in range(4)]
    of_signs = make_corpus([[" ".join(signs[:3])], [" ".join(signs[1:])]], name="signs")
    with pytest.raises(InputError, match="the tokenizer knows none of the captions' words") as caught:
        opened(of_signs, TextsNeed(tokenizer="language"))
    assert "language" in str(caught.value) and "\n" not in str(caught.value)
    # Some that it knows are enough to go on; that the others are lost is said.
    opened(make_corpus([[f"a dog {signs[0]}"], [f"a cat {signs[1]}"]], name="mixed"), TextsNeed(tokenizer="language"))
    assert "warning: the tokenizer does not know" in capsys.readouterr().err


def test_an_image_with_fewer_captions_is_given_some_of_them_edited(make_corpus: MakeCorpus) -> None:
    captions = [["a b c d e f g h i j k l m n o p q r s t"], ["a dog runs", "a cat sleeps"], ["yes it is"], []]
    corpus = make_corpus(captions, SPLITS, labels=[["x"]] * 4)
    plain, edited = (opened(corpus, TextsNeed(captions=2, edited=edit)) for edit in (False, True))
    whole = Drawn(np.arange(4), np.zeros(4, np.int64))
    seen = set()
    for step in range(20):
        drawn, before = (field.draw(StepDraw(step, 7, whole, whole)) for field in (edited, plain))
        # The first texts are those that are drawn without edits, and an image that has two captions has no edit.
        assert torch.equal(drawn.ids_BcT[:, 0], before.ids_BcT[:, 0])
        assert torch.equal(drawn.ids_BcT[1], before.ids_BcT[1])
        assert drawn.weight_Bc.tolist() == [[1, 1], [1, 1], [1, 1], [0, 0]]
        assert drawn.text_Bc[0].tolist() == [0, 0]
        one, other = (
            row[present].tolist() for row, present in zip(drawn.ids_BcT[0], drawn.present_BcT[0], strict=True)
        )
        assert one[0] == other[0] and one[-1] == other[-1]
        if len(one) == len(other):
            assert sorted(one) == sorted(other) and sum(a != b for a, b in zip(one, other, strict=True)) in (2, 3, 4)
        else:
            assert len(other) == len(one) - 2 and [token for token in one if token in other] == other
        seen.add(len(one) - len(other))
    assert seen == {0, 2}


def test_chance_of_a_caption_s_tokens_is_the_same_whoever_shares_the_step(corpus: Corpus) -> None:
    assert draw(opened(corpus, TextsNeed(captions=2))).chance_BcT3 is None
    field = opened(corpus, TextsNeed(captions=2, chance=True))
    whole, halves = draw(field), [draw(field, rank=rank, world=2) for rank in range(2)]
    assert whole.chance_BcT3 is not None
    for rank, half in enumerate(halves):
        assert half.chance_BcT3 is not None
        width = half.chance_BcT3.shape[2]
        assert torch.equal(half.chance_BcT3, whole.chance_BcT3[rank::2, :, :width])
    later = draw(field, step=1).chance_BcT3
    assert later is not None and not torch.equal(whole.chance_BcT3, later)
    drawn = whole.chance_BcT3[whole.present_BcT & (whole.weight_Bc > 0)[..., None]]
    assert len(torch.unique(drawn)) == drawn.numel() and 0 <= float(drawn.min()) < float(drawn.max()) < 1


def test_a_piece_knows_how_many_there_are_on_average(corpus: Corpus) -> None:
    whole = draw(opened(corpus, TextsNeed()))
    pieces = whole.split(3)
    assert whole.mean_count(lambda texts: texts.present_BcT.sum()) is None
    for piece in pieces:
        found = piece.mean_count(lambda texts: texts.present_BcT.sum())
        assert found is not None and float(found) == pytest.approx(float(whole.present_BcT.sum()) / 3)


def test_objectives_of_a_sum_share_captions_of_which_one_needs_chance() -> None:
    with_chance, without = TextsNeed(captions=2, chance=True), TextsNeed(captions=2)
    assert with_chance.joined(without) == without.joined(with_chance) == with_chance
    with pytest.raises(InputError, match="two objectives of a sum ask for different values"):
        with_chance.joined(TextsNeed(captions=1))
