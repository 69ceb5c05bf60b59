"""Where a captioner looks while it says a word: the cross-attention of its decoder, of its last layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from wordsight.heads.caption_search import CaptionSearch
from wordsight.objectives.capabilities import CaptionAttentionObjective, CaptioningObjective
from wordsight.objectives.maps.word_map import (
    AskedWord,
    MapSources,
    Span,
    WordMap,
    WordMaps,
    content_words,
)
from wordsight.objectives.objective import Objective


class CrossAttentionMaps(WordMaps):
    """The attention over the cells for each word; of a word of several pieces their mean.

    Args:
        part: The objective.
        sources: Not read.
    """

    kind = CaptionAttentionObjective
    does = "reads or writes captions with attention to the picture"
    colour = "share of the cross-attention in one grid cell"
    drawn = "where it looks for each word of the caption"
    speaks = True

    def __init__(self, part: Objective, sources: MapSources) -> None:
        assert isinstance(part, CaptionAttentionObjective)
        self.part: CaptionAttentionObjective = part

    def can_ask(self, asked: AskedWord) -> bool:
        """Whether it is read."""
        return bool(self.part.tokenizer.tokens_within(asked.caption, asked.span.start, asked.span.end))

    def words(self, caption: str) -> list[Span]:
        """Nouns, adjectives and verbs."""
        return [span for span in content_words(caption) if self.can_ask(AskedWord(caption, span))]

    def maps(self, grid_1CHW: Tensor, asked: Sequence[AskedWord]) -> list[WordMap]:
        """The mean attention of a word's pieces."""
        captions = list(dict.fromkeys(one.caption for one in asked))
        seen = {each: self.part.attend(grid_1CHW, [each]) for each in captions}
        found = []
        for one in asked:
            looks, places = (
                seen[one.caption],
                self.part.tokenizer.tokens_within(one.caption, one.span.start, one.span.end),
            )
            shares_HW = looks.attention_BTL[0, places].float().mean(0).unflatten(0, looks.grid).cpu()
            found.append(WordMap(shares_HW, shares_HW, one.word.lower()))
        return found

    def own_words(self, grid_1CHW: Tensor) -> list[AskedWord] | None:
        """The caption that it writes, for objectives that write some."""
        if not isinstance(self.part, CaptioningObjective):
            return None
        (written,) = self.part.generate(grid_1CHW, CaptionSearch())
        return [AskedWord(written.text, span) for span in self.words(written.text)]

    def read(self, caption: str) -> int:
        """As far as its tokenizer goes."""
        return self.part.tokenizer.reaches(caption)

    @property
    def most_tokens(self) -> int:
        """Of its tokenizer."""
        return self.part.tokenizer.max_tokens
