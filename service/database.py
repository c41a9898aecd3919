"""Finds the archive's database and its logins: a given one, or the embedded one (store/postgres.py, logins.py)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from service.connections import TooFewConnections, max_connections_for, require_connections
from service.settings import Settings
from store import logins
from store.pools import limit_connect_time
from store.postgres import Cluster, choose_folder

DATABASE = "dossier"
SERVER_VERSION_MIN = 15


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """URLs of one database, each with a login: the owner of the log, the web workers, the owner of the views.
    `superuser` exists for the embedded database only, to take over objects of a restored dump."""

    owner: str
    web: str
    projector: str
    superuser: str | None = None


@contextmanager
def open_database(settings: Settings) -> Iterator[tuple[Cluster | None, Addresses]]:
    """Lend the given database, or the embedded cluster, which runs until the context ends."""
    if settings.database_url is not None:
        yield None, build_addresses(settings, settings.database_url)
        return
    with embedded_cluster(settings.home, settings.workers) as cluster:
        superuser = embedded_address(cluster, logins.SUPERUSER)
        logins.provide_logins(cluster.url, superuser, DATABASE, cluster.passwords)
        yield (
            cluster,
            Addresses(
                owner=embedded_address(cluster, logins.OWNER),
                web=embedded_address(cluster, logins.APP),
                projector=embedded_address(cluster, logins.PROJECTOR),
                superuser=superuser,
            ),
        )


def build_addresses(settings: Settings, url: str) -> Addresses:
    return Addresses(
        owner=limit_connect_time(settings.database_owner_url or url),
        web=limit_connect_time(url),
        projector=limit_connect_time(settings.database_projector_url or url),
    )


def require_server(addresses: Addresses, workers: int) -> None:
    """Check the server before anything is created. Raises ServerUnfit for an old one or one behind a pooler, and
    TooFewConnections."""
    for url in {addresses.web, addresses.projector}:
        with connect_with_setting(url) as conn:
            if conn.info.server_version < SERVER_VERSION_MIN * 10_000:
                raise ServerUnfit(
                    f"the database is Postgres {conn.info.server_version // 10_000}, the archive needs"
                    f" {SERVER_VERSION_MIN} or later"
                )
            try:
                require_connections(conn, workers)
            except TooFewConnections:
                if addresses.superuser is None:
                    raise
                raise ServerUnfit(
                    "another command of this DOSSIER_HOME started the database for fewer workers: stop it and retry"
                ) from None


@contextmanager
def connect_with_setting(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Lend a connection opened with a session setting, as the pools open theirs. Raises ServerUnfit where a pooler
    drops the setting: it would drop the role too, and a worker would have all rights of its login."""
    try:
        with psycopg.connect(url, autocommit=True, options="-c enable_seqscan=off") as conn:
            if conn.execute("show enable_seqscan").fetchone() != ("off",):
                raise ServerUnfit(POOLER)
            yield conn
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" in str(error):
            raise ServerUnfit(POOLER) from None
        raise


POOLER = "the database is behind a pooler that drops session settings: connect directly to the server"


class ServerUnfit(Exception):
    """The archive cannot work on this database server."""


def embedded_cluster(home: Path, workers: int = 1) -> Cluster:
    """The cluster of a data folder, started with connections for `workers`. Its passwords are in HOME itself, because
    under root its own folder belongs to another account."""
    return Cluster(choose_folder(home), passwords=home / "postgres.logins", connections=max_connections_for(workers))


def embedded_address(cluster: Cluster, login: str) -> str:
    return logins.url_of(cluster.home, cluster.passwords, login=login, database=DATABASE)
