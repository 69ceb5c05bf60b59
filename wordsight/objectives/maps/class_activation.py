"""Which cells speak for a tag: class activation maps, exact where the head is linear after average pooling.

There a score is the mean over cells of the concept's weights times the cell, so each cell has its share of it (Zhou et
al. 2016, https://arxiv.org/abs/1512.04150). Of a head with layers of its own it is Grad-CAM at the backbone's grid
(Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, Eqs. 1 and 2, before its ReLU).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.heads.tag_head import TagHead
from wordsight.objectives.capabilities import TagObjective
from wordsight.objectives.maps.word_map import AskedWord, MapSources, Span, WordMap, WordMaps, shares_of
from wordsight.objectives.objective import Objective, cells_of

# Tags shown of an image that comes without a caption.
TAGS = 4


class ClassActivationMaps(WordMaps):
    """The cells' shares of a concept's score.

    Args:
        part: The objective.
        sources: The concepts of its heads.
    """

    kind = TagObjective
    does = "predicts tags"
    colour = "share of what speaks for the tag in one grid cell (class activation)"
    drawn = "what in it speaks for each tag"
    speaks = True

    def __init__(self, part: Objective, sources: MapSources) -> None:
        assert isinstance(part, TagObjective)
        self.part = part
        self.heads = part.tag_heads.named
        self.names = {name: sources.concepts[name] for name in self.heads if name in sources.concepts}
        # Of several sets with a word, the first.
        self.places: dict[str, tuple[str, int]] = {}
        for name, concepts in self.names.items():
            for number, concept in enumerate(concepts):
                self.places.setdefault(concept.lower(), (name, number))
        self._longest = max((len(concept.split()) for concept in self.places), default=1)

    def can_ask(self, asked: AskedWord) -> bool:
        """Whether it is a concept."""
        return asked.word.lower() in self.places

    def words(self, caption: str) -> list[Span]:
        """The concepts that stand in a caption, the longest where several begin at one place."""
        ends = [index for index in range(len(caption) + 1) if _is_edge(caption, index)]
        found: list[Span] = []
        for start in ends:
            if found and start < found[-1].end:
                continue
            # A concept of n words ends at one of the next edges; words and what stands between them have two each.
            after = [end for end in ends if end > start][: 4 * self._longest]
            longest = next((end for end in reversed(after) if caption[start:end].lower() in self.places), None)
            if longest is not None:
                found.append(Span(start, longest))
        return found

    def maps(self, grid_1CHW: Tensor, asked: Sequence[AskedWord]) -> list[WordMap]:
        """The cells' shares of each concept's score."""
        ranks = {name: _ranks(head, grid_1CHW) for name, head in self.heads.items() if name in self.names}
        found = []
        for one in asked:
            name, number = self.places[one.word.lower()]
            values_HW = activation(self.heads[name], grid_1CHW, number).cpu()
            rank, concepts = int(ranks[name][number]), self.names[name]
            said = f"number {rank:,} of {len(concepts):,} tags"
            found.append(WordMap(values_HW, shares_of(values_HW), concepts[number], said=said))
        return found

    def own_words(self, grid_1CHW: Tensor) -> list[AskedWord]:
        """The likeliest tags of the first set of concepts."""
        name, concepts = next(iter(self.names.items()))
        best = self.heads[name](grid_1CHW)[0].topk(min(TAGS, len(concepts))).indices.tolist()
        chosen = [concepts[number] for number in best]
        text = ", ".join(chosen)
        spans: list[Span] = []
        for tag in chosen:
            start = 0 if not spans else spans[-1].end + 2
            spans.append(Span(start, start + len(tag)))
        return [AskedWord(text, span) for span in spans]

    def nothing_to_ask(self, quoted: str) -> InputError:
        """No word of it is a concept."""
        return InputError(
            f"no word of {quoted!r} is a tag of the run",
            where="caption",
            expected="one of its concepts; without a caption its likeliest tags are shown",
            mend=f"the run knows {len(self.places):,} tags, among them {', '.join(sorted(self.places)[:8])}",
        )


def activation(head: TagHead, grid_1CHW: Tensor, concept: int) -> Tensor:
    """How much each cell speaks for a concept, [H, W]; where the head is linear, their mean and the bias are its score.

    Args:
        head: The head.
        grid_1CHW: The grid of one image.
        concept: Number of the concept.
    """
    if head.reads_features:
        values_L = (cells_of(grid_1CHW.float()) @ head.last.weight[concept].float())[0].detach()
        values_HW: Tensor = values_L.view(grid_1CHW.shape[-2:])
        return values_HW
    with torch.inference_mode(False), torch.enable_grad():
        grid = grid_1CHW.detach().float().clone().requires_grad_()
        (slope_1CHW,) = torch.autograd.grad(head(grid)[0, concept], grid)
    found_HW: Tensor = (slope_1CHW.mean((2, 3), keepdim=True) * grid.detach()).sum(1)[0]
    return found_HW


def _ranks(head: TagHead, grid_1CHW: Tensor) -> Tensor:
    """The place of each concept among all, 1 for the likeliest."""
    scores_K = head(grid_1CHW)[0]
    ranks_K = torch.empty_like(scores_K, dtype=torch.long)
    ranks_K[scores_K.argsort(descending=True)] = torch.arange(1, len(scores_K) + 1, device=scores_K.device)
    return ranks_K


def _is_edge(text: str, index: int) -> bool:
    """Whether a word begins or ends at a place."""
    inside = [0 <= place < len(text) and text[place].isalnum() for place in (index - 1, index)]
    return inside[0] != inside[1]
