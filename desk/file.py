"""Select file (C1 to C8) without scripts: streams the plain form to the API.

With scripts the browser sends each file to the API itself (assets/upload.js) and asks here only for the words of a
refusal.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from api.call import Call
from desk import render
from desk.add import show_with
from desk.checking import existing_paper
from desk.door import ask
from desk.fields import fields_of, new_key, number
from desk.refused import ShownProblem, WrongField, field_of, with_typed_day
from desk.saved import go_on
from domain.refusals import N_, FieldError, MalformedRequest, Refusal, ValidationFailed, all_refusals
from web.multipart import Part, Splitter, boundary_of
from web.problems import catalog
from web.uploads import FIELD_BYTES_MAX

REFUSALS = {refusal.slug: refusal for refusal in all_refusals()}


async def save_file(call: Call) -> None:
    """POST /add/file?key=: the key is in the address, because the form's fields are streamed to the API."""
    upload = StreamedForm(call)
    key = {"Idempotency-Key": call.text("key") or new_key()}
    try:
        made = await ask(call, "POST", "/v1/documents", headers=key, form=aiter(upload))
    except Refusal as refusal:
        await show_with(call, {**upload.fields, "source": "file"}, refusal=refusal)
    else:
        go_on(call, "file", made, same_customer=bool(call.text("next")))


class StreamedForm:
    """The body of a form, streamed to the API; `fields` collects its text fields, for showing the page again."""

    def __init__(self, call: Call) -> None:
        self.stream = call.req.stream
        self.splitter = Splitter(boundary_of(call.req.content_type))
        self.fields: dict[str, str] = {}
        self.name: str | None = None
        self.text = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.stream:
            self.collect_fields(piece)
            yield piece

    def collect_fields(self, piece: bytes) -> None:
        """Collects from one piece; ignores malformed parts, which the API refuses."""
        try:
            for event in self.splitter.feed(piece):
                self.collect_event(event)
        except MalformedRequest:
            self.name = None

    def collect_event(self, event: Part | bytes) -> None:
        if isinstance(event, Part):
            self.name, self.text = (None if event.file_name is not None else event.name), b""
        elif self.name is not None and len(self.text) + len(event) <= FIELD_BYTES_MAX:
            self.text += event
            self.fields[self.name] = self.text.decode("utf-8", "replace")


# -- refusals reported by scripts ---------------------------------------------------------------------------------


class AnsweredProblem(msgspec.Struct, frozen=True):
    """A problem that the API answered, or that the script itself found (then `type` alone, a slug)."""

    type: str
    title: str = ""
    status: int = 422
    detail: str = ""
    errors: tuple[dict[str, str], ...] = ()
    existing: str | None = None
    found: str | None = None
    trace_id: str = ""


async def show_refusal(call: Call) -> None:
    """POST /add/refused: renders the refusal of a file, with what to do about it."""
    fields = await fields_of(call)
    answered = parse_problem(fields.get("problem", ""))
    problem = problem_of(call, answered)
    render.show(
        call,
        "add_refused.html",
        problem=problem,
        existing=await existing_paper(call, problem.extra),
        file=file_of(fields),
        trace_id=answered.trace_id,
    )


def parse_problem(text: str) -> AnsweredProblem:
    try:
        return msgspec.json.decode(text, type=AnsweredProblem)
    except msgspec.DecodeError:
        raise ValidationFailed(FieldError("problem", N_("has a wrong value"))) from None


def problem_of(call: Call, answered: AnsweredProblem) -> ShownProblem:
    slug = answered.type.rpartition("/")[2]
    refusal: Any = REFUSALS.get(slug)
    words = catalog(call.language)
    return ShownProblem(
        slug=slug,
        status=answered.status,
        title=answered.title or (words(refusal.title) if refusal else slug),
        detail=answered.detail
        or (words(refusal.sentence).replace("{found}", answered.found or "?") if refusal else ""),
        errors=tuple(
            WrongField(field_of(error.get("pointer", "")), with_typed_day(error.get("detail", ""), words))
            for error in answered.errors
        ),
        extra={"existing": answered.existing, "found": answered.found},
    )


def file_of(fields: dict[str, str]) -> dict[str, Any]:
    """Name of the refused file, and its size in bytes."""
    return {"name": fields.get("name", ""), "size": number(fields.get("size", ""))}
