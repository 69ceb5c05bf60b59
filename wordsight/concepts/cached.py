"""A concept set by its settings: built into its corpus's folder once, opened after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wordsight.concepts import CONCEPT_SETS
from wordsight.concepts.concept_set import VERSION, ConceptSet
from wordsight.corpus.derived import kept_place
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError, unknown
from wordsight.language.model_folder import files_fingerprint
from wordsight.progress import console
from wordsight.settings import from_mapping


def concept_set_for(corpus: Corpus, kind: str, settings: Mapping[str, Any], split: str) -> ConceptSet:
    """The concept set of a corpus with these settings; kept in ``<corpus>/concepts/<kind>-<fingerprint>/``,
    or in the cache where the corpus may not be written to.

    A language model that was trained anew in the same folder makes another set, beside the old one.

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
    resolved = from_mapping(CONCEPT_SETS[kind].settings, settings, f"concepts of kind {kind}", within="")
    folder = _folder(corpus, kind, resolved, split)
    if (kept := _open(folder, corpus)) is not None:
        return kept
    built = CONCEPT_SETS[kind].build(corpus, resolved, split).made_from(corpus)
    built.save(folder, overwrite=True)
    return ConceptSet.open(folder)


def _open(folder: Path, corpus: Corpus) -> ConceptSet | None:
    """What was kept; None where there is nothing or it was damaged since, so that it is made again."""
    if not folder.is_dir():
        return None
    try:
        found = ConceptSet.open(folder)
        found.check_corpus(corpus)
    except InputError as error:
        console.print(f"building the concept set again: {error}", markup=False, soft_wrap=True)
        return None
    return found


def _folder(corpus: Corpus, kind: str, settings: Any, split: str) -> Path:
    """Where a set is kept: named by the corpus, the settings, and what else it is made with.

    That is the files of the language model, or the version of the tagger or of a splitter's package.
    """
    made = [VERSION, corpus.fingerprint, kind, asdict(settings), split]
    if (version := CONCEPT_SETS[kind].version) > 1:
        made.append(version)
    key = json.dumps(made, sort_keys=True)
    name = f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    try:
        made_with = _made_with(kind, settings)
    except InputError:
        # The language model, or the tagger, is not on this machine; a set that was made with it needs it no more.
        places = {corpus.path / "concepts", kept_place(corpus, "concepts")}
        if kept := sorted((one for place in places for one in place.glob(f"{name}-*")), key=_changed):
            return kept[-1]
        raise
    return kept_place(corpus, "concepts", f"{name}-{made_with}" if made_with else name, whole=_is_whole(corpus))


def _is_whole(corpus: Corpus) -> Callable[[Path], bool]:
    def whole(folder: Path) -> bool:
        return folder.is_dir() and _open(folder, corpus) is not None

    return whole


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _made_with(kind: str, settings: Any) -> str:
    files, tool = CONCEPT_SETS[kind].files, CONCEPT_SETS[kind].tool
    if files is not None:
        return files_fingerprint(files(settings))[:8]
    name = "" if tool is None else tool(settings)
    return name and hashlib.sha256(name.encode()).hexdigest()[:8]
