"""What operators watch and ask for: views, parked events, storage. service/operations.py carries it out."""

from typing import Any
from uuid import UUID, uuid5

from api.bodies import OperationsAnswer, ParkedItem, TaskBody, TaskItem, ViewItem
from api.call import Call
from domain.refusals import N_, FieldError, IdempotencyKeyReused, ValidationFailed
from projections import overview
from projections.overview import ParkedEvent, ViewState
from projections.reading import moment
from projections.views import VIEWS

# A key's task has an id of its own, so that the same request, sent again, finds it.
NAMESPACE = UUID("0b7f2d6e-4f0c-5a53-9d5b-2f7c3a9be815")
OF_ONE_VIEW = ("pause", "resume", "back")


async def show(call: Call) -> None:
    """GET /operations."""
    async with call.parts.connection() as conn:
        answer = OperationsAnswer(
            position=await overview.last_position(conn),
            views=[view_item(one) for one in await overview.views(conn)],
            parked=[parked_item(one) for one in await overview.parked(conn)],
            tasks=[task_item(one) for one in await call.parts.tasks.recent(conn)],
            events_by_minute=await overview.events_by_minute(conn),
            reads_by_minute=await overview.reads_by_minute(conn),
            content_free_bytes=call.parts.content_free_bytes(),
        )
    call.answer(answer, position=answer.position)


async def ask(call: Call) -> None:
    """POST /operations: 202 when it is written down; what became of it is in GET /operations."""
    body = await call.body(TaskBody)
    require_view(body)
    caller = call.caller()
    key = caller.idempotency_key
    task = uuid5(NAMESPACE, f"{caller.actor} {key}") if key else call.parts.archive.ids.new()
    async with call.parts.connection() as conn:
        made, is_new = await call.parts.tasks.add(conn, task, body.kind, body.view, caller.actor, caller.branch)
    if (made.kind, made.view) != (body.kind, body.view):
        raise IdempotencyKeyReused
    if not is_new:
        call.resp.set_header("Idempotency-Replayed", "true")
    call.answer(task_item(made), status=202)


def require_view(body: TaskBody) -> None:
    """That the task says of which view, where it has to; what is verified is everything."""
    if body.view is None and body.kind in OF_ONE_VIEW:
        raise ValidationFailed(FieldError("/view", N_("is required")))
    if body.view is not None and body.kind == "verify":
        raise ValidationFailed(FieldError("/view", N_("must be left out")))
    if body.view is not None and body.view not in VIEWS:
        raise ValidationFailed(FieldError("/view", N_("must be one of {allowed}"), allowed=", ".join(VIEWS)))


def view_item(one: ViewState) -> ViewItem:
    return ViewItem(
        view=one.view,
        position=one.position,
        lag=one.lag,
        per_second=one.per_second,
        paused=one.paused,
        parked=one.parked,
        rebuilt_at=moment(one.rebuilt_at) if one.rebuilt_at else None,
        has_previous=one.has_previous,
    )


def parked_item(one: ParkedEvent) -> ParkedItem:
    return ParkedItem(
        view=one.view,
        position=one.position,
        topic=one.topic,
        subject=one.subject,
        error_type=one.error_type,
        parked_at=moment(one.parked_at),
    )


def task_item(one: Any) -> TaskItem:
    return TaskItem(
        id=one.id,
        kind=one.kind,
        view=one.view,
        actor=one.actor,
        branch=one.branch,
        asked_at=moment(one.asked_at),
        begun_at=moment(one.begun_at) if one.begun_at else None,
        ended_at=moment(one.ended_at) if one.ended_at else None,
        done=one.done,
        total=one.total,
        result=one.result,
    )
