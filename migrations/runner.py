"""Applies the migrations of this folder, forward only, each once; service/ calls it at start and for `migrate`.
migrations/files.py reads them."""

import re
from collections.abc import Mapping
from contextlib import nullcontext
from importlib.resources.abc import Traversable

import psycopg

from migrations.files import Migration, MigrationError, Replaced, load_migrations

# The advisory lock of a migration; the same number in every deployment.
LOCK = 4_701_912_006
OUTSIDE = re.compile(r"^-- no-transaction$", re.MULTILINE)
NEXT = re.compile(r"^-- next\n", re.MULTILINE)

TABLE = """
create table if not exists public.schema_migration (
    version    int primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
)"""


def migrate(url: str, folder: Traversable | None = None) -> list[str]:
    """Apply the missing migrations and return their names. Many processes may call it at once: one applies, the others
    wait.

    Each migration and its row are one transaction. A file with a line `-- no-transaction` runs statement by statement,
    separated by lines `-- next`; it must be repeatable, because a failure leaves its first statements applied.
    """
    wanted = load_migrations(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        _take_lock(connection)
        connection.execute(TABLE)
        connection.execute("set lock_timeout = '10s'")  # a DDL statement must not queue behind a long reader
        applied = _load_applied(connection)
        adopted = _find_adopted(wanted, applied)
        missing = _find_missing(wanted, applied, adopted)
        for migration in adopted:
            _adopt(connection, migration)
        for migration in missing:
            _apply(connection, migration)
    return [
        *(f"{migration.name}, in place of the earlier files that made this database" for migration in adopted),
        *(migration.name for migration in missing),
    ]


def list_pending(url: str, folder: Traversable | None = None) -> list[str]:
    """The migrations that migrate() would apply. Changes nothing; raises MigrationError as migrate() would."""
    wanted = load_migrations(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("select to_regclass('public.schema_migration') is not null").fetchone()
        applied = _load_applied(connection) if found == (True,) else {}
    return [migration.name for migration in _find_missing(wanted, applied, _find_adopted(wanted, applied))]


def newest_version(folder: Traversable | None = None) -> int:
    """The schema version of this release."""
    return max(migration.version for migration in load_migrations(folder))


def _take_lock(connection: psycopg.Connection) -> None:
    """Take the advisory lock by polling: a session that waits for the lock would deadlock with another's CREATE INDEX
    CONCURRENTLY."""
    while connection.execute("select pg_try_advisory_lock(%s)", (LOCK,)).fetchone() != (True,):
        connection.execute("select pg_sleep(0.1)")


def _load_applied(connection: psycopg.Connection) -> dict[int, str]:
    return dict(connection.execute("select version, sha256 from public.schema_migration").fetchall())


def _find_adopted(wanted: list[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """The baselines whose replaced files made this database. It has their schema already, and only the record changes.
    Raises MigrationError if only some of the replaced files were applied."""
    return [
        migration
        for migration in wanted
        if migration.replaced and _has_replaced(migration, migration.replaced, applied)
    ]


def _has_replaced(baseline: Migration, replaced: Replaced, applied: Mapping[int, str]) -> bool:
    earlier = {version: digest for version, digest in applied.items() if version <= baseline.version}
    if earlier.keys() <= {baseline.version}:
        return False  # an empty database, or one that the baseline made
    for version, digest in sorted(earlier.items()):
        if replaced.digests.get(version, digest) != digest:
            raise MigrationError(f"{replaced.names[version]} was changed after it was applied")
    if earlier.keys() != replaced.digests.keys():
        raise MigrationError(
            f"the database is at migration {max(earlier)} of an earlier version, and this release goes on from"
            f" {baseline.version}: start commit {replaced.commit[:12]} of the archive on it once, and then this release"
        )
    return True


def _find_missing(wanted: list[Migration], applied: Mapping[int, str], adopted: list[Migration]) -> list[Migration]:
    had = dict(applied)
    for baseline in adopted:
        had = {version: digest for version, digest in had.items() if version > baseline.version}
        had[baseline.version] = baseline.sha256
    if unknown := had.keys() - {migration.version for migration in wanted}:
        raise MigrationError(f"this release does not know {sorted(unknown)}, which the database has")
    for migration in wanted:
        if had.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.name} was changed after it was applied")
    missing = [migration for migration in wanted if migration.version not in had]
    if missing and missing[0].version < max(had, default=0):
        raise MigrationError(f"{missing[0].name} comes before one already applied")
    return missing


def _adopt(connection: psycopg.Connection, baseline: Migration) -> None:
    """Record the baseline in place of the files that it replaces; nothing else changes."""
    with connection.transaction():
        connection.execute("delete from public.schema_migration where version <= %s", (baseline.version,))
        _record(connection, baseline)


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    name, outside = migration.name, any(OUTSIDE.search(part.sql) for part in migration.parts)
    try:
        with nullcontext() if outside else connection.transaction():
            for part in migration.parts:
                name = part.name
                for statements in NEXT.split(part.sql):
                    connection.execute(statements)
            _record(connection, migration)
    except psycopg.Error as error:
        raise MigrationError(f"{name}: {error}") from error


def _record(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "insert into public.schema_migration (version, name, sha256) values (%s, %s, %s)",
        (migration.version, migration.name, migration.sha256),
    )
