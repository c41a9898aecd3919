"""The client of the decoders in pool.py: sends a descriptor, gets a finding, a page image, a form, a report or a PDF.

It imports no decoder. Each request has a connection of its own: one costs about 20 microseconds, and closing it cancels
the request, queued or running. Each request names its asker by an opaque key: broker.py works on one request of an
asker at a time while others wait.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from domain.finding import Finding, PageFinding
from domain.limits import Limits
from domain.refusals import FileDamaged, FileEmpty, FileTooManyPixels, InsufficientStorage, Unavailable
from paper import messages
from paper.messages import FormFault

NOBODY: Final = b""
"""The asker of a program that does not share the decoders."""

_RETRY_SECONDS = 0.02
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_T = TypeVar("_T")


class _Lost(Exception):
    """The connection ended without a whole answer; `verdict` is the broker's."""

    def __init__(self, verdict: bytes) -> None:
        self.verdict = verdict


VERDICTS = {messages.LOST: "lost", messages.FAULT: "fault", messages.SLOW: "slow"}


class Examiner:
    """Sends requests to the server at `socket_path`.

    A request waits up to queue_wait_seconds for those of other askers and decode_seconds_max longer for earlier ones of
    its own asker; then it may run for decode_seconds_max. `failed` is called with one of VERDICTS for each lost child.
    """

    def __init__(self, socket_path: Path, limits: Limits, failed: Callable[[str], None] = lambda _: None) -> None:
        self._path, self._failed = str(socket_path), failed
        self._limits = limits

    async def examine(self, fd: int, *, size: int, name: str, asker: bytes = NOBODY) -> Finding:
        """The finding about the first `size` bytes of the file; its offset is neither used nor moved.

        Raises FileEmpty, FileTypeNotAllowed, FileDamaged, FileTooManyPixels, and Unavailable when no child was free.
        """
        if size == 0:
            raise FileEmpty()
        request = messages.Examine(size=size, name=name[-messages.NAME_CHARACTERS_MAX :])
        return await self._ask(request, fd, asker, Finding)

    async def inspect(self, fd: int, *, size: int, asker: bytes = NOBODY) -> PageFinding:
        """The finding about the page image in the first `size` bytes of the file; its offset is neither used nor moved.

        Raises FileEmpty, FileTypeNotAllowed for a file that is no picture, FileDamaged, FileTooManyPixels (also for
        more than one page), and Unavailable.
        """
        if size == 0:
            raise FileEmpty()
        return await self._ask(messages.Inspect(size=size), fd, asker, PageFinding)

    async def draw_page_image(
        self, fd: int, *, media_type: str, page: int, width: int, degrees: int = 0, asker: bytes = NOBODY
    ) -> bytes:
        """JPEG of page `page` (from 1), `width` pixels wide (limited to 16..2400); a smaller picture keeps its size.

        `degrees` (0, 90, 180, 270) turns the upright page clockwise before the width applies. Raises NotFound for a
        missing page, FilePasswordProtected, FileDamaged, FileTooManyPixels, Unavailable.
        """
        size = os.fstat(fd).st_size
        request = messages.Render(size=size, media_type=media_type, page=page, width=width, degrees=degrees)
        return await self._ask(request, fd, asker, bytes)

    async def draw_form(self, form: bytes, *, asker: bytes = NOBODY) -> bytes:
        """PDF of a form: one page of A4, the same bytes for the same form. `form` is a form.Form as JSON.

        Raises FormFault for other JSON and for more than FORM_BYTES_MAX bytes; Unavailable when no child was free.
        """
        if len(form) > messages.FORM_BYTES_MAX:
            raise FormFault(f"more than {messages.FORM_BYTES_MAX} bytes")
        return await self._draw(messages.Draw(size=len(form)), form, asker)

    async def draw_report(self, report: bytes, *, asker: bytes = NOBODY) -> bytes:
        """PDF of a report: the same bytes for the same report. `report` is a domain.report.PrintedReport as JSON.

        Raises FormFault for other JSON and for more than REPORT_BYTES_MAX bytes; Unavailable when no child was free.
        """
        if len(report) > messages.REPORT_BYTES_MAX:
            raise FormFault(f"more than {messages.REPORT_BYTES_MAX} bytes")
        return await self._draw(messages.DrawReport(size=len(report)), report, asker)

    async def _draw(self, request: messages.Request, text: bytes, asker: bytes) -> bytes:
        with _memory_file(text) as fd:
            try:
                return await self._ask(request, fd, asker, bytes)
            except (FileDamaged, FileTooManyPixels) as lost:
                raise FormFault("no child could draw it") from lost

    async def assemble(
        self, source: int, pages: Sequence[tuple[int, int, int]], target: int, *, asker: bytes = NOBODY
    ) -> None:
        """Write one PDF of page images into the file `target`, replacing its content; it is not synced.

        `pages`: offset and size in bytes of each image in the file `source`, and its clockwise turn in degrees; 1 to
        PARTS_MAX of them. The offsets of both files are neither used nor moved. A page may take decode_seconds_max.
        Raises FileEmpty without pages, FileTypeNotAllowed, FileDamaged, FileTooManyPixels, InsufficientStorage and
        Unavailable; `target` then holds a part.
        """
        if not pages:
            raise FileEmpty()
        if len(pages) > messages.PARTS_MAX:
            raise FileTooManyPixels()
        request = messages.Assemble(parts=tuple(messages.ImagePart(*page) for page in pages))
        seconds = len(pages) * self._limits.decode_seconds_max
        await self._try_twice(lambda: self._collect_pieces(request, source, target, asker), seconds)

    async def _ask(self, request: messages.Request, fd: int, asker: bytes, shape: type[_T]) -> _T:
        return await self._try_twice(lambda: self._ask_once(request, fd, asker, shape), self._limits.decode_seconds_max)

    async def _try_twice(self, attempt: Callable[[], Awaitable[_T]], decode_seconds: float) -> _T:
        """Run `attempt`, and once more when its child was lost: something else may have killed it.

        Raises FileDamaged only for a file that ended two children.
        """
        loop, limits = asyncio.get_running_loop(), self._limits
        started, faults = loop.time(), 0
        until = started + limits.queue_wait_seconds + limits.decode_seconds_max + decode_seconds
        for _ in range(2):
            try:
                async with asyncio.timeout_at(until):
                    return await attempt()
            except _Lost as lost:
                self._failed(VERDICTS.get(lost.verdict, "lost"))
                if lost.verdict == messages.SLOW:
                    raise FileTooManyPixels() from None
                faults += lost.verdict == messages.FAULT
                if loop.time() - started >= decode_seconds:
                    break
                # When the whole pool is ending, the other children need this moment to end too.
                await asyncio.sleep(_RETRY_SECONDS)
            except TimeoutError:
                break
        raise FileDamaged() if faults > 1 else self._no_decoder_free()

    def _no_decoder_free(self) -> Unavailable:
        return Unavailable(retry_after_seconds=self._limits.queue_wait_seconds)

    async def _ask_once(self, request: messages.Request, fd: int, asker: bytes, shape: type[_T]) -> _T:
        with await self._connect() as connection:
            _send_request(connection, request, fd, asker)
            return _parse_answer(await self._receive_answer(connection), shape)

    async def _collect_pieces(self, request: messages.Request, source: int, target: int, asker: bytes) -> None:
        """Write the pieces of the answer in threads: they can be hundreds of megabytes."""
        os.ftruncate(target, 0)
        with await self._connect() as connection:
            _send_request(connection, request, source, asker)
            at = 0
            while piece := _parse_answer(await self._receive_answer(connection), bytes):
                await _finish_in_thread(_write_piece, target, piece, at)
                at += len(piece)

    async def _connect(self) -> socket.socket:
        """A connection in the server's queue. Raises Unavailable when the server does not listen for
        queue_wait_seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.queue_wait_seconds
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
            try:
                connection.connect(self._path)
                return connection
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                connection.close()
            if loop.time() >= until:
                raise self._no_decoder_free()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _receive_answer(self, connection: socket.socket) -> bytearray:
        """The next whole answer. Raises _Lost, and Unavailable when no child was free in time."""
        loop, answer = asyncio.get_running_loop(), bytearray()
        while True:
            try:
                packet = await loop.sock_recv(connection, messages.PACKET_BYTES_MAX)
            except ConnectionError:
                packet = b""
            sign = packet[:1]
            if sign == messages.BUSY:
                raise self._no_decoder_free()
            if sign not in (messages.MORE, messages.LAST):
                raise _Lost(sign or messages.LOST)
            answer += memoryview(packet)[1:]
            if sign == messages.LAST:
                return answer


def _parse_answer(encoded: bytes | bytearray, shape: type[_T]) -> _T:
    """The answer, which must have this `shape`.

    Raises the refusal in it, and _Lost for any other answer: a hijacked child may answer another request, or none.
    """
    try:
        answer = messages.decode_answer(encoded)
    except msgspec.DecodeError:
        raise _Lost(messages.FAULT) from None
    if not isinstance(answer, shape):
        raise _Lost(messages.FAULT)
    return answer


def _send_request(connection: socket.socket, request: messages.Request, fd: int, asker: bytes) -> None:
    """Send the request with its file. Raises _Lost when the server has ended since the connection was made."""
    try:
        socket.send_fds(connection, [messages.encode_request(request, asker=asker)], [fd])
    except ConnectionError:
        raise _Lost(messages.LOST) from None


@contextmanager
def _memory_file(data: bytes) -> Iterator[int]:
    """A descriptor of a file in memory with these bytes: a form is too long for a request."""
    with os.fdopen(os.memfd_create("form"), "wb", buffering=0) as file:
        file.write(data)
        yield file.fileno()


async def _finish_in_thread(work: Callable[..., None], *arguments: object) -> None:
    """Run `work` in a thread and wait for its end even when cancelled, like the helper of the web server, which paper/
    may not import."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        running.exception()  # else asyncio logs the failure as never retrieved
        raise


def _write_piece(target: int, piece: bytes, at: int) -> None:
    """Write all bytes of the piece at this offset. Raises InsufficientStorage."""
    left = memoryview(piece)
    try:
        while left:
            written = os.pwrite(target, left, at)
            left, at = left[written:], at + written
    except OSError as failure:
        if failure.errno in _DISK_FULL:
            raise InsufficientStorage() from failure
        raise
