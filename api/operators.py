"""Shows operators the views, parked events and storage, and queues their tasks; service/operations.py runs these."""

from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid5

import msgspec

from api.call import Call
from domain.moment import Moment, format_moment
from domain.refusals import N_, FieldError, IdempotencyKeyReused, ValidationFailed
from projections import overview
from projections.views import VIEWS

# The id of a task is derived from the idempotency key, so that a repeated request finds it.
NAMESPACE = UUID("0b7f2d6e-4f0c-5a53-9d5b-2f7c3a9be815")
OF_ONE_VIEW = ("pause", "resume", "back")


class TaskBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task to queue."""

    kind: Literal["pause", "resume", "replay", "rebuild", "back", "verify"]
    view: str | None = None


class ViewItem(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a view."""

    view: str
    position: int
    lag: int
    per_second: float
    paused: bool
    parked: int
    rebuilt_at: Moment | None
    has_previous: bool


class ParkedItem(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a view could not process."""

    view: str
    position: int
    topic: str
    subject: UUID
    error_type: str
    parked_at: Moment


class TaskItem(msgspec.Struct, frozen=True, kw_only=True):
    """A task that an operator queued."""

    id: UUID
    kind: str
    view: str | None
    actor: str
    branch: str
    asked_at: Moment
    begun_at: Moment | None
    ended_at: Moment | None
    done: int
    total: int
    result: Any


class OperationsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the views, the parked events and the tasks."""

    position: int
    views: list[ViewItem]
    parked: list[ParkedItem]
    tasks: list[TaskItem]
    events_by_minute: list[int]
    reads_by_minute: list[int]
    content_free_bytes: int


Item = TypeVar("Item", ViewItem, ParkedItem, TaskItem)


async def show_operations(call: Call) -> None:
    """GET /operations."""
    tasks = await call.parts.tasks.list_recent()
    async with call.parts.connection() as conn:
        answer = OperationsAnswer(
            position=await overview.last_position(conn),
            views=[item_from_row(ViewItem, one) for one in await overview.list_views(conn)],
            parked=[item_from_row(ParkedItem, one) for one in await overview.list_parked(conn)],
            tasks=[item_from_row(TaskItem, one) for one in tasks],
            events_by_minute=await overview.events_by_minute(conn),
            reads_by_minute=await overview.reads_by_minute(conn),
            content_free_bytes=call.parts.content_free_bytes(),
        )
    call.answer(answer, position=answer.position)


async def queue_task(call: Call) -> None:
    """POST /operations: 202 once the task is stored; GET /operations shows its result."""
    body = await call.body(TaskBody)
    require_view(body)
    caller = call.caller()
    key = caller.idempotency_key
    task = uuid5(NAMESPACE, f"{caller.actor} {key}") if key else call.parts.archive.ids.new()
    made, is_new = await call.parts.tasks.add_task(task, body.kind, body.view, caller.actor, caller.branch)
    if (made.kind, made.view) != (body.kind, body.view):
        raise IdempotencyKeyReused
    if not is_new:
        call.resp.set_header("Idempotency-Replayed", "true")
    call.answer(item_from_row(TaskItem, made), status=202)


def require_view(body: TaskBody) -> None:
    """Raises ValidationFailed unless the task names a known view where it needs one; `verify` takes none."""
    if body.view is None and body.kind in OF_ONE_VIEW:
        raise ValidationFailed(FieldError("view", N_("is required")))
    if body.view is not None and body.kind == "verify":
        raise ValidationFailed(FieldError("view", N_("must be left out")))
    if body.view is not None and body.view not in VIEWS:
        raise ValidationFailed(FieldError("view", N_("must be one of {allowed}"), allowed=", ".join(VIEWS)))


def item_from_row(kind: type[Item], one: msgspec.Struct) -> Item:
    """An item with the fields of a row, times formatted."""
    fields: dict[str, Any] = {
        name: format_moment(value) if isinstance(value, datetime) else value
        for name, value in msgspec.structs.asdict(one).items()
    }
    return kind(**fields)
