"""Issues forms with a scan code and prints them as often as needed (docs/domain.md F1 to F4)."""

from datetime import date
from typing import Any, Literal

import msgspec

from api.answers import item_of, outcome_of
from api.bodies import Code, CustomerAnswer, MandateBody, SavedItem, Short, answer_of_customer, mandate_of, note_of
from api.call import Call
from api.documents import require_type
from domain.archive import IssueForm, PrintedForm
from domain.limits import Limits
from domain.values import parse_customer_id
from projections import customer_documents
from web.subpath import base_of

PDF_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
    "Content-Disposition": 'inline; filename="form.pdf"',
}


FORM_LANGUAGES = ("en", "nl", "de")


class FormBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form to issue."""

    type: Code
    customer: str
    mandate: MandateBody | None = None
    language: Literal["en", "nl", "de"] | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    note: str | None = None
    external_id: Short | None = None


class FormAnswer(msgspec.Struct, frozen=True):
    """An issued form."""

    authorization: SavedItem
    scan_code: str
    customer: CustomerAnswer
    form: str
    position: int


async def issue_form(call: Call) -> None:
    """POST /forms. The 201 is sent after the commit of the authorization and its code."""
    caller = call.caller()
    order = issue_form_of(await call.body(FormBody), call.parts.limits, call.language)
    await require_type(call, order.type)
    outcome = await outcome_of(call, call.parts.archive.forms.issue_form, order, caller)
    row = customer_documents.fold_item(outcome.recorded)
    if outcome.replayed:
        call.resp.set_header("Idempotency-Replayed", "true")
    call.resp.set_header("Location", f"/v1/authorizations/{row.id}")
    customer = await call.parts.customers.get(outcome.customer)
    answer = {
        "authorization": item_of(call, row, of=customer, customer=outcome.customer, position=outcome.position),
        "scan_code": row.scan_code,
        "customer": answer_of_customer(customer, outcome.customer),
        "form": f"{base_of(call.req.scope)}/v1/forms/{row.id}.pdf",
        "position": outcome.position,
    }
    call.answer(answer, status=201, position=outcome.position, version=row.version)


async def send_form(call: Call) -> None:
    """GET /forms/{id}.pdf. Each print is a line of the access log, because the sheet has the code and bank data."""
    printed = await call.parts.blocking(call.parts.archive.forms.load_printed_form, call.id(), call.rights)
    await call.record_access("form", customer=printed.state.customer, authorization=printed.authorization)
    call.resp.data = await draw_form(call, printed)
    call.resp.set_headers(PDF_HEADERS)
    call.resp.content_type = "application/pdf"


async def draw_form(call: Call, printed: PrintedForm) -> bytes:
    return await call.parts.examiner.draw_form(msgspec.json.encode(sheet_of(call, printed)), asker=call.asker)


def sheet_of(call: Call, printed: PrintedForm) -> dict[str, Any]:
    """The sheet for paper/form.py: the data of the day of issue, so that all prints agree, and the current name."""
    issued, customer = printed.issued, printed.customer
    labels = issued.type.labels
    birth_date = customer.birth_date if customer else None
    mandate = issued.mandate or None
    return {
        "language": issued.language,
        "library": call.parts.institution,
        "type_label": labels.get(issued.language) or labels.get("en") or issued.type.code,
        "kind": "mandate" if mandate else "authorization",
        "customer_id": printed.customer_id,
        "customer_name": customer.name if customer else "",
        "birth_date": birth_date,
        "guardian": call.types[issued.type.code].is_of_age(birth_date, printed.issued_on) is False,
        "issued_on": printed.issued_on,
        "lapses_on": issued.lapses_on,
        "valid_from": issued.valid_from,
        "valid_until": issued.valid_until,
        "note": issued.note or None,
        "scan_code": issued.scan_code,
        **{name: getattr(mandate, name) if mandate else None for name in MANDATE_FIELDS},
    }


MANDATE_FIELDS = ("debtor_name", "iban", "bic", "mandate_reference", "creditor_id", "sequence_type")


# -- bodies to orders ----------------------------------------------------------------------------------------------


def issue_form_of(body: FormBody, limits: Limits, language: str) -> IssueForm:
    """The use case's order. A form without a language is printed in the caller's, or in English if forms lack that."""
    return IssueForm(
        customer=parse_customer_id(body.customer),
        type=body.type,
        language=body.language or (language if language in FORM_LANGUAGES else "en"),
        mandate=mandate_of(body.mandate),
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        note=note_of(body.note, limits, "note"),
        external_id=body.external_id,
    )
