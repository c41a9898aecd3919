"""The results of the last sweep, verification and back-up, whichever process ran them."""

from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb


def record_run(conn: psycopg.Connection[Any], name: str, *, seconds: float, problems: int, result: Any) -> None:
    """Record a run. `name` is sweep, verify or backup; `result` holds counts, never a name."""
    conn.execute(RECORD, [name, seconds, problems, Jsonb(result, dumps=msgspec.json.encode)])


RECORD = """
    insert into operations.last_run (name, ended_at, seconds, problems, result)
    values (%s, clock_timestamp(), %s, %s, %s)
    on conflict (name) do update
    set ended_at = excluded.ended_at,
        seconds = excluded.seconds,
        problems = excluded.problems,
        result = excluded.result
"""
LAST = """
    select name, extract(epoch from ended_at)::float8, seconds, problems, result
    from operations.last_run
    order by name
"""
