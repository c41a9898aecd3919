"""The real program, served on a HOME of its own. tests/fixtures/archive.py keeps one for the whole run."""

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg

from domain.access import Role
from domain.administration import NewUser, RevokeToken
from domain.archive import Archive
from domain.users import Users
from service.database import embedded_address, embedded_cluster, open_database
from service.prepare import create_token, make_folders, prepare_archive, system_caller
from service.settings import Settings, load_settings_from
from service.wiring import APP_ROLE, Store, open_store, role_of
from store.logins import SUPERUSER
from tests.fixtures.database import MEMORY, in_memory
from tests.http import contract

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
STOP_SECONDS = 60
CREDITOR = "DE98ZZZ09999999999"
OWN_PASSWORD = "correct horse battery"
# What `dossier serve` does.
SERVE = """
import os, sys
from service.serve import serve
from service.settings import load_settings_from
sys.exit(serve(load_settings_from(os.environ)))
"""


class Served:
    """A running archive and the way to it: over HTTP as any role, and behind its back to the database and the disk."""

    def __init__(self, process: subprocess.Popen[bytes], settings: Settings, database_url: str, output: Path) -> None:
        self.process, self.settings, self.database_url, self.output = process, settings, database_url, output
        self.home, self.url = settings.home, f"http://{settings.host}:{settings.port}"
        self.operator_token = ""
        self._clients: dict[str, httpx.Client] = {}
        self._made, self._kept = ExitStack(), threading.local()
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=2)
        # One for all clients: of hundreds of idle pools each would keep a connection. There is no TLS, and to read the
        # certificates takes 20 ms.
        self._transport = httpx.HTTPTransport(limits=limits, verify=False)

    # -- callers ------------------------------------------------------------------------------------------------

    def as_(self, role: str, **rights: Any) -> httpx.Client:
        """A client with a token of this role; the same one for the same rights."""
        key = f"{role} {sorted(rights.items())}"
        if key not in self._clients:
            name = role if not rights else f"{role}-{secrets.token_hex(3)}"
            token = self.operator_token if key == "operator []" else self.new_token(name, role, **rights)
            self._clients[key] = self.client(token)
        return self._clients[key]

    def client(self, token: str | None) -> httpx.Client:
        """Every answer that it gets is checked against the contract. Closed with the archive."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        hooks: dict[str, list[Callable[..., Any]]] = {"response": [contract.check]}
        client = httpx.Client(
            base_url=self.url, headers=headers, event_hooks=hooks, timeout=60, transport=self._transport
        )
        return self._made.enter_context(client)

    def new_token(self, name: str, role: str, **rights: Any) -> str:
        """Made beside the running program, in the same database. `branch`, `own_branch_only`, `granted`, `without`."""
        return self.new_tokens([name], role, **rights)[0]

    def new_tokens(self, names: Sequence[str], role: str, **rights: Any) -> list[str]:
        with self.archive() as archive:
            caller = system_caller(self.settings)
            return [create_token(archive, caller, name=name, role=Role(role), **rights) for name in names]

    def revoke_token(self, name: str) -> None:
        with self.archive() as archive:
            assert archive.catalogues.administer(RevokeToken(name), system_caller(self.settings))

    def new_user(self, name: str, role: str, **rights: Any) -> str:
        """The password for the first sign-in, as `dossier users add` prints it."""
        with self.users() as users:
            return users.add_user(NewUser(name=name, role=Role(role), **rights), system_caller(self.settings))

    def as_user(self, role: str, **rights: Any) -> httpx.Client:
        """The browser of a user of this role who has chosen a password and is signed in; the same one for the same
        rights."""
        key = f"user {role} {sorted(rights.items())}"
        if key not in self._clients:
            name = f"user-{role}-{secrets.token_hex(3)}"
            browser = self._clients[key] = self.browser()
            self.come_in(browser, name, self.new_user(name, role, **rights))
            chosen = browser.put("/v1/session/password", json={"new": OWN_PASSWORD})
            assert chosen.is_success, chosen.text
        return self._clients[key]

    def browser(self) -> httpx.Client:
        """A client that says, as browsers do, that a page of the archive itself asks."""
        client = self.client(None)
        client.headers["Sec-Fetch-Site"] = "same-origin"
        return client

    def come_in(self, browser: httpx.Client, user: str, password: str) -> dict[str, Any]:
        """Sign in, whatever others missed from this address."""
        self.sql("delete from staff.attempt")
        answer = browser.post("/v1/session", json={"user": user, "password": password})
        assert answer.status_code == 201, answer.text
        session: dict[str, Any] = answer.json()
        return session

    @contextmanager
    def users(self) -> Iterator[Users]:
        yield self._store.users(self._store.archive())

    @contextmanager
    def archive(self) -> Iterator[Archive]:
        """The use cases in this process."""
        yield self._store.archive()

    @cached_property
    def _store(self) -> Store:
        """Kept: to open one takes 30 ms, and to close it as long."""
        role = role_of(self.database_url, APP_ROLE)
        return self._made.enter_context(open_store(self.settings, self.database_url, role=role))

    # -- behind its back ----------------------------------------------------------------------------------------

    def sql(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        found = self._database().execute(query.encode(), values)
        return found.fetchall() if found.description else []

    def _database(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """The connection of this thread, kept: to make one takes as long as a request."""
        kept: psycopg.Connection[tuple[Any, ...]] | None = getattr(self._kept, "database", None)
        if kept is None or kept.closed:
            kept = self._kept.database = psycopg.connect(self.database_url, autocommit=True, prepare_threshold=None)
            self._made.callback(kept.close)
        return kept

    def last_position(self) -> int:
        """Of the log, whatever the views have of it."""
        return int(self.sql("select max(notification_id) from archive.archive_events")[0][0])

    def key_at_rest(self, idempotency_key: str) -> str:
        """Programs put names of people into their keys, so a digest is what is kept of one."""
        with self.archive() as archive:
            return archive.keys.keyed_digest("idempotency-key", idempotency_key.encode()).hex()

    def contents(self) -> set[str]:
        """The content files there are; what the store tries out for a moment begins with a dot."""
        return {path.name for path in self.settings.content_directory.rglob("[!.]*-*") if path.is_file()}

    def named_contents(self) -> set[str]:
        """The contents that the log names, and those of destroyed papers that still wait for their removal."""
        named = "select content::text from archive.content"
        left = "select content::text from archive.destroyed_content where removed_at is null"
        return {name for (name,) in self.sql(f"{named} union all {left}")}  # constants

    def temporary_files(self) -> list[Path]:
        return list((self.home / "tmp").iterdir())

    def said(self) -> str:
        """All that the program wrote to stdout and stderr so far."""
        return "".join(path.read_text("utf-8") for path in sorted(self.output.iterdir()))

    def errors(self) -> list[str]:
        """The lines of its log that tell an error."""
        return [line for line in self.said().splitlines() if '"level":"error"' in line]

    def processes(self) -> list[int]:
        """Every process of this archive: its environment, command line or folder names HOME."""
        return [pid for pid in pids() if belongs(pid, str(self.home))]

    # -- its end ------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """SIGTERM, as an operator would; it must end with 0 and take everything with it."""
        self._made.close()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS)
        assert code == 0, f"serve ended with {code}: {self.said()[-3000:]}"
        wait_until(lambda: self.processes() == [], STOP_SECONDS, "processes are left over")

    def kill(self) -> None:
        """For a test that failed half-way: nothing of it may live on."""
        self._made.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)


@contextmanager
def serving(
    database_url: str | None = None,
    root: Path = ROOT,
    beside: Served | None = None,
    first: AbstractContextManager[Path] | None = None,
    /,
    **variables: str,
) -> Iterator[Served]:
    """`dossier serve` on a HOME of its own, ready; ended with SIGTERM afterwards, and that it ends well is checked.

    `root`: the tree whose rooms it is made of. `beside`: another node of that archive, with its keys and contents.
    `first`: the HOME that it is started on, for a first start."""
    with first or (new_home() if database_url or beside else prepared_home()) as home:
        if beside is not None:
            database_url = beside.database_url
            shutil.copytree(beside.home / "keys", home / "keys")
            variables = {"DOSSIER_CONTENT_URL": f"file://{beside.settings.content_directory}", **variables}
        environment = environment_of(home, database_url, variables)
        settings = load_settings_from(environment)
        output = home.parent / "output"
        output.mkdir()
        with (output / "stdout").open("wb") as out, (output / "stderr").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        served = Served(process, settings, database_url or embedded_url(home), output)
        try:
            wait_until(lambda: ready(served), START_SECONDS, "serve did not become ready")
            token = (beside.home if beside is not None else home) / "operator.token"
            served.operator_token = token.read_text().strip()
            yield served
            served.stop()
        finally:
            served.kill()


def ready(served: Served) -> bool:
    assert served.process.poll() is None, f"serve ended before it was ready: {served.said()[-3000:]}"
    return f"ready {served.url}\n" in served.said()


def environment_of(home: Path, database_url: str | None, variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOSSIER_")}
    ours = {"DOSSIER_HOME": str(home), "DOSSIER_PORT": str(free_port()), "DOSSIER_CREDITOR_ID": CREDITOR}
    database = {"DOSSIER_DATABASE_URL": database_url} if database_url else {}
    return {**kept, **ours, **database, "PYTHONWARNINGS": "default", **variables}


def embedded_url(home: Path) -> str:
    """The superuser's address: tests look at everything."""
    return embedded_address(embedded_cluster(home), SUPERUSER)


@contextmanager
def prepared_home() -> Iterator[Path]:
    """A HOME as the first start leaves it, its embedded database included: to make one takes seconds, to copy it none.
    Every copy is the same archive, with the same keys."""
    with new_home() as home:
        subprocess.run(["cp", "-a", f"{first_home()}/.", home], check=True)
        yield home


@cache
def first_home() -> Path:
    """Made once in a run, and copied only."""
    made = ExitStack()
    atexit.register(made.close)
    home = made.enter_context(new_home())
    settings = load_settings_from(environment_of(home, None, {}))
    make_folders(settings)
    with open_database(settings) as (_, addresses):
        prepare_archive(settings, addresses, lambda _: None)
    return home


@contextmanager
def new_home() -> Iterator[Path]:
    """A path for HOME that the server's own account can reach, short enough for its socket."""
    folder = Path(tempfile.mkdtemp(prefix="dossier-api-", dir=MEMORY if in_memory() else None))
    folder.chmod(0o711)
    try:
        home = folder / "home"
        home.mkdir(mode=0o711)
        yield home
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Poll until it holds; the bound is for a broken product, not a measure."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, otherwise
        time.sleep(0.02)


def pids() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def belongs(pid: int, home: str) -> bool:
    """A zombie belongs to nobody: it has no command line, environment or folder any more."""
    process = Path(f"/proc/{pid}")
    try:
        words = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        return os.fsencode(home) in words or str((process / "cwd").readlink()).startswith(home)
    except (OSError, ValueError):
        return False


def parent_of(pid: int) -> int:
    """0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def name_of(pid: int) -> str:
    """As `ps -o comm` shows it, at most 15 characters; empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def command_of(pid: int) -> str:
    """The command line, its words parted by spaces; empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
