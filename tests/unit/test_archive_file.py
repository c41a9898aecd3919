"""Select file (C1 to C8) as a use case over ports in memory: what is stored, and that a refusal leaves nothing."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from domain.archive import Outcome
from domain.authorization import AuthorizationRegistered, EvidenceAttached
from domain.document import Description, DocumentArchived
from domain.document_type import DefineType
from domain.ports import CustomerReferenceRaced
from domain.received_file import FileChanged
from domain.refusals import (
    CustomerErased,
    CustomerUnknown,
    DocumentTypeInactive,
    DocumentTypeUnknown,
    DuplicateContent,
    ExternalIdTaken,
    FilePasswordProtected,
    FileTypeNotAllowed,
    IdempotencyKeyReused,
    Refusal,
    SourceNotAllowed,
    Unavailable,
    ValidationFailed,
)
from domain.values import Source
from tests.builders.memory import MemoryArchive
from tests.builders.papers import PDF, a_caller, a_document_type, a_note, an_order, an_upload


@pytest.fixture
def desk() -> MemoryArchive:
    return MemoryArchive()


def save(desk: MemoryArchive, plain: bytes = PDF, key: str | None = None, **changes: Any) -> Outcome:
    return desk.archive.filing.archive_file(an_order(**changes), an_upload(plain), a_caller(idempotency_key=key))


def define(desk: MemoryArchive, code: str, **changes: Any) -> None:
    definition = a_document_type(code, **changes).definition
    desk.archive.catalogues.define_type(DefineType(code, definition), a_caller())
    desk.begun_at = desk.log.last_position()


def existing(refusal: Refusal) -> UUID:
    return UUID(refusal.extra["existing"])


def test_a_file_is_stored_and_its_event_names_it(desk: MemoryArchive) -> None:
    outcome = save(desk, note="moved house", received_on=date(2026, 11, 20), external_id="crm-1")
    [recorded] = outcome.recorded
    event = recorded.envelope.body
    assert isinstance(event, DocumentArchived)
    assert desk.contents.plain == {event.content.id: PDF}
    assert (event.source, event.type.code, event.file_name) == (Source.FILE, "LETTER", "letter.pdf")
    assert (event.description, event.external_id) == (Description("moved house", date(2026, 11, 20)), "crm-1")
    assert event.sha256 == an_upload().sha256
    assert (outcome.customer, outcome.replayed, outcome.position) == ("100234", False, desk.log.last_position())


def test_the_event_names_the_customer_by_a_reference_only(desk: MemoryArchive) -> None:
    event = save(desk).recorded[0].envelope.body
    assert event.customer == desk.keys.references["100234"]
    assert desk.keys.customer_ids([event.customer]) == {event.customer: "100234"}


def test_the_event_carries_who_where_and_when(desk: MemoryArchive) -> None:
    meta = save(desk).recorded[0].envelope.meta
    assert (meta.actor, meta.branch, meta.correlation_id) == ("j.smit", "CENTRAL", UUID(int=7))
    assert meta.occurred_at == desk.clock.now()


def test_a_paper_without_a_date_was_received_today(desk: MemoryArchive) -> None:
    assert save(desk).recorded[0].envelope.body.description.received_on == desk.clock.today()


def test_a_second_paper_belongs_to_the_same_reference(desk: MemoryArchive) -> None:
    first, second = save(desk), save(desk, b"other")
    assert first.recorded[0].envelope.body.customer == second.recorded[0].envelope.body.customer


def test_what_is_returned_is_what_the_log_has(desk: MemoryArchive) -> None:
    outcome = save(desk)
    paper = outcome.recorded[0].envelope.originator_id
    assert list(outcome.recorded) == list(desk.log.load_recorded([paper], outcome.position))


@pytest.mark.parametrize("code", ["GUARDIAN_CONSENT", "DEBT_AUTHORIZATION"])
def test_a_file_of_an_authorization_is_its_evidence_in_one_save(desk: MemoryArchive, code: str) -> None:
    outcome = save(desk, type=code, received_on=date(2026, 11, 20), note="by the father", external_id="crm-1")
    registered, archived, attached = [r.envelope for r in outcome.recorded]
    assert desk.topics == ["authorization-registered.v2", "document-archived.v1", "evidence-attached.v1"]
    assert isinstance(registered.body, AuthorizationRegistered)
    assert isinstance(attached.body, EvidenceAttached)
    assert attached.body.document == archived.originator_id
    assert archived.body.evidence_of == registered.originator_id == attached.originator_id
    assert registered.body.customer == attached.body.customer == archived.body.customer
    assert (registered.body.source, registered.body.original_held) == (Source.FILE, False)
    assert registered.body.terms.signed_on == date(2026, 11, 20)
    assert len({(r.recorded_at, r.envelope.meta.command_id) for r in outcome.recorded}) == 1


def test_the_external_id_of_evidence_belongs_to_its_authorization(desk: MemoryArchive) -> None:
    statement = save(desk, type="GUARDIAN_CONSENT", external_id="crm-1").recorded[0].envelope.originator_id
    with pytest.raises(ExternalIdTaken) as refused:
        save(desk, b"other", external_id="crm-1")
    assert existing(refused.value) == statement


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], type[Refusal]]] = {
    "unknown customer": ({"customer": "nobody"}, {}, CustomerUnknown),
    "unknown type": ({"type": "NOTHING"}, {}, DocumentTypeUnknown),
    "type switched off": ({"type": "FORM"}, {}, DocumentTypeInactive),
    "source not allowed": ({"type": "REGISTRATION_CERTIFICATE"}, {}, SourceNotAllowed),
    "verify only without a ground": ({"type": "IDENTIFICATION"}, {}, ValidationFailed),
    "received tomorrow": ({"received_on": date(2026, 11, 25)}, {}, ValidationFailed),
    "password not taken": ({"type": "GUARDIAN_CONSENT"}, {"password_protected": True}, FilePasswordProtected),
    "media type not taken": ({"type": "READING_DISABILITY"}, {"media_type": "image/png"}, FileTypeNotAllowed),
}


@pytest.mark.parametrize(("order", "file", "refusal"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_file_never_reaches_the_content_store(
    desk: MemoryArchive, order: dict[str, Any], file: dict[str, Any], refusal: type[Refusal]
) -> None:
    define(desk, "FORM", active=False)
    define(desk, "REGISTRATION_CERTIFICATE", sources=(Source.SCAN,))
    define(desk, "GUARDIAN_CONSENT", password_protected_allowed=False)
    define(desk, "READING_DISABILITY", media_types=("application/pdf",))
    with pytest.raises(refusal):
        desk.archive.filing.archive_file(an_order(**order), an_upload(**file), a_caller(idempotency_key="k"))
    assert (desk.topics, desk.contents.put_in_order, desk.keys.references) == ([], [], {})


def test_after_a_refusal_the_same_key_may_be_used_again(desk: MemoryArchive) -> None:
    with pytest.raises(CustomerUnknown):
        save(desk, key="k", customer="nobody")
    assert not save(desk, key="k").replayed


def test_a_password_is_taken_where_the_type_does_not_mind(desk: MemoryArchive) -> None:
    locked = an_upload(password_protected=True, preview=False, pages=None)
    event = desk.archive.filing.archive_file(an_order(), locked, a_caller()).recorded[0].envelope.body
    assert (event.content.password_protected, event.content.preview) == (True, False)


def test_a_type_takes_the_media_types_it_names(desk: MemoryArchive) -> None:
    define(desk, "LETTER", media_types=("image/png",))
    png = an_upload(media_type="image/png")
    assert desk.archive.filing.archive_file(an_order(), png, a_caller()).recorded


def test_an_identification_is_kept_with_its_ground_only(desk: MemoryArchive) -> None:
    event = save(desk, type="IDENTIFICATION", ground="Art. 6(1)(c)").recorded[0].envelope.body
    assert event.ground == "Art. 6(1)(c)"


def test_a_paper_may_have_been_received_today(desk: MemoryArchive) -> None:
    assert save(desk, received_on=desk.clock.today()).recorded


def test_the_same_content_twice_names_the_earlier_paper_and_drops_the_new(desk: MemoryArchive) -> None:
    first = save(desk).recorded[0].envelope
    with pytest.raises(DuplicateContent) as refused:
        save(desk)
    assert existing(refused.value) == first.originator_id
    assert desk.topics == ["document-archived.v1"]
    assert len(desk.contents.put_in_order) == 2
    assert list(desk.contents.plain) == [first.body.content.id]


def test_the_same_content_is_added_anyway_where_that_was_said(desk: MemoryArchive) -> None:
    save(desk)
    save(desk, duplicate_allowed=True)
    assert len(desk.contents.plain) == 2


def test_content_added_anyway_does_not_hide_the_first_from_a_third(desk: MemoryArchive) -> None:
    first = save(desk).recorded[0].envelope.originator_id
    save(desk, duplicate_allowed=True)
    with pytest.raises(DuplicateContent) as refused:
        save(desk)
    assert existing(refused.value) == first


def test_the_same_content_of_another_customer_is_no_duplicate(desk: MemoryArchive) -> None:
    save(desk)
    assert save(desk, customer="100235").recorded


def test_a_taken_external_id_drops_the_content(desk: MemoryArchive) -> None:
    first = save(desk, external_id="crm-1").recorded[0].envelope
    with pytest.raises(ExternalIdTaken) as refused:
        save(desk, b"other", external_id="crm-1", customer="100235")
    assert existing(refused.value) == first.originator_id
    assert list(desk.contents.plain) == [first.body.content.id]


def test_the_external_ids_of_files_and_of_no_upload_are_one_set(desk: MemoryArchive) -> None:
    noted = desk.archive.noting.note_authorization(a_note(external_id="crm-1"), a_caller())
    with pytest.raises(ExternalIdTaken) as refused:
        save(desk, external_id="crm-1")
    assert existing(refused.value) == noted.recorded[0].envelope.originator_id


def test_an_erased_customer_takes_nothing_new(desk: MemoryArchive) -> None:
    save(desk)
    desk.keys.erase("100234")
    with pytest.raises(CustomerErased):
        save(desk, b"other")
    assert len(desk.contents.plain) == 1


def test_a_customer_erased_while_the_file_was_stored_drops_it(desk: MemoryArchive) -> None:
    save(desk)
    desk.log.before_append.append(lambda: desk.keys.erase("100234"))
    with pytest.raises(CustomerErased):
        save(desk, b"other")
    assert list(desk.contents.plain.values()) == [PDF]


# -- Idempotency-Key ------------------------------------------------------------------------------------------


def test_a_second_save_with_its_key_answers_the_first_again(desk: MemoryArchive) -> None:
    first, second = save(desk, key="k", external_id="crm-1"), save(desk, key="k", external_id="crm-1")
    assert (first.replayed, second.replayed) == (False, True)
    assert (second.customer, second.position) == (first.customer, first.position)
    assert list(second.recorded) == list(first.recorded)
    assert len(desk.contents.put_in_order) == 1


def test_a_replay_answers_the_first_although_more_happened_since(desk: MemoryArchive) -> None:
    first = save(desk, key="k", type="GUARDIAN_CONSENT")
    save(desk, b"other")
    assert list(save(desk, key="k", type="GUARDIAN_CONSENT").recorded) == list(first.recorded)


@pytest.mark.parametrize("change", [{"note": "x"}, {"type": "FORM"}, {"customer": "100235"}, {"plain": b"other"}])
def test_a_key_is_for_one_request_only(desk: MemoryArchive, change: dict[str, Any]) -> None:
    save(desk, key="k")
    with pytest.raises(IdempotencyKeyReused):
        save(desk, key="k", **change)


def test_a_key_is_for_one_branch_only(desk: MemoryArchive) -> None:
    save(desk, key="k")
    with pytest.raises(IdempotencyKeyReused):
        desk.archive.filing.archive_file(an_order(), an_upload(), a_caller(idempotency_key="k", branch="WEST"))


def test_another_actor_may_use_the_same_key(desk: MemoryArchive) -> None:
    save(desk, key="k")
    other = a_caller(idempotency_key="k", actor="p.jansen")
    assert not desk.archive.filing.archive_file(an_order(customer="100235"), an_upload(), other).replayed


def test_a_twin_that_was_quicker_is_answered_and_the_own_copy_dropped(desk: MemoryArchive) -> None:
    twin: list[Outcome] = []
    desk.log.before_append.append(lambda: twin.append(save(desk, key="k")))
    outcome = save(desk, key="k")
    assert outcome.replayed
    assert list(outcome.recorded) == list(twin[0].recorded)
    assert list(desk.contents.plain) == [twin[0].recorded[0].envelope.body.content.id]


def test_the_first_answer_of_an_erased_customer_is_not_given_again(desk: MemoryArchive) -> None:
    save(desk, key="k")
    desk.keys.erase("100234")
    with pytest.raises(CustomerErased):
        save(desk, key="k")


# -- Two at once ----------------------------------------------------------------------------------------------


def test_two_first_papers_of_one_customer_both_arrive(desk: MemoryArchive) -> None:
    """The loser asks for the owner again and reads its file again from the start."""
    desk.log.before_append.append(lambda: save(desk, b"quicker"))
    outcome = save(desk)
    assert [r.envelope.body.customer for r in outcome.recorded] == [desk.keys.references["100234"]]
    assert sorted(desk.contents.plain.values()) == sorted([PDF, b"quicker"])
    assert len(desk.contents.put_in_order) == 3


def test_a_race_that_never_ends_gives_up_and_drops_the_content(desk: MemoryArchive) -> None:
    attempts: list[int] = []

    def race() -> None:
        attempts.append(len(attempts))
        desk.log.before_append.append(race)
        raise CustomerReferenceRaced

    desk.log.before_append.append(race)
    with pytest.raises(Unavailable):
        save(desk)
    assert len(attempts) == 5
    assert desk.contents.plain == {}


def test_content_stays_when_the_commit_may_have_happened(desk: MemoryArchive) -> None:
    def cut() -> None:
        raise Unavailable

    desk.log.before_append.append(cut)
    with pytest.raises(Unavailable):
        save(desk)
    assert list(desk.contents.plain.values()) == [PDF]


def test_content_stays_when_something_fails_after_the_commit(
    desk: MemoryArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop of a worker that is being stopped was closed already: its content went, the committed event named it."""
    append = desk.log.append

    def append_and_fail(*arguments: Any, **more: Any) -> None:
        append(*arguments, **more)
        raise RuntimeError("Event loop is closed")

    monkeypatch.setattr(desk.log, "append", append_and_fail)
    with pytest.raises(RuntimeError, match="closed"):
        save(desk)
    assert list(desk.contents.plain.values()) == [PDF]


def test_a_file_that_changed_meanwhile_is_not_archived(desk: MemoryArchive) -> None:
    with pytest.raises(FileChanged):
        desk.archive.filing.archive_file(an_order(), an_upload(sha256=b"of something else"), a_caller())
    assert (desk.topics, desk.contents.plain) == ([], {})
