"""The way to the children of pool.py: hand over a descriptor, get a finding, a page image, a form or a PDF of pages.

No decoder is imported here.

One connection a request: it costs about 20 microseconds, spreads requests over the free children, and a child
that is killed takes nothing with it but its own request.
"""

import asyncio
import errno
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from domain.limits import Limits
from domain.refusals import FileDamaged, FileEmpty, FileTooManyPixels, InsufficientStorage, Unavailable
from paper import messages
from paper.messages import Finding, FormFault, PageFinding

_RETRY_SECONDS = 0.02
_FIRST_BYTES = 65_536
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_T = TypeVar("_T")


class Examiner:
    """Asks the server at `socket_path`. Every wait is bounded by queue_wait_seconds + decode_seconds_max."""

    def __init__(self, socket_path: Path, limits: Limits) -> None:
        self._path = str(socket_path)
        self._limits = limits

    async def examine(self, fd: int, *, size: int, name: str) -> Finding:
        """What the first `size` bytes of the file are; its offset is neither used nor moved.

        Raises FileEmpty, FileTypeNotAllowed, FileDamaged, FileTooManyPixels, and Unavailable when no child was free.
        """
        if size == 0:
            raise FileEmpty()
        request = messages.Examine(size=size, name=name[-messages.NAME_CHARACTERS_MAX :])
        finding = await self._ask(request, fd)
        assert isinstance(finding, Finding)
        return finding

    async def inspect(self, fd: int, *, size: int) -> PageFinding:
        """What the page image is that the first `size` bytes of the file are; the offset is neither used nor moved.

        Raises FileEmpty, FileTypeNotAllowed for what is no picture, FileDamaged, FileTooManyPixels also for more than
        one page, and Unavailable.
        """
        if size == 0:
            raise FileEmpty()
        finding = await self._ask(messages.Inspect(size=size), fd)
        assert isinstance(finding, PageFinding)
        return finding

    async def page_image(self, fd: int, *, media_type: str, page: int, width: int, degrees: int = 0) -> bytes:
        """JPEG of page `page` (from 1), `width` pixels wide (held to 16..2400); a small picture keeps its size.

        `degrees` (0, 90, 180, 270) turn the upright page clockwise before it is measured. Raises NotFound where there
        is no such page, FilePasswordProtected, FileDamaged, FileTooManyPixels, Unavailable.
        """
        size = os.fstat(fd).st_size
        request = messages.Render(size=size, media_type=media_type, page=page, width=width, degrees=degrees)
        image = await self._ask(request, fd)
        assert isinstance(image, bytes)
        return image

    async def form(self, form: bytes) -> bytes:
        """PDF of a form: one page of A4, the same bytes for the same form. `form` is the JSON of a form.Form.

        Raises FormFault for what is none, or has more than FORM_BYTES_MAX; Unavailable when no child was free.
        """
        if len(form) > messages.FORM_BYTES_MAX:
            raise FormFault(f"more than {messages.FORM_BYTES_MAX} bytes")
        with _lent(form) as fd:
            try:
                pdf = await self._ask(messages.Draw(size=len(form)), fd)
            except FileDamaged as lost:
                raise FormFault("no child could draw it") from lost
        assert isinstance(pdf, bytes)
        return pdf

    async def assemble(self, source: int, pages: Sequence[tuple[int, int, int]], target: int) -> None:
        """Write one PDF of page images into the file `target`, in place of what it holds; nothing is synced.

        `pages`: offset and size in bytes of each image in the file `source`, and by how many degrees it is turned
        clockwise; 1 to PARTS_MAX of them. Offsets of the files are neither used nor moved. A page takes at most
        decode_seconds_max. Raises FileEmpty without pages, FileTypeNotAllowed, FileDamaged, FileTooManyPixels,
        InsufficientStorage and Unavailable; `target` then holds a part.
        """
        if not pages:
            raise FileEmpty()
        if len(pages) > messages.PARTS_MAX:
            raise FileTooManyPixels()
        request = messages.Assemble(parts=tuple(messages.Part(*page) for page in pages))
        seconds = len(pages) * self._limits.decode_seconds_max
        await self._tried(lambda: self._collect(request, source, target), seconds)

    def examine_now(self, fd: int, *, size: int, name: str) -> Finding:
        """`examine` for a caller without an event loop."""
        return asyncio.run(self.examine(fd, size=size, name=name))

    def page_image_now(self, fd: int, *, media_type: str, page: int, width: int) -> bytes:
        """`page_image` for a caller without an event loop."""
        return asyncio.run(self.page_image(fd, media_type=media_type, page=page, width=width))

    async def _ask(self, request: messages.Request, fd: int) -> Finding | PageFinding | bytes:
        return await self._tried(lambda: self._converse(request, fd), self._limits.decode_seconds_max)

    async def _tried(self, attempt: Callable[[], Awaitable[_T]], decode_seconds: float) -> _T:
        """A child may be killed from outside, so a lost request is asked once more; lost again, the file did it."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(2):
            try:
                async with asyncio.timeout_at(started + self._limits.queue_wait_seconds + decode_seconds):
                    return await attempt()
            except ConnectionError:
                if loop.time() - started >= decode_seconds:
                    break
                # Where the whole pool is ending, the other children need this moment to be gone too.
                await asyncio.sleep(_RETRY_SECONDS)
            except TimeoutError:
                raise Unavailable() from None
        raise FileDamaged()

    async def _converse(self, request: messages.Request, fd: int) -> Finding | PageFinding | bytes:
        with await self._connected() as connection:
            socket.send_fds(connection, [messages.encode_request(request)], [fd])
            return messages.decode_answer(await self._received(connection, bytearray(await self._first(connection))))

    async def _collect(self, request: messages.Request, source: int, target: int) -> None:
        """Pieces are written in threads: there may be hundreds of megabytes of them."""
        os.ftruncate(target, 0)
        with await self._connected() as connection:
            socket.send_fds(connection, [messages.encode_request(request)], [source])
            data, at = bytearray(await self._first(connection)), 0
            while piece := messages.decode_answer(await self._received(connection, data)):
                assert isinstance(piece, bytes)
                await _finished_in_thread(_write, target, piece, at)
                at += len(piece)

    async def _connected(self) -> socket.socket:
        """A connection in the queue of the server. Raises Unavailable when nobody listens all through the wait."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.queue_wait_seconds
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                connection.connect(self._path)
                return connection
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                connection.close()
            if loop.time() >= until:
                raise Unavailable()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _received(self, connection: socket.socket, data: bytearray) -> bytearray:
        """The next whole answer; `data` holds what has come of it, then what has come beyond it.

        Raises ConnectionError when the child ends before it is there.
        """
        loop = asyncio.get_running_loop()
        while (missing := messages.missing_bytes(data)) > 0:
            more = await loop.sock_recv(connection, missing)
            if not more:
                raise ConnectionResetError()
            data += more
        whole = data[: len(data) + missing]
        del data[: len(whole)]
        return whole

    async def _first(self, connection: socket.socket) -> bytes:
        """First bytes of the answer. Raises Unavailable when no child has taken the request in time."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.queue_wait_seconds):
                return await loop.sock_recv(connection, _FIRST_BYTES)
        except TimeoutError:
            if _is_untaken(connection):
                raise Unavailable() from None
        return await loop.sock_recv(connection, _FIRST_BYTES)


@contextmanager
def _lent(data: bytes) -> Iterator[int]:
    """The bytes as a file that is nowhere but in memory: a form is too long for a request."""
    with os.fdopen(os.memfd_create("form"), "wb", buffering=0) as file:
        file.write(data)
        yield file.fileno()


async def _finished_in_thread(work: Callable[..., None], *arguments: object) -> None:
    """Run it in a thread and be cancelled only after it: a file closed under a running write could be another's."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _write(target: int, piece: bytes, at: int) -> None:
    """All of it. Raises InsufficientStorage."""
    left = memoryview(piece)
    try:
        while left:
            written = os.pwrite(target, left, at)
            left, at = left[written:], at + written
    except OSError as failure:
        if failure.errno in _DISK_FULL:
            raise InsufficientStorage() from failure
        raise


def _is_untaken(connection: socket.socket) -> bool:
    """Whether the request still lies in the queue: the kernel counts bytes that the other side has not read."""
    (unread,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0\0\0\0"))
    return int(unread) > 0
