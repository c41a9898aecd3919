"""Pages that look like one before them are found without comparing each with all: the same ones are found."""

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from domain.scan_session import CapturedPage, Lookalikes, alike
from tests.builders.scans import a_page

BITS = 64
bits = st.integers(0, BITS - 1)


def found(pages: Iterable[CapturedPage]) -> list[bool]:
    seen = Lookalikes()
    return [seen.has_like(page) for page in pages]


def compared_with_all(pages: list[CapturedPage]) -> list[bool]:
    return [any(alike(page, other) for other in pages[:at]) for at, page in enumerate(pages)]


def changed(fingerprint: int, places: Iterable[int]) -> int:
    for place in {*places}:
        fingerprint ^= 1 << place
    return fingerprint


@given(st.integers(0, 2**BITS - 1), st.sets(bits, max_size=4))
def test_four_bits_wherever_they_are_do_not_hide_a_page(fingerprint: int, places: set[int]) -> None:
    both = [a_page(1, fingerprint=fingerprint), a_page(2, fingerprint=changed(fingerprint, places))]
    assert found(both) == [False, True]


@given(st.integers(0, 2**BITS - 1), st.sets(bits, min_size=5))
def test_five_bits_are_another_page(fingerprint: int, places: set[int]) -> None:
    both = [a_page(1, fingerprint=fingerprint), a_page(2, fingerprint=changed(fingerprint, places))]
    assert found(both) == [False, False]


def test_pages_with_other_codes_are_others() -> None:
    assert found([a_page(1, fingerprint=7, scan_codes=("A",)), a_page(2, fingerprint=7, scan_codes=("B",))]) == [
        False,
        False,
    ]


@given(st.lists(st.tuples(st.sampled_from([0, 2**40, 2**BITS - 1]), st.sets(bits, max_size=6)), max_size=12))
def test_a_session_has_the_pages_that_a_comparison_with_all_finds(told: list[tuple[int, set[int]]]) -> None:
    pages = [a_page(n, fingerprint=changed(one, places)) for n, (one, places) in enumerate(told)]
    assert found(pages) == compared_with_all(pages)


class Counted(int):
    """A fingerprint that counts how often it is compared with another."""

    comparisons = 0

    def __xor__(self, other: int) -> int:
        Counted.comparisons += 1
        return int(self) ^ other


def test_of_five_hundred_letters_with_one_head_few_are_compared() -> None:
    """Half of each is the same. They are 125,000 pairs, and whoever asked anything of the archive waited for them."""
    chance = random.Random(4)
    head = chance.getrandbits(32)
    letters = [Counted(head | chance.getrandbits(32) << 32) for _ in range(500)]
    found(a_page(n, fingerprint=letter) for n, letter in enumerate(letters))
    assert 0 < Counted.comparisons < 10_000
