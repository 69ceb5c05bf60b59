"""`python -m wordsight` is the command `wordsight`."""

from wordsight.cli import script

script()
