"""The options for the rights of a token or a user, checked before anything is written."""

import functools
from collections.abc import Callable
from typing import Any, TypedDict

import click

from domain.access import Principal, Role
from domain.values import ACTOR, Sensitivity, parse_branch_code

SENSITIVITIES = click.Choice([s.value for s in Sensitivity])
COLUMNS = ("name", "role", "branch", "own_branch_only", "sensitivities")
OPTIONS = (
    click.option(
        "--role", required=True, type=click.Choice([r.value for r in Role]), help="Role of the token or user."
    ),
    click.option("--branch", metavar="CODE", help="Branch of its writes.  [default: the request's]"),
    click.option("--own-branch-only", is_flag=True, help="Limit its reads to that branch too."),
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
    """Add the rights options to a command and pass them as `rights`."""

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
            branch=parse_branch_code(branch) if branch else None,
            own_branch_only=own_branch_only,
            granted=tuple(Sensitivity(s) for s in grant),
            without=tuple(Sensitivity(s) for s in without),
        )
        command(*arguments, rights=rights, **more)

    for option in reversed(OPTIONS):
        run = option(run)
    return run


def rights_fields_of(principal: Principal) -> dict[str, Any]:
    """The rights of a token or a user as fields of a list item."""
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
