"""Rules of authorizations: given events, when a command, then events or a refusal. Mandates: test_mandate.py."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.authorization import (
    Amend,
    AttachEvidence,
    Authorization,
    AuthorizationCancelled,
    AuthorizationEvent,
    AuthorizationExpired,
    AuthorizationIssued,
    AuthorizationReassigned,
    AuthorizationRegistered,
    AuthorizationResumed,
    AuthorizationRevoked,
    AuthorizationSigned,
    AuthorizationStatus,
    AuthorizationSuperseded,
    AuthorizationSuspended,
    Cancel,
    Command,
    EvidenceAttached,
    ExpiryCause,
    Issue,
    Lapse,
    NoteSigned,
    Reassign,
    Register,
    ReportCollection,
    Resume,
    RevocationReceived,
    Revoke,
    Supersede,
    Suspend,
    Terms,
    decide,
    evolve,
    fold,
    require_checkable,
)
from domain.envelope import UNSET
from domain.mandate import Amendment, CollectionOutcome, Mandate
from domain.refusals import (
    AuthorizationNotActive,
    DocumentTypeInactive,
    IllegalTransition,
    ScanCodeRedeemed,
    SourceNotAllowed,
    ValidationFailed,
)
from domain.values import Source
from tests.builders.papers import IBAN, a_document_type, a_mandate, an_iban

CUSTOMER, OTHER, DOCUMENT, SUCCESSOR = (UUID(int=n) for n in range(1, 5))
TODAY = date(2026, 11, 24)
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
LAST_YEAR = date(2025, 11, 24)
CODE = "GC48271903665144"
MANDATE_TYPE = a_document_type("DEBT_AUTHORIZATION")


def registering(code: str = "GUARDIAN_CONSENT", **changes: Any) -> Register:
    usual: dict[str, Any] = {
        "customer": CUSTOMER,
        "type": a_document_type(code),
        "source": Source.NONE,
        "original_held": True,
        "shelf_mark": "B 12",
        "terms": Terms(signed_on=TODAY),
        "today": TODAY,
        "note": "by the father",
    }
    return Register(**usual | changes)


def issuing(code: str = "GUARDIAN_CONSENT", **changes: Any) -> Issue:
    usual: dict[str, Any] = {
        "customer": CUSTOMER,
        "type": a_document_type(code),
        "scan_code": CODE,
        "language": "nl",
        "lapses_on": TODAY + timedelta(days=180),
        "today": TODAY,
    }
    return Issue(**usual | changes)


def signing(code: str = "GUARDIAN_CONSENT", **changes: Any) -> NoteSigned:
    usual: dict[str, Any] = {
        "type": a_document_type(code),
        "original_held": True,
        "shelf_mark": "B 12",
        "terms": Terms(signed_on=TODAY),
        "today": TODAY,
    }
    return NoteSigned(**usual | changes)


def attaching(code: str = "GUARDIAN_CONSENT", **changes: Any) -> AttachEvidence:
    usual: dict[str, Any] = {
        "document": DOCUMENT,
        "type": a_document_type(code),
        "source": Source.FILE,
        "terms": Terms(signed_on=TODAY),
        "today": TODAY,
    }
    return AttachEvidence(**usual | changes)


def revoking(**changes: Any) -> Revoke:
    usual: dict[str, Any] = {"received_on": TODAY, "effective_on": TODAY, "today": TODAY, "reason": "by letter"}
    return Revoke(**usual | changes)


def registered(code: str = "GUARDIAN_CONSENT", **changes: Any) -> AuthorizationRegistered:
    [event] = decide(None, registering(code, **changes))
    assert isinstance(event, AuthorizationRegistered)
    return event


def issued(code: str = "GUARDIAN_CONSENT", **changes: Any) -> AuthorizationIssued:
    [event] = decide(None, issuing(code, **changes))
    assert isinstance(event, AuthorizationIssued)
    return event


def given(*events: AuthorizationEvent) -> Authorization:
    state = fold(events)
    assert state is not None
    return state


def after(state: Authorization, *commands: Command) -> Authorization:
    for command in commands:
        for event in decide(state, command):
            state = evolve(state, event)
    return state


def wrong_fields(state: Authorization | None, command: Command) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        decide(state, command)
    return [e.field for e in refused.value.errors]


# -- Register ---------------------------------------------------------------------------------------------------


def test_registering_keeps_everything_that_was_given() -> None:
    assert registered(external_id="crm-1", scan_code="199917") == AuthorizationRegistered(
        customer=CUSTOMER,
        type=a_document_type("GUARDIAN_CONSENT").stamp,
        source=Source.NONE,
        original_held=True,
        terms=Terms(signed_on=TODAY),
        last_collection_on=None,
        shelf_mark="B 12",
        mandate=None,
        note="by the father",
        external_id="crm-1",
        scan_code="199917",
    )


def test_a_registered_authorization_is_active_and_its_original_held() -> None:
    state = given(registered(scan_code="199917"))
    assert (state.status, state.version, state.original_held) == (AuthorizationStatus.ACTIVE, 1, True)
    assert (state.customer, state.signed_on, state.scan_code) == (CUSTOMER, TODAY, "199917")


def test_without_a_file_the_original_must_be_held() -> None:
    assert wrong_fields(None, registering(original_held=False)) == ["original.held"]


def test_beside_its_evidence_the_original_need_not_be_held() -> None:
    assert not registered(source=Source.FILE, original_held=False).original_held


@pytest.mark.parametrize("source", [Source.FILE, Source.NONE])
def test_a_document_is_no_authorization(source: Source) -> None:
    letter = a_document_type("LETTER", sources=tuple(Source))
    with pytest.raises(SourceNotAllowed):
        decide(None, registering(type=letter, source=source))


def test_a_type_that_is_switched_off_takes_nothing() -> None:
    off = a_document_type("GUARDIAN_CONSENT", active=False)
    for command in (registering(type=off), issuing(type=off)):
        with pytest.raises(DocumentTypeInactive):
            decide(None, command)


def test_a_type_takes_only_its_own_sources() -> None:
    scans_only = a_document_type("GUARDIAN_CONSENT", sources=(Source.SCAN,))
    assert registered(type=scans_only, source=Source.SCAN, original_held=False)
    with pytest.raises(SourceNotAllowed):
        decide(None, registering(type=scans_only))


def test_a_signature_is_of_today_or_earlier() -> None:
    assert registered(terms=Terms(signed_on=TODAY))
    assert wrong_fields(None, registering(terms=Terms(signed_on=TOMORROW))) == ["signed_on"]


def test_validity_may_end_on_its_first_day_and_not_before() -> None:
    assert registered(terms=Terms(signed_on=TODAY, valid_from=TOMORROW, valid_until=TOMORROW))
    backwards = Terms(signed_on=TODAY, valid_from=TOMORROW, valid_until=TODAY)
    assert wrong_fields(None, registering(terms=backwards)) == ["valid_until"]
    assert wrong_fields(None, issuing(valid_from=TOMORROW, valid_until=TODAY)) == ["valid_until"]


def test_all_wrong_fields_are_named_at_once() -> None:
    command = registering(
        original_held=False,
        terms=Terms(signed_on=TOMORROW, valid_from=TODAY, valid_until=YESTERDAY),
        mandate=a_mandate(signature_date=TOMORROW),
    )
    wrong = ["original.held", "signed_on", "valid_until", "mandate", "mandate.signature_date"]
    assert wrong_fields(None, command) == wrong


def test_collection_data_is_for_mandates_only() -> None:
    assert registered("DEBT_AUTHORIZATION", mandate=a_mandate()).mandate == a_mandate()
    assert wrong_fields(None, registering(mandate=a_mandate())) == ["mandate"]
    assert wrong_fields(None, issuing(mandate=a_mandate())) == ["mandate"]
    assert wrong_fields(given(issued()), signing(mandate=a_mandate())) == ["mandate"]


def test_a_mandate_is_never_signed_in_the_future() -> None:
    tomorrow, code = a_mandate(signature_date=TOMORROW), "DEBT_AUTHORIZATION"
    wrong = ["mandate.signature_date"]
    assert wrong_fields(None, registering(code, mandate=tomorrow)) == wrong
    assert wrong_fields(None, issuing(code, mandate=tomorrow)) == wrong
    assert wrong_fields(given(issued(code)), signing(code, mandate=tomorrow)) == wrong


VALID_A_YEAR = a_document_type("GUARDIAN_CONSENT", validity_months=12)


@pytest.mark.parametrize(
    ("terms", "valid_until"),
    [
        (Terms(signed_on=TODAY), date(2027, 11, 24)),
        (Terms(signed_on=TODAY, valid_from=date(2027, 1, 31)), date(2028, 1, 31)),
        (Terms(signed_on=TODAY, valid_until=TOMORROW), TOMORROW),
    ],
    ids=["from the signature", "from its first day", "what is said goes first"],
)
def test_a_type_with_a_validity_ends_what_has_no_end_of_its_own(terms: Terms, valid_until: date) -> None:
    paper = given(issued(type=VALID_A_YEAR))
    [registered_event] = decide(None, registering(type=VALID_A_YEAR, terms=terms))
    for state in (
        given(registered_event),
        after(paper, signing(type=VALID_A_YEAR, terms=terms)),
        after(paper, attaching(type=VALID_A_YEAR, terms=terms)),
    ):
        assert state.valid_until == valid_until


# -- Issue ------------------------------------------------------------------------------------------------------


def test_issuing_keeps_everything_that_was_given() -> None:
    command = issuing(
        "DEBT_AUTHORIZATION",
        mandate=a_mandate(signature_date=None),
        valid_from=TODAY,
        valid_until=TOMORROW,
        note="handed over",
        external_id="crm-2",
    )
    assert decide(None, command) == [
        AuthorizationIssued(
            customer=CUSTOMER,
            type=MANDATE_TYPE.stamp,
            language="nl",
            lapses_on=TODAY + timedelta(days=180),
            valid_from=TODAY,
            valid_until=TOMORROW,
            scan_code=CODE,
            mandate=a_mandate(signature_date=None),
            note="handed over",
            external_id="crm-2",
        )
    ]


def test_an_issued_form_waits_for_its_signature() -> None:
    state = given(issued("DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None), valid_until=TOMORROW))
    assert (state.status, state.version, state.signed_on) == (AuthorizationStatus.ISSUED, 1, None)
    assert (state.scan_code, state.valid_until, state.original_held) == (CODE, TOMORROW, False)
    assert state.mandate is not None
    assert not state.mandate.is_complete


def test_no_form_is_issued_for_a_document() -> None:
    with pytest.raises(SourceNotAllowed):
        decide(None, issuing("LETTER"))


# -- the signed form comes back ---------------------------------------------------------------------------------


def test_a_form_noted_as_signed_is_active_and_its_original_held() -> None:
    state = given(issued("DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None)))
    events = decide(state, signing("DEBT_AUTHORIZATION", terms=Terms(signed_on=YESTERDAY), note="at the desk"))
    assert events == [
        AuthorizationSigned(
            customer=CUSTOMER,
            source=Source.NONE,
            original_held=True,
            terms=Terms(signed_on=YESTERDAY),
            shelf_mark="B 12",
            mandate=a_mandate(signature_date=YESTERDAY),
            note="at the desk",
            external_id=None,
        )
    ]
    signed = evolve(state, events[0])
    assert (signed.status, signed.version, signed.original_held) == (AuthorizationStatus.ACTIVE, 2, True)
    assert (signed.signed_on, signed.scan_code) == (YESTERDAY, CODE)
    assert signed.mandate == a_mandate(signature_date=YESTERDAY)


def test_what_was_typed_off_the_signed_paper_takes_the_place_of_what_was_issued() -> None:
    typed = a_mandate(iban=an_iban("ABNA"), signature_date=TODAY)
    form = given(issued("DEBT_AUTHORIZATION", mandate=a_mandate()))
    assert after(form, signing("DEBT_AUTHORIZATION", mandate=typed)).mandate == typed


@pytest.mark.parametrize("command", [signing, attaching], ids=["noted", "archived"])
def test_the_date_of_signature_that_a_form_was_issued_with_survives_its_paper(command: Callable[..., Command]) -> None:
    form = given(issued("DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=LAST_YEAR)))
    state = after(form, command("DEBT_AUTHORIZATION", terms=Terms(signed_on=YESTERDAY)))
    assert state.mandate is not None
    assert (state.signed_on, state.mandate.signature_date) == (LAST_YEAR, LAST_YEAR)


def test_the_first_paper_of_an_issued_form_signs_it_and_is_its_evidence() -> None:
    state = given(issued("DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None)))
    events = decide(state, attaching("DEBT_AUTHORIZATION", source=Source.SCAN, terms=Terms(signed_on=YESTERDAY)))
    assert events == [
        AuthorizationSigned(
            customer=CUSTOMER,
            source=Source.SCAN,
            original_held=False,
            terms=Terms(signed_on=YESTERDAY),
            shelf_mark=None,
            mandate=a_mandate(signature_date=YESTERDAY),
            note=None,
            external_id=None,
        ),
        EvidenceAttached(customer=CUSTOMER, document=DOCUMENT, original_was_held=False),
    ]
    signed = after(state, attaching("DEBT_AUTHORIZATION"))
    assert (signed.status, signed.evidence, signed.version) == (AuthorizationStatus.ACTIVE, DOCUMENT, 3)


@pytest.mark.parametrize("command", [signing(), attaching()], ids=["noted", "archived"])
def test_the_validity_that_the_form_says_holds_where_nothing_else_is_said(command: Command) -> None:
    state = after(given(issued(valid_from=TOMORROW, valid_until=date(2027, 6, 30))), command)
    assert (state.valid_from, state.valid_until) == (TOMORROW, date(2027, 6, 30))


@pytest.mark.parametrize("command", [signing(), attaching()], ids=["noted", "archived"])
def test_what_is_said_of_the_validity_goes_before_what_the_form_says(command: NoteSigned | AttachEvidence) -> None:
    said = msgspec.structs.replace(
        command, terms=Terms(signed_on=TODAY, valid_from=YESTERDAY, valid_until=date(2027, 1, 1))
    )
    state = after(given(issued(valid_from=TOMORROW, valid_until=date(2027, 6, 30))), said)
    assert (state.valid_from, state.valid_until) == (YESTERDAY, date(2027, 1, 1))


def test_a_form_is_not_signed_tomorrow_nor_for_a_time_that_ends_before_it_begins() -> None:
    form = given(issued(valid_from=TODAY))
    for command in (signing, attaching):
        assert wrong_fields(form, command(terms=Terms(signed_on=TOMORROW))) == ["signed_on"]
        assert wrong_fields(form, command(terms=Terms(signed_on=TODAY, valid_until=YESTERDAY))) == ["valid_until"]


def test_without_a_file_the_original_of_a_form_must_be_held() -> None:
    assert wrong_fields(given(issued()), signing(original_held=False)) == ["original.held"]


def test_a_signed_form_comes_in_only_as_its_type_allows() -> None:
    scans_only = a_document_type("GUARDIAN_CONSENT", sources=(Source.SCAN,))
    for command in (signing(type=scans_only), attaching(type=scans_only)):
        with pytest.raises(SourceNotAllowed):
            decide(given(issued()), command)
    assert decide(given(issued()), attaching(type=scans_only, source=Source.SCAN))


def test_a_form_comes_back_although_its_type_was_switched_off_meanwhile() -> None:
    off = a_document_type("GUARDIAN_CONSENT", active=False)
    assert decide(given(issued()), signing(type=off))
    assert decide(given(issued()), attaching(type=off))


def test_evidence_clears_original_held_and_remembers_that_it_was() -> None:
    state = given(registered())
    events = decide(state, attaching())
    assert events == [EvidenceAttached(customer=CUSTOMER, document=DOCUMENT, original_was_held=True)]
    state = evolve(state, events[0])
    assert (state.evidence, state.original_held, state.version) == (DOCUMENT, False, 2)


def test_the_paper_of_a_form_that_was_noted_before_is_attached_and_signs_nothing_again() -> None:
    noted = after(given(issued()), signing(terms=Terms(signed_on=YESTERDAY)))
    events = decide(noted, attaching())
    assert events == [EvidenceAttached(customer=CUSTOMER, document=DOCUMENT, original_was_held=True)]
    assert evolve(noted, events[0]).signed_on == YESTERDAY


@pytest.mark.parametrize("first", [registered(), issued()], ids=["registered", "issued"])
def test_a_second_paper_is_told_of_the_first(first: AuthorizationEvent) -> None:
    state = after(given(first), attaching())
    for command in (attaching(document=OTHER), signing()):
        with pytest.raises(ScanCodeRedeemed) as refused:
            decide(state, command)
        assert refused.value.extra == {"existing": str(DOCUMENT)}


# -- status x command -------------------------------------------------------------------------------------------

SIGNED: list[AuthorizationEvent] = [
    issued("DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None)),
    AuthorizationSigned(
        customer=CUSTOMER,
        source=Source.NONE,
        original_held=True,
        terms=Terms(signed_on=LAST_YEAR),
        shelf_mark=None,
        mandate=a_mandate(signature_date=LAST_YEAR),
        note=None,
        external_id=None,
    ),
]
SUSPENDED = AuthorizationSuspended(customer=CUSTOMER, on=TODAY, reason="abroad")
LATER_REVOKED = RevocationReceived(customer=CUSTOMER, received_on=LAST_YEAR, effective_on=TODAY, reason="by letter")


def valid_until(day: date) -> AuthorizationSigned:
    signed = SIGNED[1]
    assert isinstance(signed, AuthorizationSigned)
    return msgspec.structs.replace(signed, terms=Terms(signed_on=LAST_YEAR, valid_until=day))


STATES: dict[str, list[AuthorizationEvent]] = {
    "issued": [SIGNED[0]],
    "active": [*SIGNED],
    "suspended": [*SIGNED, SUSPENDED],
    "revoked": [
        *SIGNED,
        AuthorizationRevoked(
            customer=CUSTOMER, was=AuthorizationStatus.ACTIVE, received_on=TODAY, effective_on=TODAY, reason="x"
        ),
    ],
    "expired": [
        *SIGNED,
        AuthorizationExpired(
            customer=CUSTOMER, was=AuthorizationStatus.ACTIVE, on=YESTERDAY, cause=ExpiryCause.VALIDITY
        ),
    ],
    "superseded": [
        *SIGNED,
        AuthorizationSuperseded(
            customer=CUSTOMER, was=AuthorizationStatus.ACTIVE, on=YESTERDAY, by=SUCCESSOR, reason="x"
        ),
    ],
    "cancelled": [SIGNED[0], AuthorizationCancelled(customer=CUSTOMER, on=YESTERDAY, reason="x")],
    "expired form": [
        SIGNED[0],
        AuthorizationExpired(customer=CUSTOMER, was=AuthorizationStatus.ISSUED, on=YESTERDAY, cause=ExpiryCause.FORM),
    ],
    # What the calendar has decided, and nobody has yet written down.
    "expired by now": [SIGNED[0], valid_until(YESTERDAY)],
    "revoked by now": [*SIGNED, LATER_REVOKED],
    "expired form by now": [
        issued("DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None), lapses_on=YESTERDAY, today=LAST_YEAR)
    ],
}
STATUSES = {name: "expired" if name.startswith("expired") else name.split()[0] for name in STATES}

COLLECTED = {"due_on": TODAY, "outcome": CollectionOutcome.PAID, "today": TODAY}
COMMANDS: dict[str, Command] = {
    "note signed": signing("DEBT_AUTHORIZATION"),
    "attach evidence": attaching("DEBT_AUTHORIZATION"),
    "amend": Amend(Amendment(debtor_name="J. Maes"), TODAY, "married", Mandate()),
    "suspend": Suspend(TODAY, "abroad"),
    "resume": Resume(TODAY, "is back"),
    "revoke": revoking(),
    "revoke later": revoking(effective_on=TOMORROW),
    "supersede": Supersede(SUCCESSOR, given(*SIGNED), TODAY, "a new form"),
    "cancel": Cancel(TODAY, "never came back"),
    "collect": ReportCollection(presented_on=TODAY, **COLLECTED),  # type: ignore[arg-type]  # fields of several types
    "collect of its time": ReportCollection(presented_on=LAST_YEAR, **COLLECTED),  # type: ignore[arg-type]  # as above
    "reassign": Reassign(OTHER, "of the daughter"),
}
# yes, illegal-transition, or authorization-not-active; the last five states are over.
#                       issued  active suspended over    over without a signature
TABLE = {
    "note signed":         "yes     illegal inactive inactive inactive",
    "attach evidence":     "yes     yes     yes      yes      inactive",
    "amend":               "illegal yes     yes      illegal  illegal",
    "suspend":             "illegal yes     illegal  illegal  illegal",
    "resume":              "illegal illegal yes      illegal  illegal",
    "revoke":              "illegal yes     yes      illegal  illegal",
    "revoke later":        "illegal yes     yes      illegal  illegal",
    "supersede":           "illegal yes     yes      illegal  illegal",
    "cancel":              "yes     illegal illegal  illegal  illegal",
    "collect":             "inactive yes    inactive inactive inactive",
    "collect of its time": "inactive yes    yes      yes      inactive",
    "reassign":            "yes     yes     yes      yes      yes",
}  # fmt: skip
COLUMNS = {"issued": 0, "active": 1, "suspended": 2, "cancelled": 4, "expired form": 4, "expired form by now": 4}
CELLS = [(state, command, TABLE[command].split()[COLUMNS.get(state, 3)]) for state in STATES for command in COMMANDS]


@pytest.mark.parametrize(("name", "command", "cell"), CELLS, ids=[f"{s}: {c}" for s, c, _ in CELLS])
def test_a_life_cycle_allows_what_the_table_says_and_a_refusal_names_the_state(
    name: str, command: str, cell: str
) -> None:
    state = given(*STATES[name])
    if cell == "yes":
        assert decide(state, COMMANDS[command])
        return
    with pytest.raises(IllegalTransition if cell == "illegal" else AuthorizationNotActive) as refused:
        decide(state, COMMANDS[command])
    told = "state" if cell == "illegal" else "authorization_status"
    assert refused.value.extra == {told: STATUSES[name]}


@pytest.mark.parametrize("name", STATES)
def test_check_refuses_what_its_paper_can_not_bring_to_life(name: str) -> None:
    state = given(*STATES[name])
    if STATUSES[name] in ("issued", "active"):
        require_checkable(state, TODAY)
        return
    with pytest.raises(AuthorizationNotActive) as refused:
        require_checkable(state, TODAY)
    assert refused.value.extra == {"authorization_status": STATUSES[name]}


def test_check_tells_of_the_paper_that_came_already() -> None:
    state = after(given(*SIGNED), attaching("DEBT_AUTHORIZATION"))
    with pytest.raises(ScanCodeRedeemed) as refused:
        require_checkable(state, TODAY)
    assert refused.value.extra == {"existing": str(DOCUMENT)}


def test_check_of_what_is_over_tells_of_its_paper_too() -> None:
    state = after(given(*SIGNED), attaching("DEBT_AUTHORIZATION"), revoking())
    with pytest.raises(AuthorizationNotActive) as refused:
        require_checkable(state, TODAY)
    assert refused.value.extra == {"authorization_status": "revoked", "existing": str(DOCUMENT)}


@pytest.mark.parametrize("name", STATES)
def test_the_status_of_a_day_is_that_of_the_calendar(name: str) -> None:
    assert given(*STATES[name]).status_on(TODAY).value == STATUSES[name]


# -- what the steps say -----------------------------------------------------------------------------------------


def test_suspending_and_resuming_say_from_when_on_and_why() -> None:
    state = given(*SIGNED)
    [suspended] = decide(state, Suspend(TODAY, "abroad"))
    assert suspended == AuthorizationSuspended(customer=CUSTOMER, on=TODAY, reason="abroad")
    state = evolve(state, suspended)
    assert (state.status, state.ended_on) == (AuthorizationStatus.SUSPENDED, YESTERDAY)
    [resumed] = decide(state, Resume(TOMORROW, "is back"))
    assert resumed == AuthorizationResumed(customer=CUSTOMER, on=TOMORROW, reason="is back")
    state = evolve(state, resumed)
    assert (state.status, state.ended_on) == (AuthorizationStatus.ACTIVE, None)


@pytest.mark.parametrize("was", ["active", "suspended"])
def test_revoking_says_what_it_was_and_both_days(was: str) -> None:
    state = given(*STATES[was])
    command = revoking(received_on=YESTERDAY, effective_on=TODAY)
    [event] = decide(state, command)
    assert event == AuthorizationRevoked(
        customer=CUSTOMER,
        was=AuthorizationStatus(was),
        received_on=YESTERDAY,
        effective_on=TODAY,
        reason="by letter",
    )
    state = evolve(state, event)
    assert (state.status, state.ended_on, state.signed_on) == (AuthorizationStatus.REVOKED, YESTERDAY, LAST_YEAR)


def test_a_revocation_is_not_received_in_the_future() -> None:
    assert wrong_fields(given(*SIGNED), revoking(received_on=TOMORROW)) == ["received_on"]
    assert wrong_fields(given(*SIGNED), revoking(received_on=TOMORROW, effective_on=TOMORROW)) == ["received_on"]


def test_a_revocation_of_a_later_day_leaves_it_active_until_then() -> None:
    state = given(*SIGNED)
    [event] = decide(state, revoking(effective_on=TOMORROW))
    assert event == RevocationReceived(customer=CUSTOMER, received_on=TODAY, effective_on=TOMORROW, reason="by letter")
    state = evolve(state, event)
    assert (state.status, state.status_on(TODAY)) == (AuthorizationStatus.ACTIVE, AuthorizationStatus.ACTIVE)
    assert (state.due_on, state.status_on(TOMORROW)) == (TOMORROW, AuthorizationStatus.REVOKED)
    assert decide(state, Lapse(TODAY)) == []
    assert decide(state, Lapse(TOMORROW)) == [
        AuthorizationRevoked(
            customer=CUSTOMER,
            was=AuthorizationStatus.ACTIVE,
            received_on=TODAY,
            effective_on=TOMORROW,
            reason="by letter",
        )
    ]
    assert (after(state, Lapse(TOMORROW)).ended_on, after(state, Lapse(TOMORROW)).revocation) == (TODAY, None)


def test_what_is_revoked_for_later_may_be_revoked_at_once() -> None:
    state = after(given(*SIGNED), revoking(effective_on=TOMORROW), revoking())
    assert (state.status, state.ended_on, state.due_on) == (AuthorizationStatus.REVOKED, YESTERDAY, None)


def test_what_ends_before_its_revocation_counts_has_expired() -> None:
    state = after(given(SIGNED[0], valid_until(TODAY)), revoking(effective_on=TODAY + timedelta(days=2)))
    [event] = decide(state, Lapse(TODAY + timedelta(days=9)))
    assert isinstance(event, AuthorizationExpired)
    assert event.on == TODAY
    assert evolve(state, event).due_on is None


def test_what_ends_on_the_eve_of_its_revocation_is_revoked() -> None:
    state = after(given(SIGNED[0], valid_until(TODAY)), revoking(effective_on=TOMORROW))
    [event] = decide(state, Lapse(TOMORROW))
    assert isinstance(event, AuthorizationRevoked)


def test_superseding_names_what_takes_its_place() -> None:
    state = given(*STATES["suspended"])
    events = decide(state, Supersede(SUCCESSOR, given(*SIGNED), TOMORROW, "a new form"))
    assert events == [
        AuthorizationSuperseded(
            customer=CUSTOMER, was=AuthorizationStatus.SUSPENDED, on=TOMORROW, by=SUCCESSOR, reason="a new form"
        )
    ]
    assert evolve(given(*SIGNED), events[0]).status is AuthorizationStatus.SUPERSEDED
    assert evolve(given(*SIGNED), events[0]).ended_on == TOMORROW


SUCCESSORS: dict[str, tuple[Authorization, bool]] = {
    "active": (given(*SIGNED), True),
    "issued": (given(SIGNED[0]), True),
    "suspended": (given(*STATES["suspended"]), False),
    "revoked": (given(*STATES["revoked"]), False),
    "expired by now": (given(*STATES["expired by now"]), False),
    "of another customer": (given(registered("DEBT_AUTHORIZATION", customer=OTHER)), False),
    "of another kind": (given(registered()), False),
}


@pytest.mark.parametrize(("successor", "fits"), SUCCESSORS.values(), ids=SUCCESSORS.keys())
def test_only_a_living_one_of_the_same_customer_and_kind_takes_its_place(successor: Authorization, fits: bool) -> None:
    command = Supersede(SUCCESSOR, successor, TODAY, "a new form")
    if fits:
        assert decide(given(*SIGNED), command)
    else:
        assert wrong_fields(given(*SIGNED), command) == ["by"]


def test_cancelling_an_issued_form_says_when_and_why() -> None:
    [event] = decide(given(issued()), Cancel(TODAY, "never came back"))
    assert event == AuthorizationCancelled(customer=CUSTOMER, on=TODAY, reason="never came back")
    state = evolve(given(issued()), event)
    assert (state.status, state.ended_on, state.due_on) == (AuthorizationStatus.CANCELLED, TODAY, None)


def test_moving_to_the_right_customer_remembers_the_wrong_one() -> None:
    [event] = decide(given(registered()), Reassign(OTHER, "of the daughter"))
    assert event == AuthorizationReassigned(customer=OTHER, old=CUSTOMER, reason="of the daughter")
    state = evolve(given(registered()), event)
    assert (state.customer, state.version, state.status) == (OTHER, 2, AuthorizationStatus.ACTIVE)
    assert decide(state, Reassign(OTHER, "again")) == []


# -- the calendar -----------------------------------------------------------------------------------------------


def test_a_form_that_nobody_signed_lapses_after_its_last_day() -> None:
    state = given(issued(lapses_on=TODAY))
    assert (state.lapses_on, state.due_on) == (TODAY, TOMORROW)
    assert decide(state, Lapse(TODAY)) == []
    assert decide(state, Lapse(TOMORROW)) == [
        AuthorizationExpired(customer=CUSTOMER, was=AuthorizationStatus.ISSUED, on=TODAY, cause=ExpiryCause.FORM)
    ]
    assert decide(state, attaching(today=TODAY))
    with pytest.raises(AuthorizationNotActive):
        decide(state, attaching(today=TOMORROW))


def test_a_form_lapses_on_its_own_date_whatever_validity_it_says() -> None:
    state = given(issued(valid_until=YESTERDAY, lapses_on=TOMORROW))
    assert state.status_on(TOMORROW) is AuthorizationStatus.ISSUED


@pytest.mark.parametrize("suspended", [False, True])
def test_an_authorization_ends_with_its_last_valid_day(suspended: bool) -> None:
    state = given(registered(terms=Terms(signed_on=LAST_YEAR, valid_until=TODAY)))
    state = after(state, Suspend(YESTERDAY, "abroad")) if suspended else state
    assert (state.lapses_on, decide(state, Lapse(TODAY))) == (TODAY, [])
    was = AuthorizationStatus.SUSPENDED if suspended else AuthorizationStatus.ACTIVE
    assert decide(state, Lapse(date(2050, 1, 1))) == [
        AuthorizationExpired(customer=CUSTOMER, was=was, on=TODAY, cause=ExpiryCause.VALIDITY)
    ]


def test_an_authorization_without_an_end_never_lapses() -> None:
    state = given(registered(terms=Terms(signed_on=date(1990, 1, 1))))
    assert (state.lapses_on, state.due_on, decide(state, Lapse(date(2090, 1, 1)))) == (None, None, [])


@pytest.mark.parametrize("name", ["revoked", "expired", "superseded", "cancelled", "expired form"])
def test_what_is_over_never_lapses_again(name: str) -> None:
    state = given(*STATES[name])
    assert (state.lapses_on, state.due_on, decide(state, Lapse(date(2090, 1, 1)))) == (None, None, [])


ENDINGS: dict[str, Callable[[Authorization], Authorization]] = {
    "revoked": lambda s: after(s, revoking(received_on=date(2026, 11, 10), effective_on=date(2026, 11, 10))),
    "superseded": lambda s: after(s, Supersede(SUCCESSOR, given(*SIGNED), TODAY, "x")),
    "expired": lambda s: after(s, Lapse(date(2090, 1, 1))),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_while_it_is_suspended_was_in_force_until_the_earlier_day(ending: str) -> None:
    state = after(given(*SIGNED), Suspend(date(2026, 11, 20), "abroad"))
    last = {"revoked": date(2026, 11, 9)}.get(ending, date(2026, 11, 19))
    assert ENDINGS[ending](state).ended_on == last


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_ending_touches_the_signature_date(ending: str) -> None:
    state = ENDINGS[ending](given(*SIGNED))
    assert (state.signed_on, state.mandate) == (LAST_YEAR, a_mandate(signature_date=LAST_YEAR))


# -- folds ------------------------------------------------------------------------------------------------------


def test_the_version_counts_every_event() -> None:
    events = [*STATES["suspended"], EvidenceAttached(customer=CUSTOMER, document=DOCUMENT, original_was_held=True)]
    state: Authorization | None = None
    for version, event in enumerate(events, 1):
        state = evolve(state, event)
        assert state.version == version


def blanked(events: Sequence[AuthorizationEvent], *names: str) -> list[AuthorizationEvent]:
    """As they read when the key is gone."""
    return [msgspec.structs.replace(e, **{n: UNSET for n in names if n in e.__struct_fields__}) for e in events]


def test_an_erased_authorization_folds_without_what_was_sealed() -> None:
    state = given(*blanked(SIGNED, "mandate", "scan_code", "note", "external_id", "shelf_mark"))
    assert (state.mandate, state.scan_code, state.status) == (None, None, AuthorizationStatus.ACTIVE)
    registered_state = given(*blanked([registered("DEBT_AUTHORIZATION", mandate=a_mandate())], "mandate", "scan_code"))
    assert (registered_state.mandate, registered_state.scan_code) == (None, None)


def test_an_erased_revocation_of_a_later_day_still_comes_into_force() -> None:
    state = given(*SIGNED, *blanked([LATER_REVOKED], "reason"))
    [event] = decide(state, Lapse(TODAY))
    assert isinstance(event, AuthorizationRevoked)
    assert event.reason is None


@pytest.mark.parametrize(
    ("iban", "signature_date", "complete"),
    [(IBAN, TODAY, True), (None, TODAY, False), (IBAN, None, False), (None, None, False)],
)
def test_a_mandate_is_complete_with_iban_and_signature_date(
    iban: str | None, signature_date: date | None, complete: bool
) -> None:
    assert Mandate(iban=iban, signature_date=signature_date).is_complete is complete
