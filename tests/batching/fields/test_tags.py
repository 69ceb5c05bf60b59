"""Tags: which examples have them, what is drawn, and how they go to another process."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import scipy.sparse
import torch

from wordsight.batching.fields import StepDraw
from wordsight.batching.fields.field import Mirroring
from wordsight.batching.fields.tags import TagsField, TagsNeed, tags_of
from wordsight.batching.sampling import Drawn, ImageSampler
from wordsight.concepts.concept_set import ConceptSet
from wordsight.errors import InputError

MATRIX = scipy.sparse.csr_matrix(np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=np.float32))


def saved(folder: Path, matrix: scipy.sparse.csr_matrix = MATRIX) -> ConceptSet:
    ConceptSet("words", ["a", "b", "c"], matrix, "labels", "corpus").save(folder, overwrite=True)
    return ConceptSet.open(folder)


def drawn(*examples: int) -> StepDraw:
    whole = Drawn(np.array(examples), np.zeros(len(examples), dtype=np.int64))
    return StepDraw(5, 0, whole, whole.share(1, 2))


def test_an_image_is_usable_that_has_a_concept_of_any_set(tmp_path: Path) -> None:
    other = scipy.sparse.csr_matrix(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=np.float32))
    first, second = saved(tmp_path / "one"), saved(tmp_path / "two", other)
    assert TagsField({"one": first}).usable(np.array([0, 1, 2, 3])).tolist() == [True, False, True, True]
    assert TagsField({"one": first, "two": second}).usable(np.array([3, 1])).tolist() == [True, True]


def test_pairs_are_those_of_the_matrix() -> None:
    tags = tags_of(MATRIX[[0, 3]], np.array([0.9, 0.0]))
    assert (tags.image_P.tolist(), tags.concept_P.tolist()) == ([0, 0, 1, 1], [0, 1, 1, 2])
    assert tags.drawn_B.tolist() == [1, 1]


def test_sets_go_to_another_process_by_their_folder(tmp_path: Path) -> None:
    field = TagsField({"one": saved(tmp_path / "one"), "two": saved(tmp_path / "two")}, TagsNeed(2, {"two": None}))
    field.prepare(ImageSampler(np.arange(4), 2, 0))
    there = pickle.loads(pickle.dumps(field))
    for name in ("one", "two"):
        here, other = (each.draw(drawn(0, 2, 3, 0))[name] for each in (field, there))
        assert torch.equal(here.concept_P, other.concept_P) and torch.equal(here.drawn_B, other.drawn_B)
        assert (here.candidates_C is None) == (other.candidates_C is None) == (name == "two")
    large = scipy.sparse.csr_matrix(np.ones((4000, 3), dtype=np.float32))
    assert len(pickle.dumps(TagsField({"one": saved(tmp_path / "large", large)}))) < 2000
    saved(tmp_path / "two", MATRIX[::-1])
    with pytest.raises(InputError, match="put back what training began with"):
        pickle.loads(pickle.dumps(field))


def test_a_set_that_was_never_saved_goes_by_value() -> None:
    field = TagsField({"one": ConceptSet("words", ["a", "b", "c"], MATRIX, "labels", "corpus")})
    assert pickle.loads(pickle.dumps(field)).usable(np.array([1, 2])).tolist() == [False, True]


def test_two_losses_of_a_sum_share_the_larger_number_of_candidates() -> None:
    both = TagsNeed(3, {"two": None}).joined(TagsNeed(None, {"one": 5}))
    assert (both.of("one"), both.of("two"), both.of("three")) == (5, None, 3)


def test_images_that_have_a_concept_left_or_right_are_not_mirrored(tmp_path: Path) -> None:
    names = {"one": ["left", "b", "c"], "two": ["d", "e", "right-hand man"], "topics": ["left", "right", "hand"]}
    targets: dict[str, Literal["labels", "probabilities"]] = {"topics": "probabilities"}
    sets = {
        name: ConceptSet("words", own, MATRIX, targets.get(name, "labels"), "corpus") for name, own in names.items()
    }
    for field in (TagsField(sets), pickle.loads(pickle.dumps(TagsField(sets)))):
        never, freely = Mirroring.NEVER, Mirroring.FREELY
        assert field.mirroring(np.array([3, 0, 1, 2, 0])).tolist() == [never, never, freely, freely, never]
    assert not TagsField({"topics": sets["topics"]}).mirroring(np.arange(4)).any()
