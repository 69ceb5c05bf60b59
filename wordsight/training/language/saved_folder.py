"""The folder of a language model of one's own: what is in it while it is trained, and when it is finished.

language.json          the settings, the text, and how it ended
vocab.txt              the vocabulary
metrics.jsonl          loss and held-out masked-token accuracy over steps (also under tensorboard/)
checkpoint.safetensors where to resume

When it is finished, ``config.json``, the tokenizer and ``model.safetensors`` in BERT's layout are there, and the
checkpoint is gone. Until then there is no ``config.json``, and the folder is taken for no language model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from wordsight.atomic import atomic_folder, write_json
from wordsight.disk import unreadable
from wordsight.environment import environment
from wordsight.errors import InputError, setting
from wordsight.language.model_folder import TRAINED, weights_checksums
from wordsight.language.wordpiece import write_vocabulary
from wordsight.settings import from_mapping
from wordsight.training.language.language_settings import LanguageSettings

INFO, VOCABULARY, CHECKPOINT = TRAINED, "vocab.txt", "checkpoint.safetensors"
_VERSION = 1
# Settings that change where and how fast it runs, but not its numbers: a resumed run may have others.
_FREE_ON_RESUME = ("checkpoint_minutes",)


@dataclass(frozen=True)
class TrainedLanguageModel:
    """What was made, and how good it is.

    Args:
        path: Its folder.
        vocabulary: Tokens in its vocabulary.
        sentences: Sentences that it learned from.
        held_out: Sentences that it was scored on.
        steps: Steps in all.
        accuracy: Percent of held-out masked tokens that it tells; None until it is finished.
        loss: Their mean cross-entropy.
        most_frequent: Percent that always telling the most frequent token would be right.
        seconds: Time spent training.
    """

    path: Path
    vocabulary: int
    sentences: int
    held_out: int
    steps: int
    accuracy: float | None = None
    loss: float | None = None
    most_frequent: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Text:
    """What was learned from, as it is noted.

    Args:
        sources: Where the sentences come from, in words.
        fingerprint: A hash of their tokens.
    """

    sources: Sequence[str]
    fingerprint: str


def begun(out: Path, settings: LanguageSettings, *, resume: bool) -> dict[str, Any] | None:
    """What ``language.json`` of a training to go on with says; None where there is none.

    Raises:
        InputError: When the folder holds something, and it is not a training of these settings that is to be resumed.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not out.is_dir():
        raise InputError("is a file", where=out, expected="a folder to make", mend=f"give another {setting('out')}")
    try:
        info: dict[str, Any] = json.loads((out / INFO).read_text("utf-8"))
        before = from_mapping(LanguageSettings, info["settings"], str(out / INFO))
        finished = info["result"]["accuracy"] is not None
    except PermissionError as error:
        raise unreadable(error, out / INFO) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "exists already and holds no language model that is being trained",
            where=out,
            mend=f"give another {setting('out')}",
        ) from error
    if finished:
        raise InputError(
            "exists already, and is finished", where=out, mend=f"give another {setting('out')} to train again"
        )
    if not resume:
        raise InputError(
            "exists already", where=out, mend=f"go on with {setting('resume', True)}, or give another {setting('out')}"
        )
    free = {name: getattr(settings, name) for name in _FREE_ON_RESUME}
    old, new = asdict(replace(before, **free)), asdict(settings)
    if changed := [f"{name} {old[name]!r} is now {new[name]!r}" for name in new if old[name] != new[name]]:
        raise InputError(f"was begun otherwise: {'; '.join(changed)}", where=out, mend="resume with the same values")
    return info


def begin(settings: LanguageSettings, text: Text, vocabulary: list[str], info: TrainedLanguageModel) -> None:
    """Write what is known before the first step."""
    with atomic_folder(info.path) as beside:
        write_vocabulary(beside / VOCABULARY, vocabulary)
        _write_info(beside, settings, text, info)


def finish(settings: LanguageSettings, text: Text, model: Any, tokenizer: Any, info: TrainedLanguageModel) -> None:
    """Put the finished folder in the place of the working one, in one step."""
    out = info.path
    with atomic_folder(out, overwrite=True) as beside:
        for name in (VOCABULARY, "metrics.jsonl"):
            shutil.copy2(out / name, beside / name)
        shutil.copytree(out / "tensorboard", beside / "tensorboard")
        tokenizer.save_pretrained(beside)
        _save_model(model, beside)
        _write_info(beside, settings, text, info)


def _write_info(folder: Path, settings: LanguageSettings, text: Text, info: TrainedLanguageModel) -> None:
    result = asdict(info)
    del result["path"]
    content = {
        "version": _VERSION,
        "sources": list(text.sources),
        "text": text.fingerprint,
        "settings": asdict(settings),
        "environment": environment(),
        "result": result,
    }
    if weights := weights_checksums(folder):
        content["weights"] = weights
    write_json(folder / INFO, content)


def _save_model(model: Any, folder: Path) -> None:
    from transformers.utils import logging as theirs

    # Its bar for a file that is written in a moment is kept to itself.
    shown = theirs.is_progress_bar_enabled()
    theirs.disable_progress_bar()
    try:
        model.eval().save_pretrained(folder)
    finally:
        if shown:
            theirs.enable_progress_bar()
