"""`dossier disposals`: lists what is due, freezes a list, has it approved and destroys it (domain/disposals.py)."""

import sys
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from service.commands.common import (
    always_json,
    as_json,
    assume_yes,
    caller_of,
    load_settings,
    open_command_store,
    with_actor_options,
)
from service.exits import FAILED, OK, PARTLY, CommandFailed
from service.output import print_facts, print_json, print_list, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.disposals import LoadedDisposal
    from projections.disposals import DueRow, PaperRetentions
    from service.wiring import Store

COLUMNS = ("id", "type", "customer", "due_on", "because", "hold", "original_held")
DAY = click.DateTime(["%Y-%m-%d"])
before_option = click.option(
    "--before", type=DAY, metavar="DAY", help="Papers due before this day.  [default: tomorrow]"
)
types_option = click.option("--type", "types", multiple=True, metavar="CODE", help="Only this type; repeatable.")


@click.group()
def disposals() -> None:
    """Papers whose retention has ended: list, propose, approve, destroy."""


@disposals.command()
@before_option
@types_option
@as_json
def due(before: Any, types: tuple[str, ...], as_json: bool) -> None:
    """List the papers that may be destroyed by their dates, the longest overdue first; holds are marked."""
    with open_command_store(load_settings()) as store:
        found = _list_due(store, before.date() if before else None, types)
        items = _items_of(store, found)
    print_list(items, COLUMNS, as_json=as_json)


@disposals.command()
@before_option
@types_option
@as_json
@with_actor_options
def propose(before: Any, types: tuple[str, ...], as_json: bool, actor: str | None, branch: str | None) -> None:
    """Freeze the list of due papers, without those under a hold, and print its id. Nothing is destroyed yet."""
    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        due = _list_due(store, _day_of_proposal(store, before), types)
        papers = [one.listed for one in due if not _is_held(store, one.listed.paper)]
        print_facts(_facts_of(store.archive().disposals.propose_disposal(papers, caller)), as_json=as_json)


@disposals.command()
@click.argument("disposal", type=click.UUID)
@click.option("--reason", required=True, metavar="TEXT", help="Why the list may be destroyed.")
@as_json
@with_actor_options
def approve(disposal: UUID, reason: str, as_json: bool, actor: str | None, branch: str | None) -> None:
    """Approve a list that another person has proposed."""
    from domain.values import reason_of

    settings, reason = load_settings(), reason_of(reason)
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        print_facts(_facts_of(store.archive().disposals.approve_disposal(disposal, reason, caller)), as_json=as_json)


@disposals.command()
@click.argument("disposal", type=click.UUID)
@as_json
def show(disposal: UUID, as_json: bool) -> None:
    """Show a disposal: who proposed and approved it, each paper with its rule, and what was kept."""
    from msgspec.structs import asdict

    with open_command_store(load_settings()) as store:
        found = store.archive().disposals.load_disposal(disposal)
    papers = [asdict(listed) for listed in found.state.papers]
    kept = [asdict(one) for one in found.state.kept]
    print_facts({**_facts_of(found), "list": papers, "kept_papers": kept}, as_json=as_json)


@disposals.command()
@click.argument("disposal", type=click.UUID)
@always_json
def declaration(disposal: UUID) -> None:
    """Print the destruction declaration: what was destroyed by whom, when, under which rule, signed by the
    institution."""
    from domain.declaration import sign_declaration
    from store.signing import Signer

    settings = load_settings()
    with open_command_store(settings) as store:
        made = store.archive().disposals.declare_disposal(disposal, settings.institution)
        print_json(sign_declaration(made, Signer(store.keys)))


@disposals.command()
@click.argument("disposal", type=click.UUID)
@assume_yes
@as_json
@with_actor_options
def run(disposal: UUID, yes: bool, as_json: bool, actor: str | None, branch: str | None) -> int:
    """Destroy the papers of a list for good. Each is checked again: one that is held, or kept longer by now, stays and
    is named (exit code 7). After an interruption run it again; it continues. Asks first on a terminal."""
    from service.removal import remove_destroyed, require_right_clock

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings, contents=True) as store:
        archive = store.archive()
        count = len(archive.disposals.load_disposal(disposal).state.papers)
        question = f"Destroy {count} papers? Nobody can bring them back."
        if sys.stdin.isatty() and not yes and not click.confirm(question, err=True):
            raise CommandFailed(FAILED, "nothing was destroyed")
        require_right_clock(store)
        done = archive.disposals.run_disposal(disposal, _retentions_of(store), caller)
        remove_destroyed(store)
    for one in done.state.kept:
        say(f"kept: {one.paper} ({one.because})")
    print_facts(_facts_of(done), as_json=as_json)
    return PARTLY if done.state.kept else OK


def _retentions_of(store: "Store") -> "PaperRetentions":
    from projections.disposals import PaperRetentions

    return PaperRetentions(store.pool, store.archive().catalogues.load_types)


def _tomorrow(store: "Store") -> date:
    from domain.calendar import day_after

    return day_after(store.archive().clock.today()) or date.max


def _day_of_proposal(store: "Store", before: Any) -> date:
    """The day before which papers are due. A paper that may be destroyed only later is not proposed."""
    tomorrow = _tomorrow(store)
    return min(before.date(), tomorrow) if before else tomorrow


def _list_due(store: "Store", before: date | None, types: tuple[str, ...]) -> "list[DueRow]":
    from domain.disposal import PAPERS_MAX

    return _retentions_of(store).list_due(before or _tomorrow(store), [*types] or None, PAPERS_MAX)


def _is_held(store: "Store", paper: UUID) -> bool:
    archive = store.archive()
    return bool(archive.holding.load_custody(paper).holds_on(archive.clock.today()))


def _items_of(store: "Store", found: "Sequence[DueRow]") -> list[dict[str, Any]]:
    customers = store.keys.customer_ids({one.row.customer for one in found})
    return [
        {
            "id": one.row.id,
            "kind": one.row.kind,
            "type": one.row.type,
            "customer": customers.get(one.row.customer),
            "due_on": one.listed.due_on,
            "because": f"{one.listed.trigger} + {one.listed.months} months",
            "hold": _is_held(store, one.row.id),
            "approval": one.listed.approval,
            "original_held": one.row.original_held,
        }
        for one in found
    ]


def _facts_of(found: "LoadedDisposal") -> dict[str, Any]:
    state = found.state
    return {
        "id": found.id,
        "state": state.state.value,
        "papers": len(state.papers),
        "proposer": state.proposer,
        "needs_approval": state.needs_approval,
        "approver": state.approver,
        "destroyed": state.destroyed,
        "kept": len(state.kept),
    }


COMMANDS = (disposals,)
