"""The envelope around every event, and the mark of its sealed fields; store/mapper.py reads both."""

from datetime import datetime
from typing import Annotated, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

__all__ = ["UNSET", "Envelope", "Event", "Meta", "Recorded", "Sealed", "Unreadable", "UnsetType"]

T = TypeVar("T")
E_co = TypeVar("E_co", covariant=True)

Sealed = Annotated[T | UnsetType, msgspec.Meta(extra={"sealed": True})]
"""A personal field: stored under the paper's key, and UNSET when that key is destroyed. It is never stored as UNSET."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every event. The topic is its stored name: chosen and versioned; never a module path, never changed."""

    topic: ClassVar[str]


class Meta(msgspec.Struct, frozen=True):
    """Actor, branch, the actor's time and the command of an event. Times are UTC."""

    actor: str
    branch: str
    occurred_at: datetime
    command_id: UUID
    correlation_id: UUID


class Envelope(msgspec.Struct, Generic[E_co], frozen=True):
    """An event in its stream, as the event store keeps it. The first two names are those of the library."""

    originator_id: UUID
    originator_version: int
    body: E_co
    meta: Meta


class Unreadable(msgspec.Struct, frozen=True):
    """Replaces an event in the log that this release cannot read, because it is damaged or from a later release. No
    fold accepts it."""

    topic: str


class Recorded(msgspec.Struct, Generic[E_co], frozen=True):
    """An envelope with its place in the log: `position` rises over the whole log and may have gaps."""

    position: int
    recorded_at: datetime
    envelope: Envelope[E_co]
