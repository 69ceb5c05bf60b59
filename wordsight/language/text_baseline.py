"""How well masked words are told from the captions alone: what every masked-word result is printed beside.

The head is BERT's own token classifier on the feature at the masked position (dense, GELU, LayerNorm, V^T), trained on
the training captions without any image. The paper gives the language model's untrained head ("BERT_base" of
Table 1); trained on the captions it is the stricter baseline, since it knows which words these captions use.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wordsight.errors import InputError
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.heads.vocabulary import Vocabulary
from wordsight.language.feature_writer import batches_of_one_length
from wordsight.language.features import MaskedCaptions
from wordsight.language.model import LanguageModel
from wordsight.progress import progress_bar
from wordsight.ranges import AtLeastOne, LearningRate, OpenUnit, Passes, Seed, WeightDecay, check_ranges

# Rows scored at a time: 2,048 rows x 30,522 candidates are 250 MB.
_SCORED = 2048


@dataclass(frozen=True)
class TextBaselineSettings:
    """How the text-only head is trained.

    Args:
        epochs: Most passes over the masked captions.
        batch_size: Masked captions per step.
        learning_rate: Peak of AdamW's learning rate, reached after a tenth of the steps, then cosine to 0.
        weight_decay: Of AdamW.
        validation_share: Share of the training examples kept aside to stop on.
        patience: Passes without a lower validation loss after which training stops.
        seed: Of the split, the order and the initial weights.
    """

    epochs: Passes = 12
    batch_size: AtLeastOne = 512
    learning_rate: LearningRate = 2e-3
    weight_decay: WeightDecay = 0.01
    validation_share: OpenUnit = 0.1
    patience: AtLeastOne = 2
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class WordScores:
    """Share of masked words, in percent, that are the first (``top1``) or among the first five (``top5``) guesses."""

    top1: float
    top5: float


@dataclass(frozen=True)
class TextBaseline:
    """Everything that can be said about masked words without looking at an image.

    Args:
        trained: The head trained on the training captions.
        untrained: The language model's own head as it came; None where it has none.
        frequency: Always guessing the most frequent words of the training captions.
        scored: How many masked words were scored.
        seconds: How long it took.
        classifier: The trained head.
    """

    trained: WordScores
    untrained: WordScores | None
    frequency: WordScores
    scored: int
    seconds: float
    classifier: TokenClassifier


def text_baseline(
    train: MaskedCaptions,
    held_out: MaskedCaptions,
    model: LanguageModel,
    candidates: NDArray[np.int64] | None = None,
    settings: TextBaselineSettings = TextBaselineSettings(),
) -> TextBaseline:
    """Train the text-only head and score it, the untrained head and plain frequency on held-out captions.

    Args:
        train: Masked captions to learn from.
        held_out: Masked captions to score on.
        model: The language model of both.
        candidates: Vocabulary ids to choose among; None for the whole vocabulary.
        settings: How the head is trained.

    Raises:
        InputError: When there is nothing to train on or to score.
    """
    started = time.perf_counter()
    features_MD = masked_features(held_out, model, np.arange(len(held_out)))
    targets_M = torch.from_numpy(held_out.target_M.astype(np.int64))
    classifier = train_text_baseline(train, model, candidates, settings)
    pretrained = model.token_classifier_weights()
    untrained = None
    if pretrained is not None:
        vocabulary = Vocabulary(model.vocabulary_matrix(), _tensor(candidates))
        untrained = word_scores(TokenClassifier(vocabulary, pretrained), features_MD, targets_M)
    return TextBaseline(
        trained=word_scores(classifier, features_MD, targets_M),
        untrained=untrained,
        frequency=frequency_scores(train.target_M, held_out.target_M),
        scored=len(held_out),
        seconds=time.perf_counter() - started,
        classifier=classifier,
    )


def train_text_baseline(
    masked: MaskedCaptions,
    model: LanguageModel,
    candidates: NDArray[np.int64] | None = None,
    settings: TextBaselineSettings = TextBaselineSettings(),
    rows: NDArray[np.int64] | None = None,
) -> TokenClassifier:
    """Train BERT's token classifier on the features of masked positions; no image is seen.

    Only words that are masked somewhere compete. That is no approximation of a softmax over the whole vocabulary: a
    word that is never a target is fitted best by a bias of minus infinity, which leaves it out.

    Args:
        masked: Masked captions to learn from.
        model: The language model; where it has a pretrained head, training starts from it.
        candidates: Vocabulary ids that will be chosen among; None for the whole vocabulary.
        settings: How to train.
        rows: Which of the masked captions to learn from; None for all.

    Returns:
        The head over the words that were masked, in evaluation mode.

    Raises:
        InputError: When no masked word is among the candidates.
    """
    rows = np.arange(len(masked)) if rows is None else rows
    if candidates is not None:
        rows = rows[np.isin(masked.target_M[rows], candidates)]
    if len(rows) == 0:
        raise InputError("no masked word to train the text-only baseline on", where=masked.path)
    targets_M = torch.from_numpy(masked.target_M[rows].astype(np.int64))
    vocabulary = Vocabulary(model.vocabulary_matrix(), targets_M)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        head = TokenClassifier(vocabulary, model.token_classifier_weights()).requires_grad_(True)
        held_M = _validation(masked.example_M[rows], settings)
        _fit(head, masked_features(masked, model, rows), vocabulary.rows(targets_M), held_M, settings)
    return head.eval()


def masked_features(masked: MaskedCaptions, model: LanguageModel, rows: NDArray[np.int64]) -> Tensor:
    """The token feature at the masked position of each row, ``[rows, D]`` float32."""
    sentences = masked.sentence_M[rows]
    places = masked.sentence_offsets[sentences] + masked.position_M[rows]
    if masked.flat_features is not None:
        return torch.from_numpy(masked.flat_features[places].astype(np.float32))
    features_MD = torch.empty(len(rows), masked.width)
    lengths = masked.sentence_offsets[sentences + 1] - masked.sentence_offsets[sentences]
    with progress_bar() as bar:
        task = bar.add_task("token features", total=len(rows), note="")
        groups = list(batches_of_one_length(lengths, model.batch_tokens))
        first_M = masked.sentence_offsets[sentences]
        computed = model.features_of_batches(
            torch.from_numpy(masked.flat_ids[first_M[part][:, None] + np.arange(length)]) for part, length in groups
        )
        for (part, _), tokens_BTD in zip(groups, computed, strict=True):
            position = torch.from_numpy(masked.position_M[rows[part]].astype(np.int64))
            features_MD[torch.from_numpy(part)] = tokens_BTD.cpu()[torch.arange(len(part)), position]
            bar.advance(task, len(part))
    return features_MD


def word_scores(classifier: TokenClassifier, features_MD: Tensor, targets_M: Tensor) -> WordScores:
    """Top-1 and top-5 of a head on features of masked positions.

    Args:
        classifier: The head; its vocabulary holds the candidates.
        features_MD: Features of the masked positions.
        targets_M: Vocabulary ids of what was masked; one that is no candidate counts as missed.

    Raises:
        InputError: When there is nothing to score.
    """
    if len(targets_M) == 0:
        raise InputError("there is no masked word to score", expected="held-out captions with words of the concept set")
    hits = best_words(classifier, features_MD) == targets_M[:, None]
    return WordScores(100 * int(hits[:, 0].sum()) / len(hits), 100 * int(hits.sum()) / len(hits))


@torch.no_grad()
def best_words(classifier: TokenClassifier, features_MD: Tensor, most: int = 5) -> Tensor:
    """A head's likeliest words for each masked position.

    Args:
        classifier: The head; its vocabulary holds the candidates.
        features_MD: Features of the masked positions.
        most: How many words; fewer where there are fewer candidates.

    Returns:
        Vocabulary ids, the likeliest first, ``[M, most]``.
    """
    ids = classifier.vocabulary.ids
    most = min(most, len(ids))
    parts = [ids[classifier(part_MD).topk(most, dim=1).indices] for part_MD in features_MD.split(_SCORED)]
    return torch.cat(parts)


def frequency_scores(train_targets: NDArray[np.int32], held_out_targets: NDArray[np.int32]) -> WordScores:
    """Scores of always guessing the (five) most frequent masked words of the training captions."""
    words, counts = np.unique(train_targets, return_counts=True)
    ranked = words[np.argsort(-counts, kind="stable")]
    shares = [100 * float(np.isin(held_out_targets, ranked[:k]).mean()) for k in (1, 5)]
    return WordScores(shares[0], shares[1])


def _tensor(ids: NDArray[np.int64] | None) -> Tensor | None:
    return None if ids is None else torch.from_numpy(np.asarray(ids, dtype=np.int64))


def _validation(example_M: NDArray[np.int64], settings: TextBaselineSettings) -> Tensor:
    """Which rows to stop on: whole examples, so that no caption of a validated image is trained on."""
    examples = np.unique(example_M)
    count = min(max(1, round(settings.validation_share * len(examples))), len(examples) - 1)
    kept = np.random.default_rng(settings.seed).permutation(examples)[:count]
    return torch.from_numpy(np.isin(example_M, kept))


def _fit(
    head: TokenClassifier, features_MD: Tensor, targets_M: Tensor, held_M: Tensor, settings: TextBaselineSettings
) -> None:
    """AdamW on cross-entropy; leaves the head with the weights of its lowest validation loss."""
    train, validation = (~held_M).nonzero().squeeze(1), held_M.nonzero().squeeze(1)
    steps = -(-len(train) // settings.batch_size)
    optimizer = torch.optim.AdamW(
        [parameter for parameter in head.parameters() if parameter.requires_grad],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps, pct_start=0.1
    )
    best, kept, waited = float("inf"), head.state_dict(), 0
    with progress_bar() as bar:
        task = bar.add_task("text-only baseline", total=settings.epochs * steps, note="")
        for _ in range(settings.epochs):
            head.train()
            for rows in train[torch.randperm(len(train))].split(settings.batch_size):
                loss = functional.cross_entropy(head(features_MD[rows]), targets_M[rows])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.advance(task)
            value = _loss(head, features_MD, targets_M, validation if len(validation) else train)
            if value < best:
                best, waited = value, 0
                kept = {name: tensor.clone() for name, tensor in head.state_dict().items()}
            else:
                waited += 1
                if waited >= settings.patience:
                    break
    head.load_state_dict(kept)


@torch.no_grad()
def _loss(head: TokenClassifier, features_MD: Tensor, targets_M: Tensor, rows: Tensor) -> float:
    head.eval()
    total = 0.0
    for part in rows.split(_SCORED):
        total += float(functional.cross_entropy(head(features_MD[part]), targets_M[part], reduction="sum"))
    return total / len(rows)
