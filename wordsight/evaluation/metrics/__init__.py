"""Metrics: accuracies, average precision, outcomes of each image, bootstrap intervals."""
