"""Maps of the ink of pages: the same sheet laid elsewhere is the same, one word more makes another."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import page_look
from domain.page_look import HIGH, WIDE, is_same_sheet, pack_map, unpack_map

FULL = page_look.LEVELS - 1


def a_map(seed: int = 1, down: int = 0, across: int = 0, grain: int = 0) -> bytes:
    """Forty text lines of words and gaps, laid `down` and `across` cells elsewhere, every cell up to `grain` apart."""
    chance, noise = random.Random(seed), random.Random(seed + 1000 * grain)
    cells = bytearray(WIDE * HIGH)
    for line in range(40):
        for x in range(60):
            if chance.random() < 0.7:
                cells[(2 * line + 8 + down) * WIDE + x + 8 + across] = chance.randint(4, 11)
    return bytes(max(0, cell + noise.randint(-grain, grain)) if cell else 0 for cell in cells)


def with_a_word(cells: bytes) -> bytes:
    """Something written by hand in the empty part below the text: 2 cm long, as high as a line."""
    more = bytearray(cells)
    for x in range(20, 28):
        more[100 * WIDE + x] = more[101 * WIDE + x] = 7
    return bytes(more)


@given(down=st.integers(-2, 2), across=st.integers(-2, 2), grain=st.integers(0, 1))
def test_a_sheet_that_lies_elsewhere_is_the_same(down: int, across: int, grain: int) -> None:
    assert is_same_sheet(a_map(), a_map(down=down, across=across, grain=grain))


@given(other=st.integers(2, 10_000))
def test_other_words_in_the_same_lines_are_another_sheet(other: int) -> None:
    assert not is_same_sheet(a_map(), a_map(other))


def test_a_word_more_makes_another_sheet() -> None:
    assert not is_same_sheet(a_map(), with_a_word(a_map()))
    assert not is_same_sheet(with_a_word(a_map()), a_map(down=1))


def test_it_does_not_matter_which_comes_first() -> None:
    for other in (a_map(down=2), a_map(2), with_a_word(a_map())):
        assert is_same_sheet(a_map(), other) is is_same_sheet(other, a_map())


def test_a_page_without_ink_is_like_nothing() -> None:
    empty = bytes(WIDE * HIGH)
    assert not is_same_sheet(empty, empty)
    assert not is_same_sheet(b"", b"")
    assert not is_same_sheet(empty, a_map())


def test_a_map_is_packed_and_read_again() -> None:
    assert unpack_map(pack_map(a_map())) == a_map()


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no map",
        pack_map(b"\x01"),
        pack_map(bytes(WIDE * HIGH + 1)),
        pack_map(bytes(10_000_000)),
        pack_map(a_map())[:-20],
    ],
    ids=["empty", "other bytes", "too few cells", "one cell more", "a bomb", "cut"],
)
def test_what_is_no_map_reads_as_none(damaged: bytes) -> None:
    assert unpack_map(damaged) == b""
