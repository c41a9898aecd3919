"""Delivers the pages in the spool to the archive one by one, and deletes each only when the archive has stored it.
No state is only in memory: a job's folder holds the job (station.json), the pages (spool.py) and the outcome
(outcome.json). offered.py scans into the spool meanwhile. A folder without station.json is no longer delivered: it
keeps pages that the archive refused or the disk damaged, until a person inspects them."""

import logging
import threading
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

import msgspec

from scanner.archive import ArchiveClient, PassJob, Unreachable, Verdict
from scanner.complaint import Complaint
from scanner.errors import DeviceFault, Fault, slug_of
from scanner.spool import Spool, write_file

_ASKED: Final = "station.json"
_OUTCOME: Final = "outcome.json"
_FAILED: Final = "scanner-failed"
_TOLD_CHARACTERS_MAX: Final = 500
RETRY_SECONDS: Final = (0.5, 30.0)
IDLE_SECONDS: Final = 5.0
logger = logging.getLogger("dossier.station")
T_ = TypeVar("T_")


class PassOutcome(msgspec.Struct, frozen=True):
    """How a pass ended; `problem` is a slug, `told` is for operators: the driver's own words."""

    problem: str | None = None
    told: str | None = None


def outcome_of(fault: Fault | None, told: str = "") -> PassOutcome:
    """The outcome of a fault. A cancellation by a person is no problem."""
    slug = slug_of(fault) if fault is not None else None
    return PassOutcome(slug and scanner_slug_of(slug), told[:_TOLD_CHARACTERS_MAX] or None)


def scanner_slug_of(slug: str) -> str:
    """The slug itself if staff know it as a scanner's, otherwise "scanner-failed"."""
    return slug if slug.startswith("scanner-") else _FAILED


def retry_seconds_after(away_seconds: float) -> float:
    """Seconds until the next attempt, when the archive has been unreachable for `away_seconds`."""
    shortest, longest = RETRY_SECONDS
    return min(max(shortest, away_seconds / 2), longest)


class Delivery:
    """One thread of a station. Call `wake` when a page is stored."""

    def __init__(self, archive: ArchiveClient, spool: Spool, folder: Path) -> None:
        self._archive, self._spool, self._folder = archive, spool, folder
        self._woken = threading.Event()
        self._complaint = Complaint("pages wait in the spool")
        self._refused: dict[str, dict[int, str]] = {}
        self._over: set[str] = set()

    # -- what a pass is, and how it ended -----------------------------------------------------------------------

    def record_job(self, job: PassJob) -> None:
        """Store the job of a pass in its spool folder. Durable on return."""
        write_file(self._folder / job.spool_id / _ASKED, msgspec.json.encode(job))

    def record_outcome(self, job: PassJob, outcome: PassOutcome) -> None:
        """Store the outcome of a pass: no more pages follow. Durable on return."""
        write_file(self._folder / job.spool_id / _OUTCOME, msgspec.json.encode(outcome))
        self.wake()

    def decline_pass(self, job: PassJob, outcome: PassOutcome) -> None:
        """Report a pass that was not started and has no folder. Raises Unreachable when the archive did not accept
        the report."""
        answer = self._archive.finish_pass(job, outcome.problem, outcome.told)
        if answer.verdict_for(job) is Verdict.LATER:
            raise Unreachable(answer.summary)
        self._over.add(job.spool_id)

    def list_passes(self) -> list[PassJob]:
        """The passes in the spool, complete or not, ordered by session and pass number."""
        found = (self._load_job(name) for name in self._spool.list_job_ids())
        return sorted((job for job in found if job is not None), key=lambda job: (job.id, job.number))

    def list_interrupted(self) -> list[PassJob]:
        """Passes without an outcome. At the start, when no scan runs, an earlier end of the station interrupted
        them."""
        return [job for job in self.list_passes() if self._load_outcome(job) is None]

    def is_finished(self, job: PassJob) -> bool:
        """True if the station has nothing left to do for this pass; the archive may still list it for a moment."""
        return job.spool_id in self._over

    def sweep_leftovers(self) -> None:
        """Remove folders whose creation or removal was interrupted, and log those that wait for inspection. Call it
        at the start."""
        for name in self._spool.list_job_ids():
            if not self._spool.is_begun(name) or (self._load_job(name) is None and not self._has_pictures(name)):
                self._spool.drop_job(name)
            elif self._load_job(name) is None:
                logger.warning("pages that are not in the archive are kept for inspection in %s", self._folder / name)

    def wake(self) -> None:
        self._woken.set()

    # -- bringing them ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Deliver until the process ends. The longer the archive is unreachable, the less often it is contacted,
        however many pages arrive meanwhile."""
        waits_since: float | None = None
        while True:
            self._woken.clear()
            why = self._deliver_all()
            if why is None:
                waits_since = None
                self._complaint.resolve()
            else:
                waits_since = waits_since or monotonic()
                self._complaint.report(why)
            self._woken.wait(IDLE_SECONDS if waits_since is None else retry_seconds_after(monotonic() - waits_since))

    def _deliver_all(self) -> str | None:
        """Deliver all passes; returns why something has to wait, or None. Passes of a session are delivered in
        order, so that pages keep their order; sessions do not wait for each other."""
        waiting: dict[str, str] = {}
        for job in self.list_passes():
            if job.id not in waiting and (why := self._try_delivery(job)):
                waiting[job.id] = why
        return next(iter(waiting.values()), None)

    def _try_delivery(self, job: PassJob) -> str | None:
        try:
            return self._deliver_pass(job)
        except Unreachable as error:
            return str(error)
        except (DeviceFault, OSError) as error:
            return f"{job.spool_id}: {error}"

    def _deliver_pass(self, job: PassJob) -> str | None:
        """Deliver the pages that exist; returns why some have to wait, or None. Raises Unreachable."""
        outcome = self._load_outcome(job)  # loaded before the pages are listed: no page is added after it
        refused = self._refused.setdefault(job.spool_id, {})
        for page in self._spool.iter_waiting(job.spool_id):
            if page.number in refused:
                continue
            answer = self._archive.put_page(job, page, self._spool.picture_path(job.spool_id, page.number))
            match answer.verdict_for(job):
                case Verdict.TAKEN:
                    self._spool.forget_page(job.spool_id, page.number)
                case Verdict.REFUSED:
                    refused[page.number] = answer.slug
                case Verdict.LATER:
                    return answer.summary
                case Verdict.CANCELLED:
                    self._abandon_pass(job, outcome)
                    return None
        return None if outcome is None else self._finish_pass(job, outcome)

    def _abandon_pass(self, job: PassJob, outcome: PassOutcome | None) -> None:
        """Stop delivering a cancelled session. The folder of a running scan stays until its process has ended."""
        self._over.add(job.spool_id)
        if outcome is not None:
            self._spool.drop_job(job.spool_id)

    def _finish_pass(self, job: PassJob, outcome: PassOutcome) -> str | None:
        """Report the end of the pass. Missing pages are reported as a problem, so that the desk does not take the
        rest for the whole."""
        missing = dict.fromkeys(self._spool.list_damaged(job.spool_id), _FAILED) | self._refused[job.spool_id]
        problem = outcome.problem or next(map(scanner_slug_of, missing.values()), None)
        answer = self._archive.finish_pass(job, problem, outcome.told)
        if answer.verdict_for(job) is Verdict.LATER:
            return answer.summary
        del self._refused[job.spool_id]
        self._over.add(job.spool_id)
        if missing:
            self._keep_for_inspection(
                job, ", ".join(f"page {number} {slug}" for number, slug in sorted(missing.items()))
            )
        else:
            self._spool.drop_job(job.spool_id)
        return None

    def _keep_for_inspection(self, job: PassJob, why: str) -> None:
        """Keep the folder for a person, since the paper may be gone."""
        folder = self._folder / job.spool_id
        (folder / _ASKED).unlink()
        logger.error("pages that are not in the archive are kept for inspection in %s: %s", folder, why)

    # -- files --------------------------------------------------------------------------------------------------

    def _load_job(self, name: str) -> PassJob | None:
        return self._load_json(name, _ASKED, PassJob) if self._spool.is_begun(name) else None

    def _load_outcome(self, job: PassJob) -> PassOutcome | None:
        return self._load_json(job.spool_id, _OUTCOME, PassOutcome)

    def _load_json(self, name: str, file: str, kind: type[T_]) -> T_ | None:
        """The content of a file; None when it is missing or damaged."""
        try:
            return msgspec.json.decode((self._folder / name / file).read_bytes(), type=kind)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _has_pictures(self, name: str) -> bool:
        return any((self._folder / name).glob("*.jpg"))
