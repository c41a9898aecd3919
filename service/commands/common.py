"""Shared parts of the commands: settings, the opened archive, the caller, and options that many of them have."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from service.exits import FAILED, TRY_AGAIN, CommandFailed

if TYPE_CHECKING:
    from domain.archive import Caller
    from service.settings import Settings
    from service.wiring import Store

F = TypeVar("F", bound=Callable[..., object])
FIRST = "run `dossier serve` or `dossier migrate` first"

as_json = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON instead of a table.")
always_json = click.option("--json", is_flag=True, expose_value=False, help="Accepted; the output is always JSON.")
assume_yes = click.option("--yes", is_flag=True, help="Do not ask.")
actor_option = click.option("--actor", metavar="NAME", help="Name for the log.  [default: cli: and the account's name]")
branch_option = click.option("--branch", metavar="CODE", help="Branch for the log.  [default: DOSSIER_BRANCH]")


def with_actor_options(command: F) -> F:
    """Add --branch and --actor, for every command that writes or that is entered in the access log."""
    return branch_option(actor_option(command))


def load_settings() -> "Settings":
    from service.settings import load_settings_from

    return load_settings_from(os.environ)


def caller_of(settings: "Settings", actor: str | None, branch: str | None = None) -> "Caller":
    """The caller of a command, with an actor name that the log accepts. Raises BadParameter, FieldError."""
    from domain.archive import Caller
    from domain.values import ACTOR, parse_branch_code, uuid7

    name = actor or f"cli:{_account_name()}"
    if not ACTOR.fullmatch(name):
        raise click.BadParameter("must have 1 to 80 visible characters without blanks", param_hint="--actor")
    code = parse_branch_code(branch) if branch else settings.branch
    return Caller(actor=name, branch=code, correlation_id=uuid7())


def _account_name() -> str:
    """The account of the process. LOGNAME is not used, because anybody can set it."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


@contextmanager
def open_command_store(settings: "Settings", connections: int = 2, *, contents: bool = False) -> Iterator["Store"]:
    """Open the archive for one command, beside a running `serve` or without one: an embedded Postgres then starts for
    the duration of the command. With `contents` the command reads, stores or removes files, so the content folder has
    to belong to this archive."""
    from service.database import open_database

    require_home(settings)
    with open_database(settings) as (_, addresses):
        role = _role_of_migrated(addresses.web)
        _require_keys(settings.home)
        from service.wiring import open_store

        url, projector = addresses.web, addresses.projector
        with open_store(settings, url, role=role, projector_url=projector, connections=connections) as store:
            _require_belonging(store, contents=contents)
            yield store


def _require_belonging(store: "Store", *, contents: bool) -> None:
    from service.belonging import require_own_folder, require_own_keys

    with store.pool.connection() as conn:
        require_own_keys(conn, store.settings.home / "keys")
        if contents:
            require_own_folder(conn, store.settings.content_directory)


def require_home(settings: "Settings") -> None:
    """Require an archive in DOSSIER_HOME, before anything is created: a mistyped HOME must not become a new, empty
    archive with a key of its own."""
    home = settings.home
    embedded = (home / "postgres" / "pgdata").exists() or (home / "postgres.place").exists()
    if settings.database_url is None and not embedded:
        raise CommandFailed(FAILED, f"there is no archive in {home}: {FIRST}")


def _require_keys(home: Path) -> None:
    """Require a key file. Without this check, opening the store would create a new key, which opens no existing
    data."""
    if not any((home / "keys").glob("kek.[0-9]*")):
        raise CommandFailed(
            FAILED, f"the key-encryption key is not in {home / 'keys'}: restore the copy of that folder"
        )


def _role_of_migrated(url: str) -> str | None:
    import psycopg

    from migrations.runner import list_pending
    from service.wiring import APP_ROLE, role_of

    try:
        missing = list_pending(url)
        if missing:
            raise CommandFailed(FAILED, f"the database lacks {len(missing)} migrations: {FIRST}")
        return role_of(url, APP_ROLE)
    except psycopg.OperationalError as error:
        raise CommandFailed(TRY_AGAIN, f"the database cannot be reached: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """The first line of libpq's message about a connection: host, port and user, never a password."""
    return str(error).strip().partition("\n")[0]


def projector_role(store: "Store") -> str | None:
    """The role that owns the views; None when the login may not act as it."""
    from service.wiring import PROJECTOR_ROLE, role_of

    return role_of(store.projector_url, PROJECTOR_ROLE)
