"""`dossier grounds`: lists authorizations that count as signed though their only paper is withdrawn
(service/grounds.py)."""

import sys
from typing import TYPE_CHECKING

import click

from service.commands.common import (
    as_json,
    assume_yes,
    caller_of,
    load_settings,
    open_command_store,
    with_actor_options,
)
from service.exits import DIFFERENT, OK, PARTLY
from service.output import print_list, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.archive import Caller
    from service.grounds import UngroundedAuthorization
    from service.wiring import Store

FOUND = ("authorization", "document", "position", "status", "collected")
REASON = "Its only paper was withdrawn earlier."


@click.command()
@click.option("--mend", is_flag=True, help="Withdraw these signatures: the authorizations return to the state issued.")
@click.option("--reason", default=REASON, show_default=True, metavar="TEXT", help="Reason for their histories.")
@assume_yes
@as_json
@with_actor_options
def grounds(mend: bool, reason: str, yes: bool, as_json: bool, actor: str | None, branch: str | None) -> int:
    """List authorizations that count as signed although their only paper is withdrawn; exit code 6 when there are any.

    Early versions withdrew papers without withdrawing the signature. --mend appends the events that Undo appends
    today. `collected` authorizations are skipped (exit code 7), because a direct debit was presented with them: restore
    the paper or revoke the authorization.
    """
    from msgspec.structs import asdict

    from domain.values import reason_of
    from service.grounds import find_groundless

    settings, reason = load_settings(), reason_of(reason)
    with open_command_store(settings) as store:
        caller = caller_of(settings, actor, branch)
        found = [*find_groundless(store, store.log.fence())]
        print_list([asdict(one) for one in found], FOUND, as_json=as_json)
        if not found or not mend:
            return DIFFERENT if found else OK
        if sys.stdin.isatty() and not yes and not click.confirm("Withdraw these signatures?", err=True):
            return DIFFERENT
        return _reissue_found(store, found, reason, caller)


def _reissue_found(store: "Store", found: "Sequence[UngroundedAuthorization]", reason: str, caller: "Caller") -> int:
    archive = store.archive()
    mended = sum(
        archive.corrections.withdraw_ground(one.authorization, reason, caller) for one in found if not one.collected
    )
    say(f"{mended} of {len(found)} authorizations are back in the state issued")
    return OK if mended == len(found) else PARTLY


COMMANDS = (grounds,)
