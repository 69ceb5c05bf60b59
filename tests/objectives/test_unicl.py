"""UniCL's loss is Equations 3 to 5: supervised contrast across images and texts, CLIP's where all labels differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
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
    STEP,
    TOWER,
    WORDS,
    Flat,
    assert_a_stopped_run_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
    step,
    whose,
)
from wordsight.batching.batch import Batch
from wordsight.batching.fields.labelled_texts import LabelledTextFacts, LabelledTexts
from wordsight.batching.fields.texts import Texts
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.text_tokenizer import TextTokenizer
from wordsight.language.wordpiece import SPECIAL
from wordsight.objectives import Facts, build_objective, objective_chances
from wordsight.objectives.clip import contrastive_loss
from wordsight.objectives.two_towers import TwoTowers, matching
from wordsight.objectives.unicl import UniCl, label_matching, unified_loss
from wordsight.vision.backbones import Backbone

# Of the texts of `STEP`, which are about a class; the classes of its images, and those to ignore.
CLASSES = [[-1, 0], [1, -1], [-1, 0], [-1, -1], [-1, -1], [1, -1]]
LABELS = [[0, -1], [1, 0], [0, -1], [0, -1], [-1, -1], [1, -1]]
IGNORED = [[-1, -1], [-1, -1], [-1, 1], [-1, -1], [-1, 0], [-1, -1]]


def unicl(**values: object) -> UniCl:
    torch.manual_seed(0)
    reader = TextTokenizer.of_vocabulary([*SPECIAL, *WORDS], max_tokens=8)
    facts = Facts({"labelled-texts": LabelledTextFacts(reader)}, images=6)
    backbone = Backbone(Flat(), {"grid": ""}, 6)
    built = build_objective("unicl", {"width": 5, "text_tower": TOWER, **values}, backbone, facts)
    assert isinstance(built, UniCl)
    return built


def labelled(
    examples: Sequence[int],
    texts: Sequence[Sequence[int]],
    classes: Sequence[Sequence[int]],
    labels: Sequence[Sequence[int]],
    ignored: Sequence[Sequence[int]],
    rank: int = 0,
    world: int = 1,
) -> Batch:
    plain = step(examples, texts, rank, world)
    mine = slice(rank, None, world)
    drawn = plain.of(Texts)
    held = {each.name: getattr(drawn, each.name) for each in fields(drawn)}
    of_classes, of_images, left_out = (torch.tensor(values)[mine] for values in (classes, labels, ignored))
    texts_and_labels = LabelledTexts(**held, class_Bc=of_classes, label_Bm=of_images, ignored_Bm=left_out)
    return Batch(plain.views, plain.examples_B, {"labelled-texts": texts_and_labels})


def share(rank: int, world: int) -> Batch:
    return labelled(*STEP, CLASSES, LABELS, IGNORED, rank, world)


def by_loops(logits: Tensor, image_labels: Sequence[set[str]], text_label: Sequence[str]) -> Tensor:
    """Equations 4 and 5 as they stand, as means; a text's one label is among those of the images it is right for."""
    to_text, to_image = [], []
    for i, own in enumerate(image_labels):
        right = [k for k, label in enumerate(text_label) if label in own]
        total = sum(math.e ** logits[i, k] for k in range(len(text_label)))
        to_text.append(-sum((torch.log(math.e ** logits[i, k] / total) for k in right), torch.zeros(())) / len(right))
    for j, label in enumerate(text_label):
        right = [k for k, own in enumerate(image_labels) if label in own]
        total = sum(math.e ** logits[k, j] for k in range(len(image_labels)))
        to_image.append(-sum((torch.log(math.e ** logits[k, j] / total) for k in right), torch.zeros(())) / len(right))
    return (torch.stack(to_text).mean() + torch.stack(to_image).mean()) / 2


def test_the_loss_and_its_gradients_are_the_paper_s_formula() -> None:
    # Two classes, one image with both, and two captions.
    images = [{"dog"}, {"dog", "cat"}, {"cat"}, {"caption 1"}, {"caption 2", "dog"}]
    texts = ["dog", "cat", "cat", "caption 1", "caption 2"]
    positive = torch.tensor([[text in own for text in texts] for own in images])
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ours = unified_loss(logits, positive, torch.ones_like(positive))
    assert_same_value_and_gradient(ours, by_loops(logits, images, texts), [logits])


def test_with_labels_alone_it_is_supervised_contrast_across_images_and_texts() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="pytorch-metric-learning is not installed")
    images, texts = (torch.randn(7, 4).requires_grad_() for _ in range(2))
    labels = torch.tensor([0, 1, 1, 2, 0, 1, 3])
    # Of one tensor of labels for both, it leaves out the pairs of equal place.
    supervised = losses.SupConLoss(temperature=0.08)
    theirs = (
        supervised(images, labels, ref_emb=texts, ref_labels=labels.clone())
        + supervised(texts, labels, ref_emb=images, ref_labels=labels.clone())
    ) / 2
    positive = labels[:, None] == labels[None]
    cosine = functional.normalize(images, dim=1) @ functional.normalize(texts, dim=1).T
    ours = unified_loss(cosine / 0.08, positive, torch.ones_like(positive))
    assert_same_value_and_gradient(ours, theirs, [images, texts])


def test_with_captions_alone_it_is_clip_s() -> None:
    logits = torch.randn(6, 6).requires_grad_()
    positive = torch.eye(6, dtype=torch.bool)
    ours = unified_loss(logits, positive, torch.ones_like(positive))
    assert_same_value_and_gradient(ours, contrastive_loss(logits, whose(6, range(6))), [logits])


def test_a_text_is_right_for_images_of_its_class_and_counts_in_no_image_that_ignores_it() -> None:
    found = matching(share(0, 1), LabelledTexts)
    positive, counted = label_matching(share(0, 1), found)
    # The texts: 1, 2 (class 0) of image 0; 4 (class 1); 7, 8 (class 0); 2, 3; 9, 11; 12 (class 1).
    assert positive.int().tolist() == [
        # Captions 2 read alike, and image 3 is the same example as image 0.
        [1, 1, 0, 0, 1, 1, 1, 0, 0, 0],
        [0, 1, 1, 0, 1, 0, 0, 0, 0, 1],
        [0, 1, 0, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 1, 1, 0],
        [0, 0, 1, 0, 0, 0, 0, 0, 0, 1],
    ]
    assert [row.nonzero().flatten().tolist() for row in ~counted] == [[], [], [2, 9], [], [1, 4], []]


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    assert_two_processes_equal_one(lambda: unicl(captions=2), share, tmp_path)


def test_the_temperature_is_learned_and_never_below_a_hundredth() -> None:
    objective = unicl(captions=2)
    objective(share(0, 1))["loss"].backward()
    assert all(p.grad is not None for p in objective.parameters())
    with torch.no_grad():
        objective.log_scale.fill_(99)
    objective.after_update(0)
    assert float(objective.log_scale.detach().exp()) == pytest.approx(100)


def test_a_stopped_run_goes_on_to_the_same_numbers_and_answers(coloured_squares: Corpus, tmp_path: Path) -> None:
    run = assert_a_stopped_run_goes_on_to_the_same_numbers(coloured_squares, tmp_path, "unicl")
    assert run.info.fields["labelled-texts"]["classes"] == 4
    found = wordsight.evaluate(run, corpus=coloured_squares)
    assert {result.protocol for result in found} == {"retrieval"}
    assert (run.path / "labelled-texts-vocabulary.txt").is_file()


@pytest.mark.parametrize("kind", ["frozen", "scratch"])
def test_labels_alone_are_enough_for_zero_shot(
    make_corpus: MakeCorpus, coloured_squares: Corpus, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "frozen":
        request.getfixturevalue("minilm")
    tower = {**SETTINGS.objective_settings["text_tower"], "kind": kind}
    run = wordsight.pretrain(
        SETTINGS,
        corpus=coloured_squares,
        out=tmp_path / "run",
        objective="unicl",
        objective_settings={"width": 16, "text_tower": tower, "class_share": 1.0},
        epochs=15,
    )
    found = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot")
    best = next(result for result in found if result.metric == "top-1 accuracy")
    assert best.value > 70


BAD = [
    (
        [[], [], []],
        [["dog"], ["dog"], ["cat"]],
        ["train", "train", "test"],
        "all images of the split 'train' that have a label have one, 'dog', and none has a caption",
    ),
    (
        [[], [], ["a cat"]],
        [[], [], ["cat", "dog"]],
        ["train", "train", "test"],
        r"no example of the split 'train' has a caption or a label \(the corpus's cat, dog are labels of other images",
    ),
    ([[], []], [[], []], ["train", "train"], "no example of the split 'train' has a caption or a label; expected"),
    ([[], []], [["n01440764"], ["dog"]], ["train", "train"], "1 classes are called by numbers: n01440764"),
    ([[], []], [["French_horn"], ["French horn"]], ["train", "train"], "are both called 'French horn'"),
]


@pytest.mark.parametrize(("captions", "labels", "splits", "says"), BAD)
def test_what_leaves_nothing_to_tell_apart_is_refused_in_one_line(
    make_corpus: MakeCorpus, tmp_path: Path, captions: Any, labels: Any, splits: Any, says: str
) -> None:
    corpus = make_corpus(captions, splits, labels=labels)
    with pytest.raises(InputError, match=says) as caught:
        wordsight.pretrain("unicl-resnet18-small", corpus=corpus, out=tmp_path / "run", batch_size=2)
    assert "\n" not in str(caught.value)


def test_a_template_without_a_place_for_the_name_is_refused() -> None:
    with pytest.raises(InputError, match="templates: found 'a photo'"):
        unicl(templates=("a photo",))


@pytest.mark.parametrize("captions", [1, 3])
def test_chance_is_the_loss_of_even_scores_whatever_is_right(captions: int) -> None:
    positive_BT = torch.rand(6, 6 * captions) < 0.3
    positive_BT |= torch.arange(6)[:, None] == torch.arange(6 * captions)[None] % 6
    even = unified_loss(torch.zeros(6, 6 * captions), positive_BT, torch.ones_like(positive_BT))
    assert objective_chances("unicl", {"captions": captions}, 6)["loss"].loss == pytest.approx(float(even))


def test_one_caption_for_all_images_without_labels_is_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    alike = [["a dog runs here"]] * 8
    settings = replace(SETTINGS, objective="unicl", epochs=1)
    with pytest.raises(InputError, match="all captions of the 8 images read alike"):
        wordsight.pretrain(settings, corpus=make_corpus(alike), out=tmp_path / "run")
    # Their classes tell them apart.
    labelled = make_corpus(alike, labels=[["dog"], ["cat"]] * 4, name="labelled")
    assert wordsight.pretrain(settings, corpus=labelled, out=tmp_path / "run").info.finished


def test_beside_an_objective_on_captions_each_reads_its_own_texts(coloured_squares: Corpus, tmp_path: Path) -> None:
    parts = {name: {"kind": kind, **SETTINGS.objective_settings} for name, kind in (("a", "unicl"), ("b", "clip"))}
    run = wordsight.pretrain(
        SETTINGS,
        corpus=coloured_squares,
        out=tmp_path / "run",
        objective="weighted-sum",
        objective_settings={"objectives": parts},
        epochs=1,
    )
    labelled, plain = (cast(TwoTowers, part).text_tower.tokenizer.vocabulary for part in run.objective().inner())
    # Captions say nothing of photos.
    assert "photo" in labelled and "photo" not in plain
