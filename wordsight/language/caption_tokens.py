"""The captions of a corpus as vocabulary ids: tokenised once, kept beside the corpus, memory-mapped."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.arrays import mapped_array
from wordsight.atomic import atomic_folder
from wordsight.corpus.derived import kept_place
from wordsight.corpus.store import Corpus
from wordsight.disk import unreadable
from wordsight.errors import InputError
from wordsight.language.left_right import may_be_english, says_left_or_right, swap_left_right
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.progress import progress_bar

VERSION = 1
_INFO = "caption-tokens.json"
_REMOVE = "remove the folder: it is made again"
# Captions tokenised at a time: enough for the tokenizer to use its threads.
_TOGETHER = 4096


class CaptionTokens:
    """The S captions of a corpus of N examples, tokenised; pickled by its path.

    Args:
        path: The folder that :func:`caption_tokens` wrote.

    Raises:
        InputError: When it holds none.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.info: dict[str, Any] = json.loads((self.path / _INFO).read_text("utf-8"))
        except PermissionError as error:
            raise unreadable(error, self.path / _INFO) from error
        except (OSError, ValueError) as error:
            raise InputError("holds no tokenised captions", where=self.path, mend=_REMOVE) from error

    def __reduce__(self) -> tuple[type[CaptionTokens], tuple[Path]]:
        return CaptionTokens, (self.path,)

    @cached_property
    def ids(self) -> NDArray[np.int32]:
        """Vocabulary ids of all captions, one after another."""
        return self._map("ids")

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """First token of each caption, and the number of all tokens last, ``[S + 1]``."""
        return self._map("offsets")

    @cached_property
    def example_offsets(self) -> NDArray[np.int64]:
        """First caption of each example, and the number of all captions last, ``[N + 1]``."""
        return self._map("example_offsets")

    @cached_property
    def text_S(self) -> NDArray[np.int64]:
        """The first caption that has the same tokens: captions of one number read the same."""
        return self._map("text")

    @cached_property
    def mirror_S(self) -> NDArray[np.int64]:
        """The number of the same caption of the mirrored picture; its own where nothing in it changes."""
        return self._map("mirror")

    @cached_property
    def sided_N(self) -> NDArray[np.bool_]:
        """Which examples have a caption that is another of the mirrored picture."""
        sided_N = np.zeros(len(self.example_offsets) - 1, bool)
        sided = np.flatnonzero(self.mirror_S != np.arange(len(self.mirror_S)))
        sided_N[np.searchsorted(self.example_offsets, sided, side="right") - 1] = True
        return sided_N

    def mirrored(self, captions_n: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of the same captions of the mirrored pictures; of those tokenised with ``mirrored`` alone.

        Args:
            captions_n: Numbers of captions; one below 0 is no caption, and stays so.
        """
        return np.where(captions_n < 0, captions_n, self.mirror_S[np.maximum(captions_n, 0)])

    def captions_of(self, example: int) -> NDArray[np.int64]:
        """The captions of an example, by their numbers among the S."""
        return np.arange(self.example_offsets[example], self.example_offsets[example + 1])

    def padded(self, captions_n: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Some captions as one padded array; a number below 0 is no caption, and one token of padding stands for it.

        Args:
            captions_n: Their numbers among the S.

        Returns:
            Vocabulary ids, 0 where absent, and where there is a token: ``[n, T]`` each.
        """
        first_n = self.offsets[np.maximum(captions_n, 0)]
        lengths_n = np.where(captions_n < 0, 0, self.offsets[np.maximum(captions_n, 0) + 1] - first_n)
        places_T = np.arange(max(int(lengths_n.max(initial=0)), 1))
        present_nT = places_T < lengths_n[:, None]
        ids_nT = np.zeros(present_nT.shape, np.int64)
        ids_nT[present_nT] = self.ids[(first_n[:, None] + places_T)[present_nT]]
        # Attention over no token at all would be no number.
        present_nT[:, 0] = True
        return ids_nT, present_nT

    def _map(self, name: str) -> NDArray[Any]:
        return np.asarray(mapped_array(self.path / f"{name}.npy", mend=_REMOVE))


def caption_tokens(
    corpus: Corpus, tokenizer: TextTokenizer, language: str = "", mirrored: bool = False
) -> CaptionTokens:
    """All captions of a corpus, tokenised; what was computed once is opened again.

    Args:
        corpus: The captions.
        tokenizer: What reads them.
        language: Only captions in this language; "" for all.
        mirrored: Tokenise English ones that say left or right once more after all others, with these exchanged.

    Raises:
        InputError: When the corpus has no captions in this language.
    """
    key = f"{VERSION} {corpus.fingerprint} {tokenizer.fingerprint} {language}" + (" both ways" if mirrored else "")
    name = f"tokens-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    folder = kept_place(corpus, "features", name)
    if folder.is_dir():
        return CaptionTokens(folder)
    counts_N = np.zeros(len(corpus), np.int64)
    ids, ends, texts = array("i"), array("q", [0]), array("q")
    first_of: dict[bytes, int] = {}
    exchanged: dict[int, str] = {}

    def add(captions: Sequence[str]) -> None:
        for found in tokenizer.ids_of(captions):
            text = hashlib.sha256(np.array(found, np.int32).data).digest()
            texts.append(first_of.setdefault(text, len(texts)))
            ids.extend(found)
            ends.append(len(ids))

    captions = corpus.caption_iter(corpus.indices(None), language or None)
    with progress_bar() as bar:
        task = bar.add_task("tokenising captions", total=len(corpus), note="")
        while some := list(islice(captions, _TOGETHER)):
            for place, (example, number, caption) in enumerate(some, len(texts)):
                counts_N[example] += 1
                if mirrored and says_left_or_right(caption) and may_be_english(corpus.languages(example)[number]):
                    exchanged[place] = swap_left_right(caption)
            add([caption for *_, caption in some])
            bar.update(task, completed=some[-1][0] + 1)
    mirror_S = np.arange(len(texts))
    mirror_S[list(exchanged)] = len(texts) + np.arange(len(exchanged))
    if exchanged:
        add(list(exchanged.values()))
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array(ids, np.int32),
        "offsets": np.array(ends, np.int64),
        "text": np.array(texts, np.int64),
        "example_offsets": np.concatenate([[0], np.cumsum(counts_N)]),
    }
    if mirrored:
        arrays["mirror"] = mirror_S
    info = {"version": VERSION, "corpus": corpus.fingerprint, "captions": len(texts), "tokens": len(ids)}
    with atomic_folder(folder, overwrite=True) as beside:
        for column, values in arrays.items():
            np.save(beside / f"{column}.npy", values, allow_pickle=False)
        (beside / _INFO).write_text(json.dumps(info, indent=2) + "\n", "utf-8")
    return CaptionTokens(folder)
