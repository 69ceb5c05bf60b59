r"""ICMLM that has to look: a hidden word against the same caption seen through the other grids of the batch. New here.

ICMLM (https://arxiv.org/abs/2008.01392) is paid for every word that it names, and most of that can be had from the
caption alone; how little the image adds is what `masked-words` prints as `wrong image`. This objective makes a loss of
that difference. Its nearest relative is FLAIR (Xiao et al. 2025, https://arxiv.org/abs/2412.03561), which holds a text
against "image i seen through text j".

With g_i the grid of image i, c_j a caption with the word w_j hidden, o(j) its image, att-fc's head and a null cell:

    a_ijl     = share of the attention of c_j that cell l of g_i gets; a_ij0 that of the null cell      (Eqs. 3 to 5)
    x_ij      = sum_l a_ijl g_il / (1 - a_ij0)                                      what c_j sees in image i
    s(w|j,i)  = (1 - a_ij0) fc(x_ij) . v_w                                          the image's score of a word (Eq. 6)
    t(w|j)    = log p(w | c_j), a text-only head's, frozen
    p(w|j,i)  = softmax over words of t(w|j) + s(w|j,i)                             the usual prediction

The score is what is left of the prediction's when the text-only head's is taken off. It should be the pointwise mutual
information of word and image given the caption, log p(w | c, g) - log p(w | c): zero for a word that isn't seen, in
which case the null cell has all of the attention, and the prediction is that of the caption alone. Two losses have it
as their optimum:

    L_look = mean_j [ softplus(-(s_jj - log K_j)) + sum_(i in N_j) softplus(s_ij - log K_j) ],  s_ij = s(w_j | j, i)
    L_word = mean_j -log p(w_j | j, o(j))                                           Eq. 7 beside the text-only head
    loss   = L_look + word_weight L_word

**Sigmoid, not softmax.** L_look tells the own grid from K_j others by a sigmoid for each caption and grid. Its optimum
is s = log p(g | w, c) / p(g) = [log p(w | c, g) - log p(w | c)] + log p(g | c) / p(g): the first is what is wanted, the
second is the same for all words, so that p(w|j,i) at that optimum is p(w | c, g) exactly. A softmax over grids leaves
free a constant for each word and caption, after which words can't be compared and the usual prediction is none.

**Where the text-only scores matter.** Not in L_look: there t(w_j|j) would stand in the scores of all grids, and what is
constant over grids tells none of them apart. It matters among words, in L_word: what the caption says anyway is not
learned from the image again. Without it (``text_prior: false``) L_word is the paper's Eq. 7. The head is the project's
text-only baseline (`language/text_baseline.py`) and not the language model's own: that one speaks of the texts that it
has read and not of these captions, has the whole vocabulary to choose from, and many models come without one.

**Which grids are no negatives** (N_j is all other images but these): those whose captions hold the hidden word, in any
place: they may well show it. That covers captions that read alike. Images that show the word and don't say so remain
negatives; so do synonyms. Without those that say it the optimum of a word that a share r of the images say is higher by
-log(1 - r); L_word, which leaves out none, holds words against each other.

Several processes: each holds its own captions against the grids of all; gradients are those of one process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batching.batch import Batch
from wordsight.batching.fields.masked import MaskedNeed
from wordsight.batching.masks import MaskedWords
from wordsight.batching.needs import Needs
from wordsight.device import autocast
from wordsight.heads.att import pool_attended
from wordsight.heads.blockwise import SummedOver, blockwise_sum
from wordsight.heads.null_attention import NullAttention
from wordsight.objectives.comparing import ComparingObjective
from wordsight.objectives.gather import gathered
from wordsight.objectives.icmlm import ICMLM, ICMLMSettings, Located, MaskedWordSettings, words_present
from wordsight.objectives.icmlm_attfc import AttFcWords, AttFcWordSettings
from wordsight.objectives.objective import Facts, Losses, Plot, cells_of
from wordsight.objectives.processes import global_mean_scale, processes
from wordsight.objectives.seen import Seen
from wordsight.ranges import LossWeight, Width
from wordsight.vision.backbones import Backbone

# Numbers that a block of captions may hold: a CPU's caches are small, a GPU takes large blocks to stay busy.
_BLOCK = {"cpu": 1 << 22, "cuda": 1 << 26}


@dataclass(frozen=True)
class LookWordSettings(AttFcWordSettings):
    """Values of words that have to be looked for, besides those of att-fc, some with other defaults.

    Args:
        candidates: As of att-fc; a text-only head knows ``maskable`` words.
        text_prior: Whether the image's scores are those beside a frozen text-only head's.
        joint_width: As of att-fc; every caption meets every grid in it, so that it is half as wide.
        null_cell: Whether a caption may look at no cell.
        word_weight: Weight of L_word; 0 leaves the contrast of grids alone.
    """

    candidates: Literal["vocabulary", "maskable"] = "maskable"
    text_prior: bool = True
    joint_width: Width = 256
    null_cell: bool = True
    word_weight: LossWeight = 1.0


@dataclass(frozen=True)
class LookSettings(LookWordSettings, ICMLMSettings):
    """Values of the objective with tags beside it."""


class LookWords(ComparingObjective, AttFcWords):
    """The hidden word against the same caption seen through other grids, and against other words.

    Args:
        backbone: The backbone.
        facts: What it is trained on.
        settings: Its values.
    """

    asks = "to predict a word hidden in a caption, and to see that other pictures don't show it"
    divisible = False
    att: NullAttention

    def __init__(self, backbone: Backbone, facts: Facts, settings: LookWordSettings) -> None:
        super().__init__(backbone, facts, settings)
        self.att = NullAttention(
            backbone.out_channels, self.vocabulary.width, settings.joint_width, settings.heads, settings.null_cell
        )
        self.word_weight = settings.word_weight

    @classmethod
    def needs(cls, settings: MaskedWordSettings) -> Needs:
        """Masked words, and which words are said of an image."""
        return Needs({"masked": MaskedNeed(text_prior=settings.text_prior, shown=True)})

    @classmethod
    def plots(cls, settings: MaskedWordSettings) -> Mapping[str, Plot]:
        """Both losses, words predicted right, grids found."""
        found = "share of hidden words whose own picture scores higher than all that don't have it, in percent"
        return {
            "look": Plot("pictures without the word", "loss"),
            **super().plots(settings),
            "found": Plot("own picture found", "share", found),
        }

    def locate(self, grid_BCHW: Tensor, words: MaskedWords) -> Located:
        """What each caption sees in its own image, times the share of it that is seen at all."""
        cells_BLC = cells_of(grid_BCHW)
        tokens_BmTD = words_present(words).to(cells_BLC.dtype)
        return self._located(cells_BLC, self.att.visual(cells_BLC), self.att.textual(tokens_BmTD), words)

    def embed(self, seen: Seen, batch: Batch) -> dict[str, Tensor]:
        """The grid: ``cells`` ``[B, L, C]``."""
        return {"cells": cells_of(seen.grid())}

    def compare(self, embedded: Mapping[str, Tensor], batch: Batch) -> Losses:
        """Gives ``look``, ``masked`` (L_word), ``accuracy`` among words, and ``found``, the accuracy among grids.

        A process holds its own captions against all grids: the mean over processes is the loss of the whole step.
        """
        words, cells_BLC = batch.of(MaskedWords), embedded["cells"]
        # The products are as large as a layer of the backbone's: in its precision. Scores are summed in float32.
        with autocast(cells_BLC.device, cells_BLC.dtype):
            visual_BLNZ = self.att.visual(cells_BLC)
            textual_BmTNZ = self.att.textual(words_present(words).to(cells_BLC.dtype))
            look, found = self._look_loss(cells_BLC, visual_BLNZ, textual_BmTNZ, batch)
            located = self._located(cells_BLC, visual_BLNZ, textual_BmTNZ, words)
            masked, accuracy = self._masked_loss(located.features_BmD, words)
        total = look + self.word_weight * masked
        numbers = {"look": look.detach(), "masked": masked.detach(), "accuracy": accuracy, "found": found}
        return Losses(total, numbers)

    def _located(self, cells_BLC: Tensor, visual_BLNZ: Tensor, textual_BmTNZ: Tensor, words: MaskedWords) -> Located:
        attention_BmL, seen_Bm = self.att.own(visual_BLNZ, textual_BmTNZ, words.present_BmT)
        features_BmD = self.fc(pool_attended(cells_BLC, attention_BmL))
        unseen_Bm = None if self.att.null_key is None else 1 - seen_Bm
        return Located(features_BmD * seen_Bm[..., None].to(features_BmD.dtype), attention_BmL, unseen_Bm)

    def _look_loss(
        self, cells_BLC: Tensor, visual_BLNZ: Tensor, textual_BmTNZ: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """L_look, and the share of captions whose own grid has the highest score."""
        words = batch.of(MaskedWords)
        image_M, negative_MB = self._negatives(batch)
        asked_M = (words.weight_Bm.flatten() > 0) & negative_MB.any(1)
        # Captions of a length stand together, so that little of a block is padding.
        row_R = asked_M.nonzero().squeeze(1)
        row_R = row_R[words.present_BmT.flatten(0, 1)[row_R].sum(1).argsort()]
        vectors_RD = self.vocabulary.vectors_VD[self.vocabulary.rows(words.target_Bm).flatten()[row_R]]
        rows = SummedOver(
            shared=[gathered(visual_BLNZ), gathered(self.fc.of_cells(cells_BLC))],
            own=[
                textual_BmTNZ.flatten(0, 1)[row_R],
                words.present_BmT.flatten(0, 1)[row_R],
                *self.fc.words(vectors_RD),
                image_M[row_R],
                negative_MB[row_R],
            ],
            parameters=[p for part in (self.att, self.fc) for p in part.parameters() if p.requires_grad],
        )
        images, cells = rows.shared[0].shape[:2]
        held = images * (cells * textual_BmTNZ.shape[2] + rows.shared[1].shape[-1])
        block = max(1, _BLOCK.get(cells_BLC.device.type, 1 << 22) // held)
        loss, found = blockwise_sum(self._block_loss, rows, block)
        count = max(1, len(row_R))
        scale = global_mean_scale(len(row_R), loss.device)
        return loss / count * scale, found / count * scale

    def _block_loss(self, shared: Sequence[Tensor], own: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The summed loss of some captions, and how many of them find their grid."""
        scores_BR, negative_RB = self._scores(shared, own[:4]), own[5]
        counts_R = negative_RB.sum(1)
        logits_RB = scores_BR.T - counts_R.log()[:, None]
        own_R1 = logits_RB.gather(1, own[4][:, None])
        others_RB = logits_RB.masked_fill(~negative_RB, -torch.inf)
        loss = functional.softplus(-own_R1).sum() + functional.softplus(others_RB).sum()
        return loss, (own_R1 > others_RB).all(1).sum().detach()

    def _scores(self, shared: Sequence[Tensor], own: Sequence[Tensor]) -> Tensor:
        """The score of each caption's word in each grid, [B, R]."""
        visual_BLNZ, values_BLH = shared
        textual_RTNZ, present_RT, words_RH, added_R = own
        longest = int(present_RT.sum(1).max())
        textual_RTNZ, present_RT = textual_RTNZ[:, :longest], present_RT[:, :longest]
        attention_BRL, seen_BR = self.att.every(visual_BLNZ, textual_RTNZ, present_RT)
        return seen_BR * self.fc.scores(pool_attended(values_BLH, attention_BRL), words_RH, added_R)

    def _negatives(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The image of each of this process's captions among all of the step, and which images don't have its word."""
        words = batch.of(MaskedWords)
        assert words.shown_BS is not None, "batching gives what `needs` asks"
        row_BS = self.vocabulary.rows(words.shown_BS.clamp_min(0)).masked_fill(words.shown_BS < 0, -1)
        # A column more for what is no candidate.
        shown_BV = torch.zeros(len(row_BS), len(self.vocabulary) + 1, dtype=torch.uint8, device=row_BS.device)
        shown_BV.scatter_(1, row_BS.masked_fill(row_BS < 0, len(self.vocabulary)), 1)
        count = words.target_Bm.shape[1]
        example_B = gathered(batch.examples_B)
        rank, world = processes()
        image_M = (torch.arange(len(row_BS), device=row_BS.device) * world + rank).repeat_interleave(count)
        target_M = self.vocabulary.rows(words.target_Bm).flatten()
        negative_MB = gathered(shown_BV)[:, target_M].T == 0
        return image_M, negative_MB & (example_B[None] != example_B[image_M][:, None])


class Look(ICMLM):
    """Looking for words, and tag prediction (Eq. 8)."""

    asks = LookWords.asks
    words = LookWords
