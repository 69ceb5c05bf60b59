"""Draws are functions of the seed and the step; their chances are what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
import torch
from numpy.typing import NDArray

from wordsight.batching.fields.tags import Tags
from wordsight.batching.sampling import CandidateSampler, ConceptSampler, Drawn, ImageSampler, Sampler, _copies
from wordsight.objectives.tag_losses import tag_loss


def skewed(images: int = 60, concepts: int = 12) -> scipy.sparse.csr_matrix:
    """Concept k holds in about one image of k + 2; the last in none."""
    random = np.random.default_rng(0)
    dense = random.random((images, concepts)) < 1 / (np.arange(concepts) + 2)
    dense[:, 0] |= ~dense[:, :-1].any(1)
    dense[:, -1] = False
    return scipy.sparse.csr_matrix(dense.astype(np.float32))


def draws(sampler: Sampler, steps: int) -> Drawn:
    drawn = [sampler.draw(step) for step in range(steps)]
    concepts = [d.concepts_B for d in drawn if d.concepts_B is not None]
    return Drawn(
        np.concatenate([d.examples_B for d in drawn]),
        np.concatenate([d.copies_B for d in drawn]),
        np.concatenate(concepts) if concepts else None,
    )


def test_images_come_once_an_epoch() -> None:
    sampler = ImageSampler(np.arange(100, 160), 20, seed=1)
    first, second = (np.concatenate([sampler.draw(s).examples_B for s in steps]) for steps in ((0, 1, 2), (3, 4, 5)))
    assert sorted(first) == sorted(second) == list(range(100, 160)) and list(first) != list(second)


def test_drawing_by_concepts_is_uniform_over_those_that_an_example_holds() -> None:
    matrix, examples = skewed(), np.arange(5, 60)
    sampler = ConceptSampler(examples, 32, seed=0, matrix=matrix)
    drawn = draws(sampler, 300)
    assert drawn.concepts_B is not None
    present = np.flatnonzero(np.asarray(matrix[examples].sum(0)).ravel())
    counts = np.bincount(drawn.concepts_B, minlength=matrix.shape[1])
    assert set(np.flatnonzero(counts)) == set(present) and not counts[-1]
    assert scipy.stats.chisquare(counts[present]).pvalue > 0.01


def test_an_image_drawn_for_a_concept_has_it_and_is_drawn_evenly() -> None:
    matrix, examples = skewed(), np.arange(5, 60)
    drawn = draws(ConceptSampler(examples, 32, seed=0, matrix=matrix), 300)
    assert drawn.concepts_B is not None and np.isin(drawn.examples_B, examples).all()
    assert np.asarray(matrix[drawn.examples_B, drawn.concepts_B]).all()
    of_first = drawn.examples_B[drawn.concepts_B == 0]
    holders = examples[matrix[examples][:, [0]].toarray()[:, 0] > 0]
    counts = np.bincount(of_first, minlength=60)[holders]
    assert scipy.stats.chisquare(counts).pvalue > 0.01


def test_examples_are_drawn_as_often_as_their_chances_say() -> None:
    sampler = ConceptSampler(np.arange(60), 32, seed=3, matrix=skewed())
    counts = np.bincount(draws(sampler, 300).examples_B, minlength=60)
    assert sampler.chances_N.sum() == pytest.approx(1)
    assert scipy.stats.chisquare(counts, sampler.chances_N * counts.sum()).pvalue > 0.01


def test_a_step_is_the_same_whenever_it_is_drawn_and_another_with_another_seed() -> None:
    one, other = (ConceptSampler(np.arange(60), 16, seed=0, matrix=skewed()) for _ in range(2))
    late = other.draw(9)
    for step in range(9):
        one.draw(step)
    assert (one.draw(9).examples_B == late.examples_B).all()
    third = ConceptSampler(np.arange(60), 16, seed=1, matrix=skewed())
    assert (third.draw(9).examples_B != late.examples_B).any()


def test_shares_of_processes_make_up_the_whole_step() -> None:
    whole = ConceptSampler(np.arange(60), 16, seed=0, matrix=skewed()).draw(4)
    halves = [whole.share(rank, 2) for rank in range(2)]
    assert (np.stack([half.examples_B for half in halves], 1).ravel() == whole.examples_B).all()
    assert (np.stack([half.copies_B for half in halves], 1).ravel() == whole.copies_B).all()


def test_repeats_of_an_example_in_a_step_are_counted() -> None:
    assert list(_copies(np.array([7, 3, 7, 7, 3, 1]))) == [0, 0, 1, 2, 1, 0]


@pytest.mark.parametrize("negatives", [0, 3])
@pytest.mark.parametrize("kind", ["images", "concepts"])
def test_candidates_are_there_as_often_as_their_chances_say(kind: str, negatives: int) -> None:
    """Beside a fixed image: of the steps with it in the first place, how many have each other concept."""
    matrix, batch = skewed(600), 8
    examples = np.arange(600)
    sampler: Sampler = ImageSampler(examples, batch, 0)
    if kind == "concepts":
        sampler = ConceptSampler(examples, batch, 0, matrix)
    candidates = CandidateSampler(matrix, sampler, negatives, 0)
    random = np.random.default_rng(1)
    own = matrix[[17]].indices
    rounds, counts = 1000, np.zeros(12)
    for step in range(rounds):
        others = random.choice(examples, batch - 1, p=sampler.chances_N)
        found, _ = candidates.draw(step, np.r_[17, others])
        assert (np.diff(found) > 0).all() and np.isin(own, found).all()
        counts[found] += 1
    _, log_chances = CandidateSampler(matrix, sampler, negatives, 0).draw(0, examples)
    expected = np.full(12, negatives / 12)
    expected[matrix.indices] = np.exp(log_chances[np.searchsorted(candidates.draw(0, examples)[0], matrix.indices)])
    others_than_own = np.setdiff1d(np.arange(12), own)
    assert np.allclose(counts[others_than_own] / rounds, expected[others_than_own], atol=0.06)


def test_all_concepts_are_candidates_when_as_many_are_drawn() -> None:
    matrix = skewed()
    found, log_chances = CandidateSampler(matrix, ImageSampler(np.arange(60), 4, 0), 99, 0).draw(0, np.arange(4))
    assert list(found) == list(range(12)) and not log_chances.any()


def push_on_others(
    matrix: scipy.sparse.csr_matrix, scores_K: NDArray[np.float32], candidates: CandidateSampler, rounds: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """How a step pushes down the concepts that image 3 does not hold: mean over sampled steps, and full softmax."""
    random, own = np.random.default_rng(2), matrix[[3]].indices.astype(np.int64)
    logits_1K = torch.tensor(scores_K[None], requires_grad=True)
    plain = Tags(torch.zeros(len(own), dtype=torch.int64), torch.from_numpy(own), torch.ones(len(own)), torch.zeros(1))
    (full,) = torch.autograd.grad(tag_loss(logits_1K, plain), logits_1K)
    total = logits_1K.sum() * 0
    for step in range(rounds):
        batch = np.r_[3, random.choice(np.setdiff1d(np.arange(matrix.shape[0]), [3]), 7, replace=False)]
        numbers, log_chances = (torch.from_numpy(found) for found in candidates.draw(step, batch))
        found = replace(plain, candidates_C=numbers, log_chance_C=log_chances)
        total = total + tag_loss(logits_1K[:, numbers], found, "sampled-softmax") / rounds
    (sampled,) = torch.autograd.grad(total, logits_1K)
    others = np.setdiff1d(np.arange(matrix.shape[1]), own)
    return sampled[0, others], full[0, others]


def test_the_sampled_softmax_has_nearly_the_full_one_s_gradient_in_expectation() -> None:
    matrix = skewed(400, 60)
    scores = np.random.default_rng(5).normal(size=60).astype(np.float32)
    candidates = CandidateSampler(matrix, ImageSampler(np.arange(400), 8, 0), 20, 0)
    sampled, full = push_on_others(matrix, scores, candidates, 400)
    assert float((sampled - full).norm() / full.norm()) < 0.12
    # Without the correction term the concepts that are rarely candidates are pushed down too little, the others too
    # much: the estimated sum over all concepts is too small.
    candidates._log_chance_K = np.zeros(60, dtype=np.float32)
    uncorrected, _ = push_on_others(matrix, scores, candidates, 400)
    assert float((uncorrected - full).norm() / full.norm()) > 0.25


def test_the_estimate_of_the_sum_over_all_concepts_has_no_bias() -> None:
    matrix = skewed(400, 60)
    scores = np.random.default_rng(5).normal(size=60).astype(np.float32)
    candidates = CandidateSampler(matrix, ImageSampler(np.arange(400), 8, 0), 10, 0)
    random, own, estimates = np.random.default_rng(2), matrix[[3]].indices, []
    for step in range(1000):
        others = random.choice(np.setdiff1d(np.arange(400), [3]), 7, replace=False)
        numbers, log_chances = candidates.draw(step, np.r_[3, others])
        log_chances[np.isin(numbers, own)] = 0
        estimates.append(np.exp(scores[numbers] - log_chances).sum())
    spread = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - np.exp(scores).sum()) < 3 * spread
