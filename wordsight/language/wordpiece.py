"""A WordPiece vocabulary of one's own, in BERT's layout: its normaliser, its special tokens, ``##`` inside words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wordsight.atomic import write_text
from wordsight.errors import InputError, setting

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Their ids, in every vocabulary that is learned here.
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL))
_INSIDE = "##"
# Below this, a token is a typing error or a name more often than a word.
_LEAST = 2


def train_wordpiece(
    texts: Iterable[str], size: int, *, lowercase: bool = True, strip_accents: bool = False
) -> list[str]:
    """Learn a vocabulary.

    Args:
        texts: The sentences; gone through twice.
        size: How many tokens it may have, special ones among them; a small text gives fewer.
        lowercase: Whether capitals are made small.
        strip_accents: Whether "schön" becomes "schon". BERT's uncased vocabularies do; German, French and Czech words
            become others by it.

    Returns:
        The tokens; a token's place is its id, the special ones stand first.

    Raises:
        InputError: When the text's characters alone are more than ``size``.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    def learned(most: int, first: list[str]) -> dict[str, int]:
        tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=most,
            min_frequency=_LEAST,
            special_tokens=first,
            # Where each character is a word (Chinese), characters may fill half of the vocabulary.
            limit_alphabet=size // 2,
            continuing_subword_prefix=_INSIDE,
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        found: dict[str, int] = tokenizer.get_vocab()
        return found

    # The trainer numbers characters inside words as it meets them, in the order of a hash table, and their numbers
    # decide between pairs that are equally frequent. Numbered beforehand, the same text gives the same vocabulary.
    letters = learned(0, list(SPECIAL))
    inside = sorted(token for token in letters if token.startswith(_INSIDE) and token != _INSIDE)
    vocabulary = learned(size, [*SPECIAL, *inside])
    if len(vocabulary) > size:
        raise InputError(
            f"a vocabulary of {size:,} has no room for the {len(vocabulary) - len(SPECIAL):,} letters and signs",
            setting="vocabulary",
            mend=f"give {2 * len(vocabulary):,} or more",
        )
    return sorted(vocabulary, key=vocabulary.__getitem__)


def bert_tokenizer(vocabulary: list[str], *, lowercase: bool, strip_accents: bool, max_tokens: int) -> Any:
    """The fast transformers tokenizer of a vocabulary.

    Args:
        vocabulary: The tokens, in the order of their ids.
        lowercase: As the vocabulary was learned.
        strip_accents: As the vocabulary was learned.
        max_tokens: The longest sentence in tokens, [CLS] and [SEP] among them.
    """
    from transformers import BertTokenizer

    return BertTokenizer(
        vocab={token: number for number, token in enumerate(vocabulary)},
        do_lower_case=lowercase,
        strip_accents=strip_accents,
        model_max_length=max_tokens,
    )


def continues_word(vocabulary: list[str]) -> list[bool]:
    """For each token, whether it goes on with a word instead of beginning one."""
    return [token.startswith(_INSIDE) and token != _INSIDE for token in vocabulary]


def write_vocabulary(path: Path, vocabulary: list[str]) -> None:
    """Write ``vocab.txt``: one token a line, as BERT's own checkpoints have it."""
    write_text(path, "".join(f"{token}\n" for token in vocabulary))


def read_vocabulary(path: Path) -> list[str]:
    """Read ``vocab.txt``.

    Raises:
        InputError: When it can't be read or lacks the special tokens.
    """
    try:
        tokens = path.read_text("utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"can't be read ({error})", where=path, mend=f"begin again in another {setting('out')}"
        ) from error
    if tuple(tokens[: len(SPECIAL)]) != SPECIAL:
        raise InputError("holds no vocabulary", where=path, mend=f"begin again in another {setting('out')}")
    return tokens
