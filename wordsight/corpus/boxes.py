"""Boxes of photos that are stored turned: where an object is once the photo stands upright.

A camera held on its side stores the picture as its sensor has it, and says in EXIF how to turn it. Boxes are mostly
drawn on the pixels as they are stored; some tools show the picture upright first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from wordsight.corpus.example import Box

_Edges = tuple[float, float, float, float]

# Left, top, right and bottom of a box on the upright picture, from those on the stored one, by EXIF's orientation.
_UPRIGHT: dict[int, Callable[[float, float, float, float], _Edges]] = {
    1: lambda left, top, right, bottom: (left, top, right, bottom),
    2: lambda left, top, right, bottom: (1 - right, top, 1 - left, bottom),
    3: lambda left, top, right, bottom: (1 - right, 1 - bottom, 1 - left, 1 - top),
    4: lambda left, top, right, bottom: (left, 1 - bottom, right, 1 - top),
    5: lambda left, top, right, bottom: (top, left, bottom, right),
    6: lambda left, top, right, bottom: (1 - bottom, left, 1 - top, right),
    7: lambda left, top, right, bottom: (1 - bottom, 1 - right, 1 - top, 1 - left),
    8: lambda left, top, right, bottom: (top, 1 - right, bottom, 1 - left),
}


def box_within(name: str, left: float, top: float, right: float, bottom: float, size: tuple[float, float]) -> Box | str:
    """A box in fractions of its picture, clipped to it; or the reason why it is left out.

    Args:
        name: Of what is in it.
        left: Its edges, in pixels.
        top: Likewise.
        right: Likewise.
        bottom: Likewise.
        size: Width and height of the picture, in pixels.
    """
    if right <= left or bottom <= top:
        return "box without area"
    left, right = (min(max(edge / size[0], 0.0), 1.0) for edge in (left, right))
    top, bottom = (min(max(edge / size[1], 0.0), 1.0) for edge in (top, bottom))
    if right <= left or bottom <= top:
        return "box outside the image"
    return Box(name, left, top, right - left, bottom - top)


def upright(
    boxes: Iterable[Box], orientation: int, stored_size: tuple[int, int], drawn_on: tuple[float, float] | None
) -> tuple[Box, ...]:
    """Boxes on the upright picture.

    Args:
        boxes: As the source has them, in fractions of the picture that they were drawn on.
        orientation: How the file says that the picture is to be turned, as EXIF counts, 1 to 8.
        stored_size: Width and height of the picture as its file stores it, in pixels.
        drawn_on: Width and height of the picture that the boxes were drawn on, as the source states them: when they
            fit the upright picture and not the stored one, the boxes are upright already. Where it is ``None``, or
            nothing can be told by it (half a turn, a mirror, a square), they are on the stored picture.
    """
    if orientation == 1 or (drawn_on is not None and _is_upright(orientation, stored_size, drawn_on)):
        return tuple(boxes)
    turned = []
    for box in boxes:
        edges = (box.x, box.y, box.x + box.width, box.y + box.height)
        left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in _UPRIGHT[orientation](*edges))
        turned.append(Box(box.name, left, top, right - left, bottom - top))
    return tuple(turned)


def _is_upright(orientation: int, stored_size: tuple[int, int], drawn_on: tuple[float, float]) -> bool:
    """Whether a stated size is nearer in shape to the upright picture; of a quarter turn alone that can be told."""
    if orientation < 5:
        return False
    stored, stated = (math.log(width / height) for width, height in (stored_size, drawn_on))
    return abs(stated + stored) < abs(stated - stored)
