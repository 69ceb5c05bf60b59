"""Concept sets of what nouns mean, with a small lexicon of our own and with WordNet where it is installed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wordsight.concepts import wordnet
from wordsight.concepts.synsets import SynsetsSettings, apply_synsets, build_synsets
from wordsight.concepts.wordnet import WordNet, open_wordnet
from wordsight.corpus import Corpus
from wordsight.errors import InputError

pytest.importorskip("spacy")
MakeCorpus = Callable[..., Corpus]
CAPTIONS = [
    ["A dog is running on the bank .", "Two dogs are running ."],
    ["A puppy is sleeping on the sofa ."],
    ["A couch is near the bank ."],
]


class Fake:
    """A lexicon of five words."""

    meanings = {  # noqa: RUF012 (nothing changes it)
        "dog": ["dog.n.01", "frump.n.01"],
        "dogs": ["dog.n.01", "frump.n.01"],
        "sofa": ["sofa.n.01"],
        "couch": ["sofa.n.01"],
        "bank": ["bank.n.01", "depository.n.01"],
    }

    def synsets(self, noun: str) -> list[str]:
        return self.meanings.get(noun, [])


def test_words_of_one_meaning_are_one_concept(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_synsets(corpus, SynsetsSettings(size=0), "all", Fake())
    assert found.names == ["bank.n.01", "dog.n.01", "sofa.n.01"]
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 1, 0], [0, 0, 1], [1, 0, 1]])
    assert found.matrix.dtype == np.float32
    again = apply_synsets(found, [corpus.captions(i) for i in range(3)], Fake())
    np.testing.assert_array_equal(again.toarray(), found.matrix.toarray())


def test_a_noun_may_stand_for_all_its_meanings(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS)
    found = build_synsets(corpus, SynsetsSettings(size=5, senses="all"), "all", Fake())
    assert found.names == ["bank.n.01", "depository.n.01", "dog.n.01", "frump.n.01", "sofa.n.01"]
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 1, 1, 1, 0], [0, 0, 0, 0, 1], [1, 1, 0, 0, 1]])
    np.testing.assert_array_equal(apply_synsets(found, [["the dogs"]], Fake()).toarray(), [[0, 0, 1, 1, 0]])


def test_the_split_chooses_the_most_frequent(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(CAPTIONS, ["train", "test", "train"])
    assert build_synsets(corpus, SynsetsSettings(size=2), "train", Fake()).names == ["bank.n.01", "dog.n.01"]
    with pytest.raises(InputError, match="4 concepts are asked for, .* 'train' hold 3 synsets; give --size 3"):
        build_synsets(corpus, SynsetsSettings(size=4), "train", Fake())
    with pytest.raises(InputError, match="unknown senses 'frist'.*did you mean 'first'"):
        build_synsets(corpus, SynsetsSettings(senses="frist"), "train", Fake())  # type: ignore[arg-type]


FILES = {
    "index.noun": "  1 This is a licence.\n"
    "dog n 2 1 @ 2 1 00000001 00000002  \nfrump n 1 0 1 0 00000002  \nman n 1 0 1 0 00000003  \n"
    "men n 1 0 1 0 00000004  \nlady n 1 0 1 0 00000005  \n",
    "data.noun": "  1 This is a licence.\n"
    "00000001 05 n 02 dog 0 domestic_dog 0 000 | a pet  \n00000002 18 n 02 frump 0 dog 0 000 | dull  \n"
    "00000003 18 n 01 man 0 000 | adult  \n00000004 14 n 01 men 0 000 | force  \n"
    "00000005 18 n 01 lady 0 000 | woman  \n",
    "noun.exc": "men man\n",
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with WordNet files of five nouns."""
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def test_wordnets_files_give_meanings_by_frequency_and_singulars(files: Path) -> None:
    found = open_wordnet(str(files))
    assert found.synsets("dog") == ["dog.n.01", "frump.n.01"]
    assert found.synsets("dogs") == found.synsets("dog")
    assert found.synsets("men") == ["man.n.01"]
    assert found.synsets("ladies") == ["lady.n.01"]
    assert found.synsets("zyzzyva") == found.synsets("s") == []


def test_nltks_data_is_found_packed_or_not(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "find_spec", lambda name: None)
    monkeypatch.setenv("NLTK_DATA", str(files.parents[1]))
    assert open_wordnet().folder == str(files)
    with zipfile.ZipFile(files.parent / "wordnet.zip", "w") as packed:
        for name in FILES:
            packed.write(files / name, f"wordnet/{name}")
            (files / name).unlink()
    assert open_wordnet().synsets("men") == ["man.n.01"]


def test_what_is_to_be_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "_places", lambda: iter([tmp_path]))
    with pytest.raises(InputError, match=r"pip install 'wordsight\[wordnet\]', or python -m nltk.downloader wordnet"):
        open_wordnet()
    with pytest.raises(InputError, match="expected a folder with index.noun, data.noun, noun.exc"):
        open_wordnet(str(tmp_path))
    (tmp_path / "index.noun").write_text("nonsense\n")
    with pytest.raises(InputError, match="can't be read as WordNet's nouns"):
        WordNet(tmp_path)


def test_real_captions_mean_what_wordnet_says(real_captions: list[list[str]], make_corpus: MakeCorpus) -> None:
    try:
        known = open_wordnet()
    except InputError as absent:
        pytest.skip(str(absent))
    assert known.synsets("dogs")[0] == "dog.n.01"
    assert known.synsets("men")[0] == "man.n.01"
    assert len(known.synsets("dog")) == 7
    assert known.synsets("glasses")[0] == "spectacles.n.01"
    found = build_synsets(make_corpus(real_captions), SynsetsSettings(size=50), "all")
    assert {"dog.n.01", "man.n.01", "water.n.01"} <= set(found.names[:20])


def test_other_texts_have_words_of_the_same_kind_as_those_it_was_built_from(make_corpus: MakeCorpus) -> None:
    class OneLetter(Fake):
        meanings = {**Fake.meanings, "x": ["dog.n.01"]}  # noqa: RUF012 (nothing changes it)

    texts = [["The x is near the dog ."], ["The x is on the sofa ."]]
    found = build_synsets(make_corpus(texts), SynsetsSettings(size=0), "all", OneLetter())
    assert found.names == ["dog.n.01", "sofa.n.01"]
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(apply_synsets(found, texts, OneLetter()).toarray(), [[1, 0], [0, 1]])
