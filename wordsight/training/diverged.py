"""A loss that is no longer a number: the run stops, and the batch that made it is kept to be looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from wordsight.atomic import atomic_file
from wordsight.batching.batch import Batch
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting


def keep_batch(path: Path, batch: Batch, corpus: Corpus, *, step: int, lr: float, losses: Mapping[str, float]) -> None:
    """Write a batch with what is known of it.

    Args:
        path: The file: tensors of the batch by the names of its fields (``views.0.images_BCHW``,
            ``fields.tags.words.concept_P``, ...), and in its metadata, under ``wordsight``, JSON with the step, the
            learning rate, the losses and the names of the images.
        batch: The batch.
        corpus: Whose examples it holds.
        step: Number of the step, from 1.
        lr: The learning rate of the step.
        losses: The losses of the step, by name.
    """
    note = {
        "step": step,
        "lr": lr,
        "losses": {name: str(value) for name, value in losses.items()},
        "images": [corpus.id(int(example)) for example in batch.examples_B.tolist()],
    }
    with atomic_file(path) as beside:
        save_file(_tensors_of(batch), beside, metadata={"wordsight": json.dumps(note)})


def diverged(step: int, value: float, lr: float, batch: Path, checkpoint: Path) -> InputError:
    """The error that stops the run: the step, what to change, what was kept."""
    kept = f"; the checkpoint {checkpoint.name} from before it is kept" if checkpoint.is_file() else ""
    return InputError(
        f"the loss is {value} at step {step} (learning rate {lr:g})",
        where="training",
        mend=f"give a lower {setting('lr')}, {setting('optimizer.clip_norm', 1)} or {setting('precision', 'fp32')}; "
        f"its batch is in {batch}{kept}",
    )


def _tensors_of(batch: Batch) -> dict[str, Tensor]:
    """All tensors of a batch; what a field has drawn stands under the field's own name."""
    return _tensors("", {**vars(batch), "fields": None, **batch.fields})


def _tensors(name: str, value: Any) -> dict[str, Tensor]:
    """All tensors inside a batch, by their path."""
    if isinstance(value, Tensor):
        return {name: value.detach().cpu().contiguous().clone()}
    if is_dataclass(value):
        parts: dict[str, Any] = {field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, Mapping):
        parts = dict(value)
    elif isinstance(value, tuple):
        parts = {str(number): each for number, each in enumerate(value)}
    else:
        return {}
    found: dict[str, Tensor] = {}
    for part, inner in parts.items():
        found |= _tensors(f"{name}.{part}" if name else str(part), inner)
    return found
