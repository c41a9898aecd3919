"""Where the archive's database is and who logs in: a given one, or the embedded one (store/postgres.py, logins.py)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from service.settings import Settings
from store import logins
from store.pools import bounded
from store.postgres import Cluster, settle

DATABASE = "dossier"


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """URLs of one database, each with a login: who owns the log, who serves the web, who owns the views.

    `superuser`: of the embedded one alone, for what a restored dump left to it.
    """

    owner: str
    web: str
    projector: str
    superuser: str | None = None

    @classmethod
    def of_one(cls, url: str) -> "Addresses":
        """One login does everything."""
        return cls(owner=url, web=url, projector=url)


@contextmanager
def database(settings: Settings) -> Iterator[tuple[Cluster | None, Addresses]]:
    """The given database; else that of the embedded cluster, which runs as long as this is open."""
    if settings.database_url is not None:
        yield None, given(settings, settings.database_url)
        return
    with embedded(settings.home) as cluster:
        superuser = embedded_address(cluster, logins.SUPERUSER)
        logins.provide(cluster.url, superuser, DATABASE, cluster.passwords)
        yield (
            cluster,
            Addresses(
                owner=embedded_address(cluster, logins.OWNER),
                web=embedded_address(cluster, logins.APP),
                projector=embedded_address(cluster, logins.PROJECTOR),
                superuser=superuser,
            ),
        )


def given(settings: Settings, url: str) -> Addresses:
    return Addresses(
        owner=bounded(settings.database_owner_url or url),
        web=bounded(url),
        projector=bounded(settings.database_projector_url or url),
    )


def embedded(home: Path) -> Cluster:
    """The cluster of a data folder. Its passwords lie in HOME itself: as root its own folder belongs to another."""
    return Cluster(settle(home), passwords=home / "postgres.logins")


def embedded_address(cluster: Cluster, login: str) -> str:
    return logins.address(cluster.home, cluster.passwords, login=login, database=DATABASE)
