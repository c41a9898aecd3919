"""The look of a scanned page: a coarse map of its ink, and whether two maps show the same sheet. Pure.

paper/ink.py draws the map. scan_session.py compares the pages of one session, so that a sheet that was fed twice is
detected and a form that was filled in differently is not.
"""

import zlib
from collections.abc import Sequence
from operator import sub
from typing import Final

WIDE: Final = 80
HIGH: Final = 112
"""Cells across and down: 2.6 mm of A4. A word of a text line changes several of them."""
LEVELS: Final = 16
"""Ink levels; 0 is a cell without ink."""

SHIFT_MAX: Final = 2
"""In cells. A sheet that is fed again is a few millimetres off."""
TOTAL_APART_MAX: Final = 0.25
WINDOW: Final = 4
INK_MIN: Final = 25
"""A window with less ink is measured as if it had this much, so that noise does not count."""
APART_MAX: Final = 0.45
"""Fraction of a window's ink. In 72 pairs of scans of one sheet (moved by 3 mm, turned by half a degree, noisy) the
worst window differed by at most 0.44; in 76 pairs of pages with one layout and other words by at least 0.49."""


def pack_map(cells: bytes) -> bytes:
    """The stored form of a map: WIDE × HIGH levels, row by row, compressed to 0.1 to 3 KB."""
    return zlib.compress(cells)


def unpack_map(look: bytes) -> bytes:
    """The WIDE × HIGH levels of a stored map; empty bytes when it is invalid. The size is bounded, whatever the bytes
    claim."""
    try:
        cells = zlib.decompressobj().decompress(look, WIDE * HIGH + 1)
    except zlib.error:
        return b""
    return cells if len(cells) == WIDE * HIGH else b""


def is_same_sheet(one: bytes, other: bytes) -> bool:
    """True if two unpacked maps show one sheet: no window differs by more than noise and placement explain.

    A map without ink, and an invalid map (see unpack_map), match nothing.
    """
    inks = sorted((sum(one), sum(other)))
    if inks[0] == 0 or inks[1] - inks[0] > TOTAL_APART_MAX * inks[1]:
        return False
    down = _best_shift([sum(row) for row in _rows_of(one)], [sum(row) for row in _rows_of(other)])
    across = _best_shift([sum(one[x::WIDE]) for x in range(WIDE)], [sum(other[x::WIDE]) for x in range(WIDE)])
    return _is_alike_everywhere(one, _shift_map(other, down, across))


def _rows_of(cells: bytes) -> list[bytes]:
    return [cells[y * WIDE : (y + 1) * WIDE] for y in range(HIGH)]


def _best_shift(one: Sequence[int], other: Sequence[int]) -> int:
    """The shift in cells that fits the second profile best to the first."""
    inner = range(SHIFT_MAX, len(one) - SHIFT_MAX)
    return min(
        range(-SHIFT_MAX, SHIFT_MAX + 1), key=lambda shift: sum(abs(one[at] - other[at + shift]) for at in inner)
    )


def _shift_map(cells: bytes, down: int, across: int) -> bytes:
    edge = bytes(SHIFT_MAX)
    padded = [edge + row + edge for row in _rows_of(cells)]
    empty = [bytes(WIDE + 2 * SHIFT_MAX)] * SHIFT_MAX
    first = SHIFT_MAX + across
    return b"".join(row[first : first + WIDE] for row in [*empty, *padded, *empty][SHIFT_MAX + down :][:HIGH])


def _is_alike_everywhere(one: bytes, other: bytes) -> bool:
    for top in range(0, WIDE * HIGH, WINDOW * WIDE):
        for left in range(top, top + WIDE, WINDOW):
            starts = range(left, left + WINDOW * WIDE, WIDE)
            first = b"".join(one[start : start + WINDOW] for start in starts)
            second = b"".join(other[start : start + WINDOW] for start in starts)
            apart = sum(map(abs, map(sub, first, second)))
            if apart > APART_MAX * max((sum(first) + sum(second)) / 2, INK_MIN):
                return False
    return True
