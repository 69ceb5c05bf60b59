"""Classifiers on frozen features: linear ones, nearest neighbours, ridge regression from few shots, SGD heads."""
