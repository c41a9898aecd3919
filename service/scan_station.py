"""A scan station as a process: of `dossier scan station` on a branch PC, and the one that serve starts for itself."""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from scanner.archive import Archive
from scanner.station import Station
from service.settings import Settings

NAME = "local"


def run(archive: Archive, devices: Sequence[str], state: Path, *, changes: Sequence[str] = ()) -> None:
    """Until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Station(archive, devices, state, changes=changes).run(stop)


def run_beside(settings: Settings) -> None:
    """The station of the host that serves, with the scanners that are configured there."""
    token = (settings.home / "station.token").read_text().strip()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # what it listens on
    address = f"[{host}]" if ":" in host else host
    archive = Archive(f"http://{address}:{settings.port}", token, station=NAME, branch=settings.branch)
    run(archive, settings.scanners, settings.home / "scan", changes=settings.scan_profiles)
