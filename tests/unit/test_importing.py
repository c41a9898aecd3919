"""Lines of another system's list as a use case over ports in memory: what is taken, what is there, what is refused."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.authorization import AuthorizationRegistered, AuthorizationStatus, ExpiryCause
from domain.document import Description, DocumentArchived
from domain.importing import (
    BATCH_LINES_MAX,
    AlreadyImported,
    Examine,
    ImportLine,
    Prepared,
    RefusedDraft,
    Result,
    TakenDraft,
)
from domain.received_file import Examined, Received
from domain.refusals import (
    CustomerErased,
    CustomerUnknown,
    DocumentTypeInactive,
    DocumentTypeUnknown,
    DuplicateContent,
    ExternalIdTaken,
    FieldError,
    FileDamaged,
    FilePasswordProtected,
    IbanInvalid,
    MandateExists,
    MandateReferenceTaken,
    Refusal,
    ScanCodeMalformed,
    ScanCodeTaken,
    SourceNotAllowed,
    Unavailable,
    ValidationFailed,
)
from domain.scan_code import make_code
from domain.values import Source
from tests.builders.imports import (
    a_file_line,
    a_given_file,
    a_line,
    a_luhn_code,
    a_mandate_line,
    a_mod11_code,
    examine,
    plain_of,
)
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import CREDITOR, a_caller, a_mandate, an_iban, an_upload

TODAY, TOMORROW = date(2026, 11, 24), date(2026, 11, 25)
OURS = make_code("DA", 482719036651)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def bring(desk: MemoryDesk, *lines: ImportLine) -> Sequence[Result]:
    return desk.importing.append_lines(prepared(desk, *lines))


def prepared(desk: MemoryDesk, *lines: ImportLine, examine: Examine = examine) -> Prepared:
    known = desk.importing.look_up({line.customer for line in lines})
    return desk.importing.prepare_lines(lines, known, a_caller(), examine)


def taken(desk: MemoryDesk, line: ImportLine) -> UUID:
    [result] = bring(desk, line)
    assert isinstance(result, TakenDraft), result
    return result.paper


def refused(desk: MemoryDesk, line: ImportLine) -> Exception:
    [result] = bring(desk, line)
    assert isinstance(result, RefusedDraft), result
    return result.error


def registered(desk: MemoryDesk, line: ImportLine) -> AuthorizationRegistered:
    body = desk.log.load(taken(desk, line))[0].body
    assert isinstance(body, AuthorizationRegistered)
    return body


def kinds(results: Sequence[Result]) -> list[type[object]]:
    return [type(r.error) if isinstance(r, RefusedDraft) else type(r) for r in results]


# -- taken --------------------------------------------------------------------------------------------------------


def test_an_authorization_without_a_file_is_noted_and_its_original_lies_nobody_says_where(desk: MemoryDesk) -> None:
    event = registered(desk, a_line(note="folder 12", external_id="old-1", signature_date=date(2019, 5, 1)))
    assert (event.source, event.original_held, event.shelf_mark) == (Source.NONE, True, None)
    assert (event.note, event.external_id, event.terms.signed_on) == ("folder 12", "old-1", date(2019, 5, 1))
    assert event.customer == desk.keys.references["100234"]


@pytest.mark.parametrize(
    ("dates", "signed_on"),
    [
        ({"signature_date": date(2024, 2, 29), "received_on": date(2024, 3, 2)}, date(2024, 2, 29)),
        ({"received_on": date(2024, 3, 2)}, date(2024, 3, 2)),
        ({}, TODAY),
    ],
)
def test_it_was_signed_when_the_line_says_else_when_it_was_received_else_today(
    desk: MemoryDesk, dates: dict[str, date], signed_on: date
) -> None:
    assert registered(desk, a_line(**dates)).terms.signed_on == signed_on


def test_a_mandate_has_its_collection_data_and_its_foreign_code(desk: MemoryDesk) -> None:
    desk.define("DEBT_AUTHORIZATION", scheme="luhn")
    line = a_mandate_line(iban="nl91 abna 0417 1643 00", mandate_reference="LIB-7", scan_code=f" {a_luhn_code(7)}")
    event = registered(desk, line)
    assert event.mandate == a_mandate(
        iban="NL91ABNA0417164300",
        signature_date=date(2026, 3, 1),
        mandate_reference="LIB-7",
        creditor_id=CREDITOR,
        sequence_type=event.mandate and event.mandate.sequence_type,
    )
    assert event.scan_code == a_luhn_code(7)


def test_a_mandate_may_come_without_any_collection_data(desk: MemoryDesk) -> None:
    line = a_line(type="DEBT_AUTHORIZATION", signature_date=date(2026, 3, 1))
    assert registered(desk, line).mandate is None


def test_a_file_is_archived_with_what_the_line_says_of_it(desk: MemoryDesk) -> None:
    line = a_file_line(b"plain", received_on=date(1999, 12, 31), note="from the attic", external_id="old-2")
    [envelope] = desk.log.load(taken(desk, line))
    body = envelope.body
    assert isinstance(body, DocumentArchived)
    assert body.description == Description("from the attic", date(1999, 12, 31))
    assert (body.file_name, body.external_id, body.source) == ("scan.pdf", "old-2", Source.FILE)
    assert desk.contents.plain[body.content.id] == b"plain"


def test_the_file_of_an_authorization_is_its_evidence(desk: MemoryDesk) -> None:
    desk.define("DEBT_AUTHORIZATION", scheme="none")
    line = a_mandate_line(file=a_given_file(b"signed"), scan_code="X1", external_id="old-3")
    paper = taken(desk, line)
    state = desk.authorization(paper)
    assert (state.status, state.original_held, state.scan_code) == (AuthorizationStatus.ACTIVE, False, "X1")
    assert state.mandate is not None
    assert state.mandate.iban == an_iban("INGB")
    assert desk.document(desk.evidence(paper)).evidence_of == paper
    assert desk.topics[1:] == ["authorization-registered.v2", "document-archived.v1", "evidence-attached.v1"]


def test_all_lines_enter_the_log_by_one_append(desk: MemoryDesk) -> None:
    results = bring(desk, a_line(), a_mandate_line(), a_file_line(b"x"))
    papers = [result.paper for result in results if isinstance(result, TakenDraft)]
    commands = {envelope.meta.command_id for paper in papers for envelope in desk.log.load(paper)}
    assert (len(papers), len(commands)) == (3, 1)


@pytest.mark.parametrize(
    ("scheme", "code"),
    [
        ("none", "K-12"),
        ("luhn", a_luhn_code(123)),
        ("mod11", a_mod11_code(123)),
        *((scheme, OURS) for scheme in ("none", "luhn", "mod11", "mod97")),
    ],
)
def test_a_code_has_to_hold_by_the_scheme_of_its_type_and_ours_by_every_one(
    desk: MemoryDesk, scheme: str, code: str
) -> None:
    desk.define("GUARDIAN_CONSENT", scheme=scheme)
    assert registered(desk, a_line(scan_code=code)).scan_code == code.replace("-", "")


def test_an_imported_code_is_found_by_check_like_any_other(desk: MemoryDesk) -> None:
    desk.define("GUARDIAN_CONSENT", scheme="mod11")
    paper = taken(desk, a_line(scan_code=a_mod11_code(5)))
    assert desk.archive.forms.find_form(a_mod11_code(5), EVERYTHING) == paper


def test_more_than_a_hundred_lines_are_no_batch(desk: MemoryDesk) -> None:
    with pytest.raises(ValueError, match="a batch has at most 100 lines"):
        bring(desk, *[a_line(external_id=str(n)) for n in range(BATCH_LINES_MAX + 1)])


# -- what is over already ---------------------------------------------------------------------------------------------


def test_a_mandate_of_more_than_36_months_ago_is_taken_and_told_to_be_over(desk: MemoryDesk) -> None:
    [result] = bring(desk, a_mandate_line(signature_date=date(2020, 2, 29)))
    assert isinstance(result, TakenDraft)
    assert result.over is not None
    assert (result.over.on, result.over.cause) == (date(2023, 2, 28), ExpiryCause.NO_COLLECTION)
    assert desk.archive.life.lapse_authorization(result.paper)
    assert desk.authorization(result.paper).status is AuthorizationStatus.EXPIRED


@pytest.mark.parametrize(("signed", "is_over"), [(date(2023, 11, 24), False), (date(2023, 11, 23), True)])
def test_on_its_last_day_it_is_not_over(desk: MemoryDesk, signed: date, is_over: bool) -> None:
    [result] = bring(desk, a_mandate_line(signature_date=signed))
    assert isinstance(result, TakenDraft)
    assert (result.over is not None) is is_over


def test_one_that_is_over_leaves_its_account_to_the_one_that_came_after_it(desk: MemoryDesk) -> None:
    old, new = a_mandate_line(signature_date=date(2015, 1, 1)), a_mandate_line(signature_date=date(2025, 1, 1))
    assert kinds(bring(desk, old, new)) == [TakenDraft, TakenDraft]
    later = replace(new, signature_date=date(2025, 2, 1))
    assert kinds(bring(desk, later)) == [MandateExists]


# -- there ------------------------------------------------------------------------------------------------------------


LINES = [a_line(), a_mandate_line(), a_file_line(b"letter"), a_line(file=a_given_file(b"consent"), note="signed")]


@pytest.mark.parametrize("external_id", [None, "old-9"])
@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_brought_again_is_there_and_its_file_is_not_looked_at_again(
    desk: MemoryDesk, line: ImportLine, external_id: str | None
) -> None:
    line = replace(line, external_id=external_id)
    paper = taken(desk, line)
    before = desk.trace()
    again = prepared(desk, line, examine=lambda files: pytest.fail("looked at again"))
    assert desk.importing.append_lines(again) == [AlreadyImported(paper)]
    assert desk.trace() == before


def test_an_external_id_stands_for_the_line_whatever_else_it_says_now(desk: MemoryDesk) -> None:
    paper = taken(desk, a_line(external_id="old-9"))
    assert bring(desk, a_line(external_id="old-9", note="corrected since")) == [AlreadyImported(paper)]


def test_without_one_a_line_that_says_anything_else_is_another(desk: MemoryDesk) -> None:
    lines = [a_line(), a_line(note="a"), a_line(signature_date=date(2020, 1, 1)), a_line(received_on=TODAY)]
    assert kinds(bring(desk, *lines)) == [TakenDraft] * 4


def test_the_content_of_a_file_tells_lines_apart_and_not_its_name(desk: MemoryDesk) -> None:
    """In the next delivery scan0001.pdf is another one."""
    one, other = a_file_line(b"one"), a_file_line(b"other")
    renamed = a_file_line(b"one", file=a_given_file(b"one", "renamed.pdf"))
    first, second, third = bring(desk, one, other, renamed)
    assert isinstance(first, TakenDraft)
    assert isinstance(second, TakenDraft)
    assert third == AlreadyImported(first.paper)


def test_what_came_in_with_this_external_id_by_another_door_is_there(desk: MemoryDesk) -> None:
    note, letter = desk.note(external_id="crm-1"), desk.file(external_id="crm-2")
    assert bring(desk, a_line(external_id="crm-1")) == [AlreadyImported(note)]
    assert bring(desk, a_file_line(b"whatever", external_id="crm-2")) == [AlreadyImported(letter)]
    assert len(desk.contents.plain) == 1


def test_an_external_id_of_another_customer_or_type_is_refused(desk: MemoryDesk) -> None:
    paper = taken(desk, a_line(external_id="old-9"))
    for other in ({"customer": "100235"}, {"type": "OTHER_AUTHORIZATION"}):
        [result] = bring(desk, a_line(external_id="old-9", **other))
        assert isinstance(result, RefusedDraft)
        assert (type(result.error), result.owner) == (ExternalIdTaken, paper)


def test_a_file_whose_external_id_another_paper_has_is_not_looked_at(desk: MemoryDesk) -> None:
    paper = taken(desk, a_line(external_id="old-9"))
    line = a_file_line(b"letter", external_id="old-9")
    [result] = desk.importing.append_lines(prepared(desk, line, examine=lambda files: pytest.fail("looked at")))
    assert isinstance(result, RefusedDraft)
    assert (type(result.error), result.owner) == (ExternalIdTaken, paper)


@pytest.mark.parametrize("external_id", [None, "old-9"])
def test_what_was_moved_to_another_customer_since_is_there(desk: MemoryDesk, external_id: str | None) -> None:
    paper = taken(desk, line := a_line(external_id=external_id))
    desk.archive.corrections.reassign_authorization(
        paper, "100235", "wrong card", a_caller(), rights=EVERYTHING, expected_version=1
    )
    assert bring(desk, line) == [AlreadyImported(paper)]


# -- within one batch -------------------------------------------------------------------------------------------------


def test_the_second_of_two_equal_lines_is_there(desk: MemoryDesk) -> None:
    for line in LINES:
        first, second = bring(desk, line, line)
        assert isinstance(first, TakenDraft)
        assert second == AlreadyImported(first.paper)


CLASHES: dict[str, tuple[ImportLine, ImportLine, type[Exception]]] = {
    "scan code": (a_line(scan_code=OURS), a_line(customer="100235", scan_code=OURS), ScanCodeTaken),
    "account": (a_mandate_line(), a_mandate_line(mandate_reference="other"), MandateExists),
    "reference": (
        a_mandate_line(mandate_reference="LIB-1"),
        a_mandate_line(customer="100235", mandate_reference="lib-1"),
        MandateReferenceTaken,
    ),
    "content": (a_file_line(b"same"), a_file_line(b"same", note="again"), DuplicateContent),
    "external id": (a_line(external_id="1"), a_line(customer="100235", external_id="1"), ExternalIdTaken),
}


@pytest.mark.parametrize("name", CLASHES)
@pytest.mark.parametrize("batches", [1, 2])
def test_what_one_line_claims_the_next_is_refused_and_told_who_has_it(
    desk: MemoryDesk, name: str, batches: int
) -> None:
    one, other, refusal = CLASHES[name]
    first, second = bring(desk, one, other) if batches == 1 else [*bring(desk, one), *bring(desk, other)]
    assert isinstance(first, TakenDraft)
    assert isinstance(second, RefusedDraft)
    assert type(second.error) is refusal
    assert second.owner in {first.paper, *desk.keys.papers}
    assert len(desk.contents.plain) == (name == "content"), "what the log does not name is dropped"


def test_one_customer_may_have_what_another_has(desk: MemoryDesk) -> None:
    one, other = a_mandate_line(file=a_given_file(b"joint")), a_mandate_line(file=a_given_file(b"joint"))
    assert kinds(bring(desk, one, replace(other, customer="100235"))) == [TakenDraft, TakenDraft]


def test_a_refused_line_takes_nothing_from_those_after_it(desk: MemoryDesk) -> None:
    """Whether it is refused by what it says, or by what somebody else owns."""
    taken(desk, a_mandate_line(mandate_reference="LIB-1"))
    wrong = a_mandate_line(customer="100235", scan_code=OURS, iban="NL00ABNA0417164300")
    owned = a_mandate_line(customer="100235", scan_code=OURS, mandate_reference="LIB-1")
    right = a_mandate_line(customer="100235", scan_code=OURS)
    assert kinds(bring(desk, wrong, owned, right)) == [IbanInvalid, MandateReferenceTaken, TakenDraft]


# -- refused ----------------------------------------------------------------------------------------------------------


REFUSED: dict[str, tuple[ImportLine, type[Exception], list[str]]] = {
    "unknown customer": (a_line(customer="nobody"), CustomerUnknown, []),
    "unknown type": (a_line(type="NO_SUCH"), DocumentTypeUnknown, []),
    "type switched off": (a_line(type="OTHER_AUTHORIZATION"), DocumentTypeInactive, []),
    "type without No upload": (a_line(type="READING_DISABILITY"), SourceNotAllowed, []),
    "a letter without a file": (a_line(type="LETTER"), ValidationFailed, ["file"]),
    "a paper that is not kept": (a_file_line(b"x", type="IDENTIFICATION"), ValidationFailed, ["type"]),
    "a code on a letter": (a_file_line(b"x", scan_code=OURS), ValidationFailed, ["scan_code"]),
    "an account on a consent": (a_line(iban="x", debtor_name="x"), ValidationFailed, ["iban", "debtor_name"]),
    "received tomorrow": (a_line(received_on=TOMORROW), ValidationFailed, ["received_on"]),
    "signed tomorrow": (a_mandate_line(signature_date=TOMORROW), ValidationFailed, ["signature_date"]),
    "wrong IBAN": (a_mandate_line(iban="BE68539007547035"), IbanInvalid, []),
    "wrong reference": (a_mandate_line(mandate_reference="a//b"), FieldError, ["mandate.mandate_reference"]),
    "wrong code": (a_line(scan_code=OURS[:-1] + "0"), ScanCodeMalformed, []),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_line_that_cannot_be_taken_is_refused_and_leaves_nothing(desk: MemoryDesk, name: str) -> None:
    line, refusal, wrong_fields = REFUSED[name]
    desk.define("OTHER_AUTHORIZATION", active=False)
    desk.define("READING_DISABILITY", sources=(Source.FILE,))
    before = desk.trace()
    error = refused(desk, line)
    assert type(error) is refusal
    assert [e.field for e in fields(error)] == wrong_fields
    assert desk.trace() == before


def fields(error: Exception) -> Sequence[FieldError]:
    return error.errors if isinstance(error, ValidationFailed) else [error] if isinstance(error, FieldError) else []


def test_of_an_erased_customer_nothing_is_taken(desk: MemoryDesk) -> None:
    taken(desk, a_line())
    desk.keys.erase("100234")
    assert isinstance(refused(desk, a_line(note="later")), CustomerErased)


def test_a_file_that_is_refused_stops_no_other(desk: MemoryDesk) -> None:
    def one_is_damaged(files: Sequence[Received]) -> list[Examined | Refusal]:
        return [FileDamaged() if plain_of(file) == b"torn" else an_upload(b"whole") for file in files]

    lines = [a_file_line(b"torn"), a_line(), a_file_line(b"whole")]
    assert kinds(desk.importing.append_lines(prepared(desk, *lines, examine=one_is_damaged))) == [
        FileDamaged,
        TakenDraft,
        TakenDraft,
    ]
    assert list(desk.contents.plain.values()) == [b"whole"]


def test_a_type_may_refuse_files_with_a_password(desk: MemoryDesk) -> None:
    desk.define("LETTER", password_protected_allowed=False)

    def locked(files: Sequence[Received]) -> list[Examined]:
        return [an_upload(b"locked", password_protected=True)]

    assert kinds(desk.importing.append_lines(prepared(desk, a_file_line(b"locked"), examine=locked))) == [
        FilePasswordProtected
    ]


def test_a_file_that_changes_under_the_import_is_refused(desk: MemoryDesk) -> None:
    def before_it_changed(files: Sequence[Received]) -> list[Examined]:
        return [an_upload(b"after", sha256=files[0].sha256)]

    lines = [a_file_line(b"before"), a_line()]
    [changed, other] = desk.importing.append_lines(prepared(desk, *lines, examine=before_it_changed))
    assert isinstance(changed, RefusedDraft)
    assert str(changed.error) == "file: changed while it was being read; import the line again"
    assert isinstance(other, TakenDraft)
    assert desk.contents.plain == {}


# -- races ------------------------------------------------------------------------------------------------------------


def test_a_value_that_somebody_takes_meanwhile_costs_its_line_alone(desk: MemoryDesk) -> None:
    desk.log.before_append.append(
        lambda: desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate(mandate_reference="LIB-1", iban=None))
    )
    late = a_mandate_line(customer="100235", mandate_reference="LIB-1", file=a_given_file(b"late"))
    assert kinds(bring(desk, late, a_line(), a_file_line(b"letter"))) == [MandateReferenceTaken, TakenDraft, TakenDraft]
    assert list(desk.contents.plain.values()) == [b"letter"]


def test_two_imports_of_one_list_take_each_line_once(desk: MemoryDesk) -> None:
    lines = [a_line(), a_mandate_line(), a_file_line(b"letter")]
    others: list[Result] = []
    desk.log.before_append.append(lambda: others.extend(bring(desk, *lines)))
    results = bring(desk, *lines)
    assert results == [AlreadyImported(other.paper) for other in others if isinstance(other, TakenDraft)]
    assert len(desk.contents.plain) == 1


def test_a_customer_who_gets_a_first_paper_meanwhile_keeps_one_reference(desk: MemoryDesk) -> None:
    desk.log.before_append.append(lambda: desk.file(b"first"))
    paper = taken(desk, a_file_line(b"second"))
    assert desk.document(paper).customer == desk.keys.references["100234"]
    assert sorted(desk.contents.plain.values()) == [b"first", b"second"]


def test_a_customer_who_is_erased_meanwhile_costs_only_its_lines(desk: MemoryDesk) -> None:
    taken(desk, a_line())
    desk.log.before_append.append(lambda: desk.keys.erase("100234"))
    lines = [a_file_line(b"gone"), a_file_line(b"kept", customer="100235"), a_line(note="gone too")]
    assert kinds(bring(desk, *lines)) == [CustomerErased, TakenDraft, CustomerErased]
    assert list(desk.contents.plain.values()) == [b"kept"]


def test_when_nobody_knows_whether_it_was_stored_the_content_stays(desk: MemoryDesk) -> None:
    """For the sweeper to decide a day later; and the lines are taken when they are brought again."""

    def lost() -> None:
        raise Unavailable

    desk.log.before_append.append(lost)
    line = a_file_line(b"perhaps")
    with pytest.raises(Unavailable):
        bring(desk, line)
    assert list(desk.contents.plain.values()) == [b"perhaps"]
    taken(desk, line)


def test_customers_of_whom_nothing_was_archived_are_named(desk: MemoryDesk) -> None:
    """Their next lines wait until these are taken, and then need not be looked up again."""
    known = desk.importing.look_up({"100234", "100235", "nobody"})
    lines = [a_line(), a_line(customer="100235", type="NO_SUCH"), a_line(customer="nobody")]
    first = desk.importing.prepare_lines(lines, known, a_caller(), examine)
    assert first.newcomers == {"100234"}
    assert kinds(desk.importing.append_lines(first)) == [TakenDraft, DocumentTypeUnknown, CustomerUnknown]
    lines = [a_line(note="next"), a_line(customer="100235")]
    second = desk.importing.prepare_lines(lines, known, a_caller(), examine)
    assert second.newcomers == {"100235"}
    assert kinds(desk.importing.append_lines(second)) == [TakenDraft, TakenDraft]


def test_who_is_erased_after_the_look_costs_only_its_lines(desk: MemoryDesk) -> None:
    taken(desk, a_line())
    known = desk.importing.look_up({"100234", "100235"})
    desk.keys.erase("100234")
    lines = [a_file_line(b"gone"), a_line(customer="100235")]
    late = desk.importing.prepare_lines(lines, known, a_caller(), examine)
    assert kinds(desk.importing.append_lines(late)) == [CustomerErased, TakenDraft]
    assert desk.contents.plain == {}
