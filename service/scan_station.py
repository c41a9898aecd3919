"""A scan station as a process: for `dossier scan station` on a branch PC, and for the one that serve starts."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from scanner.archive import ArchiveClient
from scanner.station import Station
from service.beats import ignore_beat
from service.settings import Settings

NAME = "local"


def run_station(
    archive: ArchiveClient,
    devices: Sequence[str],
    state: Path,
    *,
    changes: Sequence[str] = (),
    names: Sequence[str] = (),
    beat: Callable[[], None] = ignore_beat,
) -> None:
    """Run until SIGTERM or SIGINT, and then for a second at most."""
    Station(archive, devices, state, changes=changes, names=names, beat=beat).run(install_stop_handlers())


def run_local_station(settings: Settings, beat: Callable[[], None] = ignore_beat) -> None:
    """Run the station of the serving host, with the scanners configured there."""
    token = (settings.home / "station.token").read_text().strip()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # what it listens on
    address = f"[{host}]" if ":" in host else host
    archive = ArchiveClient(f"http://{address}:{settings.port}", token, station=NAME, branch=settings.branch)
    run_station(
        archive,
        settings.scanners,
        settings.home / "scan",
        changes=settings.scan_profiles,
        names=settings.scanner_names,
        beat=beat,
    )


def install_stop_handlers() -> Callable[[], object]:
    """Install handlers for SIGTERM and SIGINT; the returned function waits for one of them. An Event set by a handler
    would deadlock: while the main thread is entering or leaving its wait, the handler would wait for a lock that its
    own thread holds."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return lambda: os.read(reader, 1)
