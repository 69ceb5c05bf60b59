"""BLEU and CIDEr-D are those of the COCO captions' code; each image's part in BLEU is its influence on it."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from wordsight.evaluation.metrics.caption_scores import MOST_CIDER, References, words_of

CAPTIONS = [
    ("a dog runs on the grass", ["A brown dog runs on green grass.", "the dog is running on the grass", "a dog"]),
    ("a man in a red shirt", ["A man wearing a red shirt rides a bike.", "The man in the red shirt is on a bike."]),
    ("a a a dog dog", ["two dogs play in the snow", "a dog and a dog play in the snow"]),
    ("", ["children at the beach"]),
    ("zebra", ["a zebra", "zebra", "the zebra stands in a field of tall grass near some trees"]),
]


def theirs(captions: list[str], references: list[list[str]]) -> tuple[list[float], list[float]]:
    """The reference code on the same words."""
    bleu = pytest.importorskip("pycocoevalcap.bleu.bleu", reason="pycocoevalcap is not installed")
    cider = pytest.importorskip("pycocoevalcap.cider.cider")
    given = {k: [" ".join(words_of(text))] for k, text in enumerate(captions)}
    wanted = {k: [" ".join(words_of(text)) for text in some] for k, some in enumerate(references)}
    with contextlib.redirect_stdout(io.StringIO()):
        return bleu.Bleu(4).compute_score(wanted, given)[0], cider.Cider().compute_score(wanted, given)[1].tolist()


def check(captions: list[str], references: list[list[str]]) -> None:
    bleu, cider = theirs(captions, references)
    scored = References(references)
    found = scored.bleu(captions)
    # Where no n-gram is right, theirs is the fourth root of nearly nothing.
    assert (found.value_k / 100).tolist() == pytest.approx(bleu, abs=1e-5 if bleu[-1] > 1e-3 else 1e-3)
    assert scored.cider(captions).tolist() == pytest.approx(cider, abs=1e-9)
    assert (100 * found.parts_Nk.mean(0)).tolist() == pytest.approx(found.value_k.tolist())


def test_they_are_the_reference_codes_on_captions_made_up() -> None:
    check([caption for caption, _ in CAPTIONS], [some for _, some in CAPTIONS])


def test_they_are_the_reference_codes_on_real_captions(real_captions: list[list[str]]) -> None:
    check([some[0] for some in real_captions], [some[1:] for some in real_captions])
    other = [some[0] for some in real_captions[1:] + real_captions[:1]]
    check(other, real_captions)


def test_without_a_right_n_gram_bleu_is_nothing() -> None:
    found = References([["a dog runs here"], ["a cat"]]).bleu(["red", "blue"])
    assert found.value_k.tolist() == [0, 0, 0, 0] and not found.parts_Nk.any()
    assert References([["a dog"]]).bleu([""]).value_k.tolist() == [0, 0, 0, 0]


def test_an_images_part_in_bleu_is_its_influence_on_it(real_captions: list[list[str]]) -> None:
    captions, references = [some[0] for some in real_captions], [some[1:] for some in real_captions]
    # Shorter ones come under the brevity penalty.
    for cut in (None, 6):
        some = [" ".join(words_of(text)[:cut]) for text in captions]
        found = References(references).bleu(some)
        twice = References(references + references[:1]).bleu(some + some[:1])
        moved = (twice.value_k - found.value_k) * (len(captions) + 1)
        assert moved.tolist() == pytest.approx((100 * found.parts_Nk[0] - found.value_k).tolist(), rel=0.05)


@pytest.mark.parametrize(
    ("caption", "most"), [("dog", 2.5), ("a dog", 5.0), ("a dog runs", 7.5), ("a dog runs on", 10)]
)
def test_a_caption_of_fewer_than_four_words_cannot_reach_ten(caption: str, most: float) -> None:
    assert References([[caption], ["something else of five words"]]).cider([caption, ""])[0] == pytest.approx(most)
    assert most <= MOST_CIDER


def test_words_are_letters_and_digits_in_small_letters_in_every_script() -> None:
    assert words_of("Two man's T-shirts, 3 dogs_here!") == ["two", "man", "s", "t", "shirts", "3", "dogs", "here"]
    assert words_of("Schöne Höhe; МАМА") == ["schöne", "höhe", "мама"]
    assert words_of("一只狗,犬が3匹") == ["一", "只", "狗", "犬", "が", "3", "匹"]
    assert np.isfinite(References([["..."], ["a"]]).cider(["!", "a"])).all()
