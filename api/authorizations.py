"""Notes, shows and changes authorizations with their mandates; api/scan_codes.py has the Check of their codes."""

from datetime import date
from functools import partial

import msgspec

from api.answers import answer_made, item_of, outcome_of, run_change
from api.bodies import (
    AmendBody,
    AuthorizationBody,
    CollectionBody,
    CustomerReasonBody,
    ReasonBody,
    RevokeBody,
    SupersedeBody,
    amendment_of,
    collection_of,
    note_authorization_of,
    revocation_of,
    superseding_of,
)
from api.call import Call
from api.documents import by_external_id, require_type
from api.looks import record_paper
from api.scan_codes import authorization_of_code
from domain.access import Verb, may
from domain.authorization import Cancel, Reinstate, Resume, Suspend
from domain.iban import mask_iban
from domain.life import Order, TakeBackNote
from domain.refusals import NotFound
from domain.values import parse_customer_id, reason_of
from projections import authorizations, customer_documents
from projections.reading import AUTHORIZATIONS, DOCUMENTS


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
