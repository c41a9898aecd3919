"""Select file, metadata, corrections. The bytes of a document: api/content.py; a customer's view: api/customers.py."""

from collections.abc import Mapping
from functools import partial

import msgspec

from api.answers import answer_item, item_of, items_of, outcome_of
from api.bodies import DescribeBody, ReasonBody, ReclassifyBody, note_of, reason_of
from api.call import Call
from api.uploads import Form, receive_form
from domain.archive import ArchiveFile, Examined
from domain.document import Command, Describe, Reclassify, Restore, Withdraw
from domain.document_type import DocumentType
from domain.refusals import (
    N_,
    DocumentTypeUnknown,
    FieldError,
    InsufficientStorage,
    NotFound,
    ScanCodeUnknown,
    ValidationFailed,
)
from domain.values import calendar_date, customer_id
from projections import customer_documents

FIELDS = frozenset({"customer", "type", "received_on", "note", "scan_code", "external_id", "duplicate", "ground"})


async def archive(call: Call) -> None:
    """POST /documents. The 201 goes out after the commit; the parts of the form may come in any order."""
    caller, parts = call.caller(), call.parts
    if parts.content_free_bytes() < parts.limits.disk_free_bytes_min:
        raise InsufficientStorage
    async with receive_form(call.req, limits=parts.limits, tmp=parts.temporary, fields=FIELDS) as form:
        order = await order_of(form, call)
        file = await examined(form, call)
        outcome = await outcome_of(call, parts.archive.archive_file, order, file, caller)
    answer_item(call, outcome, status=201)


async def order_of(form: Form, call: Call) -> ArchiveFile:
    """The fields of the form, checked together: one answer names everything that is wrong."""
    fields = form.fields
    errors = [FieldError(f"/form/{n}", N_("is required")) for n in ("customer", "type") if not fields.get(n)]
    if form.file is None:
        errors.append(FieldError("/form/file", N_("is required")))
    if fields.get("duplicate") not in (None, "", "allow", "warn"):
        errors.append(FieldError("/form/duplicate", N_("must be allow or be left out")))
    if errors:
        raise ValidationFailed(*errors)
    if fields.get("scan_code"):
        raise ScanCodeUnknown
    await require_type(call, fields["type"])
    return ArchiveFile(
        customer=customer_id(fields["customer"]),
        type=fields["type"],
        received_on=calendar_date(text, "/form/received_on") if (text := fields.get("received_on")) else None,
        note=note_of(fields.get("note"), call.parts.limits, "/form/note"),
        ground=note_of(fields.get("ground"), call.parts.limits, "/form/ground"),
        external_id=external_id_of(fields),
        duplicate_allowed=fields.get("duplicate") == "allow",
    )


def external_id_of(fields: Mapping[str, str]) -> str | None:
    text = fields.get("external_id") or None
    if text and (len(text) > 200 or not text.isprintable()):
        raise ValidationFailed(FieldError("/form/external_id", N_("must have 1 to 200 printable characters")))
    return text


async def require_type(call: Call, code: str) -> DocumentType:
    """Types of a sensitivity that the caller lacks do not exist for it (I12); one made a moment ago does."""
    if code not in call.rights.types:
        await call.read_types()
    if code not in call.rights.types:
        raise DocumentTypeUnknown(type=code)
    return call.types[code]


async def examined(form: Form, call: Call) -> Examined:
    """The file as the limited child saw it."""
    received = form.file
    assert received is not None
    found = await call.parts.examiner.examine(received.fd, size=received.size, name=received.name)
    return Examined(
        file=received.file,
        name=received.name or None,
        size_bytes=received.size,
        sha256=received.sha256,
        media_type=found.media_type,
        pages=found.pages,
        preview=found.preview,
        password_protected=found.password_protected,
        flags=found.flags,
    )


async def show(call: Call) -> None:
    """GET /documents/{id}."""
    as_of = await call.position_of(call.as_of())
    await call.wait_for_views()
    async with call.parts.connection() as conn:
        row, position = await customer_documents.one(conn, call.id(), call.rights, as_of=as_of)
    if row is None or row.kind != "document":
        raise NotFound
    customer = await call.customer_of(row)
    call.answer(item_of(call, row, customer=customer), position=position, version=row.version)


async def look_up(call: Call) -> None:
    """GET /documents?external_id=: by the caller's own id."""
    await by_external_id(call, documents=True)


async def by_external_id(call: Call, *, documents: bool) -> None:
    external_id = call.text("external_id")
    if external_id is None:
        raise ValidationFailed(FieldError("/query/external_id", N_("is required")))
    as_of = await call.position_of(call.as_of())
    await call.wait_for_views()
    async with call.parts.connection() as conn:
        page = await customer_documents.by_external_id(conn, external_id, call.rights, documents=documents, as_of=as_of)
    call.page(items_of(call, page), position=page.position, next_cursor=None)


# -- corrections --------------------------------------------------------------------------------------------------


async def describe(call: Call) -> None:
    body = await call.body(DescribeBody)
    note = body.note if body.note is msgspec.UNSET else note_of(body.note, call.parts.limits, "/note")
    today = call.parts.archive.clock.today()
    await correct(call, Describe(note=note, received_on=body.received_on, today=today, reason=reason_of(body.reason)))


async def reclassify(call: Call) -> None:
    body = await call.body(ReclassifyBody)
    await call.read_types()
    await correct(call, Reclassify(await require_type(call, body.type), reason_of(body.reason)))


async def withdraw(call: Call) -> None:
    await correct(call, Withdraw(reason_of((await call.body(ReasonBody)).reason)))


async def restore(call: Call) -> None:
    await correct(call, Restore(reason_of((await call.body(ReasonBody)).reason)))


async def correct(call: Call, command: Command) -> None:
    paper, caller, rights, expected = call.id(), call.caller(), call.rights, call.version_to_match()
    change = partial(call.parts.archive.correct, paper, command, caller, rights=rights, expected_version=expected)
    answer_item(call, await call.parts.blocking(change), status=200)
