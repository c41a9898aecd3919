"""Keeps principals and document types in memory, and reads them again at every signal of a change."""

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
# A connection that a network dropped in silence goes on to listen for hours, and a revoked token would count so long.
HEARD_SECONDS = 10.0
UNKNOWN_SECONDS = 0.05


class LiveCatalogue:
    """Never older than the last signal, nor than HEARD_SECONDS; while `listening` says that no signal can come, never
    older than a second."""

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
        """The document types, of `version` or a later one. `anew`: as the log has them now, because the signal of a
        change may not have arrived yet."""
        if anew or self._version < version:
            self.note_change()
        await self._refresh()
        return self._types

    async def principal(self, token: str) -> Principal | None:
        """The caller that a bearer token stands for; None for an unknown or revoked one.

        A token may be newer than its signal is quick, so an unknown one is looked for in a list that was read after it
        was asked about. Guesses wait, so that they cannot have the list read more often than every UNKNOWN_SECONDS.
        """
        asked_at, known = time.monotonic(), hashlib.sha256(token.encode()).digest()
        await self._refresh()
        if known in self._known:
            return self._known[known]
        digest = self._archive.keys.keyed_digest("token", token.encode())  # its key came with the list
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
        """Whoever has this name, in the past too."""
        await self._refresh()
        return self._access.user_named(name)

    async def user_of(self, name: str, password: UUID) -> User | None:
        """The user of a session that was opened under this password; None when it is over, since another one counts
        or the user is disabled. As a token, a password may be newer than its signal is quick."""
        user = await self.user(name)
        if user is None or user.password != password:
            self.note_change()
            user = await self.user(name)
        return user if user is not None and user.password == password and not user.disabled else None

    async def _refresh(self) -> None:
        """Return when memory is as new as this call. Callers share a reading and its failure, or each would wait for a
        reading of its own. A caller does not wait for later changes, or a series of them would block all callers."""
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
        """Whether memory is new enough for a caller who came at this time, after so many changes. The age of a reading
        is taken at that time, because a reading may take longer than it may be old."""
        longest = HEARD_SECONDS if self._listening() else UNHEARD_SECONDS
        return self._seen >= changes and self._read_at >= came_at - longest

    def _load_catalogue(self) -> tuple[int, Mapping[str, DocumentType], Administration, Mapping[bytes, Principal]]:
        """Reads the version first, so that a change during the reading is read again. Computes a digest, so that its
        key is looked up here and not on the event loop, where that would block every caller."""
        version = self._counted()
        self._archive.keys.keyed_digest("token", b"")
        access = self._archive.catalogues.load_administration()
        return version, self._archive.catalogues.load_types(), access, access.by_digest()


def retrieve_exception(reading: asyncio.Task[None]) -> None:
    """Marks the exception as retrieved, so that asyncio does not log it: each waiting caller has it."""
    if not reading.cancelled():
        reading.exception()
