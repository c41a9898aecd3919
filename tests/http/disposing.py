"""Papers whose retention has ended, and disposals of them, made beside the running program."""

from datetime import timedelta
from uuid import UUID

from domain.access import Rights
from domain.authorization import Revoke
from domain.disposal import DuePaper
from tests.builders.papers import a_caller, a_note
from tests.http.desk import a_customer
from tests.http.served import Served


def an_ended(served: Served, code: str = "OTHER_AUTHORIZATION") -> tuple[str, str]:
    """Customer and id of an authorization that ended eight years ago."""
    customer = a_customer(served)
    with served.archive() as archive:
        today = archive.clock.today()
        ended = today - timedelta(days=3_000)
        note = a_note(customer=customer, type=code, signed_on=ended - timedelta(days=9), note="about the card")
        outcome = archive.noting.note_authorization(note, a_caller())
        paper: UUID = outcome.recorded[0].envelope.originator_id
        order = Revoke(received_on=ended, effective_on=ended, today=today, reason="no longer wanted")
        archive.life.change_authorization(paper, order, a_caller(), rights=Rights([code]), expected_version=None)
    return customer, str(paper)


def a_disposal(served: Served, paper: str) -> str:
    """The address of a disposal of this paper, proposed by somebody at the desk; it needs no approval."""
    with served.archive() as archive:
        listed = DuePaper(
            paper=UUID(paper),
            type="LETTER",
            due_on=archive.clock.today(),
            trigger="received",
            months=24,
            legal_basis="",
            approval=False,
        )
        return f"/v1/disposals/{archive.disposals.propose_disposal([listed], a_caller()).id}"
