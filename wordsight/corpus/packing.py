"""Accepted examples into the files of a corpus, the others into its list of rejects."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from wordsight.atomic import atomic_file, json_text
from wordsight.corpus.drawn_splits import SplitDraw
from wordsight.corpus.duplicates import SeenNames, join, kept_split
from wordsight.corpus.example import Box, Example, Rejected
from wordsight.corpus.images import PackedImage
from wordsight.corpus.left_out import how_to_keep, unread_in_words
from wordsight.corpus.rows import Rows, row_checksum
from wordsight.corpus.shared_captions import SharedCaptions
from wordsight.corpus.splits import ALL
from wordsight.corpus.store import CAPTION_SCHEMA, FORMAT_VERSION, IMAGE_SCHEMA
from wordsight.corpus.writing import RowWriter
from wordsight.errors import InputError, listed, setting
from wordsight.spreadsheet import SpreadsheetWriter


class Packing:
    """The files of a corpus in the making.

    Images are written as they come; what came with them goes to a draft first, as a later duplicate may still add to
    it or replace it. Memory holds a few hashes an example, never an image or a caption of the past.

    Args:
        folder: Where the files go.
        max_rejected_share: A larger share of bad examples stops the build.
        list_beside: Where the list of rejects is left when it does.
        draw: Which share of the images is held out.
    """

    def __init__(self, folder: Path, max_rejected_share: float, list_beside: Path, draw: SplitDraw) -> None:
        self.folder = folder
        self.max_rejected_share, self.list_beside, self.draw = max_rejected_share, list_beside, draw
        self.read = self.bad = 0
        self.reasons: Counter[str] = Counter()
        self.units: dict[str, Counter[str]] = defaultdict(Counter)
        self._first_of_reason: dict[str, Rejected] = {}
        self._ids, self._pictures = SeenNames(), SeenNames()
        self._hashes = array("Q")
        self._first_draft = array("q")
        self._drafts_of: dict[int, list[int]] = defaultdict(list)
        self._drafted = 0

    def __enter__(self) -> Packing:
        with ExitStack() as stack:
            self._images = stack.enter_context(RowWriter(self.folder, "images", IMAGE_SCHEMA, numbered=True))
            self._draft = stack.enter_context(RowWriter(self.folder, "draft", CAPTION_SCHEMA))
            self._list = stack.enter_context((self.folder / "rejected.csv").open("w", encoding="utf-8", newline=""))
            self._csv = SpreadsheetWriter(self._list)
            self._csv.write(["id", "kind", "reason", "detail"])
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def add(self, example: Example, image: PackedImage, rejected_captions: list[Rejected]) -> None:
        """Take one example that passed its checks, and the captions that it lost."""
        if self._ids.add(example.id, 0) is not None:
            self.reject(Rejected(example.id, "example", "repeated id", "another example has it already"))
            return
        self.draw.check(example.split)
        self.read += 1
        for caption in rejected_captions:
            self._note(caption)
        row = len(self._first_draft)
        earlier = self._pictures.add(image.hash, row)
        self._draft.add(_text_row(example), _size(example))
        if earlier is None:
            beside = (image.width, image.height, image.hash, _clean(example.id))
            self._images.add((image.data, *beside, row_checksum(image.data, *beside)), len(image.data))
            self._first_draft.append(self._drafted)
            high, low = int(image.hash[:16], 16), int(image.hash[16:], 16)
            self._hashes.extend((high, low))
        else:
            self._drafts_of[earlier].append(self._drafted)
        self._drafted += 1

    def reject(self, rejected: Rejected) -> None:
        """Take one thing that is left out; images and whole examples count as bad examples, parts of one don't."""
        if rejected.kind in ("image", "example"):
            self.read += 1
            self.bad += 1
            self._first_of_reason.setdefault(rejected.reason, rejected)
        self._note(rejected)

    def check_early(self, total: int | None) -> None:
        """Stop as soon as the rest of the source can't make it good again.

        Raises:
            InputError: When more than the allowed share of ``total`` examples is bad already.
        """
        if total is not None and self.bad > self.max_rejected_share * max(total, self.read):
            self._stop(f"the first {self.read:,} examples (of {total:,})")

    def check(self, sources: list[str], unread: Mapping[str, int]) -> None:
        """Stop when there is nothing to pack or too much of it was bad.

        Args:
            sources: Where the examples were looked for.
            unread: What lies there and was not read.

        Raises:
            InputError: In these cases.
        """
        if self.bad > self.max_rejected_share * self.read:
            self._stop(f"{self.read:,} examples")
        if not self._first_draft:
            found = "no example was found" if not self.read else "no example is left"
            found += f"; not read: {unread_in_words(unread)}" if unread else ""
            raise InputError(found, where=listed(sources), mend="check the paths and columns")

    def finish(
        self, sources: list[str], label_names: list[str], settings: dict[str, Any], unread: Mapping[str, int]
    ) -> None:
        """Write what came with the images, duplicates joined, and ``corpus.json``.

        Args:
            sources: Where the examples came from.
            label_names: Every class that the source declares; those found in the examples are added.
            settings: What the corpus was built with.
            unread: What lies there and was not read.
        """
        shown = {name: settings[name] for name in ("shorter_side", "jpeg_quality")}
        digest = hashlib.sha256(json.dumps([FORMAT_VERSION, shown]).encode())
        tally, row = _Tally(labels=dict.fromkeys(map(_clean, label_names))), 0
        draft = Rows(self.folder / "draft.arrow")
        splits = self._drawn_splits(draft)
        shared = self._shared_captions(draft, settings.get("max_caption_images", 0))
        with (
            RowWriter(self.folder, "captions", CAPTION_SCHEMA) as writer,
            (self.folder / "rejected.csv").open("a", encoding="utf-8", newline="") as file,
        ):
            self._csv = SpreadsheetWriter(file)
            for number, fields in enumerate(draft):
                if row == len(self._first_draft) or number != self._first_draft[row]:
                    continue
                example = self._joined(_example(fields), [draft[k] for k in self._drafts_of.get(row, ())])
                if splits is not None:
                    example = replace(example, split=splits[row])
                if shared is not None:
                    example, left_out = shared.without(example)
                    for caption in left_out:
                        self._note(caption)
                text_row = _text_row(example)
                writer.add(text_row, _size(example))
                digest.update(json.dumps([*text_row, self._hashes[2 * row], self._hashes[2 * row + 1]]).encode())
                tally.add(example)
                row += 1
        draft.close()
        (self.folder / "draft.arrow").unlink()
        counts = {"read": self.read, "examples": row, **tally.counts, "bad": self.bad}
        info = {
            "version": FORMAT_VERSION,
            "fingerprint": digest.hexdigest()[:32],
            "sources": [_clean(source) for source in sources],
            "settings": settings,
            "counts": {
                **counts,
                "rejected": dict(sorted(self.reasons.items())),
                "rejected_units": {reason: dict(self.units[reason]) for reason in sorted(self.units)},
                "unread": dict(sorted((_clean(ending), number) for ending, number in unread.items())),
            },
            "splits": dict(tally.splits),
            "languages": dict(tally.languages),
            "label_names": sorted(tally.labels),
            "shards": self._images.files,
            "captions": writer.files[0],
        }
        (self.folder / "corpus.json").write_text(json_text(info), encoding="utf-8")

    def _drawn_splits(self, draft: Rows) -> list[str] | None:
        """The split of every picture where some are to be held out."""
        if not self.draw:
            return None
        of_draft = draft.column("split").to_pylist()
        rows = range(len(self._first_draft))
        alike = ([self._first_draft[row], *self._drafts_of.get(row, ())] for row in rows)
        hashes = [f"{self._hashes[2 * row]:016x}{self._hashes[2 * row + 1]:016x}" for row in rows]
        return self.draw.drawn([kept_split([of_draft[k] for k in drafts]) for drafts in alike], hashes)

    def _shared_captions(self, draft: Rows, most: int) -> SharedCaptions | None:
        """How many pictures have each caption, where those of too many are to be left out."""
        if not most:
            return None
        shared = SharedCaptions(most)
        for row, first in enumerate(self._first_draft):
            shared.add(text for k in (first, *self._drafts_of.get(row, ())) for text in draft[k]["captions"])
        return shared

    def _joined(self, first: Example, others: list[dict[str, Any]]) -> Example:
        if not others:
            return first
        joined = join([first, *map(_example, others)])
        for rejected in joined.rejected:
            self._note(rejected)
        return joined.example

    def _note(self, rejected: Rejected) -> None:
        self.reasons[rejected.reason] += 1
        self.units[rejected.reason][rejected.kind] += 1
        cells = (rejected.id, rejected.kind, rejected.reason, rejected.detail)
        self._csv.write([" ".join(_clean(cell).split()) for cell in cells])

    def _stop(self, of: str) -> None:
        self._list.flush()
        with atomic_file(self.list_beside) as beside:
            beside.write_bytes((self.folder / "rejected.csv").read_bytes())
        reasons = []
        for reason, first in self._first_of_reason.items():
            example = f"{first.id}: {first.detail}" if first.detail else first.id
            reasons.append(f"{self.reasons[reason]} {reason} (such as {_clean(example)[:200]})")
        keep = how_to_keep(self._first_of_reason)
        raise InputError(
            f"{self.bad:,} of {of} can't be used: {'; '.join(reasons)}",
            expected=f"at most {100 * self.max_rejected_share:g} % bad ones",
            mend=(
                f"they are listed in {self.list_beside}: {keep or 'fix them'}",
                f"raise {setting('max_rejected_share')}",
            ),
        )


@dataclass
class _Tally:
    """What ``corpus.json`` counts of the examples kept."""

    labels: dict[str, None]
    counts: Counter[str] = field(default_factory=lambda: Counter(captions=0, boxes=0, articles=0))
    splits: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)

    def add(self, example: Example) -> None:
        self.counts.update(
            captions=len(example.captions), boxes=len(example.boxes), articles=int(example.article is not None)
        )
        self.splits.update([example.split] if example.split else [])
        self.languages.update(filter(None, example.languages))
        self.labels.update(dict.fromkeys((*example.labels, *example.ignored_labels)))


def _size(example: Example) -> int:
    """About how many bytes a row of text takes."""
    boxes = sum(40 + len(box.name) for box in example.boxes)
    return 200 + sum(map(len, example.captions)) + boxes + len(example.article or "")


def _text_row(example: Example) -> tuple[Any, ...]:
    split = "" if example.split == ALL else _clean(example.split)
    return (
        _clean(example.id),
        split,
        [_clean(caption) for caption in example.captions],
        [_clean(language) for language in example.languages],
        [_clean(label) for label in example.labels],
        [_clean(label) for label in example.ignored_labels],
        [dict(zip(Box.__slots__, (_clean(box.name), *astuple(box)[1:]), strict=True)) for box in example.boxes],
        None if example.article is None else _clean(example.article),
    )


def _example(fields: dict[str, Any]) -> Example:
    plain = {name: tuple(fields[name]) for name in ("captions", "languages", "labels", "ignored_labels")}
    return Example(
        id=fields["id"],
        image=b"",
        boxes=tuple(Box(**box) for box in fields["boxes"]),
        article=fields["article"],
        split=fields["split"],
        **plain,
    )


def _clean(text: str) -> str:
    """Text that UTF-8 can hold: file names and JSON strings may carry halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
