"""From a reader to a corpus on disk: check, decode, shrink, leave out what can't be used and say why, pack."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from operator import length_hint
from pathlib import Path
from typing import Any

from PIL import Image

from wordsight.atomic import atomic_folder, refuse_existing
from wordsight.corpus.boxes import upright
from wordsight.corpus.captions import check_captions
from wordsight.corpus.drawn_splits import SplitDraw
from wordsight.corpus.example import CountsUnread, Example, Reader, Rejected
from wordsight.corpus.images import BadImage, PackedImage, pack_image
from wordsight.corpus.left_out import without_captions
from wordsight.corpus.packing import Packing
from wordsight.corpus.store import Corpus
from wordsight.errors import InputError
from wordsight.locks import sole_writer
from wordsight.parallel import cores, ordered_map
from wordsight.progress import track
from wordsight.ranges import (
    AtLeastOne,
    JpegQuality,
    Limit,
    PixelCount,
    Probability,
    ProcessesOrAuto,
    Seed,
    StoredSide,
    UnitFromZero,
    check_ranges,
)

# Decoded images in flight: enough that no thread waits for the writer, few enough that memory stays small.
_AHEAD = 8


@dataclass(frozen=True)
class BuildSettings:
    """How a corpus is built.

    Args:
        shorter_side: Images are shrunk to this shorter side, in pixels; smaller ones keep their size.
        jpeg_quality: Of re-encoded images, 1 to 95.
        min_tokens: Captions with fewer words and punctuation marks are left out.
        max_tokens: Captions with more are left out.
        max_caption_images: Captions that more images than this share are left out, as raw alt texts want it; 0 keeps
            all.
        max_pixels: Images with more pixels are left out before they are decoded.
        max_rejected_share: A larger share of bad examples stops the build. Duplicates and lost captions don't count.
        val_share: This share of the images is the split "val", drawn by their content; from those in "train" where the
            source has splits.
        test_share: This share of them is the split "test".
        split_seed: Which images are drawn for them.
        threads: How many images are decoded at once; 0 for one per processor core.

    Examples:
        >>> BuildSettings(shorter_side=64).shorter_side
        64
        >>> BuildSettings(shorter_side=-1)
        Traceback (most recent call last):
            ...
        wordsight.errors.InputError: shorter_side is -1; expected a number from 8 to 8,192
    """

    shorter_side: StoredSide = 256
    jpeg_quality: JpegQuality = 90
    min_tokens: AtLeastOne = 3
    max_tokens: AtLeastOne = 25
    max_caption_images: Limit = 0
    max_pixels: PixelCount = 100_000_000
    max_rejected_share: Probability = 0.05
    val_share: UnitFromZero = 0.0
    test_share: UnitFromZero = 0.0
    split_seed: Seed = 0
    threads: ProcessesOrAuto = 0

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.val_share + self.test_share >= 1:
            found = f"val_share {self.val_share:g} and test_share {self.test_share:g} leave no image to train on"
            raise InputError(found, expected="less than 1 together")
        if self.max_tokens < self.min_tokens:
            raise InputError(f"max_tokens is {self.max_tokens}", expected=f"min_tokens ({self.min_tokens}) or more")

    @property
    def draw(self) -> SplitDraw:
        """Which share of the images is held out."""
        return SplitDraw(self.val_share, self.test_share, self.split_seed)

    def kept(self) -> dict[str, Any]:
        """What ``corpus.json`` keeps of the settings: all but those of the machine."""
        return {name: value for name, value in asdict(self).items() if name != "threads"}


def build_corpus(
    reader: Reader, out: Path, settings: BuildSettings = BuildSettings(), overwrite: bool = False
) -> Corpus:
    """Read a source, check it, pack it, and open the result.

    The corpus appears under its name when it is complete; a build that fails or is killed leaves what was there before.
    When too many examples are bad, the list of them is left beside ``out`` as ``<out>-rejected.csv``.

    Args:
        reader: The source.
        out: The folder to make.
        settings: Sizes, rules and limits.
        overwrite: Whether a corpus that is there already is replaced.

    Raises:
        InputError: When ``out`` exists or another process is making it, the source can't be read, more than the allowed
            share of its examples is bad, none is left, or the disk is full.

    Examples:
        >>> from wordsight.corpus.readers.folder import Folder
        >>> from pathlib import Path
        >>> corpus = build_corpus(Folder(Path("classes")), Path("corpora/classes"), overwrite=True)
        >>> len(corpus), corpus.label_names
        (24, ['circle', 'square'])
    """
    out = Path(out)
    refuse_existing(out, overwrite=overwrite, holds="corpus.json")
    list_beside = out.with_name(f"{out.name}-rejected.csv")
    with sole_writer(out), atomic_folder(out, overwrite=overwrite, holds="corpus.json") as folder:
        with Packing(folder, settings.max_rejected_share, list_beside, settings.draw) as packing:
            _read(reader, packing, settings)
            unread = reader.unread() if isinstance(reader, CountsUnread) else {}
            packing.check(reader.sources(), unread)
        packing.finish(reader.sources(), reader.label_names(), settings.kept(), unread)
    list_beside.unlink(missing_ok=True)
    return Corpus.open(out)


def _read(reader: Reader, packing: Packing, settings: BuildSettings) -> None:
    total = length_hint(reader, 0) or None
    with _quiet_pillow():
        for item in track(_packed(reader, settings), "packing images", total=total):
            if isinstance(item, Rejected):
                packing.reject(item)
            else:
                packing.add(*item)
            packing.check_early(total)


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Pillow's own limit and its warnings give way to ours while a corpus is built."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


_Item = Rejected | tuple[Example, PackedImage, list[Rejected]]


def _packed(reader: Reader, settings: BuildSettings) -> Iterator[_Item]:
    """Every example with its image packed, in the reader's order: images are decoded on several threads."""
    threads = settings.threads or cores()
    return ordered_map(lambda item: _pack(item, settings), reader, workers=threads, ahead=threads * _AHEAD, name="pack")


def _pack(example: Example | Rejected, settings: BuildSettings) -> _Item:
    """Check one example: its captions first, as they cost least."""
    if isinstance(example, Rejected):
        return example
    spoken, rejected = check_captions(example.id, example.spoken, settings.min_tokens, settings.max_tokens)
    if example.captions and not spoken and not (example.labels or example.boxes or example.article):
        return without_captions(example.id, rejected, settings.kept())
    try:
        image = pack_image(example.image, settings.shorter_side, settings.jpeg_quality, settings.max_pixels)
    except BadImage as bad:
        return Rejected(example.id, "image", bad.reason, bad.detail)
    boxes = upright(example.boxes, image.orientation, image.stored_size, example.drawn_on)
    return replace(example.saying(spoken), boxes=boxes), image, rejected
