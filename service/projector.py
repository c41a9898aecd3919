"""The projector child of serve: follows the log with every view and sweeps what nobody needs any more."""

import signal
import threading

from domain.limits import Limits
from projections.follow import Follower
from service.metrics import Metrics
from service.settings import Settings
from service.sweep import sweep
from service.wiring import PROJECTOR_ROLE, Store, open_store, role_of

SWEEP_SECONDS = 3600.0


def run(settings: Settings, url: str) -> None:
    """Until SIGTERM. Where another projector leads, this one stands by."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    role = role_of(url, PROJECTOR_ROLE)
    with open_store(settings, url, role=role, damaged=Metrics().damaged) as store:
        sweeper = threading.Thread(target=keep_sweeping, args=(store, settings.limits, stop), daemon=True)
        sweeper.start()
        Follower(url, store.log, role=role).run(stop)


def keep_sweeping(store: Store, limits: Limits, stop: threading.Event) -> None:
    while not stop.wait(SWEEP_SECONDS):
        sweep(store, limits)
