"""Applies the numbered SQL files of this folder, forward only, each once; service/ calls it at start and for
`migrate`."""

import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

import psycopg

# The advisory lock of a migration; the same number in every deployment.
LOCK = 4_701_912_006
NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
OUTSIDE = re.compile(r"^-- no-transaction$", re.MULTILINE)
NEXT = re.compile(r"^-- next\n", re.MULTILINE)

TABLE = """
create table if not exists public.schema_migration (
    version    int primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
)"""


class MigrationError(RuntimeError):
    """The database and this release do not match, or a file failed; the sentence names the file."""


class Migration(NamedTuple):
    version: int
    name: str
    sql: str
    sha256: str


def migrate(url: str, folder: Traversable | None = None) -> list[str]:
    """Apply the missing files and return their names. Many processes may call it at once: one applies, the others wait.

    Each file and its row are one transaction. A file with a line `-- no-transaction` runs statement by statement,
    separated by lines `-- next`; it must be repeatable, because a failure leaves its first statements applied.
    """
    wanted = _read_files(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        _take_lock(connection)
        connection.execute(TABLE)
        connection.execute("set lock_timeout = '10s'")  # a DDL statement must not queue behind a long reader
        missing = _find_missing(wanted, _load_applied(connection))
        for migration in missing:
            _apply_file(connection, migration)
    return [migration.name for migration in missing]


def list_pending(url: str, folder: Traversable | None = None) -> list[str]:
    """The files that migrate() would apply. Changes nothing; raises MigrationError as migrate() would."""
    wanted = _read_files(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("select to_regclass('public.schema_migration') is not null").fetchone()
        applied = _load_applied(connection) if found == (True,) else {}
    return [migration.name for migration in _find_missing(wanted, applied)]


def newest_version(folder: Traversable | None = None) -> int:
    """The schema version of this release."""
    return max(migration.version for migration in _read_files(folder))


def _read_files(folder: Traversable | None) -> list[Migration]:
    wanted: dict[int, Migration] = {}
    for file in (folder or files("migrations")).iterdir():
        if not file.name.endswith(".sql"):
            continue
        match, raw = NAME.fullmatch(file.name), file.read_bytes().replace(b"\r\n", b"\n")
        if not match or int(match[1]) in wanted:
            raise MigrationError(f"bad or doubled name: {file.name}")
        wanted[int(match[1])] = Migration(int(match[1]), file.name, raw.decode(), hashlib.sha256(raw).hexdigest())
    return [wanted[version] for version in sorted(wanted)]


def _take_lock(connection: psycopg.Connection) -> None:
    """Take the advisory lock by polling: a session that waits for the lock would deadlock with another's CREATE INDEX
    CONCURRENTLY."""
    while connection.execute("select pg_try_advisory_lock(%s)", (LOCK,)).fetchone() != (True,):
        connection.execute("select pg_sleep(0.1)")


def _load_applied(connection: psycopg.Connection) -> dict[int, str]:
    return dict(connection.execute("select version, sha256 from public.schema_migration").fetchall())


def _find_missing(wanted: list[Migration], applied: Mapping[int, str]) -> list[Migration]:
    if unknown := applied.keys() - {migration.version for migration in wanted}:
        raise MigrationError(f"this release does not know {sorted(unknown)}, which the database has")
    for migration in wanted:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.name} was changed after it was applied")
    missing = [migration for migration in wanted if migration.version not in applied]
    if missing and missing[0].version < max(applied, default=0):
        raise MigrationError(f"{missing[0].name} comes before one already applied")
    return missing


def _apply_file(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        if OUTSIDE.search(migration.sql):
            for part in NEXT.split(migration.sql):
                connection.execute(part)
            _record_file(connection, migration)
        else:
            with connection.transaction():
                connection.execute(migration.sql)
                _record_file(connection, migration)
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name}: {error}") from error


def _record_file(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "insert into public.schema_migration (version, name, sha256) values (%s, %s, %s)",
        (migration.version, migration.name, migration.sha256),
    )
