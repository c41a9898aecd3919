"""What does not work is said once, and not at all when it may be over in a moment; then, once, that it works again."""

import logging
from time import monotonic
from typing import Final

GRACE_SECONDS: Final = 3.0
logger = logging.getLogger("dossier.station")


class Complaint:
    """`what` is the beginning of the line, such as "pages wait here". One thread's."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None
        self._told = ""

    def report(self, why: str, *, grace_seconds: float = GRACE_SECONDS) -> None:
        if self._since is None:
            self._since = monotonic()
        if why != self._told and monotonic() - self._since >= grace_seconds:
            self._told = why
            logger.warning("%s: %s", self._what, why)

    def resolve(self) -> None:
        if self._told:
            logger.warning("%s no longer", self._what)
        self._since, self._told = None, ""
