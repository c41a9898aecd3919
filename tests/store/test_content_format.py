"""The sealed format: what was sealed opens, in whole and in ranges; whatever else lies there is found to be damaged."""

import hashlib
import hmac
import io
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.ports import ContentDamaged, Missing
from store.content_format import (
    CHUNK_BYTES,
    HEADER_BYTES,
    PLAIN_BYTES_MAX,
    TAG_BYTES,
    Sealing,
    Tally,
    content_key,
    open_range,
    seal_content,
    size_when_opened,
    size_when_sealed,
)

SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
CONTENT = UUID("0199a000-0000-7000-8000-0000000000c4")
KEY = content_key(bytes(range(32)), CONTENT)
PLAIN = random.Random(5).randbytes(3 * CHUNK_BYTES)
AROUND_CHUNKS = [0, 1, 15, 16, 17, 20_480] + [n * CHUNK_BYTES + d for n in (1, 2, 3) for d in (-17, -16, -1, 0, 1, 16)]


def sealed(plain: bytes, key: bytes = KEY, content: UUID = CONTENT) -> bytes:
    return b"".join(seal_content(key, content, [plain]))


def reading(stored: bytes, piece_bytes: int = 1024 * 1024) -> Callable[[int, int], Iterator[bytes]]:
    """A store's read of one key, in pieces as it pleases."""

    def read(first: int, last: int) -> Iterator[bytes]:
        wanted = stored[first : last + 1]
        return (wanted[at : at + piece_bytes] for at in range(0, len(wanted), piece_bytes))

    return read


def opened(stored: bytes, first: int = 0, last: int | None = None, *, size: int | None = None) -> bytes:
    return b"".join(open_range(KEY, CONTENT, reading(stored), len(stored) if size is None else size, first, last))


def is_found_damaged(stored: bytes, *, size: int | None = None) -> bool:
    try:
        opened(stored, size=size)
    except ContentDamaged:
        return True
    return False


@pytest.fixture(scope="module")
def small() -> bytes:
    """A sealed file of exactly 4 KiB."""
    stored = sealed(os.urandom(4096 - HEADER_BYTES - TAG_BYTES))
    assert len(stored) == 4096
    return stored


@pytest.fixture(scope="module")
def long_plain() -> bytes:
    return random.Random(4).randbytes(3 * CHUNK_BYTES + 1_000)


@pytest.fixture(scope="module")
def long(long_plain: bytes) -> bytes:
    """A sealed file of four chunks."""
    return sealed(long_plain)


def chunks_of(stored: bytes) -> list[bytes]:
    body = stored[HEADER_BYTES:]
    return [body[at : at + SEALED_CHUNK_BYTES] for at in range(0, len(body), SEALED_CHUNK_BYTES)]


@pytest.mark.parametrize("size", AROUND_CHUNKS)
def test_what_was_sealed_opens(size: int) -> None:
    plain = os.urandom(size)

    stored = sealed(plain)

    assert opened(stored) == plain
    assert len(stored) == size_when_sealed(size)


@given(
    cuts=st.lists(st.integers(0, 2 * CHUNK_BYTES + 100), max_size=8),
    store_piece=st.sampled_from([11, 7_919, CHUNK_BYTES + TAG_BYTES, 1 << 20]),
)
def test_neither_the_pieces_of_the_source_nor_those_of_the_store_matter(cuts: list[int], store_piece: int) -> None:
    plain = PLAIN[: 2 * CHUNK_BYTES + 100]
    edges = [0, *sorted(cuts), len(plain)]
    pieces = [plain[begin:end] for begin, end in pairwise(edges)]

    stored = b"".join(seal_content(KEY, CONTENT, pieces, randomness=lambda count: b"\7" * count))

    assert stored == b"".join(seal_content(KEY, CONTENT, [plain], randomness=lambda count: b"\7" * count))
    assert b"".join(open_range(KEY, CONTENT, reading(stored, store_piece), len(stored))) == plain


def test_a_file_is_a_source_too_even_one_that_reads_short() -> None:
    class Short(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1_000))

    for file in (io.BytesIO(PLAIN), Short(PLAIN)):
        assert opened(b"".join(seal_content(KEY, CONTENT, file))) == PLAIN


def test_no_two_seals_are_alike() -> None:
    assert sealed(b"paper") != sealed(b"paper")


def test_the_key_of_a_content_follows_from_paper_and_id_by_the_standard() -> None:
    paper_key = os.urandom(32)

    # RFC 5869 in two lines: extract under a salt of zeros, expand to one block.
    extracted = hmac.digest(bytes(32), paper_key, "sha256")
    expanded = hmac.digest(extracted, b"dossier content key 1" + CONTENT.bytes + b"\x01", "sha256")

    assert content_key(paper_key, CONTENT) == expanded
    assert content_key(paper_key, uuid4()) != expanded


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_keys_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        content_key(bytes(size), CONTENT)
    with pytest.raises(ValueError, match="32 bytes"):
        next(seal_content(bytes(size), CONTENT, [b"paper"]))


def test_a_sealing_tells_sizes_and_digests_of_both_sides_and_only_when_complete() -> None:
    sealing = Sealing(KEY, CONTENT, io.BytesIO(PLAIN))
    with pytest.raises(RuntimeError):
        sealing.measure()
    pieces = iter(sealing)
    begun = next(pieces)
    with pytest.raises(RuntimeError):
        sealing.measure()

    stored = begun + b"".join(pieces)

    measured = sealing.measure()
    assert measured.size_bytes == len(PLAIN)
    assert measured.sha256 == hashlib.sha256(PLAIN).digest()
    assert measured.sealed_size_bytes == len(stored)
    assert measured.sealed_sha256 == hashlib.sha256(stored).digest()
    assert opened(stored) == PLAIN


def test_a_tally_lets_the_bytes_through_unchanged() -> None:
    tally = Tally()

    assert b"".join(tally.pass_through([b"a", b"", b"paper"])) == b"apaper"
    assert (tally.size_bytes, tally.sha256) == (6, hashlib.sha256(b"apaper").digest())


def test_memory_does_not_grow_with_the_content() -> None:
    def source() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(1024 * 1024)

    tracemalloc.start()
    try:
        total = sum(map(len, seal_content(KEY, CONTENT, source())))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert total == size_when_sealed(64 * 1024 * 1024)
    assert peak < 4 * 1024 * 1024


@given(size=st.integers(0, 2**40))
@example(0)
@example(CHUNK_BYTES)
@example(CHUNK_BYTES + 1)
@example(PLAIN_BYTES_MAX)
def test_sizes_convert_both_ways(size: int) -> None:
    assert size_when_opened(size_when_sealed(size)) == size


def test_every_size_is_either_that_of_some_plain_size_or_refused() -> None:
    limit = 2 * SEALED_CHUNK_BYTES + HEADER_BYTES + 200
    possible = {size_when_sealed(size) for size in range(2 * CHUNK_BYTES + 201)}

    for size in range(-2, limit):
        if size in possible:
            assert size_when_sealed(size_when_opened(size)) == size
        else:
            with pytest.raises(ContentDamaged):
                size_when_opened(size)


def test_sizes_beyond_the_format_are_refused() -> None:
    for size in (-1, PLAIN_BYTES_MAX + 1):
        with pytest.raises(ValueError, match=str(size)):
            size_when_sealed(size)
    with pytest.raises(ContentDamaged):
        size_when_opened(size_when_sealed(PLAIN_BYTES_MAX) + 1 + TAG_BYTES)


def test_every_single_flipped_bit_is_found(small: bytes) -> None:
    for bit in range(len(small) * 8):
        flipped = bytearray(small)
        flipped[bit // 8] ^= 1 << bit % 8

        assert is_found_damaged(bytes(flipped)), f"bit {bit}"


def test_a_flipped_bit_in_any_chunk_of_a_long_file_is_found(long: bytes) -> None:
    for bit in random.Random(6).sample(range(len(long) * 8), 200):
        flipped = bytearray(long)
        flipped[bit // 8] ^= 1 << bit % 8

        assert is_found_damaged(bytes(flipped)), f"bit {bit}"


def test_a_cut_at_any_length_is_found(small: bytes) -> None:
    for length in range(len(small)):
        assert is_found_damaged(small[:length]), f"{length} bytes, taken for all"
        assert is_found_damaged(small[:length], size=len(small)), f"{length} bytes of {len(small)}"


def test_a_cut_around_every_chunk_of_a_long_file_is_found(long: bytes) -> None:
    for chunk in range(4):
        for distance in (-17, -16, -1, 0, 1, 15, 16, 17):
            length = HEADER_BYTES + chunk * SEALED_CHUNK_BYTES + distance
            if length >= 0:
                assert is_found_damaged(long[:length]), f"{length} bytes, taken for all"
                assert is_found_damaged(long[:length], size=len(long)), f"{length} bytes of {len(long)}"


def test_bytes_added_at_the_end_are_found_when_they_are_counted(long: bytes) -> None:
    for count in (1, 16, 17, SEALED_CHUNK_BYTES):
        assert is_found_damaged(long + bytes(count))


def test_chunks_that_were_swapped_left_out_or_repeated_are_found(long: bytes) -> None:
    header, chunks = long[:HEADER_BYTES], chunks_of(long)
    arrangements = {
        "swapped": [1, 0, 2, 3],
        "last moved": [0, 1, 3, 2],
        "first left out": [1, 2, 3],
        "one left out": [0, 2, 3],
        "last left out": [0, 1, 2],
        "all but the last left out": [3],
        "repeated": [0, 0, 1, 2, 3],
        "one in place of another": [0, 1, 1, 3],
    }

    assert opened(header + b"".join(chunks))
    for what, order in arrangements.items():
        assert is_found_damaged(header + b"".join(chunks[at] for at in order)), what


def test_chunks_of_another_seal_of_the_same_content_are_found(long: bytes, long_plain: bytes) -> None:
    ours, theirs = chunks_of(long), chunks_of(sealed(long_plain))
    for at in range(4):
        mixed = [*ours[:at], theirs[at], *ours[at + 1 :]]

        assert is_found_damaged(long[:HEADER_BYTES] + b"".join(mixed))


def test_the_content_of_another_id_or_key_does_not_open() -> None:
    other = uuid4()

    assert is_found_damaged(sealed(b"paper", content=other))
    assert is_found_damaged(sealed(b"paper", key=content_key(bytes(32), CONTENT)))
    assert is_found_damaged(sealed(b"paper", key=content_key(bytes(range(32)), other), content=other))


@pytest.mark.parametrize("size", [0, 20_480, 3 * CHUNK_BYTES])
def test_an_empty_file_in_place_of_the_content_is_found(size: int) -> None:
    assert is_found_damaged(b"", size=size_when_sealed(size))
    assert is_found_damaged(bytes(size_when_sealed(size)), size=size_when_sealed(size))


def test_a_cut_tail_is_found_by_a_range_that_touches_what_is_then_last(long: bytes) -> None:
    cut = long[: HEADER_BYTES + 2 * SEALED_CHUNK_BYTES]

    with pytest.raises(ContentDamaged):
        opened(cut, CHUNK_BYTES, CHUNK_BYTES + 9)
    with pytest.raises(ContentDamaged):
        opened(cut, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 9, size=len(long))


@given(data=st.data(), size=st.sampled_from(AROUND_CHUNKS[1:]))
def test_a_range_is_the_slice_of_the_whole(data: st.DataObject, size: int) -> None:
    plain = (PLAIN + PLAIN)[:size]
    stored = sealed(plain)
    first = data.draw(st.integers(0, size - 1), label="first")
    last = data.draw(st.integers(first, size - 1), label="last")

    assert opened(stored, first, last) == plain[first : last + 1]
    assert opened(stored, first) == plain[first:]


def test_ranges_around_every_chunk_boundary(long: bytes, long_plain: bytes) -> None:
    edges = [n * CHUNK_BYTES + d for n in range(4) for d in (-1, 0, 1) if n * CHUNK_BYTES + d >= 0]
    edges.append(len(long_plain) - 1)
    for first in edges:
        for last in (edge for edge in edges if edge >= first):
            assert opened(long, first, last) == long_plain[first : last + 1], f"{first}..{last}"


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (0, 10), (10, None), (6, 5), (5, -1), (10, 9), (11, 12), (0, -1)])
def test_a_range_outside_the_content_is_refused_before_anything_is_read(first: int, last: int | None) -> None:
    def read(_first: int, _last: int) -> Iterator[bytes]:
        raise AssertionError("nothing is to be read")

    with pytest.raises(ValueError, match="outside the 10 bytes"):
        open_range(KEY, CONTENT, read, size_when_sealed(10), first, last)


def test_empty_content_is_proved_to_be_empty() -> None:
    assert opened(sealed(b"")) == b""
    assert opened(sealed(b""), 0, -1) == b""
    for first, last in ((0, 0), (1, None), (1, 0), (-1, -1)):
        with pytest.raises(ValueError, match="outside the 0 bytes"):
            opened(sealed(b""), first, last)
    assert is_found_damaged(sealed(b"x")[:-1])


def test_a_range_reads_the_header_and_the_touched_chunks_only(long: bytes) -> None:
    asked: list[tuple[int, int]] = []

    def read(first: int, last: int) -> Iterator[bytes]:
        asked.append((first, last))
        return reading(long)(first, last)

    list(open_range(KEY, CONTENT, read, len(long), 2 * CHUNK_BYTES + 5, 2 * CHUNK_BYTES + 6))
    list(open_range(KEY, CONTENT, read, len(long), 5, 6))

    third = HEADER_BYTES + 2 * SEALED_CHUNK_BYTES
    assert asked == [(0, 11), (third, third + SEALED_CHUNK_BYTES - 1), (0, HEADER_BYTES + SEALED_CHUNK_BYTES - 1)]


def test_damage_elsewhere_does_not_keep_a_range_from_opening(long: bytes, long_plain: bytes) -> None:
    damaged = bytearray(long)
    damaged[HEADER_BYTES + 5] ^= 1

    assert opened(bytes(damaged), CHUNK_BYTES, CHUNK_BYTES + 99) == long_plain[CHUNK_BYTES : CHUNK_BYTES + 100]


def test_what_comes_before_the_damage_is_authentic_and_nothing_comes_after(long: bytes, long_plain: bytes) -> None:
    damaged = bytearray(long)
    damaged[HEADER_BYTES + 2 * SEALED_CHUNK_BYTES + 5] ^= 1
    got: list[bytes] = []

    with pytest.raises(ContentDamaged, match=f"{CONTENT}: chunk 2"):
        got.extend(open_range(KEY, CONTENT, reading(bytes(damaged)), len(long)))

    assert b"".join(got) == long_plain[: len(b"".join(got))]
    assert len(b"".join(got)) <= 2 * CHUNK_BYTES


def test_a_store_that_misses_the_key_is_heard() -> None:
    def read(_first: int, _last: int) -> Iterator[bytes]:
        raise Missing(str(CONTENT))

    with pytest.raises(Missing):
        list(open_range(KEY, CONTENT, read, size_when_sealed(10)))
