"""Select file (C1 to C8) where no script sends it: a plain form, handed on to the archive as it comes in.

Scripts send each file to the archive themselves (assets/upload.js) and have told here what it answered.
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
from desk.refused import ShownProblem, Wrong, as_typed, field_of
from desk.saved import go_on
from domain.refusals import N_, FieldError, MalformedRequest, Refusal, ValidationFailed, all_refusals
from web.multipart import Part, Splitter, boundary_of
from web.problems import catalog
from web.uploads import FIELD_BYTES_MAX

REFUSALS = {kind.slug: kind for kind in all_refusals()}


async def save_file(call: Call) -> None:
    """POST /add/file?key=: the key stands in the address, for the form's own fields are the archive's."""
    heard = Heard(call)
    key = {"Idempotency-Key": call.text("key") or new_key()}
    try:
        made = await ask(call, "POST", "/v1/documents", headers=key, form=aiter(heard))
    except Refusal as refusal:
        await show_with(call, {**heard.fields, "source": "file"}, refusal=refusal)
    else:
        go_on(call, "file", made, same_customer=bool(call.text("next")))


class Heard:
    """The body of a form on its way to the archive; `fields` are the texts that came by, for a page shown again."""

    def __init__(self, call: Call) -> None:
        self.stream = call.req.stream
        self.splitter = Splitter(boundary_of(call.req.content_type))
        self.fields: dict[str, str] = {}
        self.name: str | None = None
        self.text = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.stream:
            self.listen(piece)
            yield piece

    def listen(self, piece: bytes) -> None:
        """What is malformed the archive refuses."""
        try:
            for event in self.splitter.feed(piece):
                self.take(event)
        except MalformedRequest:
            self.name = None

    def take(self, event: Part | bytes) -> None:
        if isinstance(event, Part):
            self.name, self.text = (None if event.file_name is not None else event.name), b""
        elif self.name is not None and len(self.text) + len(event) <= FIELD_BYTES_MAX:
            self.text += event
            self.fields[self.name] = self.text.decode("utf-8", "replace")


# -- told by a script ---------------------------------------------------------------------------------------------


class AnsweredProblem(msgspec.Struct, frozen=True):
    """A problem as the archive answered it; with its slug alone, one that a browser sees by itself."""

    type: str
    title: str = ""
    status: int = 422
    detail: str = ""
    errors: tuple[dict[str, str], ...] = ()
    existing: str | None = None
    found: str | None = None
    trace_id: str = ""


async def show_refusal(call: Call) -> None:
    """POST /add/refused: a file's refusal in the words of this page, with what can be done about it."""
    fields = await fields_of(call)
    told = told_of(fields.get("problem", ""))
    problem = problem_of(call, told)
    render.show(
        call,
        "add_refused.html",
        problem=problem,
        existing=await existing_paper(call, problem.extra),
        file=file_of(fields),
        trace_id=told.trace_id,
    )


def told_of(text: str) -> AnsweredProblem:
    try:
        return msgspec.json.decode(text, type=AnsweredProblem)
    except msgspec.DecodeError:
        raise ValidationFailed(FieldError("/problem", N_("has a wrong value"))) from None


def problem_of(call: Call, told: AnsweredProblem) -> ShownProblem:
    slug = told.type.rpartition("/")[2]
    kind: Any = REFUSALS.get(slug)
    words = catalog(call.language)
    return ShownProblem(
        slug=slug,
        status=told.status,
        title=told.title or (words(kind.title) if kind else slug),
        detail=told.detail or (words(kind.sentence).replace("{found}", told.found or "?") if kind else ""),
        errors=tuple(
            Wrong(field_of(error.get("pointer", "")), as_typed(error.get("detail", ""), words)) for error in told.errors
        ),
        extra={"existing": told.existing, "found": told.found},
    )


def file_of(fields: dict[str, str]) -> dict[str, Any]:
    """Name and size in bytes of the file that it is about."""
    return {"name": fields.get("name", ""), "size": number(fields.get("size", ""))}
