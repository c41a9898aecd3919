"""Archives files, shows metadata, corrects documents; api/content.py sends their bytes, api/customers.py lists them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from uuid import UUID

import msgspec

from api.answers import answer_made, item_of, items_of, outcome_of, run_change
from api.bodies import Code, CustomerReasonBody, Line, Reason, ReasonBody, note_of
from api.call import Call
from api.looks import record_list, record_paper
from api.scan_codes import authorization_of_code
from domain.archive import ArchiveFile, Examined, Outcome, build_examined
from domain.document import Command, Describe, Reclassify, Restore, Withdraw
from domain.document_type import DocumentType
from domain.promises import require_value
from domain.refusals import (
    N_,
    DocumentTypeUnknown,
    FieldError,
    InsufficientStorage,
    NotFound,
    ValidationFailed,
)
from domain.values import Kind, normalize_typed_day, parse_customer_id, parse_date, reason_of
from projections import customer_documents
from projections.customer_documents import Item
from projections.reading import DOCUMENTS
from web.pointers import in_query
from web.uploads import UploadForm, free_bytes, receive_form

FIELDS = {
    "customer": "the customer's id in the library system; may be left out with a scan code",
    "type": "code of the document type; may be left out with a scan code",
    "received_on": "day of receipt, YYYY-MM-DD; default today",
    "note": "a note of staff about the document",
    "scan_code": "code of an issued form: the file is its signed paper",
    "check_token": "the token of the Check of that code; refused when it is no longer valid",
    "signed": "no: the form is not signed, so it is refused as evidence of an authorization",
    "signed_on": "day of the signature, YYYY-MM-DD; default the day of receipt",
    "external_id": "the caller's own id, unique",
    "duplicate": "allow: add it even if this customer already has the same content",
    "ground": "legal ground for a copy of a paper whose type is only verified",
}
REPLACEMENT = {"reason": "why the content is replaced"}
UNSIGNED = FieldError("signed", N_("an unsigned form is no evidence: give it back to be signed"))


class DescribeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that is left out stays as it is; null removes it."""

    reason: Reason
    note: str | msgspec.UnsetType | None = msgspec.UNSET
    received_on: date | msgspec.UnsetType = msgspec.UNSET
    title: Line | msgspec.UnsetType | None = msgspec.UNSET


class ReclassifyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The right type of a document, and the reason."""

    type: Code
    reason: Reason


class DocumentItem(Item, frozen=True, kw_only=True):
    """A document."""

    customer: str | None
    linked_customers: list[str]
    evidence_of: UUID | None


async def archive_document(call: Call) -> None:
    """POST /documents. The 201 is sent after the commit; the parts of the form may be in any order."""
    caller, parts = call.caller(), call.parts
    await require_room(call)
    async with receive_form(call.req, limits=parts.limits, tmp=parts.temporary, fields=FIELDS) as form:
        order = await order_of(form, call)
        file = await file_of(form, call)
        outcome = await outcome_of(call, parts.archive.filing.archive_file, order, file, caller, call.rights)
    answer_made(call, outcome)


async def require_room(call: Call) -> None:
    """Raises InsufficientStorage when the disk is nearly full. Before that it empties the cache of page images."""
    parts, least = call.parts, call.parts.limits.disk_free_bytes_min
    free = min(parts.content_free_bytes(), free_bytes(parts.temporary))
    if free < (needed := least + (call.req.content_length or 0)):
        await parts.page_images.make_way(needed)
    if parts.content_free_bytes() < least:
        raise InsufficientStorage


async def order_of(form: UploadForm, call: Call) -> ArchiveFile:
    """The order of the form's fields. They are checked together, so that one answer names all errors."""
    fields = {name: text for name, text in form.fields.items() if text}
    if errors := [*field_errors(form, fields)]:
        raise ValidationFailed(*errors)
    statement = await authorization_of_code(call, fields.get("scan_code"), fields.get("check_token"))
    document_type = await require_type(call, fields["type"]) if "type" in fields else None
    if fields.get("signed") == "no" and (
        statement or (document_type and document_type.definition.kind is not Kind.DOCUMENT)
    ):
        raise ValidationFailed(UNSIGNED)
    return ArchiveFile(
        customer=parse_customer_id(text) if (text := fields.get("customer")) else None,
        type=fields.get("type"),
        authorization=statement,
        check_token=fields.get("check_token"),
        received_on=day_of(call, fields, "received_on"),
        signed_on=day_of(call, fields, "signed_on"),
        note=note_of(fields.get("note"), call.parts.limits, "note"),
        ground=note_of(fields.get("ground"), call.parts.limits, "ground"),
        external_id=external_id_of(fields),
        duplicate_allowed=fields.get("duplicate") == "allow",
    )


def field_errors(form: UploadForm, fields: Mapping[str, str]) -> Iterator[FieldError]:
    needed = () if "scan_code" in fields else ("customer", "type")
    yield from (FieldError(name, N_("is required")) for name in needed if name not in fields)
    if form.file is None:
        yield FieldError("file", N_("is required"))
    if fields.get("duplicate", "allow") not in ("allow", "warn"):
        yield FieldError("duplicate", N_("must be allow or be left out"))
    if fields.get("signed", "yes") not in ("yes", "no"):
        yield FieldError("signed", N_("must be yes or no"))


def day_of(call: Call, fields: Mapping[str, str], name: str) -> date | None:
    """The day of a form field: YYYY-MM-DD, and from a page also as people type it."""
    if name not in fields:
        return None
    return parse_date(normalize_typed_day(fields[name]) if call.is_of_a_page else fields[name], name)


def external_id_of(fields: Mapping[str, str]) -> str | None:
    text = fields.get("external_id") or None
    if text and (len(text) > 200 or not text.isprintable()):
        raise ValidationFailed(FieldError("external_id", N_("must have 1 to 200 printable characters")))
    return text


async def require_type(call: Call, code: str) -> DocumentType:
    """The document type of a code, even if it was added a moment ago. Raises DocumentTypeUnknown, also for a type of a
    sensitivity that the caller lacks (I12)."""
    if code not in call.rights.types:
        await call.reload_types()
    if code not in call.rights.types:
        raise DocumentTypeUnknown(type=code)
    return call.types[code]


async def file_of(form: UploadForm, call: Call) -> Examined:
    """The received file with the findings of the limited child process."""
    received = require_value(form.file, "the file of a form was required")
    found = await call.parts.examiner.examine(received.fd, size=received.size, name=received.name, asker=call.asker)
    return build_examined(received, found)


async def show_document(call: Call) -> None:
    """GET /documents/{id}."""
    as_of = await call.position_of(call.as_of(), DOCUMENTS)
    found = await call.query_view(
        DOCUMENTS,
        lambda conn, floor: customer_documents.find_paper(conn, call.id(), call.rights, as_of=as_of, floor=floor),
    )
    row, ids = found.row, found.customer_ids
    if row is None or row.kind != "document":
        raise NotFound
    await record_paper(call, row)
    linked = [UUID(customer) for customer in row.linked_customers]
    joint = [ids[customer] for customer in linked if customer in ids]
    item = item_of(call, row, customer=ids.get(row.customer), linked_customers=joint, evidence_of=row.evidence_of)
    call.answer(item, position=found.position, version=row.version)


async def look_up(call: Call) -> None:
    """GET /documents?external_id=: by the caller's own id."""
    await by_external_id(call, documents=True)


async def by_external_id(call: Call, *, documents: bool) -> None:
    external_id = call.text("external_id")
    if external_id is None:
        raise ValidationFailed(FieldError(in_query("external_id"), N_("is required")))
    as_of = await call.position_of(call.as_of(), DOCUMENTS)
    await call.wait_for_views(DOCUMENTS)
    async with call.parts.connection() as conn:
        page = await customer_documents.find_by_external_id(
            conn, external_id, call.rights, documents=documents, as_of=as_of
        )
    await record_list(call, page.rows, kind="external-id", action="search")
    call.send_page_of(items_of(call, page), position=page.position)


# -- corrections --------------------------------------------------------------------------------------------------


async def describe_document(call: Call) -> None:
    body = await call.body(DescribeBody)
    note = body.note if body.note is msgspec.UNSET else note_of(body.note, call.parts.limits, "note")
    title = body.title if body.title is msgspec.UNSET else body.title or None
    today, reason = call.parts.archive.clock.today(), reason_of(body.reason)
    await correct_document(
        call, Describe(note=note, received_on=body.received_on, title=title, today=today, reason=reason)
    )


async def reclassify_document(call: Call) -> None:
    body = await call.body(ReclassifyBody)
    await call.reload_types()
    await correct_document(call, Reclassify(await require_type(call, body.type), reason_of(body.reason)))


async def withdraw_document(call: Call) -> None:
    await correct_document(call, Withdraw(reason_of((await call.body(ReasonBody)).reason)))


async def restore_document(call: Call) -> None:
    await correct_document(call, Restore(reason_of((await call.body(ReasonBody)).reason)))


async def correct_document(call: Call, command: Command) -> None:
    await run_change(call, partial(call.parts.archive.corrections.correct_document, call.id(), command))


async def reassign_document(call: Call) -> None:
    """Moves a document to the right customer; evidence takes its authorization with it."""
    await with_customer(call, call.parts.archive.corrections.reassign_document)


async def link_customer(call: Call) -> None:
    await with_customer(call, call.parts.archive.corrections.link_customer)


async def unlink_customer(call: Call) -> None:
    await with_customer(call, call.parts.archive.corrections.unlink_customer)


async def with_customer(call: Call, use_case: Callable[..., Outcome]) -> None:
    body = await call.body(CustomerReasonBody)
    await run_change(call, partial(use_case, call.id(), parse_customer_id(body.customer), reason_of(body.reason)))


async def replace_content(call: Call) -> None:
    """PUT /documents/{id}/content: adds a new version of the content; the earlier ones are kept."""
    parts = call.parts
    await require_room(call)
    async with receive_form(call.req, limits=parts.limits, tmp=parts.temporary, fields=REPLACEMENT) as form:
        if form.file is None:
            raise ValidationFailed(FieldError("file", N_("is required")))
        reason = reason_of(form.fields.get("reason", ""))
        file = await file_of(form, call)
        await run_change(call, partial(parts.archive.corrections.replace_content, call.id(), file, reason))
