"""Finds authorizations that count as signed although their only paper is withdrawn, left by releases before 0021. Those
releases withdrew the document alone, so no event ends the signature. `dossier verify` reports the findings, `dossier
grounds --mend` appends the events that Undo appends today (domain/corrections.py)."""

from collections.abc import Iterator
from uuid import UUID

import msgspec
from psycopg import OperationalError

from domain import authorization, document
from domain.authorization import IN_FORCE, Authorization
from domain.refusals import Refusal
from service.wiring import Store

WITHDRAWN = document.DocumentWithdrawn.topic.rpartition(".")[0]
RESTORED = document.DocumentRestored.topic.rpartition(".")[0]


class UngroundedAuthorization(msgspec.Struct, frozen=True):
    """`collected`: a direct debit was presented, so --mend leaves it; restore its paper or revoke it."""

    authorization: UUID
    document: UUID
    position: int
    status: str
    collected: bool


def find_groundless(store: Store, up_to: int) -> Iterator[UngroundedAuthorization]:
    """Yield the groundless authorizations of the log up to a position: in force today, paper withdrawn, no original
    kept."""
    today = store.archive().clock.today()
    with store.pool.connection() as conn:
        withdrawn = conn.execute(LAST, [[f"{WITHDRAWN}.%", f"{RESTORED}.%"], up_to, f"{WITHDRAWN}.%"]).fetchall()
    for paper, position in withdrawn:
        statement, state = _authorization_of(store, paper)
        if statement and state and state.status_on(today) in IN_FORCE and state.evidence == paper and not state.noted:
            collected = state.last_due_on is not None
            yield UngroundedAuthorization(statement, paper, position, state.status.value, collected)


def _authorization_of(store: Store, paper: UUID) -> tuple[UUID | None, Authorization | None]:
    """The authorization that a document is evidence of. None where events cannot be read; `verify` reports those."""
    try:
        state = document.fold(e.body for e in store.log.load(paper))
        statement = state.evidence_of if state else None
        return statement, authorization.fold(e.body for e in store.log.load(statement)) if statement else None
    except (Refusal, OperationalError):
        raise
    except Exception:  # noqa: BLE001  # a damaged log must not hide other findings
        return None, None


# Documents whose latest withdrawal or restoration is a withdrawal.
LAST = """
    select originator_id, notification_id
    from (
        select distinct on (originator_id) originator_id, notification_id, topic
        from archive.archive_events
        where topic like any(%s) and notification_id <= %s
        order by originator_id, originator_version desc
    ) as last
    where topic like %s
    order by notification_id
"""
