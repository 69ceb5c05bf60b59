"""Retrieval: open_clip's figures on the same embeddings, class-level precision, projections, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.evaluation.colour_words import (
    COLOURS,
    TinyClip,
    TinyFilip,
    coloured_corpus,
    independent_embeddings,
    tag_model,
    topic_set,
    words_of,
)
from tests.evaluation.conftest import MadeReader, encoded, picture, shrinking_backbone
from wordsight.corpus import Corpus, Example, build_corpus
from wordsight.corpus.encoded_images import CorpusImages
from wordsight.errors import InputError
from wordsight.evaluation import CorpusSplit, EvaluatedModel, Result
from wordsight.evaluation.features.extract import view_batches
from wordsight.evaluation.image_text.cca import Projections, TrainingPairs, projected
from wordsight.evaluation.image_text.pairs import image_text_pairs, one_text_each
from wordsight.evaluation.image_text.queries import TextQuery
from wordsight.evaluation.image_text.ranks import pair_ranks
from wordsight.evaluation.image_text.tower_side import TowerSide
from wordsight.evaluation.methods import retrieval
from wordsight.evaluation.methods.retrieval import RetrievalSettings
from wordsight.evaluation.protocol import Method, read_protocol
from wordsight.objectives import Facts
from wordsight.objectives.rotation import Rotation, RotationSettings
from wordsight.vision.views import prepare

METHODS = {"retrieval": Method(CorpusSplit, RetrievalSettings, retrieval.measure, heads=True)}


def asked(
    model: EvaluatedModel, corpus: Corpus, protocol: str = "retrieval", split: str = "test", **changes: Any
) -> list[Result]:
    """The results of a protocol, some of its settings changed."""
    pinned = read_protocol(protocol, METHODS)
    changed = replace(pinned, settings=replace(pinned.settings, **changes))
    return retrieval.measure(model, CorpusSplit(corpus, split), changed)


def test_the_protocols_are_whole() -> None:
    assert read_protocol("retrieval", METHODS).settings == RetrievalSettings()
    patel = read_protocol("patel-retrieval", METHODS).settings
    assert (patel.texts, patel.metric, patel.similarity) == ("joined", "class-map", "kl")


def test_figures_are_open_clip_s_on_the_same_embeddings(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus, clip = coloured_corpus(tmp_path / "corpus", 5), TinyClip(seed=1)
    to_text, to_image = asked(replace(model, objective=clip), corpus, texts="joined")
    images = prepare(torch.cat(list(view_batches(CorpusImages(corpus), model.image_size))))
    seen, said = independent_embeddings(clip, images, [" ".join(corpus.captions(i)) for i in range(len(corpus))])
    logits = 100 * seen @ said.T
    for result, scores in ((to_text, logits), (to_image, logits.T)):
        places = torch.where(scores.argsort(dim=-1, descending=True) == torch.arange(len(scores))[:, None])[1].numpy()
        assert result.value == pytest.approx(100 * np.mean(places < 1))
        assert result.more["R@5"] == pytest.approx(100 * np.mean(places < 5))
        assert result.more["R@10"] == pytest.approx(100 * np.mean(places < 10))
        assert result.more["median rank"] == np.floor(np.median(places)) + 1
    assert (to_text.part, to_image.part) == ("image-to-text", "text-to-image")


def test_late_interaction_retrieves_beside_the_same_projections(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 5)
    for result in asked(replace(model, objective=TinyFilip(seed=1)), corpus):
        assert result.settings["similarity"] == "cosine, late interaction"
        assert 0 < result.value < 100


def test_of_several_captions_the_best_ranked_counts(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 1)
    concepts = words_of(corpus)
    seer = tag_model(model, [1.0] * len(concepts), words=concepts)
    to_text, to_image = asked(seer, corpus)
    assert (to_text.value, to_image.value) == (100, 100)
    assert to_text.counts == {"images": 3, "of_images": 3, "texts": 6, "known_texts": 6}
    # By chance one of the two captions of an image is first among six in a third of the orders.
    assert to_text.baselines["chance"] == pytest.approx(100 / 3)
    assert to_image.baselines["chance"] == pytest.approx(100 / 3)
    assert to_text.baselines["chance, median rank"] == pytest.approx(7 / 3)
    # Three images that are all right leave room for others that are not.
    assert list(to_text.interval or ()) == list(to_image.interval or ()) == [pytest.approx(43.9, abs=0.1), 100]
    # Beside each other for paired tests: both are told image by image.
    for result in (to_text, to_image):
        assert result.outcomes is not None
        assert (len(result.outcomes), result.outcomes.value) == (3, result.value)
    assert to_text.random_weights is not None
    assert to_text.random_weights < 100


def test_class_level_precision_where_the_corpus_has_labels(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 3, labelled=True)
    concepts = words_of(corpus)
    seer = tag_model(model, [1.0] * len(concepts), words=concepts)
    to_text, to_image = asked(seer, corpus)
    assert to_image.more["class-level mAP"] == pytest.approx(100)
    assert to_text.more["class-level mAP"] > 95
    assert 30 < to_text.baselines["chance, class-level mAP"] < 60
    assert "class-level mAP" not in asked(seer, coloured_corpus(tmp_path / "plain", 3))[0].more


def test_patel_s_protocol_ranks_by_the_divergence_of_topics(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 3, labelled=True)
    topics = topic_set(corpus, np.eye(3)[np.repeat([0, 1, 2], 3)], "probabilities")
    to_text, to_image = asked(tag_model(model, topics=topics), corpus, "patel-retrieval")
    assert to_text.metric == "class-level mAP"
    assert to_text.value == pytest.approx(100)
    assert to_image.value == pytest.approx(100)
    assert to_text.counts["texts"] == 9
    assert set(to_text.more) == {"R@1", "R@5", "R@10", "median rank"}
    assert to_text.settings["similarity"] == "kl"
    with pytest.raises(InputError, match="plain-test: no image has a label to tell right from wrong by"):
        asked(tag_model(model, topics=topics), coloured_corpus(tmp_path / "plain", 3), "patel-retrieval")


def test_projections_are_learned_from_the_training_split(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 10, ("train", "test"), labelled=True)
    concepts = words_of(corpus)
    seer = tag_model(model, [1.0] * len(concepts), words=concepts)
    to_text, to_image = asked(seer, corpus, dimensions=3, principal=8)
    for name in ("CCA", "PLS", "kernel CCA"):
        assert to_image.baselines[f"{name}, class-level mAP"] > to_image.baselines["chance, class-level mAP"] + 5
        assert name in to_text.baselines
    assert not any("CCA" in warning for warning in to_text.warnings)
    (warning,) = [one for one in asked(seer, corpus, split="train", random_init=False)[0].warnings if "CCA" in one]
    assert "no other split called train" in warning
    few = asked(seer, corpus, most_pairs=10, random_init=False)[0]
    assert any("has 10 pairs to learn from" in one for one in few.warnings)


def blind(model: EvaluatedModel, corpus: Corpus) -> EvaluatedModel:
    """Its backbone gives zeros for every image."""
    concepts = words_of(corpus)
    seer = tag_model(model, [1.0] * len(concepts), words=concepts)
    assert seer.objective is not None
    seer.objective.backbone = shrinking_backbone(0.0, 0.0, 0.0)
    return replace(seer, backbone=shrinking_backbone(0.0, 0.0, 0.0))


def test_features_that_are_all_the_same_give_chance_and_a_warning(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 10, ("train", "test"))
    to_text, to_image = asked(blind(model, corpus), corpus, dimensions=2)
    for result in (to_text, to_image):
        assert result.value == pytest.approx(result.baselines["chance"], abs=1e-6)
        assert any("it sees no difference between the images, so this is chance" in one for one in result.warnings)
        assert any("the features of the split train are all the same" in one for one in result.warnings)
        assert not result.own_baselines


def test_texts_that_are_all_the_same_have_no_projection_beside_them(model: EvaluatedModel, tmp_path: Path) -> None:
    said = [
        Example(
            f"{split}{i}.png",
            encoded(picture(COLOURS["red"], noise=100 * k + i)),
            captions=("a red square",),
            split=split,
        )
        for k, split in enumerate(("train", "test"))
        for i in range(30)
    ]
    corpus = build_corpus(MadeReader(said), tmp_path / "corpus")
    concepts = words_of(corpus)
    to_text, _ = asked(tag_model(model, [1.0] * len(concepts), words=concepts), corpus, dimensions=2)
    assert any("the texts' vectors of the split train are all the same" in one for one in to_text.warnings)


@pytest.mark.parametrize("protocol", ["retrieval", "patel-retrieval"])
def test_outcomes_of_each_image_are_kept_also_where_images_have_more_or_fewer_captions(
    model: EvaluatedModel, tmp_path: Path, protocol: str
) -> None:
    random = np.random.default_rng(0)
    said = [
        Example(
            f"{i}.png",
            encoded(picture(COLOURS[name], noise=i)),
            captions=tuple(f"a {name} square number {i} {k}" for k in range(random.integers(1, 5))),
            labels=(name,) if i % 4 else (),
            split="test",
        )
        for i, name in enumerate(list(COLOURS) * 8)
    ]
    corpus = build_corpus(MadeReader(said), tmp_path / "corpus")
    changes: dict[str, Any] = {"text_side": "auto", "similarity": "auto", "texts": "captions"}
    results = asked(replace(model, objective=TinyClip()), corpus, protocol, random_init=False, **changes)
    for result in results:
        assert result.outcomes is not None
        assert len(result.outcomes) == 24
        assert result.outcomes.value == pytest.approx(result.value)
        wanted = {name: value for name, value in result.more.items() if name != "median rank"}
        assert result.outcomes.more == {name: pytest.approx(value) for name, value in wanted.items()}
        low, high = result.interval or (100, 0)
        assert low <= result.value <= high


def test_projections_find_what_two_sides_have_in_common() -> None:
    random = np.random.default_rng(0)
    hidden = random.normal(size=(400, 3))
    features = (hidden @ random.normal(size=(3, 20)) + 0.3 * random.normal(size=(400, 20))).astype(np.float32)
    vectors = (hidden @ random.normal(size=(3, 15)) + 0.3 * random.normal(size=(400, 15))).astype(np.float32)
    known = np.ones(100, dtype=np.bool_)
    known[0] = False
    found = dict(
        projected(
            TrainingPairs(features[:300], vectors[:300]), features[300:], vectors[300:], known, Projections(10, 3, 100)
        )
    )
    for name, least in (("CCA", 0.6), ("PLS", 0.5), ("kernel CCA", 0.3)):
        by_image, by_text = pair_ranks(found[name], np.arange(100))
        assert by_image.within(5).mean() > least
        assert by_text.within(5).mean() > least
        assert by_image.mean_n[0] == 100


def test_cca_is_scikit_learn_s_own() -> None:
    from sklearn.cross_decomposition import CCA

    random = np.random.default_rng(1)
    sides = [random.normal(size=(60, 4)) for _ in range(2)]
    sides[1][:, :2] = sides[0][:, :2] + np.array([0.05, 0.3]) * sides[1][:, :2]
    learned = [side.astype(np.float32) for side in sides]
    sizes, known = Projections(4, 2, 20), np.ones(60, dtype=np.bool_)
    (name, compared), *_ = projected(TrainingPairs(*learned), learned[0], learned[1], known, sizes)
    assert name == "CCA"
    images, _ = CCA(2, tol=1e-9).fit(*learned).transform(*learned)
    # Whatever is rotated or scaled before it, CCA finds the same directions; of vectors of one scale, the same angles.
    ours = compared.images.block(slice(0, 60)).numpy()
    theirs = images / np.linalg.norm(images, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(ours @ ours.T), np.abs(theirs @ theirs.T), atol=0.02)


def test_one_text_each_goes_around_the_captions(tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 1)
    shown = image_text_pairs(corpus, np.arange(3), "captions", TowerSide(TinyClip(), torch.device("cpu")))
    captions = [corpus.captions(i)[i % 2] for i in range(3)]
    assert [text.captions[0] for text in one_text_each(shown).texts] == captions
    joined = image_text_pairs(corpus, np.arange(3), "joined", TowerSide(TinyClip(), torch.device("cpu")))
    assert joined.texts[0] == TextQuery(tuple(corpus.captions(0)))
    assert (
        len(image_text_pairs(corpus, np.arange(3), "articles", TowerSide(TinyClip(), torch.device("cpu"))).texts) == 0
    )


def test_what_can_t_be_asked_is_refused(model: EvaluatedModel, tmp_path: Path) -> None:
    corpus = coloured_corpus(tmp_path / "corpus", 1)
    clip = replace(model, objective=TinyClip())
    turning = replace(model, objective=Rotation(shrinking_backbone(), Facts(), RotationSettings()))
    with pytest.raises(InputError, match="can't compare images with texts"):
        asked(turning, corpus)
    bare = coloured_corpus(tmp_path / "bare", 1, captioned=False, labelled=True)
    with pytest.raises(InputError, match="bare: 0 images of the split 'test' have a caption; expected two at least"):
        asked(clip, bare)
    with pytest.raises(InputError, match="0 images of the split 'test' have an article"):
        asked(clip, corpus, texts="articles")
    with pytest.raises(InputError, match="1 images of the split 'test' have a caption"):
        asked(clip, corpus, most_images=1)
    unknown = topic_set(corpus, np.zeros((3, 4)))
    unknown.names[:] = ["w", "x", "y", "z"]
    with pytest.raises(InputError, match="know nothing of any of the texts"):
        asked(tag_model(model, words=unknown), corpus)
