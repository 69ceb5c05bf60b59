"""What may not be read is told from what is not there, whoever reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from wordsight.arrays import mapped_array
from wordsight.concepts.concept_set import ConceptSet
from wordsight.corpus.image_files import ImageFiles
from wordsight.corpus.readers.folder import Folder
from wordsight.corpus.readers.webdataset import WebDataset
from wordsight.corpus.store import Corpus
from wordsight.disk import refused
from wordsight.errors import InputError
from wordsight.evaluation.metrics.outcomes import read_outcomes
from wordsight.evaluation.results.result import Result
from wordsight.tensors import save_tensors
from wordsight.training.language.language_settings import LanguageSettings
from wordsight.training.language.saved_folder import begun
from wordsight.training.run import Run
from wordsight.vision.weight_files import read_weights


def make(folder: Path) -> None:
    """One of everything, as small as it can be."""
    matrix = scipy.sparse.csr_matrix(np.ones((1, 1), np.float32))
    ConceptSet("words", ["dog"], matrix, "labels", "0").save(folder / "set")
    save_tensors(folder / "weights.safetensors", {"a": torch.ones(1)})
    for name in (
        "corpus/corpus.json",
        "model/language.json",
        "run/config.yaml",
        "knn.json",
        "knn.npz",
        "images/a/1.jpg",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({}))
    (folder / "tars").mkdir()


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "array": ("set/matrix.data.npy", lambda file: mapped_array(file, mend="")),
    "concept set": ("set/concepts.json", lambda file: ConceptSet.open(file.parent)),
    "weights": ("weights.safetensors", read_weights),
    "corpus": ("corpus/corpus.json", lambda file: Corpus.open(file.parent)),
    "language model": ("model/language.json", lambda file: begun(file.parent, LanguageSettings(), resume=True)),
    "run": ("run/config.yaml", lambda file: Run.open(file.parent)),
    "result": ("knn.json", Result.read),
    "outcomes": ("knn.npz", read_outcomes),
    "folder of images": ("images/a", lambda folder: list(Folder(folder.parent))),
    "images of a table": ("images/a", lambda folder: list(ImageFiles(folder.parent)._files)),
    "shards": ("tars", lambda folder: list(WebDataset(folder))),
}


@pytest.mark.parametrize("what", READERS)
def test_what_may_not_be_read_is_said_to_be_that(what: str, tmp_path: Path) -> None:
    make(tmp_path)
    name, read = READERS[what]
    for above in (tmp_path, *(each for each in tmp_path.parents if each.name.startswith("pytest"))):
        above.chmod(0o755)
    (tmp_path / name).chmod(0)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        said = "nothing was said"
        try:
            if os.getuid() == 0:  # whom no mode keeps out
                os.setuid(65534)
            read(tmp_path / name)
        except InputError as error:
            said = str(error)
        except OSError as error:
            said = str(refused(error))  # as the command line says it
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / name).chmod(0o700)
    said = os.read(reading, 1000).decode()
    assert "permission denied" in said.lower() and str(tmp_path) in said, said
