"""A checkpoint's own masked-token head (BERT's ``cls.predictions``), which the encoder alone leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordsight.disk import check_readable

# How checkpoints name the five tensors of the head: BERT (and its first checkpoints), DistilBERT, RoBERTa.
_DIALECTS: tuple[dict[str, tuple[str, ...]], ...] = (
    {
        "dense.weight": ("cls.predictions.transform.dense.weight",),
        "dense.bias": ("cls.predictions.transform.dense.bias",),
        "norm.weight": ("cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.gamma"),
        "norm.bias": ("cls.predictions.transform.LayerNorm.bias", "cls.predictions.transform.LayerNorm.beta"),
        "bias": ("cls.predictions.bias", "cls.predictions.decoder.bias"),
    },
    {
        "dense.weight": ("vocab_transform.weight",),
        "dense.bias": ("vocab_transform.bias",),
        "norm.weight": ("vocab_layer_norm.weight",),
        "norm.bias": ("vocab_layer_norm.bias",),
        "bias": ("vocab_projector.bias",),
    },
    {
        "dense.weight": ("lm_head.dense.weight",),
        "dense.bias": ("lm_head.dense.bias",),
        "norm.weight": ("lm_head.layer_norm.weight",),
        "norm.bias": ("lm_head.layer_norm.bias",),
        "bias": ("lm_head.bias", "lm_head.decoder.bias"),
    },
)
_DECODERS = ("cls.predictions.decoder.weight", "vocab_projector.weight", "lm_head.decoder.weight")


def read_token_classifier(files: list[Path], encoder: Any) -> dict[str, Tensor] | None:
    """Read the masked-token head from a checkpoint's safetensors.

    Args:
        files: The checkpoint's files.
        encoder: The transformers model read from them; its input embeddings are the head's decoder.

    Returns:
        ``dense.weight [D, D]``, ``dense.bias``, ``norm.weight``, ``norm.bias`` ``[D]`` and ``bias [V]``, all float32;
        None where there is no head, or it decodes with other vectors than the input embeddings.
    """
    tensors = _tensors(files)
    for dialect in _DIALECTS:
        found = {
            ours: next((tensors[name] for name in theirs if name in tensors), None) for ours, theirs in dialect.items()
        }
        if all(tensor is not None for tensor in found.values()):
            embeddings = encoder.get_input_embeddings().weight
            decoder = next((tensors[name] for name in _DECODERS if name in tensors), None)
            if decoder is not None and not torch.equal(decoder.float(), embeddings.float()):
                return None
            return {ours: tensor.float() for ours, tensor in found.items() if tensor is not None}
    return None


def _tensors(files: list[Path]) -> dict[str, Tensor]:
    """Every tensor of a checkpoint that may belong to the head; nothing else is read."""
    from safetensors import safe_open

    wanted = {name for dialect in _DIALECTS for names in dialect.values() for name in names} | set(_DECODERS)
    tensors: dict[str, Tensor] = {}
    for file in files:
        if file.suffix == ".safetensors":
            check_readable(file)
            with safe_open(str(file), "pt") as checkpoint:
                tensors.update({name: checkpoint.get_tensor(name) for name in wanted.intersection(checkpoint.keys())})
    return tensors
