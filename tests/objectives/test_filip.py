"""FILIP's scores are the means of maxima of its equations, in training and in evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

import wordsight
from tests.conftest import MakeCorpus
from tests.objectives.towers import (
    SETTINGS,
    STEP,
    assert_a_stopped_run_goes_on_to_the_same_numbers,
    assert_same_value_and_gradient,
    assert_two_processes_equal_one,
    step,
    towers,
)
from wordsight.batching.fields.texts import Texts
from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.device import autocast
from wordsight.objectives import Seen, mean_maxima, parts_of
from wordsight.objectives.filip import Filip
from wordsight.objectives.mean_maxima import mean_maxima as maxima
from wordsight.objectives.two_towers import Matching, matching
from wordsight.training.run import Run
from wordsight.vision.views import ViewSettings, eval_view, prepare, stack

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230), "white": (255, 255, 255)}


def filip(**values: object) -> Filip:
    built = towers("filip", **values)
    assert isinstance(built, Filip)
    return built


def by_loop(cells_BLZ: Tensor, captions: list[Tensor], found: Matching, scale: Tensor) -> Tensor:
    """Equations 1 to 5, a pair at a time; of several captions each by itself against others' captions."""
    images, texts = range(len(cells_BLZ)), range(len(captions))
    # Equation 4: each cell by the token that is most like it; equation 5: each token by the cell that is.
    by_cells = [
        [torch.stack([torch.stack([f @ g for g in captions[j]]).max() for f in cells_BLZ[i]]).mean() for j in texts]
        for i in images
    ]
    by_tokens = [
        [torch.stack([torch.stack([f @ g for f in cells_BLZ[i]]).max() for g in captions[j]]).mean() for j in texts]
        for i in images
    ]
    losses = []
    for j, k in enumerate(found.image_T.tolist()):
        others = [t for t in texts if found.negative_BT[k, t]]
        rivals = [i for i in images if found.negative_BT[i, j]]
        to_text = torch.stack([by_cells[k][j], *(by_cells[k][t] for t in others)])
        to_image = torch.stack([by_tokens[k][j], *(by_tokens[i][j] for i in rivals)])
        for scores in (to_text, to_image):
            losses.append(-torch.log_softmax(scale * scores, 0)[0])
    return torch.stack(losses).sum() / 2 / len(captions)


@pytest.mark.parametrize("special_tokens", [True, False])
@pytest.mark.parametrize("products", [1 << 24, 50])
def test_the_loss_and_its_gradients_are_those_of_a_loop_over_the_equations(
    special_tokens: bool, products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mean_maxima, "_PRODUCTS", products)
    objective, drawn = filip(captions=2, special_tokens=special_tokens), step(*STEP)
    embedded = {
        name: rows.detach().requires_grad_()
        for name, rows in objective.embed(Seen(objective.backbone, drawn), drawn).items()
    }
    ours = objective.compare(embedded, drawn).total
    found = matching(drawn)
    counts = drawn.of(Texts).present_BcT.sum(-1).flatten()[found.real_n]
    counts = counts if special_tokens else counts - 2
    rows = embedded["tokens"].flatten(0, 1)[found.real_n]
    theirs = by_loop(
        embedded["cells"],
        [row[:count] for row, count in zip(rows, counts, strict=True)],
        found,
        objective.log_scale.exp(),
    )
    assert_same_value_and_gradient(ours, theirs, [*embedded.values(), objective.log_scale])


def test_maxima_of_captions_of_other_lengths_are_those_of_a_loop() -> None:
    torch.manual_seed(0)
    cells, tokens = (
        functional.normalize(torch.randn(*shape), dim=-1).requires_grad_() for shape in ((3, 5, 4), (7, 6, 4))
    )
    lengths = torch.tensor([6, 1, 3, 2, 6, 4, 5])
    weight = torch.randn(2, 3, 7)
    ours = maxima(cells, tokens, lengths)
    alike = torch.einsum("ilz,jsz->ijls", cells, tokens)
    theirs = [
        torch.stack(
            [torch.stack([alike[i, j, :, :n].amax(axis).mean() for j, n in enumerate(lengths)]) for i in range(3)]
        )
        for axis in (1, 0)
    ]
    assert_same_value_and_gradient(
        (torch.stack(list(ours)) * weight).sum(), (torch.stack(theirs) * weight).sum(), [cells, tokens]
    )


def test_padding_has_no_part_in_the_loss() -> None:
    objective, drawn = filip(captions=2), step(*STEP)
    embedded = {n: rows.detach() for n, rows in objective.embed(Seen(objective.backbone, drawn), drawn).items()}
    present = drawn.of(Texts).present_BcT[..., None]
    other = {**embedded, "tokens": torch.where(present, embedded["tokens"], torch.full((), 9.0))}
    assert not torch.equal(other["tokens"], embedded["tokens"])
    assert torch.equal(objective.compare(other, drawn).total, objective.compare(embedded, drawn).total)


def _longer_in_one_process(rank: int, world: int) -> wordsight.batching.batch.Batch:
    """The share of a process: that of the first is padded to more tokens."""
    drawn = step(*STEP, rank, world)
    if world == 1 or rank == 0:
        texts = drawn.of(Texts)
        more = (0, 2)
        padded = Texts(
            functional.pad(texts.ids_BcT, more), functional.pad(texts.present_BcT, more), texts.weight_Bc, texts.text_Bc
        )
        drawn.fields["texts"] = padded  # type: ignore[index]
    return drawn


def test_two_processes_have_the_loss_and_gradients_of_one_whatever_each_pads_to(tmp_path: Path) -> None:
    assert_two_processes_equal_one(lambda: filip(captions=2), _longer_in_one_process, tmp_path)


def test_blocks_hold_no_more_products_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mean_maxima, "_PRODUCTS", 3 * 5 * 6 * 2)
    assert [block.stop - block.start for block in mean_maxima._blocks(7, 3 * 5 * 6)] == [2, 2, 2, 2]
    assert len(mean_maxima._blocks(7, 10**9)) == 7


def test_texts_are_read_as_tokens_with_zeros_where_they_end() -> None:
    both, words = filip(), filip(special_tokens=False)
    with torch.no_grad():
        found, fewer = both.embed_texts(["a dog runs here", "a"]), words.embed_texts(["a dog runs here", "a"])
    assert found.ne(0).any(-1).sum(1).tolist() == [6, 3]
    assert fewer.ne(0).any(-1).sum(1).tolist() == [4, 1]
    torch.testing.assert_close(fewer[0, :4], found[0, 1:5])


def scores_by_loop(run: Run, images_BCHW: Tensor, texts: list[str]) -> np.ndarray:
    """The mean of equations 4 and 5, which evaluation ranks by in both directions."""
    (objective,) = parts_of(run.objective().eval(), Filip)
    with torch.no_grad(), autocast(torch.device("cpu")):
        cells, tokens = objective.embed_images(images_BCHW).float(), objective.embed_texts(texts).float()
    found = np.zeros((len(cells), len(texts)))
    for i, image in enumerate(functional.normalize(cells, dim=-1)):
        for j, text in enumerate(functional.normalize(tokens, dim=-1)):
            products = [[float(cell @ token) for token in text if token.any()] for cell in image]
            found[i, j] = (np.max(products, 1).mean() + np.max(products, 0).mean()) / 2
    return found


def pictures(corpus: Corpus, examples: NDArray[np.int64], side: int) -> Tensor:
    return prepare(stack([eval_view(corpus.image_bytes(int(i)), side) for i in examples]))


def test_a_run_is_trained_resumed_and_told_classes_apart_as_by_a_loop(coloured_squares: Corpus, tmp_path: Path) -> None:
    run = assert_a_stopped_run_goes_on_to_the_same_numbers(coloured_squares, tmp_path, "filip")
    (found,) = wordsight.evaluate(run, task=f"corpus:{coloured_squares.path}", protocol="zero-shot", device="cpu")
    assert found.settings["similarity"] == "cosine, late interaction"
    examples, names = coloured_squares.indices("test"), coloured_squares.label_names
    scores = scores_by_loop(run, pictures(coloured_squares, examples, 16), [f"a photo of a {name}." for name in names])
    right = [
        names[guess] in coloured_squares.captions(int(i))[0]
        for guess, i in zip(scores.argmax(1), examples, strict=True)
    ]
    assert found.value == pytest.approx(100 * np.mean(right))


def test_retrieval_ranks_as_a_loop_does(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    kinds, does = ("dog", "cat", "horse", "bird"), ("runs", "sleeps", "eats", "jumps")
    captions = [[f"a {kind} {verb} here", f"one {kind} that {verb}"] for kind in kinds for verb in does]
    # All words stand in captions of both splits.
    corpus = make_corpus(captions, ["train", "test", "train", "test", "test", "train", "test", "train"] * 2)
    run = wordsight.pretrain(replace(SETTINGS, objective="filip", epochs=3), corpus=corpus, out=tmp_path / "run")
    to_text, to_image = wordsight.evaluate(run, corpus=corpus, device="cpu")
    examples = corpus.indices("test")
    texts = [caption for i in examples for caption in corpus.captions(int(i))]
    scores = scores_by_loop(run, pictures(corpus, examples, 16), texts)
    assert len(np.unique(scores)) == scores.size, "ties would be told by chance"
    own = np.arange(len(texts)) // 2
    first = np.mean([own[row.argmax()] == i for i, row in enumerate(scores)])
    assert to_text.part == "image-to-text" and to_text.value == pytest.approx(100 * first)
    first = np.mean([column.argmax() == image for column, image in zip(scores.T, own, strict=True)])
    assert to_image.part == "text-to-image" and to_image.value == pytest.approx(100 * first)


class TwoSquares:
    """Squares of two colours in two corners of each picture, the rest grey; the caption says which colours."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.corners = folder, [list(pair) for pair in itertools.permutations(range(4), 2)]

    def __iter__(self) -> Iterator[Example]:
        for k, (names, corners) in enumerate(itertools.product(itertools.combinations(COLOURS, 2), self.corners)):
            pixels = np.full((32, 32, 3), 128, np.uint8)
            for name, corner in zip(names, corners, strict=True):
                top, left = 16 * (corner // 2), 16 * (corner % 2)
                pixels[top + 2 : top + 14, left + 2 : left + 14] = COLOURS[name]
            Image.fromarray(pixels).save(self.folder / f"{k}.png")
            said = (f"{names[0]} and {names[1]}", f"{names[1]} and {names[0]}")
            yield Example(f"{k}", self.folder / f"{k}.png", captions=said)

    def sources(self) -> list[str]:
        return ["squares of a test"]

    def label_names(self) -> list[str]:
        return []


def test_a_word_is_most_like_the_place_that_it_names(tmp_path: Path) -> None:
    """The paper's Section 4.4: words find their patches, though no one has said where anything is."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    corpus = build_corpus(TwoSquares(folder), tmp_path / "corpus")
    settings = replace(
        SETTINGS,
        objective="filip",
        image_size=32,
        epochs=30,
        batch_size=24,
        view=ViewSettings(crop_scale=1.0, flip=0.5),
    )
    run = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "run")
    objective = run.objective().eval()
    assert isinstance(objective, Filip)
    with torch.no_grad():
        cells_BLZ = functional.normalize(objective.embed_images(pictures(corpus, corpus.indices(), 32)), dim=-1)
        words = {name: functional.normalize(objective.embed_texts([name])[0, 1], dim=0) for name in COLOURS}
    right = []
    for i, cells_LZ in enumerate(cells_BLZ):
        side = round(len(cells_LZ) ** 0.5)
        pixels = np.asarray(Image.open(BytesIO(corpus.image_bytes(i))))
        for name in corpus.captions(i)[0].split(" and "):
            row, column = divmod(int((cells_LZ @ words[name]).argmax()), side)
            top, left = 16 * (2 * row // side), 16 * (2 * column // side)
            # Stored pictures are compressed.
            right.append(np.abs(pixels[top + 8, left + 8] - np.array(COLOURS[name])).max() < 30)
    assert np.mean(right) > 0.5, "a quarter would be chance"
