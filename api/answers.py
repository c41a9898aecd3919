"""How a row of the view becomes an item of the API, for reads and for the answer of a write alike."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from api.call import Call
from domain.archive import Outcome
from domain.customer import Customer
from domain.refusals import Refusal
from projections import customer_documents
from projections.customer_documents import ItemContext, PaperPage, PaperRow
from web.statuses import status_of


def items_of(call: Call, page: PaperPage) -> list[msgspec.Raw]:
    """The Items of a list as JSON."""
    return customer_documents.render_items(page.rows, reader_of(call, page.customer))


def item_of(call: Call, row: PaperRow, *, of: Customer | None = None, **more: Any) -> msgspec.Raw:
    """An Item as JSON, with what an answer adds to it; `of` is its customer where that is at hand."""
    return customer_documents.render_item(row, reader_of(call, of), **more)


def reader_of(call: Call, customer: Customer | None) -> ItemContext:
    return ItemContext(
        types=call.types,
        language=call.language,
        today=call.parts.archive.clock.today(),
        birth_date=customer.birth_date if customer else None,
    )


async def outcome_of(call: Call, use_case: Callable[..., Outcome], *arguments: Any) -> Outcome:
    """Run a use case. A refusal names the paper that stands in the way only to who may see it (I12)."""
    try:
        return await call.parts.blocking(use_case, *arguments)
    except Refusal as refusal:
        raise await without_hidden(call, refusal) from None


async def without_hidden(call: Call, refusal: Refusal) -> Refusal:
    existing = refusal.extra.get("existing")
    if existing and not await call.parts.blocking(call.parts.archive.papers.is_visible, UUID(existing), call.rights):
        del refusal.extra["existing"]
        await record_existence(call, UUID(existing), status=status_of(refusal))
    return refusal


async def record_existence(call: Call, paper: UUID, *, status: int) -> None:
    """The refusal tells that there is something that the caller may not see: that is a read of it."""
    is_document = await call.parts.blocking(call.parts.archive.papers.is_document, paper)
    await call.record_access(
        "existence",
        status=status,
        document=paper if is_document else None,
        authorization=None if is_document else paper,
    )


def answer_made(call: Call, outcome: Outcome) -> None:
    """A 201: with evidence the item is the authorization's, the Location and the ETag are those of the document."""
    row = customer_documents.fold_item(outcome.recorded)
    room = "documents" if row.evidence or row.kind == "document" else "authorizations"
    paper = row.evidence or row.id
    call.resp.set_header("Location", f"/v1/{room}/{paper}")
    _answer(call, outcome, row, paper, status=201)


async def run_change(call: Call, use_case: Callable[..., Outcome]) -> None:
    """Run a use case that changes the paper of the address, at the version that If-Match names; 200."""
    work = partial(use_case, call.caller(), rights=call.rights, expected_version=call.version_to_match())
    outcome = await outcome_of(call, work)
    _answer(call, outcome, customer_documents.fold_item(outcome.recorded), call.id(), status=200)


def _answer(call: Call, outcome: Outcome, row: PaperRow, paper: UUID, *, status: int) -> None:
    """The answer of a write, made from its own events: the view need not have them yet. A replay is told what the
    first request was told."""
    if outcome.replayed:
        call.resp.set_header("Idempotency-Replayed", "true")
    version = max(r.envelope.originator_version for r in outcome.recorded if r.envelope.originator_id == paper)
    answer = item_of(call, row, customer=outcome.customer, position=outcome.position)
    call.answer(answer, status=status, position=outcome.position, version=version)
