"""TP_Cluster (Section 3.1, Eq. 1): captions clustered by k-means on the language model's sentence vectors.

https://arxiv.org/abs/2008.01392
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.counting import captions_of
from wordsight.concepts.kmeans import kmeans, library, nearest
from wordsight.corpus.store import Corpus
from wordsight.device import chosen_device
from wordsight.errors import InputError, setting, unknown
from wordsight.language.model_folder import model_files, model_folder
from wordsight.language.sentence_vectors import Pool, SentenceVectors, sentence_vectors, vectors_of
from wordsight.progress import console
from wordsight.ranges import AtLeastOne, Passes, Seed, check_ranges

# torch takes seconds to import, and the registry of concept sets should not wait for it.
if TYPE_CHECKING:
    from wordsight.language.model import LanguageModel

# Vectors that each centroid is fitted on at most, as faiss has it: more change the centroids little.
_VECTORS_A_CENTROID = 256
_LONGEST_NAME = 80


@dataclass(frozen=True)
class ClustersSettings:
    """What the clusters are.

    Args:
        size: K, how many clusters. The paper takes 1,000 and 10,000.
        pool: A caption's vector: cls is the feature of the [CLS] token, mean is the mean over all tokens.
        language_model: The language model: minilm, a folder, or a name on the Hugging Face hub.
        iterations: Of k-means.
        language: Only captions in this language, where the corpus knows their languages; empty for all.
        seed: Of the first centroids.
    """

    size: AtLeastOne = 1000
    pool: Pool = "cls"
    language_model: str = "minilm"
    iterations: Passes = 20
    language: str = ""
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)


def build_clusters(corpus: Corpus, settings: ClustersSettings, split: str) -> ConceptSet:
    """Make a concept set from clusters of captions: an example has those of all its captions.

    k-means runs on the vectors of the split's captions (256 K of them at most, drawn by the seed). Every caption of the
    corpus then has the cluster of its nearest centroid. A cluster without a caption of the split is left out. A cluster
    is named by the caption that is nearest to its centroid.

    Args:
        corpus: Where the captions are.
        settings: K, the sentence vectors, and the fit.
        split: The captions that are clustered ("all" for every one).

    Raises:
        InputError: When there are no captions, or fewer different ones than clusters.
        KeyboardInterrupt: When the person stopped it; sentence vectors computed so far are kept.
    """
    if settings.pool not in ("cls", "mean"):
        raise unknown("pool", settings.pool, ("cls", "mean"))
    for flag, value in (("size", settings.size), ("iterations", settings.iterations)):
        if value < 1:
            raise InputError(f"{value} is given", setting=flag, expected="at least 1")
    _check_enough(corpus, settings, split)
    model = _model(settings.language_model)
    vectors = sentence_vectors(corpus, model, settings.pool, settings.language)
    in_split = np.zeros(len(corpus), dtype=bool)
    in_split[corpus.indices(split)] = True
    of_split = np.flatnonzero(in_split[vectors.example_N])
    found = clustered(vectors, of_split, settings)
    if left_out := settings.size - len(found.centroids_KD):
        console.print(f"clusters that no caption of the split is in, left out: {left_out}")
    return ConceptSet(
        kind="clusters",
        names=found.names(corpus),
        matrix=_matrix(vectors.example_N, found.cluster_N, len(corpus), len(found.centroids_KD)),
        target="labels",
        corpus_fingerprint=corpus.fingerprint,
        settings={
            **asdict(settings),
            "split": split,
            "language_model_fingerprint": model.fingerprint,
            "library": library(),
            "clusters_left_out": left_out,
        },
        arrays={"centroids": found.centroids_KD},
    )


@dataclass(frozen=True)
class Clustering:
    """K clusters of captions.

    Args:
        vectors: The N captions.
        of_split: Numbers of those that were clustered, ascending; each cluster has one of them.
        centroids_KD: The centroids.
        cluster_N: The cluster of each caption.
    """

    vectors: SentenceVectors
    of_split: NDArray[np.int64]
    centroids_KD: NDArray[np.float32]
    cluster_N: NDArray[np.int32]

    def names(self, corpus: Corpus) -> list[str]:
        """The caption of the split that is nearest to each centroid; a number behind one that was taken already."""
        names: dict[str, None] = {}
        for row in self._nearest_K():
            example, number = int(self.vectors.example_N[row]), self.vectors.caption_N[row]
            text = " ".join(corpus.captions(example)[number].split())
            name = text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
            copies = next(k for k in range(1, len(names) + 2) if (name if k == 1 else f"{name} ({k})") not in names)
            names[name if copies == 1 else f"{name} ({copies})"] = None
        return list(names)

    def _nearest_K(self) -> NDArray[np.int64]:
        """Number of the caption that is nearest to each centroid."""
        parts, first = [], 0
        for block_nD in self.vectors.blocks():
            own_nD = self.centroids_KD[self.cluster_N[first : first + len(block_nD)]]
            parts.append(((block_nD - own_nD) ** 2).sum(1))
            first += len(block_nD)
        of_split = self.of_split
        order = of_split[np.lexsort((np.concatenate(parts)[of_split], self.cluster_N[of_split]))]
        nearest_K: NDArray[np.int64] = order[np.searchsorted(self.cluster_N[order], np.arange(len(self.centroids_KD)))]
        return nearest_K


def clustered(vectors: SentenceVectors, of_split: NDArray[np.int64], settings: ClustersSettings) -> Clustering:
    """Cluster captions by their vectors.

    Args:
        vectors: The N captions.
        of_split: Numbers of those that are clustered, ascending.
        settings: K and the fit.
    """
    fitted_on = vectors.rows(_drawn(of_split, settings))
    centroids_KD = kmeans(fitted_on, settings.size, settings.iterations, settings.seed)
    cluster_N = nearest(vectors.blocks(), centroids_KD)
    used = np.unique(cluster_N[of_split])
    if len(used) < settings.size:
        centroids_KD = np.ascontiguousarray(centroids_KD[used])
        cluster_N = nearest(vectors.blocks(), centroids_KD)
    return Clustering(vectors, of_split, centroids_KD, cluster_N)


def apply_clusters(concepts: ConceptSet, texts: Sequence[Sequence[str]]) -> scipy.sparse.csr_matrix:
    """The clusters of other captions: those of the nearest centroids.

    Args:
        concepts: A set that :func:`build_clusters` made.
        texts: The captions of each example.

    Raises:
        InputError: When the language model is not the one that the clusters were made with.
    """
    model = _model(concepts.settings["language_model"])
    if model.fingerprint != concepts.settings["language_model_fingerprint"]:
        raise InputError(
            f"the clusters were made with other weights of {model.name!r}",
            where=concepts.path,
            expected=f"a language model of fingerprint {concepts.settings['language_model_fingerprint']}",
            mend="build the concept set again",
        )
    flat = [text for captions in texts for text in captions]
    chunks = (flat[first : first + 4096] for first in range(0, len(flat), 4096))
    vectors = (vectors_of(chunk, model, concepts.settings["pool"]).astype(np.float32) for chunk in chunks)
    clusters = nearest(vectors, np.asarray(concepts.arrays["centroids"]))
    examples = np.repeat(np.arange(len(texts)), [len(captions) for captions in texts])
    return _matrix(examples, clusters, len(texts), len(concepts))


def files_of_clusters(settings: ClustersSettings) -> list[Path]:
    """What a set is made with besides the corpus: the language model."""
    return model_files(model_folder(settings.language_model))


def _model(name: str) -> LanguageModel:
    from wordsight.language.model import load_language_model

    return load_language_model(name).to(chosen_device("auto"))


def _check_enough(corpus: Corpus, settings: ClustersSettings, split: str) -> None:
    """Raise when the split holds fewer different captions than clusters; said before any vector is computed."""
    different: set[str] = set()
    for _, _, text in captions_of(corpus, split, settings.language):
        different.add(text)
        if len(different) >= settings.size:
            return
    raise InputError(
        f"{settings.size} clusters are asked for, the split {split!r} holds {len(different)} different captions",
        where=corpus.path,
        mend=f"give {setting('size', len(different))} or less",
    )


def _drawn(of_split: NDArray[np.int64], settings: ClustersSettings) -> NDArray[np.int64]:
    """The captions that the centroids are fitted on."""
    most = _VECTORS_A_CENTROID * settings.size
    if len(of_split) <= most:
        return of_split
    return np.sort(np.random.default_rng(settings.seed).choice(of_split, most, replace=False))


def _matrix(
    example_N: NDArray[np.int64], cluster_N: NDArray[np.int32], examples: int, size: int
) -> scipy.sparse.csr_matrix:
    """1 where any caption of the example is in the cluster."""
    ones = np.ones(len(cluster_N), np.float32)
    matrix = scipy.sparse.csr_matrix((ones, (example_N, cluster_N)), shape=(examples, size))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
