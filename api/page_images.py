"""Gets page images for one web worker: from the cache (store/), else from a decoder (paper/) and then into the cache.

api/content.py and api/scans.py check the rights and write the access log before they call it.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Protocol
from uuid import UUID

from api.parts import Blocking, Examiner, ImageSource
from domain.limits import Limits
from domain.page_image import PageImage
from domain.promises import require_value
from domain.refusals import Unavailable


class Cache(Protocol):
    """A cache of page images (store/image_cache.py). Its calls block."""

    def get(self, image: PageImage) -> bytes | None: ...
    def put(self, image: PageImage, jpeg: bytes) -> None: ...
    def clear_when_full(self, free_bytes_min: int) -> None: ...


class PageImages:
    """Draws one image of a caller at a time, as the decoders do (paper/turns.py); a request that waits holds no file.

    An image that a caller requests several times at once is drawn once, and a file whose pages it requests together is
    decrypted once.
    """

    def __init__(
        self,
        *,
        cache: Cache,
        examiner: Examiner,
        blocking: Blocking,
        limits: Limits,
        temporary: Path,
        count: Callable[[ImageSource, int], None],
    ) -> None:
        """`count` is called with the source of each image and its size in bytes."""
        self._cache, self._examiner, self._blocking = cache, examiner, blocking
        self._limits, self._temporary, self._count = limits, temporary, count
        self._turns: dict[bytes, _Turn] = {}

    async def draw(self, image: PageImage, *, asker: bytes, plain: Callable[[], Iterator[bytes]]) -> bytes:
        """The image as a JPEG. `plain` opens the plain bytes of the content; it is called in a thread, and only if the
        cache does not have the image. Raises what `plain` and the decoders raise, and Unavailable when the caller's own
        turn takes too long to begin."""
        jpeg = await self._blocking(self._cache.get, image)
        if jpeg is None:
            async with self._turn(asker) as turn:
                jpeg = await self._blocking(self._cache.get, image)  # an earlier turn may have drawn it
                if jpeg is None:
                    return await self._draw_now(image, turn, asker, plain)
        self._count("cache", len(jpeg))
        return jpeg

    async def make_way(self, free_bytes_min: int) -> None:
        """Empties the cache if its disk has less free space than this, or than the cache has to leave free."""
        await self._blocking(self._cache.clear_when_full, free_bytes_min)

    async def _draw_now(
        self, image: PageImage, turn: "_Turn", asker: bytes, plain: Callable[[], Iterator[bytes]]
    ) -> bytes:
        if turn.content != image.content:
            await self._blocking(_copy, plain, turn.open(self._temporary))
            turn.content = image.content
        jpeg = await self._examiner.draw_page_image(
            turn.fileno(),
            media_type=image.media_type,
            page=image.page,
            width=image.width,
            degrees=image.degrees,
            asker=asker,
        )
        with suppress(Unavailable):  # the threads are busy: the image is not cached, only drawn again next time
            await self._blocking(self._cache.put, image, jpeg)
        self._count("decoder", len(jpeg))
        return jpeg

    @asynccontextmanager
    async def _turn(self, asker: bytes) -> AsyncIterator["_Turn"]:
        """The caller's turn. Raises Unavailable if too many of its requests wait or its earlier ones take too long."""
        limits, turn = self._limits, self._turns.setdefault(asker, _Turn())
        if turn.askers > limits.decodes_waiting_per_caller_max:
            raise Unavailable(retry_after_seconds=limits.queue_wait_seconds)
        turn.askers += 1
        try:
            await self._come(turn)
            try:
                yield turn
            finally:
                turn.lock.release()
        finally:
            turn.askers -= 1
            if not turn.askers:
                del self._turns[asker]
                turn.close()

    async def _come(self, turn: "_Turn") -> None:
        """Waits for the turn as long as the decoders' queue lets a request wait for earlier ones of its caller."""
        wait = self._limits.queue_wait_seconds
        try:
            async with asyncio.timeout(wait + self._limits.decode_seconds_max):
                await turn.lock.acquire()
        except TimeoutError:
            raise Unavailable(retry_after_seconds=wait) from None


class _Turn:
    """The turn of one caller in this worker. The last plain file stays open until the next one is opened, or no request
    of the caller waits."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.askers = 0
        self.content: UUID | None = None
        """The content whose plain bytes the file has, if it has all of them."""
        self._file: IO[bytes] | None = None

    def open(self, folder: Path) -> IO[bytes]:
        """Opens a new unnamed file and closes the last one."""
        self.close()
        self._file = file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # close() closes it
        return file

    def fileno(self) -> int:
        return require_value(self._file, "a turn that has a content has its file").fileno()

    def close(self) -> None:
        self.content = None
        if self._file is not None:
            self._file.close()


def _copy(plain: Callable[[], Iterator[bytes]], file: IO[bytes]) -> None:
    for piece in plain():
        file.write(piece)
    file.flush()
