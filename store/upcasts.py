"""Upcasts of old event versions: one function per outdated event class, each with a test of its old bytes."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from domain.authorization import AuthorizationRegistered, Terms
from domain.envelope import UNSET, Event, Sealed
from domain.mandate import Mandate
from domain.scan_session import PageCaptured
from domain.values import Content, Source, TypeStamp


class AuthorizationRegisteredV1(Event, frozen=True, kw_only=True):
    """The version before scan codes."""

    topic: ClassVar[str] = "authorization-registered.v1"
    customer: UUID
    type: TypeStamp
    source: Source
    original_held: bool
    terms: Terms
    shelf_mark: Sealed[str | None] = UNSET
    mandate: Sealed[Mandate | None] = UNSET
    note: Sealed[str | None] = UNSET
    external_id: Sealed[str | None] = UNSET


def upcast_registered(old: AuthorizationRegisteredV1) -> AuthorizationRegistered:
    """The current version, without a scan code. When the key is destroyed the scan code stays UNSET, like every sealed
    field."""
    return AuthorizationRegistered(
        customer=old.customer,
        type=old.type,
        source=old.source,
        original_held=old.original_held,
        terms=old.terms,
        last_collection_on=None,
        shelf_mark=old.shelf_mark,
        mandate=old.mandate,
        note=old.note,
        external_id=old.external_id,
        scan_code=UNSET if old.note is UNSET else None,
    )


class PageCapturedV1(Event, frozen=True, kw_only=True):
    """The version before pages had a map of their ink: 64 bits could not distinguish two letters with one layout."""

    topic: ClassVar[str] = "page-captured.v1"
    n: int
    replaced: UUID | None
    content: Content
    width_px: int
    height_px: int
    dpi: int | None
    warnings: tuple[str, ...]
    capture: str | None
    sha256: Sealed[bytes] = UNSET
    scan_codes: Sealed[tuple[str, ...]] = UNSET
    fingerprint: Sealed[int] = UNSET


def upcast_captured(old: PageCapturedV1) -> PageCaptured:
    """The current version, in which the page is similar to no other: a session lives for a day, and the pages of its
    next pass are compared again."""
    return PageCaptured(
        n=old.n,
        replaced=old.replaced,
        content=old.content,
        width_px=old.width_px,
        height_px=old.height_px,
        dpi=old.dpi,
        warnings=old.warnings,
        capture=old.capture,
        like=(),
        sha256=old.sha256,
        scan_codes=old.scan_codes,
        look=UNSET if old.fingerprint is UNSET else b"",
    )


UPCASTS: dict[type[Event], Callable[[Any], Event]] = {
    AuthorizationRegisteredV1: upcast_registered,
    PageCapturedV1: upcast_captured,
}
