"""Predictions of an objective's heads: masked words and tags; and of a text-only head for comparison."""
