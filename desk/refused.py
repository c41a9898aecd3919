"""A refusal as a page for people: its sentence, what to do, the reference number. web/problems.py calls it.

Who is not signed in, or has a password to change first, is sent to where that is done and comes back afterwards.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from api.call import Call
from desk.render import go, language_of, show
from domain.refusals import N_, PasswordMustBeChanged, Refusal, Unauthenticated, ValidationFailed
from domain.values import NO_DAY
from web.problems import catalog, cure, detail, field_detail
from web.statuses import status_of


class Wrong(msgspec.Struct, frozen=True):
    """One field that is refused; `name` is what the form calls it, "" for the whole."""

    name: str
    detail: str


class ShownProblem(msgspec.Struct, frozen=True):
    """A refusal in the reader's words, as parts.html shows it: `errors` link to the fields of the form."""

    slug: str
    status: int
    title: str
    detail: str
    errors: tuple[Wrong, ...]
    extra: dict[str, Any]

    def of(self, name: str) -> str | None:
        """What is wrong with one field."""
        return next((wrong.detail for wrong in self.errors if wrong.name == name), None)


def problem_of(call: Call, refusal: Refusal) -> ShownProblem:
    translate = catalog(call.language)
    says = detail(refusal, translate)
    return ShownProblem(
        slug=refusal.slug,
        status=status_of(refusal),
        title=translate(refusal.title),
        detail=says,
        errors=tuple(fields_refused(refusal, says, translate)),
        extra=refusal.extra,
    )


# Refusals in words of their own that are about one field of a form.
FIELDS = {"iban-invalid": "iban", "mandate-exists": "iban", "mandate-reference-taken": "mandate_reference"}


def fields_refused(refusal: Refusal, says: str, translate: Callable[[str], str]) -> Iterator[Wrong]:
    if isinstance(refusal, ValidationFailed):
        for error in refusal.errors:
            yield Wrong(field_of(error.pointer), as_typed(field_detail(error, translate), translate))
    elif refusal.slug in FIELDS:
        yield Wrong(FIELDS[refusal.slug], says)


# Beside domain/values.NO_DAY: pages take a day as people type it in their language.
NO_TYPED_DAY = N_("must be a date like 24/11/2026")


def as_typed(says: str, translate: Callable[[str], str]) -> str:
    """What a field's refusal says to people: a day is asked for as the page's fields show it."""
    return translate(NO_TYPED_DAY) if says == translate(NO_DAY) else says


# What a pointer may begin with and a form has no field for: where it stood, and the parts of a body.
GROUPS = ("form", "query", "header", "path", "mandate", "original", "verification")


def field_of(pointer: str) -> str:
    """The form's name for what /form/note, /mandate/iban or /card_numbers/0 point at: note, iban, card_numbers."""
    steps = [step for step in pointer.split("/") if step and not step.isdigit()]
    return ".".join(steps[1:] if len(steps) > 1 and steps[0] in GROUPS else steps)


def for_people(req: Any) -> bool:
    """Whether the answer is looked at: programs ask below /v1, or for something else than HTML."""
    return not req.path.startswith("/v1/") and "text/html" in (req.get_header("Accept") or "")


def show_problem_page(req: Any, resp: Any, refusal: Refusal) -> None:
    """Put the page in place of the problem, where somebody looks at the answer."""
    if not for_people(req):
        return
    resp.data = None
    call = getattr(req.context, "call", None) or Call(req, resp, req.context.parts, None, {}, {})
    call.language = language_of(call)
    if isinstance(refusal, Unauthenticated):
        go(call, "/sign-in", next=req.relative_uri if req.method == "GET" else None)
    elif isinstance(refusal, PasswordMustBeChanged):
        go(call, "/password", next=req.relative_uri if req.method == "GET" else None)
    else:
        problem = problem_of(call, refusal)
        show(
            call,
            "problem.html",
            status=status_of(refusal),
            problem=problem,
            cure=catalog(call.language)(cure(status_of(refusal))),
        )
