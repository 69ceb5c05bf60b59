"""The cache of token features: what it holds equals what the language model computes, and costs what it should."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest_language import spans_of

from wordsight.corpus import Corpus
from wordsight.errors import InputError
from wordsight.language import features
from wordsight.language.features import MaskedCaptions, masked_captions
from wordsight.language.model import LanguageModel
