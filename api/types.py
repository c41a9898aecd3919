"""Lists, shows and changes the document types of the catalogue, from which every client lets people choose."""

import re
from typing import Annotated

import msgspec

from api.bodies import Language, Line, Short
from api.call import Call
from domain.access import Role
from domain.document_type import CODE, DefineType, Definition, DocumentType, Retention
from domain.refusals import N_, FieldError, NotFound, ValidationFailed
from domain.scan_code import Scheme
from domain.values import Kind, Sensitivity, Source
from web.pointers import in_path


class RetentionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The retention of papers of a type."""

    trigger: Short
    months: Annotated[int, msgspec.Meta(ge=0, le=1200)]
    legal_basis: Line = ""
    approval: bool = False


class TypeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole definition of a document type."""

    labels: dict[Language, Short]
    kind: Kind
    sensitivity: Sensitivity
    sources: tuple[Source, ...] = (Source.SCAN, Source.FILE)
    media_types: tuple[Short, ...] = ()
    scheme: Scheme | None = None
    capacity_years: Annotated[int, msgspec.Meta(ge=0, le=150)] | None = None
    validity_months: Annotated[int, msgspec.Meta(ge=1, le=1200)] | None = None
    retention: RetentionBody | None = None
    verify_only: bool = False
    password_protected_allowed: bool = True
    active: bool = True


class TypeAnswer(msgspec.Struct, frozen=True):
    """A document type."""

    code: str
    label: str
    labels: dict[str, str]
    kind: Kind
    sensitivity: Sensitivity
    sources: tuple[Source, ...]
    media_types: tuple[str, ...]
    scheme: str | None
    capacity_years: int | None
    validity_months: int | None
    retention: Retention | None
    verify_only: bool
    password_protected_allowed: bool
    active: bool
    version: int


async def list_types(call: Call) -> None:
    """GET /document-types: the types whose papers the caller may see, inactive ones included."""
    await call.reload_types()
    position = await call.parts.blocking(call.parts.last_position)
    items = [answer_of(call, t) for code, t in call.types.items() if may_see(call, code)]
    call.send_page_of(items, position=position)


async def show_type(call: Call) -> None:
    await call.reload_types()
    code = call.params["code"]
    if not may_see(call, code):
        raise NotFound
    call.answer(answer_of(call, call.types[code]), version=call.types[code].version)


def may_see(call: Call, code: str) -> bool:
    return code in call.rights.types or (code in call.types and call.principal.role is Role.STATION)


async def put_type(call: Call) -> None:
    """PUT /document-types/{code}: adds or changes a type. Papers keep the label that they were recorded with."""
    code = call.params["code"]
    if not re.fullmatch(CODE, code):
        raise ValidationFailed(FieldError(in_path("code"), N_("must have at most 64 capitals, digits and underscores")))
    definition = definition_of(await call.body(TypeBody))
    expected = call.version_seen()
    archive, caller = call.parts.archive, call.caller()

    def define() -> tuple[DocumentType, int]:
        archive.catalogues.define_type(DefineType(code, definition), caller, expected_version=expected)
        return archive.catalogues.load_types()[code], call.parts.last_position()

    document_type, position = await call.parts.blocking(define)
    created = document_type.version == 1 and code not in call.types
    call.answer(
        answer_of(call, document_type), status=201 if created else 200, position=position, version=document_type.version
    )


def answer_of(call: Call, document_type: DocumentType) -> TypeAnswer:
    d = document_type.definition
    return TypeAnswer(
        code=document_type.code,
        label=d.labels.get(call.language, d.labels["en"]),
        version=document_type.version,
        **{name: getattr(d, name) for name in d.__struct_fields__},
    )


def definition_of(body: TypeBody) -> Definition:
    if "en" not in body.labels:
        raise ValidationFailed(FieldError("labels", N_("needs an English label (en)")))
    retention = Retention(**msgspec.structs.asdict(body.retention)) if body.retention else None
    return Definition(**{**msgspec.structs.asdict(body), "retention": retention})
