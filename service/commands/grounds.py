"""`dossier grounds`: authorizations that count as signed though their only paper is withdrawn (service/grounds.py)."""

import sys
from typing import TYPE_CHECKING

import click

from service.commands.common import acting, as_json, assume_yes, caller_of, load_settings, opened_store
from service.exits import DIFFERENT, OK, PARTLY
from service.output import put_list, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.archive import Caller
    from service.grounds import Groundless
    from service.wiring import Store

FOUND = ("authorization", "document", "position", "status", "collected")
REASON = "Its only paper was withdrawn earlier."


@click.command()
@click.option("--mend", is_flag=True, help="Take these signatures back: the authorizations are issued again.")
@click.option("--reason", default=REASON, show_default=True, metavar="TEXT", help="For their histories.")
@assume_yes
@as_json
@acting
def grounds(mend: bool, reason: str, yes: bool, as_json: bool, actor: str | None, branch: str | None) -> int:
    """List authorizations that count as signed although their only paper is withdrawn; exit code 6 when there are any.

    A release before migration 0021 withdrew papers without taking the signature back. With --mend that is made up for,
    with the same events as Undo has now. `collected` ones are left (exit code 7): money was asked for with them, so
    restore the paper or revoke the authorization.
    """
    from msgspec.structs import asdict

    from domain.values import reason_of
    from service.grounds import groundless

    settings, reason = load_settings(), reason_of(reason)
    with opened_store(settings) as store:
        caller = caller_of(settings, actor, branch)
        found = [*groundless(store, store.log.fence())]
        put_list([asdict(one) for one in found], FOUND, as_json=as_json)
        if not found or not mend:
            return DIFFERENT if found else OK
        if sys.stdin.isatty() and not yes and not click.confirm("Take these signatures back?", err=True):
            return DIFFERENT
        return _mend(store, found, reason, caller)


def _mend(store: "Store", found: "Sequence[Groundless]", reason: str, caller: "Caller") -> int:
    archive = store.archive()
    mended = sum(archive.withdraw_ground(one.authorization, reason, caller) for one in found if not one.collected)
    say(f"{mended} of {len(found)} are issued again")
    return OK if mended == len(found) else PARTLY


COMMANDS = (grounds,)
