"""Page images of one web worker: from the cache, else drawn by a decoder (paper/) and then kept in the cache (store/).

Who may see a page, and the line of the access log, come before this: content.py and scans.py.
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
    """Keeps images that were drawn (store/image_cache.py). Its calls block."""

    def get(self, image: PageImage) -> bytes | None: ...
    def put(self, image: PageImage, jpeg: bytes) -> None: ...
    def clear_when_full(self, free_bytes_min: int) -> None: ...


class PageImages:
    """Draws one image of a caller at a time: the decoders work on no more for one either (paper/turns.py), and a
    request that waits holds no file. So an image that a caller asks for several times at once is drawn once, and a file
    whose pages it asks for together is decrypted once."""

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
        """`count` hears where an image came from, and of how many bytes it is."""
        self._cache, self._examiner, self._blocking = cache, examiner, blocking
        self._limits, self._temporary, self._count = limits, temporary, count
        self._turns: dict[bytes, _Turn] = {}

    async def draw(self, image: PageImage, *, asker: bytes, plain: Callable[[], Iterator[bytes]]) -> bytes:
        """The JPEG. `plain` opens the plain bytes of the content; it is called in a thread, and only where the cache
        does not have the image. Raises what `plain` and the decoders raise, Unavailable when the caller's own turn does
        not come."""
        jpeg = await self._blocking(self._cache.get, image)
        if jpeg is None:
            async with self._turn(asker) as turn:
                jpeg = await self._blocking(self._cache.get, image)  # an earlier turn may have drawn it
                if jpeg is None:
                    return await self._draw_now(image, turn, asker, plain)
        self._count("cache", len(jpeg))
        return jpeg

    async def make_way(self, free_bytes_min: int) -> None:
        """Give the room of the cache back if its disk has less than this, or than the cache leaves."""
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
        with suppress(Unavailable):  # the threads are busy: it is drawn again another time
            await self._blocking(self._cache.put, image, jpeg)
        self._count("decoder", len(jpeg))
        return jpeg

    @asynccontextmanager
    async def _turn(self, asker: bytes) -> AsyncIterator["_Turn"]:
        """Raises Unavailable where the caller has too many waiting, or its earlier ones take too long."""
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
        """As long as the decoders' own queue lets a request wait for its caller's earlier ones."""
        wait = self._limits.queue_wait_seconds
        try:
            async with asyncio.timeout(wait + self._limits.decode_seconds_max):
                await turn.lock.acquire()
        except TimeoutError:
            raise Unavailable(retry_after_seconds=wait) from None


class _Turn:
    """What one caller has drawn in this worker, one image after the other. The plain file that was opened last stays
    open until another one is, or nobody waits any more."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.askers = 0
        self.content: UUID | None = None
        """Whose plain bytes the file holds, all of them."""
        self._file: IO[bytes] | None = None

    def open(self, folder: Path) -> IO[bytes]:
        """A new file without a name, in the place of the last one."""
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
