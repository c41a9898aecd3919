"""Document types: the catalogue of "Make a choice…". domain/catalogue.py ships them; institutions change them."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, ClassVar
from uuid import UUID, uuid5

import msgspec

from domain.calendar import add_months
from domain.envelope import Event
from domain.refusals import DocumentTypeInactive, SourceNotAllowed
from domain.scan_code import Scheme
from domain.values import Kind, Sensitivity, Source, TypeStamp

NAMESPACE = UUID("6a7c3f52-63f5-5c1b-9a53-0a3f1f6b7a10")


def stream_of(code: str) -> UUID:
    """The stream of a document type; a type code names no person, so an id may be derived from it."""
    return uuid5(NAMESPACE, code)


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """The retention period of a paper: `months` after a trigger, with its legal basis."""

    trigger: str
    months: int
    legal_basis: str = ""
    approval: bool = False


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a document type. `media_types` empty: every type that the archive accepts."""

    labels: dict[str, str]
    kind: Kind
    sensitivity: Sensitivity
    sources: tuple[Source, ...] = (Source.SCAN, Source.FILE)
    media_types: tuple[str, ...] = ()
    scheme: Scheme | None = None
    capacity_years: int | None = None
    validity_months: int | None = None
    retention: Retention | None = None
    verify_only: bool = False
    password_protected_allowed: bool = True
    active: bool = True


CODE = r"^[A-Z0-9_]{1,64}$"
"""The pattern of a type code, for requests that define a type and requests that name one."""


class DefineType(msgspec.Struct, frozen=True):
    code: str
    definition: Definition


class DocumentTypeDefined(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "document-type-defined.v1"
    code: str
    definition: Definition


class DocumentTypeChanged(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "document-type-changed.v1"
    code: str
    old: Definition
    new: Definition


TypeEvent = DocumentTypeDefined | DocumentTypeChanged


class DocumentType(msgspec.Struct, frozen=True):
    code: str
    definition: Definition
    version: int

    @property
    def stamp(self) -> TypeStamp:
        return TypeStamp(self.code, self.definition.kind, self.definition.labels)

    def is_of_age(self, birth_date: date | None, day: date) -> bool | None:
        """True if the customer may sign alone by the capacity rule; otherwise a guardian signs (edge case 13). None
        without a rule or a birth date."""
        years = self.definition.capacity_years
        if years is None or birth_date is None:
            return None
        return day >= add_months(birth_date, 12 * years)

    def require_usable(self, source: Source) -> None:
        """Raise a refusal unless the type is active and allows the source (I2)."""
        self.require_active()
        self.require_source(source)

    def require_active(self) -> None:
        if not self.definition.active:
            raise DocumentTypeInactive(type=self.code)

    def require_source(self, source: Source) -> None:
        if source not in self.definition.sources:
            raise SourceNotAllowed(type=self.code, source=source.value)


def decide(state: DocumentType | None, command: DefineType) -> Sequence[TypeEvent]:
    if state is None:
        return [DocumentTypeDefined(code=command.code, definition=command.definition)]
    if state.definition == command.definition:
        return []
    return [DocumentTypeChanged(code=command.code, old=state.definition, new=command.definition)]


def evolve(state: DocumentType | None, event: TypeEvent) -> DocumentType:
    version = state.version + 1 if state else 1
    match event:
        case DocumentTypeDefined(code=code, definition=definition):
            return DocumentType(code, definition, version)
        case DocumentTypeChanged(code=code, new=new):
            return DocumentType(code, new, version)


def fold(events: Iterable[TypeEvent]) -> dict[str, DocumentType]:
    """All document types by code, in the order of their definition."""
    types: dict[str, DocumentType] = {}
    for event in events:
        types[event.code] = evolve(types.get(event.code), event)
    return types


def schemes_of(types: Iterable[DocumentType]) -> set[Scheme]:
    """The check-digit schemes of imported scan codes that these types use."""
    return {document_type.definition.scheme for document_type in types if document_type.definition.scheme}


def diff_definitions(old: Definition, new: Definition) -> tuple[dict[str, Any], dict[str, Any]]:
    """The changed fields only: their old values and their new values."""
    names = [f for f in Definition.__struct_fields__ if getattr(old, f) != getattr(new, f)]
    return {n: getattr(old, n) for n in names}, {n: getattr(new, n) for n in names}


def keep_until(retention: Retention | None, *, ended_on: date | None) -> date | None:
    """The last day on which a paper must be kept; None until its trigger has happened."""
    if retention is None or ended_on is None:
        return None
    return add_months(ended_on, retention.months)
