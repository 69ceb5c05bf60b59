"""Text-only baseline: masked words predicted by heads that see no image.

No head predicts words of a caption that it learned from. Where the scored captions are the training captions, or among
them, the heads are cross-fitted: the scored images are cut into folds, and the words of a fold are predicted by a head
that learned from the captions of all other images.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.arrays import DAMAGED
from wordsight.atomic import atomic_file
from wordsight.evaluation.tasks.caption_split import CaptionedSplit
from wordsight.heads.token_classifier import TokenClassifier
from wordsight.heads.vocabulary import Vocabulary
from wordsight.language.model import LanguageModel
from wordsight.language.text_baseline import TextBaselineSettings, best_words, masked_features, train_text_baseline

TEXT_ONLY = "text only"
ALONE = "language model alone"
MOST_FREQUENT = "most frequent"
# A head learns from about this share of the training images, or more: half of them would make too weak a baseline.
_LEARNED_SHARE = 0.8
_VERSION = 2


def training_overlap(data: CaptionedSplit) -> NDArray[np.int64]:
    """The examples of a split whose captions are among those that baselines learn from, ascending."""
    train = data.train
    if train is None or train.info.get("corpus") != data.corpus.fingerprint:
        return np.zeros(0, dtype=np.int64)
    return np.intersect1d(train.example_M, data.masked.example_M)


def cross_fit_folds(data: CaptionedSplit, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each row: its words are predicted by a head that learned from no image of the fold.

    Args:
        data: Masked captions; ``train`` is what to learn from.
        rows: The masked words that are predicted.

    Returns:
        int64 ``[rows]``; -1 for images that are not learned from anyway.
    """
    examples = data.masked.example_M[rows]
    scored = np.intersect1d(training_overlap(data), examples)
    folds = np.full(len(rows), -1, dtype=np.int64)
    if len(scored) == 0 or data.train is None:
        return folds
    withheld_share = len(scored) / len(np.unique(data.train.example_M))
    count = min(len(scored), math.ceil(withheld_share / (1 - _LEARNED_SHARE) - 1e-9))
    fold_of = np.random.default_rng(0).permutation(len(scored)) % count
    inside = np.isin(examples, scored)
    folds[inside] = fold_of[np.searchsorted(scored, examples[inside])]
    return folds


def ranked_words(data: CaptionedSplit) -> NDArray[np.int64]:
    """Vocabulary ids of the masked words of the training captions, the most frequent first."""
    assert data.train is not None, "words are ranked where there are captions to learn from"
    words, counts = np.unique(data.train.target_M, return_counts=True)
    return words[np.argsort(-counts, kind="stable")].astype(np.int64)


def text_only_predictions(
    language: LanguageModel, data: CaptionedSplit, rows: NDArray[np.int64], candidates: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """The likeliest words by the captions alone, from heads that are trained once and serve other runs too.

    Predictions are cached beside the masked captions.

    Args:
        language: The language model of both the scored captions and those learned from.
        data: Masked captions; ``train`` is what to learn from.
        rows: The masked words.
        candidates: Vocabulary ids to choose among.

    Returns:
        Vocabulary ids, likeliest first ``[rows, 5]``: under ``text only``, and under ``language model alone`` where it
        has a classifier of its own. Nothing where no other image is left to learn from.
    """
    assert data.train is not None, "baselines are made where there are captions to learn from"
    settings = TextBaselineSettings()
    folds = cross_fit_folds(data, rows)
    key = hashlib.sha256(
        json.dumps([_VERSION, data.train.fingerprint, language.fingerprint, asdict(settings)]).encode()
        + rows.astype(np.int64).tobytes()
        + folds.tobytes()
        + candidates.tobytes()
    ).hexdigest()[:16]
    file = data.masked.path / f"text-only-{key}.npz"
    known = _read(file)
    if known is None:
        known = _predict(language, data, rows, candidates, folds, settings)
        with atomic_file(file) as beside, beside.open("wb") as opened:
            np.savez_compressed(opened, **dict[str, Any](known))
    return known


def _predict(
    language: LanguageModel,
    data: CaptionedSplit,
    rows: NDArray[np.int64],
    candidates: NDArray[np.int64],
    folds: NDArray[np.int64],
    settings: TextBaselineSettings,
) -> dict[str, NDArray[np.int64]]:
    assert data.train is not None, "baselines are made where there are captions to learn from"
    features_MD = masked_features(data.masked, language, rows)
    found: dict[str, NDArray[np.int64]] = {}
    guesses = np.full((len(rows), 5), -1, dtype=np.int64)
    for fold in np.unique(folds).tolist():
        within = folds == fold
        withheld = data.masked.example_M[rows[within]] if fold >= 0 else np.zeros(0, dtype=np.int64)
        learned = np.flatnonzero(~np.isin(data.train.example_M, withheld))
        if len(learned) == 0:
            return found
        head = train_text_baseline(data.train, language, candidates, settings, rows=learned)
        best = best_words(head, features_MD[torch.from_numpy(np.flatnonzero(within))]).numpy()
        guesses[within, : best.shape[1]] = best
    found[TEXT_ONLY] = guesses
    pretrained = language.token_classifier_weights()
    if pretrained is not None:
        vocabulary = Vocabulary(language.vocabulary_matrix(), torch.from_numpy(candidates))
        found[ALONE] = best_words(TokenClassifier(vocabulary, pretrained), features_MD).numpy()
    return found


def _read(file: Path) -> dict[str, NDArray[np.int64]] | None:
    """Cached predictions; None where there are none, or a damaged file that is made again."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as cached:
            return {name: cached[name] for name in cached.files}
    except (OSError, *DAMAGED):
        return None
