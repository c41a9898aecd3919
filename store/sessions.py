"""Sessions of users, sign-in attempts and user preferences in schema staff, by the clock of the database.

A session is found by a digest of its cookie; api/sessions.py creates both.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, Connection
from psycopg.errors import ForeignKeyViolation
from psycopg.rows import args_row, tuple_row


class SignInSessionRow(msgspec.Struct, frozen=True):
    """A session that has not ended. `by` is password or oidc. `unseen`: its last use was recorded more than a minute
    ago, so it is time to record a new one."""

    user: str
    password: UUID
    once: bool
    branch: str | None
    language: str | None
    keys_off: bool
    ends_at: datetime
    unseen: bool
    by: str


class UnboundIdentity(msgspec.Struct, frozen=True):
    """An identity that is bound to no user. `name` is the provider's name for it and proves nothing."""

    issuer: str
    subject: str
    name: str | None
    tried_at: datetime


async def count_attempt(
    conn: AsyncConnection[Any], name: bytes, address: bytes, *, of_name: int, of_address: int, minutes: int
) -> int:
    """Seconds to wait before another attempt by this name or from this address; 0: proceed, and the attempt is
    counted."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(ATTEMPT, [name, address, of_name, of_address, minutes])
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def know_address(conn: AsyncConnection[Any], name: bytes, address: bytes) -> None:
    """Record that the user signed in from this address, so that misses from other addresses do not lock the user out
    here; expires after KNOWN_DAYS without a sign-in."""
    await conn.execute(FORGET_ADDRESSES, [KNOWN_DAYS])
    await conn.execute(KNOW_ADDRESS, [name, address])


async def forget_attempts(conn: AsyncConnection[Any], name: bytes) -> None:
    await conn.execute(FORGET_ATTEMPTS, [name])


async def begin_session(conn: AsyncConnection[Any], key: bytes, password: UUID, by: str, branch: str | None) -> None:
    """Start a session. Durable on return; starts none under a password that was deleted meanwhile. `by` is password or
    oidc."""
    with suppress(ForeignKeyViolation):  # deleted a moment ago
        await conn.execute(BEGIN, [key, by, branch, password])


async def find_session(
    conn: AsyncConnection[Any], key: bytes, *, hours: int, idle_minutes: int
) -> SignInSessionRow | None:
    """The session; None when it does not exist or has ended: `hours` after its start, `idle_minutes` after its last
    use."""
    async with conn.cursor(row_factory=args_row(SignInSessionRow)) as cursor:
        await cursor.execute(FIND, {"key": key, "hours": hours, "minutes": idle_minutes}, prepare=True)
        return await cursor.fetchone()


async def touch_session(conn: AsyncConnection[Any], key: bytes) -> None:
    """Record that the session was used, at most once a minute."""
    await conn.execute(SEEN, [key], prepare=True)


async def choose_branch(conn: AsyncConnection[Any], key: bytes, branch: str) -> None:
    await conn.execute(CHOOSE_BRANCH, [branch, key])


async def save_preferences(
    conn: AsyncConnection[Any], user: str, *, language: str | None, keys_off: bool | None
) -> None:
    """Save the user's preferences; None leaves one unchanged."""
    await conn.execute(CHOOSE, {"user": user, "language": language, "keys_off": keys_off})


async def end_session(conn: AsyncConnection[Any], key: bytes) -> None:
    await conn.execute(END, [key])


async def wait_to_be_bound(conn: AsyncConnection[Any], issuer: str, subject: str, name: str | None) -> None:
    """Record for operators that an identity signed in that is bound to no user. Only the latest WAITING_MAX are
    kept."""
    await conn.execute(WAIT, [issuer, subject, name])
    await conn.execute(FORGET_WAITING, [WAITING_MAX])


def list_waiting(conn: Connection[Any]) -> list[UnboundIdentity]:
    """Identities that signed in and are bound to no user according to this table, latest first."""
    with conn.cursor(row_factory=args_row(UnboundIdentity)) as cursor:
        return cursor.execute(WAITING).fetchall()


def forget_waiting(conn: Connection[Any], issuer: str, subject: str) -> None:
    conn.execute(FORGET_BOUND, [issuer, subject])


async def drop_ended(conn: AsyncConnection[Any], *, hours: int, idle_minutes: int) -> None:
    await conn.execute(DROP_ENDED, {"hours": hours, "minutes": idle_minutes})


WAITING_MAX = 1_000
WAIT = """
    insert into staff.waiting_identity as w (issuer, subject, name)
    values (%s, %s, %s)
    on conflict (issuer, subject) do update set name = excluded.name, tried_at = excluded.tried_at
"""
FORGET_WAITING = """
    delete from staff.waiting_identity as w
    where w.tried_at < (
        select newest.tried_at
        from staff.waiting_identity as newest
        order by newest.tried_at desc
        offset %s - 1
        limit 1
    )
"""
WAITING = "select issuer, subject, name, tried_at from staff.waiting_identity order by tried_at desc"
FORGET_BOUND = "delete from staff.waiting_identity where issuer = %s and subject = %s"
ATTEMPT = "select staff.try_sign_in(%s, %s, %s, %s, make_interval(mins => %s))"
KNOWN_DAYS = 90
FORGET_ADDRESSES = "delete from staff.known_address where at < clock_timestamp() - make_interval(days => %s)"
KNOW_ADDRESS = """
    insert into staff.known_address as k (name, address)
    values (%s, %s)
    on conflict (name, address) do update set at = excluded.at
"""
FORGET_ATTEMPTS = "delete from staff.attempt where name = %s"
BEGIN = """
    insert into staff.session (key, user_name, password, by, branch)
    select %s, user_name, id, %s, %s
    from staff.password
    where id = %s
"""
FIND = """
    select
        s.user_name, s.password, p.once and s.by = 'password', s.branch,
        c.language, coalesce(c.keys_off, false),
        least(s.created_at + make_interval(hours => %(hours)s), s.last_seen_at + make_interval(mins => %(minutes)s)),
        s.last_seen_at < clock_timestamp() - interval '1 minute',
        s.by
    from staff.session as s
    join staff.password as p on p.id = s.password
    left join staff.setting as c on c.user_name = s.user_name
    where s.key = %(key)s
        and s.created_at > clock_timestamp() - make_interval(hours => %(hours)s)
        and s.last_seen_at > clock_timestamp() - make_interval(mins => %(minutes)s)
"""
SEEN = """
    update staff.session set last_seen_at = clock_timestamp()
    where key = %s and last_seen_at < clock_timestamp() - interval '1 minute'
"""
CHOOSE_BRANCH = "update staff.session set branch = %s where key = %s"
CHOOSE = """
    insert into staff.setting as s (user_name, language, keys_off)
    values (%(user)s, %(language)s, coalesce(%(keys_off)s, false))
    on conflict (user_name) do update
    set language = coalesce(excluded.language, s.language),
        keys_off = coalesce(%(keys_off)s, s.keys_off)
"""
END = "delete from staff.session where key = %s"
DROP_ENDED = """
    delete from staff.session
    where created_at <= clock_timestamp() - make_interval(hours => %(hours)s)
        or last_seen_at <= clock_timestamp() - make_interval(mins => %(minutes)s)
"""
