"""Prometheus metrics, shared by all processes of one `serve` through small files in memory (/dev/shm). The library maps
its files, and a write to a page for which the disk has no space ends a process with SIGBUS. So the files are not on the
archive's disk, and each process allocates its own before the library maps them."""

import os
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

from api.parts import ImageSource
from paper.client import VERDICTS
from service.logs import log_line, reason_of
from service.processes import is_there

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
MEMORY = Path("/dev/shm")  # the folder created in it is private and has an unpredictable name
MEMORY_FREE_BYTES_MIN = 32 << 20
RESERVED_BYTES = {"counter": 256 << 10, "histogram": 1 << 20, "gauge_livesum": 64 << 10}
"""By the library's name of the kind of file; all routes, methods and statuses of today need about half."""
PART = ".part"


@contextmanager
def prepare_folder(home: Path, memory: Path = MEMORY) -> Iterator[Path]:
    """Lend the folder of the files. Enter it before the library is imported, which reads the variable then."""
    folder = _folder_in(memory, home) or _folder_on_disk(home)
    os.environ[FOLDER] = str(folder)
    try:
        yield folder
    finally:
        os.environ.pop(FOLDER, None)
        shutil.rmtree(folder, ignore_errors=True)


def _folder_in(memory: Path, home: Path) -> Path | None:
    """Create a private folder named after HOME, and remove those of killed serves. None when the memory has too little
    space."""
    found = home.stat()
    prefix = f"dossier-metrics-{found.st_dev:x}-{found.st_ino:x}-"
    try:
        for stale in memory.glob(f"{prefix}*"):
            shutil.rmtree(stale, ignore_errors=True)
        free = os.statvfs(memory)
        if free.f_bavail * free.f_frsize < MEMORY_FREE_BYTES_MIN:
            return None
        return Path(tempfile.mkdtemp(prefix=prefix, dir=memory))
    except OSError:
        return None


def _folder_on_disk(home: Path) -> Path:
    folder = home / "run" / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # without it no process can allocate its files, and each logs that
        folder.mkdir(parents=True, mode=0o700)
    return folder


def _reserve_room(folder: Path) -> None:
    """Allocate the files of this process. Raises OSError when there is no space, and then leaves none of them."""
    files = {folder / f"{kind}_{os.getpid()}.db": size_bytes for kind, size_bytes in RESERVED_BYTES.items()}
    try:
        for path, size_bytes in files.items():
            _allocate_file(path, size_bytes)
    except OSError:
        for path in files:
            path.unlink(missing_ok=True)
        raise


def _allocate_file(path: Path, size_bytes: int) -> None:
    """Allocate a file under a temporary name, then rename it: a collecting process must not read a file without its
    first bytes. The file of an earlier process with the same pid is reused."""
    part = path if path.exists() else path.with_suffix(PART)
    try:
        with part.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _shrink_dead(folder: Path) -> None:
    """Free the space that ended processes had reserved and not used; their counts are kept."""
    _remove_dead_gauges(folder)
    for file in folder.glob("*_*.db"):
        if _is_dead(file):
            with file.open("rb") as dead:
                used = struct.unpack("i", dead.read(4).ljust(4, b"\0"))[0]
            os.truncate(file, max(used, 8))
    for part in folder.glob(f"*_*{PART}"):
        if _is_dead(part):
            part.unlink(missing_ok=True)


def _remove_dead_gauges(folder: Path) -> None:
    """Remove the gauges of ended processes; their counters are kept."""
    for file in folder.glob("gauge_live*.db"):
        if _is_dead(file):
            file.unlink(missing_ok=True)


def _is_dead(file: Path) -> bool:
    """True if the process that a file is named after has ended."""
    pid = int(file.stem.rpartition("_")[2])
    return pid != os.getpid() and not is_there(pid)


class Metrics:
    """Counters of one process. Labels are route templates: never a path, a query or a name."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

        try:
            _shrink_dead(folder := Path(os.environ[FOLDER]))
            _reserve_room(folder)
        except OSError as error:
            log_line("error", f"no space for the metrics of this process, /metrics omits them: {reason_of(error)}")
            values.ValueClass = values.MutexValue
        own = CollectorRegistry()
        self._requests = Counter("dossier_requests", "Answered requests", ["method", "route", "status"], registry=own)
        self._seconds = Histogram(
            "dossier_request_seconds", "Time to the answer's headers", ["method", "route"], registry=own
        )
        self._damaged = Counter(
            "dossier_damaged_values", "Sealed values that could not be opened though their key is there", registry=own
        )
        images = Counter("dossier_page_images", "Page images, by where they came from", ["source"], registry=own)
        sizes = Counter("dossier_page_image_bytes", "Bytes of these", ["source"], registry=own)
        self._images = {source: (images.labels(source), sizes.labels(source)) for source in get_args(ImageSource)}
        self._refused = Counter(
            "dossier_refusals", "Refused requests by reason; upload: whether they carry a file",
            ["reason", "upload"], registry=own,
        )  # fmt: skip
        self._decoders = Counter(
            "dossier_decoder_failures", "Decoders lost with a file: lost, fault or slow", ["verdict"], registry=own
        )
        for verdict in VERDICTS.values():
            self._decoders.labels(verdict)

        def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Any:
            return Gauge(name, meaning, labels, registry=own, multiprocess_mode="livesum")

        self._uploads = gauge("dossier_uploads_in_flight", "Bodies over 64 KiB being received")
        self._streams = gauge("dossier_event_streams", "Open event streams")
        self._pool = gauge("dossier_pool_connections", "Database connections of the web workers", ["pool", "state"])
        self._waiting = gauge("dossier_pool_waiting", "Requests that wait for a database connection", ["pool"])
        self._labelled: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def count_answer(self, method: str, route: str, status: int, seconds: float) -> None:
        found = self._labelled.get((method, route, status))
        if found is None:
            found = self._requests.labels(method, route, str(status)), self._seconds.labels(method, route)
            self._labelled[method, route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def count_image(self, source: ImageSource, size_bytes: int) -> None:
        for counter, more in zip(self._images[source], (1, size_bytes), strict=True):
            counter.inc(more)

    def count_refusal(self, reason: str, upload: bool) -> None:
        self._refused.labels(reason, "yes" if upload else "no").inc()

    def count_decoder_failure(self, verdict: str) -> None:
        self._decoders.labels(verdict).inc()

    def change_uploads(self, more: int) -> None:
        self._uploads.inc(more)

    def change_streams(self, more: int) -> None:
        self._streams.inc(more)

    def set_pool(self, name: str, size: int, free: int, waiting: int) -> None:
        """Set the gauges of a connection pool of this process."""
        self._pool.labels(name, "busy").set(size - free)
        self._pool.labels(name, "free").set(free)
        self._waiting.labels(name).set(waiting)

    def count_damaged(self, stream: UUID, version: int) -> None:
        self._damaged.inc()


def render_metrics(
    rows: list[tuple[str, int, int, int, float]], skew_seconds: float | None = None, more: bytes = b""
) -> bytes:
    """The metrics of all processes; for each view in `rows` its name, position, lag, parked events and lag in seconds;
    how far the program's clock is ahead of the database's, unless None; then `more`, from service/figures.py."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    everything = CollectorRegistry()
    _remove_dead_gauges(Path(os.environ.get(FOLDER, "/nowhere")))
    with suppress(ValueError):  # the folder does not exist: no space at the start, or it was removed
        MultiProcessCollector(everything)  # type: ignore[no-untyped-call]  # the library has no types here
    views = [
        _format_view_family(name, meaning, {row[0]: row[n] for row in rows})
        for n, (name, meaning) in enumerate(GAUGES, 1)
    ]
    clock = b"" if skew_seconds is None else format_family(SKEW, SKEW_MEANING, [f"{SKEW} {skew_seconds}"])
    return b"".join([generate_latest(everything), *views, clock, more])


GAUGES = (
    ("dossier_view_position", "Position of a view in the log"),
    ("dossier_view_lag_events", "Log positions that a view has not processed"),
    ("dossier_view_parked_events", "Events that a view could not process, and those that wait for them"),
    ("dossier_view_lag_seconds", "Age of the oldest event that a view has not processed"),
)


SKEW, SKEW_MEANING = "dossier_clock_skew_seconds", "How far the program's clock is ahead of the database's"


def _format_view_family(name: str, meaning: str, by_view: dict[str, Any]) -> bytes:
    return format_family(name, meaning, [f'{name}{{view="{view}"}} {value}' for view, value in by_view.items()])


def format_family(name: str, meaning: str, samples: list[str], kind: str = "gauge") -> bytes:
    """A metric in the library's text format; written through the library, it would exist once for each process."""
    return "\n".join([f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *samples, ""]).encode()
