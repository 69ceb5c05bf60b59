"""`subwords`: the tokens of the language model's tokenizer are the concepts, weighted by rarity (SuperClass).

https://arxiv.org/abs/2411.03313
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.counting import captions_of
from wordsight.concepts.matrix_writer import Caption, Found, counts_in_rows, numbered, shown, take_columns, write_rows
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.language.model_folder import TOKENIZER, files_fingerprint, model_folder

# Captions tokenised at a time: enough for the tokenizer to use its threads.
_CHUNK = 4096


@dataclass(frozen=True)
class SubwordsSettings:
    """Which tokens are concepts.

    Args:
        language_model: Whose tokenizer: minilm, a folder or a name on the hub.
        only_seen: Whether tokens that no example of the split has are left out. With false all of the vocabulary are
            concepts, as in SuperClass: its captions hold nearly all of them; in thousands of captions most never come,
            and as classes that are always wrong they cost memory and time and teach nothing.
        language: Only captions in this language, where the corpus knows their languages; empty for all.
    """

    language_model: str = "minilm"
    only_seen: bool = True
    language: str = ""


def build_subwords(corpus: Corpus, settings: SubwordsSettings, split: str) -> ConceptSet:
    """Make a concept set from all tokens of a language model's tokenizer; no word is chosen, none is thrown away.

    A token's label is its weight log((N + 1) / (df + 1)) wherever any caption of the example has it: N examples of the
    split have captions, df of them have the token (SuperClass, Huang et al. 2024, Section 3.2). A token that all of
    them have weighs nothing, and holds nowhere. Special tokens are no concepts.

    Args:
        corpus: Where the captions are.
        settings: Whose tokenizer.
        split: The examples that N and df are counted in ("all" for every one).

    Raises:
        InputError: When there are no captions, no such language, or no such language model.
    """
    tokens = _tokens(settings.language_model)
    captions_of(corpus, split, settings.language)
    everything = corpus.caption_iter(corpus.indices(None), settings.language or None)
    encoded = _encoded(shown(everything, "finding tokens", len(corpus)), settings.language_model)
    held = write_rows(encoded, len(corpus), _tokenizer(settings.language_model).get_vocab_size(), folder=corpus.path)[0]
    rows = corpus.indices(split)
    examples = int((np.diff(held.indptr)[rows] > 0).sum())
    count = counts_in_rows(held, rows)
    weight = np.log((examples + 1) / (count + 1)).astype(np.float32)
    if settings.only_seen:
        tokens = {name: id for name, id in tokens.items() if count[id] and weight[id] > 0}
    if not tokens:
        raise InputError(
            f"every caption of the split {split!r} has the same tokens, so that none says anything of its image",
            where=corpus.path,
            mend=f"give more captions, or {setting('only_seen', False)}",
        )
    ids = np.fromiter(tokens.values(), np.int64, len(tokens))
    matrix = take_columns(held, ids, weight[ids], corpus.path)
    return ConceptSet(
        kind="subwords",
        names=list(tokens),
        matrix=matrix,
        target="labels",
        corpus_fingerprint=corpus.fingerprint,
        settings={**asdict(settings), "split": split, "examples_with_captions": examples},
        arrays={"ids": ids, "weights": weight[ids]},
    )


def apply_subwords(concepts: ConceptSet, texts: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
    """Which tokens of a set other texts have, with the weights of the set.

    Args:
        concepts: A set that :func:`build_subwords` made.
        texts: The captions of each example.

    Raises:
        InputError: When the language model has another tokenizer than the set was made with.
    """
    name, ids = concepts.settings["language_model"], np.asarray(concepts.arrays["ids"])
    if [_tokenizer(name).id_to_token(id) for id in ids.tolist()] != concepts.names:
        raise InputError("has another tokenizer than the concept set was made with", where=name, mend="build it again")
    tokens = _tokenizer(name).get_vocab_size()
    held = write_rows(_encoded(numbered(texts), name), len(texts), tokens)[0]
    return take_columns(held, ids, np.asarray(concepts.arrays["weights"]), None)


def files_of_subwords(settings: SubwordsSettings) -> list[Path]:
    """What a set is made with besides the corpus: the tokenizer, whatever the weights."""
    return [model_folder(settings.language_model) / TOKENIZER]


def _encoded(captions: Iterable[Caption], language_model: str) -> Iterator[Found]:
    """Captions as ids of tokens, without special ones."""
    tokenizer = _tokenizer(language_model)
    captions = iter(captions)
    while chunk := list(islice(captions, _CHUNK)):
        rows = tokenizer.encode_batch_fast([text for _, _, text in chunk], add_special_tokens=False)
        for (example, caption, _), row in zip(chunk, rows, strict=True):
            yield example, caption, row.ids, (), ()


def _tokens(language_model: str) -> dict[str, int]:
    """Every token but the special ones, in the order of their ids."""
    tokenizer = _tokenizer(language_model)
    special = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    ids = sorted((id, name) for name, id in tokenizer.get_vocab().items() if id not in special)
    return {name: id for id, name in ids}


def _tokenizer(language_model: str) -> Any:
    file = model_folder(language_model) / TOKENIZER
    return _read_tokenizer(file, files_fingerprint([file]))


@lru_cache(maxsize=2)
def _read_tokenizer(file: Path, fingerprint: str) -> Any:
    """The tokenizer alone: neither weights nor the packages that read them are loaded for it."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    # The library is Rust, and raises every failure (no such file, no JSON, no tokenizer) as `Exception` itself.
    except Exception as error:
        raise InputError(f"can't be read ({error})", where=file, expected="a tokenizer") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
