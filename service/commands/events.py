"""`dossier events`: the log as it is (service/events.py)."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import (
    always_json,
    as_json,
    caller_of,
    load_settings,
    open_command_store,
    with_actor_options,
)
from service.output import print_json, print_line

if TYPE_CHECKING:
    from service.wiring import Store

FOLLOW_SECONDS = 0.5
COLUMNS = ("position", "recorded_at", "topic", "stream", "version", "actor", "branch")
open_option = click.option("--open", "opened", is_flag=True, help="Unseal personal fields; enters the access log.")


@click.group()
def events() -> None:
    """The event log. Personal fields stay sealed (base64) unless --open is given."""


@events.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=0), help="Number of events.")
@click.option("--follow", is_flag=True, help="Continue with new events until Ctrl-C.")
@as_json
def tail(limit: int, follow: bool, as_json: bool) -> None:
    """Print the newest events, in the order of the log."""
    with open_command_store(load_settings()) as store:
        for line in _follow_log(store, limit, follow=follow):
            if as_json:
                print_json(line)
            else:
                print_line([line.get(column) for column in COLUMNS])


def _follow_log(store: "Store", limit: int, *, follow: bool) -> Iterator[dict[str, Any]]:
    """Yield settled events only: no event can later appear below one that was already printed."""
    from domain.refusals import Unavailable
    from service.events import format_sealed, load_newest, load_pages

    last = store.log.fence()
    yield from format_sealed(load_newest(store, last, limit))
    while follow:
        time.sleep(FOLLOW_SECONDS)
        if store.log.last_position() == last:
            continue
        with suppress(Unavailable):  # a long append holds the fence: try again
            settled = store.log.fence()
            for page in load_pages(store, last, settled):
                yield from format_sealed(page)
            last = settled


@events.command()
@click.argument("position", type=click.IntRange(min=1))
@open_option
@as_json
@with_actor_options
def show(position: int, opened: bool, as_json: bool, actor: str | None, branch: str | None) -> None:
    """Print the event at a POSITION of the log, with its fields."""
    import msgspec

    from service.events import format_opened, format_sealed, load_event

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        rows = [load_event(store, position)]
        line = (format_opened(store, rows, caller) if opened else format_sealed(rows))[0]
    if as_json:
        print_json(line)
    else:
        click.echo(msgspec.json.format(msgspec.json.encode(line)))


@events.command()
@click.option("--after", default=0, metavar="N", type=click.IntRange(min=0), help="Only events after position N.")
@open_option
@always_json
@with_actor_options
def export(after: int, opened: bool, actor: str | None, branch: str | None) -> None:
    """Print the whole log as JSON lines, up to its end at the start of the command."""
    from service.events import format_opened, format_sealed, load_pages

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        for rows in load_pages(store, after, store.log.fence()):
            for line in format_opened(store, rows, caller) if opened else format_sealed(rows):
                print_json(line)


COMMANDS = (events,)
