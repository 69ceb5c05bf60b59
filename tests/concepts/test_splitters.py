"""Words in any language: what is one, where it stands, and which package is needed."""

from __future__ import annotations

import importlib.util
import random

import pytest

from wordsight.concepts import splitters
from wordsight.concepts.splitters import SPLITTERS, normal, splitter
from wordsight.errors import InputError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A black-and-white dog, 2 cats.", ["A", "black", "and", "white", "dog", "2", "cats"]),
        ("the man's dog doesn't run; it's big", ["the", "man", "dog", "doesn't", "run", "it", "big"]),
        ("the man’s dog doesn’t RUN", ["the", "man", "dog", "doesn’t", "RUN"]),
        ("a horse 's lead , they 're 'still' n't", ["a", "horse", "lead", "they", "still", "n't"]),
        ("l'homme d'affaires", ["l", "homme", "d", "affaires"]),
        ("Zwei weiße Männer", ["Zwei", "weiße", "Männer"]),
        ("Dva mladí bílí muži jsou venku", ["Dva", "mladí", "bílí", "muži", "jsou", "venku"]),
        ("un cafe\u0301 noir", ["un", "cafe\u0301", "noir"]),
        ("собака на траве", ["собака", "на", "траве"]),
        ("घास पर कुत्ता", ["घास", "पर", "कुत्ता"]),
        ("한 마리의 개가 달린다", ["한", "마리의", "개가", "달린다"]),
        ("كلب على العشب", ["كلب", "على", "العشب"]),
        ("一只dog在草地上。", ["一", "只", "dog", "在", "草", "地", "上"]),
        ("犬がボールで", ["犬", "が", "ボ", "ー", "ル", "で"]),
        ("snake_case $5", ["snake", "case", "5"]),
        ("", []),
    ],
)
def test_words_are_letters_marks_and_digits_of_any_script(text: str, words: list[str]) -> None:
    assert splitter("unicode").words(text) == words


def test_characters_are_letters_with_their_marks() -> None:
    assert splitter("characters").words("草地 e\u0301t, कु") == ["草", "地", "e\u0301", "t", "कु"]


@pytest.mark.parametrize("name", SPLITTERS)
def test_a_word_stands_where_its_place_says(name: str) -> None:
    if name in ("jieba", "janome"):
        pytest.importorskip(name)
    text = "The man's café’s 2 dogs don't; 一只狗在草地上奔跑。 犬がボールで遊ぶ"
    for part in (text, "A black dog 's  ball", "a dog -- 2 cats.", ""):
        words, starts, ends = splitter(name).places(part)
        assert words == splitter(name).words(part)
        assert [part[start:end] for start, end in zip(starts, ends, strict=True)] == words
        assert starts == sorted(set(starts))


def test_the_quick_way_for_ascii_finds_what_the_other_finds() -> None:
    drawn = random.Random(0)
    for letters in ["abS stTdDmrReElLvV'' '_-.,;09"] * 400 + ["abST -_.,09"] * 100:
        text = "".join(drawn.choice(letters) for _ in range(30))
        assert splitter("unicode").places(text) == splitters._places(splitters._unicode, text)


def test_one_word_has_one_name_however_it_is_written() -> None:
    assert normal("CAFE\u0301") == normal("café") == "café"
    assert normal("DOESN’T") == "doesn't"
    assert normal("weiße") == "weiße"  # not "weisse": tokenizers know the word as it is written


def test_packages_find_words_of_several_characters() -> None:
    pytest.importorskip("jieba")
    assert "草地" in splitter("jieba").words("一只狗在草地上奔跑。")
    assert "。" not in splitter("jieba").words("一只狗在草地上奔跑。")
    pytest.importorskip("janome")
    assert "ボール" in splitter("janome").words("犬がボールで遊ぶ。")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitters, "find_spec", lambda name: None)
    splitters._jieba.cache_clear()
    with pytest.raises(InputError, match=r"jieba is not installed; pip install 'wordsight\[splitters\]'"):
        splitter("jieba")
    monkeypatch.setattr(splitters, "find_spec", importlib.util.find_spec)


def test_an_unknown_splitter_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'unicode'"):
        splitter("unicod")
