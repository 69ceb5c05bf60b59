"""Latent Dirichlet Allocation (Blei et al. 2003): topics from bags of words, by scikit-learn's online fit.

A fit is kept in ``<corpus>/concepts/lda-<key>/``, so that the topics of articles are fitted once for both of their
concept sets (articles and captions).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from wordsight.arrays import mapped_array
from wordsight.atomic import atomic_folder
from wordsight.concepts.documents import Limits, Preparation, Source, bags_of, documents_of, vocabulary_of
from wordsight.concepts.splitters import SplitterName
from wordsight.corpus.derived import kept_place
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, setting
from wordsight.language.lemmas import VERSION as LEMMAS
from wordsight.progress import progress_bar
from wordsight.ranges import AtLeastOne, AtLeastTwo, Count, Fraction, Passes, Processes, Seed, check_ranges

VERSION = 1
# Below this a probability is none, as in the code of Gomez et al.: a text has a handful of topics, not all.
LEAST = 0.01
# Measured on Flickr8k (6,000 texts, 40 topics): perplexity of held-out words 117 with batches of 256, 105 with 1,024,
# 106 with 2,048; 104.5 after twice the passes. A small corpus has at least as many steps in a pass as that.
_BATCH, _STEPS = 1024, 6
# Texts whose topics are told at a time.
_BLOCK = 8192


@dataclass(frozen=True)
class Fit:
    """How topics are fitted.

    Args:
        size: How many topics.
        passes: How often all texts are gone through.
        processes: How many processes share the work.
        seed: Of the order of the texts, and of the first topics.
    """

    size: AtLeastTwo
    passes: Passes
    processes: Processes
    seed: Seed

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class FitSettings:
    """What the settings of all kinds of topics have in common.

    Args:
        size: K, how many topics. The papers take 40.
        min_count: Words that stand in fewer texts are left out.
        max_share: Words that stand in a larger share of the texts are left out.
        min_length: Words of fewer letters are left out.
        stop_words: The language whose stop words are left out (en, de, fr, ...); empty for none.
        lemmas: Whether English words become the lemma of the noun (dogs: dog). False for texts in other languages.
        splitter: What a word is: unicode (letters and their marks), characters (each letter), jieba (Chinese words),
            janome (Japanese words).
        passes: How often all texts are gone through.
        processes: How many processes share the fitting. The topics depend on it a little.
        seed: Of the fitting.
    """

    size: AtLeastTwo = 40
    min_count: AtLeastOne = 20
    max_share: Fraction = 0.5
    min_length: Count = 3
    stop_words: str = "en"
    lemmas: bool = True
    splitter: SplitterName = "unicode"
    passes: Passes = 10
    processes: Processes = 1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)

    def parts(self) -> tuple[Preparation, Limits, Fit]:
        """The same by what each is for.

        Raises:
            InputError: When a value can't be.
        """
        return (
            Preparation(self.splitter, self.stop_words, self.lemmas, self.min_length),
            Limits(self.min_count, self.max_share),
            Fit(self.size, self.passes, self.processes, self.seed),
        )


@dataclass(frozen=True)
class TextSource:
    """Which texts topics are fitted on.

    Args:
        of: Captions, or articles.
        language: Only captions in this language; "" for all.
        split: The split of the corpus.
    """

    of: Source
    language: str
    split: str

    def documents(self, corpus: Corpus) -> Iterator[str]:
        """The texts, one for each example."""
        return documents_of(corpus, corpus.indices(self.split), self.of, self.language)


@dataclass(frozen=True)
class Topics:
    """K topics over V words.

    Args:
        components: How much of each word is in each topic, not normalised, float64 ``[K, V]``.
        vocabulary: The words.
        prior: Of the topics of a text: Dirichlet's alpha.
    """

    components: NDArray[np.float64]
    vocabulary: list[str]
    prior: float

    def of_bags(self, bags: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        """The topics of texts: probabilities of at least 0.01, float32 ``[texts, K]``; none where no word is known."""
        model = _model(self)
        rows: list[Any] = []
        with progress_bar() as bar:
            task = bar.add_task("topics of texts", total=bags.shape[0], note="")
            for first in range(0, bags.shape[0], _BLOCK):
                block = bags[first : first + _BLOCK]
                found = np.zeros((block.shape[0], len(self.components)), np.float32)
                if len(known := np.flatnonzero(np.diff(block.indptr))):
                    found[known] = model.transform(block[known])
                rows.append(scipy.sparse.csr_matrix(np.where(found < LEAST, 0, found)))
                bar.advance(task, block.shape[0])
        if not rows:
            return scipy.sparse.csr_matrix((0, len(self.components)), dtype=np.float32)
        return scipy.sparse.csr_matrix(scipy.sparse.vstack(rows))

    def without(self, dead_K: NDArray[np.bool_]) -> Topics:
        """The same without some topics."""
        return Topics(self.components[~dead_K], self.vocabulary, self.prior)

    def names(self, words: int = 3) -> list[str]:
        """A name for each topic: its most probable words, more of them where two topics have the same."""
        ranked = np.argsort(-self.components, axis=1, kind="stable")
        found = [" ".join(self.vocabulary[k] for k in order[:words]) for order in ranked]
        if len(set(found)) < len(found) and words < len(self.vocabulary):
            return self.names(words + 1)
        return found


def topics_of(corpus: Corpus, source: TextSource, preparation: Preparation, limits: Limits, fit: Fit) -> Topics:
    """The topics of a corpus's texts: fitted, or opened where they are kept.

    Args:
        corpus: The texts.
        source: Which of them.
        preparation: From a text to its terms.
        limits: Which terms are the vocabulary.
        fit: How topics are fitted.

    Raises:
        InputError: When there are no such texts, the vocabulary is empty, or there are more topics than words or texts.
    """
    if not any(source.documents(corpus)):
        raise _no_texts(corpus, source)
    rule = LEMMAS if preparation.lemmas else ""
    key = f"{VERSION} {corpus.fingerprint} {source} {preparation} {limits} {fit} {rule}"
    name = f"lda-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    folder = kept_place(corpus, "concepts", name, whole=_is_whole)
    if (kept := _open(folder)) is not None:
        return kept
    vocabulary = vocabulary_of(source.documents(corpus), preparation, limits)
    bags = bags_of(source.documents(corpus), vocabulary, preparation)
    topics = fit_topics(bags[np.diff(bags.indptr) > 0], vocabulary, fit)
    with atomic_folder(folder, overwrite=True) as beside:
        np.save(beside / "components.npy", topics.components, allow_pickle=False)
        info = {"prior": topics.prior, "vocabulary": vocabulary, "checksum": _checksum(topics.components)}
        (beside / "lda.json").write_text(json.dumps(info, ensure_ascii=False), "utf-8")
    return topics


def fit_topics(bags: scipy.sparse.csr_matrix, vocabulary: Sequence[str], fit: Fit) -> Topics:
    """Fit topics on bags of words.

    Args:
        bags: How often each word stands in each text, float32 ``[texts, V]``; no row is empty.
        vocabulary: The V words.
        fit: How.

    Raises:
        InputError: When there are more topics than words or texts.
    """
    texts, words = bags.shape
    if fit.size > (most := min(texts, words)):
        fewer = f"give {setting('size', most)} or less" if most > 1 else "give more texts"
        raise InputError(
            f"{fit.size} topics are asked for, the texts that have any are {texts:,}, their words {words:,}",
            setting="size",
            mend=f"{fewer}, or loosen {setting('min_count')} and {setting('max_share')}",
        )
    from sklearn.decomposition import LatentDirichletAllocation

    batch = min(_BATCH, -(-texts // _STEPS))
    model = LatentDirichletAllocation(
        fit.size,
        learning_method="online",
        batch_size=batch,
        total_samples=texts,
        n_jobs=fit.processes,
        random_state=fit.seed,
    )
    # The texts of a corpus come in an order (by class, by source); the topics of the last would weigh more.
    order = np.random.default_rng(fit.seed).permutation(texts)
    with progress_bar() as bar:
        task = bar.add_task("fitting topics", total=fit.passes * texts, note="")
        for _ in range(fit.passes):
            for first in range(0, texts, batch):
                rows = order[first : first + batch]
                model.partial_fit(bags[rows])
                bar.advance(task, len(rows))
    return Topics(np.asarray(model.components_, np.float64), list(vocabulary), float(model.doc_topic_prior_))


def _model(topics: Topics) -> Any:
    """scikit-learn's model with these topics: it tells the topics of texts, and is fitted no further."""
    from scipy.special import psi
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(len(topics.components), doc_topic_prior=topics.prior)
    model.components_ = topics.components
    model.doc_topic_prior_ = topics.prior
    model.n_features_in_ = len(topics.vocabulary)
    total = topics.components.sum(axis=1, keepdims=True)
    model.exp_dirichlet_component_ = np.exp(psi(topics.components) - psi(total))
    return model


def _no_texts(corpus: Corpus, source: TextSource) -> InputError:
    examples = len(corpus.indices(source.split))
    if source.of == "articles":
        return InputError(
            f"none of the {examples:,} examples of the split {source.split!r} has an article",
            where=corpus.path,
            expected="a corpus built with articles",
            mend="build it with the reader 'articles', or build 'topics' of its captions",
        )
    language = f" in the language {source.language!r}" if source.language else ""
    return InputError(
        f"the split {source.split!r} holds no captions{language}",
        where=corpus.path,
        expected="a corpus built from captioned images",
    )


def _is_whole(folder: Path) -> bool:
    return _open(folder) is not None


def _checksum(components: NDArray[np.float64]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(components).data, digest_size=16).hexdigest()


def _open(folder: Path) -> Topics | None:
    """What was kept; None where there is nothing or it was damaged since, so that it is made again."""
    try:
        info = json.loads((folder / "lda.json").read_text("utf-8"))
        components = np.array(mapped_array(folder / "components.npy", mend="it is made again"))
        if info["checksum"] != _checksum(components):
            return None
        return Topics(components, info["vocabulary"], info["prior"])
    except (OSError, ValueError, KeyError, EOFError):
        return None
