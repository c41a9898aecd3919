"""Logs a lasting trouble once, and its end once. A trouble shorter than the grace is not logged."""

import logging
from time import monotonic
from typing import Final

GRACE_SECONDS: Final = 3.0
logger = logging.getLogger("dossier.station")


class Complaint:
    """One kind of trouble. `what` begins its log lines, such as "pages wait in the spool". For one thread."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None
        self._told = ""

    def report(self, why: str, *, grace_seconds: float = GRACE_SECONDS) -> None:
        """Log the reason, unless it was logged already or the trouble is younger than `grace_seconds`."""
        if self._since is None:
            self._since = monotonic()
        if why != self._told and monotonic() - self._since >= grace_seconds:
            self._told = why
            logger.warning("%s: %s", self._what, why)

    def resolve(self) -> None:
        """Log the end of the trouble, if its beginning was logged."""
        if self._told:
            logger.warning("resolved: %s", self._what)
        self._since, self._told = None, ""
