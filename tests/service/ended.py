"""Authorizations whose retention has ended, for the tests of disposals."""

from datetime import timedelta
from uuid import UUID

from domain.access import Rights
from domain.authorization import Revoke
from tests.builders.papers import a_caller, a_note
from tests.service.program import NOTE, Program, paper_of


def an_ended(archive: Program, *, days: int = 3_000) -> UUID:
    """An authorization that ended so long ago; its type is kept for two years."""
    use = archive.archive
    today = use.clock.today()
    ended = today - timedelta(days=days)
    note = a_note(type="OTHER_AUTHORIZATION", signed_on=ended - timedelta(days=9), note=NOTE)
    paper = paper_of(use.noting.note_authorization(note, a_caller()))
    order = Revoke(received_on=ended, effective_on=ended, today=today, reason="no longer wanted")
    use.life.change_authorization(paper, order, a_caller(), rights=rights_of_all(archive), expected_version=None)
    return paper


def rights_of_all(archive: Program) -> Rights:
    return Rights(list(archive.archive.catalogues.load_types()))
