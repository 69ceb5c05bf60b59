"""Masked words are drawn as the nested expectations of Eq. 7 say."""

from __future__ import annotations

import numpy as np

from wordsight.batching.masks import draw_masks


def test_one_mask_is_a_random_caption_then_a_random_word_of_it() -> None:
    # Caption 0 has one maskable word, caption 1 has three: each caption is drawn half of the time.
    captions = np.array([0, 1, 1, 1], dtype=np.int32)
    drawn = [int(draw_masks(captions, 1, np.random.default_rng(seed))[0]) for seed in range(3000)]
    shares = np.bincount(drawn, minlength=4) / 3000
    assert abs(shares[0] - 1 / 2) < 0.03 and np.all(np.abs(shares[1:] - 1 / 6) < 0.03)


def test_several_masks_spread_over_the_captions_and_never_repeat() -> None:
    captions = np.array([0, 0, 0, 1, 1, 1, 4, 4, 4], dtype=np.int32)
    for seed in range(50):
        drawn = draw_masks(captions, 3, np.random.default_rng(seed))
        assert sorted(captions[drawn]) == [0, 1, 4]
        everything = draw_masks(captions, 20, np.random.default_rng(seed))
        assert sorted(everything.tolist()) == list(range(9))


def test_an_image_without_maskable_words_gives_none() -> None:
    assert len(draw_masks(np.zeros(0, dtype=np.int32), 4, np.random.default_rng(0))) == 0
