"""The protocol `tags`: what its results hold, what is left out, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import scipy.sparse
import torch

from tests.evaluation.conftest import MadeReader, encoded, picture, settings_of, shrinking_backbone
from wordsight.concepts import ConceptSet
from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.errors import InputError
from wordsight.evaluation import CorpusSplit, EvalProtocol, EvaluatedModel, LearnedConcepts, evaluate, protocols_for
from wordsight.evaluation.methods.tags import BEST, BY_FREQUENCY, LEAST
from wordsight.evaluation.metrics.classification import chance_average_precision
from wordsight.evaluation.metrics.outcomes import read_outcomes
from wordsight.evaluation.results.result import Result, read_results
from wordsight.heads.tag_head import TagHead
from wordsight.objectives import ConceptFacts, Facts, TagFacts
from wordsight.objectives.tag_prediction import TagPrediction, TagPredictionSettings

REDS = (0, 0, 0, 1, 1, 1)
MakeTagged = Callable[..., tuple[EvaluatedModel, CorpusSplit]]


def last_layers(objective: TagPrediction) -> list[torch.nn.Linear]:
    """The last layer of each head."""
    return [head.last for head in objective.tag_heads.heads.values() if isinstance(head, TagHead)]


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
        return ConceptSet(
            "postag", names, scipy.sparse.csr_matrix(np.asarray(rows, dtype=np.float32)), target, corpus.fingerprint
        )

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
    assert "can't be found" in result.warnings[-1]


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
    with pytest.raises(InputError, match="not finite numbers"):
        evaluate(model, split, ["tags"])


def test_a_split_without_masked_captions_can_be_asked_for_tags_alone() -> None:
    protocols_for(["tags"], CorpusSplit)
    with pytest.raises(InputError, match="masked-words expects"):
        protocols_for(["masked-words"], CorpusSplit)
