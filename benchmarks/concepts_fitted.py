"""Rows of ``concepts.py`` for concept sets that are fitted: topics and clusters.

What is measured against a library begins with the same prepared input on both sides, kept beside the corpus: bags of
words for topics, sentence vectors for clusters. The whole build of each has a row of its own.
"""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace
from typing import Any

TOPICS, CLUSTERS, PASSES, ITERATIONS = 40, 1000, 10, 20


def counted(corpus: Any) -> int:
    """How many captions a corpus holds."""
    return int(corpus.info["counts"]["captions"])


def prepare_bags(corpus: Any) -> int:
    """Keep the bags of words of the captions, filtered as the kind "topics" filters them; gives the captions."""
    import scipy.sparse

    from wordsight.concepts.documents import Limits, Preparation, bags_of, documents_of, vocabulary_of

    texts = list(documents_of(corpus, corpus.indices(None), "captions"))
    preparation = Preparation("unicode", "en", True, 3)
    vocabulary = vocabulary_of(texts, preparation, Limits(20, 0.5))
    scipy.sparse.save_npz(corpus.path / "bags.npz", bags_of(texts, vocabulary, preparation))
    (corpus.path / "vocabulary.json").write_text(json.dumps(vocabulary), "utf-8")
    return counted(corpus)


def topics(corpus: Any) -> int:
    """Fit topics on bags of words and tell those of each."""
    import numpy as np
    import scipy.sparse

    from wordsight.concepts.lda import Fit, fit_topics

    bags = scipy.sparse.load_npz(corpus.path / "bags.npz").tocsr()
    vocabulary = json.loads((corpus.path / "vocabulary.json").read_text("utf-8"))
    fitted = fit_topics(bags[np.diff(bags.indptr) > 0], vocabulary, Fit(TOPICS, PASSES, 1, 0))
    fitted.of_bags(bags)
    return counted(corpus)


def scikit_topics(corpus: Any) -> int:
    """The same by scikit-learn's class alone."""
    import scipy.sparse
    from sklearn.decomposition import LatentDirichletAllocation

    bags = scipy.sparse.load_npz(corpus.path / "bags.npz").tocsr()
    model = LatentDirichletAllocation(
        TOPICS, learning_method="online", batch_size=1024, max_iter=PASSES, random_state=0
    )
    model.fit(bags)
    scipy.sparse.csr_matrix(model.transform(bags))
    return counted(corpus)


def topics_build(corpus: Any) -> int:
    """The whole concept set from the captions, nothing kept."""
    from wordsight.concepts.topics import TopicsSettings, build_topics

    for kept in corpus.path.glob("concepts/lda-*"):
        shutil.rmtree(kept)
    build_topics(corpus, TopicsSettings(TOPICS), "all")
    return counted(corpus)


def scikit_topics_build(corpus: Any) -> int:
    """CountVectorizer and LatentDirichletAllocation from the captions; words are not lowered to lemmas."""
    import scipy.sparse
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer

    joined = ("\n".join(corpus.captions(i)) for i in range(len(corpus)))
    vectorizer = CountVectorizer(token_pattern=r"[^\W\d_]{3,}", stop_words="english", min_df=20, max_df=0.5)
    bags = vectorizer.fit_transform(joined)
    model = LatentDirichletAllocation(
        TOPICS, learning_method="online", batch_size=1024, max_iter=PASSES, random_state=0
    )
    scipy.sparse.csr_matrix(model.fit(bags).transform(bags))
    return counted(corpus)


def prepare_vectors(corpus: Any) -> int:
    """Keep the sentence vectors of all captions."""
    from wordsight.language.model import load_language_model
    from wordsight.language.sentence_vectors import sentence_vectors

    model = load_language_model("minilm")
    sentence_vectors(corpus, model, "cls")
    known = {"fingerprint": model.fingerprint, "width": model.width}
    (corpus.path / "language.json").write_text(json.dumps(known), "utf-8")
    return counted(corpus)


def kept_vectors(corpus: Any) -> Any:
    """The sentence vectors that are kept; no language model is loaded."""
    from wordsight.language.sentence_vectors import sentence_vectors

    known: Any = SimpleNamespace(**json.loads((corpus.path / "language.json").read_text("utf-8")))
    return sentence_vectors(corpus, known, "cls")


def clusters(corpus: Any) -> int:
    """Cluster sentence vectors, and assign each."""
    import numpy as np

    from wordsight.concepts.clusters import ClustersSettings, clustered

    vectors = kept_vectors(corpus)
    clustered(vectors, np.arange(len(vectors)), ClustersSettings(CLUSTERS, iterations=ITERATIONS))
    return counted(corpus)


def faiss_clusters(corpus: Any) -> int:
    """The same by faiss alone."""
    import faiss
    import numpy as np

    vectors = np.concatenate([part.astype(np.float32) for part in kept_vectors(corpus).files])
    machine = faiss.Kmeans(
        vectors.shape[1], CLUSTERS, niter=ITERATIONS, seed=0, min_points_per_centroid=1, max_points_per_centroid=256
    )
    machine.train(vectors)
    machine.index.search(vectors, 1)
    return counted(corpus)


def clusters_build(corpus: Any) -> int:
    """The whole concept set, sentence vectors included, nothing kept."""
    from wordsight.concepts.clusters import ClustersSettings, build_clusters

    for kept in corpus.path.glob("features/sentences-*"):
        shutil.rmtree(kept)
    build_clusters(corpus, ClustersSettings(CLUSTERS, iterations=ITERATIONS), "all")
    return counted(corpus)


def clusters_again(corpus: Any) -> int:
    """The same with other clusters, sentence vectors kept."""
    from wordsight.concepts.clusters import ClustersSettings, build_clusters

    build_clusters(corpus, ClustersSettings(CLUSTERS, iterations=ITERATIONS, seed=1), "all")
    return counted(corpus)
