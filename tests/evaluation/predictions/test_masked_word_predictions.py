"""Predictions come in the order of the words; a wrong image is another image of the split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from tests.evaluation.conftest import LooksAtRed, MakeSplit, picture
from wordsight.corpus import Box
from wordsight.evaluation import EvaluatedModel
from wordsight.evaluation.features.extract import BATCH
from wordsight.evaluation.predictions.masked_word_predictions import predict_masked_words

VOCABULARY = 10


def test_many_words_of_one_image_are_all_answered_in_their_order(model: EvaluatedModel, make_split: MakeSplit) -> None:
    words = [(0, k % 10, 0) for k in range(21)] + [(2, k % 10, 0) for k in range(3)]
    pictures: list[tuple[Image.Image, list[Box]]] = [(picture((i * 60, 0, 0), noise=i), []) for i in range(3)]
    split = make_split(pictures, words, ["thing"])
    rows = np.array([*range(0, 20, 2), 20, 22, 23])
    predictions = predict_masked_words(replace(model, objective=LooksAtRed([3], VOCABULARY)), split, rows)
    assert predictions.rows.tolist() == rows.tolist()
    assert predictions.guesses.shape == (len(rows), 5)
    assert (predictions.guesses[:, 0] == 3).all()
    assert predictions.grid == (4, 4)


def test_wrong_images_are_other_images_of_the_split(model: EvaluatedModel, make_split: MakeSplit) -> None:
    left, right = (picture((60, 60, 180), noise=i) for i in range(2))
    left.paste((255, 0, 0), (0, 0, 8, 8))
    right.paste((255, 0, 0), (24, 24, 32, 32))
    split = make_split([(left, []), (right, [])], [(0, 1, 0), (1, 1, 0)], ["thing"])
    looking = replace(model, objective=LooksAtRed([1], VOCABULARY))
    rows = np.arange(2)
    assert predict_masked_words(looking, split, rows).peak.tolist() == [[0, 0], [3, 3]]
    assert predict_masked_words(looking, split, rows, wrong_images=True).peak.tolist() == [[3, 3], [0, 0]]


def test_an_image_alone_in_the_last_batch_is_shown_a_wrong_one_too(
    model: EvaluatedModel, make_split: MakeSplit
) -> None:
    scenes: list[tuple[Image.Image, list[Box]]] = []
    for i in range(BATCH + 1):
        scene = picture((60, 60, 180), noise=i)
        scene.paste((255, 0, 0), (0, 0, 8, 8) if i < BATCH else (24, 24, 32, 32))
        scenes.append((scene, []))
    split = make_split(scenes, [(i, 1, 0) for i in range(BATCH + 1)], ["thing"])
    looking = replace(model, objective=LooksAtRed([1], VOCABULARY))
    rows = np.arange(BATCH + 1)
    assert predict_masked_words(looking, split, rows).peak[-1].tolist() == [3, 3]
    assert predict_masked_words(looking, split, rows, wrong_images=True).peak[-1].tolist() == [0, 0]
