"""Prepares the archive before the first request: database, migrations, institution key, types, views of this
release, first token and user. `dossier serve` and `dossier migrate` run this at each start; it is idempotent and
safe to run concurrently."""

import os
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from domain.access import Role
from domain.administration import FIRST_USER, SYSTEM, CreateToken, NewUser
from domain.archive import Archive, Caller
from domain.catalogue import SHIPPED
from domain.refusals import Unavailable, ValidationFailed
from domain.users import Users
from domain.values import uuid7
from migrations.runner import migrate
from projections.rebuild import rebuild_outdated
from projections.tracking import list_tracked
from service.belonging import bind_folders, require_own_keys
from service.database import Addresses
from service.first_user import password_file
from service.ports import address_of
from service.settings import Settings
from service.wiring import APP_ROLE, PROJECTOR_ROLE, Proven, load_key_encryption_keys, open_store, role_of
from store.identity import load_identity
from store.keys import make_institution_key
from store.log import Log
from store.logins import hand_over
from store.private_files import write_private

OPERATOR, STATION = "operator", "station"
RENEW_WAIT_SECONDS = 600.0
RENEW_PAUSE_SECONDS = 1.0


def make_folders(settings: Settings) -> None:
    """Create HOME and its folders with mode 0700, because its files open the archive. The key folder is created with
    its first key. Root's HOME can be traversed by others but not listed: the account of the embedded Postgres has to
    reach its own folder in it."""
    try:
        settings.home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        _close_to_others(settings.home)
        for name in ("tmp", "run", "page-images"):
            (settings.home / name).mkdir(mode=0o700, exist_ok=True)
        for name in ("tmp", "run"):
            tempfile.TemporaryFile(dir=settings.home / name).close()
    except OSError as error:
        raise HomeUnfit(f"DOSSIER_HOME {settings.home} cannot be used: {error.strerror} ({error.filename})") from None


def _close_to_others(home: Path) -> None:
    """Remove the permissions of others when HOME is our own, because adduser creates homes that all may list. Root's
    may be a folder of the system."""
    status = home.stat()
    if status.st_uid == os.geteuid() != 0 and status.st_mode & 0o077:
        home.chmod(status.st_mode & 0o7700)


class HomeUnfit(Exception):
    """The data folder cannot be created, or this account may not write in it."""


def prepare_archive(settings: Settings, addresses: Addresses, tell: Callable[[str], None]) -> Proven:
    """Apply migrations; create keys, folders, types, views and the first token and user. `tell` receives messages
    for a person at once, never a secret."""
    owner, url = addresses.owner, addresses.web
    if addresses.superuser is not None:
        hand_over(addresses.superuser)
    for name in migrate(owner):
        tell(f"migrated: {name}")
    with psycopg.connect(owner, autocommit=True) as conn:
        require_own_keys(conn, settings.home / "keys")
        proven = Proven(load_identity(conn).id, load_key_encryption_keys(settings))
        make_institution_key(conn, proven.kek)
        bind_folders(settings, conn, tell)
    with open_store(settings, url, role=role_of(url, APP_ROLE), proven=proven) as store:
        archive = store.archive()
        caller = system_caller(settings)
        archive.catalogues.ship_types(SHIPPED, caller)
        renew_views(owner, store.log, tell)
        for line in [
            *make_first_token(settings, archive, caller),
            *make_first_user(settings, store.users(archive), caller),
        ]:
            tell(line)
        if settings.scanners:
            make_station_token(settings, archive, caller)
    return proven


def renew_views(owner: str, log: Log, tell: Callable[[str], None], *, wait_seconds: float = RENEW_WAIT_SECONDS) -> None:
    """Rebuild views that an earlier release left in another shape. If several processes start, one rebuilds and the
    others wait. Raises Unavailable when another rebuild or replay takes longer than `wait_seconds`."""
    role, deadline = role_of(owner, PROJECTOR_ROLE), time.monotonic() + wait_seconds
    while older := list_outdated_views(owner):
        tell(f"rebuilding views of an older release, which may take minutes: {', '.join(older)}")
        try:
            for made in rebuild_outdated(owner, log, role=role):
                tell(f"rebuilt: {made.view} ({made.events} events in {made.seconds:.1f} s)")
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(RENEW_PAUSE_SECONDS)


def list_outdated_views(url: str) -> list[str]:
    with psycopg.connect(url, autocommit=True) as conn:
        return [view.name for view in list_tracked(conn) if view.is_outdated]


def system_caller(settings: Settings) -> Caller:
    return Caller(actor=SYSTEM, branch=settings.branch, correlation_id=uuid7())


def make_first_token(settings: Settings, archive: Archive, caller: Caller) -> list[str]:
    """Create an operator token in HOME/operator.token (0600) when the archive has no token; returns messages for a
    person."""
    if archive.catalogues.load_administration().tokens:
        return []
    path = settings.home / "operator.token"
    try:
        token = create_token(archive, caller, name=OPERATOR, role=Role.OPERATOR)
    except ValidationFailed:
        return []  # another start was first
    write_private(path, f"{token}\n".encode())
    keys = settings.home / "keys"
    return [
        f"operator token: {path} (send it as Authorization: Bearer)",
        f"keep a copy of {keys} elsewhere: without it the personal data in the archive can never be read again",
    ]


def make_first_user(settings: Settings, users: Users, caller: Caller) -> list[str]:
    """Create an operator with a one-time password in HOME/admin.password (0600) when the archive has no user;
    returns messages for a person."""
    if users.catalogues.load_administration().users:
        return []
    try:
        password = users.add_user(NewUser(name=FIRST_USER, role=Role.OPERATOR), caller)
    except ValidationFailed:
        return []  # another start was first, or a token has this name: `dossier users add` creates a user with another
    path = password_file(settings)
    write_private(path, f"{password}\n".encode())
    return [
        f"sign in at {settings.public_url or 'http://' + address_of(settings.host, settings.port)}/ as {FIRST_USER}",
        f"its password for the first sign-in: {path}",
    ]


def make_station_token(settings: Settings, archive: Archive, caller: Caller) -> None:
    """Create a token in HOME/station.token (0600) for the station that serve starts, unless the file exists."""
    path = settings.home / "station.token"
    if not path.exists():
        name = f"{STATION}-{secrets.token_hex(4)}"
        write_private(path, f"{create_token(archive, caller, name=name, role=Role.STATION)}\n".encode())


def create_token(archive: Archive, caller: Caller, *, name: str, role: Role, **more: object) -> str:
    """Create a token and return it; the log keeps its keyed digest only."""
    token = f"dsr_{secrets.token_urlsafe(32)}"
    command = CreateToken(name=name, digest=archive.keys.keyed_digest("token", token.encode()), role=role, **more)  # type: ignore[arg-type]  # the fields of CreateToken
    archive.catalogues.administer(command, caller)
    return token
