"""/readyz answers while a probe still listens, whatever it waits for; its states are tested over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.operations import is_well
from domain.limits import Limits
from service import health
from service.health import Health
from service.lapses import Alarm
from store.clocks import Times
from tests.builders.content import content_directory
from tests.builders.postgres_log import KEK

USUAL = Limits()


def test_a_database_that_says_nothing_is_told_in_time_and_hides_no_other_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checks once waited one after the other for as long as a request would: 15 s, in which every probe gave up."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    waiting = Waiting(expected=6)
    told = asyncio.run(looked(waiting.connection, tmp_path).check_parts())
    assert told == {
        "database": "no answer",
        "migrations": "no answer",
        "projections": "no answer",
        "content": "ok",
        "keys": "no answer",
        "decoders": "ok",
        "clock": "no answer",
        "upkeep": "no answer",
    }
    assert waiting.all_at_once


@pytest.mark.parametrize(("behind", "told"), [(2, "ok"), (30, "ok, 30 s behind"), (500, "500 s behind")])
def test_views_that_lag_are_told_in_seconds(db: str, tmp_path: Path, behind: int, told: str) -> None:
    """M1: an archive of 40 papers a day is never 10,000 events behind, however long its follower hangs."""
    health_ = looked(connected(db), tmp_path, Limits(view_lag_seconds_max=120))
    with psycopg.connect(db, autocommit=True) as conn:
        conn.execute(AN_EVENT, [timedelta(seconds=behind)])
        assert asyncio.run(health_.check_parts())["projections"] == told
        conn.execute("update views.tracking set paused = true")
        assert asyncio.run(health_.check_parts())["projections"] == "ok, paused"


def test_clocks_that_disagree_are_told_and_take_nothing_out_of_service(db: str, tmp_path: Path) -> None:
    told = looked(connected(db), tmp_path).check_parts
    assert asyncio.run(told())["clock"] == "ok"
    with psycopg.connect(db, autocommit=True) as conn:
        conn.execute(AN_EVENT, [timedelta(hours=-1)])
    parts = asyncio.run(told())
    assert parts["clock"].startswith("ok, lapses wait: the newest event is dated 3")
    assert is_well(parts)


def test_an_hour_of_doubt_is_told_as_long_as_it_lasts(db: str, tmp_path: Path) -> None:
    """The clocks agree again; that they did not, only the process knows that lapses."""
    note = tmp_path / "note"
    told = looked(connected(db), tmp_path).check_parts
    alarm, now = Alarm(note), datetime.now(UTC)
    step = "the machine's clock was set forward by 900 s"
    for wrong, expected in ((step, f"ok, lapses wait: {step}"), (None, "ok")):
        alarm.report(wrong, Times(now, now, None), 0.0)
        parts = asyncio.run(told())
        assert parts["clock"] == expected
        assert is_well(parts)


def test_what_is_overdue_is_told_and_takes_nothing_out_of_service(db: str, tmp_path: Path) -> None:
    """Both sides of each limit."""
    limits = Limits(backup_age_hours_max=10, verify_age_hours_max=100)
    check_parts = looked(connected(db), tmp_path, limits).check_parts
    assert asyncio.run(check_parts())["upkeep"] == "ok, no back-up yet, no verification yet"
    with psycopg.connect(db, autocommit=True) as conn:
        for backup, verification, told in (
            (9, 99, "ok"),
            (11, 99, "ok, last back-up 11 h ago"),
            (9, 101, "ok, last verification 101 h ago"),
        ):
            conn.execute(RUNS, {"backup": timedelta(hours=backup), "verify": timedelta(hours=verification)})
            parts = asyncio.run(check_parts())
            assert parts["upkeep"] == told
            assert is_well(parts)


def test_a_pause_and_parked_events_are_told_and_take_nothing_out_of_service(db: str, tmp_path: Path) -> None:
    with psycopg.connect(db, autocommit=True) as conn:
        conn.execute("update views.tracking set paused = true where name = 'authorizations'")
        conn.execute(
            "insert into views.parked (view, position, as_of, subject, topic, error_type)"
            " values ('audit_history', 1, now(), gen_random_uuid(), 'document-archived.v1', 'AssertionError')"
        )

    told = asyncio.run(looked(connected(db), tmp_path).check_parts())
    assert told["projections"] == "ok, paused, 1 parked events"
    assert is_well(told)
    assert not is_well({**told, "database": "no answer"})


def looked(connection: Any, folder: Path, limits: Limits = USUAL) -> Health:
    return Health(
        connection, content_directory(folder), limits, kek=KEK, keys_folder=folder / "keys", lapses_note=folder / "note"
    )


def connected(url: str) -> Any:
    @asynccontextmanager
    async def connection() -> AsyncIterator[Any]:
        async with await psycopg.AsyncConnection.connect(url) as conn:
            yield conn

    return connection


AN_EVENT = """
    insert into archive.archive_events (originator_id, originator_version, topic, state, recorded_at)
    values (gen_random_uuid(), 1, 'document-archived.v1', '', clock_timestamp() - %s)
"""

RUNS = """
    insert into operations.last_run (name, ended_at, seconds, problems, result)
    values
        ('backup', clock_timestamp() - %(backup)s::interval, 1, 0, '{}'),
        ('verify', clock_timestamp() - %(verify)s::interval, 1, 0, '{}')
    on conflict (name) do update set ended_at = excluded.ended_at
"""


class Waiting:
    """A pool whose connections never come; it sees whether so many were asked for at once."""

    def __init__(self, expected: int) -> None:
        self._asked, self._expected = 0, expected
        self.all_at_once = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        self._asked += 1
        self.all_at_once |= self._asked == self._expected
        try:
            await asyncio.Event().wait()
        finally:
            self._asked -= 1
        yield
