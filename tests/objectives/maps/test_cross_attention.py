"""Cross-attention: a word's map is the mean over its pieces; a captioner has a caption of its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from wordsight.batching.fields.texts import TextFacts
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import SPECIAL
from wordsight.objectives import Facts, build_objective
from wordsight.objectives.capabilities import CaptionAttentionObjective
from wordsight.objectives.maps import AskedWord, MapSources, Span, word_maps
from wordsight.objectives.maps.cross_attention import CrossAttentionMaps
from wordsight.vision.backbones import Backbone

WORDS = ["a", "dog", "run", "##s", "cat", "here"]
CAPTION = "a dog runs here"


class Coarse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 6, 4, 4)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        grid_BCHW: Tensor = self.layer(images_BCHW)
        return grid_BCHW


def captioner(order: str) -> CaptionAttentionObjective:
    torch.manual_seed(0)
    reader = TextTokenizer.of_vocabulary([*SPECIAL, *WORDS], max_tokens=8)
    values = {"order": order, "width": 8, "heads": 2, "layers": 1, "max_tokens": 8}
    facts = Facts({"texts": TextFacts(reader)}, images=6)
    built = build_objective("captioning", values, Backbone(Coarse(), {"grid": ""}, 6), facts).eval()
    assert isinstance(built, CaptionAttentionObjective)
    return built


@torch.no_grad()
@pytest.mark.parametrize("order", ["left-to-right", "both", "parallel"])
def test_a_word_has_the_mean_attention_of_its_pieces(order: str) -> None:
    objective, grid_1CHW = captioner(order), torch.randn(1, 6, 2, 3)
    found = word_maps(objective, MapSources())
    assert isinstance(found, CrossAttentionMaps)
    dog, runs = found.maps(grid_1CHW, [AskedWord(CAPTION, Span(2, 5)), AskedWord(CAPTION, Span(6, 10))])
    looks_TL = objective.attend(grid_1CHW, [CAPTION]).attention_BTL[0]
    # [CLS] a dog run ##s here [SEP]
    torch.testing.assert_close(dog.shares_HW.flatten(), looks_TL[2])
    torch.testing.assert_close(runs.shares_HW.flatten(), looks_TL[3:5].mean(0))
    assert float(runs.shares_HW.sum()) == pytest.approx(1)


@torch.no_grad()
def test_without_a_caption_the_words_are_those_that_it_writes() -> None:
    objective, grid_1CHW = captioner("left-to-right"), torch.randn(1, 6, 2, 3)
    own = CrossAttentionMaps(objective, MapSources()).own_words(grid_1CHW)
    assert own is not None and len({word.caption for word in own}) <= 1
    assert all(word.word in word.caption for word in own)
