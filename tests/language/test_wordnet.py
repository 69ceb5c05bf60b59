"""WordNet's own files: what they give of a noun, and where they are found."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from wordsight.errors import InputError
from wordsight.language import wordnet
from wordsight.language.wordnet import WordNet, open_wordnet

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
