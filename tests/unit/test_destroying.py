"""Destroying a paper (G10): what goes, what stays, what is refused afterwards."""

from datetime import date
from uuid import UUID

import pytest

from domain.archive import AmendMandate
from domain.authorization import Cancel, Revoke
from domain.document import Describe, Withdraw
from domain.envelope import UNSET
from domain.mandate import Amendment
from domain.refusals import AuthorizationNotActive, IllegalTransition, NotFound, PaperDestroyed
from tests.builders.events import A_GROUND
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import PDF, a_caller

TODAY = date(2026, 11, 24)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def destroy(desk: MemoryDesk, paper: UUID) -> bool:
    return desk.archive.destroying.destroy_paper(paper, A_GROUND, a_caller())


def revoked(desk: MemoryDesk) -> UUID:
    """A form that was signed on paper, archived and revoked."""
    form = desk.issue()
    desk.attach(form, b"signed")
    desk.change(form, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="no longer wanted"))
    return form


def test_the_key_goes_with_the_last_event_and_what_was_sealed_with_the_key(desk: MemoryDesk) -> None:
    paper = desk.file()
    assert destroy(desk, paper)
    assert paper not in desk.keys.papers
    assert desk.topics[-1] == "content-destroyed.v1"
    assert {e.body.description for e in desk.log.load(paper)[:1]} == {UNSET}


def test_to_destroy_again_changes_nothing(desk: MemoryDesk) -> None:
    paper = desk.file()
    destroy(desk, paper)
    before = desk.trace()
    assert not destroy(desk, paper)
    assert desk.trace() == before


def test_an_authorization_goes_with_every_paper_that_was_its_evidence(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form, b"first")
    withdrawn = desk.evidence(form)
    desk.correct(withdrawn, Withdraw("a bad scan"))
    desk.attach(form, b"second")
    evidence = desk.evidence(form)
    desk.change(form, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="no longer wanted"))
    assert destroy(desk, form)
    assert desk.keys.papers == {}
    assert {desk.document(paper).status for paper in (withdrawn, evidence)} == {"destroyed"}
    assert desk.authorization(form).status == "destroyed"


def test_evidence_is_not_destroyed_alone(desk: MemoryDesk) -> None:
    form = desk.issue()
    desk.attach(form)
    with pytest.raises(NotFound):
        destroy(desk, desk.evidence(form))


def test_what_is_in_force_or_waits_for_its_signature_is_not_destroyed(desk: MemoryDesk) -> None:
    form = desk.issue()
    with pytest.raises(IllegalTransition):
        destroy(desk, form)
    desk.attach(form)
    with pytest.raises(IllegalTransition):
        destroy(desk, form)


def test_the_same_file_can_be_archived_again_and_an_external_id_cannot_be_used_again(desk: MemoryDesk) -> None:
    destroy(desk, desk.file(external_id="crm-1"))
    assert desk.file(PDF) is not None
    taken = desk.log.owners_of_claims("external-id", [desk.keys.claim_digest("external-id", b"crm-1")])
    assert len(taken) == 1


def test_nothing_can_be_done_to_a_tombstone(desk: MemoryDesk) -> None:
    paper, form = desk.file(), revoked(desk)
    destroy(desk, paper)
    destroy(desk, form)
    for command in (Withdraw("x"), Describe(note="x", today=TODAY, reason="x")):
        with pytest.raises(IllegalTransition) as refused:
            desk.correct(paper, command)
        assert refused.value.extra == {"state": "destroyed"}
    for order in (Cancel(TODAY, "x"), AmendMandate(Amendment(bic="GKCCBEBB"), "x")):
        with pytest.raises(IllegalTransition):
            desk.change(form, order)
    corrections = desk.archive.corrections
    with pytest.raises(IllegalTransition):
        corrections.reassign_document(paper, "100235", "x", a_caller(), rights=EVERYTHING, expected_version=None)


def test_check_and_print_say_that_the_authorization_was_destroyed(desk: MemoryDesk) -> None:
    form = desk.issue()
    code = desk.code(form)
    desk.change(form, Cancel(TODAY, "not wanted"))
    destroy(desk, form)
    assert desk.archive.forms.find_form(code, EVERYTHING) == form
    with pytest.raises(AuthorizationNotActive) as refused:
        desk.archive.forms.check_form(form, a_caller(), EVERYTHING)
    assert refused.value.extra["authorization_status"] == "destroyed"
    with pytest.raises(PaperDestroyed):
        desk.archive.forms.load_printed_form(form, EVERYTHING)


def test_a_correction_at_the_same_instant_comes_before_or_is_refused(desk: MemoryDesk) -> None:
    paper = desk.file()
    desk.log.before_append.append(lambda: desk.correct(paper, Withdraw("quicker")))
    assert destroy(desk, paper)
    assert desk.topics[-2:] == ["document-withdrawn.v1", "content-destroyed.v1"]
    other = desk.file(b"another")
    desk.log.before_append.append(lambda: destroy(desk, other))
    with pytest.raises(IllegalTransition):
        desk.correct(other, Withdraw("too late"))
