"""Where what is computed from a corpus is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.concepts.cached import concept_set_for
from wordsight.corpus import derived
from wordsight.corpus.build import build_corpus
from wordsight.corpus.derived import kept_place, may_write
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.store import Corpus


@pytest.fixture
def corpus(coco: Callable[..., tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    derived._say.cache_clear()
    return build_corpus(Coco(*coco(12)), tmp_path / "corpora" / "numbers")


@pytest.fixture
def read_only(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    def outside(folder: Path) -> bool:
        return not folder.is_relative_to(corpus.path)

    # Root, as whom tests may run, may write to whatever is not mounted read-only.
    monkeypatch.setattr(derived, "may_write", outside)
    return corpus


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_what_is_computed_lies_in_the_folder_of_the_corpus(corpus: Corpus, tmp_path: Path) -> None:
    assert kept_place(corpus, "features", "x") == corpus.path / "features" / "x"
    assert may_write(corpus.path / "features" / "x") and not (tmp_path / "cache").exists()


def test_a_read_only_corpus_is_left_alone_and_it_is_said_once_where_its_concepts_lie(
    read_only: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(read_only.path)
    found = concept_set_for(read_only, "words", {"size": 4, "min_count": 1}, "all")
    assert names(read_only.path) == before
    assert found.path is not None and found.path.is_relative_to(tmp_path / "cache" / "corpora" / read_only.fingerprint)
    again = concept_set_for(read_only, "words", {"size": 4, "min_count": 1}, "all")
    assert again.path == found.path
    said = capsys.readouterr().err
    assert said.count("can't be written to: what is computed from the corpus is kept in") == 1
    assert str(tmp_path / "cache") in said.replace("\n", "")


def test_what_its_owner_computed_is_used(corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owners = concept_set_for(corpus, "words", {"size": 4, "min_count": 1}, "all")
    monkeypatch.setattr(derived, "may_write", lambda folder: not folder.is_relative_to(corpus.path))
    assert concept_set_for(corpus, "words", {"size": 4, "min_count": 1}, "all").path == owners.path
    assert not (tmp_path / "cache").exists()


def test_what_its_owner_has_that_is_damaged_is_made_again_in_the_cache(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owners = concept_set_for(corpus, "words", {"size": 4, "min_count": 1}, "all")
    assert owners.path is not None
    (owners.path / "matrix.data.npy").write_bytes(b"")
    monkeypatch.setattr(derived, "may_write", lambda folder: not folder.is_relative_to(corpus.path))
    made = concept_set_for(corpus, "words", {"size": 4, "min_count": 1}, "all")
    assert made.path is not None and made.path.is_relative_to(tmp_path / "cache")
    assert made.fingerprint == owners.fingerprint
