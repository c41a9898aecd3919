"""Carries out what operators asked for on the screen: a thread of the projector, a process of its own for each task.

As a module it is that process: `python -m service.operations TASK`, in the environment of serve. What it does is what
the commands of the same names do.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
from msgspec.structs import asdict

from domain.refusals import Refusal
from paper.confinement import die_with_parent
from projections import parking, rebuild, tracking
from service.settings import load
from service.verify import verify
from service.wiring import APP_ROLE, PROJECTOR_ROLE, Store, open_store, role_of
from store import tasks
from store.tasks import Task

LOOK_SECONDS = 1.0
TELL_SECONDS = 1.0
LOCK = 4_701_912_015
DATABASE = "DOSSIER_OPERATIONS_DATABASE"
Tell = Callable[[int, int], None]
logger = logging.getLogger("dossier.operations")


def keep_operating(url: str, role: str | None, stop: threading.Event, *, look_seconds: float = LOOK_SECONDS) -> None:
    """Until `stop`. Of several projectors the one that has the lock does the work; what it leaves is given up."""
    while not stop.wait(look_seconds):
        try:
            with tracking.connect(url, role=role) as conn:
                work(conn, url, stop, look_seconds)
        except psycopg.Error as error:
            logger.warning("nothing could be operated: %s", type(error).__name__)


def work(conn: psycopg.Connection[Any], url: str, stop: threading.Event, look_seconds: float) -> None:
    """As long as the connection lasts; only as the one who has the lock."""
    while not stop.wait(look_seconds):
        row = conn.execute("select pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if row and row[0]:
            break
    tasks.give_up(conn)
    while not stop.wait(look_seconds):
        while (task := tasks.begin(conn)) is not None and not stop.is_set():
            run(conn, url, task, stop)


def run(conn: psycopg.Connection[Any], url: str, task: Task, stop: threading.Event) -> None:
    """In a process of its own, so that the follower keeps its core; it ends with us."""
    child = subprocess.Popen(
        [sys.executable, "-m", "service.operations", str(task.id), str(os.getpid())],
        env={**os.environ, DATABASE: url},
        stdin=subprocess.DEVNULL,
    )
    while child.poll() is None:
        if stop.wait(0.1):
            child.terminate()
    tasks.end(conn, task.id, {"error": "interrupted"})  # no more than a word for one that could not end itself


# -- the process of one task ------------------------------------------------------------------------------------------


def main(task_id: UUID, parent: int) -> None:
    die_with_parent(parent)
    settings, url = load(os.environ), os.environ[DATABASE]
    with tracking.connect(url, role=role_of(url, PROJECTOR_ROLE)) as conn:
        task = tasks.one(conn, task_id)
        if task is None:
            return
        role = APP_ROLE if task.kind == "verify" else PROJECTOR_ROLE  # the checker reads what no view needs
        with open_store(settings, url, role=role_of(url, role)) as store:
            tasks.end(conn, task_id, outcome(store, conn, task, telling(conn, task_id)))


def telling(conn: psycopg.Connection[Any], task: UUID) -> Tell:
    """Progress is written down once a second at most."""
    told_at = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_SECONDS:
            told_at = time.monotonic()
            tasks.progress(conn, task, done, total)

    return tell


def outcome(store: Store, conn: psycopg.Connection[Any], task: Task, tell: Tell) -> Any:
    """What the command of this name would print; a refusal by its slug, a failure by its kind: neither names people."""
    try:
        return carried_out(store, conn, task, tell)
    except Refusal as refusal:
        return {"error": refusal.slug}
    except Exception as error:  # noqa: BLE001  # the edge of the process: the operator is told what it was
        logger.warning("%s could not be carried out: %s", task.kind, type(error).__name__)
        return {"error": type(error).__name__}


def carried_out(store: Store, conn: psycopg.Connection[Any], task: Task, tell: Tell) -> Any:
    match task.kind:
        case "pause":
            tracking.pause(conn, task.view or "")
            return {}
        case "resume":
            return asdict(parking.resume(conn, store.log, task.view or ""))
        case "back":
            return {"position": rebuild.back(store.url, task.view or "", role=store.role)}
        case "replay":
            return rebuild.replay(store.url, store.log, task.view, role=store.role, progress=tell)
        case "rebuild":
            return rebuild.rebuild(store.url, store.log, task.view, role=store.role, progress=tell)
        case _:
            return verify(store, projector_role=role_of(store.url, PROJECTOR_ROLE), progress=tell)


if __name__ == "__main__":
    main(UUID(sys.argv[1]), int(sys.argv[2]))
