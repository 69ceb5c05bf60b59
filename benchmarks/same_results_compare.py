"""Whether what a job made in two trees is the same, bit for bit, apart from what tells of the clock and the machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import same_results_renamed as renamed
import torch
import yaml
from safetensors import safe_open

# Of JSON, what tells of the clock and the machine; and checksums, which hold names beside the numbers.
_NOT_COMPARED = {"seconds", "images_per_second", "environment", "versions", "created", "checksum"}
# Of a result, what tells whether it was measured before. A renamed setting changes it: worth knowing, no other number.
_KEY = "key"
# Folders of caches and of logs that hold the clock, within what a job makes.
_LEFT_OUT = {"tensorboard", "features", "lda", "tagged"}
_KINDS = {
    ".json": "JSON", ".jsonl": "losses", ".yaml": "settings", ".safetensors": "tensors", ".npz": "outcomes",
    ".npy": "arrays", ".csv": "texts",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What was compared, and how it came out.

    Args:
        job: The job.
        what: What of it.
        difference: The first difference; empty where all is equal.
        note: What is worth knowing and is no difference.
    """

    job: str
    what: str
    difference: str = ""
    note: str = ""


@dataclass(frozen=True)
class Made:
    """What a job made in one tree.

    Args:
        out: The folder or file.
        home: The folder that the job ran in, which stands in paths that were written.
        names_before: Whether names are still those of before, and to be read as `same_results_renamed` says.
    """

    out: Path
    home: str
    names_before: bool

    def files(self) -> dict[str, Path]:
        """The files by their names, but for caches, locks and logs."""
        if self.out.is_file():
            return {self.out.name: self.out}
        found = {}
        for file in sorted(self.out.rglob("*")):
            parts = file.relative_to(self.out).parts
            if file.is_file() and not any(part.startswith(".") or part.split("-")[0] in _LEFT_OUT for part in parts):
                found["/".join(renamed.FILES.get(part, part) if self.names_before else part for part in parts)] = file
        return found

    def text(self, text: str) -> str:
        """A text without the folder that the job ran in, and with the names of after."""
        text = text.replace(self.home, ".")
        for old, new in renamed.TEXTS.items() if self.names_before else ():
            text = text.replace(old, new)
        return text

    def key(self, key: str) -> str:
        """A key with the name of after."""
        return self.text(renamed.KEYS.get(key, key) if self.names_before else key)

    def plain(self, content: Any, file: str) -> Any:
        """What was read from a file of this name, without what is not compared."""
        if isinstance(content, dict):
            left_out = _NOT_COMPARED | (renamed.GONE_KEYS if self.names_before else renamed.NEW_KEYS)
            compared = {str(key): value for key, value in content.items() if not left_out & {key, f"{file}:{key}"}}
            return {self.key(key): self.plain(value, file) for key, value in compared.items()}
        if isinstance(content, list):
            return [self.plain(value, file) for value in content]
        return self.text(content) if isinstance(content, str) else content

    def read(self, file: Path) -> Any:
        """What a file holds: mappings, lists, texts, numbers, arrays; bytes where the kind of file is not known."""
        if file.suffix == ".json":
            return self.plain(json.loads(file.read_text("utf-8")), file.name)
        if file.suffix == ".jsonl":
            return [self.plain(json.loads(line), file.name) for line in file.read_text("utf-8").splitlines()]
        if file.suffix == ".yaml":
            return self.plain(yaml.safe_load(file.read_text("utf-8")), file.name)
        if file.suffix == ".npy":
            return np.load(file, allow_pickle=False)
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return {self.key(name): arrays[name] for name in arrays.files}
        if file.suffix == ".safetensors":
            return self._tensors(file)
        if file.suffix in (".csv", ".md", ".txt"):
            return self.text(file.read_text("utf-8")).splitlines()
        return file.read_bytes()

    def _tensors(self, file: Path) -> dict[str, Any]:
        with safe_open(file, "pt") as tensors:
            held: dict[str, Any] = {"(metadata)": self.plain(_unfolded(tensors.metadata() or {}), file.name)}
            names = list(tensors.keys())
            in_sum = any(name.startswith(renamed.IN_SUMS) for name in names)
            names_now = renamed.TENSORS_IN_SUMS if in_sum else renamed.TENSORS
            for name in names:
                tensor = tensors.get_tensor(name)
                for old, new in names_now.items() if self.names_before else ():
                    name = new + name[len(old) :] if name.startswith(old) else name
                held[name] = (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
        return held


def compared(job: str, before: Made, after: Made, kinds: tuple[str, ...] = ()) -> Iterator[Row]:
    """Compare what a job made in two trees: a row for each kind of file, and for each file that one tree has alone.

    Args:
        job: Its name.
        before: What it made in the one tree.
        after: What it made in the other.
        kinds: The kinds of files that are compared; all where none is given.
    """
    ours, theirs = before.files(), after.files()
    by_kind: dict[str, list[str]] = {}
    for name in sorted({*ours, *theirs}):
        kind = _KINDS.get(Path(name).suffix, "bytes")
        if kind in kinds or not kinds:
            by_kind.setdefault(kind, []).append(name)
    if not by_kind:
        yield Row(job, "files", "nothing was made")
    for kind, names in by_kind.items():
        count, difference, note = 0, "", ""
        for name in names:
            if name not in theirs or name not in ours:
                if Path(name).name not in (renamed.GONE_FILES if name in ours else renamed.NEW_FILES):
                    difference = difference or f"{name}: made by the tree {'before' if name in ours else 'after'} alone"
                continue
            first, second = before.read(ours[name]), after.read(theirs[name])
            if kind == "JSON" and isinstance(first, dict) and first.pop(_KEY, "") != second.pop(_KEY, ""):
                note = "results have other keys: those of before are measured anew"
            count += _size(first)
            if found := first_difference(first, second):
                difference = difference or f"{name}: {found}"
        what = f"{kind}: {count:,} values in {len(names)} {'file' if len(names) == 1 else 'files'}"
        if kind == "settings":  # a setting may come or be renamed; what it does shows in all the rest
            difference, note = "", difference
        yield Row(job, what, difference, note)


def first_difference(before: Any, after: Any, where: str = "") -> str:
    """Say where two contents differ first, and how; empty where they are the same, bit for bit."""
    place = where or "it"
    if type(before) is not type(after):
        return f"{place} was {_short(before)} and is {_short(after)}"
    if isinstance(before, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            if key not in before or key not in after:
                return f"{where}.{key}".lstrip(".") + (" is new" if key not in before else " is gone")
            if found := first_difference(before[key], after[key], f"{where}.{key}".lstrip(".")):
                return found
        return ""
    if isinstance(before, list):
        for k, (one, other) in enumerate(zip(before, after, strict=False)):
            if found := first_difference(one, other, f"{where}[{k}]"):
                return found
        return "" if len(before) == len(after) else f"{place} had {len(before)} entries and has {len(after)}"
    if isinstance(before, np.ndarray):
        return _array_difference(before, after, place)
    same = repr(before) == repr(after) if isinstance(before, float) else before == after  # NaN is NaN, -0.0 is not 0.0
    return "" if same else f"{place} was {_short(before)} and is {_short(after)}"


def _array_difference(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any], place: str) -> str:
    if before.dtype != after.dtype or before.shape != after.shape:
        return f"{place} was {before.dtype} of shape {before.shape} and is {after.dtype} of shape {after.shape}"
    if before.tobytes() == after.tobytes():
        return ""
    different = before != after
    by = ""
    if np.issubdtype(before.dtype, np.number):
        by = f", by {np.max(np.abs(before.astype(np.float64) - after.astype(np.float64))):.3g} at most"
    return f"{place}: {int(different.sum()):,} of {before.size:,} values differ{by}"


def _size(content: Any) -> int:
    if isinstance(content, Mapping):
        return sum(map(_size, content.values()))
    if isinstance(content, list):
        return sum(map(_size, content))
    return int(content.size) if isinstance(content, np.ndarray) else len(content) if isinstance(content, bytes) else 1


def _unfolded(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of a file of tensors, in which JSON may stand."""
    unfolded: dict[str, Any] = {}
    for key, value in metadata.items():
        try:
            unfolded[key] = json.loads(value)
        except ValueError:
            unfolded[key] = value
    return unfolded


def _short(content: Any) -> str:
    said = f"{len(content):,} bytes" if isinstance(content, bytes) else repr(content)
    return said if len(said) <= 160 else said[:160] + "..."
