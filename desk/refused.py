"""Renders a refusal as a page: its sentence, what to do, the reference number. web/problems.py calls it.

Readers who have to sign in, or to change their password first, are redirected there and back.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from api.call import Call
from desk.render import go, language_of, show
from domain.refusals import N_, PasswordMustBeChanged, Refusal, Unauthenticated, ValidationFailed
from domain.values import NO_DAY
from web.pointers import pointer_of
from web.problems import catalog, cure, detail, field_detail
from web.statuses import status_of


class WrongField(msgspec.Struct, frozen=True):
    """A refused field; `name` is its name in the form, "" for the form as a whole."""

    name: str
    detail: str


class ShownProblem(msgspec.Struct, frozen=True):
    """A refusal in the reader's language, as parts.html shows it; `errors` link to the fields of the form."""

    slug: str
    status: int
    title: str
    detail: str
    errors: tuple[WrongField, ...]
    extra: dict[str, Any]

    def of(self, name: str) -> str | None:
        """The error of one field, or None."""
        return next((wrong.detail for wrong in self.errors if wrong.name == name), None)

    @property
    def existing_path(self) -> str | None:
        """The page of the paper that is in the way, if the refusal names one that this reader may know of."""
        existing = self.extra.get("existing")
        return f"/{ROOMS[self.slug]}/{existing}" if existing and self.slug in ROOMS else None


def problem_of(call: Call, refusal: Refusal) -> ShownProblem:
    translate = catalog(call.language)
    sentence = detail(refusal, translate)
    return ShownProblem(
        slug=refusal.slug,
        status=status_of(refusal),
        title=translate(refusal.title),
        detail=sentence,
        errors=tuple(fields_refused(refusal, sentence, translate)),
        extra=refusal.extra,
    )


# The collection of the paper that these refusals name.
ROOMS = {"mandate-exists": "authorizations", "evidence-attached": "documents", "scan-code-redeemed": "documents"}

# Refusals of their own type that concern one field of a form.
FIELDS = {"iban-invalid": "iban", "mandate-exists": "iban", "mandate-reference-taken": "mandate_reference"}


def fields_refused(refusal: Refusal, sentence: str, translate: Callable[[str], str]) -> Iterator[WrongField]:
    if isinstance(refusal, ValidationFailed):
        for error in refusal.errors:
            yield WrongField(
                field_of(pointer_of(error.field)), with_typed_day(field_detail(error, translate), translate)
            )
    elif refusal.slug in FIELDS:
        yield WrongField(FIELDS[refusal.slug], sentence)


# Replaces domain/values.NO_DAY on pages, where people type a day in the format of their language.
NO_TYPED_DAY = N_("must be a date such as 24/11/2026")


def with_typed_day(sentence: str, translate: Callable[[str], str]) -> str:
    """The error of a field, with the date format of pages instead of that of the API."""
    return translate(NO_TYPED_DAY) if sentence == translate(NO_DAY) else sentence


# First segments of a pointer that no form field is named after: parts of the request, groups of a body.
GROUPS = ("form", "query", "header", "path", "mandate", "original", "verification")


def field_of(pointer: str) -> str:
    """The form field of a pointer: /form/note is note, /mandate/iban is iban, /card_numbers/0 is card_numbers."""
    steps = [step for step in pointer.split("/") if step and not step.isdigit()]
    return ".".join(steps[1:] if len(steps) > 1 and steps[0] in GROUPS else steps)


def is_for_people(req: Any) -> bool:
    """True if the answer is a page: programs call /v1 or do not accept HTML."""
    return not req.path.startswith("/v1/") and "text/html" in (req.get_header("Accept") or "")


def show_problem_page(req: Any, resp: Any, refusal: Refusal) -> None:
    """Replaces the problem in `resp` by a page, or a redirect to sign in, if the client is a browser."""
    if not is_for_people(req):
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
