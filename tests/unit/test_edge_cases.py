"""Edge cases of docs/domain.md §8 by their number, as far as use cases tell them; what a screen or a file says of them
is told by tests/http, tests/paper and tests/views."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.access import Rights, Role
from domain.administration import CreateToken, RevokeToken
from domain.archive import AmendMandate
from domain.authorization import AuthorizationStatus, ReportCollection, Revoke, Suspend
from domain.catalogue import SHIPPED
from domain.customer import Customer, CustomerKind
from domain.document import Describe, DocumentStatus, Reclassify
from domain.mandate import Amendment, CollectionOutcome, SequenceType
from domain.refusals import (
    DocumentTypeInactive,
    DuplicateContent,
    NotFound,
    ScanCodeMalformed,
    ScanCodeRedeemed,
    ScanCodeUnknown,
    ValidationFailed,
)
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import (
    IBAN,
    PDF,
    a_caller,
    a_document_type,
    a_form,
    a_mandate,
    a_verification,
    an_iban,
    an_order,
    an_upload,
)

TODAY = date(2026, 11, 24)
UNSIGNED = a_mandate(signature_date=None)
NO_HEALTH = Rights([code for code in SHIPPED if code != "READING_DISABILITY"])


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def test_edge_case_1_of_the_wrong_customer_mandate_and_evidence_move_together_with_their_reason(
    desk: MemoryDesk,
) -> None:
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=UNSIGNED)
    desk.attach(form)
    evidence = desk.evidence(form)
    desk.archive.corrections.reassign_document(
        evidence, "100235", "of the daughter", a_caller(), rights=EVERYTHING, expected_version=1
    )
    right = desk.keys.references["100235"]
    assert desk.authorization(form).customer == desk.document(evidence).customer == right
    for paper in (form, evidence):
        event = desk.log.load(paper)[-1].body
        assert (event.old, event.customer, event.reason) == (
            desk.keys.references["100234"],
            right,
            "of the daughter",
        )
        assert desk.keys.papers[paper] == {right}, "what the wrong customer's key opened it opens no more"


def test_edge_case_2_a_code_with_a_slip_is_malformed_and_never_another_customers(desk: MemoryDesk) -> None:
    form = desk.issue()
    others = {desk.code(desk.issue(customer="100235")) for _ in range(50)}
    code = desk.code(form)
    one_wrong = {code[:i] + d + code[i + 1 :] for i in range(2, 16) for d in "0123456789"} - {code}
    swapped = {code[:i] + code[i + 1] + code[i] + code[i + 2 :] for i in range(2, 15)} - {code}
    for slip in one_wrong | swapped:
        assert slip not in others
        with pytest.raises(ScanCodeMalformed):
            desk.archive.forms.find_form(slip, EVERYTHING)


@pytest.mark.parametrize("typed", ["29000000100234", "100234", "2 9000 00010 0234"])
def test_edge_case_2_a_card_number_is_no_code(desk: MemoryDesk, typed: str) -> None:
    with pytest.raises(ScanCodeMalformed):
        desk.archive.forms.find_form(typed, EVERYTHING)


def test_edge_case_2_o_for_0_and_enter_from_the_gun_are_understood(desk: MemoryDesk) -> None:
    form = desk.issue()
    code = desk.code(form)
    typed = code[:2] + code[2:].replace("0", "O").replace("1", "I")
    assert desk.archive.forms.find_form(f"{typed}\r\n", EVERYTHING) == form
    assert desk.archive.forms.find_form(f"{typed.lower()}\t", EVERYTHING) == form


def test_edge_case_3_a_code_that_is_redeemed_names_the_paper_which_takes_a_new_version(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form)
    with pytest.raises(ScanCodeRedeemed) as refused:
        desk.archive.forms.check_form(form, a_caller(), EVERYTHING)
    evidence = desk.evidence(form)
    assert refused.value.extra == {"existing": str(evidence)}
    desk.archive.corrections.replace_content(
        evidence, an_upload(b"better"), "a better scan", a_caller(), rights=EVERYTHING, expected_version=1
    )
    assert len(desk.document(evidence).files) == 2
    assert desk.evidence(form) == evidence


def test_edge_case_4_of_two_desks_with_one_code_one_wins_and_the_other_is_told_who(desk: MemoryDesk) -> None:
    """At the same instant: tests/property/test_one_code.py."""
    form = desk.issue()
    token = desk.archive.forms.check_form(form, a_caller(actor="p.jansen"), EVERYTHING).check_token
    desk.log.before_append.append(lambda: desk.attach(form, b"of the quicker desk"))
    order = an_order(customer=None, type=None, authorization=form, check_token=token)
    with pytest.raises(ScanCodeRedeemed) as refused:
        desk.archive.filing.archive_file(order, an_upload(), a_caller(actor="p.jansen"), EVERYTHING)
    assert refused.value.extra == {"existing": str(desk.evidence(form))}
    assert list(desk.contents.plain.values()) == [b"of the quicker desk"]


def test_edge_case_6_the_same_file_twice_on_one_customer_is_told_and_added_only_when_that_was_said(
    desk: MemoryDesk,
) -> None:
    first = desk.file()
    with pytest.raises(DuplicateContent) as refused:
        desk.file()
    assert refused.value.extra == {"existing": str(first)}
    assert desk.file(duplicate_allowed=True) != first


def test_edge_case_6_the_same_file_on_two_customers_gives_no_hint_of_the_other(desk: MemoryDesk) -> None:
    papers = desk.file(), desk.file(customer="100235")
    assert desk.topics == ["document-archived.v1"] * 2
    kinds = [
        [(kind, digest) for (kind, digest), owner in desk.log._recorder._claims.items() if owner == p] for p in papers
    ]
    assert kinds[0] != kinds[1], "the digests of one content under two customers' keys have nothing in common"


def test_edge_case_8_after_no_upload_the_paper_arrives_and_its_original_need_not_be_kept(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.note_signed(form, shelf_mark="B 12")
    assert (desk.authorization(form).original_held, desk.authorization(form).evidence) == (True, None)
    assert desk.archive.forms.check_form(form, a_caller(), EVERYTHING).state.status is AuthorizationStatus.ACTIVE
    desk.attach(form)
    state = desk.authorization(form)
    assert (state.status, state.original_held) == (AuthorizationStatus.ACTIVE, False)
    assert desk.log.load(form)[-1].body.original_was_held


def test_edge_case_9_an_unsigned_form_that_is_refused_stays_issued_and_can_be_signed_later(desk: MemoryDesk) -> None:
    """Who says that it is unsigned is refused at the door (tests/http); a signature of tomorrow is none either."""
    form = desk.issue()
    before = desk.trace()
    with pytest.raises(ValidationFailed):
        desk.attach(form, signed_on=TODAY + timedelta(days=1))
    assert (desk.trace(), desk.authorization(form).status) == (before, AuthorizationStatus.ISSUED)
    desk.attach(form)
    assert desk.authorization(form).status is AuthorizationStatus.ACTIVE


def test_edge_case_10_an_older_scan_of_a_revoked_mandate_is_archived_and_brings_nothing_to_life(
    desk: MemoryDesk,
) -> None:
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=UNSIGNED)
    desk.note_signed(form)
    desk.change(form, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="by letter"))
    desk.attach(form, received_on=date(2026, 11, 1))
    assert desk.authorization(form).status is AuthorizationStatus.REVOKED
    assert desk.document(desk.evidence(form)).status is DocumentStatus.ARCHIVED
    assert desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate()), "its account stays free for another mandate"


@pytest.mark.parametrize("outcome", CollectionOutcome)
def test_edge_case_11_36_months_after_a_leap_day_are_the_28th(outcome: CollectionOutcome) -> None:
    desk = MemoryDesk()
    desk.clock.move_to(date(2028, 2, 29))
    paper = desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate())
    today = desk.clock.today()
    desk.change(paper, ReportCollection(presented_on=today, due_on=today, outcome=outcome, today=today))
    desk.clock.move_to(date(2031, 2, 28))
    assert not desk.archive.life.lapse_authorization(paper)
    desk.clock.move_to(date(2031, 3, 1))
    assert desk.archive.life.lapse_authorization(paper)
    assert desk.authorization(paper).ended_on == date(2031, 2, 28)


def test_edge_case_12_an_iban_that_changed_keeps_the_old_one_in_the_history(desk: MemoryDesk) -> None:
    paper = desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate())
    desk.change(paper, AmendMandate(Amendment(iban=an_iban("ABNA")), "changed banks"))
    event = desk.log.load(paper)[-1].body
    assert (event.old.iban, event.new.iban, event.same_bank) == (IBAN, an_iban("ABNA"), False)
    assert event.new.sequence_type is SequenceType.FIRST


def test_edge_case_12_the_account_holder_may_be_another_and_the_customer_a_school(desk: MemoryDesk) -> None:
    school = Customer(id="100236", name="De Regenboog", kind=CustomerKind.ORGANISATION)
    desk.customers.known[school.id] = school
    paper = desk.note(
        customer=school.id, type="DEBT_AUTHORIZATION", mandate=a_mandate(debtor_name="Gemeente Gent, kas 4")
    )
    mandate = desk.authorization(paper).mandate
    assert mandate is not None
    assert mandate.debtor_name == "Gemeente Gent, kas 4"


def test_edge_case_13_on_the_18th_birthday_a_guardians_consent_is_neither_ended_nor_gone(desk: MemoryDesk) -> None:
    """What its form asks of a guardian, and where the flag is shown: tests/http."""
    paper, born = desk.file(type="GUARDIAN_CONSENT"), date(2010, 1, 2)
    kind = desk.archive.catalogues.load_types()["GUARDIAN_CONSENT"]
    assert [kind.is_of_age(born, day) for day in (date(2028, 1, 1), date(2028, 1, 2))] == [False, True]
    desk.clock.move_to(date(2028, 1, 3))
    assert not desk.archive.life.lapse_authorization(paper)
    assert desk.authorization(paper).status_on(desk.clock.today()) is AuthorizationStatus.ACTIVE
    assert desk.contents.plain[desk.document(desk.evidence(paper)).files[-1].content.id] == PDF


def test_edge_case_18_a_reading_disability_form_does_not_exist_without_its_permission(desk: MemoryDesk) -> None:
    form = desk.issue(type="READING_DISABILITY")
    code = desk.code(form)
    desk.attach(form)
    evidence = desk.evidence(form)
    with pytest.raises(ScanCodeUnknown):
        desk.archive.forms.find_form(code, NO_HEALTH)
    for paper in (form, evidence):
        assert not desk.archive.papers.is_visible(paper, NO_HEALTH)
    with pytest.raises(NotFound):
        desk.archive.forms.check_form(form, a_caller(), NO_HEALTH)
    with pytest.raises(NotFound):
        desk.archive.forms.load_printed_form(form, NO_HEALTH)
    with pytest.raises(NotFound):
        desk.archive.life.load_outcome(form, NO_HEALTH)
    with pytest.raises(NotFound):
        desk.change(form, Suspend(TODAY, "x"), rights=NO_HEALTH)
    describe = Describe(note="x", today=TODAY, reason="x")
    with pytest.raises(NotFound):
        desk.archive.corrections.correct_document(
            evidence, describe, a_caller(), rights=NO_HEALTH, expected_version=None
        )


def test_edge_case_19_a_copy_of_what_is_only_verified_needs_its_legal_ground(desk: MemoryDesk) -> None:
    with pytest.raises(ValidationFailed) as refused:
        desk.file(type="IDENTIFICATION")
    assert [e.field for e in refused.value.errors] == ["ground"]
    assert desk.contents.put_in_order == []
    kept = desk.file(type="IDENTIFICATION", ground="Art. 6(1)(c) GDPR")
    assert desk.log.load(kept)[0].body.ground == "Art. 6(1)(c) GDPR"


def test_edge_case_19_of_what_is_seen_only_what_was_seen_is_kept(desk: MemoryDesk) -> None:
    desk.note(type="IDENTIFICATION", verification=a_verification(), original_held=False, shelf_mark=None)
    assert (desk.topics, desk.contents.put_in_order) == (["identity-seen.v1"], [])


def test_edge_case_20_what_came_in_keeps_the_label_of_its_day(desk: MemoryDesk) -> None:
    letter, form = desk.file(), desk.issue()
    desk.define("LETTER", labels={"en": "Post"})
    desk.define("GUARDIAN_CONSENT", labels={"en": "Parents"}, active=False)
    assert desk.document(letter).type.labels["en"] == "Letter"
    assert desk.authorization(form).type.labels["en"] == "Guardian consent"
    assert desk.document(desk.file(b"other")).type.labels["en"] == "Post"


def test_edge_case_20_of_a_type_that_was_switched_off_issued_forms_still_come_in_and_new_papers_do_not(
    desk: MemoryDesk,
) -> None:
    form = desk.issue()
    desk.define("GUARDIAN_CONSENT", active=False)
    desk.define("FORM", active=False)
    desk.attach(form)
    assert desk.authorization(form).status is AuthorizationStatus.ACTIVE
    letter = desk.file(b"other")
    with pytest.raises(DocumentTypeInactive):
        desk.file(b"third", type="GUARDIAN_CONSENT")
    with pytest.raises(DocumentTypeInactive):
        desk.archive.forms.issue_form(a_form(), a_caller())
    with pytest.raises(DocumentTypeInactive):
        desk.correct(letter, Reclassify(a_document_type("FORM", active=False), "is a form"))


def test_edge_case_21_what_a_staff_member_did_stays_readable_after_they_left(desk: MemoryDesk) -> None:
    desk.archive.catalogues.administer(CreateToken(name="p.jansen", digest=b"x" * 32, role=Role.STAFF), a_caller())
    paper = desk.archive.forms.issue_form(a_form(), a_caller(actor="p.jansen", branch="WEST")).recorded[0].envelope
    desk.archive.catalogues.administer(RevokeToken("p.jansen"), a_caller())
    [told] = desk.archive.life.load_outcome(paper.originator_id, EVERYTHING).recorded
    assert (told.envelope.meta.actor, told.envelope.meta.branch) == ("p.jansen", "WEST")


AMSTERDAM, NEW_YORK = ZoneInfo("Europe/Amsterdam"), ZoneInfo("America/New_York")
# 31 December in UTC and in New York, and already the new year in Amsterdam.
NEW_YEAR = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)


def test_edge_case_22_signed_on_31_december_and_scanned_on_1_january_where_the_institution_stands() -> None:
    desk = MemoryDesk()
    desk.clock.moment, desk.clock.zone = NEW_YEAR, AMSTERDAM
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=UNSIGNED)
    outcome = desk.attach(form, signed_on=date(2026, 12, 31))
    assert desk.authorization(form).signed_on == date(2026, 12, 31)
    evidence = desk.document(desk.evidence(form))
    assert evidence.description is not None
    assert evidence.description.received_on == date(2027, 1, 1)
    assert outcome.recorded[-1].envelope.meta.occurred_at == NEW_YEAR
    assert desk.authorization(form).lapses_on == date(2029, 12, 31)


@pytest.mark.parametrize(("zone", "taken"), [(AMSTERDAM, True), (NEW_YORK, False)])
def test_edge_case_22_the_first_of_january_has_come_or_not_by_the_institutions_clock(
    zone: ZoneInfo, taken: bool
) -> None:
    desk = MemoryDesk()
    desk.clock.moment, desk.clock.zone = NEW_YEAR, zone
    form = desk.issue()
    if taken:
        desk.attach(form, signed_on=date(2027, 1, 1))
        return
    with pytest.raises(ValidationFailed):
        desk.attach(form, signed_on=date(2027, 1, 1))


def test_edge_case_22_what_ends_with_the_year_ends_by_the_institutions_clock() -> None:
    for zone, ended in [(AMSTERDAM, True), (NEW_YORK, False)]:
        desk = MemoryDesk()
        paper = desk.note(valid_until=date(2026, 12, 31))
        desk.clock.moment, desk.clock.zone = NEW_YEAR, zone
        assert desk.archive.life.lapse_authorization(paper) is ended
