"""Attention over a photo."""
