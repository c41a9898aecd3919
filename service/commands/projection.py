"""`dossier replay` and `dossier projection`: rebuild views from the log and manage them (projections/rebuild.py)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import (
    as_json,
    caller_of,
    load_settings,
    open_command_store,
    projector_role,
    with_actor_options,
)
from service.exits import DIFFERENT, OK, PARTLY
from service.output import print_facts, print_json, print_line, print_list, say, show_progress

if TYPE_CHECKING:
    import psycopg

    from projections.rebuild import Rebuilt
    from service.wiring import Store

STATUS = ("view", "position", "last", "lag", "paused", "parked", "rebuilt_at")
PARKED = ("view", "position", "topic", "subject", "customer", "error_type", "parked_at")
REBUILT = ("view", "events", "seconds", "identical")


@click.command()
@click.option("--view", metavar="VIEW", help="Only this one.  [default: all]")
@click.option("--from", "from_position", default=0, metavar="N", type=click.IntRange(min=0), help="First position.")
@click.option("--to", "to_position", metavar="N", type=click.IntRange(min=0), help="Last position.")
@click.option("--dry-run", is_flag=True, help="Accepted; a replay never changes a view (`projection rebuild` does).")
@as_json
def replay(view: str | None, from_position: int, to_position: int | None, dry_run: bool, as_json: bool) -> int:
    """Rebuild the views beside the live ones and compare them row by row; nothing is changed.

    With --from the earlier rows are copied from the live view. Differences are reported by key and column, never by
    value; the exit code is then 6.
    """
    from projections.rebuild import replay as run

    with open_command_store(load_settings()) as store, show_progress("replaying") as advance:
        found = run(
            store.projector_url,
            store.log,
            view,
            from_position=from_position,
            to_position=to_position,
            role=projector_role(store),
            progress=advance,
        )
    _print_rebuilt(found, as_json=as_json)
    return OK if all(r.identical for r in found) else DIFFERENT


@click.group()
def projection() -> None:
    """Show, rebuild, pause and resume the views."""


@projection.command()
@as_json
def status(as_json: bool) -> None:
    """Show the position of each view; `lag` is the number of log positions that it has not processed."""
    from msgspec.structs import asdict

    from projections import tracking

    with _open_views() as (store, conn):
        items = [asdict(line) for line in tracking.list_states(conn, store.log.last_position())]
    print_list(items, STATUS, as_json=as_json)


@projection.command()
@click.argument("view", required=False)
@as_json
@with_actor_options
def rebuild(view: str | None, as_json: bool, actor: str | None, branch: str | None) -> None:
    """Rebuild VIEW, or all, from the log and replace the live one, while the archive runs.

    Returns when it is done. `identical` says whether the old view was the same; the old one is kept until the next
    rebuild.
    """
    from projections.rebuild import rebuild as run

    settings = load_settings()
    caller_of(settings, actor, branch)
    with open_command_store(settings) as store, show_progress("rebuilding") as advance:
        found = run(store.projector_url, store.log, view, role=projector_role(store), progress=advance)
    _print_rebuilt(found, as_json=as_json)


@projection.command()
@click.argument("view")
@with_actor_options
def back(view: str, actor: str | None, branch: str | None) -> None:
    """Restore the table that the last rebuild of VIEW replaced; `serve` brings it up to date."""
    from projections.rebuild import roll_back as run

    settings = load_settings()
    caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        position = run(store.projector_url, view, role=projector_role(store))
    say(f"{view} is back at position {position}")


@projection.command()
@click.argument("view")
@with_actor_options
def pause(view: str, actor: str | None, branch: str | None) -> None:
    """Stop VIEW after the current batch; it falls behind until `resume`."""
    from projections import tracking

    caller_of(load_settings(), actor, branch)
    with _open_views() as (_, conn):
        tracking.pause_view(conn, view)
    say(f"{view} is paused")


@projection.command()
@click.argument("view")
@as_json
@with_actor_options
def resume(view: str, as_json: bool, actor: str | None, branch: str | None) -> int:
    """Resume VIEW and retry its parked events; the exit code is 7 when some remain parked."""
    from msgspec.structs import asdict

    from projections import parking

    caller_of(load_settings(), actor, branch)
    with _open_views() as (store, conn):
        resumed = parking.resume_view(conn, store.log, view)
    print_facts(asdict(resumed), as_json=as_json)
    return PARTLY if resumed.parked else OK


@projection.command(name="parked")
@click.argument("view", required=False)
@as_json
def list_parked(view: str | None, as_json: bool) -> None:
    """List events that VIEW, or any view, could not process, and later ones of the same customer that wait for them."""
    from msgspec.structs import asdict

    from projections import parking

    with _open_views() as (_, conn):
        found = parking.list_parked(conn, view)
    print_list([asdict(p) for p in found], PARKED, as_json=as_json)


@contextmanager
def _open_views() -> "Iterator[tuple[Store, psycopg.Connection[Any]]]":
    from projections import tracking

    with (
        open_command_store(load_settings()) as store,
        tracking.connect(store.projector_url, role=projector_role(store)) as conn,
    ):
        yield store, conn


def _print_rebuilt(found: "Sequence[Rebuilt]", *, as_json: bool) -> None:
    """Print a line of JSON a view, or a table followed by the differences."""
    import msgspec

    for rebuilt in found:
        if as_json:
            print_json(rebuilt)
        for parked in rebuilt.parked:
            say(f"{rebuilt.view}: cannot process {parked.topic} at position {parked.position} ({parked.error_type})")
    if as_json:
        return
    print_list([msgspec.structs.asdict(r) for r in found], REBUILT, as_json=False)
    for rebuilt in found:
        for difference in rebuilt.differences:
            print_line([rebuilt.view, difference.kind, " ".join(difference.key), difference.columns])
        if rebuilt.different > len(rebuilt.differences):
            say(f"{rebuilt.view}: {rebuilt.different} rows differ, the first {len(rebuilt.differences)} are shown")


COMMANDS = (replay, projection)
