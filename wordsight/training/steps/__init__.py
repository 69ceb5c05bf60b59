"""One file, one way from a batch to gradients."""

from __future__ import annotations

from wordsight.training.steps.plain import PlainStep
from wordsight.training.steps.step import Step

__all__ = ["PlainStep", "Step"]
