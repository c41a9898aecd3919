"""Events to rows, without a database: what each event makes of a paper, what is left when it was erased."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain import administration, authorization, document, document_type
from domain.access import Role
from domain.administration import CreateToken, RevokeToken
from domain.authorization import (
    Amend,
    AttachEvidence,
    Cancel,
    Issue,
    Lapse,
    NoteSigned,
    Register,
    ReportCollection,
    Resume,
    Revoke,
    Supersede,
    Suspend,
    Terms,
)
from domain.catalogue import SHIPPED
from domain.document import (
    ArchiveDocument,
    Describe,
    Description,
    LinkCustomer,
    NoteSeen,
    Reclassify,
    ReplaceContent,
    Restore,
    UnlinkCustomer,
    Withdraw,
)
from domain.document_type import DefineType, Retention
from domain.envelope import Envelope, Meta, Recorded
from domain.mandate import Amendment, CollectionOutcome, Mandate, SequenceType
from domain.promises import PromiseBroken
from domain.values import Source
from projections import audit_history, authorizations, customer_documents
from projections.customer_documents import fold_item
from store.mapper import PLANS
from tests.builders.papers import IBAN, a_content, a_document_type, a_mandate
from tests.views.desk import shown

CUSTOMER, PAPER, STATEMENT, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), UUID(int=6)
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


def issued(**changes: Any) -> Any:
    usual: dict[str, Any] = {
        "customer": CUSTOMER,
        "type": CONSENT,
        "scan_code": "GC48271903665144",
        "language": "en",
        "lapses_on": TODAY + timedelta(days=180),
        "today": TODAY,
        "note": "at the desk",
    }
    return authorization.decide(None, Issue(**usual | changes))[0]


def lived(first: Any, *commands: authorization.Command) -> list[Any]:
    """An authorization and what the commands make of it."""
    events: list[Any] = [first]
    for command in commands:
        events += authorization.decide(authorization.fold(events), command)
    return events


def sign(**changes: Any) -> NoteSigned:
    usual: dict[str, Any] = {
        "type": CONSENT,
        "original_held": True,
        "shelf_mark": "B 12",
        "terms": Terms(signed_on=TODAY),
        "today": TODAY,
    }
    return NoteSigned(**usual | changes)


def revoke(effective_on: date) -> Revoke:
    return Revoke(received_on=TODAY, effective_on=effective_on, today=TODAY, reason="no longer wanted")


def collect(due_on: date, outcome: CollectionOutcome = CollectionOutcome.PAID) -> ReportCollection:
    return ReportCollection(presented_on=TODAY, due_on=due_on, outcome=outcome, today=TODAY, reference="RUN-7")


def an_amendment(**changes: Any) -> Amend:
    return Amend(Amendment(**changes), TODAY, "a new account", Mandate(mandate_reference="M1"))


def statements(events: Sequence[Any]) -> list[authorizations.AuthorizationRow]:
    fold = authorizations.VIEW.fold(())
    for event in recorded(*events, stream=STATEMENT):
        fold.add_event(event, event.recorded_at)
    rows: list[Any] = list(fold.take_rows().rows)
    return sorted(rows, key=lambda row: row.from_position)


def versions(events: Sequence[Recorded[Any]]) -> list[customer_documents.PaperRow]:
    fold = customer_documents.VIEW.fold(())
    for event in events:
        fold.add_event(event, event.recorded_at)
    rows: list[Any] = list(fold.take_rows().rows)
    return sorted(rows, key=lambda row: (row.from_position, row.id))


def stories(*events: Any) -> list[audit_history.HistoryRow]:
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
    with pytest.raises(PromiseBroken):
        versions(recorded(corrected(Withdraw("twice"))[1]))


def test_open_rows_wait_for_the_last_event_of_their_paper_when_told_how_many_come() -> None:
    fold = customer_documents.VIEW.fold(())
    first, second = recorded(*corrected(Withdraw("twice")))
    other = recorded(archived(), stream=STATEMENT, first=20)[0]
    fold.add_event(first, first.recorded_at)
    fold.add_event(other, other.recorded_at)
    assert [r.id for r in fold.take_rows({PAPER: 2}).rows if isinstance(r, customer_documents.PaperRow)] == [STATEMENT]
    assert fold.pending_count == 1
    fold.add_event(second, second.recorded_at)
    rows = [r for r in fold.take_rows({PAPER: 2}).rows if isinstance(r, customer_documents.PaperRow)]
    assert [(r.from_position, r.to_position) for r in rows] == [(10, 11), (11, None)]
    assert fold.pending_count == 0


def test_what_was_erased_of_a_life_is_absent_and_its_days_stay() -> None:
    amend = an_amendment(iban="NL91ABNA0417164300")
    life = lived(registered(type=MANDATE, mandate=a_mandate()), amend, collect(TODAY), revoke(TODAY))
    gone = [erased(e) for e in life]
    row, statement = versions(recorded(*gone, stream=STATEMENT))[-1], statements(gone)[-1]
    assert (row.note, row.shelf_mark, row.scan_code) == (None, None, None)
    assert (row.status, row.last_collection_on, row.retention_from) == ("revoked", TODAY, TODAY)
    assert (statement.mandate, statement.complete, statement.scan_code, statement.signed_on) == (
        None,
        None,
        None,
        TODAY,
    )


def test_a_description_has_a_title() -> None:
    first, second, third = versions(
        recorded(
            *corrected(
                Describe(title="A letter of complaint", today=TODAY, reason="to find it"),
                Describe(title=None, today=TODAY, reason="not so"),
            )
        )
    )
    assert (first.title, second.title, third.title) == (None, "A letter of complaint", None)
    assert shown(second).title == "A letter of complaint"


def test_a_new_content_takes_the_place_of_the_old_one_and_counts() -> None:
    better = a_content(id=UUID(int=77), media_type="image/png", size_bytes=5, pages=1)
    replace = ReplaceContent(content=better, sha256=b"\xcd" * 32, file_name="better.png", reason="a better scan")
    before, after = versions(recorded(*corrected(replace)))
    assert (before.content_version, before.file_name, before.content_id) == (1, "letter.pdf", a_content().id)
    assert (after.content_version, after.file_name, after.content_id) == (2, "better.png", better.id)
    assert (after.media_type, after.size_bytes, after.sha256, after.pages) == ("image/png", 5, "cd" * 32, 1)
    assert (after.note, after.received_on) == ("about the card", TODAY)


# -- moves and joint papers ---------------------------------------------------------------------------------------


def expanded(events: Sequence[Any]) -> list[tuple[UUID, int, int | None, bool]]:
    """Whose row, from, to, a copy: all rows as they are written, in the order of their positions."""
    rows = [r for row in versions(recorded(*events)) for r in customer_documents.row_and_copies(row)]
    return [(r.customer, r.from_position, r.to_position, r.linked) for r in rows]


def test_a_move_ends_the_row_of_the_wrong_customer_and_keeps_the_papers_place_in_the_list() -> None:
    moved = corrected(document.Reassign(OTHER, "wrong customer"))
    assert expanded(moved) == [(CUSTOMER, 10, 11, False), (OTHER, 11, None, False)]
    assert [row.created_position for row in versions(recorded(*moved))] == [10, 10]


def test_a_joint_paper_has_a_row_for_each_customer_and_all_change_together() -> None:
    joint = corrected(LinkCustomer(OTHER, "joint"), LinkCustomer(THIRD, "joint"), Withdraw("twice"))
    assert expanded(joint) == [
        (CUSTOMER, 10, 11, False),
        (CUSTOMER, 11, 12, False),
        (OTHER, 11, 12, True),
        *[(customer, 12, 13, customer != CUSTOMER) for customer in (CUSTOMER, OTHER, THIRD)],
        *[(customer, 13, None, customer != CUSTOMER) for customer in (CUSTOMER, OTHER, THIRD)],
    ]


def test_an_unlinked_customers_row_ends_and_nothing_follows() -> None:
    parted = corrected(LinkCustomer(OTHER, "joint"), UnlinkCustomer(OTHER, "not joint"))
    assert expanded(parted)[1:] == [(CUSTOMER, 11, 12, False), (OTHER, 11, 12, True), (CUSTOMER, 12, None, False)]


def test_a_move_to_who_was_linked_makes_that_one_the_primary_and_keeps_the_other_links() -> None:
    links = LinkCustomer(OTHER, "joint"), LinkCustomer(THIRD, "joint")
    moved = corrected(*links, document.Reassign(OTHER, "it was the other's"))
    assert [row for row in expanded(moved) if row[2] is None] == [(OTHER, 13, None, False), (THIRD, 13, None, True)]


def test_evidence_that_is_joint_is_a_document_on_its_own_for_the_second_customer() -> None:
    events = [archived(type=CONSENT, evidence_of=STATEMENT)]
    events += document.decide(document.fold(events), LinkCustomer(OTHER, "joint"))
    own, copy = customer_documents.row_and_copies(versions(recorded(*events))[-1])
    assert (own.evidence_of, copy.evidence_of, copy.linked_customers) == (STATEMENT, None, [])
    assert copy.item == own.item


# -- the life of an authorization ---------------------------------------------------------------------------------


def test_an_issued_form_waits_for_its_signature() -> None:
    form = [issued(valid_until=date(2027, 11, 24), external_id="ext-1")]
    (row,), (statement,) = versions(recorded(*form, stream=STATEMENT)), statements(form)
    assert (row.status, row.scan_code, row.signed_on, row.source) == ("issued", "GC48271903665144", None, "none")
    assert (row.note, row.external_id, row.valid_until) == ("at the desk", "ext-1", date(2027, 11, 24))
    assert (statement.status, statement.signed_on, statement.scan_code) == ("issued", None, "GC48271903665144")
    assert (statement.form_lapses_on, statement.due_on) == (TODAY + timedelta(days=180), TODAY + timedelta(days=181))


@pytest.mark.parametrize(("note", "kept"), [(None, "at the desk"), ("by letter", "by letter")])
def test_a_signature_makes_it_active_with_what_was_signed(note: str | None, kept: str) -> None:
    events = lived(issued(), sign(note=note, terms=Terms(signed_on=TODAY, valid_until=date(2027, 1, 31))))
    row, statement = versions(recorded(*events, stream=STATEMENT))[-1], statements(events)[-1]
    for view in (row, statement):
        assert (view.status, view.original_held, view.shelf_mark, view.note) == ("active", True, "B 12", kept)
        assert (view.signed_on, view.valid_until) == (TODAY, date(2027, 1, 31))
    assert statement.due_on == date(2027, 2, 1)


LATER = TODAY + timedelta(days=30)


@pytest.mark.parametrize(
    ("commands", "status", "retention_from"),
    [
        ([Suspend(TODAY, "x")], "suspended", date(2027, 11, 24)),
        ([Suspend(TODAY, "x"), Resume(TODAY, "x")], "active", date(2027, 11, 24)),
        ([revoke(TODAY)], "revoked", date(2026, 11, 23)),
        ([Suspend(TODAY, "x"), revoke(TODAY)], "revoked", date(2026, 11, 23)),
        ([revoke(LATER)], "active", date(2027, 11, 24)),
        ([revoke(LATER), Lapse(LATER)], "revoked", LATER - timedelta(days=1)),
        ([Lapse(date(2028, 1, 1))], "expired", date(2027, 11, 24)),
        ([authorization.Reassign(OTHER, "x")], "active", date(2027, 11, 24)),
    ],
)
def test_its_status_and_the_day_its_retention_counts_from(
    commands: list[Any], status: str, retention_from: date
) -> None:
    events = lived(registered(), *commands)
    row = versions(recorded(*events, stream=STATEMENT))[-1]
    assert (row.status, row.retention_from) == (status, retention_from)
    assert row.version == len(events)
    assert [(r.status, r.version, r.due_on) for r in statements(events)] == [
        (state.status.value, state.version, state.due_on)
        for n in range(1, len(events) + 1)
        if (state := authorization.fold(events[:n]))
    ]


def test_one_that_is_superseded_or_cancelled_ends_that_day() -> None:
    heir = authorization.fold([registered()])
    assert heir is not None
    superseded = lived(registered(), Supersede(UUID(int=5), heir, TODAY, "a new one"))
    cancelled = lived(issued(), Cancel(TODAY, "not wanted"))
    for events, status in ((superseded, "superseded"), (cancelled, "cancelled")):
        row = versions(recorded(*events, stream=STATEMENT))[-1]
        assert (row.status, row.retention_from) == (status, TODAY)


def test_a_mandate_is_kept_from_its_last_collection_when_that_is_later() -> None:
    mandate = registered(type=MANDATE, mandate=a_mandate(), terms=Terms(signed_on=TODAY))
    collected = lived(mandate, collect(LATER), collect(TODAY, CollectionOutcome.REFUNDED))
    over = lived(mandate, collect(LATER), revoke(TODAY))
    reported_later = lived(mandate, revoke(TODAY + timedelta(days=1)), Lapse(LATER), collect(LATER))
    for events, retention_from in ((collected, None), (over, LATER), (reported_later, LATER)):
        row = versions(recorded(*events, stream=STATEMENT))[-1]
        assert (row.last_collection_on, row.retention_from) == (LATER, retention_from)
        assert statements(events)[-1].last_collection_on == LATER


@pytest.mark.parametrize(("months", "kept_until"), [(14, date(2028, 2, 24)), (1, date(2028, 1, 24))])
def test_a_mandate_is_never_kept_less_than_13_months_after_its_last_collection(months: int, kept_until: date) -> None:
    events = lived(registered(type=MANDATE, mandate=a_mandate()), collect(date(2026, 12, 24)), revoke(TODAY))
    short = a_document_type("DEBT_AUTHORIZATION", retention=Retention(trigger="mandate_end", months=months))
    row = fold_item(recorded(*events, stream=STATEMENT))
    assert shown(row, {"DEBT_AUTHORIZATION": short}).keep_until == kept_until


def test_a_revocation_of_a_later_day_and_an_amendment_move_the_etag() -> None:
    amend = an_amendment(iban="NL91ABNA0417164300")
    rows = versions(
        recorded(*lived(registered(type=MANDATE, mandate=a_mandate()), amend, revoke(LATER)), stream=STATEMENT)
    )
    assert [(r.version, r.status) for r in rows] == [(1, "active"), (2, "active"), (3, "active")]


def test_an_amended_mandate_has_its_new_data_from_then_on() -> None:
    first, second = statements(lived(registered(type=MANDATE), an_amendment(iban="NL91ABNA0417164300")))
    assert (first.mandate, first.complete) == (None, False)
    assert second.mandate is not None
    assert (second.mandate.iban, second.mandate.signature_date, second.complete) == ("NL91ABNA0417164300", TODAY, True)


def test_a_moved_authorization_is_the_right_customers_from_then_on() -> None:
    events = lived(registered(), authorization.Reassign(OTHER, "wrong customer"))
    assert [row.customer for row in statements(events)] == [CUSTOMER, OTHER]
    assert expanded_statement(events) == [(CUSTOMER, 10, 11), (OTHER, 11, None)]


def expanded_statement(events: Sequence[Any]) -> list[tuple[UUID, int, int | None]]:
    rows = versions(recorded(*events, stream=STATEMENT))
    return [(r.customer, r.from_position, r.to_position) for r in rows]


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
        msgspec.structs.replace(row, item=msgspec.json.encode(customer_documents.item_base_of(row)).decode())
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


def mandate_row(event: Any) -> authorizations.AuthorizationRow:
    return authorizations.evolve(None, recorded(event)[0])


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


def test_an_amendment_tells_field_by_field_what_was_and_what_is() -> None:
    amend = an_amendment(iban="NL91ABNA0417164300", debtor_name="J. Peeters")
    signed = a_mandate(bic="KREDBEBB", sequence_type=SequenceType.RECURRING)
    row = stories(*lived(registered(type=MANDATE, mandate=signed), amend))[1]
    assert row.before == {"iban": IBAN, "bic": "KREDBEBB", "sequence_type": "recurring"}
    assert row.after == {"iban": "NL91ABNA0417164300", "bic": None, "sequence_type": "first"}
    assert (row.subject_kind, row.reason) == ("authorization", "a new account")


def test_collection_data_that_comes_later_had_no_before() -> None:
    row = stories(*lived(registered(type=MANDATE), an_amendment(iban=IBAN)))[1]
    assert set(row.before.values()) == {None}
    assert (row.after["iban"], row.after["mandate_reference"]) == (IBAN, "M1")


def test_a_life_is_told_step_by_step() -> None:
    mandate = registered(type=MANDATE, mandate=a_mandate(), terms=Terms(signed_on=TODAY))
    rows = stories(
        *lived(
            mandate, collect(LATER, CollectionOutcome.REJECTED), Suspend(TODAY, "disputed"), Resume(TODAY, "settled"),
            revoke(LATER), Lapse(LATER),
        )
    )[1:]  # fmt: skip
    assert [(r.action, r.before, r.after, r.reason) for r in rows] == [
        (
            "collection-reported",
            {},
            {"presented_on": TODAY, "due_on": LATER, "outcome": "rejected", "reference": "RUN-7"},
            None,
        ),
        ("authorization-suspended", {"status": "active"}, {"status": "suspended", "on": TODAY}, "disputed"),
        ("authorization-resumed", {"status": "suspended"}, {"status": "active", "on": TODAY}, "settled"),
        ("revocation-received", {}, {"received_on": TODAY, "effective_on": LATER}, "no longer wanted"),
        (
            "authorization-revoked",
            {"status": "active"},
            {"status": "revoked", "received_on": TODAY, "effective_on": LATER},
            "no longer wanted",
        ),
    ]


def test_a_form_is_told_from_its_issue_to_its_end() -> None:
    issue, signature = stories(*lived(issued(), sign(note="by letter")))
    assert issue.before == {}
    assert (issue.after["status"], issue.after["scan_code"], issue.after["language"]) == (
        "issued",
        "GC48271903665144",
        "en",
    )
    assert signature.before == {"status": "issued"}
    assert (signature.after["status"], signature.after["signed_on"], signature.after["note"]) == (
        "active",
        TODAY,
        "by letter",
    )
    lapsed = stories(*lived(issued(), Lapse(date(2028, 1, 1))))[1]
    assert (lapsed.before, lapsed.after) == (
        {"status": "issued"},
        {"status": "expired", "on": TODAY + timedelta(days=180), "cause": "form"},
    )


def test_new_contents_and_joint_papers_are_told_with_before_and_after() -> None:
    better = a_content(id=UUID(int=77), size_bytes=5)
    replace = ReplaceContent(content=better, sha256=b"\xcd" * 32, file_name="letter.pdf", reason="a better scan")
    linked, unlinked = LinkCustomer(OTHER, "joint"), UnlinkCustomer(OTHER, "not joint")
    content, link, unlink = stories(*corrected(replace, linked, unlinked))[1:]
    assert content.before == {"sha256": "ab" * 32}
    assert content.after == {"media_type": "application/pdf", "size_bytes": 5, "sha256": "cd" * 32, "pages": 2}
    assert (link.before, link.after) == ({"linked_customer": None}, {"linked_customer": OTHER})
    assert (unlink.before, unlink.after) == ({"linked_customer": OTHER}, {"linked_customer": None})
    assert {(r.customer, r.other_customer) for r in (link, unlink)} == {(CUSTOMER, OTHER)}


def test_a_move_is_told_by_references_that_are_shown_as_the_librarys_own_ids() -> None:
    for events in (
        corrected(document.Reassign(OTHER, "wrong customer"))[1:],
        lived(registered(), authorization.Reassign(OTHER, "wrong customer"))[1:],
    ):
        (row,) = stories(*events)
        assert (row.customer, row.other_customer, row.reason) == (OTHER, CUSTOMER, "wrong customer")
        assert (row.before, row.after) == ({"customer": CUSTOMER}, {"customer": OTHER})
        assert audit_history.customers_in([row]) == {CUSTOMER, OTHER}
        told = audit_history.with_customer_ids(row, {OTHER: "100235"})
        assert (told.before, told.after) == ({"customer": None}, {"customer": "100235"})


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
