"""Where an objective looks for a hidden word: the attention of ICMLM (its Figs. 1 and 4).

One word after another is hidden behind the mask token; the heads then look for it in the grid. All masked versions of a
caption share one pass of the backbone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wordsight.batching.masks import MaskedWords
from wordsight.errors import InputError
from wordsight.objectives.capabilities import MaskedWordObjective
from wordsight.objectives.maps.word_map import (
    AskedWord,
    MapSources,
    PredictedWord,
    Span,
    WordMap,
    WordMaps,
    content_words,
)
from wordsight.objectives.objective import Objective

GUESSES = 3


class HiddenWordMaps(WordMaps):
    """Hide a word, and see where the heads look for it and what they take it for.

    Args:
        part: The objective.
        sources: The language model, and the words that were hidden in training.
    """

    kind = MaskedWordObjective
    does = "predicts hidden words"
    colour = "share of the attention in one grid cell"
    drawn = "where it looks for each hidden word"

    def __init__(self, part: Objective, sources: MapSources) -> None:
        assert isinstance(part, MaskedWordObjective) and sources.language is not None, "objectives on words have both"
        self.part: MaskedWordObjective = part
        self.model, self.concepts = sources.language, sources.maskable

    def can_ask(self, asked: AskedWord) -> bool:
        """Whether it is one wordpiece."""
        return asked.span in self._pieces(asked.caption)[1]

    def words(self, caption: str) -> list[Span]:
        """Concepts that are one wordpiece."""
        _, pieces, read = self._pieces(caption)
        return [span for span in content_words(caption[:read], self.concepts) if span in pieces]

    def maps(self, grid_1CHW: Tensor, asked: Sequence[AskedWord]) -> list[WordMap]:
        """The attention over the cells for each word, and the likeliest words."""
        captions = dict.fromkeys(one.caption for one in asked)
        found = {each: self._of_caption(grid_1CHW, each, asked) for each in captions}
        return [found[one.caption][one.span] for one in asked]

    def _of_caption(self, grid_1CHW: Tensor, caption: str, asked: Sequence[AskedWord]) -> dict[Span, WordMap]:
        ids, pieces, _ = self._pieces(caption)
        spans = list(dict.fromkeys(one.span for one in asked if one.caption == caption))
        words = self._masked(ids, [pieces[span] for span in spans]).to(grid_1CHW.device).read_by(self.model)
        seen = self.part.predict_masked(grid_1CHW, words)
        probability_mV = seen.logits_BmV[0].float().softmax(-1)
        attention_mHW = seen.attention_BmL[0].float().unflatten(-1, seen.grid).cpu()
        unseen = [0.0] * len(spans) if seen.unseen_Bm is None else seen.unseen_Bm[0].tolist()
        return {
            span: WordMap(
                attention_mHW[m],
                attention_mHW[m],
                self._spelled(int(words.target_Bm[0, m])),
                self._guesses(probability_mV[m]),
                f"{100 * unseen[m]:.0f} % of it on no cell" if seen.unseen_Bm is not None else "",
            )
            for m, span in enumerate(spans)
        }

    def read(self, caption: str) -> int:
        """Longer captions than the language model can take end where it stops reading."""
        return self._pieces(caption)[2]

    @property
    def most_tokens(self) -> int:
        """Of the language model."""
        return self.model.max_tokens

    def nothing_to_ask(self, quoted: str) -> InputError:
        """No word of it can be hidden."""
        known = ", ".join(sorted(self.concepts)[:8])
        return InputError(
            f"no word of {quoted!r} can be hidden",
            where="caption",
            expected="a noun, adjective or verb that the run was trained on",
            mend=f"the run knows {len(self.concepts)} words, among them {known}",
        )

    def _masked(self, ids: list[int], positions: list[int]) -> MaskedWords:
        """The caption once for each of its words, that word hidden: a batch of one image and m words."""
        ids_mT = torch.tensor(ids).repeat(len(positions), 1)
        rows, position_m = torch.arange(len(positions)), torch.tensor(positions)
        target_m = ids_mT[rows, position_m].clone()
        ids_mT[rows, position_m] = self.model.mask_id
        return MaskedWords(
            ids_BmT=ids_mT[None],
            tokens_BmTD=None,
            present_BmT=torch.ones_like(ids_mT, dtype=torch.bool)[None],
            position_Bm=position_m[None],
            target_Bm=target_m[None],
            weight_Bm=torch.ones(1, len(positions)),
        )

    def _guesses(self, probability_V: Tensor) -> tuple[PredictedWord, ...]:
        best = probability_V.topk(min(GUESSES, len(probability_V)))
        entries = self.part.candidates[best.indices].tolist()
        return tuple(PredictedWord(self._spelled(e), p) for e, p in zip(entries, best.values.tolist(), strict=True))

    def _pieces(self, caption: str) -> tuple[list[int], dict[Span, int], int]:
        """The caption's vocabulary ids, where each stretch that is one wordpiece is among them, and how far they go."""
        coded = self.model.tokenizer(
            caption, return_offsets_mapping=True, truncation=True, max_length=self.model.max_tokens
        )
        pieces = {}
        for place, (start, end) in enumerate(coded["offset_mapping"]):
            # Byte-level tokenizers count the space before a word as part of it.
            start += len(caption[start:end]) - len(caption[start:end].lstrip())
            if end > start:
                pieces[Span(start, end)] = place
        ids = list(coded["input_ids"])
        read = max((span.end for span in pieces), default=0) if len(ids) >= self.model.max_tokens else len(caption)
        return ids, pieces, read

    def _spelled(self, entry: int) -> str:
        """A vocabulary entry as a person reads it; pieces that continue a word begin with a hyphen."""
        piece = str(self.model.tokenizer.convert_ids_to_tokens(entry))
        if piece.startswith("##"):
            return "-" + piece[2:]
        return self.model.tokenizer.convert_tokens_to_string([piece]).strip() or piece
