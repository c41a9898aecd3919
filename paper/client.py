"""The way to the children of pool.py: hand over a descriptor, get a finding, a page image or a printed form.

No decoder is imported here.

One connection a request: it costs about 20 microseconds, spreads requests over the free children, and a child
that is killed takes nothing with it but its own request.
"""

import asyncio
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.limits import Limits
from domain.refusals import FileDamaged, FileEmpty, Unavailable
from paper import messages
from paper.messages import Finding, FormFault

_RETRY_SECONDS = 0.02
_FIRST_BYTES = 65_536


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

    async def page_image(self, fd: int, *, media_type: str, page: int, width: int) -> bytes:
        """JPEG of page `page` (from 1), `width` pixels wide (held to 16..2400); a small picture keeps its size.

        Raises NotFound where there is no such page, FilePasswordProtected, FileDamaged, FileTooManyPixels, Unavailable.
        """
        size = os.fstat(fd).st_size
        image = await self._ask(messages.Render(size=size, media_type=media_type, page=page, width=width), fd)
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

    def examine_now(self, fd: int, *, size: int, name: str) -> Finding:
        """`examine` for a caller without an event loop."""
        return asyncio.run(self.examine(fd, size=size, name=name))

    def page_image_now(self, fd: int, *, media_type: str, page: int, width: int) -> bytes:
        """`page_image` for a caller without an event loop."""
        return asyncio.run(self.page_image(fd, media_type=media_type, page=page, width=width))

    async def _ask(self, request: messages.Request, fd: int) -> Finding | bytes:
        """A child may be killed from outside, so a lost request is asked once more; lost again, the file did it."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(2):
            try:
                async with asyncio.timeout_at(started + self._seconds_max()):
                    return await self._converse(request, fd)
            except ConnectionError:
                if loop.time() - started >= self._limits.decode_seconds_max:
                    break
                # Where the whole pool is ending, the other children need this moment to be gone too.
                await asyncio.sleep(_RETRY_SECONDS)
            except TimeoutError:
                raise Unavailable() from None
        raise FileDamaged()

    async def _converse(self, request: messages.Request, fd: int) -> Finding | bytes:
        with await self._connected() as connection:
            socket.send_fds(connection, [messages.encode_request(request)], [fd])
            return messages.decode_answer(await self._received(connection))

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

    async def _received(self, connection: socket.socket) -> bytearray:
        """The whole answer. Raises ConnectionError when the child ends before it is there."""
        loop = asyncio.get_running_loop()
        data = bytearray(await self._first(connection))
        while missing := messages.missing_bytes(data):
            more = await loop.sock_recv(connection, missing)
            if not more:
                raise ConnectionResetError()
            data += more
        return data

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

    def _seconds_max(self) -> float:
        return self._limits.queue_wait_seconds + self._limits.decode_seconds_max


@contextmanager
def _lent(data: bytes) -> Iterator[int]:
    """The bytes as a file that is nowhere but in memory: a form is too long for a request."""
    with os.fdopen(os.memfd_create("form"), "wb", buffering=0) as file:
        file.write(data)
        yield file.fileno()


def _is_untaken(connection: socket.socket) -> bool:
    """Whether the request still lies in the queue: the kernel counts bytes that the other side has not read."""
    (unread,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0\0\0\0"))
    return int(unread) > 0
