"""What one command changes, as one value: use cases build it, domain/commands.py appends it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.ports import Claim, CustomerReference
from domain.refusals import PreconditionFailed

Steps = Sequence[tuple[UUID, Any]]
"""Events, each with its stream, in the order in which they enter the log."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one command changes. `versions` are those of existing streams, `papers` get a key for their
    owner, `ended` papers lose all their keys, `forgotten` are contents that the log no longer names."""

    steps: Steps
    versions: Mapping[UUID, int] = {}
    claims: Sequence[Claim] = ()
    released: Sequence[Claim] = ()
    papers: Mapping[UUID, CustomerReference] = {}
    unwrapped: Sequence[tuple[UUID, UUID]] = ()
    ended: Sequence[UUID] = ()
    forgotten: Sequence[UUID] = ()


NOTHING = Change(steps=())


def merge_changes(one: Change, other: Change) -> Change:
    """One change with the steps of both."""
    return Change(
        steps=[*one.steps, *other.steps],
        versions={**one.versions, **other.versions},
        claims=[*one.claims, *other.claims],
        released=[*one.released, *other.released],
        papers={**one.papers, **other.papers},
        unwrapped=[*one.unwrapped, *other.unwrapped],
        ended=[*one.ended, *other.ended],
        forgotten=[*one.forgotten, *other.forgotten],
    )


def in_stream(stream: UUID, events: Sequence[Any]) -> Steps:
    """The events as steps of one stream."""
    return [(stream, event) for event in events]


def require_version(expected: int | None, version: int) -> None:
    """Raise PreconditionFailed unless this is the expected version; None accepts every version."""
    if expected not in (None, version):
        raise PreconditionFailed(version=version)
