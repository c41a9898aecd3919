"""`dossier events`: the log as it is (service/events.py)."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import acting, always_json, as_json, caller_of, load_settings, opened_store
from service.output import put_json, put_line

if TYPE_CHECKING:
    from service.wiring import Store

FOLLOW_SECONDS = 0.5
COLUMNS = ("position", "recorded_at", "topic", "stream", "version", "actor", "branch")
open_option = click.option("--open", "opened", is_flag=True, help="Unseal personal fields; enters the access log.")


@click.group()
def events() -> None:
    """The event log. Personal fields stay sealed (base64) unless --open is given."""


@events.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=0), help="How many of the newest.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@as_json
def tail(limit: int, follow: bool, as_json: bool) -> None:
    """The newest events, in the order of the log."""
    with opened_store(load_settings()) as store:
        for line in _tail(store, limit, follow=follow):
            if as_json:
                put_json(line)
            else:
                put_line([line.get(column) for column in COLUMNS])


def _tail(store: "Store", limit: int, *, follow: bool) -> Iterator[dict[str, Any]]:
    """What is given out is settled: no event can appear below one that was already shown."""
    from domain.refusals import Unavailable
    from service.events import newest, pages, sealed_lines

    last = store.log.fence()
    yield from sealed_lines(newest(store, last, limit))
    while follow:
        time.sleep(FOLLOW_SECONDS)
        if store.log.last_position() == last:
            continue
        with suppress(Unavailable):  # a long append holds the fence: look again
            settled = store.log.fence()
            for page in pages(store, last, settled):
                yield from sealed_lines(page)
            last = settled


@events.command()
@click.argument("position", type=click.IntRange(min=1))
@open_option
@as_json
@acting
def show(position: int, opened: bool, as_json: bool, actor: str | None, branch: str | None) -> None:
    """The event at a POSITION of the log, with its fields."""
    import msgspec

    from service.events import at, opened_lines, sealed_lines

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with opened_store(settings) as store:
        rows = [at(store, position)]
        line = (opened_lines(store, rows, caller) if opened else sealed_lines(rows))[0]
    if as_json:
        put_json(line)
    else:
        click.echo(msgspec.json.format(msgspec.json.encode(line)))


@events.command()
@click.option("--after", default=0, metavar="N", type=click.IntRange(min=0), help="Only what stands behind position N.")
@open_option
@always_json
@acting
def export(after: int, opened: bool, actor: str | None, branch: str | None) -> None:
    """The whole log as JSON lines, up to its end when the command began."""
    from service.events import opened_lines, pages, sealed_lines

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with opened_store(settings) as store:
        for rows in pages(store, after, store.log.fence()):
            for line in opened_lines(store, rows, caller) if opened else sealed_lines(rows):
                put_json(line)


COMMANDS = (events,)
