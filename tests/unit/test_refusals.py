"""Refusals against the list of slugs in the contract, and their sentences against the places that raise them."""

import ast
from collections.abc import Iterator
from string import Formatter

import pytest

from domain import refusals
from domain.refusals import FieldError, Refusal, ValidationFailed, all_refusals
from service.exits import CODES
from tests.tree import ROOMS, ROOT
from web.statuses import STATUSES

# The slugs of docs/reference.md, "Problems", that programs were promised; written out by hand.
CONTRACT = """
malformed-request 400, unauthenticated 401, forbidden 403, not-found 404, method-not-allowed 405,
not-acceptable 406, length-required 411, precondition-failed 412, content-too-large 413,
unsupported-media-type 415, range-not-satisfiable 416, validation-failed 422, precondition-required 428,
too-many-requests 429, unavailable 503, view-paused 503, insufficient-storage 507, file-empty 422,
file-type-not-allowed 415,
file-damaged 422, file-password-protected 422, file-too-many-pixels 422,
duplicate-content 409, customer-unknown 422, customer-erased 410, paper-destroyed 410, approval-missing 409,
approval-by-proposer 409, document-type-unknown 422,
document-type-inactive 422, source-not-allowed 422, scan-code-malformed 422, scan-code-unknown 404,
scan-code-redeemed 409, scan-code-other-customer 409, check-required 409, authorization-not-active 409,
illegal-transition 409, iban-invalid 422, mandate-exists 409, mandate-reference-taken 409,
under-legal-hold 409, retention-not-reached 409, scanner-busy 409, scanner-offline 503, scanner-jammed 503,
scanner-cover-open 503, scanner-out-of-paper 503, scanner-failed 503, scanner-too-many-pages 422,
idempotency-key-reused 422, idempotency-in-flight 409, collection-presented 409
"""
# What the list lacks: a late body (408), a fault of ours (500), a taken external id, a taken code of imported paper, an
# end by the calendar that cannot be taken back.
OWN = {
    "request-timeout": 408,
    "internal-error": 500,
    "external-id-taken": 409,
    "scan-code-taken": 409,
    "lapse-stands": 409,
    "evidence-attached": 409,
    "evidence-changed": 409,
}


def contract() -> dict[str, int]:
    return {slug: int(status) for slug, status in (line.split() for line in CONTRACT.split(","))}


def test_every_slug_has_the_status_of_the_contract() -> None:
    assert STATUSES.items() <= (contract() | OWN).items()


def test_the_tables_of_the_doors_hold_exactly_the_slugs_of_the_domain() -> None:
    slugs = {r.slug for r in all_refusals()}
    assert STATUSES.keys() == slugs
    assert CODES.keys() == slugs


def test_what_stands_beside_the_contract_exists_and_is_not_in_it() -> None:
    assert OWN.keys() <= {r.slug for r in all_refusals()}
    assert not OWN.keys() & contract().keys()


def test_no_two_refusals_share_a_slug() -> None:
    slugs = [r.slug for r in all_refusals()]
    assert len(slugs) == len(set(slugs))


@pytest.mark.parametrize("refusal", all_refusals(), ids=lambda r: r.slug)
def test_a_title_is_short_and_a_sentence_ends(refusal: type[Refusal]) -> None:
    assert len(refusal.title) <= 60
    assert not refusal.title.endswith(".")
    assert refusal.sentence.endswith(".")


def test_a_sentence_is_filled_with_its_values() -> None:
    refusal = refusals.SourceNotAllowed(type="LETTER", source="none")
    assert str(refusal).startswith("The document type LETTER does not allow the source No upload.")


def test_a_missing_value_never_hides_the_refusal() -> None:
    assert "{type}" in str(refusals.DocumentTypeUnknown())


def test_wrong_fields_are_kept_in_their_order() -> None:
    errors = FieldError("a", "at most {limit}", limit=3), FieldError("b", "no")
    assert ValidationFailed(*errors).errors == errors
    assert str(errors[0]) == "a: at most 3"


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def raised() -> Iterator[tuple[str, str, set[str]]]:
    """Every call of a refusal in the rooms, and every bare `raise` of one: where, which, with which values."""
    names = {r.__name__ for r in all_refusals()}
    for path in [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]:
        tree = ast.parse(path.read_text())
        imported = {
            a.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "domain.refusals"
            for a in node.names
        }
        for node in ast.walk(tree):
            target, values = _refusal_of(node)
            if target in names & imported:
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", target, values


def _refusal_of(node: ast.AST) -> tuple[str, set[str]]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id, {k.arg or "**" for k in node.keywords}
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
        return node.exc.id, set()
    return "", set()


def test_every_refusal_is_raised_with_the_values_of_its_sentence() -> None:
    by_name = {r.__name__: r for r in all_refusals()}
    lacking = [
        (where, name, missing)
        for where, name, values in raised()
        if "**" not in values and (missing := placeholders(by_name[name].sentence) - values)
    ]
    assert lacking == []


def test_the_search_for_raised_refusals_finds_them() -> None:
    found = {name for _, name, _ in raised()}
    assert {"SourceNotAllowed", "DocumentTypeUnknown", "NotFound", "Unavailable"} <= found


def test_details_of_fields_are_given_the_values_they_name() -> None:
    lacking = [
        (path.name, node.lineno, missing)
        for path in sorted((ROOT / "domain").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "FieldError"
        if (missing := placeholders(_text(node.args[1])) - {k.arg for k in node.keywords})
    ]
    assert lacking == []


def _text(node: ast.expr) -> str:
    """The literal inside N_(…); a detail that is no literal has no placeholders of ours."""
    literals = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return literals[0] if literals else ""


def test_no_inner_room_names_the_place_of_a_field_in_a_request() -> None:
    """Only the door knows whether a field was in a form, a query, a header or a JSON body (web/pointers.py)."""
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ("domain", "paper", "projections", "service", "store")
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "FieldError"
        and "/" in ast.unparse(node.args[0])
    ]
    assert named == []
