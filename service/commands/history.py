"""`dossier history`: who did what and when, with values before and after (service/history.py)."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from service.commands.common import as_json, caller_of, load_settings, open_command_store, with_actor_options
from service.output import print_list, say

if TYPE_CHECKING:
    from service.history import HistoryReading

COLUMNS = ("position", "recorded_at", "actor", "branch", "action", "subject", "reason", "before", "after")
as_of_option = click.option(
    "--as-of", metavar="T", help="The history as of a moment (2026-11-24T09:30:00Z) or a position.  [default: now]"
)


@click.group()
def history() -> None:
    """Print the history of a customer or a paper, newest first. Each reading is entered in the access log."""


@history.command()
@click.argument("id")
@as_of_option
@as_json
@with_actor_options
def customer(id: str, as_of: str | None, as_json: bool, actor: str | None, branch: str | None) -> None:  # noqa: A002  # the argument's name
    """Print the history of the customer with this ID of the library system."""
    from service.history import history_of_customer

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        _print_history(history_of_customer(store, id, caller, as_of=as_of), as_json=as_json)


@history.command()
@click.argument("id", type=click.UUID)
@as_of_option
@as_json
@with_actor_options
def document(id: UUID, as_of: str | None, as_json: bool, actor: str | None, branch: str | None) -> None:  # noqa: A002  # the argument's name
    """Print the history of the document with this ID."""
    _print_paper_history(id, as_of, actor, branch, document=True, as_json=as_json)


@history.command()
@click.argument("id", type=click.UUID)
@as_of_option
@as_json
@with_actor_options
def authorization(id: UUID, as_of: str | None, as_json: bool, actor: str | None, branch: str | None) -> None:  # noqa: A002  # the argument's name
    """Print the history of the authorization or mandate with this ID."""
    _print_paper_history(id, as_of, actor, branch, document=False, as_json=as_json)


def _print_paper_history(
    paper: UUID, as_of: str | None, actor: str | None, branch: str | None, *, document: bool, as_json: bool
) -> None:
    from service.history import history_of_paper

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        _print_history(history_of_paper(store, paper, caller, document=document, as_of=as_of), as_json=as_json)


def _print_history(found: "HistoryReading", *, as_json: bool) -> None:
    import msgspec

    if found.position < found.last:
        say(f"the view is at position {found.position}, the log at {found.last}: check that `dossier serve` runs")
    items = msgspec.to_builtins(found.items)
    print_list(items, COLUMNS, as_json=as_json, position=found.position)


COMMANDS = (history,)
