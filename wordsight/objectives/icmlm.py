"""Image-conditioned masked language modelling (ICMLM, Section 3.2): what both flavours share.

The flavours differ in how the image and the masked caption meet (`icmlm_tfm.py`, `icmlm_attfc.py`); the loss over the
masked words (Eq. 7) and its sum with tag prediction (Eq. 8) are here.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from wordsight.batching.batch import Batch
from wordsight.batching.fields.masked import MaskedFacts, MaskedNeed
from wordsight.batching.masks import MaskedWords
from wordsight.batching.needs import Needs
from wordsight.errors import InputError
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.heads.vocabulary import Vocabulary
from wordsight.objectives.capabilities import MaskedPrediction, MaskedWordObjective
from wordsight.objectives.objective import Facts, Losses, Objective, Plot
from wordsight.objectives.processes import global_mean_scale
from wordsight.objectives.seen import Seen
from wordsight.objectives.tag_heads import TagSettings
from wordsight.objectives.tag_prediction import TagPrediction
from wordsight.objectives.weighted_sum import WeightedSum
from wordsight.ranges import LossWeight, check_ranges
from wordsight.vision.backbones import Backbone

_WORDS, _TAGS = "words", "tags"


@dataclass(frozen=True)
class MaskedWordSettings:
    """Values of masked words, in both flavours.

    Args:
        candidates: What a masked word may turn out to be: ``vocabulary``, all of the language model's (Eq. 6), or
            ``maskable``, the words of the concept set.
        text_prior: Whether the image predicts what the caption alone leaves open. A token classifier trained on the
            captions without images, then frozen, adds its scores to those of the image (a product of experts, as in
            Clark et al. 2019), so that nothing is gained by passing the caption's own answer through the attention.
            Not in the paper; needs ``candidates: maskable``.
    """

    candidates: Literal["vocabulary", "maskable"] = "vocabulary"
    text_prior: bool = False

    def __post_init__(self) -> None:
        check_ranges(self, "objective_settings")
        if self.text_prior and self.candidates != "maskable":
            raise InputError(
                "text_prior knows the words of the concept set alone",
                where="objective_settings",
                expected="candidates: maskable beside it",
            )


@dataclass(frozen=True)
class ICMLMSettings(TagSettings, MaskedWordSettings):
    """Values of ICMLM, besides its flavour's: those of masked words, those of tags, and the weight between them.

    Args:
        tag_weight: lambda of Eq. 8: weight of tag prediction beside the masked words (the paper: 1 with VGG16, 0.1 with
            ResNet50); 0 leaves tag prediction out.
    """

    tag_weight: LossWeight = 1.0

    def __post_init__(self) -> None:
        TagSettings.__post_init__(self)
        MaskedWordSettings.__post_init__(self)


@dataclass(frozen=True)
class Located:
    """What a flavour makes of an image and its masked captions.

    Args:
        features_BmD: What each masked word is predicted from, in the space of the word vectors.
        attention_BmL: Where it looked, over the grid's cells.
        unseen_Bm: What share of the attention lay on no cell; None where none can.
    """

    features_BmD: Tensor
    attention_BmL: Tensor
    unseen_Bm: Tensor | None = None


class MaskedWordPrediction(MaskedWordObjective):
    """The loss of Eq. 7 over what a flavour predicts.

    Args:
        backbone: The backbone.
        facts: Vocabulary matrix, maskable words.
        settings: Its values.
    """

    asks = "to predict a word hidden in a caption by looking for it in the picture"
    divisible = True

    def __init__(self, backbone: Backbone, facts: Facts, settings: MaskedWordSettings) -> None:
        super().__init__(backbone)
        words = facts.of(MaskedFacts)
        self.vocabulary = Vocabulary(words.vectors_VD, words.maskable if settings.candidates == "maskable" else None)
        self.prior: TokenClassifier | None = None
        if settings.text_prior:
            self.prior = TokenClassifier(self.vocabulary).requires_grad_(False)
            if words.text_head is not None:
                self.prior.load_state_dict(dict(words.text_head))

    @classmethod
    def needs(cls, settings: MaskedWordSettings) -> Needs:
        """Masked words."""
        return Needs({"masked": MaskedNeed(text_prior=settings.text_prior)})

    @classmethod
    def plots(cls, settings: MaskedWordSettings) -> Mapping[str, Plot]:
        """The loss, and how many words are predicted right."""
        says = "share of hidden words whose top prediction is right, in percent"
        return {"masked": Plot("hidden words", "loss"), "accuracy": Plot("accuracy", "share", says)}

    @abstractmethod
    def locate(self, grid_BCHW: Tensor, words: MaskedWords) -> Located:
        """Where image and masked caption meet: what each masked word is predicted from."""

    @property
    def word_bias(self) -> Tensor | None:
        """Bias of each candidate, where the flavour has one."""
        return None

    @property
    def candidates(self) -> Tensor:
        """Vocabulary ids that the columns of the logits stand for."""
        return self.vocabulary.ids

    def predict_masked(self, grid_BCHW: Tensor, words: MaskedWords) -> MaskedPrediction:
        """Predict the masked words of images whose grid is at hand (Eq. 6)."""
        located = self.locate(grid_BCHW, words)
        features_BmD, bias_V = self._with_prior(located.features_BmD, words)
        logits_BmV = self.vocabulary.scores(features_BmD)
        if bias_V is not None:
            logits_BmV = logits_BmV + bias_V
        rows, columns = grid_BCHW.shape[-2:]
        return MaskedPrediction(logits_BmV, located.attention_BmL, (rows, columns), located.unseen_Bm)

    def losses(self, seen: Seen, batch: Batch) -> Losses:
        """Gives ``masked`` (Eq. 7) and ``accuracy``, the share of words predicted right."""
        words = batch.of(MaskedWords)
        masked, accuracy = self._masked_loss(self.locate(seen.grid(), words).features_BmD, words)
        return Losses(masked, {"masked": masked.detach(), "accuracy": accuracy})

    def _with_prior(self, features_BmD: Tensor, words: MaskedWords) -> tuple[Tensor, Tensor | None]:
        """Features and bias whose scores are those of the flavour plus those of the caption alone.

        Both score words by dot products with the same vectors, so that the sum of scores is the score of the sum.
        """
        if self.prior is None:
            return features_BmD, self.word_bias
        tokens_BmTD = words_present(words).to(features_BmD.dtype)
        index_Bm1D = words.position_Bm[:, :, None, None].expand(-1, -1, 1, tokens_BmTD.shape[-1])
        said_BmD = self.prior.transform(tokens_BmTD.gather(2, index_Bm1D).squeeze(2))
        bias_V = self.prior.bias if self.word_bias is None else self.prior.bias + self.word_bias
        return features_BmD + said_BmD, bias_V

    def _masked_loss(self, features_BmD: Tensor, words: MaskedWords) -> tuple[Tensor, Tensor]:
        """Eq. 7 over the places that hold a masked word; an image with fewer than m leaves places empty."""
        real_M = words.weight_Bm.flatten() > 0
        target_M = self.vocabulary.rows(words.target_Bm).flatten()[real_M]
        features_BmD, bias_V = self._with_prior(features_BmD, words)
        features_MD = features_BmD.flatten(0, 1)[real_M]
        loss, accuracy = self.vocabulary.loss(features_MD, target_M, bias_V)
        # Processes that train together hold different numbers of masked words: each word counts the same.
        scale = global_mean_scale(len(target_M), loss.device, words.mean_count)
        return loss * scale, accuracy * scale


class ICMLM(WeightedSum):
    """The loss of Eq. 8: masked words and tags, a weighted sum with settings in one list.

    Args:
        backbone: The backbone.
        facts: Concept sets, vocabulary matrix, maskable words.
        settings: Its values.
    """

    asks = MaskedWordPrediction.asks
    protocol = MaskedWordPrediction.protocol
    words: ClassVar[type[MaskedWordPrediction]]
    """The flavour."""

    def __init__(self, backbone: Backbone, facts: Facts, settings: Any) -> None:
        parts: dict[str, Objective] = {}
        if settings.tag_weight > 0:
            parts[_TAGS] = TagPrediction(backbone, facts, settings)
        parts[_WORDS] = self.words(backbone, facts, settings)
        super().__init__(backbone, parts, {_WORDS: 1.0, _TAGS: settings.tag_weight})

    @classmethod
    def needs(cls, settings: Any) -> Needs:
        """Masked words, and tags where these have a weight."""
        words = cls.words.needs(settings)
        return TagPrediction.needs(settings).joined(words) if settings.tag_weight > 0 else words

    @classmethod
    def kinds(cls, settings: Any) -> Sequence[type[Objective]]:
        """Its own class and those of its parts."""
        return (cls, cls.words, *([TagPrediction] if settings.tag_weight > 0 else []))

    @classmethod
    def plots(cls, settings: Any) -> Mapping[str, Plot]:
        """Those of its parts."""
        return {**cls.words.plots(settings), **TagPrediction.plots(settings)}

    def current_name(self, name: str) -> str:
        """Earlier versions had all heads side by side."""
        if name.startswith(("backbone.", "parts.")):
            return name
        return f"parts.{_TAGS}.{name}" if name.startswith("tp.") else f"parts.{_WORDS}.{name}"


def words_present(words: MaskedWords) -> Tensor:
    """The token features, which must have been filled in by now, [B, m, T, D]."""
    assert words.tokens_BmTD is not None, "token features come from the cache or from the language model before this"
    return words.tokens_BmTD
