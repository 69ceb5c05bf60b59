"""A concept set by its settings: built into its corpus's folder once, opened after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wordsight.concepts import CONCEPT_SETS
from wordsight.concepts.concept_set import VERSION, ConceptSet
from wordsight.corpus.store import Corpus
from wordsight.errors import unknown
from wordsight.settings import from_mapping


def concept_set_for(corpus: Corpus, kind: str, settings: Mapping[str, Any], split: str) -> ConceptSet:
    """The concept set of a corpus with these settings; kept in ``<corpus>/concepts/<kind>-<fingerprint>/``.

    Args:
        corpus: What it is built from.
        kind: A name in ``CONCEPT_SETS``.
        settings: Values of that kind's settings; what is not given has its default.
        split: The split that it is learned from.

    Raises:
        InputError: When the kind or a setting is unknown, or the corpus has nothing to build it from.
    """
    if kind not in CONCEPT_SETS:
        raise unknown("concept set", kind, CONCEPT_SETS)
    resolved = from_mapping(CONCEPT_SETS[kind].settings, settings, f"concepts of kind {kind}")
    folder = _folder(corpus, kind, asdict(resolved), split)
    if folder.is_dir():
        found = ConceptSet.open(folder)
        found.check_corpus(corpus)
        return found
    built = CONCEPT_SETS[kind].build(corpus, resolved, split)
    built.save(folder, overwrite=True)
    return ConceptSet.open(folder)


def _folder(corpus: Corpus, kind: str, settings: dict[str, Any], split: str) -> Path:
    key = json.dumps([VERSION, corpus.fingerprint, kind, settings, split], sort_keys=True)
    return corpus.path / "concepts" / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
