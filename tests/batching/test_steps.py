"""The views of a step: each drawn by itself, the same whoever draws it, with what it shows of its image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.conftest import MakeCorpus
from wordsight.batching.batch import Batch
from wordsight.batching.fields import Field, FieldFacts, StepDraw
from wordsight.batching.fields.field import Mirroring
from wordsight.batching.needs import Needs, ViewNeed, joined, shared_views
from wordsight.batching.sampling import COLOUR, VIEW, random_of, stream
from wordsight.batching.steps import Steps, StepSettings
from wordsight.corpus.store import Corpus
from wordsight.vision.colours import draw_colours
from wordsight.vision.crops import WHOLE
from wordsight.vision.views import ViewSettings, train_view

SMALL = ViewSettings(crop_scale=0.2, jitter=0.1)
SETTINGS = StepSettings(8, ViewSettings(jitter=0.4), batch_size=4, epochs=2, seed=3)
TWO = replace(SETTINGS, views=(ViewNeed(), ViewNeed(size=6, view=SMALL)))


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus([["a dog runs"], ["a cat sits"], ["a man eats"], ["two boys play"], ["a red bus"]] * 2)


def batch_of(corpus: Corpus, settings: StepSettings, step: int, rank: int = 0, world: int = 1) -> Batch:
    return Steps(corpus, np.arange(len(corpus)), settings, rank=rank, world=world)[step]


def test_the_first_view_is_drawn_as_in_runs_that_have_one(corpus: Corpus) -> None:
    one, two = batch_of(corpus, SETTINGS, 1), batch_of(corpus, TWO, 1)
    assert torch.equal(one.images_BCHW, two.images_BCHW)
    for place, example in enumerate(one.examples_B.tolist()):
        view = train_view(corpus.image_bytes(example), 8, SETTINGS.view, random_of(3, VIEW, 1, example, 0))
        assert np.array_equal(one.images_BCHW[place].permute(1, 2, 0).numpy(), view.pixels)
    colours = draw_colours(4, 0.4, stream(3, COLOUR, 1))
    assert one.colours_BF is not None and colours is not None and torch.equal(one.colours_BF, colours)


def test_further_views_have_sides_augmentation_and_chance_of_their_own(corpus: Corpus) -> None:
    first, second = batch_of(corpus, TWO, 1).views
    assert second.images_BCHW.shape == (4, 3, 6, 6)
    assert second.colours_BF is not None and (second.colours_BF - 1).abs().max() <= 0.1
    alike, other = batch_of(corpus, replace(SETTINGS, views=(ViewNeed(), ViewNeed())), 1).views
    assert not torch.equal(alike.images_BCHW, other.images_BCHW) and not torch.equal(alike.crop_B4, other.crop_B4)
    assert torch.equal(alike.images_BCHW, first.images_BCHW)


def test_processes_share_the_views_of_the_whole_step(corpus: Corpus) -> None:
    whole, halves = batch_of(corpus, TWO, 2), [batch_of(corpus, TWO, 2, rank, 2) for rank in range(2)]
    for number, views in enumerate(whole.views):
        for rank, half in enumerate(halves):
            mine = half.views[number]
            assert torch.equal(mine.images_BCHW, views.images_BCHW[rank::2])
            assert torch.equal(mine.crop_B4, views.crop_B4[rank::2])
            assert torch.equal(mine.flipped_B, views.flipped_B[rank::2])
            assert mine.colours_BF is not None and views.colours_BF is not None
            assert torch.equal(mine.colours_BF, views.colours_BF[rank::2])


def test_a_batch_says_what_each_view_shows_and_whether_it_is_mirrored(corpus: Corpus) -> None:
    always = replace(SETTINGS, view=ViewSettings(crop_scale=1.0, flip=1.0))
    (views,) = batch_of(corpus, always, 0).views
    assert views.crop_B4.tolist() == [list(WHOLE)] * 4 and views.flipped_B.all()
    (views,) = batch_of(corpus, replace(SETTINGS, view=ViewSettings(crop_scale=0.2, flip=0.0)), 0).views
    left_B, top_B, right_B, bottom_B = views.crop_B4.unbind(1)
    area_B = (right_B - left_B) * (bottom_B - top_B)
    assert (area_B >= 0.2 - 1e-6).all() and (area_B < 1).all() and not views.flipped_B.any()


def test_a_sum_draws_equal_views_once_and_different_ones_beside_each_other() -> None:
    two, strong = Needs(views=(ViewNeed(), ViewNeed(size=96))), ViewNeed(view=SMALL)
    assert joined([Needs(), two]).views == joined([two, Needs()]).views == two.views
    assert joined([Needs(), Needs(views=(strong, strong))]).views == (ViewNeed(), strong, strong)
    assert joined([Needs(views=(strong, strong)), two, Needs()]).views == (strong, strong, *two.views)


def test_parts_of_a_sum_know_which_of_its_views_are_theirs() -> None:
    plain, strong = ViewNeed(), ViewNeed(view=SMALL)
    views, numbers = shared_views([(strong, strong), (plain,), (plain, strong), ()])
    assert views == (strong, strong, plain) and numbers == [(0, 1), (2,), (2, 0), ()]


class Sides(Field[Any, Any]):
    """Says how each example may be mirrored."""

    def __init__(self, *says: Mirroring) -> None:
        self.says = np.array(says)

    @classmethod
    def open(cls, need: Any, sources: Any) -> Sides:
        raise NotImplementedError

    @classmethod
    def facts_of_run(cls, need: Any, kept: Any) -> FieldFacts:
        raise NotImplementedError

    def facts(self) -> FieldFacts:
        raise NotImplementedError

    def usable(self, examples: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.ones(len(examples), bool)

    def mirroring(self, examples_B: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.says[examples_B]

    def draw(self, step: StepDraw) -> None:
        return None


def test_views_of_what_is_called_left_or_right_are_mirrored_together_or_never(corpus: Corpus) -> None:
    never, together, freely = Mirroring.NEVER, Mirroring.TOGETHER, Mirroring.FREELY
    one = Sides(never, together, freely, together, freely, *[freely] * 5)
    other = Sides(freely, freely, freely, never, freely, *[freely] * 5)
    examples = np.arange(len(corpus))
    free, held = (
        Steps(corpus, examples, replace(TWO, epochs=40), fields) for fields in ({}, {"one": one, "other": other})
    )
    differ = set()
    for step in range(len(held)):
        plain, batch = free[step], held[step]
        for place, example in enumerate(batch.examples_B.tolist()):
            drawn, found = ([bool(v.flipped_B[place]) for v in each.views] for each in (plain, batch))
            says = max(one.says[example], other.says[example])
            expected = {never: [False, False], together: [drawn[0], drawn[0]], freely: drawn}[says]
            assert found == expected
            for before, after, was, now in zip(plain.views, batch.views, drawn, found, strict=True):
                # Only whether a view is mirrored changes: what of the image it shows stays.
                same = before.images_BCHW[place] if was == now else before.images_BCHW[place].flip(2)
                assert torch.equal(after.images_BCHW[place], same)
                differ.add((int(says), was != now))
    assert differ == {(freely, False), (together, False), (together, True), (never, False), (never, True)}
