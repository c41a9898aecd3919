"""Notes, shows and changes authorizations with their mandates; api/scan_codes.py has the Check of their codes."""

from datetime import date, timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

import msgspec

from api.answers import answer_made, item_of, outcome_of, run_change
from api.bodies import (
    Code,
    CustomerReasonBody,
    Line,
    MandateBody,
    Reason,
    ReasonBody,
    ScanCode,
    Short,
    Token,
    mandate_of,
    note_of,
    single_line,
)
from api.call import Call
from api.documents import by_external_id, require_type
from api.looks import record_paper
from api.scan_codes import authorization_of_code
from domain.access import Verb, may
from domain.archive import AmendMandate, NoteAuthorization, SeenPaper, SupersedeBy
from domain.authorization import Cancel, Reinstate, ReportCollection, Resume, Revoke, Suspend
from domain.iban import mask_iban
from domain.life import Order, TakeBackNote
from domain.limits import Limits
from domain.mandate import Amendment, CollectionOutcome, Mandate
from domain.refusals import N_, FieldError, NotFound, ValidationFailed
from domain.values import parse_customer_id, reason_of
from projections import authorizations, customer_documents
from projections.customer_documents import Item
from projections.reading import AUTHORIZATIONS, DOCUMENTS

DUE_AFTER = timedelta(days=366)


class Original(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The paper original: kept or not, and on which shelf."""

    held: bool
    shelf_mark: Line | None = None


class VerificationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paper that was verified at the desk."""

    paper: Short
    number_suffix: Annotated[str, single_line(8, 1)]
    seen_on: date


class AuthorizationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An authorization without an upload. `type` and `customer` may be left out with a scan code."""

    type: Code | None = None
    customer: str | None = None
    scan_code: ScanCode | None = None
    check_token: Token | None = None
    original: Original | None = None
    signed_on: date | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    mandate: MandateBody | None = None
    verification: VerificationBody | None = None
    note: str | None = None
    external_id: Short | None = None
    last_collection_on: date | None = None


class AmendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Collection data to change. A field that is left out stays as it is."""

    reason: Reason
    debtor_name: Annotated[str, single_line(70, 1)] | msgspec.UnsetType = msgspec.UNSET
    iban: Annotated[str, single_line(50, 1)] | msgspec.UnsetType = msgspec.UNSET
    bic: Annotated[str, single_line(20)] | msgspec.UnsetType | None = msgspec.UNSET
    mandate_reference: Annotated[str, single_line(70, 1)] | msgspec.UnsetType = msgspec.UNSET


class RevokeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A revocation by the customer."""

    reason: Reason
    received_on: date
    effective_on: date | None = None


class SupersedeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The authorization that replaces this one, and the reason."""

    by: UUID
    reason: Reason


class CollectionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One direct debit that was presented."""

    presented_on: date
    due_on: date
    outcome: CollectionOutcome
    reference: Annotated[str, single_line(140)] | None = None


class CollectionState(msgspec.Struct, frozen=True):
    """The state of collection: possible or not, and the day of the last one."""

    complete: bool | None
    last_collection_on: date | None


class AuthorizationItem(Item, frozen=True, kw_only=True):
    """An authorization with its mandate."""

    customer: str | None
    mandate: Mandate | None
    collection: CollectionState


async def note_authorization(call: Call) -> None:
    """POST /authorizations: notes an authorization without an upload (D1 to D8)."""
    caller, body = call.caller(), await call.body(AuthorizationBody)
    statement = await authorization_of_code(call, body.scan_code, body.check_token)
    order = note_authorization_of(body, call.parts.limits, statement)
    if order.type is not None:
        await require_type(call, order.type)
    outcome = await outcome_of(call, call.parts.archive.noting.note_authorization, order, caller, call.rights)
    answer_made(call, outcome)


async def show_authorization(call: Call) -> None:
    """GET /authorizations/{id}: the row and the mandate, with a masked IBAN for callers who may not amend it."""
    at = await call.position_of(call.as_of(), DOCUMENTS, AUTHORIZATIONS)
    await call.wait_for_views(DOCUMENTS, AUTHORIZATIONS)
    async with call.parts.connection() as conn:
        found = await customer_documents.find_paper(conn, call.id(), call.rights, as_of=at)
        statement, _ = await authorizations.find_authorization(conn, call.id(), call.rights, as_of=at)
    row = found.row
    if row is None or statement is None:
        raise NotFound
    mandate = statement.mandate
    if mandate is not None and mandate.iban and not may(call.principal, Verb.AUTHORIZATIONS_CHANGE):
        mandate = msgspec.structs.replace(mandate, iban=mask_iban(mandate.iban))
    await record_paper(call, row, sensitive=mandate is not None and mandate.iban is not None)
    customer = found.customer_ids.get(row.customer)
    answer = item_of(
        call,
        row,
        of=await call.parts.customers.get(customer) if customer else None,
        customer=customer,
        mandate=mandate,
        collection={"complete": statement.complete, "last_collection_on": statement.last_collection_on},
    )
    call.answer(answer, position=found.position, version=row.version)


async def look_up(call: Call) -> None:
    """GET /authorizations?external_id=."""
    await by_external_id(call, documents=False)


# -- its life -----------------------------------------------------------------------------------------------------


async def amend_mandate(call: Call) -> None:
    await change(call, amendment_of(await call.body(AmendBody)))


async def suspend_authorization(call: Call) -> None:
    await change(call, Suspend(today_of(call), reason_of((await call.body(ReasonBody)).reason)))


async def resume_authorization(call: Call) -> None:
    await change(call, Resume(today_of(call), reason_of((await call.body(ReasonBody)).reason)))


async def revoke_authorization(call: Call) -> None:
    await change(call, revocation_of(await call.body(RevokeBody), today_of(call)))


async def supersede_authorization(call: Call) -> None:
    await change(call, superseding_of(await call.body(SupersedeBody)))


async def cancel_authorization(call: Call) -> None:
    await change(call, Cancel(today_of(call), reason_of((await call.body(ReasonBody)).reason)))


async def withdraw_authorization(call: Call) -> None:
    """POST /authorizations/{id}/withdraw: No upload had noted it by mistake."""
    await change(call, TakeBackNote(reason_of((await call.body(ReasonBody)).reason)))


async def reinstate_authorization(call: Call) -> None:
    """POST /authorizations/{id}/reinstate: takes back an end by the calendar."""
    await change(call, Reinstate(today_of(call), reason_of((await call.body(ReasonBody)).reason)))


async def report_collection(call: Call) -> None:
    """POST /authorizations/{id}/collections: records one direct debit that was presented, with its outcome."""
    await change(call, collection_of(await call.body(CollectionBody), today_of(call)))


async def reassign_authorization(call: Call) -> None:
    body = await call.body(CustomerReasonBody)
    customer, archive = parse_customer_id(body.customer), call.parts.archive
    await run_change(
        call, partial(archive.corrections.reassign_authorization, call.id(), customer, reason_of(body.reason))
    )


async def change(call: Call, order: Order) -> None:
    await run_change(call, partial(call.parts.archive.life.change_authorization, call.id(), order))


def today_of(call: Call) -> date:
    return call.parts.archive.clock.today()


# -- bodies to orders ----------------------------------------------------------------------------------------------


def note_authorization_of(body: AuthorizationBody, limits: Limits, statement: UUID | None) -> NoteAuthorization:
    """The use case's order. `statement` is the authorization that the scan code stands for."""
    if statement is None:
        missing = [FieldError(n, N_("is required")) for n in ("type", "customer") if getattr(body, n) is None]
        if missing:
            raise ValidationFailed(*missing)
    return NoteAuthorization(
        customer=None if body.customer is None else parse_customer_id(body.customer),
        type=body.type,
        authorization=statement,
        check_token=body.check_token,
        original_held=body.original.held if body.original else False,
        shelf_mark=body.original.shelf_mark if body.original else None,
        signed_on=body.signed_on,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        mandate=mandate_of(body.mandate),
        verification=SeenPaper(**msgspec.structs.asdict(body.verification)) if body.verification else None,
        note=note_of(body.note, limits, "note"),
        external_id=body.external_id,
        last_collection_on=body.last_collection_on,
    )


def amendment_of(body: AmendBody) -> AmendMandate:
    amendment = Amendment(
        debtor_name=body.debtor_name, iban=body.iban, bic=body.bic, mandate_reference=body.mandate_reference
    )
    return AmendMandate(amendment, reason_of(body.reason))


def revocation_of(body: RevokeBody, today: date) -> Revoke:
    return Revoke(
        received_on=body.received_on,
        effective_on=body.effective_on or body.received_on,
        today=today,
        reason=reason_of(body.reason),
    )


def superseding_of(body: SupersedeBody) -> SupersedeBy:
    return SupersedeBy(body.by, reason_of(body.reason))


def collection_of(body: CollectionBody, today: date) -> ReportCollection:
    """The use case's order. Refuses a due day over a year ahead: 2062 typed for 2026 would keep a mandate alive."""
    if body.due_on - body.presented_on > DUE_AFTER:
        raise ValidationFailed(FieldError("due_on", N_("is more than a year after the day of presentation")))
    return ReportCollection(**msgspec.structs.asdict(body), today=today)
