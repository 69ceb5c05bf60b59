"""Captions that many images share, which tell none of them from the others: raw alt texts are full of them.

ALIGN leaves out alt texts that more than ten images share (Jia et al. 2021, Section 3,
https://arxiv.org/abs/2102.05918): "image", "logo of the company", the name of a shop.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable

import numpy as np

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.left_out import SHARED


class SharedCaptions:
    """Counts the images of each caption, in eight bytes a caption; capitals make no difference.

    Args:
        most: Captions of more images than this are left out.

    Examples:
        >>> shared = SharedCaptions(most=1)
        >>> for captions in (["Photo 1", "a dog"], ["photo 1"], ["a cat"]):
        ...     shared.add(captions)
        >>> example, rejected = shared.without(Example("a.jpg", b"", captions=("Photo 1", "a dog")))
        >>> example.captions, rejected[0].reason
        (('a dog',), 'caption of many images')
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._keys = array("Q")
        self._found: dict[int, int] | None = None

    def add(self, captions: Iterable[str]) -> None:
        """Count the captions of one image.

        Args:
            captions: All of them.
        """
        self._keys.extend({_key(caption) for caption in captions})

    def without(self, example: Example) -> tuple[Example, list[Rejected]]:
        """An example without the captions that too many images share, and these.

        Args:
            example: One of those that were counted; it may be left without captions.
        """
        if self._found is None:
            keys, counts = np.unique(np.frombuffer(self._keys, np.uint64), return_counts=True)
            many = counts > self.most
            self._found = dict(zip(keys[many].tolist(), counts[many].tolist(), strict=True))
        kept, rejected = [], []
        for caption, language in example.spoken:
            images = self._found.get(_key(caption), 0)
            if images:
                rejected.append(Rejected(example.id, "caption", SHARED, f"{images:,} images: {caption}"))
            else:
                kept.append((caption, language))
        return (example.saying(kept) if rejected else example), rejected


def _key(caption: str) -> int:
    text = caption.casefold().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
