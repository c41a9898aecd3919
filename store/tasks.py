"""Tasks that operators queued on the screen, and their results. service/operations.py runs them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from domain.promises import require_value
from store.pools import Connect

RECENT = 20


class Task(msgspec.Struct, frozen=True):
    """A queued task. `done` of `total` positions while it runs. `result` is None until it has ended."""

    id: UUID
    kind: str
    view: str | None
    actor: str
    branch: str
    asked_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    done: int
    total: int
    result: Any


class TaskQueue:
    """The tasks for operators who queue and read them. `connection` borrows an autocommit connection from a pool."""

    def __init__(self, connection: Connect) -> None:
        self._connection = connection

    async def add_task(self, task: UUID, kind: str, view: str | None, actor: str, branch: str) -> tuple[Task, bool]:
        """Queue a task. Durable on return; it starts within a second or two. Returns the task, and False with the
        current task when the id is known already."""
        async with self._connection() as conn, conn.cursor(row_factory=args_row(Task)) as cursor:
            added = await conn.execute(ADD, [task, kind, view, actor, branch])
            made = await (await cursor.execute(ONE, [task])).fetchone()
        return require_value(made, "it was put there"), added.rowcount == 1

    async def is_unended(self, kind: str, view: str) -> bool:
        """True if a task of this kind waits or runs for `view`."""
        async with self._connection() as conn:
            return await (await conn.execute(UNENDED, [kind, view], prepare=True)).fetchone() is not None

    async def list_recent(self) -> Sequence[Task]:
        """The latest twenty tasks, newest first."""
        async with self._connection() as conn, conn.cursor(row_factory=args_row(Task)) as cursor:
            return await (await cursor.execute(NEWEST, [RECENT], prepare=True)).fetchall()


# -- the runner -----------------------------------------------------------------------------------------------------


def begin_next(conn: psycopg.Connection[Any]) -> Task | None:
    """The next queued task, marked as begun; None when the queue is empty."""
    with conn.cursor(row_factory=args_row(Task)) as cursor:
        return cursor.execute(BEGIN).fetchone()


def load_task(conn: psycopg.Connection[Any], task: UUID) -> Task | None:
    with conn.cursor(row_factory=args_row(Task)) as cursor:
        return cursor.execute(ONE, [task]).fetchone()


def save_progress(conn: psycopg.Connection[Any], task: UUID, done: int, total: int) -> None:
    conn.execute(PROGRESS, [done, total, task])


def end_task(conn: psycopg.Connection[Any], task: UUID, result: Any) -> None:
    """Record the result of the task. Idempotent: the first result is kept."""
    conn.execute(END, [Jsonb(result, dumps=msgspec.json.encode), task])


def give_up(conn: psycopg.Connection[Any]) -> None:
    """End the tasks that a process began which no longer runs, with the error "interrupted"."""
    conn.execute(GIVE_UP)


COLUMNS = "id, kind, view, actor, branch, asked_at, begun_at, ended_at, done, total, result"
ADD = """
    insert into operations.task (id, kind, view, actor, branch)
    values (%s, %s, %s, %s, %s)
    on conflict (id) do nothing
"""
NEWEST = f"select {COLUMNS} from operations.task order by asked_at desc limit %s"  # noqa: S608  # constants of this module
ONE = f"select {COLUMNS} from operations.task where id = %s"  # noqa: S608  # likewise
BEGIN = f"""
    update operations.task
    set begun_at = clock_timestamp()
    where id = (select id from operations.task where begun_at is null order by asked_at limit 1)
    returning {COLUMNS}
"""  # noqa: S608  # likewise
UNENDED = "select from operations.task where kind = %s and view = %s and ended_at is null limit 1"
PROGRESS = "update operations.task set done = %s, total = %s where id = %s"
END = "update operations.task set ended_at = clock_timestamp(), result = %s where id = %s and ended_at is null"
GIVE_UP = """
    update operations.task
    set ended_at = clock_timestamp(), result = '{"error": "interrupted"}'
    where begun_at is not null and ended_at is null
"""
