"""`dossier history`: what was done, by whom, when, before and after (service/history.py)."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from service.commands.common import acting, as_json, caller_of, load_settings, opened_store
from service.output import put_list, say

if TYPE_CHECKING:
    from service.history import History

COLUMNS = ("position", "recorded_at", "actor", "branch", "action", "subject", "reason", "before", "after")
as_of_option = click.option(
    "--as-of", metavar="T", help="As it was at a moment (2026-11-24T09:30:00Z) or a position.  [default: now]"
)


@click.group()
def history() -> None:
    """What was done, newest first. Each reading is entered in the access log."""


@history.command()
@click.argument("id")
@as_of_option
@as_json
@acting
def customer(id: str, as_of: str | None, as_json: bool, actor: str | None, branch: str | None) -> None:  # noqa: A002  # the argument's name
    """Of the customer with this ID of the library system."""
    from service.history import of_customer

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with opened_store(settings) as store:
        _put(of_customer(store, id, caller, as_of=as_of), as_json=as_json)


@history.command()
@click.argument("id", type=click.UUID)
@as_of_option
@as_json
@acting
def document(id: UUID, as_of: str | None, as_json: bool, actor: str | None, branch: str | None) -> None:  # noqa: A002  # the argument's name
    """Of the document with this ID."""
    _of_paper(id, as_of, actor, branch, document=True, as_json=as_json)


@history.command()
@click.argument("id", type=click.UUID)
@as_of_option
@as_json
@acting
def authorization(id: UUID, as_of: str | None, as_json: bool, actor: str | None, branch: str | None) -> None:  # noqa: A002  # the argument's name
    """Of the authorization or mandate with this ID."""
    _of_paper(id, as_of, actor, branch, document=False, as_json=as_json)


def _of_paper(
    paper: UUID, as_of: str | None, actor: str | None, branch: str | None, *, document: bool, as_json: bool
) -> None:
    from service.history import of_paper

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with opened_store(settings) as store:
        _put(of_paper(store, paper, caller, document=document, as_of=as_of), as_json=as_json)


def _put(found: "History", *, as_json: bool) -> None:
    import msgspec

    if found.position < found.last:
        say(f"the view stands at position {found.position}, the log at {found.last}: does `dossier serve` run?")
    items = msgspec.to_builtins(found.items)
    put_list(items, COLUMNS, as_json=as_json, position=found.position)


COMMANDS = (history,)
