"""Which captions are kept: the paper's rule, 3 to 25 tokens, none twice in one image (ICMLM, Section 4, "Datasets")."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wordsight.corpus.example import Rejected, Spoken
from wordsight.corpus.left_out import TOO_LONG, TOO_SHORT

# Chinese characters and Japanese kana are not spaced: each counts as a token, as in BERT's basic tokenizer.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")


def count_tokens(caption: str) -> int:
    """The number of words and punctuation marks in a caption, as BERT's basic tokenizer splits it."""
    return sum(1 for _ in _TOKEN.finditer(caption))


def check_captions(
    id: str, captions: Iterable[tuple[str, str]], min_tokens: int, max_tokens: int
) -> tuple[Spoken, list[Rejected]]:
    """Bring white space to single blanks and drop what the rule drops.

    The same words in two languages are two captions.

    Args:
        id: The example that the captions belong to.
        captions: As the source has them, each with its language.
        min_tokens: Shorter ones go.
        max_tokens: Longer ones go.

    Returns:
        The captions kept with their languages, in their order, and the ones left out.
    """
    kept: dict[tuple[str, str], None] = {}
    rejected: list[Rejected] = []
    for raw, language in captions:
        caption = " ".join(raw.split())
        tokens = count_tokens(caption)
        if not caption:
            rejected.append(Rejected(id, "caption", "empty caption"))
        elif tokens < min_tokens:
            rejected.append(Rejected(id, "caption", TOO_SHORT, f"{tokens} tokens: {caption}"))
        elif tokens > max_tokens:
            rejected.append(Rejected(id, "caption", TOO_LONG, f"{tokens} tokens: {caption}"))
        elif (caption, language) in kept:
            rejected.append(Rejected(id, "caption", "repeated caption", caption))
        else:
            kept[caption, language] = None
    return tuple(kept), rejected


# English words that say nothing of what a picture shows; other languages keep theirs.
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an the and or of in on at to with by for from is are was were be being been it its his her their this that
        there as he she they them him who which while into onto up out off over under near next two three one some
        several very has have had not no""",
    )
)


def words(caption: str) -> list[str]:
    """The words of a caption in lower case, without punctuation and the commonest English function words."""
    found = (token.lower() for token in _TOKEN.findall(caption))
    return [word for word in found if word[0].isalpha() and word not in _FUNCTION_WORDS]


def names_in(phrase: str) -> frozenset[str]:
    """What a box of this name is the place of, in lower case: its whole name, and each word of it.

    Visual Genome names boxes by whole phrases, COCO by one word or two ("dining table").
    """
    return frozenset((phrase.lower(), *words(phrase)))
