"""Fields of JSON objects, by names with dots for those that stand inside others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_NUMBERED = re.compile(r"(.*?)[_ .-]?\d{1,3}")


def value_at(content: Any, path: str) -> Any:
    """What stands at a path; of a list what stands there in each of its objects; ``None`` where there is nothing.

    Args:
        content: What JSON holds.
        path: A name, or several with dots between them: ``sentences.raw`` of ``{"sentences": [{"raw": "a dog"}]}``.
    """
    if isinstance(content, list):
        found = [value_at(each, path) for each in content]
        return [each for each in found if each is not None] or None
    if not isinstance(content, Mapping):
        return None
    if path in content:
        return content[path]
    # A name may hold dots itself: the longest that is there counts.
    first = max((name for name in content if path.startswith(f"{name}.")), key=len, default=None)
    return None if first is None else value_at(content[first], path[len(first) + 1 :])


def numbered(names: Iterable[str], stems: Iterable[str]) -> list[str]:
    """Those of the names that are one of the stems, or one with a number behind it: ``raw``, ``raw_1``, ``caption0``.

    Args:
        names: The names that there are.
        stems: The names that are looked for.
    """
    known = set(stems)
    found = []
    for name in names:
        counted = _NUMBERED.fullmatch(name)
        if name in known or (counted is not None and counted[1] in known):
            found.append(name)
    return found
