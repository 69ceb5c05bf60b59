"""What of a source is not in its corpus, in words: with its unit, and the flag or package that would change it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wordsight.corpus.example import Rejected
from wordsight.corpus.image_formats import decoder_packages
from wordsight.errors import said, setting

TOO_SHORT, TOO_LONG = "caption too short", "caption too long"
SHARED = "caption of many images"
_NONE_LEFT = "no caption left"
_ALL_TOO_SHORT, _ALL_TOO_LONG = f"{_NONE_LEFT}, all too short", f"{_NONE_LEFT}, all too long"
# The setting that a reason depends on, and how the captions stand to it.
_LIMITS = {
    reason: limit
    for reasons, limit in (
        ((TOO_SHORT, _ALL_TOO_SHORT), ("min_tokens", "fewer than", "lower")),
        ((TOO_LONG, _ALL_TOO_LONG), ("max_tokens", "more than", "raise")),
        ((SHARED,), ("max_caption_images", "more than", "raise")),
    )
    for reason in reasons
}
_PLURALS = {"box": "boxes"}
_MOST = 12


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 image", "1,200 images", "2 boxes"."""
    return f"{count:,} {noun if count == 1 else _PLURALS.get(noun, noun + 's')}"


def limit_of(reason: str, settings: Mapping[str, Any]) -> tuple[str, str, Any] | None:
    """Which limit a reason is about: "more than", its setting, and the value; nothing for one that is about none.

    Args:
        reason: Why something was left out.
        settings: What the corpus was built with.
    """
    name, stands, _ = _LIMITS.get(reason, ("", "", ""))
    return (stands, name, settings[name]) if name in settings else None


def without_captions(id: str, rejected: Sequence[Rejected], settings: Mapping[str, Any]) -> Rejected:
    """The reject for an example that nothing is left of, as all of its captions were left out and it has no label.

    Args:
        id: The example.
        rejected: Its captions.
        settings: What the corpus is built with.
    """
    reasons = {each.reason: each for each in rejected}
    found = []
    for reason, each in reasons.items():
        limit = limit_of(reason, settings)
        # It stands in a file that is the same whoever asked for it.
        told = "" if limit is None else f", {each.detail.split(':')[0]}, {limit[0]} {limit[1]} {limit[2]}"
        found.append(f"{reason}{told}")
    of_all = {TOO_SHORT: _ALL_TOO_SHORT, TOO_LONG: _ALL_TOO_LONG}
    reason = of_all.get(next(iter(reasons)), _NONE_LEFT) if len(reasons) == 1 else _NONE_LEFT
    return Rejected(id, "example", reason, f"{'; '.join(found)}; no label")


def how_to_keep(reasons: Iterable[str]) -> str:
    """The settings that would keep what was left out: "raise `max_tokens`"; "" where none would.

    Args:
        reasons: Why something was left out.
    """
    limits = (_LIMITS[reason] for reason in reasons if reason in _LIMITS)
    return " or ".join(dict.fromkeys(f"{how} {setting(name)}" for name, _, how in limits))


def rejected_in_words(
    rejected: Mapping[str, int], units: Mapping[str, Mapping[str, int]], settings: Mapping[str, Any]
) -> str:
    """What was left out: "caption too short (2 captions, fewer than min_tokens=3), duplicate (12 images)".

    Args:
        rejected: How many were left out, by reason.
        units: How many of each kind (image, caption, ...) they were, by reason; a corpus made before they were counted
            has none.
        settings: What the corpus was built with.
    """
    parts = []
    for reason, count in rejected.items():
        found = [counted(each, kind) for kind, each in units.get(reason, {}).items()] or [f"{count:,}"]
        if (limit := limit_of(reason, settings)) is not None:
            found.append(f"{limit[0]} {said(setting(*limit[1:]))}")
        parts.append(f"{reason} ({', '.join(found)})")
    return ", ".join(parts)


def unread_in_words(unread: Mapping[str, int]) -> str:
    """What lay in the source and was not read: ".heic (2 files, pip install pillow-heif to read them), .json (1 file)".

    Args:
        unread: How many files have each ending, or how many samples each field; those of images first.
    """
    packages = decoder_packages()
    parts = []
    for ending in sorted(unread, key=lambda each: (each not in packages, each)):
        mend = f", pip install {packages[ending]} to read them" if ending in packages else ""
        parts.append(f"{ending} ({counted(unread[ending], 'file')}{mend})")
    # A message of a thousand endings helps nobody.
    shown = parts[:_MOST]
    return ", ".join(shown) + (f" and {len(parts) - _MOST:,} more endings" if len(parts) > _MOST else "")
