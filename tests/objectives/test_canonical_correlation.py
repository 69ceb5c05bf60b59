"""CCA on frozen features: solved from one look, the backbone as it was, and asked as towers are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import wordsight
from tests.conftest import MakeCorpus
from tests.objectives.towers import SETTINGS
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.model import LanguageModel
from wordsight.language.sentence_vectors import vectors_of
from wordsight.objectives.canonical_correlation import CanonicalCorrelation
from wordsight.objectives.canonical_variates import Moments, canonical
from wordsight.tensors import read_tensors
from wordsight.training.run import Run
from wordsight.vision.views import eval_view, stack

GIVEN: dict[str, Any] = {"objective": "canonical-correlation", "epochs": 0, "precision": "fp32"}
VALUES: dict[str, Any] = {"width": 8, "power": 2.0}


@pytest.fixture(scope="module")
def trained(coloured_squares: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a backbone that has learned colours."""
    concepts = {"kind": "labels"}
    run = wordsight.pretrain(
        SETTINGS,
        corpus=coloured_squares,
        out=tmp_path_factory.mktemp("trained") / "run",
        objective="tag-prediction",
        objective_settings={},
        concepts=concepts,
        epochs=10,
    )
    return run.path / "backbone.safetensors"


def solved(corpus: Corpus, out: Path, weights: Path, **values: Any) -> Run:
    return wordsight.pretrain(
        SETTINGS, corpus=corpus, out=out, weights=str(weights), objective_settings={**VALUES, **values}, **GIVEN
    )


def test_it_is_what_its_features_and_vectors_come_to_and_leaves_the_backbone(
    coloured_squares: Corpus, minilm: LanguageModel, trained: Path, tmp_path: Path
) -> None:
    run = solved(coloured_squares, tmp_path / "run", trained)
    before, after = read_tensors(trained), read_tensors(run.path / "backbone.safetensors")
    assert all(torch.equal(after[name], before[name]) for name in after if not name.startswith("preprocessing"))
    objective = run.objective()
    assert isinstance(objective, CanonicalCorrelation)
    train = coloured_squares.indices("train")
    views = stack([eval_view(coloured_squares.image_bytes(int(i)), 16) for i in train])
    with torch.no_grad():
        features = objective.backbone(objective.backbone.prepare(views)).mean((2, 3))
    moments = Moments(features.shape[1], minilm.width)
    for i, feature in zip(train, features, strict=True):
        vectors = torch.from_numpy(vectors_of(coloured_squares.captions(int(i)), minilm, "mean")).float()
        moments.add(feature.expand(len(vectors), -1), vectors)
    expected = canonical(moments, 8, 1e-4, 2.0)
    torch.testing.assert_close(objective.image_mean_C, expected.first.mean_C.float(), rtol=1e-4, atol=1e-4)
    ours, theirs = objective.image_weight_CZ[:, :3], expected.first.weight_CZ[:, :3].float()
    # Directions have no sign.
    cosine = torch.nn.functional.cosine_similarity(ours, theirs, dim=0).abs()
    torch.testing.assert_close(cosine, torch.ones(3), rtol=0, atol=1e-3)
    assert run.known_images() is not None, "evaluation has to know that these images were learned from"


def test_it_is_asked_by_retrieval_and_zero_shot(
    coloured_squares: Corpus, minilm: LanguageModel, trained: Path, tmp_path: Path
) -> None:
    run = solved(coloured_squares, tmp_path / "run", trained)
    assert {result.protocol for result in wordsight.evaluate(run, corpus=coloured_squares)} == {"retrieval"}
    found = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot")
    assert found[0].metric == "top-1 accuracy" and found[0].value > 70
    one, other = (Run.open(run.path).objective() for _ in range(2))
    assert isinstance(one, CanonicalCorrelation) and isinstance(other, CanonicalCorrelation)
    assert torch.equal(one.embed_texts(["a red square"]), other.embed_texts(["a red square"]))


def test_weighting_by_eigenvalues_retrieves_no_worse(
    coloured_squares: Corpus, minilm: LanguageModel, trained: Path, tmp_path: Path
) -> None:
    """Section 5 of the paper: a power above 0 does better than projections that all count alike."""
    value = {}
    for power in (0.0, 4.0):
        run = solved(coloured_squares, tmp_path / f"{power:g}", trained, power=power, width=32)
        found = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot")
        value[power] = found[0].value
    assert value[4.0] >= value[0.0]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"width": 65}, "a space of 65 dimensions is asked for, features are 64 wide and texts' vectors 384"),
        ({"width": 60}, "48 captions are too few for 60 dimensions"),
    ],
)
def test_a_space_that_is_too_wide_is_refused_in_one_line(
    coloured_squares: Corpus, minilm: LanguageModel, trained: Path, tmp_path: Path, values: Any, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        solved(coloured_squares, tmp_path / "run", trained, **values)
    assert "\n" not in str(caught.value)


def test_random_weights_are_refused(coloured_squares: Corpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="builds on a backbone that has learned before, and this one's weights are"):
        wordsight.pretrain(SETTINGS, corpus=coloured_squares, out=tmp_path / "run", objective_settings=VALUES, **GIVEN)


def test_it_is_no_part_of_a_sum(coloured_squares: Corpus, tmp_path: Path) -> None:
    parts = {"a": {"kind": "canonical-correlation"}, "b": {"kind": "rotation"}}
    with pytest.raises(InputError, match="'canonical-correlation' is solved from all images at once"):
        wordsight.pretrain(
            SETTINGS,
            corpus=coloured_squares,
            out=tmp_path / "run",
            objective="weighted-sum",
            objective_settings={"objectives": parts},
        )


def test_captions_that_all_read_alike_are_refused(
    make_corpus: MakeCorpus, minilm: LanguageModel, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="all captions of the 40 images read alike"):
        solved(make_corpus([["a dog runs here"]] * 40), tmp_path / "run", trained)
