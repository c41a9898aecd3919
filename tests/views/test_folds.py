"""Events to rows, without a database: what each event makes of a paper, what is left when it was erased."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain import administration, authorization, document, document_type
from domain.access import Role
from domain.administration import CreateToken, RevokeToken
from domain.authorization import AttachEvidence, Register, Terms
from domain.catalogue import SHIPPED
from domain.document import ArchiveDocument, Describe, Description, NoteSeen, Reclassify, Restore, Withdraw
from domain.document_type import DefineType
from domain.envelope import Envelope, Meta, Recorded
from domain.values import Source
from projections import audit_history, authorizations, customer_documents
from projections.customer_documents import fold_item
from projections.view import Versions
from store.mapper import PLANS
from tests.builders.papers import a_content, a_document_type, a_mandate
from tests.views.desk import shown

CUSTOMER, PAPER, STATEMENT = UUID(int=1), UUID(int=2), UUID(int=3)
TODAY = date(2026, 11, 24)
LETTER, FORM, CONSENT = a_document_type("LETTER"), a_document_type("FORM"), a_document_type("GUARDIAN_CONSENT")
MANDATE, IDENTIFICATION = a_document_type("DEBT_AUTHORIZATION"), a_document_type("IDENTIFICATION")
META = Meta("j.smit", "CENTRAL", datetime(2026, 11, 24, 9, tzinfo=UTC), UUID(int=8), UUID(int=9))


def recorded(*bodies: Any, stream: UUID = PAPER, first: int = 10, version: int = 1) -> list[Recorded[Any]]:
    """Events as the log has them: positions from `first`, one second apart."""
    return [
        Recorded(first + n, datetime(2026, 11, 24, 10, 0, n, tzinfo=UTC), Envelope(stream, version + n, body, META))
        for n, body in enumerate(bodies)
    ]


def a_letter(**changes: Any) -> ArchiveDocument:
    usual: dict[str, Any] = {
        "customer": CUSTOMER,
        "type": LETTER,
        "source": Source.FILE,
        "content": a_content(),
        "sha256": b"\xab" * 32,
        "file_name": "letter.pdf",
        "description": Description("about the card", TODAY),
    }
    return ArchiveDocument(**usual | changes)


def archived(**changes: Any) -> Any:
    return document.decide(None, a_letter(**changes))[0]


def corrected(*commands: document.Command) -> list[Any]:
    """A letter and what the commands make of it."""
    events: list[Any] = [archived()]
    for command in commands:
        events += document.decide(document.fold(events), command)
    return events


def registered(**changes: Any) -> Any:
    usual: dict[str, Any] = {
        "customer": CUSTOMER,
        "type": CONSENT,
        "source": Source.NONE,
        "original_held": True,
        "shelf_mark": "B 12",
        "terms": Terms(signed_on=TODAY, valid_until=date(2027, 11, 24)),
        "today": TODAY,
    }
    return authorization.decide(None, Register(**usual | changes))[0]


def attach(**changes: Any) -> AttachEvidence:
    usual: dict[str, Any] = {
        "document": PAPER,
        "type": CONSENT,
        "source": Source.FILE,
        "terms": Terms(signed_on=TODAY),
        "today": TODAY,
    }
    return AttachEvidence(**usual | changes)


def erased(event: Any) -> Any:
    """The event as it reads when the paper's key is gone."""
    return msgspec.structs.replace(event, **PLANS[type(event)].blank)


def versions(events: Sequence[Recorded[Any]]) -> list[customer_documents.Row]:
    fold = Versions(customer_documents.evolve)
    for event in events:
        fold.add(event, event.recorded_at)
    rows: list[Any] = list(fold.take().rows)
    return sorted(rows, key=lambda row: (row.from_position, row.id))


def stories(*events: Any) -> list[audit_history.Row]:
    return [audit_history.row_of(event, event.recorded_at) for event in recorded(*events)]


# -- customer documents -----------------------------------------------------------------------------------------


def test_a_letter_makes_one_row_that_holds_from_its_position_on() -> None:
    (row,) = versions(recorded(archived()))
    assert (row.id, row.customer, row.from_position, row.to_position, row.version) == (PAPER, CUSTOMER, 10, None, 1)
    assert (row.kind, row.type, row.status, row.source) == ("document", "LETTER", "archived", "file")
    assert (row.file_name, row.note, row.received_on) == ("letter.pdf", "about the card", TODAY)
    assert (row.sha256, row.pages, row.content_version) == ("ab" * 32, 2, 1)
    assert row.content_id == a_content().id
    assert (row.actor, row.branch) == ("j.smit", "CENTRAL")


def test_each_correction_ends_a_row_where_the_next_begins() -> None:
    described = Describe(note="about the fine", today=TODAY, reason="typo")
    rows = versions(
        recorded(*corrected(described, Reclassify(FORM, "a form"), Withdraw("twice"), Restore("not twice")))
    )
    assert [(r.from_position, r.to_position) for r in rows] == [(10, 11), (11, 12), (12, 13), (13, 14), (14, None)]
    assert [r.version for r in rows] == [1, 2, 3, 4, 5]
    assert [r.note for r in rows] == ["about the card", *["about the fine"] * 4]
    assert [r.type for r in rows] == ["LETTER", "LETTER", "FORM", "FORM", "FORM"]
    assert [r.status for r in rows] == ["archived", "archived", "archived", "withdrawn", "archived"]


def test_a_correction_keeps_the_time_actor_and_branch_of_the_creation() -> None:
    events = recorded(*corrected(Withdraw("twice")))
    later = msgspec.structs.replace(META, actor="p.jansen", branch="EAST")
    events[1] = msgspec.structs.replace(events[1], envelope=msgspec.structs.replace(events[1].envelope, meta=later))
    row = versions(events)[-1]
    assert (row.actor, row.branch, row.recorded_at) == ("j.smit", "CENTRAL", events[0].recorded_at)
    assert row.created_position == 10


def test_a_paper_seen_and_not_kept_has_no_content() -> None:
    seen = NoteSeen(
        customer=CUSTOMER, type=IDENTIFICATION, paper="passport", number_suffix="X41", seen_on=TODAY, note=None
    )
    (row,) = versions(recorded(*document.decide(None, seen)))
    assert (row.source, row.content_version, row.content_id) == ("none", 0, None)
    assert (row.paper, row.number_suffix, row.seen_on) == ("passport", "X41", TODAY)


def test_an_authorization_without_a_file_has_source_none_and_its_original_on_the_shelf() -> None:
    (row,) = versions(recorded(registered()))
    assert (row.kind, row.type, row.status, row.source) == ("authorization", "GUARDIAN_CONSENT", "active", "none")
    assert (row.original_held, row.shelf_mark, row.evidence) == (True, "B 12", None)
    assert (row.signed_on, row.valid_until) == (TODAY, date(2027, 11, 24))


def test_evidence_clears_the_shelf_and_is_named() -> None:
    events = [registered()]
    events += authorization.decide(authorization.fold(events), attach())
    row = versions(recorded(*events, stream=STATEMENT))[-1]
    assert (row.evidence, row.original_held, row.version) == (PAPER, False, 2)


def test_events_of_types_and_tokens_are_no_papers() -> None:
    token = administration.decide(administration.Administration(), CreateToken(name="t", digest=b"d", role=Role.STAFF))
    defined = document_type.decide(None, DefineType("LETTER", SHIPPED["LETTER"]))
    assert versions(recorded(*token, *defined)) == []


def test_what_was_erased_is_absent_and_the_rest_stays() -> None:
    described = Describe(note="about the fine", today=TODAY, reason="typo")
    row = versions(recorded(*[erased(e) for e in corrected(described)]))[-1]
    assert (row.file_name, row.note, row.received_on, row.sha256, row.external_id) == (None,) * 5
    assert (row.type, row.media_type, row.size_bytes, row.version) == ("LETTER", "application/pdf", 30, 2)
    assert row.sealed_sha256 == a_content().sealed_sha256.hex()


def test_a_correction_of_an_unknown_paper_is_not_swallowed() -> None:
    with pytest.raises(AssertionError):
        versions(recorded(corrected(Withdraw("twice"))[1]))


def test_open_rows_wait_for_the_last_event_of_their_paper_when_told_how_many_come() -> None:
    fold = Versions(customer_documents.evolve)
    first, second = recorded(*corrected(Withdraw("twice")))
    other = recorded(archived(), stream=STATEMENT, first=20)[0]
    fold.add(first, first.recorded_at)
    fold.add(other, other.recorded_at)
    assert [r.id for r in fold.take({PAPER: 2}).rows if isinstance(r, customer_documents.Row)] == [STATEMENT]
    assert fold.pending == 1
    fold.add(second, second.recorded_at)
    rows = [r for r in fold.take({PAPER: 2}).rows if isinstance(r, customer_documents.Row)]
    assert [(r.from_position, r.to_position) for r in rows] == [(10, 11), (11, None)]
    assert fold.pending == 0


# -- answers ----------------------------------------------------------------------------------------------------


def with_evidence() -> list[Recorded[Any]]:
    """Select file with an authorization type: one save of three events."""
    statement = [registered(source=Source.FILE, original_held=False)]
    statement += authorization.decide(authorization.fold(statement), attach())
    paper = [archived(type=CONSENT, evidence_of=STATEMENT)]
    return [*recorded(*statement, stream=STATEMENT), *recorded(*paper, first=12)]


def test_an_authorization_shows_what_is_on_its_evidence() -> None:
    row = fold_item(with_evidence())
    assert (row.id, row.evidence, row.kind) == (STATEMENT, PAPER, "authorization")
    assert (row.source, row.file_name, row.media_type, row.pages) == ("file", "letter.pdf", "application/pdf", 2)
    assert (row.content_version, row.sha256, row.version) == (1, "ab" * 32, 2)
    assert shown(row) == shown(
        msgspec.structs.replace(row, item=msgspec.json.encode(customer_documents.base(row)).decode())
    )


def test_a_correction_of_evidence_answers_with_the_document() -> None:
    paper = [archived(type=CONSENT, evidence_of=STATEMENT)]
    paper += document.decide(document.fold(paper), Describe(note="read again", today=TODAY, reason="typo"))
    row = fold_item(recorded(*paper))
    assert (row.id, row.note, row.version) == (PAPER, "read again", 2)


@pytest.mark.parametrize(("language", "label"), [("nl", "Brief"), ("en", "Letter"), ("fr", "Letter")])
def test_a_label_is_in_the_readers_language_else_in_english(language: str, label: str) -> None:
    assert shown(fold_item(recorded(archived())), language=language).type_label == label


def test_a_label_is_that_of_the_day_even_when_the_type_was_renamed() -> None:
    renamed = a_document_type("LETTER", labels={"en": "Correspondence"})
    assert shown(fold_item(recorded(archived())), {"LETTER": renamed}).type_label == "Letter"


def test_an_item_has_its_time_to_the_millisecond() -> None:
    assert shown(fold_item(recorded(archived()))).recorded_at == "2026-11-24T10:00:00.000Z"


def test_keep_until_counts_from_the_end_of_validity_by_the_present_rule_of_the_type() -> None:
    other = a_document_type("OTHER_AUTHORIZATION")
    row = fold_item(recorded(registered(type=other)))
    assert shown(row, {"OTHER_AUTHORIZATION": other}).keep_until == date(2029, 11, 24)
    without = fold_item(recorded(registered(type=other, terms=Terms(signed_on=TODAY))))
    assert shown(without, {"OTHER_AUTHORIZATION": other}).keep_until is None
    assert shown(row).keep_until is None


def test_keep_until_is_unknown_while_the_membership_goes_on() -> None:
    assert shown(fold_item(recorded(archived())), {"LETTER": LETTER}).keep_until is None


# -- authorizations ---------------------------------------------------------------------------------------------


def mandate_row(event: Any) -> authorizations.Row:
    row = authorizations.evolve(None, recorded(event)[0])
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("changes", "complete"),
    [({"mandate": a_mandate()}, True), ({"mandate": a_mandate(iban=None)}, False), ({"mandate": None}, False)],
)
def test_a_mandate_is_complete_with_iban_and_signature_date(changes: dict[str, Any], complete: bool) -> None:
    assert mandate_row(registered(type=MANDATE, **changes)).complete is complete


def test_completeness_is_unknown_for_what_is_no_mandate_and_for_an_erased_one() -> None:
    assert mandate_row(registered()).complete is None
    gone = mandate_row(erased(registered(type=MANDATE, mandate=a_mandate())))
    assert (gone.complete, gone.mandate, gone.shelf_mark) == (None, None, None)
    assert gone.signed_on == TODAY


# -- audit history ----------------------------------------------------------------------------------------------


def test_an_action_is_the_events_name_without_its_version() -> None:
    (row,) = stories(archived())
    assert (row.action, row.subject_kind, row.subject_id, row.customer) == (
        "document-archived",
        "document",
        PAPER,
        CUSTOMER,
    )


def test_a_creation_tells_its_main_fields_and_no_before() -> None:
    (row,) = stories(archived(external_id=None))
    assert row.before == {}
    assert row.after["type"] == "LETTER"
    assert (row.after["file_name"], row.after["note"], row.after["sha256"]) == (
        "letter.pdf",
        "about the card",
        "ab" * 32,
    )
    assert "external_id" not in row.after


def test_a_change_tells_the_changed_fields_only() -> None:
    described = Describe(note="about the fine", today=TODAY, reason="typo")
    rows = stories(*corrected(described, Reclassify(FORM, "a form"), Withdraw("twice"), Restore("not twice")))[1:]
    assert [(r.before, r.after, r.reason) for r in rows] == [
        ({"note": "about the card"}, {"note": "about the fine"}, "typo"),
        ({"type": "LETTER"}, {"type": "FORM"}, "a form"),
        ({"status": "archived"}, {"status": "withdrawn"}, "twice"),
        ({"status": "withdrawn"}, {"status": "archived"}, "not twice"),
    ]


def test_evidence_tells_that_the_original_is_not_held_any_longer() -> None:
    events = [registered()]
    events += authorization.decide(authorization.fold(events), attach())
    row = stories(*events)[1]
    assert row.before == {"evidence": None, "original_held": True}
    assert row.after == {"evidence": PAPER, "original_held": False}


def test_an_erased_event_tells_only_what_is_left() -> None:
    described = Describe(note="about the fine", today=TODAY, reason="typo")
    first, second = stories(*[erased(e) for e in corrected(described)])
    assert (first.after["type"], first.reason) == ("LETTER", None)
    assert {"file_name", "note", "sha256", "received_on"}.isdisjoint(first.after)
    assert (second.before, second.after, second.reason) == ({}, {}, None)


def test_a_type_change_tells_the_changed_rules() -> None:
    defined = document_type.decide(None, DefineType("LETTER", SHIPPED["LETTER"]))
    inactive = msgspec.structs.replace(SHIPPED["LETTER"], active=False)
    changed = document_type.decide(document_type.fold(defined)["LETTER"], DefineType("LETTER", inactive))
    row = stories(*defined, *changed)[1]
    assert (row.subject_kind, row.subject_name, row.customer) == ("document_type", "LETTER", None)
    assert (row.before, row.after) == ({"active": True}, {"active": False})


def test_a_tokens_digest_appears_nowhere() -> None:
    state = administration.Administration()
    created = administration.decide(state, CreateToken(name="desk", digest=b"SECRETDIGEST", role=Role.STAFF))
    revoked = administration.decide(administration.fold(created), RevokeToken("desk"))
    rows = stories(*created, *revoked)
    assert [(r.action, r.subject_kind, r.subject_name) for r in rows] == [
        ("token-created", "token", "desk"),
        ("token-revoked", "token", "desk"),
    ]
    text = msgspec.json.encode(rows)
    assert b"digest" not in text
    assert msgspec.json.encode(b"SECRETDIGEST").strip(b'"') not in text
