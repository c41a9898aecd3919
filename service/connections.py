"""Counts the Postgres connections that one `serve` may open, and checks that its server accepts as many."""

from typing import Any

WRITE_CONNECTIONS = 8
READ_CONNECTIONS = 8
OF_A_WORKER = 2 * WRITE_CONNECTIONS + READ_CONNECTIONS + 1  # use cases and the log; lists; LISTEN
OF_OTHERS = 16  # the projector, its threads, the process of a task
OF_COMMANDS = 24  # beside serve, and those the server reserves for superusers


def count_connections(workers: int) -> int:
    """The most connections that a `serve` with this many workers opens."""
    return workers * OF_A_WORKER + OF_OTHERS


def max_connections_for(workers: int) -> int:
    """max_connections of the embedded server: room for `serve` and for commands beside it, at least the usual 100."""
    return max(100, count_connections(workers) + OF_COMMANDS)


class TooFewConnections(Exception):
    """The database server would refuse workers under load."""


def require_connections(conn: Any, workers: int) -> None:
    """Raises TooFewConnections when this server, database or login accepts fewer connections than `serve` may open."""
    room = conn.execute(ROOM).fetchone()[0]
    if room < count_connections(workers):
        raise TooFewConnections(
            f"the database accepts {room} connections of this login and DOSSIER_WORKERS={workers} may open"
            f" {count_connections(workers)}: raise max_connections (or the limit of the login or database), or set"
            " fewer workers"
        )


ROOM = """
    select least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0),
        (select case when rolconnlimit < 0 then null else rolconnlimit end from pg_roles where rolname = session_user),
        (select case when datconnlimit < 0 then null else datconnlimit end
            from pg_database where datname = current_database())
    )
"""
