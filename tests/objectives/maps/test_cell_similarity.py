"""Cosines of cells and words: those of a vector for a whole image average to it; tokens are compared as they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.batching.fields.texts import TextFacts
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import SPECIAL
from wordsight.objectives import Facts, ImageTextObjective, Losses, Seen, build_objective
from wordsight.objectives.capabilities import GridTextObjective
from wordsight.objectives.maps import AskedWord, MapSources, Span, map_names, word_maps
from wordsight.objectives.maps.cell_similarity import CellSimilarityMaps
from wordsight.vision.backbones import Backbone

WORDS = ["a", "dog", "run", "##s", "cat", "here"]
CAPTION = "a dog runs here"
DOG, RUNS = AskedWord(CAPTION, Span(2, 5)), AskedWord(CAPTION, Span(6, 10))


class Coarse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 4, 4)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        grid_BCHW: Tensor = self.layer(images_BCHW)
        return grid_BCHW


def towers(name: str = "clip", **values: object) -> ImageTextObjective:
    torch.manual_seed(0)
    reader = TextTokenizer.of_vocabulary([*SPECIAL, *WORDS], max_tokens=8)
    tower = {"width": 8, "layers": 1, "heads": 2, "max_tokens": 8}
    facts = Facts({"texts": TextFacts(reader)}, images=6)
    given = {"width": 5, "text_tower": tower, **values}
    built = build_objective(name, given, Backbone(Coarse(), {"grid": ""}, 6), facts).eval()
    assert isinstance(built, ImageTextObjective)
    return built


@torch.no_grad()
def test_of_one_vector_an_image_the_cells_average_to_it_and_meet_the_word_as_a_text() -> None:
    clip, grid_1CHW = towers(), torch.randn(1, 6, 2, 3)
    cells_LZ = clip.embed_grid(grid_1CHW[0].flatten(1).T[:, :, None, None])
    torch.testing.assert_close(cells_LZ.mean(0), clip.embed_grid(grid_1CHW)[0])
    (dog,) = CellSimilarityMaps(clip, MapSources()).maps(grid_1CHW, [DOG])
    expected_L = functional.cosine_similarity(cells_LZ, clip.embed_texts(["dog"]))
    torch.testing.assert_close(dog.values_HW.flatten(), expected_L)
    assert float(dog.shares_HW.min()) == 0 and float(dog.shares_HW.sum()) == pytest.approx(1)
    assert dog.said == f"cosine {float(expected_L.max()):.2f} at most" and dog.guesses == ()


class Tokens(GridTextObjective):
    """A vector for each cell and token: the first channels of a cell, and the numbers of a token's id."""

    def __init__(self, special: bool) -> None:
        super().__init__(Backbone(Coarse(), {"grid": ""}, 6))
        self.reader = TextTokenizer.of_vocabulary([*SPECIAL, *WORDS], max_tokens=8)
        self.special = special

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        raise NotImplementedError

    def embed_grid(self, grid_BCHW: Tensor) -> Tensor:
        return grid_BCHW.flatten(2).transpose(1, 2)[..., :2]

    @property
    def text_tokenizer(self) -> TextTokenizer:
        return self.reader

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        angle_BT = torch.from_numpy(self.reader.encode(texts)[0]).float() / 3
        return torch.stack([angle_BT.cos(), angle_BT.sin()], -1)[:, 0 if self.special else 1 :]


@torch.no_grad()
@pytest.mark.parametrize("special", [True, False])
def test_of_a_vector_a_token_a_word_is_the_mean_over_its_pieces(special: bool) -> None:
    grid_1CHW = torch.randn(1, 6, 2, 3)
    found = CellSimilarityMaps(Tokens(special), MapSources())
    dog, runs = found.maps(grid_1CHW, [DOG, RUNS])
    cells_LZ = functional.normalize(grid_1CHW[0, :2].flatten(1).T, dim=1)

    def of_id(number: int) -> Tensor:
        angle = torch.tensor(number / 3)
        return (cells_LZ @ torch.stack([angle.cos(), angle.sin()])).view(2, 3)

    first = len(SPECIAL)
    torch.testing.assert_close(dog.values_HW, of_id(first + 1))
    torch.testing.assert_close(runs.values_HW, (of_id(first + 2) + of_id(first + 3)) / 2)


def test_words_beyond_what_the_tower_reads_have_no_map() -> None:
    found = CellSimilarityMaps(towers(), MapSources())
    long = "a dog a dog a dog runs"
    assert found.can_ask(AskedWord(long, Span(14, 17))) and not found.can_ask(AskedWord(long, Span(18, 22)))
    assert found.read(long) == 17 and found.read(CAPTION) == len(CAPTION)


class Whole(ImageTextObjective):
    """Embeds images, and no grid."""

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        raise NotImplementedError

    def embed_images(self, images_BCHW: Tensor) -> Tensor:
        return images_BCHW.mean((2, 3))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.ones(len(texts), 3)


def test_objectives_that_embed_no_grid_have_no_such_map() -> None:
    assert map_names([Whole]) == [] and map_names([Tokens]) == ["similarity"]
    assert word_maps(Whole(Backbone(Coarse(), {"grid": ""}, 6)), MapSources()) is None


@torch.no_grad()
@pytest.mark.parametrize("name", ["clip", "align", "siglip", "clip-lite"])
def test_every_objective_of_two_towers_has_maps(name: str) -> None:
    found = word_maps(towers(name), MapSources())
    assert isinstance(found, CellSimilarityMaps)
    seen = found.maps(torch.randn(1, 6, 2, 3), [DOG, RUNS])
    assert all(torch.isfinite(each.values_HW).all() and each.values_HW.shape == (2, 3) for each in seen)
