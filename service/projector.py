"""The projector child of serve: updates every view from the log, sweeps, runs operators' tasks and expires what is
due."""

import logging
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

from domain.limits import Limits
from projections.follow import Follower
from service.beats import Beats, PartStatus, ignore_beat, is_sole_leader, wait_with_beats
from service.belonging import OtherArchive, StoreUnfit
from service.database import Addresses
from service.figures import build_figures
from service.lapses import note_path_of, run_lapses
from service.logs import reason_of
from service.metrics import Metrics, render_metrics
from service.operations import run_operations
from service.settings import Settings
from service.sweep import note_refusal, sweep, sweep_images
from service.wiring import APP_ROLE, PROJECTOR_ROLE, UNAVAILABLE, WHERE_VIEWS_STAND, Proven, Store, open_store, role_of
from store import runs
from store.clocks import load_times
from store.content_sweeper import SweepRefused
from store.hints import FOLLOWER, Hints
from web import metrics_port

SWEEP_SECONDS = 3600.0
LOOK_SECONDS = 2.0
LEAVE_SECONDS = 5.0
logger = logging.getLogger("dossier.sweep")


def run_projector(
    settings: Settings, addresses: Addresses, metrics: socket.socket | None, beats: Beats, proven: Proven
) -> None:
    """Run until SIGTERM. While another projector leads, this one stands by. `metrics` is the listening socket of the
    metrics port."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    url, web = addresses.projector, addresses.web
    role = role_of(url, PROJECTOR_ROLE)
    with (
        open_store(settings, url, role=role, damaged=Metrics().count_damaged, proven=proven) as store,
        open_store(settings, web, role=role_of(web, APP_ROLE), connections=1, proven=proven) as writing,
        closing(Hints(settings.home / "run", FOLLOWER)) as hints,
    ):
        follower = Follower(url, store.log, role=role, beat=beats.beat_of("projector"), hints=hints)
        lead = {"is_leading": lambda: follower.state.leading}
        start_thread(run_sweeps, store, settings.limits, stop, beat=beats.beat_of("projector.sweeps"), **lead)
        operating = start_thread(run_operations, addresses, role, stop, beat=beats.beat_of("projector.operations"))
        lapsing = (writing.pool, writing.archive(), settings.limits, settings.branch, stop)
        note = note_path_of(settings.home)
        note.unlink(missing_ok=True)  # left by an earlier projector
        start_thread(run_lapses, *lapsing, beat=beats.beat_of("projector.lapses"), note=note, **lead)
        if metrics is not None:
            metrics_port.start_metrics_port(metrics, partial(metrics_text, store, beats.part_statuses))
        follower.run(stop)
        operating.join(LEAVE_SECONDS)  # lets a running task clean up


def start_thread(work: Callable[..., None], *arguments: Any, **more: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, kwargs=more, daemon=True)
    thread.start()
    return thread


def run_sweeps(
    store: Store,
    limits: Limits,
    stop: threading.Event,
    *,
    pause_seconds: float = SWEEP_SECONDS,
    beat: Callable[[], None] = ignore_beat,
    is_leading: Callable[[], bool] = is_sole_leader,
) -> None:
    """Sweep every `pause_seconds` until `stop`. A process that does not lead sweeps only the page images of its own
    HOME; the leader sweeps shared data. A sweep that is refused or finds no database is logged and tried again the next
    time."""
    while not wait_with_beats(stop, pause_seconds, beat):
        try:
            if is_leading():
                sweep(store, limits, beat)
            else:
                sweep_images(store, beat)
        except (SweepRefused, StoreUnfit, OtherArchive) as refused:
            logger.error("sweep refused, nothing was removed: %s", refused)
            note_refusal(store, refused)
        except Exception as error:  # noqa: BLE001  # the edge of the thread: it must outlive a database that is away
            logger.warning("sweep failed, retrying in %.0f s: %s", pause_seconds, reason_of(error))


def metrics_text(store: Store, standing: Callable[[], Sequence[PartStatus]]) -> bytes:
    """The figures of all processes. The positions of views are omitted while the database does not answer; counters are
    always included."""
    try:
        with store.pool.connection(timeout=LOOK_SECONDS) as conn:
            views = conn.execute(WHERE_VIEWS_STAND).fetchall()
            last = conn.execute(runs.LAST).fetchall()
            skew = load_times(conn, datetime.now(UTC)).skew_seconds
            return render_metrics(views, skew, build_figures(store.settings, standing(), last))
    except UNAVAILABLE:
        return render_metrics([], more=build_figures(store.settings, standing(), []))
