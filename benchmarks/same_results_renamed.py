"""What may differ between the two code trees that `same_results.py` compares: names, said here one by one.

Each of these is empty until a change renames something that a person can see. What stands here is read as "the tree
before says the left, the tree after says the right", so a number can't hide behind a name. One a line.
"""

from __future__ import annotations

# Words of the command lines in `same_results_jobs.py`, which are those of the tree before: a flag, a verb, a recipe.
WORDS: dict[str, str] = {}
# Whole command lines of single jobs, by the job's name, where words are not enough.
COMMANDS: dict[str, str] = {}
# Lines or words in the protocol files that the jobs write for themselves.
PROTOCOLS: dict[str, str] = {}
# Files and folders within what a job makes, by any part of their path.
FILES: dict[str, str] = {}
# Keys of JSON, at any depth, and names of arrays in .npz files.
KEYS: dict[str, str] = {
    "subject": "model",
    "random_twin": "random_init",
}
# Parts of texts and keys in JSON: warnings, names of baselines and metrics.
TEXTS: dict[str, str] = {}
# Tensors, by the beginning of their names.
TENSORS: dict[str, str] = {
    "facts.maskable": "facts.masked.maskable",
    "tp.": "tag_heads.",
}
# The same in files that hold one of these: heads of masked words and of tags are parts of a sum.
IN_SUMS = ("att.", "tfm.")
TENSORS_IN_SUMS: dict[str, str] = {
    "facts.maskable": "facts.masked.maskable",
    "tp.": "parts.tags.tag_heads.",
    **{head: f"parts.words.{head}" for head in ("att.", "fc.", "tfm.", "classifier.", "prior.")},
}
# Keys of JSON that the tree after writes besides, and that it writes no more: `key`, or `file.json:key`.
NEW_KEYS: set[str] = {
    "run.json:fields",  # what was kept of each field of a batch, where there was only
    "objective.safetensors:facts",  # what the heads were built from
    "objective.safetensors:images",
}
GONE_KEYS: set[str] = {
    "run.json:masked",  # the folder of masked captions
}
# Files that it writes besides, and that it writes no more, by their last name.
NEW_FILES: set[str] = set()
GONE_FILES: set[str] = set()
