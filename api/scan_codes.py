"""Check (B5 to B8): shows whose form a scan code is and what it says; finds the authorization of a typed code."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from api.answers import item_of, without_hidden
from api.bodies import CustomerAnswer, answer_of_customer
from api.call import Call
from domain.archive import CheckedForm
from domain.authorization import Authorization
from domain.mandate import SequenceType
from domain.refusals import CheckRequired, Refusal, ScanCodeMalformed, ScanCodeUnknown, TooManyRequests
from domain.values import Kind
from projections import customer_documents
from projections.customer_documents import Item
from web.statuses import status_of


class CollectionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Collection data with the whole IBAN, which staff compare with the paper."""

    debtor_name: str | None = None
    iban: str | None = None
    bic: str | None = None
    mandate_reference: str | None = None
    creditor_id: str | None = None
    signature_date: date | None = None
    sequence_type: SequenceType | None = None
    status: str
    last_collection_on: date | None
    complete: bool


class CheckAnswer(msgspec.Struct, frozen=True):
    """The form of a scan code."""

    scan_code: str
    customer: CustomerAnswer
    authorization: Item
    collection: CollectionAnswer | None
    check_token: str


async def check_code(call: Call) -> None:
    """GET /scan-codes/{code}. The access log has a line before the answer is sent; no event is recorded."""
    statement = await find_authorization(call, call.params["code"])
    try:
        checked = await call.parts.blocking(call.parts.archive.forms.check_form, statement, call.caller(), call.rights)
    except Refusal as refusal:
        customer = await call.parts.blocking(call.parts.archive.forms.customer_of_form, statement, call.rights)
        await call.record_access("check", status=status_of(refusal), customer=customer, authorization=statement)
        raise await without_hidden(call, refusal) from None
    await call.record_access("check", customer=checked.state.customer, authorization=statement)
    call.answer(answer_of(call, checked), version=checked.state.version)


async def find_authorization(call: Call, code: str) -> UUID:
    """The authorization of a code. Misses are recorded and counted: after too many of them every request of the caller
    that has a code raises TooManyRequests for a while."""
    parts, actor = call.parts, call.principal.name
    try:
        async with parts.check_limit.take_turn(actor):
            return await look_up_code(call, code)
    except TooManyRequests as refusal:
        await call.record_access("check", status=status_of(refusal))
        raise


async def look_up_code(call: Call, code: str) -> UUID:
    try:
        return await call.parts.blocking(call.parts.archive.forms.find_form, code, call.rights)
    except (ScanCodeUnknown, ScanCodeMalformed) as miss:
        await call.record_access("check", status=status_of(miss))
        raise


async def authorization_of_code(call: Call, code: str | None, check_token: str | None) -> UUID | None:
    """The authorization of a request that has a scan code, None without one. The use case verifies the check token."""
    if code is not None:
        return await find_authorization(call, code)
    if check_token is not None:
        raise CheckRequired
    return None


def answer_of(call: Call, checked: CheckedForm) -> dict[str, Any]:
    """The body of a Check. `collection` has the whole IBAN, because staff compare it with the paper."""
    row = customer_documents.fold_item(checked.outcome.recorded)
    return {
        "scan_code": checked.state.scan_code,
        "customer": answer_of_customer(checked.customer, checked.outcome.customer),
        "authorization": item_of(call, row, of=checked.customer),
        "collection": collection_of(checked.state),
        "check_token": checked.check_token,
    }


def collection_of(state: Authorization) -> CollectionAnswer | None:
    if state.type.kind is not Kind.MANDATE:
        return None
    return CollectionAnswer(
        **(msgspec.structs.asdict(state.mandate) if state.mandate else {}),
        status=state.status,
        last_collection_on=state.last_due_on,
        complete=state.mandate is not None and state.mandate.is_complete,
    )
