"""Papers of the wrong customer, joint papers and new contents (G2, G4, G6) as use cases over ports in memory."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from domain.access import Rights
from domain.archive import Outcome
from domain.authorization import AuthorizationReassigned, AuthorizationStatus, Revoke
from domain.catalogue import SHIPPED
from domain.document import DocumentReassigned, Restore, Withdraw
from domain.refusals import (
    CustomerErased,
    CustomerUnknown,
    DuplicateContent,
    FilePasswordProtected,
    FileTypeNotAllowed,
    IdempotencyKeyReused,
    IllegalTransition,
    MandateExists,
    NotFound,
    PreconditionFailed,
    ValidationFailed,
)
from tests.builders.memory import EVERYTHING, MemoryDesk
from tests.builders.papers import PDF, a_caller, a_mandate, a_seen_note, an_upload

TODAY = date(2026, 11, 24)
ME, HER = "100234", "100235"


class Desk(MemoryDesk):
    """Both customers have a paper already; `more` of a correction are its version, key, rights."""

    def __init__(self) -> None:
        super().__init__()
        self.file(b"mine")
        self.file(b"hers", customer=HER)

    @property
    def me(self) -> UUID:
        return self.keys.references[ME]

    @property
    def her(self) -> UUID:
        return self.keys.references[HER]

    def _do(self, use_case: Callable[..., Outcome], *arguments: Any, **more: Any) -> Outcome:
        caller = a_caller(idempotency_key=more.get("key"))
        rights, version = more.get("rights", EVERYTHING), more.get("version")
        return use_case(*arguments, caller, rights=rights, expected_version=version)

    def move(self, paper: UUID, to: str = HER, **more: Any) -> Outcome:
        return self._do(self.archive.corrections.reassign_document, paper, to, "of the daughter", **more)

    def move_authorization(self, paper: UUID, to: str = HER, **more: Any) -> Outcome:
        return self._do(self.archive.corrections.reassign_authorization, paper, to, "of the daughter", **more)

    def link(self, paper: UUID, to: str = HER, **more: Any) -> Outcome:
        return self._do(self.archive.corrections.link_customer, paper, to, "signed by both", **more)

    def unlink(self, paper: UUID, to: str = HER, **more: Any) -> Outcome:
        return self._do(self.archive.corrections.unlink_customer, paper, to, "signed by one", **more)

    def replace(self, paper: UUID, plain: bytes = b"better", reason: str = "was cut", **more: Any) -> Outcome:
        file = an_upload(plain, **more.pop("file", {}))
        return self._do(self.archive.corrections.replace_content, paper, file, reason, **more)


@pytest.fixture
def desk() -> Desk:
    return Desk()


CORRECTIONS: list[tuple[str, str]] = [
    ("move", "document-reassigned.v1"),
    ("link", "customer-linked.v1"),
    ("replace", "content-replaced.v1"),
]
each = pytest.mark.parametrize(("name", "topic"), CORRECTIONS, ids=[n for n, _ in CORRECTIONS])


# -- what holds for each ----------------------------------------------------------------------------------------


@each
def test_a_correction_is_the_next_event_of_its_document(desk: Desk, name: str, topic: str) -> None:
    paper = desk.file()
    outcome = getattr(desk, name)(paper, version=1)
    assert desk.topics[3:] == [topic]
    assert [r.envelope.originator_version for r in outcome.recorded] == [1, 2]
    assert (outcome.customer, outcome.position) == (HER if name == "move" else ME, desk.log.last_position())


@each
def test_what_was_read_must_be_what_stands(desk: Desk, name: str, topic: str) -> None:
    paper = desk.file()
    before, put = desk.trace(), len(desk.contents.put_in_order)
    for stale in (0, 2):
        with pytest.raises(PreconditionFailed) as refused:
            getattr(desk, name)(paper, version=stale)
        assert refused.value.values == {"version": 1}
    assert (desk.trace(), len(desk.contents.put_in_order)) == (before, put)


@each
def test_of_two_at_one_version_the_second_is_told(desk: Desk, name: str, topic: str) -> None:
    paper = desk.file()
    desk.log.before_append.append(lambda: desk.correct(paper, Withdraw("x"), 1))
    with pytest.raises(PreconditionFailed) as refused:
        getattr(desk, name)(paper, version=1)
    assert refused.value.values == {"version": 2}
    assert len(desk.contents.plain) == 3


@each
@pytest.mark.parametrize("rights", [Rights([]), Rights(["FORM"]), Rights(list(SHIPPED), "WEST")])
def test_what_a_caller_may_not_see_does_not_exist(desk: Desk, name: str, topic: str, rights: Rights) -> None:
    paper = desk.file()
    before = desk.trace()
    with pytest.raises(NotFound):
        getattr(desk, name)(paper, rights=rights)
    assert desk.trace() == before


@each
def test_a_correction_sent_twice_is_done_once(desk: Desk, name: str, topic: str) -> None:
    paper = desk.file()
    first, second = (getattr(desk, name)(paper, version=1, key="k") for _ in range(2))
    assert desk.topics[3:] == [topic]
    assert (first.replayed, second.replayed, second.customer) == (False, True, first.customer)
    assert list(second.recorded) == list(first.recorded)
    with pytest.raises(IdempotencyKeyReused):
        desk.unlink(paper, key="k")


@each
def test_a_twin_that_was_quicker_is_answered(desk: Desk, name: str, topic: str) -> None:
    paper = desk.file()
    desk.log.before_append.append(lambda: getattr(desk, name)(paper, key="k"))
    assert getattr(desk, name)(paper, key="k").replayed
    assert desk.topics[3:] == [topic]
    assert len(desk.contents.plain) == (4 if name == "replace" else 3)


@each
def test_an_erased_customers_document_is_not_corrected(desk: Desk, name: str, topic: str) -> None:
    paper = desk.file()
    desk.keys.erase(ME)
    with pytest.raises(CustomerErased):
        getattr(desk, name)(paper)


@each
def test_a_document_whose_customer_was_erased_meanwhile_is_not_corrected(desk: Desk, name: str, topic: str) -> None:
    paper = desk.file()
    desk.log.before_append.append(lambda: desk.keys.erase(ME))
    with pytest.raises(CustomerErased):
        getattr(desk, name)(paper)
    assert len(desk.contents.plain) == 3


@pytest.mark.parametrize("name", ["move", "link", "move_authorization"])
def test_a_paper_goes_to_nobody_that_the_library_does_not_know_or_that_was_erased(desk: Desk, name: str) -> None:
    paper = desk.note() if name == "move_authorization" else desk.file()
    before = desk.trace()
    with pytest.raises(CustomerUnknown):
        getattr(desk, name)(paper, "nobody")
    assert desk.trace() == before
    desk.keys.erase(HER)
    with pytest.raises(CustomerErased):
        getattr(desk, name)(paper)
    assert desk.log.last_position() == before[0]


# -- moving -----------------------------------------------------------------------------------------------------


def test_with_the_key_of_the_customer_of_before_nothing_can_be_opened_any_more(desk: Desk) -> None:
    paper = desk.file()
    desk.move(paper)
    assert desk.keys.papers[paper] == {desk.her}
    desk.keys.erase(ME)
    assert desk.log.load(paper)[0].body.file_name == "letter.pdf"
    desk.keys.erase(HER)
    assert not desk.log.load(paper)[0].body.file_name


def test_a_paper_that_is_there_already_is_moved_nowhere(desk: Desk) -> None:
    paper, statement = desk.file(), desk.note()
    before = desk.trace()
    assert desk.move(paper, ME).position == before[0] - 1  # type: ignore[operator]  # the paper's own last event
    assert desk.move_authorization(statement, ME).position == before[0]
    assert desk.trace() == before


def test_the_first_paper_of_a_customer_may_come_by_a_move(desk: Desk) -> None:
    desk.customers.known["100236"] = desk.customers.known[ME]
    paper = desk.file()
    desk.move(paper, "100236")
    assert desk.document(paper).customer == desk.keys.references["100236"]


def test_two_first_papers_of_a_customer_that_come_by_moves_both_arrive(desk: Desk) -> None:
    desk.customers.known["100236"] = desk.customers.known[ME]
    one, other = desk.file(b"one"), desk.file(b"other")
    desk.log.before_append.append(lambda: desk.move(one, "100236"))
    desk.move(other, "100236")
    assert desk.document(one).customer == desk.document(other).customer == desk.keys.references["100236"]


@pytest.mark.parametrize("asked_of", ["document", "authorization"])
def test_an_authorization_and_its_evidence_move_together(desk: Desk, asked_of: str) -> None:
    form = desk.issue()
    desk.attach(form)
    evidence = desk.evidence(form)
    outcome = desk.move(evidence) if asked_of == "document" else desk.move_authorization(form)
    last = {r.envelope.originator_id: r.envelope for r in outcome.recorded}
    events = {type(desk.log.load(p)[-1].body): desk.log.load(p)[-1] for p in (form, evidence)}
    moved, reassigned = events[DocumentReassigned], events[AuthorizationReassigned]
    assert (moved.body.customer, moved.body.old) == (desk.her, desk.me)
    assert (reassigned.body.customer, reassigned.body.old) == (desk.her, desk.me)
    assert moved.meta == reassigned.meta
    assert desk.authorization(form).customer == desk.document(evidence).customer == desk.her
    assert desk.keys.papers[form] == desk.keys.papers[evidence] == {desk.her}
    assert outcome.customer == HER
    assert (evidence if asked_of == "document" else form) in last


@pytest.mark.parametrize("asked_of", ["document", "authorization"])
def test_a_move_of_both_that_is_sent_again_is_answered_for_the_one_that_was_named(desk: Desk, asked_of: str) -> None:
    form = desk.issue()
    desk.attach(form)
    evidence = desk.evidence(form)
    move = desk.move if asked_of == "document" else desk.move_authorization
    named = evidence if asked_of == "document" else form
    first, second = (move(named, key="k") for _ in range(2))
    assert second.replayed
    assert (second.position, list(second.recorded)) == (first.position, list(first.recorded))
    told = {r.envelope.originator_id for r in first.recorded}
    assert told == ({evidence} if asked_of == "document" else {form, evidence})


def test_an_issued_form_moves_with_its_code(desk: Desk) -> None:
    form = desk.issue()
    desk.move_authorization(form)
    assert desk.archive.forms.find_form(desk.code(form), EVERYTHING) == form
    assert desk.archive.forms.check_form(form, a_caller(), EVERYTHING).outcome.customer == HER
    desk.attach(form, customer=HER)
    assert desk.document(desk.evidence(form)).customer == desk.her


@pytest.mark.parametrize("with_evidence", [False, True])
def test_a_mandate_that_moves_takes_its_account_along(desk: Desk, with_evidence: bool) -> None:
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None))
    desk.attach(form) if with_evidence else desk.note_signed(form)
    desk.move(desk.evidence(form)) if with_evidence else desk.move_authorization(form)
    assert desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate())
    with pytest.raises(MandateExists) as refused:
        desk.note(customer=HER, type="DEBT_AUTHORIZATION", mandate=a_mandate())
    assert refused.value.extra == {"existing": str(form)}


def test_a_mandate_does_not_move_beside_another_of_the_same_account(desk: Desk) -> None:
    form = desk.issue(type="DEBT_AUTHORIZATION", mandate=a_mandate(signature_date=None))
    desk.attach(form)
    hers = desk.note(customer=HER, type="DEBT_AUTHORIZATION", mandate=a_mandate())
    before = desk.trace()
    with pytest.raises(MandateExists) as of_document:
        desk.move(desk.evidence(form))
    with pytest.raises(MandateExists) as of_authorization:
        desk.move_authorization(form)
    assert of_document.value.extra == of_authorization.value.extra == {"existing": str(hers)}
    assert desk.trace() == before


def test_a_revoked_mandate_moves_beside_any(desk: Desk) -> None:
    paper = desk.note(type="DEBT_AUTHORIZATION", mandate=a_mandate())
    desk.change(paper, Revoke(received_on=TODAY, effective_on=TODAY, today=TODAY, reason="x"))
    desk.note(customer=HER, type="DEBT_AUTHORIZATION", mandate=a_mandate())
    desk.move_authorization(paper)
    assert desk.authorization(paper).status is AuthorizationStatus.REVOKED


def test_a_withdrawn_evidence_moves_with_its_authorization(desk: Desk) -> None:
    form = desk.issue()
    desk.attach(form)
    paper = desk.evidence(form)
    desk.correct(paper, Withdraw("bad scan"))
    desk.attach(form, b"better scan")
    desk.move_authorization(form)
    assert {desk.document(one).customer for one in (paper, desk.evidence(form))} == {desk.her}
    assert desk.keys.papers[paper] == {desk.her}
    desk.correct(desk.evidence(form), Withdraw("bad as well"))
    desk.correct(paper, Restore("good enough"))
    assert desk.evidence(form) == paper


def test_a_withdrawn_evidence_takes_its_authorization_along(desk: Desk) -> None:
    form = desk.issue()
    desk.attach(form)
    paper = desk.evidence(form)
    desk.correct(paper, Withdraw("bad scan"))
    desk.move(paper)
    assert desk.authorization(form).customer == desk.document(paper).customer == desk.her


def test_of_an_authorization_that_moved_meanwhile_the_evidence_goes_where_it_is(desk: Desk) -> None:
    """The paper arrives at the desk while somebody moves its form."""
    form = desk.issue()
    desk.log.before_append.append(lambda: desk.move_authorization(form))
    desk.attach(form)
    assert desk.authorization(form).customer == desk.document(desk.evidence(form)).customer == desk.her
    assert desk.keys.papers[desk.evidence(form)] == {desk.her}


def test_what_moved_is_no_duplicate_at_the_old_customer_and_one_at_the_new(desk: Desk) -> None:
    paper = desk.file()
    desk.move(paper)
    assert desk.file()
    with pytest.raises(DuplicateContent) as refused:
        desk.file(customer=HER)
    assert refused.value.extra == {"existing": str(paper)}


def test_a_paper_moves_beside_the_same_content(desk: Desk) -> None:
    paper, hers = desk.file(), desk.file(customer=HER)
    desk.move(paper)
    desk.move(hers, ME)
    assert (desk.document(paper).customer, desk.document(hers).customer) == (desk.her, desk.me)


def test_an_earlier_content_of_what_moved_is_a_duplicate_too(desk: Desk) -> None:
    paper = desk.file()
    desk.replace(paper)
    desk.move(paper)
    assert desk.file(b"better")
    for plain in (PDF, b"better"):
        with pytest.raises(DuplicateContent):
            desk.file(plain, customer=HER)


def test_a_move_of_an_authorization_is_asked_at_its_own_version(desk: Desk) -> None:
    statement = desk.note()
    with pytest.raises(PreconditionFailed):
        desk.move_authorization(statement, version=2)
    first, second = (desk.move_authorization(statement, version=1, key="k") for _ in range(2))
    assert (second.replayed, list(second.recorded)) == (True, list(first.recorded))
    with pytest.raises(NotFound):
        desk.move_authorization(statement, rights=Rights(["LETTER"]))
    with pytest.raises(NotFound):
        desk.move_authorization(desk.file())


# -- joint papers -----------------------------------------------------------------------------------------------


def test_a_joint_paper_is_opened_with_either_key(desk: Desk) -> None:
    paper = desk.file()
    desk.link(paper)
    assert desk.keys.papers[paper] == {desk.me, desk.her}
    desk.keys.erase(ME)
    assert desk.log.load(paper)[0].body.file_name == "letter.pdf"


def test_an_unlinked_customers_key_opens_nothing_any_more(desk: Desk) -> None:
    paper = desk.file()
    desk.link(paper)
    desk.unlink(paper)
    assert desk.keys.papers[paper] == {desk.me}
    assert desk.document(paper).linked == frozenset()


def test_who_is_not_linked_is_not_unlinked_and_the_primary_one_never(desk: Desk) -> None:
    paper = desk.file()
    before = desk.trace()
    desk.unlink(paper)
    desk.unlink(paper, "100299")
    desk.link(paper, ME)
    with pytest.raises(ValidationFailed):
        desk.unlink(paper, ME)
    assert desk.trace() == before


def test_a_joint_paper_is_a_duplicate_at_both_until_it_is_unlinked(desk: Desk) -> None:
    paper = desk.file()
    desk.link(paper)
    with pytest.raises(DuplicateContent) as refused:
        desk.file(customer=HER)
    assert refused.value.extra == {"existing": str(paper)}
    desk.unlink(paper)
    assert desk.file(customer=HER)


def test_unlinking_leaves_the_duplicates_that_the_customer_has_otherwise(desk: Desk) -> None:
    paper, hers = desk.file(), desk.file(customer=HER)
    desk.link(paper)
    desk.unlink(paper)
    with pytest.raises(DuplicateContent) as refused:
        desk.file(customer=HER)
    assert refused.value.extra == {"existing": str(hers)}


def test_a_joint_paper_moved_to_its_linked_customer_is_hers_alone(desk: Desk) -> None:
    paper = desk.file()
    desk.link(paper)
    desk.move(paper)
    assert (desk.document(paper).customer, desk.document(paper).linked) == (desk.her, frozenset())
    assert desk.keys.papers[paper] == {desk.her}
    assert desk.file()


# -- new contents -----------------------------------------------------------------------------------------------


def test_both_contents_are_kept_and_the_last_is_shown(desk: Desk) -> None:
    paper = desk.file()
    desk.replace(paper)
    files = desk.document(paper).files
    assert [desk.contents.plain[f.content.id] for f in files] == [PDF, b"better"]


def test_the_content_that_is_shown_already_is_not_stored_again(desk: Desk) -> None:
    paper = desk.file()
    before, put = desk.trace(), len(desk.contents.put_in_order)
    outcome = desk.replace(paper, PDF)
    assert (outcome.position, desk.trace(), len(desk.contents.put_in_order)) == (before[0], before, put)


def test_content_that_another_paper_has_replaces_all_the_same(desk: Desk) -> None:
    paper, _ = desk.file(), desk.file(b"better")
    assert desk.replace(paper).recorded


def test_a_replaced_content_is_a_duplicate(desk: Desk) -> None:
    paper = desk.file()
    desk.replace(paper)
    for plain in (PDF, b"better"):
        with pytest.raises(DuplicateContent) as refused:
            desk.file(plain)
        assert refused.value.extra == {"existing": str(paper)}


REFUSED: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "media type not taken": ({"media_type": "image/png"}, FileTypeNotAllowed),
    "password not taken": ({"password_protected": True}, FilePasswordProtected),
}


@pytest.mark.parametrize(("file", "refusal"), REFUSED.values(), ids=REFUSED.keys())
def test_a_content_that_the_type_does_not_take_never_reaches_the_store(
    desk: Desk, file: dict[str, Any], refusal: type[Exception]
) -> None:
    paper = desk.file()
    desk.define("LETTER", media_types=("application/pdf",), password_protected_allowed=False)
    before, put = desk.trace(), len(desk.contents.put_in_order)
    with pytest.raises(refusal):
        desk.replace(paper, file=file)
    assert (desk.trace(), len(desk.contents.put_in_order)) == (before, put)


def test_a_withdrawn_or_only_seen_paper_takes_no_content(desk: Desk) -> None:
    paper = desk.file()
    desk.correct(paper, Withdraw("x"))
    seen = desk.archive.noting.note_authorization(a_seen_note(), a_caller()).recorded[0].envelope.originator_id
    put = len(desk.contents.put_in_order)
    with pytest.raises(IllegalTransition):
        desk.replace(paper)
    with pytest.raises(ValidationFailed):
        desk.replace(seen)
    assert len(desk.contents.put_in_order) == put


def test_a_content_withdrawn_meanwhile_is_dropped(desk: Desk) -> None:
    paper = desk.file()
    desk.log.before_append.append(lambda: desk.correct(paper, Withdraw("x")))
    with pytest.raises(IllegalTransition):
        desk.replace(paper)
    assert len(desk.contents.plain) == 3


def test_of_two_contents_at_once_the_later_replaces_the_quicker(desk: Desk) -> None:
    paper = desk.file()
    desk.log.before_append.append(lambda: desk.replace(paper, b"quicker"))
    desk.replace(paper)
    files = desk.document(paper).files
    assert [desk.contents.plain[f.content.id] for f in files] == [PDF, b"quicker", b"better"]
    assert len(desk.contents.plain) == 5
