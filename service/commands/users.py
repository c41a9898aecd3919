"""`dossier users`: manages who may sign in (domain/users.py). A one-time password is printed once and stored as a
hash."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from service.commands.common import (
    actor_option,
    as_json,
    assume_yes,
    caller_of,
    load_settings,
    open_command_store,
    with_actor_options,
)
from service.commands.rights import COLUMNS, RightsOptions, require_name, rights_fields_of, with_rights
from service.exits import CONFLICT, FAILED, CommandFailed
from service.output import print_list, say

if TYPE_CHECKING:
    from domain.administration import User
    from domain.archive import Caller
    from domain.users import Users
    from service.settings import Settings

T = TypeVar("T")


@click.group()
def users() -> None:
    """People who sign in."""


@users.command()
@click.argument("name")
@with_rights
@actor_option
def add(name: str, rights: RightsOptions, actor: str | None) -> None:
    """Add a user and print the password for the first sign-in, alone and only this once."""
    from domain.administration import NewUser

    require_name(name)
    settings = load_settings()
    caller = caller_of(settings, actor)
    with open_users(settings) as known:
        click.echo(known.add_user(NewUser(name=name, **rights), caller))


@users.command(name="list")
@as_json
def list_users(as_json: bool) -> None:
    """List all users by name, disabled ones included."""
    with open_users(load_settings()) as known:
        found = known.catalogues.load_administration().users.values()
        once = known.passwords.find_one_time(user.password for user in found)
    items = [
        {
            **rights_fields_of(user.principal),
            "state": state_of(user, once=once.get(user.password, True)),
            "subject": user.identity.subject if user.identity else None,
        }
        for user in found
    ]
    print_list(items, (*COLUMNS, "state", "subject"), as_json=as_json)


def state_of(user: "User", *, once: bool) -> str:
    if user.disabled:
        return "disabled"
    return "one-time password" if once else "active"


@users.command()
@click.argument("name")
@click.option("--subject", required=True, help="The person's `sub` at the identity provider.")
@click.option("--issuer", help="Issuer of the provider.  [default: DOSSIER_OIDC_ISSUER]")
@with_actor_options
def bind(name: str, subject: str, issuer: str | None, actor: str | None, branch: str | None) -> None:
    """Let a person at the identity provider sign in as this user, matched by issuer and subject, never by a name."""
    from domain.administration import Identity
    from store.sessions import forget_waiting

    settings = load_settings()
    issuer = issuer or settings.oidc_issuer
    if issuer is None:
        raise click.UsageError("name the provider: --issuer, or DOSSIER_OIDC_ISSUER")
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        changed = store.users(store.archive()).bind_user(name, Identity(issuer, subject), caller)
        with store.pool.connection() as conn:
            forget_waiting(conn, issuer, subject)
    say(f"bound: {name} is {subject} at {issuer}" if changed else f"{name} was already bound to {subject}")


@users.command()
@click.argument("name")
@with_actor_options
def unbind(name: str, actor: str | None, branch: str | None) -> None:
    """Remove the binding of a user; sessions that the identity provider opened end at once."""
    changed = change_user(name, actor, branch, lambda known, caller: known.unbind_user(name, caller), forget=False)
    say(f"unbound: {name}" if changed else f"{name} is not bound to a person")


@users.command()
@as_json
def waiting(as_json: bool) -> None:
    """List people who signed in at the identity provider and are bound to no user, latest first."""
    from store.sessions import list_waiting as waiting_identities

    with open_command_store(load_settings()) as store, store.pool.connection() as conn:
        found = waiting_identities(conn)
    items = [{**msgspec.to_builtins(one), "tried_at": one.tried_at.isoformat()} for one in found]
    print_list(items, ("name", "subject", "issuer", "tried_at"), as_json=as_json)


@users.command()
@click.argument("name")
@with_actor_options
def reset(name: str, actor: str | None, branch: str | None) -> None:
    """Print a new one-time password, alone; the old one and every session of the user end at once."""
    click.echo(change_user(name, actor, branch, lambda known, caller: known.reset_password(name, caller)))


@users.command()
@click.argument("name")
@assume_yes
@with_actor_options
def disable(name: str, yes: bool, actor: str | None, branch: str | None) -> None:
    """Disable a user; every session ends at once. Asks first on a terminal."""
    if sys.stdin.isatty() and not yes and not click.confirm(f"Disable the user {name}?", err=True):
        raise CommandFailed(FAILED, "nothing was changed")
    changed = change_user(name, actor, branch, lambda known, caller: known.disable_user(name, caller))
    say(f"disabled: {name}" if changed else f"{name} was already disabled")


@users.command()
@click.argument("name")
@with_actor_options
def enable(name: str, actor: str | None, branch: str | None) -> None:
    """Enable a disabled user and print a new one-time password, alone."""
    password = change_user(name, actor, branch, lambda known, caller: known.enable_user(name, caller))
    if password is None:
        raise CommandFailed(CONFLICT, f"{name} is not disabled; `dossier users reset` makes a new password")
    click.echo(password)


def change_user(
    name: str, actor: str | None, branch: str | None, step: "Callable[[Users, Caller], T]", *, forget: bool = True
) -> T:
    """Run `step` and return its result. `forget` also removes a file that holds the user's previous password, which is
    no longer valid."""
    from service.first_user import forget_password

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_users(settings) as known:
        said = step(known, caller)
    if forget:
        forget_password(settings, name)
    return said


@contextmanager
def open_users(settings: "Settings") -> Iterator["Users"]:
    with open_command_store(settings) as store:
        yield store.users(store.archive())


COMMANDS = (users,)
