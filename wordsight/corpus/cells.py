"""What a table's cell says: captions, labels, an image; in whichever way tables write lists."""

from __future__ import annotations

import ast
import json
import math
from typing import Any


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def texts(cell: Any) -> tuple[str, ...]:
    """The captions in a cell: one, or a list (of JSON, of Python as pandas writes it, or of the format's own kind).

    An empty cell is one empty caption, so that it is counted among those left out.
    """
    found = _listed(cell)
    return tuple("" if is_empty(each) else str(each) for each in found) or ("",)


def labels(cell: Any) -> tuple[str, ...]:
    """The labels in a cell: one, a list, or several with ``|`` between them."""
    parts: list[str] = []
    for each in _listed(cell):
        if not is_empty(each):
            parts.extend(part.strip() for part in str(each).split("|"))
    return tuple(dict.fromkeys(part for part in parts if part))


def article(cell: Any) -> str | None:
    """The article in a cell: a text, or a list of its paragraphs; ``None`` where there is none."""
    paragraphs = [str(each) for each in _listed(cell) if not is_empty(each)]
    return "\n\n".join(paragraphs) if any(map(str.strip, paragraphs)) else None


def image(cell: Any) -> str | bytes | None:
    """The image in a cell: its file name, or its bytes (alone, or in a struct as the datasets library stores them)."""
    if isinstance(cell, dict):
        inner = cell.get("bytes")
        cell = inner if inner is not None else cell.get("path")
    if isinstance(cell, bytes):
        return cell
    return cell.strip() or None if isinstance(cell, str) else None


def _listed(cell: Any) -> list[Any]:
    if isinstance(cell, (list, tuple)):
        return list(cell)
    text = cell.strip() if isinstance(cell, str) else ""
    if text.startswith("[") and text.endswith("]"):
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list):
                return found
    return [cell]
