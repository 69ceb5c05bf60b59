"""Parts of speech as the paper counts them: nouns, adjectives, verbs."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from wordsight.errors import InputError
from wordsight.language import tagger
from wordsight.language.tag_processes import tag_in_processes
from wordsight.language.tagger import tag_words

pytest.importorskip("spacy")


def parts(text: str) -> dict[str, str]:
    return {word.text: word.part for word in next(tag_words([text]))}


def test_nouns_adjectives_and_verbs_are_told_apart() -> None:
    found = parts("A black dog runs on the wet beach")
    assert found == {
        "A": "other", "black": "adjective", "dog": "noun", "runs": "verb", "on": "other", "the": "other",
        "wet": "adjective", "beach": "noun",
    }  # fmt: skip


def test_auxiliaries_are_not_verbs() -> None:
    found = parts("The man is riding a horse and has been wearing a hat")
    assert found["is"] == found["has"] == found["been"] == "other"
    assert found["riding"] == found["wearing"] == "verb"


def test_proper_nouns_are_nouns() -> None:
    assert parts("A man in New York throws a Frisbee")["York"] == "noun"


def test_spans_are_where_the_words_stand() -> None:
    text = "Two  dogs — one black 🐕, one brown — don't run."
    for word in next(tag_words([text])):
        assert text[word.start : word.end] == word.text


def test_the_number_of_processes_does_not_change_the_tags(real_captions: list[list[str]]) -> None:
    texts = [text for captions in real_captions for text in captions]
    texts = (texts * 3)[:2500]
    assert list(tag_words(texts, processes=2)) == list(tag_words(texts, processes=1))


def test_no_text_gives_no_words() -> None:
    assert list(tag_words([])) == []
    assert list(tag_words(["", "   "])) == [[], []]


def test_abandoned_processes_end() -> None:
    tagged = tag_in_processes(iter([["a dog"]] * 100), 2)
    next(tagged)
    tagged.close()
    assert not any("tag_processes" in " ".join(child.cmdline()) for child in psutil.Process().children())


def test_a_missing_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagger, "_PACKAGES", ("no_such_model",))
    with pytest.raises(InputError, match=r"wordsight\[offline\]"):
        next(tag_words(["a dog"]))


def test_importing_the_tagger_imports_no_spacy() -> None:
    script = "import sys, wordsight.language.tagger, wordsight.language.features, wordsight.concepts.cached\n"
    script += "print('spacy' in sys.modules, 'transformers' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert answer.stdout.split() == ["False", "False"]
