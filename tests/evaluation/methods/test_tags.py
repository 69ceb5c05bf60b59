"""The protocol `tags` against values worked out by hand and against scikit-learn, and that it holds no N x K scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.metrics import average_precision_score

from tests.evaluation.conftest import MadeReader, encoded, picture, settings_of, shrinking_backbone
from wordsight.concepts import ConceptSet
from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.errors import InputError
from wordsight.evaluation import CorpusSplit, EvalProtocol, EvaluatedModel, LearnedConcepts, evaluate, protocols_for
from wordsight.evaluation.methods.tags import BEST, BY_FREQUENCY, LEAST
from wordsight.evaluation.metrics.classification import average_precision_of, chance_average_precision
from wordsight.evaluation.metrics.outcomes import read_outcomes
from wordsight.evaluation.predictions import tag_scores
from wordsight.evaluation.predictions.tag_probabilities import probability_agreement, total_variation_to
from wordsight.evaluation.predictions.tag_scores import (
    TagScores,
    precision_of_concepts,
    precision_recall_at_k,
    precision_recall_of_order,
    random_precision_recall,
)
from wordsight.evaluation.results.result import Result, read_results
from wordsight.heads.tp import TagHead
from wordsight.objectives import ConceptFacts, Facts, TagFacts
from wordsight.objectives.tag_prediction import TagPrediction, TagPredictionSettings

RANKS = (1, 5, 10)


def _scores(logits_NK: Sequence[Sequence[float]] | np.ndarray[Any, Any]) -> TagScores:
    """Scores that are these numbers: the last layer passes on what it reads."""
    logits = torch.tensor(np.asarray(logits_NK), dtype=torch.float32)
    concepts = logits.shape[1]
    return TagScores(logits, torch.eye(concepts), torch.zeros(concepts))


def _truth(rows: Sequence[Sequence[float]] | np.ndarray[Any, Any]) -> scipy.sparse.csr_matrix:
    return scipy.sparse.csr_matrix(np.asarray(rows, dtype=np.float32))


def test_precision_and_recall_of_the_first_concepts_by_hand() -> None:
    scores = _scores([[3, 2, 1, 0, 0], [0, 1, 2, 3, 4]])
    truth = _truth([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1]])
    found = precision_recall_at_k(scores, truth, RANKS)
    # Ten of five concepts can't be asked for.
    assert found.precision == {1: 100.0, 5: pytest.approx(30.0)}
    assert found.recall == {1: pytest.approx(75.0), 5: 100.0}


def test_an_order_that_knows_no_image_and_chance_by_hand() -> None:
    truth = _truth([[1, 0, 1, 0], [0, 0, 0, 1]])
    assert precision_recall_of_order(np.array([2, 0, 1, 3]), truth, (1, 2)).precision == {1: 50.0, 2: 50.0}
    assert precision_recall_of_order(np.array([2, 0, 1, 3]), truth, (1, 2)).recall == {1: 25.0, 2: 50.0}
    assert random_precision_recall(truth, (1, 2)).precision == {1: 37.5, 2: 37.5}
    assert random_precision_recall(truth, (1, 2)).recall == {1: 25.0, 2: 50.0}


def test_recall_of_probabilities_is_the_share_of_the_text_s_probability() -> None:
    found = precision_recall_at_k(_scores([[5, 4, 3], [3, 4, 5]]), _truth([[0.5, 0.25, 0.25], [0.1, 0.1, 0.6]]), (1, 2))
    assert found.recall[1] == pytest.approx(100 * (0.5 + 0.6 / 0.8) / 2)
    assert found.recall[2] == pytest.approx(100 * (0.75 + 0.7 / 0.8) / 2)


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_scikit_learn_s(ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(60, 23)).astype(np.float32)
    if ties:
        logits = np.round(logits)
    truth = (random.random((60, 23)) < np.linspace(0, 1, 23)).astype(np.float32)
    monkeypatch.setattr(tag_scores, "BLOCK", 60 * 4)
    found = precision_of_concepts(_scores(logits), _truth(truth)).value_K
    for k in range(23):
        if 0 < truth[:, k].mean() < 1:
            expected = 100 * average_precision_score(truth[:, k], logits[:, k])
            np.testing.assert_allclose(found[k], expected, rtol=1e-6)
    # No image has the first concept, and all have the last: every order of them is right.
    assert np.isnan(found[[0, -1]]).all()
    assert not np.isnan(found[1:-1]).any()


def test_average_precision_by_hand() -> None:
    # Ranked: positive, negative, positive, negative: (1 + 2/3) / 2.
    assert average_precision_of(np.array([1.0, 2, 3, 4]), np.array([2.0, 4])) == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert np.isnan(average_precision_of(np.array([1.0]), np.array([])))


def test_chance_is_the_mean_over_all_orders() -> None:
    scores = np.arange(6.0)
    for positives in (1, 2, 5, 6):
        each = [average_precision_of(scores, np.array(chosen)) for chosen in combinations(scores, positives)]
        assert chance_average_precision(np.array([positives]), 6)[0] == pytest.approx(np.mean(each))
    # One positive of three comes first, second or third: (1 + 1/2 + 1/3) / 3.
    assert chance_average_precision(np.array([1]), 3)[0] == pytest.approx(100 * (1 + 1 / 2 + 1 / 3) / 3)


def test_no_more_than_a_block_of_scores_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_scores, "BLOCK", 50)
    random = np.random.default_rng(1)
    hidden, weight, bias = (torch.tensor(random.normal(size=s), dtype=torch.float32) for s in ((12, 3), (40, 3), (40,)))
    scores = TagScores(hidden, weight, bias)
    whole = hidden @ weight.T + bias
    by_images = list(scores.by_images())
    by_concepts = list(scores.by_concepts(np.arange(0, 40, 2)))
    assert max(block.numel() for _, block in [*by_images]) <= 50
    assert max(block.numel() for _, block in [*by_concepts]) <= 50
    torch.testing.assert_close(torch.cat([block for _, block in by_images]), whole)
    torch.testing.assert_close(torch.cat([block for _, block in by_concepts]), whole.T[::2])


@pytest.mark.parametrize("exclusive", [True, False])
def test_correlation_and_distance_of_probabilities_are_numpy_s(
    exclusive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_scores, "BLOCK", 17)
    random = np.random.default_rng(2)
    logits, given = random.normal(size=(30, 4)), random.dirichlet(np.ones(4), 30)
    given[:, 3] = 0
    given /= given.sum(1, keepdims=True)
    raw = np.exp(logits) if exclusive else 1 / (1 + np.exp(-logits))
    predicted = raw / raw.sum(1, keepdims=True)
    found = probability_agreement(_scores(logits), _truth(given), exclusive=exclusive)
    for k in range(3):
        assert found.correlation.value_K[k] == pytest.approx(
            100 * np.corrcoef(predicted[:, k], given[:, k])[0, 1], rel=1e-4
        )
    assert np.isnan(found.correlation.value_K[3])
    assert found.distance == pytest.approx(50 * np.abs(predicted - given).sum(1).mean(), rel=1e-4)
    assert total_variation_to(np.array([2.0, 2, 0, 0]), _truth([[1, 0, 0, 0], [0.25, 0.25, 0.5, 0]])) == pytest.approx(
        50
    )


def last_layers(objective: TagPrediction) -> list[torch.nn.Linear]:
    """The last layer of each head."""
    return [head.last for head in objective.tp.heads.values() if isinstance(head, TagHead)]


def values_in_draws(images: int, draws: int = 300) -> list[np.ndarray]:
    """The images of some draws with replacement."""
    random = np.random.default_rng(7)
    return [random.integers(0, images, images) for _ in range(draws)]


def test_parts_of_images_in_precision_are_its_slopes() -> None:
    random = np.random.default_rng(3)
    truth = (random.random((40, 3)) < 0.3).astype(np.float32)
    # With ties.
    logits = np.round(random.normal(size=(40, 3)) + truth, 1)
    found = precision_of_concepts(_scores(logits), _truth(truth))
    assert 100 * found.parts_N.mean() == pytest.approx(np.nanmean(found.value_K))
    # An image that comes in a hundred times more, among a hundred copies of all: a step of one in a hundred.
    for image in (0, 5, 17):
        rows = np.r_[np.repeat(np.arange(40), 100), image]
        moved = precision_of_concepts(_scores(logits[rows]), _truth(truth[rows])).value_K
        slope = (np.nanmean(moved) - np.nanmean(found.value_K)) / 0.01
        expected = (100 * found.parts_N[image] - np.nanmean(found.value_K)) / 40
        assert slope == pytest.approx(expected, abs=0.02)


def test_parts_of_images_vary_as_precision_does_over_draws() -> None:
    random = np.random.default_rng(4)
    truth = (random.random((400, 5)) < 0.2).astype(np.float32)
    logits = random.normal(size=(400, 5)) + truth
    found = precision_of_concepts(_scores(logits), _truth(truth))
    drawn = values_in_draws(400)
    exact = [np.nanmean(precision_of_concepts(_scores(logits[r]), _truth(truth[r])).value_K) for r in drawn]
    linear = [100 * found.parts_N[rows].mean() for rows in drawn]
    assert np.corrcoef(exact, linear)[0, 1] > 0.9
    assert np.std(linear) == pytest.approx(np.std(exact), rel=0.15)


def test_parts_of_images_vary_as_the_correlation_does_over_draws() -> None:
    random = np.random.default_rng(5)
    logits = random.normal(size=(300, 4))
    shares = np.exp(logits + random.normal(size=(300, 4)))
    found = probability_agreement(_scores(logits), _truth(shares), exclusive=True)
    assert 100 * found.correlation.parts_N.mean() == pytest.approx(np.mean(found.correlation.value_K))
    drawn = values_in_draws(300)
    exact = [
        probability_agreement(_scores(logits[r]), _truth(shares[r]), exclusive=True).correlation.value_K.mean()
        for r in drawn
    ]
    linear = [100 * found.correlation.parts_N[rows].mean() for rows in drawn]
    assert np.corrcoef(exact, linear)[0, 1] > 0.95
    assert np.std(linear) == pytest.approx(np.std(exact), rel=0.1)


REDS = (0, 0, 0, 1, 1, 1)
MakeTagged = Callable[..., tuple[EvaluatedModel, CorpusSplit]]


@pytest.fixture
def make_tagged(model: EvaluatedModel, tmp_path: Path) -> MakeTagged:
    """Builds three blue and three red pictures, and a head whose concepts are ``red``, ``blue`` and ``never``."""
    colours = [(40, 40, 200), (200, 40, 40)]
    examples = [
        Example(f"{i}.png", encoded(picture(colours[red], noise=i)), captions=("a thing in a picture",), split="test")
        for i, red in enumerate(REDS)
    ]
    corpus: Corpus = build_corpus(MadeReader(examples), tmp_path / "reds")

    def made(rows: Sequence[Sequence[float]], target: Literal["labels", "probabilities"]) -> ConceptSet:
        names = ["red", "blue", "never"]
        return ConceptSet("postag", names, _truth(rows), target, corpus.fingerprint)

    def make(**sets: tuple[Sequence[Sequence[float]], Any, Any]) -> tuple[EvaluatedModel, CorpusSplit]:
        learned = {
            name: LearnedConcepts(made(rows, target), None if train is None else np.array(train, dtype=np.float64))
            for name, (rows, target, train) in sets.items()
        }
        facts = Facts({"tags": TagFacts({name: ConceptFacts(3, one.concepts.target) for name, one in learned.items()})})
        objective = TagPrediction(shrinking_backbone(), facts, TagPredictionSettings())
        for last in last_layers(objective):
            with torch.no_grad():
                last.weight.copy_(torch.tensor([[9.0, 0, -9], [-9, 0, 9], [0, 0, 0]]))
                last.bias.zero_()
        return replace(model, objective=objective, concepts=learned), CorpusSplit(corpus, "test")

    return make


SEEN = [[0, 1, 0]] * 3 + [[1, 0, 0]] * 3


def test_a_head_that_sees_colours_is_right_about_them(make_tagged: MakeTagged) -> None:
    model, split = make_tagged(words=(SEEN, "labels", [10, 1, 0]))
    (result,) = evaluate(model, split, ["tags"])
    assert (result.task, result.protocol, result.part) == ("reds-test", "tags", "")
    assert result.value == pytest.approx(100)
    assert result.per_class == {"red": pytest.approx(100), "blue": pytest.approx(100)}
    assert (result.more["precision@1"], result.more["recall@1"]) == (100, 100)
    # "red" is the most frequent in training, and holds for half of the images.
    assert result.baselines["training frequencies, precision@1"] == 50
    assert result.baselines["chance, precision@1"] == pytest.approx(100 / 3)
    assert result.baselines["training frequencies"] == pytest.approx(50)
    assert result.baselines["chance"] == pytest.approx(chance_average_precision(np.array([3]), 6)[0])
    assert result.counts == {"images": 6, "of_images": 6, "concepts": 2, "of_concepts": 3}
    assert Result.read(model.results_folder / "reds-test" / "tags.json") == result
    kept = read_outcomes(model.results_folder / "reds-test" / "tags.npz")
    assert len(kept) == 6
    assert kept.value == pytest.approx(result.value)
    assert kept.more == {name: pytest.approx(value) for name, value in result.more.items()}


def test_the_best_and_the_least_learned_concepts_are_named_with_their_counts(
    make_tagged: MakeTagged,
) -> None:
    rows = [[0, 1, 1]] * 2 + [[0, 1, 0]] + [[1, 0, 0]] * 2 + [[1, 0, 1]]
    model, split = make_tagged(words=(rows, "labels", [10, 1, 0]))
    protocol = EvalProtocol("few", "tags", settings_of("tags", least_positives=2))
    (result,) = evaluate(model, split, [protocol])
    named = {(group.by, group.name): group for group in result.groups}
    assert named[BEST, "red"].count == 3
    assert named[BEST, "red"].value == pytest.approx(100)
    assert named[LEAST, "never"].value < 100
    assert named[LEAST, "never"].baselines["chance"] > 0
    assert [g.name for g in result.groups if g.by == BY_FREQUENCY] == ["none", "1 to 9", "10 to 99"]


def test_images_that_are_all_the_same_to_the_head_are_said_to_be(make_tagged: MakeTagged) -> None:
    model, split = make_tagged(words=(SEEN, "labels", [3, 3, 0]))
    assert model.objective is not None
    model.objective.backbone = shrinking_backbone(0.0, 0.0, 0.0)
    (result,) = evaluate(model, split, ["tags"])
    assert result.value == pytest.approx(50)
    assert any("it sees no difference between the images, so this is chance" in one for one in result.warnings)


def test_images_without_a_concept_are_not_asked_about(make_tagged: MakeTagged) -> None:
    model, split = make_tagged(words=([[0, 1, 0]] * 2 + [[0, 0, 0]] * 2 + [[1, 0, 0]] * 2, "labels", [1, 1, 1]))
    (result,) = evaluate(model, split, ["tags"])
    assert result.counts["images"] == 4
    assert result.value == pytest.approx(100)


def test_each_of_several_sets_has_a_result_of_its_own(make_tagged: MakeTagged) -> None:
    shares = [[0.0, 0.9, 0.1]] * 2 + [[0.1, 0.9, 0]] + [[0.9, 0.1, 0.0]] * 3
    model, split = make_tagged(words=(SEEN, "labels", [3, 3, 0]), topics=(shares, "probabilities", [2.0, 2.0, 0.1]))
    words, topics = evaluate(model, split, ["tags"])
    assert (words.part, topics.part) == ("words", "topics")
    assert topics.metric == "mean correlation of probabilities"
    assert topics.per_class["red"] > 95
    kept = read_outcomes(model.results_folder / "reds-test" / "tags-topics.npz")
    assert kept.value == pytest.approx(topics.value)
    assert kept.more == {name: pytest.approx(value) for name, value in topics.more.items()}
    assert topics.more["recall@1"] == pytest.approx(90)
    assert topics.baselines["chance"] == 0
    assert topics.baselines["training frequencies, recall@1"] == pytest.approx(100 * (0.1 + 3 * 0.9) / 6)
    assert [each.part for each in read_results(model.results_folder)] == ["words", "topics"]


def test_topics_are_named_by_their_correlation(make_tagged: MakeTagged) -> None:
    shares = [[0.0, 0.9, 0.1]] * 2 + [[0.1, 0.9, 0]] + [[0.9, 0.1, 0.0]] * 3
    model, split = make_tagged(topics=(shares, "probabilities", [2.0, 2.0, 0.1]))
    (result,) = evaluate(model, split, [EvalProtocol("few", "tags", settings_of("tags", least_positives=2))])
    assert [group.by for group in result.groups] == [BEST] * 2 + [LEAST]
    values = [group.value for group in result.groups]
    assert values == sorted(values, reverse=True)
    assert values == [result.per_class[group.name] for group in result.groups]
    assert {group.baselines["chance"] for group in result.groups} == {0.0}


def test_without_its_corpus_the_frequencies_are_missing_and_that_is_said(make_tagged: MakeTagged) -> None:
    model, split = make_tagged(words=(SEEN, "labels", None))
    (result,) = evaluate(model, split, ["tags"])
    assert not any("frequencies" in name for name in result.baselines)
    assert "not at hand" in result.warnings[-1]


def test_concepts_of_one_name_are_told_apart(make_tagged: MakeTagged) -> None:
    model, split = make_tagged(words=(SEEN, "labels", [1, 1, 1]))
    model.concepts["words"].concepts.names[:] = ["a dog", "a dog", "b"]
    (result,) = evaluate(model, split, ["tags"])
    assert set(result.per_class) == {"a dog (0)", "a dog (1)"}


def test_an_objective_without_a_tag_head_is_refused(make_tagged: MakeTagged, model: EvaluatedModel) -> None:
    _, split = make_tagged(words=(SEEN, "labels", [1, 1, 1]))
    with pytest.raises(InputError, match="predicts no tags"):
        evaluate(model, split, ["tags"])


def test_images_without_any_concept_are_refused(make_tagged: MakeTagged) -> None:
    model, split = make_tagged(words=([[0, 0, 0]] * 6, "labels", [1, 1, 1]))
    with pytest.raises(InputError, match="no image has a concept"):
        evaluate(model, split, ["tags"])


def test_a_head_that_diverged_is_refused(make_tagged: MakeTagged) -> None:
    model, split = make_tagged(words=(SEEN, "labels", [1, 1, 1]))
    assert isinstance(model.objective, TagPrediction)
    for last in last_layers(model.objective):
        torch.nn.init.constant_(last.weight, float("nan"))
    with pytest.raises(InputError, match="no finite numbers"):
        evaluate(model, split, ["tags"])


def test_a_split_without_masked_captions_can_be_asked_for_tags_alone() -> None:
    protocols_for(["tags"], CorpusSplit)
    with pytest.raises(InputError, match="masked-words expects"):
        protocols_for(["masked-words"], CorpusSplit)
