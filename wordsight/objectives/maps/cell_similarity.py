"""Which cells are like a word: the cosine of each cell's vector with a text's, for objectives that hold them together.

Of an objective with a vector for every cell and token (FILIP, Section 3.1) these are what it compares. Of one with a
vector for a whole image each cell is projected as if it were the image (where the image's vector is the projection of
the cells' mean, it is the mean of theirs), and is held against the word as a text of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from wordsight.objectives.capabilities import GridTextObjective
from wordsight.objectives.maps.word_map import (
    AskedWord,
    MapSources,
    Span,
    WordMap,
    WordMaps,
    content_words,
    shares_of,
)
from wordsight.objectives.objective import Objective


class CellSimilarityMaps(WordMaps):
    """Cosines of cells and words.

    Args:
        part: The objective.
        sources: Not read.
    """

    kind = GridTextObjective
    does = "holds pictures against texts"
    colour = "how much more like the word a grid cell is than the least like one, as a share of all"
    drawn = "what in it is like each word"

    def __init__(self, part: Objective, sources: MapSources) -> None:
        assert isinstance(part, GridTextObjective)
        self.part: GridTextObjective = part
        self._read: dict[str, Tensor] = {}

    def can_ask(self, asked: AskedWord) -> bool:
        """Whether the text tower reads it."""
        tokenizer = self.part.text_tokenizer
        return tokenizer is None or bool(tokenizer.tokens_within(asked.caption, asked.span.start, asked.span.end))

    def words(self, caption: str) -> list[Span]:
        """Nouns, adjectives and verbs."""
        return [span for span in content_words(caption) if self.can_ask(AskedWord(caption, span))]

    def maps(self, grid_1CHW: Tensor, asked: Sequence[AskedWord]) -> list[WordMap]:
        """The cosine of every cell with each word; of a word of several pieces their mean."""
        cells_LC = grid_1CHW[0].flatten(1).T
        cells_LZ = functional.normalize(self.part.embed_grid(cells_LC[:, :, None, None]).float().flatten(1), dim=1)
        found = []
        for one in asked:
            values_L = (cells_LZ @ self._vectors(one).T).mean(1)
            values_HW = values_L.unflatten(0, grid_1CHW.shape[-2:]).cpu()
            said = f"cosine {float(values_HW.max()):.2f} at most"
            found.append(WordMap(values_HW, shares_of(values_HW - values_HW.min()), one.word.lower(), said=said))
        return found

    def _vectors(self, asked: AskedWord) -> Tensor:
        """Unit vectors of a word: those of its tokens in its caption, or that of the word as a text of its own."""
        tokenizer = self.part.text_tokenizer
        tokens_TZ = self._embedded(asked.caption) if tokenizer is not None else None
        if tokens_TZ is None or tokens_TZ.ndim == 1:
            return self._embedded(asked.word)[None]
        assert tokenizer is not None
        places = tokenizer.tokens_within(asked.caption, asked.span.start, asked.span.end)
        # Objectives that leave [CLS] out begin with the token after it.
        left_out = len(tokenizer.ids_of([asked.caption])[0]) - len(tokens_TZ)
        return tokens_TZ[[place - left_out for place in places]]

    def _embedded(self, text: str) -> Tensor:
        if text not in self._read:
            self._read[text] = functional.normalize(self.part.embed_texts([text])[0].float(), dim=-1)
        return self._read[text]

    def read(self, caption: str) -> int:
        """As far as the text tower's tokenizer goes."""
        tokenizer = self.part.text_tokenizer
        return len(caption) if tokenizer is None else tokenizer.reaches(caption)

    @property
    def most_tokens(self) -> int:
        """Of the text tower's tokenizer."""
        return 0 if self.part.text_tokenizer is None else self.part.text_tokenizer.max_tokens
