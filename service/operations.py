"""Runs the operators' tasks of the screen: a thread of the projector, with a process of its own for each task. As a
module it is that process: `python -m service.operations TASK PARENT`, in the environment of serve. A task does what the
command of the same name does."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import asdict, replace

from domain.archive import Caller
from domain.refusals import Refusal
from paper.confinement import die_with_parent
from projections import parking, rebuild, tracking
from projections.disposals import PaperRetentions
from projections.rebuild import Rebuilt
from service import logs
from service.beats import ignore_beat
from service.belonging import require_own_folder
from service.database import Addresses
from service.removal import remove_destroyed, require_right_clock
from service.settings import Settings, load_settings_from
from service.verify import Report, record_verification, verify
from service.wiring import APP_ROLE, PROJECTOR_ROLE, Store, open_store, role_of
from store import tasks
from store.tasks import Task

LOOK_SECONDS = 1.0
TELL_SECONDS = 1.0
END_SECONDS = 3.0
SHOWN_MAX = 20
"""Findings stored with a task; few, because the screen polls all tasks."""
LOCK = 4_701_912_015
ADDRESSES = "DOSSIER_OPERATIONS_DATABASE"
INTERRUPTED = {"error": "interrupted"}
Tell = Callable[[int, int], None]
logger = logging.getLogger("dossier.operations")


def run_operations(
    addresses: Addresses,
    role: str | None,
    stop: threading.Event,
    *,
    look_seconds: float = LOOK_SECONDS,
    beat: Callable[[], None] = ignore_beat,
) -> None:
    """Run tasks until `stop`. If there are several projectors, the one that holds the lock works; it gives up tasks
    that another left unfinished."""
    while not stop.wait(look_seconds):
        beat()
        try:
            with tracking.connect(addresses.projector, role=role) as conn:
                work_through_tasks(conn, addresses, stop, look_seconds, beat)
        except (psycopg.Error, OSError) as error:  # the database is down, or there is no memory for a process
            logger.warning(
                "reading operators' tasks failed, retrying in %.0f s: %s", look_seconds, logs.reason_of(error)
            )


def work_through_tasks(
    conn: psycopg.Connection[Any],
    addresses: Addresses,
    stop: threading.Event,
    look_seconds: float,
    beat: Callable[[], None],
) -> None:
    """Wait for the lock, then run tasks as long as the connection lasts."""
    while not try_lock(conn):
        beat()
        if stop.wait(look_seconds):
            return
    tasks.give_up(conn)
    while not stop.wait(look_seconds):
        beat()
        while not stop.is_set() and (task := tasks.begin_next(conn)) is not None:
            run_task(conn, addresses, task, stop, beat)


def try_lock(conn: psycopg.Connection[Any]) -> bool:
    """Try to take the advisory lock; False when another projector holds it."""
    return conn.execute("select pg_try_advisory_lock(%s)", [LOCK]).fetchone() == (True,)


def run_task(
    conn: psycopg.Connection[Any],
    addresses: Addresses,
    task: Task,
    stop: threading.Event,
    beat: Callable[[], None] = ignore_beat,
) -> None:
    """Run a task in a process of its own, so that the follower keeps its core. The process ends with this one, and with
    the connection that holds the lock: without the lock another projector may start the next task."""
    child = subprocess.Popen(
        [sys.executable, "-m", "service.operations", str(task.id), str(os.getpid())],
        env={**os.environ, ADDRESSES: msgspec.json.encode(addresses).decode()},
        stdin=subprocess.DEVNULL,
    )
    try:
        while child.poll() is None and not stop.wait(0.2):
            beat()
            conn.execute("select 1")
    finally:
        end_task_process(child)
    tasks.end_task(conn, task.id, INTERRUPTED)  # the outcome of a process that wrote none itself


def end_task_process(child: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, so that the process can clean up; after 3 s SIGKILL."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


# -- the process of one task ------------------------------------------------------------------------------------------


def main(task_id: UUID, parent: int) -> None:
    die_with_parent(parent)
    logs.begin_logging("operations")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cancels a running statement and drops the shadow table
    try:
        execute_task(
            task_id, load_settings_from(os.environ), msgspec.json.decode(os.environ[ADDRESSES], type=Addresses)
        )
    except KeyboardInterrupt:
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  # the edge of the process: errors go to the log in its own format
        logger.warning(
            "writing the outcome of task %s failed, it counts as interrupted: %s", task_id, logs.reason_of(error)
        )
        sys.exit(1)


def execute_task(task_id: UUID, settings: Settings, addresses: Addresses) -> None:
    """Run the task and write its outcome."""
    projector = addresses.projector
    with tracking.connect(projector, role=role_of(projector, PROJECTOR_ROLE)) as conn:
        task = tasks.load_task(conn, task_id)
        if task is None:
            return
        # Verification reads tables that the projector's role may not read; a disposal appends events.
        beyond = task.kind in ("verify", "dispose")
        url, role = (addresses.web, APP_ROLE) if beyond else (projector, PROJECTOR_ROLE)
        with open_store(settings, url, role=role_of(url, role), projector_url=projector) as store:
            if beyond:
                with store.pool.connection() as checking:
                    require_own_folder(checking, settings.content_directory)
            tasks.end_task(conn, task_id, outcome_of(store, conn, task, progress_writer(conn, task_id)))


def progress_writer(conn: psycopg.Connection[Any], task: UUID) -> Tell:
    """A function that stores progress, once a second at most."""
    told_at = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_SECONDS:
            told_at = time.monotonic()
            tasks.save_progress(conn, task, done, total)

    return tell


def outcome_of(store: Store, conn: psycopg.Connection[Any], task: Task, tell: Tell) -> Any:
    """The output of the command with this name; a refusal as its slug, a failure as its type: neither names people."""
    try:
        return execute_command(store, conn, task, tell)
    except Refusal as refusal:
        return {"error": refusal.slug}
    except Exception as error:  # noqa: BLE001  # the edge of the process: the operators' page shows the type
        logger.warning("task %s failed, the operators' page shows it: %s", task.kind, logs.reason_of(error))
        return {"error": type(error).__name__}


def execute_command(store: Store, conn: psycopg.Connection[Any], task: Task, tell: Tell) -> Any:
    match task.kind:
        case "pause":
            tracking.pause_view(conn, task.view or "")
            return {}
        case "resume":
            return asdict(parking.resume_view(conn, store.log, task.view or ""))
        case "back":
            return {"position": rebuild.roll_back(store.projector_url, task.view or "", role=store.role)}
        case "replay":
            return shorten_rebuilt(
                rebuild.replay(store.projector_url, store.log, task.view, role=store.role, progress=tell)
            )
        case "rebuild":
            return shorten_rebuilt(
                rebuild.rebuild(store.projector_url, store.log, task.view, role=store.role, progress=tell)
            )
        case "dispose":
            return run_disposal(store, task)
        case _:
            report = verify(store, projector_role=role_of(store.projector_url, PROJECTOR_ROLE), progress=tell)
            record_verification(store, report)
            return shorten_report(report)


def run_disposal(store: Store, task: Task) -> dict[str, int]:
    """Run the disposal that the task's `view` names, and remove the files. Interrupted, it is queued again by hand and
    continues."""
    archive = store.archive()
    caller = Caller(actor=task.actor, branch=task.branch, correlation_id=archive.ids.new())
    retentions = PaperRetentions(store.pool, archive.catalogues.load_types)
    require_right_clock(store)
    try:
        state = archive.disposals.run_disposal(UUID(task.view), retentions, caller).state
    finally:
        remove_destroyed(store)
    return {"destroyed": state.destroyed, "kept": len(state.kept)}


def shorten_rebuilt(made: Sequence[Rebuilt]) -> list[Rebuilt]:
    return [replace(one, differences=one.differences[:SHOWN_MAX], parked=one.parked[:SHOWN_MAX]) for one in made]


def shorten_report(report: Report) -> Report:
    return replace(report, problems=report.problems[:SHOWN_MAX])


if __name__ == "__main__":
    main(UUID(sys.argv[1]), int(sys.argv[2]))
