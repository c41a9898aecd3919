"""Corrections as a use case over ports in memory: rights, versions, replays, and two people at once."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.access import Rights, Role
from domain.administration import CreateToken
from domain.archive import Outcome
from domain.document import Command, Describe, Reclassify, Restore, Withdraw
from domain.document_type import DefineType
from domain.envelope import Envelope
from domain.refusals import (
    CustomerErased,
    IdempotencyKeyReused,
    IllegalTransition,
    NotFound,
    PreconditionFailed,
    ValidationFailed,
)
from tests.builders.memory import MemoryArchive
from tests.builders.papers import a_caller, a_document_type, a_note, an_order, an_upload

ALL = Rights(["LETTER", "FORM", "GUARDIAN_CONSENT"])
TODAY = date(2026, 11, 24)


class Desk(MemoryArchive):
    """With one archived letter."""

    def __init__(self) -> None:
        super().__init__()
        self.paper: UUID = (
            self.archive.filing.archive_file(an_order(), an_upload(), a_caller()).recorded[0].envelope.originator_id
        )
        self.begun_at = self.log.last_position()

    def correct(
        self, command: Command, *, version: int | None = None, key: str | None = None, rights: Rights = ALL
    ) -> Outcome:
        return self.archive.corrections.correct_document(
            self.paper, command, a_caller(idempotency_key=key), rights=rights, expected_version=version
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


def describe(note: str = "moved house") -> Describe:
    return Describe(note=note, today=TODAY, reason="typo")


CORRECTIONS: list[tuple[Command, str]] = [
    (describe(), "document-described.v1"),
    (Reclassify(a_document_type("FORM"), "is a form"), "document-reclassified.v1"),
    (Withdraw("of the neighbour"), "document-withdrawn.v1"),
]


@pytest.mark.parametrize(("command", "topic"), CORRECTIONS, ids=[t for _, t in CORRECTIONS])
def test_a_correction_is_the_next_event_of_its_document(desk: Desk, command: Command, topic: str) -> None:
    outcome = desk.correct(command, version=1)
    assert desk.topics == [topic]
    assert [r.envelope.originator_version for r in outcome.recorded] == [1, 2]
    assert (outcome.customer, outcome.position) == ("100234", desk.log.last_position())


def test_a_withdrawn_document_is_restored(desk: Desk) -> None:
    desk.correct(Withdraw("of the neighbour"), version=1)
    desk.correct(Restore("was right"), version=2)
    assert desk.topics == ["document-withdrawn.v1", "document-restored.v1"]


def test_what_changes_nothing_appends_nothing_and_answers_the_document(desk: Desk) -> None:
    desk.correct(describe(), version=1)
    outcome = desk.correct(describe(), version=2)
    assert desk.topics == ["document-described.v1"]
    assert outcome.position == desk.log.last_position()


def test_what_was_read_must_be_what_stands(desk: Desk) -> None:
    desk.correct(describe(), version=1)
    for stale in (1, 3):
        with pytest.raises(PreconditionFailed) as refused:
            desk.correct(Withdraw("x"), version=stale)
        assert refused.value.values == {"version": 2}


def test_without_a_version_whatever_stands_is_corrected(desk: Desk) -> None:
    desk.correct(describe(), version=None)
    assert desk.topics == ["document-described.v1"]


def test_a_refused_correction_leaves_the_document_as_it_was(desk: Desk) -> None:
    with pytest.raises(IllegalTransition):
        desk.correct(Restore("why"), version=1)
    assert desk.topics == []


@pytest.mark.parametrize("rights", [Rights(["FORM"]), Rights([]), Rights(["LETTER"], "WEST")])
def test_what_a_caller_may_not_see_does_not_exist(desk: Desk, rights: Rights) -> None:
    with pytest.raises(NotFound):
        desk.correct(Withdraw("x"), version=1, rights=rights)
    assert desk.topics == []


def test_of_its_own_branch_a_caller_may_correct(desk: Desk) -> None:
    assert desk.correct(Withdraw("x"), rights=Rights(["LETTER"], "CENTRAL")).recorded


def test_what_is_no_document_is_not_found(desk: Desk) -> None:
    noted = desk.archive.noting.note_authorization(a_note(), a_caller()).recorded[0].envelope.originator_id
    for paper in (UUID(int=99), noted):
        with pytest.raises(NotFound):
            desk.archive.corrections.correct_document(paper, Withdraw("x"), a_caller(), rights=ALL, expected_version=1)


def test_two_corrections_of_one_version_and_the_second_is_told(desk: Desk) -> None:
    desk.log.before_append.append(lambda: desk.correct(describe(), version=1))
    with pytest.raises(PreconditionFailed) as refused:
        desk.correct(Withdraw("x"), version=1)
    assert refused.value.values == {"version": 2}
    assert desk.topics == ["document-described.v1"]


def test_an_erased_customers_document_is_not_corrected(desk: Desk) -> None:
    desk.keys.erase("100234")
    for command in (Withdraw("x"), describe()):
        with pytest.raises(CustomerErased):
            desk.correct(command, version=1)
    assert desk.topics == []


def test_a_document_whose_customer_was_erased_meanwhile_is_not_corrected(desk: Desk) -> None:
    desk.log.before_append.append(lambda: desk.keys.erase("100234"))
    with pytest.raises(CustomerErased):
        desk.correct(Withdraw("x"), version=1)
    assert desk.topics == []


# -- Idempotency-Key ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "topic"), CORRECTIONS, ids=[t for _, t in CORRECTIONS])
def test_a_correction_sent_twice_is_done_once(desk: Desk, command: Command, topic: str) -> None:
    first, second = desk.correct(command, version=1, key="k"), desk.correct(command, version=1, key="k")
    assert desk.topics == [topic]
    assert second.replayed
    assert list(second.recorded) == list(first.recorded)


def test_a_twin_that_was_quicker_is_answered(desk: Desk) -> None:
    desk.log.before_append.append(lambda: desk.correct(describe(), version=1, key="k"))
    outcome = desk.correct(describe(), version=1, key="k")
    assert outcome.replayed
    assert desk.topics == ["document-described.v1"]


def test_a_key_of_withdraw_is_not_for_restore(desk: Desk) -> None:
    desk.correct(Withdraw("mistake"), version=1, key="k")
    with pytest.raises(IdempotencyKeyReused):
        desk.correct(Restore("mistake"), version=2, key="k")


def test_a_key_is_for_one_type_and_reason_of_a_reclassification(desk: Desk) -> None:
    desk.correct(Reclassify(a_document_type("FORM"), "is a form"), version=1, key="k")
    for other in (Reclassify(a_document_type("FORM"), "looks like one"), Reclassify(a_document_type(), "is a form")):
        with pytest.raises(IdempotencyKeyReused):
            desk.correct(other, version=1, key="k")


def test_a_key_is_for_one_document_only(desk: Desk) -> None:
    other = (
        desk.archive.filing.archive_file(an_order(), an_upload(b"other"), a_caller()).recorded[0].envelope.originator_id
    )
    desk.correct(Withdraw("x"), version=1, key="k")
    with pytest.raises(IdempotencyKeyReused):
        desk.archive.corrections.correct_document(
            other, Withdraw("x"), a_caller(idempotency_key="k"), rights=ALL, expected_version=1
        )


def test_a_description_sent_again_after_midnight_is_the_same_request(desk: Desk) -> None:
    desk.correct(describe(), version=1, key="k")
    tomorrow = Describe(note="moved house", today=TODAY + timedelta(days=1), reason="typo")
    assert desk.correct(tomorrow, version=1, key="k").replayed


def test_a_reclassification_sent_again_after_the_type_was_changed_is_the_same_request(desk: Desk) -> None:
    desk.correct(Reclassify(a_document_type("FORM"), "is a form"), version=1, key="k")
    renamed = a_document_type("FORM", version=2, labels={"en": "Paper form"})
    assert desk.correct(Reclassify(renamed, "is a form"), version=1, key="k").replayed


# -- Catalogues -----------------------------------------------------------------------------------------------


def test_a_type_is_defined_changed_and_left_alone(desk: Desk) -> None:
    post = DefineType("POST", a_document_type(labels={"en": "Post"}).definition)
    assert desk.archive.catalogues.define_type(post, a_caller(), expected_version=0)
    assert not desk.archive.catalogues.define_type(post, a_caller(), expected_version=1)
    assert desk.archive.catalogues.load_types()["POST"].definition.labels == {"en": "Post"}
    with pytest.raises(PreconditionFailed):
        desk.archive.catalogues.define_type(post, a_caller(), expected_version=2)


def test_shipped_types_that_people_changed_stay_as_they_are(desk: Desk) -> None:
    renamed = a_document_type("FORM", labels={"en": "Paper form"}).definition
    desk.archive.catalogues.define_type(DefineType("FORM", renamed), a_caller())
    shipped = {"FORM": a_document_type("FORM").definition, "POST": a_document_type().definition}
    assert desk.archive.catalogues.ship_types(shipped, a_caller()) == ["POST"]
    assert desk.archive.catalogues.load_types()["FORM"].definition == renamed


def race(desk: Desk, first: Callable[[], object]) -> None:
    desk.log.before_append.append(first)


def test_two_changes_of_one_type_both_arrive(desk: Desk) -> None:
    def named(label: str) -> DefineType:
        return DefineType("FORM", a_document_type("FORM", labels={"en": label}).definition)

    race(desk, lambda: desk.archive.catalogues.define_type(named("one"), a_caller()))
    assert desk.archive.catalogues.define_type(named("two"), a_caller())
    assert desk.archive.catalogues.load_types()["FORM"].definition.labels == {"en": "two"}
    assert desk.topics == ["document-type-changed.v1"] * 2


def test_a_type_that_was_changed_meanwhile_is_told_to_who_said_what_they_read(desk: Desk) -> None:
    other, mine = a_document_type(labels={"en": "Post"}).definition, a_document_type(labels={"en": "Mail"}).definition
    race(desk, lambda: desk.archive.catalogues.define_type(DefineType("LETTER", other), a_caller()))
    with pytest.raises(PreconditionFailed) as refused:
        desk.archive.catalogues.define_type(DefineType("LETTER", mine), a_caller(), expected_version=1)
    assert refused.value.values == {"version": 2}


def test_the_same_types_shipped_twice_at_once_are_defined_once(desk: Desk) -> None:
    shipped = {"POST": a_document_type().definition}
    race(desk, lambda: desk.archive.catalogues.ship_types(shipped, a_caller()))
    assert desk.archive.catalogues.ship_types(shipped, a_caller()) == []
    assert desk.topics == ["document-type-defined.v1"]


def test_a_type_that_people_defined_meanwhile_is_not_shipped_over_theirs(desk: Desk) -> None:
    theirs = a_document_type(labels={"en": "Post"}).definition
    race(desk, lambda: desk.archive.catalogues.define_type(DefineType("POST", theirs), a_caller()))
    assert desk.archive.catalogues.ship_types({"POST": a_document_type().definition}, a_caller()) == []
    assert desk.archive.catalogues.load_types()["POST"].definition == theirs


def test_two_tokens_made_at_once_both_arrive(desk: Desk) -> None:
    def make(name: str) -> bool:
        return desk.archive.catalogues.administer(
            CreateToken(name=name, digest=name.encode(), role=Role.STAFF), a_caller()
        )

    race(desk, lambda: make("one"))
    assert make("two")
    assert set(desk.archive.catalogues.load_administration().tokens) == {"one", "two"}


def test_a_token_name_taken_meanwhile_is_refused(desk: Desk) -> None:
    def make(digest: bytes) -> bool:
        return desk.archive.catalogues.administer(CreateToken(name="kiosk", digest=digest, role=Role.STAFF), a_caller())

    race(desk, lambda: make(b"first"))
    with pytest.raises(ValidationFailed):
        make(b"second")
    assert list(desk.archive.catalogues.load_administration().by_digest()) == [b"first"]


def test_who_may_come_in_is_read_on_from_where_it_was_read_before(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker asks at least every ten seconds: the whole stream each time would be quadratic in its passwords."""
    loaded: list[int] = []
    load = desk.archive.ports.log.load

    def counted(stream: UUID, after: int = 0) -> Sequence[Envelope[Any]]:
        found = load(stream, after)
        loaded.append(len(found))
        return found

    monkeypatch.setattr(desk.archive.ports.log, "load", counted)
    for name in ("one", "two", "three"):
        desk.archive.catalogues.administer(CreateToken(name=name, digest=name.encode(), role=Role.STAFF), a_caller())
        assert name in desk.archive.catalogues.load_administration().tokens
        assert name in desk.archive.catalogues.load_administration().tokens
    assert sum(loaded) == 3
