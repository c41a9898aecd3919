"""The checks behind /readyz: whether each part of the archive can serve. service/wiring.py passes them to the API."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from domain.limits import Limits
from domain.refusals import InsufficientStorage, Unavailable
from migrations.runner import newest_version
from projections.tracking import LAG_SECONDS
from service.lapses import load_note
from service.upkeep import AGES, find_overdue
from store.clocks import TIMES, Times, find_disagreement
from store.content_directory import ContentDirectory
from store.key_encryption import KeyEncryptionKeys, KeyUnfit, load_keys
from store.key_wraps import CUSTOMERS, NAMED, Unfit, explain_unfit, find_unfit
from store.pools import Connect

LAG_SECONDS_NOTED = 10.0
KEYS_SECONDS = 60.0
CHECK_SECONDS = 2.0  # a prober has a timeout of its own, and must learn which part failed
Check = Callable[[], Awaitable[str]]
T = TypeVar("T")


class Health:
    """Checks each part independently: "ok", with remarks for a person behind it, or what is wrong. Parked events
    concern one customer and a pause is intended: neither takes the archive out of service."""

    def __init__(
        self,
        connection: Connect,
        directory: ContentDirectory,
        limits: Limits,
        missing_walls: tuple[str, ...] = (),
        *,
        kek: KeyEncryptionKeys,
        keys_folder: Path,
        lapses_note: Path,
    ) -> None:
        self._connection, self._directory, self._limits = connection, directory, limits
        self._missing_walls = missing_walls
        self._kek, self._keys_folder, self._lapses_note = kek, keys_folder, lapses_note
        self._keys_told, self._keys_until = "ok", 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")

    async def check_parts(self) -> dict[str, str]:
        """The state of each part, by name."""
        checks: dict[str, Check] = {
            "database": self._check_database,
            "migrations": self._check_migrations,
            "projections": self._check_projections,
            "content": self._check_content,
            "keys": self._check_keys,
            "decoders": self._check_decoders,
            "clock": self._check_clock,
            "upkeep": self._check_upkeep,
        }
        states = await asyncio.gather(*(_state_of(check) for check in checks.values()))
        return dict(zip(checks, states, strict=True))

    async def _check_database(self) -> str:
        await self._fetch_row("select 1")
        return "ok"

    async def _check_migrations(self) -> str:
        applied = (await self._fetch_row("select max(version) from public.schema_migration"))[0]
        return "ok" if applied == newest_version() else f"at {applied}, this program needs {newest_version()}"

    async def _check_projections(self) -> str:
        seconds, paused, parked = await self._fetch_row(LAG)
        if seconds > self._limits.view_lag_seconds_max:
            return f"{seconds:.0f} s behind"
        notes = [
            *([f"{seconds:.0f} s behind"] if seconds > LAG_SECONDS_NOTED else []),
            *(["paused"] if paused else []),
            *([f"{parked} parked events"] if parked else []),
        ]
        return ", ".join(["ok", *notes])

    async def _check_content(self) -> str:
        return await self._run_in_thread(self._probe_content)

    def _probe_content(self) -> str:
        """Write a byte, as an upload would. A read-only or failing disk still reports its free space."""
        with suppress(InsufficientStorage):
            self._directory.require_writable()
        free = self._directory.free_bytes()
        return "ok" if free >= self._limits.disk_free_bytes_min else f"only {free} bytes free"

    async def _check_clock(self) -> str:
        """A wrong clock does not stop requests. Expiry by the calendar waits (service/lapses.py), also while the clocks
        agree again but not yet for long enough."""
        row = await self._fetch_row(TIMES)
        wrong = find_disagreement(Times(datetime.now(UTC), *row), self._limits.clock_tolerance_seconds)
        wrong = wrong or load_note(self._lapses_note)
        return f"ok, lapses wait: {wrong}" if wrong else "ok"

    async def _check_upkeep(self) -> str:
        """Name what was not done for too long. It takes nothing out of service."""
        async with self._connection() as conn:
            ages = dict(await (await conn.execute(AGES)).fetchall())
        return ", ".join(["ok", *find_overdue(ages, self._limits)])

    async def _check_keys(self) -> str:
        """Compare the keys that this process has read with the database, because another server may wrap with a newer
        key. A key that only the folder lacks stops the next start, but nothing that runs. Checked once a minute, since
        each check reads every key file."""
        if time.monotonic() >= self._keys_until:
            self._keys_told = await self._compare_keys()
            self._keys_until = time.monotonic() + KEYS_SECONDS
        return self._keys_told

    async def _compare_keys(self) -> str:
        async with self._connection() as conn:
            rows = await (await conn.execute(NAMED)).fetchall()
        if unfit := find_unfit(self._kek, rows):
            return await self._sentence_of(unfit)
        try:
            of_folder = await self._run_in_thread(lambda: load_keys(self._keys_folder))
        except KeyUnfit as error:
            lacking = str(error).replace(str(self._keys_folder), "keys")
        else:
            unfit = find_unfit(of_folder, rows)
            lacking = await self._sentence_of(unfit) if unfit else ""
        return f"ok, but the next start is refused: {lacking}" if lacking else "ok"

    async def _sentence_of(self, unfit: Unfit) -> str:
        async with self._connection() as conn:
            customers = await (await conn.execute(CUSTOMERS)).fetchall()
        return explain_unfit(unfit, customers, Path("keys"))

    async def _check_decoders(self) -> str:
        """Name the missing walls of the decoders. `serve` does not start where the remaining ones would not contain a
        compromised decoder."""
        return ", ".join(["ok", *(f"NO WALL: {name}" for name in self._missing_walls)])

    async def _run_in_thread(self, look: Callable[[], T]) -> T:
        """Run a disk check in a thread of its own: a disk that hangs delays only other health checks."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, look)

    async def _fetch_row(self, query: str) -> Any:
        async with self._connection() as conn:
            return await (await conn.execute(query)).fetchone()


async def _state_of(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except (psycopg.Error, PoolTimeout, TimeoutError):
        return "no answer"
    except (OSError, Unavailable) as error:
        cause = error.__cause__ or error
        return (isinstance(cause, OSError) and cause.strerror) or "cannot be read"


LAG = f"""
    select
        coalesce(max({LAG_SECONDS}) filter (where not paused), 0)::float8,
        bool_or(paused),
        (select count(*) from views.parked)
    from views.tracking as t
"""  # noqa: S608  # a constant of projections/tracking.py
"""The lag of the slowest view; paused views are not counted."""
