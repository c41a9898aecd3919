r"""`dossier serve`: starts Postgres unless one is given, then its children. This process supervises.

    supervisor --- paper      the limited decoders (paper/pool.py)
              \--- projector  updates views, sweeps, expires (service/projector.py)
               \-- web        gunicorn and its workers (web/worker.py)
                \- station    where scanners are configured (service/scan_station.py)

The supervisor restarts a child or an embedded Postgres that ends. When the supervisor dies its children die with it,
and the embedded Postgres stops with its last user (store/postgres.py).
"""

import ctypes
import fcntl
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import msgspec

from paper import walls
from service import logs, metrics, ports
from service.ballast import Ballast, remove_ballast
from service.beats import Beats
from service.database import Addresses, embedded_cluster, open_database, require_server
from service.logs import log_line
from service.output import say
from service.parts_door import PartsDoor, socket_path_of
from service.prepare import make_folders, prepare_archive
from service.processes import stat_fields
from service.release import release_commit
from service.settings import Settings, SettingsError, describe_unknown_names
from store.postgres import Cluster, PostgresError

if TYPE_CHECKING:
    from service.wiring import Proven

TICK_SECONDS = 0.2
DATABASE_CHECK_SECONDS = 2.0
STOP_SECONDS = 40.0
YOUNG_SECONDS = 5.0
BACK_OFF_SECONDS = 1.0
LATE_SECONDS = 5.0
ARGUMENTS_BEGIN = 48 - 3  # proc_pid_stat(5) counts from 1; the two fields before the state are cut off


class ServedProcess(msgspec.Struct):
    """A process that serve keeps alive. `run` is called in the child and is its whole life.

    `door` is the listening socket that it serves. The supervisor keeps it open while the child restarts, so that its
    callers wait and no other program takes the port."""

    name: str
    run: Callable[[], None]
    door: socket.socket | None = None
    pid: int = 0
    started_at: float = 0.0
    killed: bool = False


class Supervisor:
    """Starts the children, watches them, and restarts those that end or give no heartbeat for `silence_seconds`."""

    def __init__(
        self,
        cluster: Cluster | None,
        children: list[ServedProcess],
        beats: Beats,
        door: PartsDoor,
        ballast: Ballast | None,
        *,
        silence_seconds: float,
    ) -> None:
        self._cluster, self._children, self._beats, self._door = cluster, children, beats, door
        self._ballast = ballast
        self._silence_seconds = silence_seconds
        self._stopping = False
        self._checked_at = 0.0
        self._looked_at = time.monotonic()

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit code."""
        signal.signal(signal.SIGTERM, self._request_stop)
        signal.signal(signal.SIGINT, self._request_stop)
        for child in self._children:
            self._start_child(child, again=False)
        while not self._stopping:
            self._door.answer_for(TICK_SECONDS)
            if self._ballast is not None:
                self._ballast.adjust()
            self._kill_silent()
            self._restart_dead()
            self._restart_database()
        self._stop_all()
        return 0

    def _request_stop(self, *_: object) -> None:
        self._stopping = True

    def _start_child(self, child: ServedProcess, *, again: bool) -> None:
        start_child(child, [other.door for other in self._children if other is not child and other.door])
        self._beats.record_start(child.name, child.pid, again=again)

    def _kill_silent(self) -> None:
        """Kill children without a heartbeat. When this check itself is late, because the supervisor was stopped or
        busy, all heartbeats start again and no child is killed."""
        now = time.monotonic()
        late, self._looked_at = now - self._looked_at > LATE_SECONDS, now
        if late:
            self._beats.reset_all()
            return
        for child in self._children:
            silent = self._beats.find_silent_loop(child.name, self._silence_seconds)
            if silent is not None and not child.killed and not self._stopping:
                loop, seconds = silent
                since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))
                log_line(
                    "error",
                    f"{child.name} hangs: {loop} (pid {child.pid}) gave no heartbeat for {seconds:.0f} s, since"
                    f" {since}; killing and restarting it",
                )
                child.killed = True
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)

    def _restart_dead(self) -> None:
        for child in self._children:
            ended = describe_end(child)
            if ended is not None and not self._stopping:
                log_line("warning", f"{child.name} (pid {child.pid}) {ended}; restarting it")
                if time.monotonic() - child.started_at < YOUNG_SECONDS:
                    time.sleep(BACK_OFF_SECONDS)
                self._start_child(child, again=True)

    def _restart_database(self) -> None:
        if self._cluster is None or time.monotonic() - self._checked_at < DATABASE_CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        try:
            if self._cluster.is_alive():
                self._cluster.maintain_keeper()
            else:
                log_line("warning", "the embedded database ended; restarting it")
                self._cluster.start()
        except (PostgresError, OSError, subprocess.SubprocessError) as error:  # for example a full disk: retried
            log_line("error", f"the embedded database does not start, retrying in 2 s: {error}")

    def _stop_all(self) -> None:
        """Stop the web child first, so that no request arrives while the rest still works; then the others. Postgres
        stops last."""
        for child in reversed(self._children):
            if child.door is not None:
                child.door.close()
            stop_child(child)
        self._door.close()


def start_child(child: ServedProcess, doors_of_others: Sequence[socket.socket]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    supervisor = os.getpid()
    child.started_at, child.killed = time.monotonic(), False
    child.pid = os.fork()
    if child.pid == 0:
        _run_child(child, supervisor, doors_of_others)


def _run_child(child: ServedProcess, supervisor: int, doors_of_others: Sequence[socket.socket]) -> None:
    from paper.confinement import die_with_parent

    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(supervisor)
        for door in doors_of_others:
            door.close()
        logs.set_part(child.name)
        name_process(f"dossier-{child.name}")
        title_process(f"dossier: {child.name}")
        child.run()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException as error:  # noqa: BLE001  # the edge of a process: log the error, then end
        log_line("error", f"{child.name} failed: {logs.reason_of(error)}; the supervisor restarts it")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def name_process(name: str) -> None:
    """Set the name that `ps` and `top` show, at most 15 characters; children inherit it."""
    Path("/proc/self/comm").write_text(name[:15], encoding="ascii")


def is_alive(child: ServedProcess) -> bool:
    return describe_end(child) is None


def title_process(title: str) -> None:
    """Set the command line that `ps` shows, by overwriting the memory that holds it; the title is cut to that size."""
    fields = stat_fields("self")
    begin, end = int(fields[ARGUMENTS_BEGIN]), int(fields[ARGUMENTS_BEGIN + 1])
    if 0 < begin < end:
        room = end - begin
        ctypes.memmove(begin, title.encode("ascii")[: room - 1].ljust(room, b"\0"), room)


def describe_end(child: ServedProcess) -> str | None:
    """The end of the child in words; None while it lives."""
    try:
        pid, status = os.waitpid(child.pid, os.WNOHANG)
    except ChildProcessError:
        return "ended"
    if pid == 0:
        return None
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with {os.waitstatus_to_exitcode(status)}"


def stop_child(child: ServedProcess) -> None:
    """Send SIGTERM and wait; after 40 s send SIGKILL."""
    deadline = time.monotonic() + STOP_SECONDS
    if is_alive(child):
        os.kill(child.pid, signal.SIGTERM)
    while is_alive(child):
        if time.monotonic() > deadline:
            os.kill(child.pid, signal.SIGKILL)
        time.sleep(0.02)


def serve(settings: Settings) -> int:
    """Run the archive until SIGTERM or SIGINT; returns the exit code of the command."""
    logs.begin_logging()
    release_commit()  # cache the commit of the running program before a later pull changes it
    for words in describe_unknown_names(os.environ):
        log_line("warning", words)
    require_extras(settings)
    missing_walls = require_walls()
    require_free_base(settings)
    make_folders(settings)
    with (
        lock_home(settings.home),
        open_ports(settings) as doors,
        metrics.prepare_folder(settings.home),
        lend_ballast(settings) as ballast,
        open_database(settings) as (cluster, addresses),
    ):
        require_server(addresses, settings.workers)
        proven = prepare_archive(settings, addresses, choose_output())
        ready_file_of(settings.home).unlink(missing_ok=True)
        beats = Beats(part_names(settings))
        door = PartsDoor(socket_path_of(settings.home), beats.part_statuses)
        children = make_children(settings, addresses, doors, missing_walls, beats, proven)
        gc.collect()
        gc.freeze()
        silence = settings.limits.silence_seconds_max
        return Supervisor(cluster, children, beats, door, ballast, silence_seconds=silence).run()


@contextmanager
def lend_ballast(settings: Settings) -> Iterator[Ballast | None]:
    """Enter after taking the lock of HOME, because it may truncate the file, and before starting Postgres, which may
    need the space."""
    yield prepare_ballast(settings)


def prepare_ballast(settings: Settings) -> Ballast | None:
    """The ballast of the embedded Postgres, if it is on the file system of HOME; adjusted once before Postgres
    starts."""
    home = settings.home
    if settings.database_url is not None or not settings.limits.ballast_bytes:
        remove_ballast(home)
        return None
    place = embedded_cluster(home).home
    if place.exists() and place.stat().st_dev != home.stat().st_dev:
        log_line("warning", f"no ballast is kept: the database is on another file system than {home}")
        return None
    ballast = Ballast(home, settings.limits.ballast_bytes, settings.limits.disk_free_bytes_min)
    ballast.adjust()
    return ballast


def choose_output() -> Callable[[str], None]:
    """The output of a start: plain text on a terminal, otherwise lines of the log."""
    return say if sys.stderr.isatty() else partial(log_line, "info")


def part_names(settings: Settings) -> list[str]:
    return ["paper", "projector", "web", *(["station"] if settings.scanners else [])]


def require_extras(settings: Settings) -> None:
    """Check optional packages at the start, before workers fail without them."""
    if settings.oidc_issuer is not None and find_spec("authlib") is None:
        raise SettingsError("DOSSIER_OIDC_ISSUER: needs the extra oidc; with DOSSIER_EXTRAS=oidc ./run installs it")


def require_free_base(settings: Settings) -> None:
    """Refuse a sub-path that begins like a route, because requests for the two could not be told apart."""
    from desk.app import rooms

    first = settings.base.split("/")[1] if settings.base else ""
    if first in rooms():
        raise SettingsError(f"DOSSIER_PUBLIC_URL: the sub-path /{first} is an address of the archive itself")


def require_walls() -> tuple[str, ...]:
    """The walls that this system cannot put around the decoders. Raises WallsMissing when the others are not enough."""
    missing = walls.find_missing()
    if walls.SECCOMP in missing:
        raise WallsMissing(
            "the decoders cannot be sandboxed here: seccomp filters need Linux on x86_64 or aarch64, and a container"
            " that permits them"
        )
    if missing:
        log_line("warning", f"paper: this system lacks walls for the decoders: {', '.join(missing)}; the others hold")
    return missing


class WallsMissing(Exception):
    """A compromised decoder could reach everything that this account can."""


class Doors(NamedTuple):
    """The sockets of both ports; that of /metrics where it has a port of its own."""

    web: socket.socket
    metrics: socket.socket | None


@contextmanager
def open_ports(settings: Settings) -> Iterator[Doors]:
    """Bind both ports before anything is started. The web child listens when it can answer, collectors of metrics wait
    from the beginning."""
    with ExitStack() as opened:
        web = opened.enter_context(ports.bind_to(settings.host, settings.port, setting="DOSSIER_PORT"))
        if settings.metrics_port is None:
            yield Doors(web, None)
            return
        door = ports.bind_to(settings.host, settings.metrics_port, setting="DOSSIER_METRICS_PORT")
        opened.enter_context(door).listen()
        log_line("info", f"metrics at http://{ports.address_of(*door.getsockname()[:2])}/metrics")
        yield Doors(web, door)


def make_children(
    settings: Settings,
    addresses: Addresses,
    doors: Doors,
    missing_walls: tuple[str, ...],
    beats: Beats,
    proven: "Proven",
) -> list[ServedProcess]:
    """The children to start. Their modules are imported here, once, before the fork: they share these pages with the
    supervisor."""
    import prometheus_client  # noqa: F401  # its folder is set by now
    import uvloop  # noqa: F401

    from paper import pool
    from service import projector, web
    from service.wiring import APP_ROLE, role_of

    role = role_of(addresses.web, APP_ROLE)
    decoders = settings.home / "run" / "paper.sock"
    ready = ready_file_of(settings.home)
    children = [
        ServedProcess("paper", partial(pool.serve, decoders, limits=settings.limits, beat=beats.beat_of("paper"))),
        ServedProcess(
            "projector",
            partial(projector.run_projector, settings, addresses, doors.metrics, beats, proven),
            doors.metrics,
        ),
        ServedProcess(
            "web",
            partial(
                web.run_web, settings, addresses.web, role, doors.web, decoders, ready, missing_walls, beats, proven
            ),
            doors.web,
        ),
    ]
    if settings.scanners:
        from service import scan_station

        children.append(
            ServedProcess("station", partial(scan_station.run_local_station, settings, beats.beat_of("station")))
        )
    return children


def ready_file_of(home: Path) -> Path:
    """The file created when this start has printed that it is ready, so that a restarted web child does not print it
    twice."""
    return home / "run" / "ready"


@contextmanager
def lock_home(home: Path) -> Iterator[None]:
    """Lock HOME against a second serve; the kernel releases the lock however this process ends. Raises
    AlreadyServed."""
    with open_lock_file(home / "run" / "serve.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyServed(f"{home} is already served by another process") from None
        yield


class AlreadyServed(Exception):
    """Another `dossier serve` runs on this HOME."""


def open_lock_file(path: Path) -> IO[bytes]:
    return path.open("ab")
