"""Samples of rows are the same at every call."""

from __future__ import annotations

import numpy as np

from wordsight.evaluation.predictions.row_samples import sample_images, sample_rows


def test_a_sample_is_always_the_same_and_ascending() -> None:
    rows = np.arange(100, 400)
    sample = sample_rows(rows, 50)
    assert len(np.unique(sample)) == 50
    assert (np.diff(sample) > 0).all()
    np.testing.assert_array_equal(sample, sample_rows(rows, 50))
    np.testing.assert_array_equal(sample_rows(rows, 300), rows)


def test_of_one_image_all_rows_are_sampled_however_many() -> None:
    example = np.array([0, 0, 0, 4, 4, 4])
    assert len(np.unique(example[sample_images(np.arange(6), example, 2)])) == 1
