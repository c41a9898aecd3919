"""Brings what lies in the spool to the archive, page by page, and forgets each only when the archive has it.

Nothing is in memory that a crash could take: a job's folder says what was asked (station.json), what was scanned
(spool.py) and how it ended (outcome.json). station.py scans into it meanwhile.
"""

import logging
import threading
from pathlib import Path
from typing import Final

import msgspec

from scanner.archive import Archive, Job, Unreachable, Verdict
from scanner.errors import DeviceFault, Fault, slug_of
from scanner.spool import Page, Spool, write_file

_ASKED: Final = "station.json"
_OUTCOME: Final = "outcome.json"
RETRY_SECONDS: Final = (0.5, 30.0)
LOOK_SECONDS: Final = 0.2
logger = logging.getLogger("dossier.station")


class Outcome(msgspec.Struct, frozen=True):
    """How a pass ended at the device; `problem` is a slug, `told` the driver's own words."""

    problem: str | None = None
    told: str | None = None


def outcome_of(fault: Fault | None, told: str = "") -> Outcome:
    """What a person wanted is no problem; what has no word of a scanner's is "the scanner stopped"."""
    slug = slug_of(fault) if fault is not None else None
    if slug is not None and not slug.startswith("scanner-"):
        slug = "scanner-failed"
    return Outcome(slug, told[:500] or None)


class Delivery:
    """One thread of a station. `wake` it when a page is done."""

    def __init__(self, archive: Archive, spool: Spool, folder: Path) -> None:
        self._archive, self._spool, self._folder = archive, spool, folder
        self._woken = threading.Event()
        self._over: set[str] = set()
        self._refused: set[tuple[str, int]] = set()

    def asked(self, job: Job) -> None:
        """Remember what a job of the spool is for. Durable on return."""
        write_file(self._folder / job.spool_id / _ASKED, msgspec.json.encode(job))

    def ended(self, job: Job, outcome: Outcome) -> None:
        """No more pages come. Durable on return."""
        write_file(self._folder / job.spool_id / _OUTCOME, msgspec.json.encode(outcome))
        self.wake()

    def known(self) -> dict[str, Job]:
        """The passes that lie here, done or not, by their name in the spool."""
        found = {}
        for file in self._folder.glob(f"*/{_ASKED}"):
            job = msgspec.json.decode(file.read_bytes(), type=Job)
            found[job.spool_id] = job
        return found

    def interrupted(self) -> list[Job]:
        """Passes that no process is at, and that never came to an end: of before this station was started."""
        return [job for name, job in self.known().items() if not (self._folder / name / _OUTCOME).exists()]

    def is_over(self, job: Job) -> bool:
        """Whether the archive wants nothing more of it: it was cancelled while it was scanned."""
        return job.spool_id in self._over

    def wake(self) -> None:
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. While the archive is away it is asked ever more slowly, and the scanning goes on."""
        shortest, longest = RETRY_SECONDS
        pause = LOOK_SECONDS
        while not stop.is_set():
            self._woken.wait(pause)
            self._woken.clear()
            try:
                away = self._deliver_all()
            except (Unreachable, DeviceFault, OSError) as error:
                away = True
                logger.warning("pages wait here: %s", error)
            pause = min(max(shortest, 2 * pause), longest) if away else LOOK_SECONDS

    def _deliver_all(self) -> bool:
        """Whether something has to wait; one pass that has to does not hold up the others."""
        waiting = [job for job in self.known().values() if not self._deliver(job)]
        return bool(waiting)

    def _deliver(self, job: Job) -> bool:
        """All that is there of a pass; False when some of it has to wait. Raises Unreachable."""
        name = job.spool_id
        for page in self._spool.waiting(name):
            if (name, page.number) in self._refused:
                continue
            verdict = self._archive.put_page(job, page, self._spool.path(name, page.number))
            if verdict is Verdict.LATER:
                return False
            if verdict is Verdict.OVER:
                return self._drop(job)
            if verdict is Verdict.REFUSED:
                self._refuse(job, page)
            else:
                self._spool.forget(name, page.number)
        return self._finish(job)

    def _refuse(self, job: Job, page: Page) -> None:
        """The archive takes this page in no way: it stays on the disk, for somebody to look at."""
        logger.error("page %d of %s was refused and is kept in the spool", page.number, job.spool_id)
        self._refused.add((job.spool_id, page.number))

    def _finish(self, job: Job) -> bool:
        outcome = self._outcome(job)
        if outcome is None:
            return True
        verdict = self._archive.finish(job, outcome.problem, outcome.told)
        return verdict is not Verdict.LATER and self._drop(job)

    def _outcome(self, job: Job) -> Outcome | None:
        try:
            return msgspec.json.decode((self._folder / job.spool_id / _OUTCOME).read_bytes(), type=Outcome)
        except FileNotFoundError:
            return None

    def _drop(self, job: Job) -> bool:
        """A pass under way keeps its folder until its process has ended: only then is it done with."""
        self._over.add(job.spool_id)
        if self._outcome(job) is not None:
            if any(name == job.spool_id for name, _ in self._refused):
                (self._folder / job.spool_id / _ASKED).unlink()
            else:
                self._spool.drop(job.spool_id)
        return True
