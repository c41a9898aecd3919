"""Keeps principals and document types in memory, and reloads them at every signal of a change."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from uuid import UUID

from api.parts import Blocking
from domain.access import Principal
from domain.administration import Administration, User
from domain.archive import Archive
from domain.document_type import DocumentType

UNHEARD_SECONDS = 1.0
# A network can drop a connection silently; it would listen for hours, and a revoked token would work as long.
HEARD_SECONDS = 10.0
UNKNOWN_SECONDS = 0.05


class LiveCatalogue:
    """The catalogue in memory: never older than the last signal nor than HEARD_SECONDS, and never older than
    UNHEARD_SECONDS while `listening` returns False, because then no signal can arrive."""

    def __init__(
        self,
        archive: Archive,
        blocking: Blocking,
        *,
        listening: Callable[[], bool],
        version: Callable[[], int] = lambda: 0,
    ) -> None:
        """`version` returns the version of the catalogue in the log, a count of its changes."""
        self._archive, self._blocking, self._listening, self._counted = archive, blocking, listening, version
        self._types: Mapping[str, DocumentType] = {}
        self._version = 0
        self._access = Administration()
        self._principals: Mapping[bytes, Principal] = {}
        self._known: dict[bytes, Principal] = {}
        self._read_at = 0.0
        self._changes = 1
        self._seen = 0
        self._reading: asyncio.Task[None] | None = None

    @property
    def version(self) -> int:
        """The version of the catalogue in memory."""
        return self._version

    def note_change(self) -> None:
        self._changes += 1

    async def types(self, *, anew: bool = False, version: int = 0) -> Mapping[str, DocumentType]:
        """The document types, of `version` or a later one. `anew` reads them from the log, because the signal of a
        change may not have arrived yet."""
        if anew or self._version < version:
            self.note_change()
        await self._refresh()
        return self._types

    async def principal(self, token: str) -> Principal | None:
        """The caller that a bearer token identifies; None for an unknown or revoked token.

        A token may be used before the NOTIFY that announces it has arrived, so an unknown one is looked up in a list
        that was read after the request came. Unknown tokens wait, so that guesses cannot cause a reading more often
        than every UNKNOWN_SECONDS.
        """
        asked_at, known = time.monotonic(), hashlib.sha256(token.encode()).digest()
        await self._refresh()
        if known in self._known:
            return self._known[known]
        digest = self._archive.keys.keyed_digest("token", token.encode())  # _load_catalogue() has loaded its key
        if digest not in self._principals and self._read_at < asked_at:
            await asyncio.sleep(self._read_at + UNKNOWN_SECONDS - asked_at)
            if self._read_at < asked_at:
                self.note_change()
            await self._refresh()
        principal = self._principals.get(digest)
        if principal is not None:
            self._known[known] = principal  # a keyed digest takes ten times as long as a plain one
        return principal

    async def user(self, name: str) -> User | None:
        """The user with this name, disabled ones included."""
        await self._refresh()
        return self._access.user_named(name)

    async def user_of(self, name: str, password: UUID) -> User | None:
        """The user of a session that was opened with this password; None if the password has changed since or the user
        is disabled. Like a token, a password may be used before its NOTIFY has arrived."""
        user = await self.user(name)
        if user is None or user.password != password:
            self.note_change()
            user = await self.user(name)
        return user if user is not None and user.password == password and not user.disabled else None

    async def _refresh(self) -> None:
        """Returns when memory is as new as this call. Callers share a reading and its failure, else each would wait for
        a reading of its own. A caller does not wait for later changes, else a series of them would block all callers.
        """
        changes, came_at = self._changes, time.monotonic()
        while not self._is_fresh(changes, came_at):
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._start_reading())
                self._reading.add_done_callback(retrieve_exception)
            await asyncio.shield(self._reading)

    async def _start_reading(self) -> None:
        changes, now = self._changes, time.monotonic()
        self._version, self._types, self._access, self._principals = await self._blocking(self._load_catalogue)
        self._known = {}
        self._seen, self._read_at = changes, now

    def _is_fresh(self, changes: int, came_at: float) -> bool:
        """True if memory is new enough for a caller that came at this time, after this many changes. The age of a
        reading is measured at that time, because a reading may take longer than it may be old."""
        longest = HEARD_SECONDS if self._listening() else UNHEARD_SECONDS
        return self._seen >= changes and self._read_at >= came_at - longest

    def _load_catalogue(self) -> tuple[int, Mapping[str, DocumentType], Administration, Mapping[bytes, Principal]]:
        """The version, types, administration and principals of the log. The version is read first, so that a change
        during the reading is read again. The digest loads its key here: on the event loop that would block all callers.
        """
        version = self._counted()
        self._archive.keys.keyed_digest("token", b"")
        access = self._archive.catalogues.load_administration()
        return version, self._archive.catalogues.load_types(), access, access.by_digest()


def retrieve_exception(reading: asyncio.Task[None]) -> None:
    """Marks the exception as retrieved, so that asyncio does not log it: each waiting caller has it."""
    if not reading.cancelled():
        reading.exception()
