"""The concept set, the paper's O (Section 3): K names, which of them hold for each example, and where they stand.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.arrays import mapped_array
from wordsight.atomic import atomic_folder, json_text
from wordsight.corpus.store import Corpus
from wordsight.disk import unreadable
from wordsight.errors import InputError

VERSION = 2
_COLUMNS = {"example": np.int64, "caption": np.int32, "start": np.int32, "end": np.int32, "concept": np.int32}
_MATRIX = ("indptr", "indices", "data")


@dataclass(frozen=True)
class Occurrences:
    """Where concepts that are words stand; n rows sorted by example, caption and start.

    Args:
        example: Index of the example in its corpus, int64 ``[n]``.
        caption: Number of the caption in its example, int32 ``[n]``.
        start: First character, int32 ``[n]``.
        end: One past the last character, int32 ``[n]``.
        concept: Number of the concept, int32 ``[n]``.
    """

    example: NDArray[np.int64]
    caption: NDArray[np.int32]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    concept: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.example)


@dataclass(frozen=True)
class ConceptSet:
    """K concepts and the examples in which they hold.

    Args:
        kind: How it was made (``postag``, ...).
        names: The K names.
        matrix: What holds where, float32 ``[examples, K]``: the labels y of Eq. 2 before normalisation.
        target: Whether the matrix holds labels (1, or the label's weight, where one holds) or probabilities.
        corpus_fingerprint: The corpus that it belongs to.
        settings: What it was made with.
        occurrences: Where each concept stands, for concepts that are words.
        parts: Part of speech of each concept, where it has one.
        arrays: What the set was fitted with and other texts need (topics, centroids), by name.
        corpus_path: Where that corpus was when it was made, where this is known; for people alone.
        languages: The languages of the captions that it was made from, where its corpus says them.
        path: The folder that it was read from.
        stands_for: Fingerprint of a set that this is a part of, and that it is known by.

    Examples:
        >>> import wordsight
        >>> settings = {"size": 4, "stop": 3}
        >>> concepts = wordsight.build_concepts("words", settings, corpus="corpora/photos", out="concepts/4-words")
        >>> concepts.names
        ['circle', 'square', 'black', 'blue']
        >>> concepts.matrix.shape, int(concepts.matrix[0].sum())
        ((24, 4), 2)
    """

    kind: str
    names: list[str]
    matrix: scipy.sparse.csr_matrix
    target: Literal["labels", "probabilities"]
    corpus_fingerprint: str
    settings: dict[str, Any] = field(default_factory=dict)
    occurrences: Occurrences | None = None
    parts: list[str] | None = None
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    corpus_path: Path | None = field(default=None, compare=False)
    languages: tuple[str, ...] = field(default=(), compare=False)
    path: Path | None = field(default=None, compare=False)
    stands_for: str = field(default="", compare=False)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that the set holds, or of the set that it stands for."""
        if self.stands_for:
            return self.stands_for
        digest = hashlib.sha256(json.dumps([VERSION, self.kind, self.names, self.parts, self.target]).encode())
        digest.update(self.corpus_fingerprint.encode())
        for name, column in self._columns():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()[:16]

    def _columns(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every array of the set under the name of its file; each is a file of its own so that it can be mapped."""
        for name in _MATRIX:
            yield f"matrix.{name}", getattr(self.matrix, name)
        if self.occurrences is not None:
            for name in _COLUMNS:
                yield f"occurrences.{name}", getattr(self.occurrences, name)
        for name, values in self.arrays.items():
            yield f"arrays.{name}", values

    def made_from(self, corpus: Corpus) -> ConceptSet:
        """The same set, with where its corpus lies and which languages the captions are in that it was made from."""
        language = self.settings.get("language", "")
        languages = self.languages or ((language,) if language else tuple(corpus.language_names))
        return replace(self, corpus_path=corpus.path, languages=languages)

    def check_corpus(self, corpus: Corpus) -> None:
        """Raise when the set was built from another corpus."""
        if corpus.fingerprint == self.corpus_fingerprint and self.matrix.shape[0] == len(corpus):
            return
        before = self.corpus_path or self.kept_in
        if before is None:
            of = f"another corpus ({self.corpus_fingerprint})"
        elif before == corpus.path:
            of = f"the corpus that this folder held before ({self.corpus_fingerprint})"
        else:
            of = f"the corpus {before} ({self.corpus_fingerprint})"
        raise InputError(
            f"this corpus ({corpus.fingerprint}) is not that of the concept set {self.path or repr(self.kind)}, "
            f"which was built from {of}",
            where=corpus.path,
            mend="build the concept set from this corpus, or give the corpus that it was built from",
        )

    @property
    def kept_in(self) -> Path | None:
        """The folder of the corpus that the set is kept in, where it is kept in one."""
        folder = None if self.path is None else self.path.absolute().parent.parent
        return folder if folder is not None and (folder / "corpus.json").is_file() else None

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the set to a folder: ``concepts.json``, and every array in an ``.npy`` file of its own."""
        with atomic_folder(path, overwrite=overwrite) as beside:
            info = {
                "version": VERSION,
                "kind": self.kind,
                "corpus_fingerprint": self.corpus_fingerprint,
                "corpus": None if self.corpus_path is None else str(self.corpus_path),
                "languages": list(self.languages),
                "fingerprint": self.fingerprint,
                "target": self.target,
                "settings": self.settings,
                "examples": self.matrix.shape[0],
                "names": self.names,
                "parts": self.parts,
                "arrays": list(self.arrays),
            }
            (beside / "concepts.json").write_text(json_text(info), "utf-8")
            for name, column in self._columns():
                np.save(beside / f"{name}.npy", column, allow_pickle=False)

    @classmethod
    def open(cls, path: Path | str) -> ConceptSet:
        """Open a set that :meth:`save` wrote; its arrays are mapped, and compared with their checksum.

        Raises:
            InputError: When the folder holds no concept set, or one of another version, or a damaged one.
        """
        folder = Path(path)
        if not (folder / "concepts.json").is_file():
            raise InputError(
                "is not a concept set (it holds no concepts.json)",
                where=folder,
                mend="make one with: wordsight concepts build KIND --corpus CORPUS --out FOLDER",
            )
        try:
            info = json.loads((folder / "concepts.json").read_text("utf-8"))
            version = info["version"]
            if version == VERSION:
                found = cls._read(folder, info)
                found._check(info["fingerprint"])
                return found
        except InputError:
            raise
        except PermissionError as error:
            raise unreadable(error, folder / "concepts.json") from error
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"is not a concept set that can be read ({error})",
                where=folder,
                expected="a folder that 'wordsight concepts build' made",
                mend="build it again",
            ) from error
        raise InputError(
            f"is a concept set of version {version}", where=folder, expected=f"{VERSION}", mend="build it again"
        )

    def _check(self, fingerprint: str) -> None:
        """Compare the set with what was saved; half a second for the words of a million captions."""
        if self.fingerprint != fingerprint:
            raise InputError(
                "is damaged or was changed: its arrays and names are not those that were saved",
                where=self.path,
                mend="build the concept set again",
            )
        indices = self.matrix.indices
        if len(indices) and not (indices.min() >= 0 and indices.max() < len(self)):
            raise InputError(f"names concepts beyond its {len(self)}", where=self.path, mend="build it again")

    @classmethod
    def _read(cls, folder: Path, info: dict[str, Any]) -> ConceptSet:
        def column(name: str) -> NDArray[Any]:
            return mapped_array(folder / f"{name}.npy", mend="build the concept set again")

        indptr, indices, data = (column(f"matrix.{name}") for name in _MATRIX)
        shape = (info["examples"], len(info["names"]))
        if len(indptr) != shape[0] + 1 or len(indices) != len(data) or (len(indptr) and indptr[-1] != len(data)):
            raise ValueError(f"its matrix does not have {shape[0]} rows")
        matrix = scipy.sparse.csr_matrix((data, indices, indptr), shape=shape, copy=False)
        occurrences = None
        # Any of them: where one is lost, the others tell that the set is not whole.
        if any((folder / f"occurrences.{name}.npy").is_file() for name in _COLUMNS):
            occurrences = Occurrences(**{name: column(f"occurrences.{name}") for name in _COLUMNS})
        return cls(
            kind=info["kind"],
            names=info["names"],
            matrix=matrix,
            target=info["target"],
            corpus_fingerprint=info["corpus_fingerprint"],
            settings=info["settings"],
            occurrences=occurrences,
            parts=info["parts"],
            arrays={name: column(f"arrays.{name}") for name in info["arrays"]},
            corpus_path=None if info.get("corpus") is None else Path(info["corpus"]),
            languages=tuple(info.get("languages", ())),
            path=folder,
        )
