"""A run of words is asked for tags without any caption being masked; concept sets that a run names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wordsight
from wordsight.concepts.cached import concept_set_for
from wordsight.corpus import BuildSettings, Corpus, Example, build_corpus
from wordsight.errors import InputError
from wordsight.objectives import ConceptFacts, Facts, TagFacts, build_objective
from wordsight.training.data import training_data
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import Run, new_backbone, write_start, write_weights
from wordsight.training.run_info import RunConcepts, RunInfo
from wordsight.vision.backbones import BackboneSettings

CAPTIONS = (("a dog runs fast", "en"), ("ein Hund rennt schnell", "de"))


class Pairs:
    """Eight pictures, half of them for training, with a caption in each of two languages."""

    # Of the even and of the odd test pictures.
    said = (CAPTIONS, (("a dog is slow", "en"), ("ein Hund ist langsam", "de")))

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __iter__(self) -> Iterator[Example]:
        random = np.random.default_rng(self.seed)
        for k in range(8):
            file = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file, "PNG")
            yield Example(f"{k}.png", file.getvalue(), split="train" if k < 4 else "test").saying(
                CAPTIONS if k < 4 else self.said[k % 2]
            )

    def sources(self) -> list[str]:
        return ["a test"]

    def label_names(self) -> list[str]:
        return []


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_corpus(Pairs(), tmp_path_factory.mktemp("joined") / "pairs", BuildSettings(shorter_side=40))


@pytest.fixture
def run(corpus: Corpus, tmp_path: Path) -> Run:
    """Two heads, one for the words of each language, with random weights."""
    sets = {name: concept_set_for(corpus, "words", {"size": 4, "language": name}, "train") for name in ("en", "de")}
    settings = PretrainSettings(
        objective="tag-prediction", backbone_settings=BackboneSettings(stages=1), image_size=32, epochs=1, batch_size=2
    )
    info = RunInfo(
        corpus=str(corpus.path),
        corpus_fingerprint=corpus.fingerprint,
        split="train",
        examples=4,
        concepts={name: RunConcepts(str(one.path), one.fingerprint, len(one), "labels") for name, one in sets.items()},
        language=None,
        fields={},
        environment={},
        steps=2,
        finished=True,
    )
    write_start(tmp_path, settings, info)
    facts = Facts({"tags": TagFacts({name: ConceptFacts(len(one)) for name, one in sets.items()})})
    write_weights(tmp_path, build_objective("tag-prediction", {}, new_backbone(settings), facts), facts)
    return Run.open(tmp_path)


def test_tags_are_what_a_run_that_masks_nothing_is_asked_for(run: Run, corpus: Corpus) -> None:
    english, german = wordsight.evaluate(run, corpus=corpus)
    assert (english.protocol, english.part, german.part) == ("tags", "en", "de")
    assert english.counts["images"] == 4
    # Every image has the first word that training says.
    assert english.baselines["training frequencies, precision@1"] == 100
    assert 0 < english.value <= 100
    assert not (corpus.path / "features").exists()


def test_images_of_which_the_same_is_said_can_not_be_ranked(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    class Alike(Pairs):
        said = (CAPTIONS, CAPTIONS)

    alike = build_corpus(Alike(), tmp_path_factory.mktemp("alike") / "alike", BuildSettings(shorter_side=40))
    with pytest.raises(InputError, match="every image has every concept of the set 'en' that any image has"):
        wordsight.evaluate(run, corpus=alike, protocols=["tags"])


def test_of_another_corpus_only_the_captions_in_the_language_count(
    run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    class Mixed(Pairs):
        def __iter__(self) -> Iterator[Example]:
            for example in super().__iter__():
                # The corpus knows both languages; its test images have captions in one.
                spoken = CAPTIONS if example.split == "train" else [("ein Hund a dog runs fast", "de")]
                yield example.saying(spoken)

    other = build_corpus(Mixed(seed=1), tmp_path_factory.mktemp("other") / "mixed", BuildSettings(shorter_side=40))
    with pytest.raises(InputError, match="no image has a concept of the set 'en'"):
        wordsight.evaluate(run, corpus=other, protocols=["tags"])


def test_masked_words_of_such_a_run_are_refused_with_what_can_be_asked(run: Run, corpus: Corpus) -> None:
    with pytest.raises(InputError, match="evaluate it with protocol='tags'"):
        wordsight.evaluate(run, corpus=corpus, protocols=["tags", "masked-words"])


def test_a_dot_in_the_name_of_a_set_is_refused_before_anything_is_built(corpus: Corpus) -> None:
    settings = PretrainSettings(objective="tag-prediction", concepts={"a.b": {"kind": "words", "size": 4}})
    with pytest.raises(InputError, match="a concept set is called 'a.b'; expected a name without a dot"):
        training_data(settings, corpus)


@pytest.mark.parametrize(
    ("concepts", "flag"),
    [
        ({"kind": "words", "size": 1000}, "concepts.size="),
        ({"en": {"kind": "words", "size": 4}, "all": {"kind": "words", "size": 1000}}, "concepts.all.size="),
    ],
)
def test_a_set_that_can_not_be_built_names_the_setting_of_the_run(
    corpus: Corpus, concepts: dict[str, Any], flag: str
) -> None:
    settings = PretrainSettings(objective="tag-prediction", concepts=concepts)
    with pytest.raises(InputError, match=rf"1000 concepts are asked for.* give {flag}8 or less"):
        training_data(settings, corpus)


def test_an_unknown_kind_names_its_setting(corpus: Corpus) -> None:
    settings = PretrainSettings(objective="tag-prediction", concepts={"kind": "wrds"})
    with pytest.raises(InputError, match=r"^concepts\.kind: unknown concept set 'wrds'; .*did you mean 'words'"):
        training_data(settings, corpus)


def test_a_kind_in_place_of_a_folder_is_told_how_to_be_asked_for(corpus: Corpus) -> None:
    settings = PretrainSettings(objective="tag-prediction", concepts="words")
    with pytest.raises(InputError, match=r"words is a kind of concept set.*concepts\.kind='words'"):
        training_data(settings, corpus)
