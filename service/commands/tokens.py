"""`dossier tokens`: creates and revokes API tokens, as events (domain/administration.py)."""

import sys

import click

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
from service.exits import FAILED, CommandFailed
from service.output import print_list, say


@click.group()
def tokens() -> None:
    """Tokens of programs and people."""


@tokens.command()
@click.argument("name")
@with_rights
@actor_option
def create(name: str, rights: RightsOptions, actor: str | None) -> None:
    """Create a token and print it, alone and only this once: the archive keeps its keyed digest."""
    from service.prepare import create_token

    require_name(name)
    settings = load_settings()
    caller = caller_of(settings, actor)
    with open_command_store(settings) as store:
        token = create_token(store.archive(), caller, name=name, **rights)
    click.echo(token)


@tokens.command(name="list")
@as_json
def list_tokens(as_json: bool) -> None:
    """List all tokens by name, revoked ones included. The archive stores no token itself."""
    with open_command_store(load_settings()) as store:
        found = store.archive().catalogues.load_administration().tokens
    items = [{**rights_fields_of(token.principal), "revoked": token.revoked} for token in found.values()]
    print_list(items, (*COLUMNS, "revoked"), as_json=as_json)


@tokens.command()
@click.argument("name")
@assume_yes
@with_actor_options
def revoke(name: str, yes: bool, actor: str | None, branch: str | None) -> None:
    """Revoke a token immediately and permanently; its name cannot be used again. Asks first on a terminal."""
    from domain.administration import RevokeToken

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    if sys.stdin.isatty() and not yes and not click.confirm(f"Revoke the token {name}?", err=True):
        raise CommandFailed(FAILED, "nothing was changed")
    with open_command_store(settings) as store:
        changed = store.archive().catalogues.administer(RevokeToken(name), caller)
    say(f"revoked: {name}" if changed else f"{name} was already revoked")


COMMANDS = (tokens,)
