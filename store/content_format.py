"""The sealed form of content at rest, byte for byte as in docs/content-format.md; content_directory.py stores it.

A header, then chunks of AES-256-GCM in the STREAM construction: a range opens only its chunks, and a truncated end is
detected.
"""

import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import BinaryIO
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.ports import ContentDamaged, Stored

CHUNK_SIZE_LOG2 = 16
CHUNK_BYTES = 1 << CHUNK_SIZE_LOG2
MAGIC = b"DSR1"
FORM = MAGIC + bytes([CHUNK_SIZE_LOG2])
NONCE_PREFIX_BYTES = 7
HEADER_BYTES = len(FORM) + NONCE_PREFIX_BYTES
TAG_BYTES = 16
KEY_BYTES = 32
KEY_INFO = b"dossier content key 1"
PLAIN_BYTES_MAX = CHUNK_BYTES << 32

ByteSource = Iterable[bytes] | BinaryIO


def content_key(paper_key: bytes, content_id: UUID) -> bytes:
    """The 32-byte key of one content, derived from the 32-byte key of its paper and destroyed with that."""
    if len(paper_key) != KEY_BYTES:
        raise ValueError(f"the key of a paper has {KEY_BYTES} bytes, not {len(paper_key)}")
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=KEY_INFO + content_id.bytes).derive(paper_key)


def seal_content(
    key: bytes, content_id: UUID, source: ByteSource, *, randomness: Callable[[int], bytes] = os.urandom
) -> Iterator[bytes]:
    """Seal the source, in pieces of at most 64 KiB and 28 bytes. Holds two chunks at a time, for a source of any
    length.

    `key` comes from `content_key`. Raises OverflowError beyond 2**32 chunks (256 TiB); an empty source gives 28 bytes.
    """
    cipher, bound = _cipher_of(key), _associated_data(content_id)
    prefix = randomness(NONCE_PREFIX_BYTES)
    header, counter, take = FORM + prefix, 0, _build_taker(source)
    chunk, following = take(CHUNK_BYTES), take(CHUNK_BYTES)
    while following:
        yield header + cipher.encrypt(_nonce_of(prefix, counter, last=False), chunk, bound)
        header, counter = b"", counter + 1
        chunk, following = following, take(CHUNK_BYTES)
    yield header + cipher.encrypt(_nonce_of(prefix, counter, last=True), chunk, bound)


class Sealing:
    """`seal_content` that also counts and digests both sides in the same pass. Iterate it once, then call `measure`."""

    def __init__(
        self, key: bytes, content_id: UUID, source: ByteSource, *, randomness: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._plain, self._sealed, self._complete = Tally(), Tally(), False
        self._pieces = self._sealed.pass_through(
            seal_content(key, content_id, self._plain.pass_through(source), randomness=randomness)
        )

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        self._complete = True

    def measure(self) -> Stored:
        """Sizes and SHA-256 of both sides. Raises RuntimeError before the last piece, when the digests are
        incomplete."""
        if not self._complete:
            raise RuntimeError("the sealing is not complete")
        return Stored(
            size_bytes=self._plain.size_bytes,
            sha256=self._plain.sha256,
            sealed_size_bytes=self._sealed.size_bytes,
            sealed_sha256=self._sealed.sha256,
        )


class Tally:
    """Size and SHA-256 of the bytes that pass through it."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._digest = hashlib.sha256()

    def pass_through(self, source: ByteSource) -> Iterator[bytes]:
        """The bytes of the source, unchanged and counted."""
        for part in _parts_of(source):
            self._digest.update(part)
            self.size_bytes += len(part)
            yield part

    @property
    def sha256(self) -> bytes:
        """The digest of the bytes so far."""
        return self._digest.digest()


def size_when_sealed(plain_size_bytes: int) -> int:
    """The sealed size of a plain size, in bytes. Raises ValueError for a size that the format cannot hold."""
    if not 0 <= plain_size_bytes <= PLAIN_BYTES_MAX:
        raise ValueError(f"content of {plain_size_bytes} bytes cannot be sealed")
    chunks = max(1, -(-plain_size_bytes // CHUNK_BYTES))
    return HEADER_BYTES + plain_size_bytes + chunks * TAG_BYTES


def size_when_opened(sealed_size_bytes: int) -> int:
    """The inverse of `size_when_sealed`. Raises ContentDamaged for a size that no sealed content has."""
    body = sealed_size_bytes - HEADER_BYTES
    plain = body - TAG_BYTES * -(-body // (CHUNK_BYTES + TAG_BYTES))
    if not 0 <= plain <= PLAIN_BYTES_MAX or size_when_sealed(plain) != sealed_size_bytes:
        raise ContentDamaged(f"no sealed content has {sealed_size_bytes} bytes")
    return plain


def open_range(
    key: bytes,
    content_id: UUID,
    read: Callable[[int, int], Iterator[bytes]],
    sealed_size_bytes: int,
    first: int = 0,
    last: int | None = None,
) -> Iterator[bytes]:
    """Plain bytes first..last inclusive (last None: to the end), in pieces of at most 64 KiB, each authentic.

    `read(first, last)` reads this content from the store: the touched chunks and the header. Take `sealed_size_bytes`
    from the event, not from the store, so that every missing byte is detected when it is read. Raises ValueError at
    once for a range outside the content; ContentDamaged at once for an impossible size, else with the affected piece:
    read the first piece before you answer with a status.
    """
    size = size_when_opened(sealed_size_bytes)
    final = size - 1 if last is None else last
    if not 0 <= first <= max(final, 0) or not (0 <= final < size or size == 0 == final + 1):
        raise ValueError(f"the range {first}..{last} lies outside the {size} bytes of the content")
    return _open_chunks(_cipher_of(key), content_id, read, size, first, final)


def _open_chunks(
    cipher: AESGCM, content_id: UUID, read: Callable[[int, int], Iterator[bytes]], size: int, first: int, last: int
) -> Iterator[bytes]:
    counter_first, counter_last, counter_end = (max(byte, 0) // CHUNK_BYTES for byte in (first, last, size - 1))
    bound = _associated_data(content_id)
    with ExitStack() as sources:
        read = _close_with(sources, read)
        prefix, take = _header_then_chunks(content_id, read, size, counter_first, counter_last)
        for counter in range(counter_first, counter_last + 1):
            start = counter * CHUNK_BYTES
            sealed = take(min(CHUNK_BYTES, size - start) + TAG_BYTES)
            try:
                plain = cipher.decrypt(_nonce_of(prefix, counter, last=counter == counter_end), sealed, bound)
            except InvalidTag as error:
                raise ContentDamaged(f"content {content_id}: chunk {counter} is not what was sealed") from error
            yield plain[max(first - start, 0) : last + 1 - start]


def _close_with(
    sources: ExitStack, read: Callable[[int, int], Iterator[bytes]]
) -> Callable[[int, int], Iterator[bytes]]:
    """`read`, with its iterators closed at the end, also for damaged content: otherwise the exception would keep the
    file open."""

    def reading(first: int, last: int) -> Iterator[bytes]:
        source = read(first, last)
        if isinstance(source, Generator):
            sources.callback(source.close)
        return source

    return reading


def _header_then_chunks(
    content_id: UUID, read: Callable[[int, int], Iterator[bytes]], size: int, counter_first: int, counter_last: int
) -> tuple[bytes, Callable[[int], bytes | bytearray | memoryview]]:
    """The nonce prefix, and a function that returns the chunks. One read where the chunks follow the header, else
    two."""
    begin = HEADER_BYTES + counter_first * (CHUNK_BYTES + TAG_BYTES)
    end = min(HEADER_BYTES + (counter_last + 1) * (CHUNK_BYTES + TAG_BYTES), size_when_sealed(size))
    if counter_first == 0:
        take = _build_taker(read(0, end - 1))
        header = bytes(take(HEADER_BYTES))
    else:
        header = b"".join(read(0, HEADER_BYTES - 1))
        take = _build_taker(read(begin, end - 1))
    if len(header) != HEADER_BYTES or not header.startswith(FORM):
        raise ContentDamaged(f"content {content_id}: the header is missing or of another format")
    return header[len(FORM) :], take


def _cipher_of(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key of a content has {KEY_BYTES} bytes, not {len(key)}")
    return AESGCM(key)


def _associated_data(content_id: UUID) -> bytes:
    """The data bound to every chunk beside its place: the format and the content's id."""
    return FORM + content_id.bytes


def _nonce_of(prefix: bytes, counter: int, *, last: bool) -> bytes:
    return prefix + counter.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


def _parts_of(source: ByteSource) -> Iterable[bytes]:
    """The source in parts; a file in pieces of one chunk, because iterating a file would split it at line ends."""
    if hasattr(source, "read"):
        return iter(partial(source.read, CHUNK_BYTES), b"")
    return source


def _build_taker(source: ByteSource) -> Callable[[int], bytes | bytearray | memoryview]:
    """A function that returns the next n bytes, fewer only at the end. Copies only bytes that span several parts."""
    parts, rest = iter(_parts_of(source)), memoryview(b"")

    def take(count: int) -> bytes | bytearray | memoryview:
        nonlocal rest
        gathered = bytearray()
        while len(gathered) + len(rest) < count:
            gathered += rest
            part = next(parts, None)
            rest = memoryview(part or b"")
            if part is None:
                return gathered
        taken, rest = rest[: count - len(gathered)], rest[count - len(gathered) :]
        return gathered + taken if gathered else taken

    return take
