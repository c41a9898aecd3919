"""`dossier serve` as somebody starts it: under an account, in a process group of its own, ended by a signal."""

import json
import os
import pwd
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.http.served import START_SECONDS, STOP_SECONDS, belongs, environment_of, pids, wait_until
from tests.service.program import ROOT

AS_ROOT = os.geteuid() == 0
PLAIN = "nobody" if AS_ROOT else pwd.getpwuid(os.geteuid()).pw_name
PACKAGES = sysconfig.get_path("purelib")
ACCOUNTS = ["root", PLAIN] if AS_ROOT else [PLAIN]
"""Who can be tried here: root tries both, and a plain user only itself."""


PROGRAM = "import runpy; runpy.run_module('service', run_name='__main__', alter_sys=True)"


class Running:
    """One start of the program on a HOME; `out` and `err` hold what it said. Its process runs `first` before."""

    def __init__(self, home: Path, account: str | None = None, first: str = "", **variables: str) -> None:
        self.environment = environment_of(home, None, {"DOSSIER_WORKERS": "1", **variables})
        self.home, self.port = home, int(self.environment["DOSSIER_PORT"])
        self.url = f"http://127.0.0.1:{self.port}"
        self._said = {name: home.parent / f"said-{name}-{os.urandom(3).hex()}" for name in ("out", "err")}
        with self._said["out"].open("wb") as out, self._said["err"].open("wb") as err:
            self.process = subprocess.Popen(
                [*switched_to(account), python_of(account), "-c", f"{first}\n{PROGRAM}", "serve"],
                cwd=ROOT,
                env={**self.environment, "PYTHONPATH": PACKAGES},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._said["out"].read_text("utf-8")

    @property
    def err(self) -> str:
        return self._said["err"].read_text("utf-8")

    def wait_until_ready(self) -> "Running":
        wait_until(lambda: self._is_ready(), START_SECONDS, f"serve did not become ready: {self.err}")
        return self

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"serve ended: {self.err[-3000:]}"
        return f"ready {self.url}\n" in self.out

    def command(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Another verb, beside it, under the account of the tests."""
        command = [sys.executable, "-m", "service", *arguments]
        environment = {**self.environment, **variables}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    def client(self) -> httpx.Client:
        token = (self.home / "operator.token").read_text().strip()
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def processes(self) -> list[int]:
        return [pid for pid in pids() if belongs(pid, str(self.home))]

    def ended(self) -> int:
        """The exit code, once it has ended; nothing may live on."""
        code = self.process.wait(STOP_SECONDS)
        wait_until(lambda: self.processes() == [], STOP_SECONDS, "processes are left over")
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> int:
        """As an operator does it, or with `group` as a terminal does on Ctrl-C."""
        (os.killpg if group else os.kill)(self.process.pid, number)
        return self.ended()


@contextmanager
def running(home: Path, account: str | None = None, first: str = "", **variables: str) -> Iterator[Running]:
    """Started, ready; the test ends it. What a failed test left is killed."""
    with begun(home, account, first, **variables) as begun_:
        yield begun_.wait_until_ready()


@contextmanager
def begun(home: Path, account: str | None = None, first: str = "", **variables: str) -> Iterator[Running]:
    """Started only."""
    started = Running(home, account, first, **variables)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()  # its children and its database end with it
            started.ended()


def switched_to(account: str | None) -> list[str]:
    """The words before a command that make it another account's; none for the account of the tests."""
    if account is None or not AS_ROOT or account == "root":
        return []
    entry = pwd.getpwnam(account)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--inh-caps=-all"]


@cache
def python_of(account: str | None) -> str:
    """The Python of the tests; where only root can go to it, another one of the same version does as well."""
    switch = switched_to(account)
    if not switch:
        return sys.executable
    name = f"python3.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/local/bin/{name}", f"/usr/bin/{name}"):
        tried = [*switch, "env", f"PYTHONPATH={PACKAGES}", python, "-c", "import service.serve, web.worker, paper.pool"]
        if subprocess.run(tried, cwd=ROOT, capture_output=True).returncode == 0:
            return python
    raise AssertionError(f"{account} can reach no {name}, or not this checkout")


def give(home: Path, account: str) -> None:
    """HOME to the account that is to use it."""
    entry = pwd.getpwnam(account)
    os.chown(home, entry.pw_uid, entry.pw_gid)


def log_lines(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("{")]


def words(err: str) -> list[str]:
    """What a start says to a person; off a terminal it is in lines of the log."""
    told = (
        json.loads(line) if line.startswith("{") else {"level": "info", "message": line} for line in err.splitlines()
    )
    return [line["message"] for line in told if line.get("level") == "info"]


def item(answer: httpx.Response) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()
