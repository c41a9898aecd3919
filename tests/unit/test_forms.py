"""Forms as use cases over ports in memory (F1 to F4, B5 to B8): issued, printed again, found by their code, checked."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.access import Rights
from domain.authorization import AuthorizationIssued, AuthorizationStatus, Cancel, Revoke, Suspend
from domain.catalogue import SHIPPED
from domain.document import Withdraw
from domain.mandate import Mandate, SequenceType
from domain.refusals import (
    AuthorizationNotActive,
    CheckRequired,
    CustomerErased,
    CustomerUnknown,
    DocumentTypeInactive,
    DocumentTypeUnknown,
    ExternalIdTaken,
    FieldError,
    IbanInvalid,
    IdempotencyKeyReused,
    MandateReferenceTaken,
    NotFound,
    ScanCodeMalformed,
    ScanCodeRedeemed,
    ScanCodeUnknown,
    SourceNotAllowed,
    Unavailable,
    ValidationFailed,
)
from domain.scan_code import group_code, make_code
from tests.builders.memory import EVERYTHING, MemoryDesk, paper_of
from tests.builders.papers import (
    CREDITOR,
    IBAN,
    a_caller,
    a_form,
    a_mandate,
    an_iban,
    an_order,
    an_upload,
)

TODAY = date(2026, 11, 24)
NO_HEALTH = Rights([code for code in SHIPPED if code != "READING_DISABILITY"])


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def issued(desk: MemoryDesk, **form: Any) -> AuthorizationIssued:
    event = desk.log.load(desk.issue(**form))[0].body
    assert isinstance(event, AuthorizationIssued)
    return event


# -- issuing ----------------------------------------------------------------------------------------------------


def test_a_form_is_issued_with_a_code_of_its_type_and_a_date_on_which_it_lapses(desk: MemoryDesk) -> None:
    event = issued(desk, note="handed over", external_id="crm-1", valid_until=date(2027, 6, 30))
    assert isinstance(event.scan_code, str)
    assert event.scan_code == make_code("GC", int(event.scan_code[2:14]))
    assert event.lapses_on == TODAY + timedelta(days=180)
    assert (event.language, event.note, event.external_id) == ("nl", "handed over", "crm-1")
    assert (event.valid_until, event.customer) == (date(2027, 6, 30), desk.keys.references["100234"])
    assert desk.topics == ["authorization-issued.v1"]


def test_a_mandates_form_carries_a_reference_and_the_creditor_even_without_anything_else(desk: MemoryDesk) -> None:
    form = issued(desk, type="DEBT_AUTHORIZATION")
    mandate = form.mandate
    assert isinstance(mandate, Mandate)
    assert (mandate.creditor_id, mandate.sequence_type, mandate.iban) == (CREDITOR, SequenceType.RECURRING, None)
    assert mandate.mandate_reference is not None
    assert 1 <= len(mandate.mandate_reference) <= 35


def test_the_numbers_of_a_mandate_are_folded_as_it_is_issued(desk: MemoryDesk) -> None:
    given = Mandate(iban="be68 5390 0754 7034", bic="gkccbebb", mandate_reference=" UMR 1 ")
    mandate = issued(desk, type="DEBT_AUTHORIZATION", mandate=given).mandate
    assert isinstance(mandate, Mandate)
    assert (mandate.iban, mandate.bic, mandate.mandate_reference) == (IBAN, "GKCCBEBB", "UMR 1")


def test_no_two_forms_have_the_same_code_or_reference(desk: MemoryDesk) -> None:
    forms = [issued(desk, type="DEBT_AUTHORIZATION") for _ in range(20)]
    assert len({f.scan_code for f in forms}) == 20
    assert len({f.mandate.mandate_reference for f in forms if isinstance(f.mandate, Mandate)}) == 20


def test_a_number_that_was_drawn_before_is_drawn_again(desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([7, 7, 8])
    monkeypatch.setattr("domain.forms.random_number", lambda: next(numbers))
    assert [issued(desk).scan_code for _ in range(2)] == [make_code("GC", 7), make_code("GC", 8)]


def test_after_many_numbers_that_were_drawn_before_it_gives_up(
    desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.forms.random_number", lambda: 7)
    desk.issue()
    before = desk.trace()
    with pytest.raises(Unavailable):
        desk.issue()
    assert desk.trace() == before


REFUSED: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "unknown customer": ({"customer": "nobody"}, CustomerUnknown),
    "unknown type": ({"type": "NOTHING"}, DocumentTypeUnknown),
    "type switched off": ({"type": "OTHER_AUTHORIZATION"}, DocumentTypeInactive),
    "a document has no form": ({"type": "LETTER"}, SourceNotAllowed),
    "nor has what is only seen": ({"type": "IDENTIFICATION"}, SourceNotAllowed),
    "ends before it begins": ({"valid_from": TODAY, "valid_until": date(2026, 11, 23)}, ValidationFailed),
    "collection data of no mandate": ({"mandate": a_mandate()}, ValidationFailed),
    "IBAN": ({"type": "DEBT_AUTHORIZATION", "mandate": a_mandate(iban="BE68539007547035")}, IbanInvalid),
    "BIC": ({"type": "DEBT_AUTHORIZATION", "mandate": a_mandate(bic="x")}, FieldError),
    "mandate reference": ({"type": "DEBT_AUTHORIZATION", "mandate": a_mandate(mandate_reference="//")}, FieldError),
}


@pytest.mark.parametrize(("form", "refusal"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_form_leaves_nothing(desk: MemoryDesk, form: dict[str, Any], refusal: type[Exception]) -> None:
    desk.define("OTHER_AUTHORIZATION", active=False)
    before = desk.trace()
    with pytest.raises(refusal):
        desk.archive.forms.issue_form(a_form(**form), a_caller(idempotency_key="k"))
    assert desk.trace() == before
    assert not desk.archive.forms.issue_form(a_form(), a_caller(idempotency_key="k")).replayed


def test_a_reference_and_an_external_id_that_are_taken_refuse_a_form(desk: MemoryDesk) -> None:
    first = desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(mandate_reference="UMR 1"), external_id="crm-1")
    before = desk.trace()
    with pytest.raises(MandateReferenceTaken):
        desk.issue(customer="100235", type="DEBT_AUTHORIZATION", mandate=Mandate(mandate_reference="umr 1"))
    with pytest.raises(ExternalIdTaken) as refused:
        desk.issue(external_id="crm-1")
    assert refused.value.extra == {"existing": str(first)}
    assert desk.trace() == before


def test_two_forms_for_one_account_may_be_issued_for_only_one_can_be_signed(desk: MemoryDesk) -> None:
    for _ in range(2):
        desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None))
    assert desk.topics == ["authorization-issued.v1"] * 2


def test_a_form_issued_twice_with_its_key_is_one_form(desk: MemoryDesk) -> None:
    first, second = (desk.archive.forms.issue_form(a_form(), a_caller(idempotency_key="k")) for _ in range(2))
    assert (first.replayed, second.replayed) == (False, True)
    assert list(second.recorded) == list(first.recorded)
    with pytest.raises(IdempotencyKeyReused):
        desk.archive.forms.issue_form(a_form(language="de"), a_caller(idempotency_key="k"))


def test_two_first_papers_of_one_customer_both_arrive(desk: MemoryDesk) -> None:
    desk.log.before_append.append(lambda: desk.note())
    assert desk.issue()
    assert len(desk.keys.references) == 1


def test_an_erased_customer_gets_no_form(desk: MemoryDesk) -> None:
    desk.note()
    desk.keys.erase("100234")
    with pytest.raises(CustomerErased):
        desk.issue()


# -- printing ---------------------------------------------------------------------------------------------------


def test_a_form_that_is_printed_again_keeps_its_code_and_writes_nothing(desk: MemoryDesk) -> None:
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None))
    desk.attach(form)
    before = desk.trace()
    printed = [desk.archive.forms.load_printed_form(form, EVERYTHING) for _ in range(2)]
    assert printed[0] == printed[1]
    assert printed[0].issued.scan_code == desk.code(form)
    assert (printed[0].customer_id, printed[0].issued_on) == ("100234", TODAY)
    assert desk.trace() == before


def test_a_print_says_what_was_issued_whatever_happened_since(desk: MemoryDesk) -> None:
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None))
    desk.note_signed(form, mandate=a_mandate(iban=an_iban("ABNA")))
    mandate = desk.archive.forms.load_printed_form(form, EVERYTHING).issued.mandate
    assert isinstance(mandate, Mandate)
    assert mandate.iban == IBAN


def test_what_came_without_a_form_has_none_to_print(desk: MemoryDesk) -> None:
    for paper in (desk.note(), desk.file(), UUID(int=9)):
        with pytest.raises(NotFound):
            desk.archive.forms.load_printed_form(paper, EVERYTHING)


def test_a_form_is_not_printed_for_who_may_not_see_it_or_of_who_was_erased(desk: MemoryDesk) -> None:
    form = desk.issue(type="READING_DISABILITY")
    with pytest.raises(NotFound):
        desk.archive.forms.load_printed_form(form, NO_HEALTH)
    desk.keys.erase("100234")
    with pytest.raises(CustomerErased):
        desk.archive.forms.load_printed_form(form, EVERYTHING)


# -- finding by the code ----------------------------------------------------------------------------------------


def test_a_form_is_found_by_its_code_however_it_is_typed(desk: MemoryDesk) -> None:
    form = desk.issue()
    code = desk.code(form)
    for typed in (code, code.lower(), group_code(code), f" {code}\r\n", code[:2] + code[2:].replace("0", "O")):
        assert desk.archive.forms.find_form(typed, EVERYTHING) == form


def test_a_code_that_nobody_issued_is_unknown_and_one_that_cannot_be_is_malformed(desk: MemoryDesk) -> None:
    desk.issue()
    with pytest.raises(ScanCodeUnknown):
        desk.archive.forms.find_form(make_code("GC", 5), EVERYTHING)
    for text in (make_code("GC", 5)[:-1], "", "hello world!", "100234"):
        with pytest.raises(ScanCodeMalformed):
            desk.archive.forms.find_form(text, EVERYTHING)


def test_a_foreign_code_is_unknown_only_where_a_type_has_its_scheme(desk: MemoryDesk) -> None:
    with pytest.raises(ScanCodeMalformed):
        desk.archive.forms.find_form("199917", EVERYTHING)
    desk.define("OTHER_AUTHORIZATION", scheme="none")
    with pytest.raises(ScanCodeUnknown):
        desk.archive.forms.find_form("199917", EVERYTHING)


@pytest.mark.parametrize("rights", [NO_HEALTH, Rights(list(SHIPPED), "WEST")], ids=["type", "branch"])
def test_a_form_that_a_caller_may_not_see_is_an_unknown_code(desk: MemoryDesk, rights: Rights) -> None:
    form = desk.issue(type="READING_DISABILITY")
    with pytest.raises(ScanCodeUnknown):
        desk.archive.forms.find_form(desk.code(form), rights)
    with pytest.raises(NotFound):
        desk.archive.forms.check_form(form, a_caller(), rights)
    assert desk.archive.forms.find_form(desk.code(form), Rights(list(SHIPPED), "CENTRAL")) == form


def test_whatever_its_state_a_form_is_found(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.change(form, Cancel(TODAY, "x"))
    assert desk.archive.forms.find_form(desk.code(form), EVERYTHING) == form


# -- Check ------------------------------------------------------------------------------------------------------


def test_check_shows_customer_authorization_and_collection_data_and_writes_nothing(desk: MemoryDesk) -> None:
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None))
    before = desk.trace()
    checked = desk.archive.forms.check_form(form, a_caller(), EVERYTHING)
    assert (checked.authorization, checked.outcome.customer, checked.customer) == (
        form,
        "100234",
        desk.customers.get("100234"),
    )
    assert checked.state == desk.authorization(form)
    assert checked.state.mandate is not None
    assert checked.state.mandate.iban == IBAN
    assert desk.trace() == before


def test_after_no_upload_the_same_code_still_checks(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.note_signed(form)
    assert desk.archive.forms.check_form(form, a_caller(), EVERYTHING).state.status is AuthorizationStatus.ACTIVE


def test_check_refuses_each_in_its_own_words(desk: MemoryDesk) -> None:
    cancelled, suspended, revoked, lapsed, redeemed = (desk.issue() for _ in range(5))
    desk.change(cancelled, Cancel(TODAY, "x"))
    for form in (suspended, revoked):
        desk.note_signed(form)
    desk.change(suspended, Suspend(TODAY, "x"))
    desk.change(revoked, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="x"))
    desk.attach(redeemed)
    with pytest.raises(ScanCodeRedeemed) as of_paper:
        desk.archive.forms.check_form(redeemed, a_caller(), EVERYTHING)
    assert of_paper.value.extra == {"existing": str(desk.evidence(redeemed))}
    desk.clock.move_to(date(2027, 5, 24))
    for form, status in [
        (cancelled, "cancelled"),
        (suspended, "suspended"),
        (revoked, "revoked"),
        (lapsed, "expired"),
    ]:
        with pytest.raises(AuthorizationNotActive) as refused:
            desk.archive.forms.check_form(form, a_caller(), EVERYTHING)
        assert refused.value.extra == {"authorization_status": status}
        assert refused.value.sentence == AuthorizationNotActive.sentences[status]


def test_a_form_whose_paper_was_withdrawn_is_checked_as_issued(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form)
    with pytest.raises(ScanCodeRedeemed):
        desk.archive.forms.check_form(form, a_caller(), EVERYTHING)
    desk.correct(desk.evidence(form), Withdraw("x"))
    assert desk.archive.forms.check_form(form, a_caller(), EVERYTHING).state.status is AuthorizationStatus.ISSUED


def test_check_of_an_erased_customers_form_says_so(desk: MemoryDesk) -> None:
    form = desk.issue()
    code = desk.code(form)
    desk.keys.erase("100234")
    assert desk.archive.forms.find_form(code, EVERYTHING) == form
    with pytest.raises(CustomerErased):
        desk.archive.forms.check_form(form, a_caller(), EVERYTHING)


def test_a_customer_that_the_library_forgot_is_checked_without_a_name(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.customers.known.clear()
    checked = desk.archive.forms.check_form(form, a_caller(), EVERYTHING)
    assert (checked.customer, checked.outcome.customer) == (None, "100234")


# -- the token of a Check ---------------------------------------------------------------------------------------


def save_checked(desk: MemoryDesk, form: UUID, token: str | None, actor: str = "j.smit", **order: Any) -> UUID:
    """Select file with the token of a Check."""
    archive = an_order(**{"customer": None, "type": None, "authorization": form, "check_token": token, **order})
    return paper_of(desk.archive.filing.archive_file(archive, an_upload(), a_caller(actor=actor), EVERYTHING))


def test_what_was_checked_is_saved(desk: MemoryDesk) -> None:
    form = desk.issue()
    token = desk.archive.forms.check_form(form, a_caller(), EVERYTHING).check_token
    desk.clock.moment += timedelta(seconds=599)
    assert save_checked(desk, form, token) == form


def test_a_token_of_no_upload_is_asked_as_well(desk: MemoryDesk) -> None:
    form = desk.issue()
    with pytest.raises(CheckRequired):
        desk.note_signed(form, check_token="x.y")
    desk.note_signed(form, check_token=desk.archive.forms.check_form(form, a_caller(), EVERYTHING).check_token)
    assert desk.authorization(form).status is AuthorizationStatus.ACTIVE


def stale_tokens(desk: MemoryDesk, form: UUID) -> dict[str, str]:
    checked = desk.archive.forms.check_form(form, a_caller(), EVERYTHING).check_token
    payload, signature = checked.split(".")
    other = desk.archive.forms.check_form(desk.issue(), a_caller(), EVERYTHING).check_token
    return {
        "of another code": other,
        "of another actor": desk.archive.forms.check_form(form, a_caller(actor="p.jansen"), EVERYTHING).check_token,
        "put together": f"{payload}.{other.split('.')[1]}",
        "cut": checked[:-3],
        "without a signature": f"{payload}.",
        "nonsense": "nonsense",
        "not even text": "\u00e9.\u00e9",
        "empty": "",
        "of nothing": "." + signature,
    }


def test_a_token_is_good_for_its_code_and_actor_only(desk: MemoryDesk) -> None:
    form = desk.issue()
    for name, token in stale_tokens(desk, form).items():
        before = desk.trace()
        with pytest.raises(CheckRequired):
            save_checked(desk, form, token)
        assert desk.trace() == before, name


def test_a_token_is_good_for_ten_minutes(desk: MemoryDesk) -> None:
    form = desk.issue()
    token = desk.archive.forms.check_form(form, a_caller(), EVERYTHING).check_token
    desk.clock.moment += timedelta(seconds=600)
    with pytest.raises(CheckRequired):
        save_checked(desk, form, token)


def test_what_changed_since_its_check_is_checked_again(desk: MemoryDesk) -> None:
    form = desk.issue()
    token = desk.archive.forms.check_form(form, a_caller(), EVERYTHING).check_token
    desk.note_signed(form)
    with pytest.raises(CheckRequired):
        save_checked(desk, form, token)


def test_a_save_that_is_sent_again_with_its_key_and_token_is_answered(desk: MemoryDesk) -> None:
    form = desk.issue()
    token = desk.archive.forms.check_form(form, a_caller(), EVERYTHING).check_token
    first, second = (desk.attach(form, key="k", check_token=token) for _ in range(2))
    assert (first.replayed, second.replayed) == (False, True)
    assert list(second.recorded) == list(first.recorded)


def test_who_lost_a_race_with_a_token_is_told_of_the_paper_that_won(desk: MemoryDesk) -> None:
    form = desk.issue()
    token = desk.archive.forms.check_form(form, a_caller(), EVERYTHING).check_token
    desk.log.before_append.append(lambda: desk.attach(form, b"quicker"))
    with pytest.raises(ScanCodeRedeemed) as refused:
        save_checked(desk, form, token)
    assert refused.value.extra == {"existing": str(desk.evidence(form))}
