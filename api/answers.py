"""Turns rows of the view into items of the API, for reads and for the answers of writes."""

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
    """An Item as JSON with the fields that an answer adds; `of` is its customer, if the caller has it."""
    return customer_documents.render_item(row, reader_of(call, of), **more)


def reader_of(call: Call, customer: Customer | None) -> ItemContext:
    return ItemContext(
        types=call.types,
        language=call.language,
        today=call.parts.archive.clock.today(),
        birth_date=customer.birth_date if customer else None,
    )


async def outcome_of(call: Call, use_case: Callable[..., Outcome], *arguments: Any) -> Outcome:
    """Runs a use case. A refusal names the existing paper only if the caller may see it (I12)."""
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
    """Records the refusal as a read, because it reveals that a paper exists which the caller may not see."""
    is_document = await call.parts.blocking(call.parts.archive.papers.is_document, paper)
    await call.record_access(
        "existence",
        status=status,
        document=paper if is_document else None,
        authorization=None if is_document else paper,
    )


def answer_made(call: Call, outcome: Outcome) -> None:
    """Answers 201. With evidence, the item is the authorization's, and Location and ETag are those of the document."""
    row = customer_documents.fold_item(outcome.recorded)
    room = "documents" if row.evidence or row.kind == "document" else "authorizations"
    paper = row.evidence or row.id
    call.resp.set_header("Location", f"/v1/{room}/{paper}")
    _answer(call, outcome, row, paper, status=201)


async def run_change(call: Call, use_case: Callable[..., Outcome]) -> None:
    """Runs a use case that changes the paper of the path at the version that If-Match names, and answers 200."""
    work = partial(use_case, call.caller(), rights=call.rights, expected_version=call.version_to_match())
    outcome = await outcome_of(call, work)
    _answer(call, outcome, customer_documents.fold_item(outcome.recorded), call.id(), status=200)


def _answer(call: Call, outcome: Outcome, row: PaperRow, paper: UUID, *, status: int) -> None:
    """Answers a write from its own events, because the view may not have them yet. A repeated request gets the first
    answer."""
    if outcome.replayed:
        call.resp.set_header("Idempotency-Replayed", "true")
    version = max(r.envelope.originator_version for r in outcome.recorded if r.envelope.originator_id == paper)
    answer = item_of(call, row, customer=outcome.customer, position=outcome.position)
    call.answer(answer, status=status, position=outcome.position, version=version)
