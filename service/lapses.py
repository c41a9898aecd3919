"""The follower that minds the calendar: what has ended by now is written into the log, as `system`.

Validity, the 36 months of a mandate without a collection, forms that nobody signed, revocations of a later day. It asks
the view which authorizations are due; domain/life.py decides each again from its own events.
"""

import logging
import threading
from uuid import UUID

from domain.archive import Archive
from projections import authorizations
from store.keys import Connections

LOOK_SECONDS = 5.0
PAGE = 500
logger = logging.getLogger("dossier.lapses")


def keep_lapsing(
    connections: Connections, archive: Archive, stop: threading.Event, *, look_seconds: float = LOOK_SECONDS
) -> None:
    """Until `stop`. It needs no leader: of two that write the same, one finds that nothing is left to say."""
    while not stop.wait(look_seconds):
        try:
            lapse_due(connections, archive)
        except Exception as error:  # noqa: BLE001  # the edge of the thread: it must outlive a database that is away
            logger.warning("the calendar was not looked at: %s", type(error).__name__)


def lapse_due(connections: Connections, archive: Archive) -> int:
    """Write down all that is due today where the institution stands; how many events it took. Durable on return."""
    today, written = archive.clock.today(), 0
    passed: list[UUID] = []
    while True:
        with connections.connection() as conn:
            due = authorizations.due(conn, today, PAGE, passed=passed)
        if not due:
            return written
        written += sum(lapse(archive, paper) for paper in due)
        passed += due  # the view learns of it a moment later


def lapse(archive: Archive, paper: UUID) -> bool:
    """One that cannot be ended, such as an erased one, must not keep the others from their end."""
    try:
        return archive.lapse(paper)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is this paper's alone, or comes again with the next
        logger.warning("%s could not be ended: %s", paper, type(error).__name__)
        return False
