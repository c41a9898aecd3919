"""`dossier config check`: shows every setting, its origin, and whether it can be used (service/settings.py)."""

import os
from typing import Any

import click

from service.commands.common import as_json, first_line
from service.exits import FAILED, OK
from service.output import print_list, say

ALONE = "usual before the migrations; after them only triggers protect the event log from changes"
COLUMNS = ("name", "value", "origin")


@click.group()
def config() -> None:
    """Settings: from the environment, then the file that DOSSIER_CONFIG names, then defaults."""


@config.command()
@as_json
def check(as_json: bool) -> int:
    """Show each setting with its value and origin, secrets masked, and what the given database permits. The exit code
    is 1 when a value cannot be used, when a given database does not answer, or when a start would refuse the key
    folder."""
    from msgspec.structs import asdict

    from service.settings import SettingsError
    from service.settings import check_settings as check_all

    try:
        found = check_all(os.environ)
    except SettingsError as error:
        say(f"dossier: {error}")
        return FAILED
    wrong = [setting for setting in found if setting.wrong]
    address = os.environ.get("DOSSIER_DATABASE_URL")
    database = _check_database() if not wrong else None
    keys = _check_keys(answers=bool(database and database["answers"])) if not wrong else None
    print_list([asdict(setting) for setting in found], COLUMNS, as_json=as_json, database=database, keys=keys)
    for setting in wrong:
        say(f"{setting.name}: {setting.wrong}")
    _print_database(database)
    if keys:
        say(keys)
    return FAILED if wrong or keys or (address and database and not database["answers"]) else OK


def _check_database() -> dict[str, Any] | None:
    """What a given Postgres permits; None for the embedded one, which is not started for this and has what it needs."""
    import psycopg

    from service.database import build_addresses
    from service.settings import load_settings_from
    from service.wiring import APP_ROLE, PROJECTOR_ROLE, role_of

    settings = load_settings_from(os.environ)
    if settings.database_url is None:
        return None
    addresses = build_addresses(settings, settings.database_url)
    logins = {APP_ROLE: addresses.web, PROJECTOR_ROLE: addresses.projector}
    try:
        roles = {role: role_of(url, role) is not None for role, url in logins.items()}
    except psycopg.Error as error:
        return {"answers": False, "why": first_line(error), "roles": {}}
    return {"answers": True, "why": None, "roles": roles}


def _check_keys(*, answers: bool) -> str | None:
    """Why a start would refuse the key folder; None when it would not. Creates nothing; without a given database it
    checks only the files."""
    import psycopg

    from service.belonging import KeysLost, OtherArchive, StoreUnfit, require_own_keys
    from service.database import build_addresses
    from service.settings import load_settings_from
    from store.key_encryption import KeyUnfit, load_keys

    settings = load_settings_from(os.environ)
    folder = settings.home / "keys"
    try:
        load_keys(folder)
        if answers and settings.database_url is not None:
            with psycopg.connect(build_addresses(settings, settings.database_url).owner, autocommit=True) as conn:
                require_own_keys(conn, folder)
    except (KeyUnfit, KeysLost, OtherArchive, StoreUnfit) as reason:
        return str(reason)
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}"
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.InsufficientPrivilege):
        return None  # before the migrations, or the login may not read: the start will report it
    return None


def _print_database(database: dict[str, Any] | None) -> None:
    if database is None:
        return
    if not database["answers"]:
        say(f"DOSSIER_DATABASE_URL: the database does not answer: {database['why']}")
    for role, there in database["roles"].items():
        if not there:
            say(f"the login may not act as the role {role}, or the role does not exist: {ALONE}")


COMMANDS = (config,)
