"""Who may enter the embedded Postgres, and what each login can do there: what its part of the archive needs."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.database import Addresses, embedded_address, embedded_cluster, open_database
from service.prepare import make_folders, prepare_archive
from service.settings import Settings, load_settings_from
from store import logins
from store.postgres import PostgresError
from tests.builders.logins import one_login
from tests.http.served import environment_of, new_home, prepared_home
from tests.service.running import AS_ROOT, running
from tests.service.test_serve import archived, content
from tests.store.test_log_rights import FORBIDDEN

RAISING = ["set role none", "reset role", "set session authorization default", "reset session authorization"]
REFUSED = [
    "set role postgres",
    "set role dossier_owner",
    "set session authorization postgres",
    "alter role current_user superuser",
    "create role another",
    "copy (select 1) to program 'true'",
    "select pg_read_file('/etc/passwd')",
    "create extension dblink",
    "alter table archive.archive_events owner to current_user",
    "alter system set log_statement = 'all'",
]
RIGHTS = """
    select c.oid::regclass::text, right_, has_table_privilege(c.oid, right_)
    from pg_class as c, unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'trigger']) as right_
    where relkind in ('r', 'v', 'p') and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    order by 1, 2
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as home:
        yield home


@pytest.fixture(scope="module")
def prepared() -> Iterator[tuple[Settings, Addresses]]:
    """An archive on the embedded Postgres, which runs."""
    with prepared_home() as home:
        settings = load_settings_from(environment_of(home, None, {}))
        with open_database(settings) as (_, addresses):
            yield settings, addresses


def rows(conn: psycopg.Connection[Any], statement: str) -> list[Any]:
    return conn.execute(statement.encode()).fetchall()


@pytest.mark.parametrize("statement", RAISING)
@pytest.mark.parametrize("part", ["web", "projector"])
def test_no_worker_has_more_rights_behind_its_role(
    prepared: tuple[Settings, Addresses], part: str, statement: str
) -> None:
    """The superuser was behind it once: SET ROLE NONE gave every right back."""
    address, name = getattr(prepared[1], part), {"web": logins.APP, "projector": logins.PROJECTOR}[part]
    with psycopg.connect(address, autocommit=True, options=f"-c role={name}") as conn:
        before = rows(conn, RIGHTS)
        conn.execute(statement.encode())
        assert rows(conn, "select current_user::text, session_user::text") == [(name, name)]
        assert rows(conn, RIGHTS) == before
        assert rows(conn, "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user") == [
            (False, False, False)
        ]
        allowed = []
        for forbidden in [*FORBIDDEN, *REFUSED]:
            try:
                conn.execute(forbidden.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            allowed.append(forbidden)
    assert allowed == []


def test_each_thing_belongs_to_the_owner_or_to_the_projector(prepared: tuple[Settings, Addresses]) -> None:
    with psycopg.connect(prepared[1].owner) as conn:
        assert not rows(conn, "select from pg_roles where rolname = current_user and rolsuper")
        owners = rows(
            conn,
            "select distinct n.nspname, c.relowner::regrole::text from pg_class c join pg_namespace n"
            " on n.oid = relnamespace where nspname !~ '^(pg_|information_schema)' and relkind in ('r', 'v', 'S')",
        )
    assert {owner for schema, owner in owners if schema == "views"} == {logins.PROJECTOR}
    assert {owner for schema, owner in owners if schema != "views"} == {logins.OWNER}


@pytest.mark.parametrize("name", logins.NAMES)
def test_nobody_comes_in_without_a_password(prepared: tuple[Settings, Addresses], name: str) -> None:
    """Not even the account of the decoders, which is that of the archive: it would have to read the file first."""
    place = embedded_cluster(prepared[0].home).home
    for secret in ("", "password=guessed"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"host={place} dbname=dossier user={name} passfile=/dev/null {secret}")
    with psycopg.connect(
        logins.url_of(place, prepared[0].home / "postgres.logins", login=name, database="dossier")
    ) as conn:
        assert rows(conn, "select current_user::text") == [(name,)]


def test_the_passwords_are_for_the_archives_account_alone(prepared: tuple[Settings, Addresses]) -> None:
    settings, addresses = prepared
    file = settings.home / "postgres.logins"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_uid == os.geteuid()
    for name in logins.NAMES:
        secret = logins.password_of(file, name)
        assert len(secret) == 64
        assert not any(secret in address for address in (addresses.owner, addresses.web, addresses.projector))
        for other in embedded_cluster(settings.home).home.glob("*.log"):
            assert secret.encode() not in other.read_bytes(), other


if AS_ROOT:

    def test_the_account_that_the_cluster_runs_as_does_not_come_in(prepared: tuple[Settings, Addresses]) -> None:
        """The host's own `postgres`, or `nobody` where there is none."""
        home = embedded_cluster(prepared[0].home).home
        account = (home / "pgdata").stat()
        asked = f"host={home} dbname=dossier user=postgres"
        program = f"import psycopg; psycopg.connect({asked!r})"
        python = f"/usr/bin/python3.{sys.version_info.minor}"
        told = subprocess.run(
            [python, "-c", program],
            user=account.st_uid,
            group=account.st_gid,
            extra_groups=[],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
        )
        assert "no password supplied" in told.stderr, told.stderr


# -- homes of earlier releases ----------------------------------------------------------------------------------


def as_an_earlier_release_left_it(settings: Settings) -> None:
    """Everything made by the superuser in a cluster that asks nobody for a password."""
    make_folders(settings)
    with embedded_cluster(settings.home) as cluster:
        with psycopg.connect(cluster.url, autocommit=True) as conn:
            conn.execute("create database dossier")
        prepare_archive(settings, one_login(embedded_address(cluster, logins.SUPERUSER)), lambda _: None)
        with psycopg.connect(cluster.url, autocommit=True) as conn:
            conn.execute("alter role postgres password null")
    (cluster.data / "pg_hba.conf").write_text("local all all trust\nlocal replication all trust\n")
    (settings.home / "postgres.logins").unlink()


def test_a_home_of_an_earlier_release_keeps_everything_and_gets_logins(home: Path) -> None:
    settings = load_settings_from(environment_of(home, None, {}))
    as_an_earlier_release_left_it(settings)
    with running(home) as first, first.client() as client:
        paper = archived(client)
        with open_database(settings) as (_, addresses):
            for address, name in ((addresses.owner, logins.OWNER), (addresses.web, logins.APP)):
                with psycopg.connect(address) as conn:
                    left = rows(
                        conn,
                        "select relname from pg_class join pg_namespace n on n.oid = relnamespace"
                        " where relowner = 'postgres'::regrole and nspname !~ '^(pg_|information_schema)'",
                    )
                    assert (rows(conn, "select current_user::text"), left) == ([(name,)], [])
        assert first.command("verify").returncode == 0
        assert first.command("projection", "rebuild").returncode == 0
        assert first.command("tokens", "create", "another", "--role", "viewer").returncode == 0
    with running(home) as second, second.client() as client:
        assert content(client, paper).startswith(b"Dear library")


def test_lost_passwords_are_made_anew(home: Path) -> None:
    settings = load_settings_from(environment_of(home, None, {}))
    make_folders(settings)
    with open_database(settings) as (_, addresses):
        prepare_archive(settings, addresses, lambda _: None)
    (home / "postgres.logins").unlink()
    with open_database(settings) as (_, addresses):
        for address in (addresses.owner, addresses.web, addresses.projector):
            psycopg.connect(address).close()


def test_an_open_server_in_use_is_not_joined(home: Path) -> None:
    """A command of this release beside a `serve` of the earlier one would otherwise take its database away."""
    settings = load_settings_from(environment_of(home, None, {}))
    make_folders(settings)
    with open_database(settings):
        (home / "postgres.logins").unlink()
        with pytest.raises(PostgresError, match="earlier release"), open_database(settings):
            pass
