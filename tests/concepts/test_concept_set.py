"""Concept sets on disk: what was saved is what is opened, and nothing else is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from wordsight.concepts.concept_set import ConceptSet, Occurrences
from wordsight.corpus import Corpus
from wordsight.errors import InputError


@pytest.fixture
def concepts() -> ConceptSet:
    """Two words in two examples."""
    ints = [np.array(values, dtype=np.int32) for values in ([0, 0, 1], [2, 8, 0], [5, 11, 3], [0, 1, 1])]
    return ConceptSet(
        kind="postag",
        names=["dog", "naïve"],
        matrix=scipy.sparse.csr_matrix(np.array([[1, 1], [0, 1]], dtype=np.float32)),
        target="labels",
        corpus_fingerprint="abc",
        settings={"size": 2},
        occurrences=Occurrences(np.array([0, 0, 1]), *ints),
        parts=["noun", "adjective"],
    )


def test_what_was_saved_is_opened(concepts: ConceptSet, tmp_path: Path) -> None:
    concepts.save(tmp_path / "set")
    opened = ConceptSet.open(tmp_path / "set")
    assert opened.fingerprint == concepts.fingerprint
    assert (opened.names, opened.parts, opened.settings) == (concepts.names, concepts.parts, concepts.settings)
    np.testing.assert_array_equal(opened.matrix.toarray(), concepts.matrix.toarray())
    assert opened.occurrences is not None
    assert opened.occurrences.concept.tolist() == [0, 1, 1]


def test_a_set_without_places_has_none_after_opening(concepts: ConceptSet, tmp_path: Path) -> None:
    ConceptSet("topics", concepts.names, concepts.matrix, "probabilities", "abc").save(tmp_path / "set")
    assert ConceptSet.open(tmp_path / "set").occurrences is None


def test_the_fingerprint_follows_the_content(concepts: ConceptSet) -> None:
    other = ConceptSet("postag", concepts.names, concepts.matrix * 2, "labels", "abc")
    assert other.fingerprint != ConceptSet("postag", concepts.names, concepts.matrix, "labels", "abc").fingerprint


def test_an_existing_folder_is_not_replaced(concepts: ConceptSet, tmp_path: Path) -> None:
    concepts.save(tmp_path / "set")
    with pytest.raises(InputError, match="exists"):
        concepts.save(tmp_path / "set")


def test_another_corpus_is_refused_and_both_are_named(concepts: ConceptSet, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus([["a dog in the snow"], ["two dogs on grass"]])
    with pytest.raises(InputError, match="abc") as error:
        concepts.check_corpus(corpus)
    assert corpus.fingerprint in str(error.value)


def test_both_corpora_are_named_by_their_folders(concepts: ConceptSet, make_corpus: Callable[..., Corpus]) -> None:
    corpus, other = make_corpus([["a dog in the snow"]]), make_corpus([["two dogs on grass"]], name="other")
    own = ConceptSet("postag", concepts.names, concepts.matrix, "labels", other.fingerprint).made_from(other)
    with pytest.raises(InputError, match=f"{corpus.path}: .*built from the corpus {other.path}"):
        own.check_corpus(corpus)
    before = ConceptSet("postag", concepts.names, concepts.matrix, "labels", "abc").made_from(corpus)
    with pytest.raises(InputError, match="built from the corpus that this folder held before"):
        before.check_corpus(corpus)


@pytest.mark.parametrize("name", ["matrix.indices", "matrix.indptr", "occurrences.example", "occurrences.end"])
def test_a_lost_or_cut_file_is_named(concepts: ConceptSet, tmp_path: Path, name: str) -> None:
    concepts.save(tmp_path / "set")
    file = tmp_path / "set" / f"{name}.npy"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(InputError, match=f"{name}.npy is damaged, perhaps cut; build the concept set again"):
        ConceptSet.open(tmp_path / "set")
    file.unlink()
    with pytest.raises(InputError, match=f"{name}.npy is absent"):
        ConceptSet.open(tmp_path / "set")


@pytest.mark.parametrize("name", ["matrix.indices", "matrix.data", "occurrences.start", "occurrences.concept"])
def test_one_flipped_bit_of_a_set_is_found(concepts: ConceptSet, tmp_path: Path, name: str) -> None:
    """Images with other concepts train and measure without a word."""
    concepts.save(tmp_path / "set")
    file = tmp_path / "set" / f"{name}.npy"
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="is damaged or was changed"):
        ConceptSet.open(tmp_path / "set")


def test_concepts_with_other_names_are_found(concepts: ConceptSet, tmp_path: Path) -> None:
    concepts.save(tmp_path / "set")
    info = tmp_path / "set" / "concepts.json"
    info.write_text(info.read_text("utf-8").replace(f'"{concepts.names[0]}"', '"another"'), "utf-8")
    with pytest.raises(InputError, match="is damaged or was changed"):
        ConceptSet.open(tmp_path / "set")


@pytest.mark.parametrize("by", [1000, -1000])
def test_concepts_beyond_the_last_are_refused_whatever_the_checksum(
    concepts: ConceptSet, tmp_path: Path, by: int
) -> None:
    matrix = concepts.matrix.copy()
    matrix.indices = (matrix.indices + by).astype(matrix.indices.dtype)
    dataclasses.replace(concepts, matrix=matrix).save(tmp_path / "set")
    with pytest.raises(InputError):
        ConceptSet.open(tmp_path / "set")


def test_a_garbled_header_of_an_array_is_one_line(concepts: ConceptSet, tmp_path: Path) -> None:
    concepts.save(tmp_path / "set")
    file = tmp_path / "set" / "matrix.indptr.npy"
    content = bytearray(file.read_bytes())
    content[46:46] = b"\x95(\n"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"indptr\.npy is damaged, perhaps cut"):
        ConceptSet.open(tmp_path / "set")


def test_what_is_no_concept_set_is_refused(concepts: ConceptSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a concept set"):
        ConceptSet.open(tmp_path / "absent")
    concepts.save(tmp_path / "set")
    info = tmp_path / "set" / "concepts.json"
    good = info.read_text("utf-8")
    for bad in ("{", "[]", "{}", json.dumps({**json.loads(good), "version": 99})):
        info.write_text(bad, "utf-8")
        with pytest.raises(InputError):
            ConceptSet.open(tmp_path / "set")
    info.write_text(good, "utf-8")
