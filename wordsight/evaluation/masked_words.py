"""The protocol ``masked-words``: is the masked word of a held-out caption the model's first guess, or among its five?

Read beside what can be said without the image: the language model's token classifier trained on the training captions
(Table 1 of ICMLM gives BERT alone), always guessing the most frequent words, and the same network shown another image,
which tells how much of its answer comes from the caption through its attention.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.atomic import write_json
from wordsight.evaluation.answers import ask, masked_word_objective, sample_rows
from wordsight.evaluation.metrics import clustered_error
from wordsight.evaluation.results import Result
from wordsight.evaluation.subject import CaptionedSplit, Subject, weights_fingerprint
from wordsight.language.model import LanguageModel
from wordsight.precision import precision_on

NAME = "masked-words"


@dataclass(frozen=True)
class MaskedWordsSettings:
    """Settings of the protocol.

    Args:
        most_words: With more masked words than this, so many are asked, always the same ones.
        text_baseline: Whether to train the text-only baseline, which is kept beside the masked captions for other runs.
        crop_share: Side of the centre square that is looked at, as a share of the image's shorter side.
    """

    most_words: int = 20_000
    text_baseline: bool = True
    crop_share: float = 1.0


def measure(subject: Subject, question: CaptionedSplit, settings: MaskedWordsSettings) -> Result:
    """Ask for the masked words of a split.

    Args:
        subject: Its objective is asked.
        question: Images and masked captions.
        settings: The protocol's settings.

    Raises:
        InputError: When the objective predicts no masked words, or there is none to predict.
    """
    objective = masked_word_objective(subject)
    rows = sample_rows(np.arange(len(question.masked)), settings.most_words)
    answers = ask(subject, question, rows, settings.crop_share)
    target, example = question.masked.target_M[rows].astype(np.int64), question.masked.example_M[rows]
    first = answers.guesses[:, 0] == target
    fifth = (answers.guesses == target[:, None]).any(1)
    candidates = objective.candidates.cpu().numpy()
    value = 100 * float(first.mean())
    baselines: dict[str, float] = {}
    if question.train is not None:
        baselines = text_baselines(subject, question, rows, candidates, train_text=settings.text_baseline)
    if len(np.unique(example)) > 1:
        wrong = ask(subject, question, rows, settings.crop_share, wrong_images=True)
        baselines |= {"wrong image": 100 * float((wrong.guesses[:, 0] == target).mean())}
    return Result(
        task=question.name,
        protocol=NAME,
        metric="top-1 of masked words",
        value=value,
        baselines=baselines,
        more={"top-5": 100 * float(fifth.mean())},
        standard_error=clustered_error(first, example),
        per_class=per_concept(first, question.masked.concept_M[rows], question),
        counts={
            "masked_words": len(rows),
            "of_masked_words": len(question.masked),
            "images": len(np.unique(example)),
            "candidates": len(candidates),
        },
        settings={
            **asdict(settings),
            "image_size": subject.image_size,
            "precision": str(precision_on(subject.device)).removeprefix("torch."),
            "split": question.split,
            "corpus": question.corpus.name,
        },
        weights=weights_fingerprint(objective),
        data=question.fingerprint,
        warnings=[*question.seen_in_training(subject), *_compare_with_text(value, baselines)],
    )


def per_concept(right: NDArray[np.bool_], concepts: NDArray[np.int32], question: CaptionedSplit) -> dict[str, float]:
    """Share in percent of the words of each concept that came out right."""
    counts = np.bincount(concepts, minlength=len(question.concepts))
    hits = np.bincount(concepts[right], minlength=len(question.concepts))
    return {question.concepts[k]: 100 * float(hits[k] / counts[k]) for k in np.flatnonzero(counts).tolist()}


def text_baselines(
    subject: Subject,
    question: CaptionedSplit,
    rows: NDArray[np.int64],
    candidates: NDArray[np.int64],
    *,
    train_text: bool = True,
) -> dict[str, float]:
    """What can be said of the same words without the image, in percent.

    The text-only baseline is trained once and kept beside the masked captions.

    Args:
        subject: Whose language model is used.
        question: Masked captions; ``train`` is what to learn from.
        rows: The masked words.
        candidates: Vocabulary ids to choose among.
        train_text: Whether to train the text-only baseline.

    Returns:
        ``text only``, ``most frequent``, and ``language model alone`` where it has a classifier of its own; and each of
        them with ``, top-5``.
    """
    from wordsight.language.text_baseline import TextBaselineSettings, frequency_scores

    assert question.train is not None, "baselines are asked for where there are captions to learn from"
    scores = frequency_scores(question.train.target_M, question.masked.target_M[rows])
    found = {"most frequent": scores.top1, "most frequent, top-5": scores.top5}
    if not train_text or subject.language is None:
        return found
    settings = TextBaselineSettings()
    key = hashlib.sha256(
        json.dumps([question.train.fingerprint, subject.language.fingerprint, asdict(settings)]).encode()
        + rows.astype(np.int64).tobytes()
        + candidates.tobytes()
    ).hexdigest()[:16]
    file = question.masked.path / f"text-only-{key}.json"
    known = _read(file)
    if known is None:
        known = _train_text(subject.language, question, rows, candidates)
        write_json(file, known)
    return known | found


def _train_text(
    language: LanguageModel, question: CaptionedSplit, rows: NDArray[np.int64], candidates: NDArray[np.int64]
) -> dict[str, float]:
    import torch

    from wordsight.heads.token_classifier import TokenClassifier
    from wordsight.heads.vocabulary import Vocabulary
    from wordsight.language.text_baseline import masked_features, train_text_baseline, word_scores

    assert question.train is not None, "baselines are asked for where there are captions to learn from"
    features_MD = masked_features(question.masked, language, rows)
    targets_M = torch.from_numpy(question.masked.target_M[rows].astype(np.int64))
    heads = {"text only": train_text_baseline(question.train, language, candidates)}
    pretrained = language.token_classifier_weights()
    if pretrained is not None:
        vocabulary = Vocabulary(language.vocabulary_matrix(), torch.from_numpy(candidates))
        heads["language model alone"] = TokenClassifier(vocabulary, pretrained)
    found: dict[str, float] = {}
    for name, head in heads.items():
        scores = word_scores(head, features_MD, targets_M)
        found |= {name: scores.top1, f"{name}, top-5": scores.top5}
    return found


def _read(file: Path) -> dict[str, float] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {str(name): float(value) for name, value in content.items()} if isinstance(content, dict) else None


def _compare_with_text(value: float, baselines: dict[str, float]) -> list[str]:
    text = baselines.get("text only")
    if text is None or value > text:
        return []
    return [f"no better than the captions alone ({text:.1f}): the image is not made use of"]
