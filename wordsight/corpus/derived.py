"""Where what is computed from a corpus is kept: in its folder, or in the cache where nobody may write to that.

Corpora are shared: many people read one that one of them built, or it lies on a read-only disk.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from wordsight.caches import cache_folder
from wordsight.corpus.store import Corpus
from wordsight.progress import console

Kind = Literal["concepts", "features"]


def kept_place(corpus: Corpus, kind: Kind, name: str = "", *, whole: Callable[[Path], bool] = Path.is_dir) -> Path:
    """The folder in which something that was computed lies, or is to be kept.

    Args:
        corpus: What it was computed from.
        kind: A folder of the corpus: ``concepts`` or ``features``.
        name: The folder within it; "" for that of all.
        whole: Whether what a folder holds is to be used as it is. In the folder of a corpus that may not be written to,
            what is not whole is never finished, and lies in the cache.
    """
    own = corpus.path / kind
    if may_write(own):
        return own / name
    cached = cache_folder() / "corpora" / corpus.fingerprint / kind
    if name and whole(own / name):
        return own / name
    if not (cached / name).is_dir():
        _say(own, cached)
    return cached / name


def may_write(folder: Path) -> bool:
    """Whether a folder can be written to, or made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


@functools.cache
def _say(own: Path, cached: Path) -> None:
    line = f"{own} can't be written to: what is computed from the corpus is kept in {cached} (WORDSIGHT_CACHE)"
    console.print(line, markup=False, soft_wrap=True)
