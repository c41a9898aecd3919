"""Disposals: what is due, a frozen list, its approval by a second person, its run (docs/domain.md G10).

A list spans all branches and its types, so it exists only for a caller who sees all of them.
"""

from base64 import b64encode
from collections.abc import Iterable
from datetime import date
from functools import partial
from uuid import UUID

import msgspec

from api.bodies import Code, ReasonBody
from api.call import Call
from api.looks import about, record_papers
from domain.calendar import day_after
from domain.declaration import sign_declaration
from domain.disposal import PAPERS_MAX, DuePaper
from domain.disposals import LoadedDisposal
from domain.refusals import Forbidden, NotFound
from domain.values import parse_date, reason_of
from projections.disposals import DueRow
from projections.reading import DOCUMENTS
from web.pointers import in_query

RUNNING = "running"


class DisposalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which due papers to list."""

    due_before: date | None = None
    types: list[Code] | None = None


class DueItem(msgspec.Struct, frozen=True, kw_only=True):
    """A paper that may be destroyed by its date."""

    id: UUID
    kind: str
    type: str
    customer: str | None
    due_on: date
    because: str
    hold: bool
    approval: bool
    original_held: bool


class DisposalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A disposal."""

    id: UUID
    state: str
    papers: int
    proposer: str
    needs_approval: bool
    approver: str | None
    destroyed: int
    kept: int


class SigningKeyAnswer(msgspec.Struct, frozen=True):
    """The public key of the institution."""

    algorithm: str
    public_key: str


async def list_due(call: Call) -> None:
    """GET /disposals?due_before=&type=: what may be destroyed before this day (by default today), the longest overdue
    first."""
    end = call.offset() + call.limit()
    found = await due_rows(call, day_of(call), await call.parse_type_filter(), end + 1)
    sensitive = (one.row for one in found[call.offset() : end] if call.is_sensitive(one.row.type))
    await record_papers(call, "list", "papers", None, [about(r.kind, r.id, r.customer, "papers") for r in sensitive])
    items = await call.parts.blocking(items_of, call, found)
    call.send_page_of(items, position=await call.parts.blocking(call.parts.last_position))


async def propose(call: Call) -> None:
    """POST /disposals: freezes the list of what is due, without what is under a hold."""
    body = await call.body(DisposalBody)
    tomorrow = day_after(call.parts.archive.clock.today()) or date.max
    found = await due_rows(call, min(body.due_before or tomorrow, tomorrow), body.types, PAPERS_MAX)
    caller, archive = call.caller(), call.parts.archive
    papers = [one.listed for one in await call.parts.blocking(unheld_of, call, found)]
    asked = (body.due_before, body.types)
    made = await call.parts.blocking(partial(archive.disposals.propose_disposal, papers, caller, *asked))
    call.resp.set_header("Location", f"/v1/disposals/{made.id}")
    await answer(call, made, status=201)


async def show(call: Call) -> None:
    """GET /disposals/{id}."""
    await answer(call, await load(call))


async def approve(call: Call) -> None:
    """POST /disposals/{id}/approve: by another person than the one who proposed it."""
    body = await call.body(ReasonBody)
    found = await load(call)
    disposals = call.parts.archive.disposals
    approved = await call.parts.blocking(disposals.approve_disposal, found.id, reason_of(body.reason), call.caller())
    await answer(call, approved)


async def run(call: Call) -> None:
    """POST /disposals/{id}/run: 202 once the run is queued; GET /disposals/{id} shows its result. Repeating it while it
    runs changes nothing."""
    found = await load(call)
    call.parts.archive.disposals.require_runnable(found)
    caller = call.caller()
    if not await call.parts.tasks.is_unended("dispose", str(found.id)):
        task = call.parts.archive.ids.new()
        await call.parts.tasks.add_task(task, "dispose", str(found.id), caller.actor, caller.branch)
    await answer(call, found, status=202)


async def declaration(call: Call) -> None:
    """GET /disposals/{id}/declaration: what was destroyed by whom, when, under which rule; signed."""
    found, parts = await load(call), call.parts
    made = await parts.blocking(parts.archive.disposals.declare_disposal, found.id, parts.institution)
    signed = await parts.blocking(sign_declaration, made, parts.signing_key)
    call.answer(signed, position=await parts.blocking(parts.last_position))


async def show_signing_key(call: Call) -> None:
    """GET /keys/signing: the public key of the institution's declarations, in base64."""
    key = await call.parts.blocking(call.parts.signing_key.public_key)
    call.answer(SigningKeyAnswer(algorithm="Ed25519", public_key=b64encode(key).decode()))


# -- shared -------------------------------------------------------------------------------------------------------


def day_of(call: Call) -> date:
    """The day before which papers are due; tomorrow by default. `due` is the same."""
    for name in ("due_before", "due"):
        if text := call.text(name):
            return parse_date(text, in_query(name))
    return day_after(call.parts.archive.clock.today()) or date.max


async def due_rows(call: Call, before: date, types: str | Iterable[str] | None, limit: int) -> list[DueRow]:
    require_all_branches(call)
    await call.wait_for_views(DOCUMENTS)
    wanted = [types] if isinstance(types, str) else [*types] if types else call.rights.types
    visible = [code for code in wanted if code in call.rights.types]
    return await call.parts.blocking(call.parts.retentions.list_due, before, visible, limit)


def require_all_branches(call: Call) -> None:
    """Raises Forbidden for a caller who reads one branch only."""
    if call.rights.branch is not None:
        raise Forbidden


async def load(call: Call) -> LoadedDisposal:
    """The disposal. Raises NotFound for a caller who may not see all its types."""
    require_all_branches(call)
    found = await call.parts.blocking(call.parts.archive.disposals.load_disposal, call.id())
    if any(listed.type not in call.rights.types for listed in found.state.papers):
        raise NotFound
    return found


def is_held(call: Call, listed: DuePaper) -> bool:
    archive = call.parts.archive
    return bool(archive.holding.load_custody(listed.paper).holds_on(archive.clock.today()))


def unheld_of(call: Call, found: Iterable[DueRow]) -> list[DueRow]:
    return [one for one in found if not is_held(call, one.listed)]


def items_of(call: Call, found: list[DueRow]) -> list[DueItem]:
    """The items; those before the page are not looked at, because they are not sent."""
    customers = call.parts.archive.keys.customer_ids({one.row.customer for one in found})
    return [
        DueItem(
            id=one.row.id,
            kind=one.row.kind,
            type=one.row.type,
            customer=customers.get(one.row.customer),
            due_on=one.listed.due_on,
            because=f"{one.listed.trigger} + {one.listed.months} months",
            hold=n >= call.offset() and is_held(call, one.listed),
            approval=one.listed.approval,
            original_held=one.row.original_held,
        )
        for n, one in enumerate(found)
    ]


async def answer(call: Call, found: LoadedDisposal, *, status: int = 200) -> None:
    state = found.state
    is_running = await call.parts.tasks.is_unended("dispose", str(found.id))
    call.answer(
        DisposalAnswer(
            id=found.id,
            state=RUNNING if is_running else state.state.value,
            papers=len(state.papers),
            proposer=state.proposer,
            needs_approval=state.needs_approval,
            approver=state.approver,
            destroyed=state.destroyed,
            kept=len(state.kept),
        ),
        status=status,
        position=await call.parts.blocking(call.parts.last_position),
    )
