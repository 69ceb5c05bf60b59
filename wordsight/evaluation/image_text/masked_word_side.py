"""The text side of masked words: which words does the head see in the image behind a neutral text's mask?

For an objective that masks words and has no tag head: "a photo of [MASK]." is shown with every image, and a text scores
as the mean log-probability of its words there. Words are those that the language model writes as one token and that
are no stop words; a class name of none such is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batching.masks import MaskedWords
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.languages import captions_to_read
from wordsight.concepts.matrix_writer import Caption
from wordsight.concepts.splitters import splitter
from wordsight.corpus.store import Corpus
from wordsight.device import autocast
from wordsight.evaluation.image_text.queries import TextQueries, TextQuery
from wordsight.evaluation.image_text.tag_side import mean_shares, queries_of_shares, shares_of
from wordsight.language.lemmas import stop_words
from wordsight.language.model import LanguageModel
from wordsight.objectives.capabilities import MaskedWordObjective

NEUTRAL = "a photo of {}."


@dataclass(frozen=True)
class MaskedWordSide:
    """A masked-word head.

    Args:
        objective: Whose head it is.
        model: The language model that it reads.
        device: Where to compute.
        concepts: The concept set whose words were masked, which says their language; None for English.
    """

    SIMILARITIES: ClassVar = ("log-probability", "cosine")

    objective: MaskedWordObjective
    model: LanguageModel
    device: torch.device
    concepts: ConceptSet | None = None

    @property
    def name(self) -> str:
        """What it is."""
        return f"masked words, asked in {NEUTRAL.format('[MASK]')!r}"

    @property
    def why_alike(self) -> str:
        """Its words."""
        return "they have the same words of one token: others are left out"

    @property
    def similarities(self) -> Sequence[str]:
        """The mean log-probability of the words, or the cosine."""
        return self.SIMILARITIES

    def captions(self, corpus: Corpus, examples: Iterable[int]) -> Iterator[Caption]:
        """Captions in the languages whose words were masked."""
        if self.concepts is None:
            return corpus.caption_iter(examples)
        return captions_to_read(self.concepts, corpus, examples)

    @property
    def language(self) -> str:
        """The language whose stop words are no words to ask about."""
        if self.concepts is None:
            return "en"
        said = self.concepts.settings.get("language") or next(iter(self.concepts.languages), "en")
        return str(said).split("-")[0].lower()

    def ask(self, texts: Sequence[TextQuery], similarity: str, group_T: NDArray[np.int64] | None = None) -> TextQueries:
        """Make ready to compare images with the words of texts."""
        row_of = {token: row for row, token in enumerate(self.objective.candidates.tolist())}
        found = [self._rows(text, row_of) for text in texts]
        # Of the vocabulary only the words that are asked about are kept of an image: 30,522 numbers are too many.
        asked = np.unique(np.concatenate([*found, np.zeros(0, np.int64)])).astype(np.int64)
        lengths = np.cumsum([0, *map(len, found)])
        places = np.searchsorted(asked, np.concatenate([*found, np.zeros(0, np.int64)]))
        held = scipy.sparse.csr_matrix((np.ones(len(places)), places, lengths), shape=(len(texts), max(1, len(asked))))
        share_TK = shares_of(held)
        if group_T is not None:
            share_TK = mean_shares(share_TK, group_T)
        columns = torch.from_numpy(asked if len(asked) else np.zeros(1, np.int64)).to(self.device)
        return queries_of_shares(share_TK, similarity, self._seeing(columns), lambda kept: kept, self.device)

    def _rows(self, text: TextQuery, row_of: dict[int, int]) -> NDArray[np.int64]:
        """Candidates that are words of a text, or of a class's name."""
        read = " ".join(text.captions if text.name is None else (text.name,))
        words = {word.lower() for word in splitter("unicode").words(read)} - stop_words(self.language)
        rows = []
        for word in sorted(words):
            ids = self.model.tokenizer(word, add_special_tokens=False)["input_ids"]
            if len(ids) == 1 and ids[0] != self.model.tokenizer.unk_token_id and ids[0] in row_of:
                rows.append(row_of[ids[0]])
        return np.array(sorted(set(rows)), dtype=np.int64)

    def _seeing(self, columns: Tensor) -> Callable[[Tensor], Tensor]:
        mask = self.model.tokenizer.mask_token
        ids_T = torch.tensor(self.model.tokenizer(NEUTRAL.format(mask))["input_ids"])
        position = int((ids_T == self.model.mask_id).nonzero()[0, 0])
        present_1T = torch.ones(1, len(ids_T), dtype=torch.bool)
        tokens_1TD = self.model.features(ids_T[None], present_1T).to(self.device)

        def see(images_BCHW: Tensor) -> Tensor:
            count = len(images_BCHW)
            words = MaskedWords(
                ids_BmT=ids_T.to(self.device).expand(count, 1, -1),
                tokens_BmTD=tokens_1TD.expand(count, 1, -1, -1),
                present_BmT=present_1T.to(self.device).expand(count, 1, -1),
                position_Bm=torch.full((count, 1), position, device=self.device),
                target_Bm=torch.zeros((count, 1), dtype=torch.long, device=self.device),
                weight_Bm=torch.ones((count, 1), device=self.device),
            )
            with autocast(self.device):
                grid_BCHW = self.objective.backbone(images_BCHW)
            logits_BV = self.objective.predict_masked(grid_BCHW.float(), words).logits_BmV[:, 0].float()
            return logits_BV.log_softmax(1)[:, columns]

        return see
