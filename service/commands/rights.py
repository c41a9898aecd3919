"""The options that say what a token or a user may do (docs/api-guide.md), checked before anything is written."""

import functools
from collections.abc import Callable
from typing import Any, TypedDict

import click

from domain.access import Principal, Role
from domain.values import ACTOR, Sensitivity, parse_branch_code

SENSITIVITIES = click.Choice([s.value for s in Sensitivity])
COLUMNS = ("name", "role", "branch", "own_branch_only", "sensitivities")
OPTIONS = (
    click.option("--role", required=True, type=click.Choice([r.value for r in Role]), help="What it may do."),
    click.option("--branch", metavar="CODE", help="The branch for which it writes.  [default: the request's]"),
    click.option("--own-branch-only", is_flag=True, help="It also reads only that branch."),
    click.option("--grant", multiple=True, type=SENSITIVITIES, help="A sensitivity beyond those of its role."),
    click.option(
        "--without", multiple=True, type=SENSITIVITIES, help="A sensitivity of its role that it must not see."
    ),
)


class RightsOptions(TypedDict):
    role: Role
    branch: str | None
    own_branch_only: bool
    granted: tuple[Sensitivity, ...]
    without: tuple[Sensitivity, ...]


def with_rights(command: Callable[..., None]) -> Callable[..., None]:
    """Hands the options to the command as `rights`."""

    @functools.wraps(command)
    def run(
        *arguments: Any,
        role: str,
        branch: str | None,
        own_branch_only: bool,
        grant: tuple[str, ...],
        without: tuple[str, ...],
        **more: Any,
    ) -> None:
        rights = RightsOptions(
            role=Role(role),
            branch=parse_branch_code(branch, "/branch") if branch else None,
            own_branch_only=own_branch_only,
            granted=tuple(Sensitivity(s) for s in grant),
            without=tuple(Sensitivity(s) for s in without),
        )
        command(*arguments, rights=rights, **more)

    for option in reversed(OPTIONS):
        run = option(run)
    return run


def rights_fields_of(principal: Principal) -> dict[str, Any]:
    """What a list says of a token's or a user's rights."""
    return {
        "name": principal.name,
        "role": principal.role,
        "branch": principal.branch,
        "own_branch_only": principal.own_branch_only,
        "sensitivities": sorted(principal.sensitivities),
    }


def require_name(name: str) -> None:
    if not ACTOR.fullmatch(name):
        raise click.BadParameter("must have 1 to 80 visible characters without blanks", param_hint="NAME")
