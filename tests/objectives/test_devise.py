"""DeViSE's loss is Equation 1; an image comes close to words that it has, and to such as were never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import wordsight
from tests.conftest import MakeCorpus
from tests.objectives.towers import (
    SETTINGS,
    Flat,
    assert_a_stopped_run_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
)
from wordsight.batching.batch import Batch
from wordsight.batching.fields.tags import Tags
from wordsight.batching.fields.word_vectors import NothingDrawn, WordVectorFacts
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.evaluation.protocol import FOLDER
from wordsight.language.model import LanguageModel
from wordsight.language.word_vectors import WordVectors
from wordsight.objectives import Facts, ImageTextObjective, build_objective, parts_of
from wordsight.objectives.devise import Devise, hinge_rank_loss
from wordsight.training.run import Run
from wordsight.vision.backbones import Backbone

# The concepts of six images; one has none.
CONCEPTS = [[0], [1, 3], [], [2, 0, 1], [3], [1]]


def tags(concepts: Sequence[Sequence[int]]) -> Tags:
    pairs = [(image, concept) for image, some in enumerate(concepts) for concept in some]
    image_P, concept_P = (torch.tensor(column) for column in zip(*pairs, strict=True))
    return Tags(image_P, concept_P, torch.ones(len(pairs)), torch.zeros(len(concepts), dtype=torch.int64))


def by_loops(scores: Tensor, concepts: Sequence[Sequence[int]], margin: float) -> Tensor:
    """Equation 1 as it stands, for each concept of an image; their mean, and the mean over images that have one."""
    of_images, none = [], torch.zeros(())
    for image, own in enumerate(concepts):
        if not own:
            continue
        of_image = none
        for right in own:
            for wrong in (k for k in range(scores.shape[1]) if k not in own):
                of_image = of_image + torch.maximum(margin - scores[image, right] + scores[image, wrong], none)
        of_images.append(of_image / len(own))
    return torch.stack(of_images).mean()


def test_the_loss_and_its_gradients_are_equation_1() -> None:
    scores = (0.1 * torch.randn(6, 5)).requires_grad_()
    ours, ranked = hinge_rank_loss(scores, tags(CONCEPTS), 0.1)
    assert_same_value_and_gradient(ours, by_loops(scores, CONCEPTS, 0.1), [scores])
    right = [
        scores[i, a] > scores[i, b] for i, own in enumerate(CONCEPTS) for a in own for b in range(5) if b not in own
    ]
    assert float(ranked) == pytest.approx(sum(map(float, right)) / len(right))


def devise() -> Devise:
    torch.manual_seed(0)
    names = functional.normalize(torch.randn(5, 4), dim=1)
    facts = Facts({"word-vectors": WordVectorFacts("concepts", names, cast(WordVectors, None))})
    built = build_objective("devise", {}, Backbone(Flat(), {"grid": ""}, 6), facts)
    assert isinstance(built, Devise)
    return built


def share(rank: int, world: int) -> Batch:
    pixels = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    fields = {"tags": {"concepts": tags(CONCEPTS[rank::world])}, "word-vectors": NothingDrawn()}
    return Batch.of_images(pixels[rank::world], torch.arange(6)[rank::world], fields=fields)


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    def loss_alone() -> Devise:
        objective = devise()
        # Numbers beside the loss are means of this process's images, as all are in training.
        objective.register_forward_hook(lambda _, __, found: {"loss": _averaged(found["loss"])})
        return objective

    assert_two_processes_equal_one(loss_alone, share, tmp_path)


def _averaged(loss: Tensor) -> Tensor:
    import torch.distributed as dist

    if not dist.is_initialized():
        return loss
    others = loss.detach().clone()
    dist.all_reduce(others)
    # The value is the mean over processes, the gradient this process's.
    return loss + (others / 2 - loss.detach())


def test_a_step_in_pieces_has_the_loss_and_gradients_of_the_whole() -> None:
    objective, batch = devise(), share(0, 1)
    whole = objective(batch)["loss"]
    pieces = torch.stack([objective(piece)["loss"] for piece in batch.split(3)]).mean()
    assert_same_value_and_gradient(pieces, whole, [objective.projection.weight])


LABELS = {"kind": "labels"}


def test_a_stopped_run_goes_on_to_the_same_numbers_and_answers(
    coloured_squares: Corpus, minilm: LanguageModel, tmp_path: Path
) -> None:
    run = assert_a_stopped_run_goes_on_to_the_same_numbers(
        coloured_squares, tmp_path, "devise", small_towers=False, concepts=LABELS
    )
    assert run.info.language == "minilm"
    found = wordsight.evaluate(run, corpus=coloured_squares)
    assert {result.protocol for result in found} == {"retrieval"}
    (one,), (other,) = (parts_of(Run.open(run.path).objective(), ImageTextObjective) for _ in range(2))
    assert torch.equal(one.embed_texts(["a red square"]), other.embed_texts(["a red square"]))


@pytest.mark.parametrize("kind", ["contextual", "vocabulary"])
def test_an_image_is_asked_for_words_that_were_never_trained_on(
    coloured_squares: Corpus, minilm: LanguageModel, tmp_path: Path, kind: str
) -> None:
    run = wordsight.pretrain(
        SETTINGS,
        corpus=coloured_squares,
        out=tmp_path / "run",
        objective="devise",
        objective_settings={"word_vectors": kind},
        concepts=LABELS,
    )
    names = tmp_path / "names.csv"
    names.write_text("class,name\nred,reddish\ngreen,greenish\nblue,bluish\ngrey,gray\n")
    protocol = tmp_path / "other-words.yaml"
    usual = (FOLDER / "zero-shot.yaml").read_text()
    protocol.write_text(usual.replace("a photo of a {}.", "{}").replace('names: ""', f"names: {names}"))
    found = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol=str(protocol))
    assert found[0].metric == "top-1 accuracy" and found[0].value > 70


BAD = [
    ({"kind": "topics", "size": 2, "min_count": 1}, "concepts of the kind 'topics' are not called by words"),
    ({"kind": "words", "size": 1, "stop": 0}, "one concept alone, "),
    ({}, "needs concepts"),
    ({"a": {"kind": "words", "size": 2}, "b": {"kind": "labels"}}, "there are 2 concept sets: a, b"),
]


@pytest.mark.parametrize(("concepts", "says"), BAD)
def test_concepts_that_have_no_words_are_refused_in_one_line(
    make_corpus: MakeCorpus, minilm: LanguageModel, tmp_path: Path, concepts: Any, says: str
) -> None:
    corpus = make_corpus([["a dog runs there"], ["a cat runs there"]] * 2, labels=[["dog"], ["cat"]] * 2)
    given: dict[str, Any] = {"objective": "devise", "objective_settings": {}, "concepts": concepts, "batch_size": 2}
    with pytest.raises(InputError, match=says) as caught:
        wordsight.pretrain(SETTINGS, corpus=corpus, out=tmp_path / "run", **given)
    assert "\n" not in str(caught.value)
