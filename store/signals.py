"""LISTEN / NOTIFY between processes. A signal is a hint; every wait also polls.

`archive`: there are new events; sent once when a follower, or a reader that waits for a view, may be asleep.
`dossier_catalogue`: a document type or a token changed. The position of the views is queried when a reader waits for it
(store/standing.py), because a signal for every step cost more (see docs/design-notes.md). `dossier_keys`: a paper's key
was destroyed; the payload is its id. While no signal can be received, a key in memory expires by its age.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from psycopg import AsyncConnection, Error, OperationalError, sql
from psycopg.rows import tuple_row

from domain.promises import require_value
from store.pools import Connect

NEW_EVENTS, CATALOGUE, KEYS = "archive", "dossier_catalogue", "dossier_keys"
# A follower that has just had events polls every few milliseconds for longer than this.
QUIET_SECONDS = 0.1
RECONNECT_SECONDS = 0.5

logger = logging.getLogger("dossier.signals")


class Signals:
    """The listening connection of a web worker, in its event loop."""

    def __init__(self, url: str, *, connection: Connect) -> None:
        self._url, self._connection = url, connection
        self._hearers: dict[str, tuple[Callable[[], None], ...]] = {}
        self._forget: Callable[[UUID], None] = lambda _: None
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self._new = asyncio.Event()
        self.listening = False

    async def open(self) -> None:
        self._tasks = [asyncio.create_task(self._keep_listening()), asyncio.create_task(self._notify_followers())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on_catalogue(self, *hearers: Callable[[], None]) -> None:
        """Set the functions to call when a document type or token changed, or may have changed while not listening."""
        self._hearers[CATALOGUE] = hearers

    def on_events(self, *hearers: Callable[[], None]) -> None:
        """Set the functions to call when there are new events, which the views do not show yet."""
        self._hearers[NEW_EVENTS] = hearers

    def on_lost_key(self, forget: Callable[[UUID], None]) -> None:
        """Set the function to call for a paper whose key was destroyed."""
        self._forget = forget

    # -- receiving ------------------------------------------------------------------------------------------------

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._listen_once()
            except Error as error:
                logger.info("signals: connection lost, listening again: %s", type(error).__name__)
            finally:
                self.listening = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        conn = await AsyncConnection.connect(self._url, autocommit=True)
        async with conn:
            for channel in (CATALOGUE, NEW_EVENTS, KEYS):
                await conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            self._call_hearers(CATALOGUE)
            self.listening = True
            async for notify in conn.notifies():
                if notify.channel == KEYS:
                    self._forget(UUID(notify.payload))
                else:
                    self._call_hearers(notify.channel)

    def _call_hearers(self, channel: str) -> None:
        for hear in self._hearers.get(channel, ()):
            hear()

    async def load_positions(self) -> tuple[int, int]:
        """The position of the rearmost view, and the last position of the log."""
        async with self._connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(STANDING, prepare=True)
            return require_value(await cursor.fetchone(), "an aggregate has one row")

    # -- sending --------------------------------------------------------------------------------------------------

    def announce_events(self) -> None:
        """Wake sleeping followers after a commit, once for many commits. Callable from any thread."""
        self._loop.call_soon_threadsafe(self._new.set)

    async def _notify_followers(self) -> None:
        while True:
            await self._new.wait()
            self._new.clear()
            with suppress(OperationalError):
                async with self._connection() as conn:
                    await conn.execute("select pg_notify(%s, '')", [NEW_EVENTS], prepare=True)
            await asyncio.sleep(QUIET_SECONDS)


STANDING = """
    select
        coalesce((select min(position) from views.tracking), 0),
        coalesce((select max(notification_id) from archive.archive_events), 0)
"""
