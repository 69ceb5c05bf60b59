"""Every loss of tag prediction by hand, and against an implementation on dense labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
import torchvision
from timm.loss.asymmetric_loss import AsymmetricLossMultiLabel
from torch import Tensor
from torch.nn import functional as F

from wordsight.batching.fields.tags import Tags
from wordsight.batching.sources import ConceptFacts
from wordsight.errors import InputError
from wordsight.objectives.tag_heads import TagHeads, TagSettings
from wordsight.objectives.tag_losses import TAG_LOSSES, tag_loss


def tags(pairs: Sequence[tuple[int, int, float]], drawn: Sequence[int] = ()) -> Tags:
    image, concept, value = zip(*pairs, strict=True)
    return Tags(torch.tensor(image), torch.tensor(concept), torch.tensor(value), torch.tensor(drawn, dtype=torch.int64))


def with_all_candidates(found: Tags, count: int) -> Tags:
    return replace(found, candidates_C=torch.arange(count), log_chance_C=torch.zeros(count))


def random_tags(images: int, concepts: int, value: Callable[[int], Tensor] = torch.ones) -> tuple[Tensor, Tags]:
    """Dense labels, and the same as pairs."""
    held = torch.rand(images, concepts) > 0.6
    held[:, 0] = True
    image, concept = held.nonzero(as_tuple=True)
    values = value(len(image))
    dense = torch.zeros(images, concepts)
    dense[image, concept] = values
    drawn = torch.stack([row.nonzero()[torch.randint(int(row.sum()), ())][0] for row in held])
    return dense, Tags(image, concept, values, drawn)


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


LOGITS = torch.tensor([[1.0, 2.0, 0.0], [0.5, 0.5, 3.0]])
FIRST, SECOND = math.log(math.e + math.e**2 + 1), math.log(2 * math.exp(0.5) + math.exp(3))


def test_softmax_follows_equation_2_by_hand() -> None:
    # The first image has tags 0 and 1, a half each once normalised; the second has tag 2.
    found = tag_loss(LOGITS, tags([(0, 0, 1.0), (0, 1, 1.0), (1, 2, 1.0)]))
    first = -(0.5 * (1 - FIRST) + 0.5 * (2 - FIRST))
    assert float(found) == pytest.approx((first + SECOND - 3) / 2)


def test_softmax_weighs_labels_as_the_concept_set_does() -> None:
    # Weights 3 and 1 are shares of three quarters and a quarter.
    found = tag_loss(LOGITS, tags([(0, 0, 3.0), (0, 1, 1.0), (1, 2, 7.0)]))
    assert float(found) == pytest.approx((FIRST - 0.75 * 1 - 0.25 * 2 + SECOND - 3) / 2)


def test_one_drawn_looks_at_the_drawn_concept_alone() -> None:
    found = tag_loss(LOGITS, tags([(0, 0, 1.0), (0, 1, 1.0), (1, 2, 1.0)], drawn=[1, 2]), "one-drawn")
    assert float(found) == pytest.approx((FIRST - 2 + SECOND - 3) / 2)


def test_sigmoid_sums_over_concepts_by_hand() -> None:
    # A label's weight says nothing of its presence: 1 where it holds.
    found = tag_loss(LOGITS[:1], tags([(0, 1, 0.3)]), "sigmoid")
    assert float(found) == pytest.approx(softplus(1) + softplus(-2) + math.log(2))


def test_sigmoid_on_probabilities_is_the_cross_entropy_to_them() -> None:
    found = tag_loss(LOGITS[:1], tags([(0, 1, 0.3), (0, 2, 0.7)]), "sigmoid", "probabilities")
    of_second = 0.3 * softplus(-2) + 0.7 * softplus(2)
    assert float(found) == pytest.approx(softplus(1) + of_second + math.log(2))


def test_focal_by_hand() -> None:
    found = tag_loss(torch.zeros(1, 2), tags([(0, 1, 1.0)]), "focal")
    # At a chance of a half: alpha_t (1/2)^2 ln 2, with alpha_t 3/4 for what is absent and 1/4 for what is there.
    assert float(found) == pytest.approx(0.25 * math.log(2))


def test_asymmetric_by_hand() -> None:
    found = tag_loss(torch.zeros(1, 2), tags([(0, 1, 1.0)]), "asymmetric")
    # There: (1 - p) ln p with gamma 1. Absent: p lowered by the margin of 0.05, to the fourth power.
    expected = 0.5 * math.log(2) - 0.45**4 * math.log(0.55)
    assert float(found) == pytest.approx(expected)


def cross_entropy(logits: Tensor, dense: Tensor, drawn: Tensor) -> Tensor:
    return F.cross_entropy(logits, dense / dense.sum(1, keepdim=True))


def drawn_cross_entropy(logits: Tensor, dense: Tensor, drawn: Tensor) -> Tensor:
    return F.cross_entropy(logits, drawn)


def binary(logits: Tensor, dense: Tensor, drawn: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, dense, reduction="sum") / len(logits)


def focal(logits: Tensor, dense: Tensor, drawn: Tensor) -> Tensor:
    loss: Tensor = torchvision.ops.sigmoid_focal_loss(logits, dense, reduction="sum") / len(logits)
    return loss


def asymmetric(logits: Tensor, dense: Tensor, drawn: Tensor) -> Tensor:
    rows = [AsymmetricLossMultiLabel()(row[None], label[None]) for row, label in zip(logits, dense, strict=True)]
    return torch.stack(rows).mean()


DENSE: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "softmax": cross_entropy,
    "one-drawn": drawn_cross_entropy,
    "sampled-softmax": cross_entropy,
    "sampled-one-drawn": drawn_cross_entropy,
    "sigmoid": binary,
    "asymmetric": asymmetric,
    "focal": focal,
}


@pytest.mark.parametrize(("loss", "target"), [(name, t) for name, kind in TAG_LOSSES.items() for t in kind.targets])
def test_every_loss_and_its_gradient_equal_those_on_dense_labels(loss: str, target: str) -> None:
    torch.manual_seed(0)
    dense, found = random_tags(5, 7, torch.rand if target == "probabilities" else torch.ones)
    sparse_logits = torch.randn(5, 7, requires_grad=True)
    dense_logits = sparse_logits.detach().clone().requires_grad_()
    one = tag_loss(sparse_logits, with_all_candidates(found, 7), loss, target)
    other = DENSE[loss](dense_logits, dense, found.drawn_B)
    assert torch.allclose(one, other)
    one.backward()
    other.backward()
    assert sparse_logits.grad is not None and dense_logits.grad is not None
    assert torch.allclose(sparse_logits.grad, dense_logits.grad, atol=1e-7)


@pytest.mark.parametrize("loss", TAG_LOSSES)
def test_images_without_tags_do_not_count(loss: str) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 4, requires_grad=True)
    pairs = [(0, 1, 1.0), (1, 3, 1.0)]
    two = tag_loss(logits[:2], with_all_candidates(tags(pairs, [1, 3]), 4), loss)
    three = tag_loss(logits, with_all_candidates(tags(pairs, [1, 3, -1]), 4), loss)
    assert torch.allclose(two, three)
    three.backward()
    assert logits.grad is not None and not logits.grad[2].any() and logits.grad[:2].any()


@pytest.mark.parametrize("loss", TAG_LOSSES)
def test_a_step_without_any_tag_has_no_loss_and_no_gradient(loss: str) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    found = Tags(none, none, torch.zeros(0), torch.full((2,), -1), none, torch.zeros(0))
    logits = torch.randn(2, 0 if TAG_LOSSES[loss].sampled else 3, requires_grad=True)
    total = tag_loss(logits, found, loss)
    total.backward()
    assert not total.detach().any() and logits.grad is not None and not logits.grad.any()


def test_an_own_concept_is_a_candidate_for_certain_and_others_stand_for_more() -> None:
    # Candidates 0 and 2 of three concepts. The image holds 2; 0 is a candidate in one step of four.
    found = replace(
        tags([(0, 2, 1.0)], [2]), candidates_C=torch.tensor([0, 2]), log_chance_C=torch.tensor([0.25, 0.5]).log()
    )
    for loss in ("sampled-softmax", "sampled-one-drawn"):
        expected = math.log(4 * math.exp(1) + math.exp(2)) - 2
        assert float(tag_loss(torch.tensor([[1.0, 2.0]]), found, loss)) == pytest.approx(expected)


def test_unknown_losses_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'sigmoid'"):
        TagSettings(loss="sigmoide")
    with pytest.raises(InputError, match="losses: topics: unknown loss 'focall'"):
        TagSettings(losses={"topics": "focall"})
    with pytest.raises(InputError, match="unknown concept set 'topic'.*did you mean 'topics'"):
        TagHeads(4, {"topics": ConceptFacts(3)}, TagSettings(losses={"topic": "sigmoid"}))


@pytest.mark.parametrize("loss", ["one-drawn", "asymmetric", "focal"])
def test_a_loss_that_can_not_learn_from_probabilities_says_which_can(loss: str) -> None:
    with pytest.raises(InputError, match=f"'{loss}' can't learn from the probabilities .* softmax, .*sigmoid"):
        TagHeads(4, {"topics": ConceptFacts(3, "probabilities")}, TagSettings(loss=loss))


def test_every_concept_set_has_its_own_loss_and_weight() -> None:
    torch.manual_seed(0)
    sets = {"words": ConceptFacts(5), "topics": ConceptFacts(3, "probabilities")}
    settings = TagSettings(losses={"topics": "sigmoid"}, set_weights={"topics": 0.5})
    heads, grid = TagHeads(4, sets, settings), torch.randn(2, 4, 1, 1)
    words, topics = tags([(0, 0, 1.0), (1, 4, 1.0)]), tags([(0, 1, 0.4), (0, 2, 0.6), (1, 0, 1.0)])
    total, parts = heads.loss(grid, {"words": words, "topics": topics})
    logits = heads(grid)
    of_words = tag_loss(logits["words"], words, "softmax")
    of_topics = tag_loss(logits["topics"], topics, "sigmoid", "probabilities")
    assert torch.allclose(total, of_words + 0.5 * of_topics)
    assert torch.allclose(parts["tag_words"], of_words) and torch.allclose(parts["tag_topics"], of_topics)


def test_two_sets_of_probabilities_are_the_sum_over_two_heads_of_patel() -> None:
    torch.manual_seed(0)
    facts = ConceptFacts(3, "probabilities")
    heads = TagHeads(4, {"article": facts, "caption": facts}, TagSettings(loss="sigmoid"))
    grid, dense = torch.randn(2, 4, 1, 1), {name: torch.rand(2, 3) for name in ("article", "caption")}
    image, concept = torch.ones(2, 3).nonzero(as_tuple=True)
    pairs = {name: Tags(image, concept, values.flatten(), image) for name, values in dense.items()}
    logits = heads(grid)
    expected = sum(binary(logits[name], dense[name], image) for name in dense)
    assert torch.allclose(heads.loss(grid, pairs)[0], torch.as_tensor(expected))


def test_losses_of_concepts_one_by_one_begin_at_a_chance_of_one_in_a_hundred() -> None:
    heads = TagHeads(4, {"words": ConceptFacts(5)}, TagSettings(loss="sigmoid"))
    assert torch.allclose(heads(torch.zeros(1, 4, 2, 2))["words"].sigmoid(), torch.full((1, 5), 0.01))
