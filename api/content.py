"""Sends contents and page images: checks the rights, writes the access log durably, then sends the first byte."""

import hashlib
from collections.abc import Generator, Iterator
from functools import partial
from itertools import islice

from api.call import Call
from api.parts import Blocking
from domain.access import Verb, may
from domain.document import DocumentStatus
from domain.page_image import PageImage
from domain.refusals import NotFound
from projections import customer_documents
from projections.customer_documents import StoredFile
from projections.reading import DOCUMENTS
from web.headers import content_disposition, digest_field, etag
from web.ranges import RangePart, not_modified, parse_range

CHUNKS_PER_HOP = 16  # of 64 KiB, so one call into a thread reads a MiB
IN_MEMORY_BYTES_MAX = 1024 * 1024
PAGE_WIDTH_DEFAULT = 1000

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


async def send_content(call: Call) -> None:
    """GET /documents/{id}/content, with Range, conditions and digests (RFC 9110, RFC 9530)."""
    file = await require_readable(call)
    tag, resp = etag(file.sha256), call.resp
    unchanged = not_modified(call.req.get_header("If-None-Match"), etag=tag)
    wanted = parse_range(call.req.get_header("Range"), call.req.get_header("If-Range"), etag=tag, size=file.size_bytes)
    status = 304 if unchanged else 206 if isinstance(wanted, RangePart) else 200
    await call.record_access("content", status=status, customer=file.customer, document=file.id)
    resp.status = status
    resp.set_headers({**SAFE_HEADERS, "ETag": tag, "Accept-Ranges": "bytes"})
    if unchanged:
        return
    resp.content_type = file.media_type
    resp.set_header("Content-Disposition", content_disposition(file.file_name))
    resp.set_header("Repr-Digest", digest_field(bytes.fromhex(file.sha256)))
    if isinstance(wanted, RangePart):
        resp.set_header("Content-Range", f"bytes {wanted.first}-{wanted.last}/{file.size_bytes}")
        await send_range(call, file, wanted.first, wanted.last)
    else:
        await send_range(call, file, 0, file.size_bytes - 1)


async def require_readable(call: Call) -> StoredFile:
    """The document's file, or an earlier version of it. Raises NotFound unless the caller may read it; a withdrawn or
    replaced file needs the permission to correct documents."""
    file = await call.query_view(
        DOCUMENTS, lambda conn, floor: customer_documents.find_file(conn, call.id(), call.rights, floor=floor)
    )
    if file is None:
        raise NotFound
    version = call.number("content_version", default=file.content_version, low=1, high=file.content_version)
    shown = file.status == DocumentStatus.ARCHIVED and version == file.content_version
    if not shown and not may(call.principal, Verb.DOCUMENTS_CORRECT):
        raise NotFound
    if version != file.content_version:
        async with call.parts.connection() as conn:
            file = await customer_documents.find_file(conn, call.id(), call.rights, content_version=version)
    if file is None:
        raise NotFound
    return file


async def send_range(call: Call, file: StoredFile, first: int, last: int) -> None:
    """Sends a range of the file. Small content is opened whole before the answer begins, of large content the first
    piece. A large part is read twice, because its digest is sent before it; the digest of the whole is stored."""
    resp, length = call.resp, last - first + 1
    known = bytes.fromhex(file.sha256) if length == file.size_bytes else None
    if length <= IN_MEMORY_BYTES_MAX:
        resp.data = await call.parts.blocking(lambda: b"".join(pieces_of_file(call, file, first, last)))
        resp.set_header("Content-Digest", digest_field(known or hashlib.sha256(resp.data).digest()))
        return
    if known is None:
        known = await call.parts.blocking(digest_of_range, call, file, first, last)
    resp.set_header("Content-Digest", digest_field(known))
    opened = pieces_of_file(call, file, first, last)
    head = await call.parts.blocking(partial(first_piece, opened))
    resp.content_length = length
    resp.stream = Streamed(call.parts.blocking, head, opened)


def pieces_of_file(call: Call, file: StoredFile, first: int, last: int) -> Generator[bytes, None, None]:
    """The plain bytes of a range. Iterate in a thread, because it may have to read the key. The file is open until the
    generator ends or is closed."""
    if last < first:
        return
    opened = call.parts.read_content(file.id, file.content_id, file.sealed_size_bytes, first, last)
    if opened is None:
        raise NotFound
    yield from opened


def digest_of_range(call: Call, file: StoredFile, first: int, last: int) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces_of_file(call, file, first, last):
        digest.update(piece)
    return digest.digest()


def first_piece(opened: Iterator[bytes]) -> bytes:
    return b"".join(islice(opened, CHUNKS_PER_HOP))


class Streamed:
    """Streams large content, a MiB for each call into a thread. Falcon closes it however the answer ends. Without that,
    a cancelled task (the client disconnected) would leave the file open until garbage collection."""

    def __init__(self, blocking: Blocking, head: bytes, opened: Generator[bytes, None, None]) -> None:
        self._blocking, self._head, self._opened = blocking, head, opened

    def __aiter__(self) -> "Streamed":
        return self

    async def __anext__(self) -> bytes:
        piece, self._head = self._head, b""
        if not piece:
            piece = await self._blocking(first_piece, self._opened)
        if not piece:
            raise StopAsyncIteration
        return piece

    async def close(self) -> None:
        self._opened.close()


async def page_image(call: Call) -> None:
    """GET /documents/{id}/pages/{n}: a JPEG drawn on the server, without any byte of the original.

    Its ETag names the content, page, width and version, so a 304 needs no drawing."""
    width = call.number("width", default=PAGE_WIDTH_DEFAULT, low=16, high=2400)
    page, file = page_number(call), await require_readable(call)
    if not file.preview or page > (file.pages or 1):
        raise NotFound
    tag = etag(f"{file.sha256}-{page}-{width}-{call.parts.version}")
    unchanged = not_modified(call.req.get_header("If-None-Match"), etag=tag)
    status = 304 if unchanged else 200
    await call.record_access("page", status=status, customer=file.customer, document=file.id, page=page)
    call.resp.set_headers({**SAFE_HEADERS, "ETag": tag})
    if unchanged:
        call.resp.status = 304
        return
    image = PageImage(
        paper=file.id,
        content=file.content_id,
        sha256=bytes.fromhex(file.sha256),
        media_type=file.media_type,
        page=page,
        width=width,
    )
    whole = partial(pieces_of_file, call, file, 0, file.size_bytes - 1)
    call.resp.data = await call.parts.page_images.draw(image, asker=call.asker, plain=whole)
    call.resp.content_type = "image/jpeg"


def page_number(call: Call) -> int:
    text = call.params["n"]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1_000_000:
        raise NotFound
    return int(text[:9])
