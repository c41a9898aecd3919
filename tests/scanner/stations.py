"""Real stations for tests: `dossier scan station` as a process, and who stands at the desk and sees by HTTP what
becomes of a session."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from scanner.spool import Spool, SpoolPage
from scanner.station import scanner_id_of
from tests.http.served import ROOT, wait_until

SECONDS = 60
"""For a broken product; nothing here takes as long."""
POLL_SECONDS = 0.02
PROFILES = "letter.resolution_dpi=100,letter.silence_seconds_max=2"
_CHILD = "scanner.child"


class Station:
    """One start of a station on `home`, which outlives it. `line` is what it believes to be the archive."""

    def __init__(
        self, home: Path, line: str, token: str, devices: Sequence[str], *, name: str, **variables: str
    ) -> None:
        self.home, self.name = home, name
        self.spool = Spool(home / "scan" / "spool")
        home.mkdir(exist_ok=True)
        (home / "token").write_text(f"{token}\n")
        self._said = home / f"said-{os.urandom(3).hex()}"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DOSSIER_")}
        where = ["--archive", line, "--token-file", str(home / "token"), "--name", name]
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "scan", "station", *where, *(f"--device={d}" for d in devices)],
                cwd=ROOT,
                env={**kept, "DOSSIER_HOME": str(home), "DOSSIER_SCAN_PROFILES": PROFILES, **variables},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.kill()
        if kind is None:
            assert "Traceback" not in self.said(), self.said()

    def scanner(self, device: str) -> str:
        """What the desk calls it."""
        return f"{self.name}:{scanner_id_of(device)}"

    def said(self) -> str:
        return self._said.read_text("utf-8")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)

    def stop(self) -> float:
        """SIGTERM; it has to end well, and takes what it has started with it. How many seconds that took."""
        begun_at = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0, self.said()
        took = time.monotonic() - begun_at
        wait_until(lambda: children(self.home) == [], SECONDS, "a device process is left over")
        return took

    def spooled(self) -> list[str]:
        """Every file in the spool, as folder and name."""
        walked = os.walk(self.home / "scan" / "spool")  # what goes meanwhile does not disturb it
        return sorted(f"{Path(folder).name}/{file}" for folder, _, files in walked for file in files)

    def wait_until_empty(self) -> None:
        wait_until(lambda: self.spooled() == [], SECONDS, f"the spool is not emptied: {self.spooled()} {self.said()}")

    def stored(self, session: str) -> list[SpoolPage]:
        """The pages of a session that were durable here so far, delivered or not, until the pass is done with."""
        found = []
        for folder in sorted((self.home / "scan" / "spool").glob(f"{session}-*")):
            with suppress(FileNotFoundError):  # dropped in this moment
                facts = sorted(folder.glob("[0-9]*.json"))
                found += [msgspec.json.decode(file.read_bytes(), type=SpoolPage) for file in facts]
        return found


def children(home: Path) -> list[int]:
    """Device processes whose spool lies in this home."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit():
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if _CHILD in words and any(word.startswith(f"{home}/") for word in words):
                    found.append(int(process.name))
    return found


class AtDesk:
    """Who stands at the screen: starts sessions and sees what becomes of them."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self._position = "0"

    def start(self, scanner: str, **fields: str) -> str:
        """Once the scanner is offered; the session's id."""
        wait_until(lambda: scanner in self.scanners(), SECONDS, f"{scanner} is not offered")
        begun = self.client.post("/v1/scan-sessions", json={"scanner": scanner, **fields})
        self._position = begun.headers.get("Archive-Position", "0")
        return str(item(begun, 201)["id"])

    def confirm(self, session: str) -> None:
        item(self.client.post(f"/v1/scan-sessions/{session}/confirm"), 202)

    def stop(self, session: str) -> None:
        item(self.client.post(f"/v1/scan-sessions/{session}/stop"), 200)

    def cancel(self, session: str) -> None:
        assert self.client.delete(f"/v1/scan-sessions/{session}").status_code == 204

    def see(self, session: str) -> dict[str, Any]:
        return item(self.client.get(f"/v1/scan-sessions/{session}"), 200)

    def until(self, session: str, *states: str, pages: int = 0) -> dict[str, Any]:
        """The session when it is in one of these states, with so many pages at least."""
        return self.when(session, lambda seen: seen["state"] in states and len(seen["pages"]) >= pages)

    def when(self, session: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        until = time.monotonic() + SECONDS
        while not holds(seen := self.see(session)):
            assert time.monotonic() < until, f"it does not come to that: {seen}"
            time.sleep(POLL_SECONDS)
        return seen

    def sessions(self) -> set[str]:
        """Those that are not over."""
        position = self.client.get("/v1/scanners").headers["Archive-Position"]
        answer = self.client.get("/v1/scan-sessions?limit=200", headers={"Archive-Min-Position": position})
        return {found["id"] for found in item(answer, 200)["items"]}

    def scanners(self) -> dict[str, str]:
        """Their states, at least as new as the youngest session."""
        answer = self.client.get("/v1/scanners", headers={"Archive-Min-Position": self._position})
        return {found["id"]: found["state"] for found in item(answer, 200)["items"]}


def item(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    found: dict[str, Any] = answer.json()
    return found


def codes(session: dict[str, Any]) -> list[list[str]]:
    """The codes on its pages, in their order."""
    return [page["scan_codes"] for page in session["pages"]]


def slug(session: dict[str, Any]) -> str | None:
    return None if session["problem"] is None else str(session["problem"]["type"]).removeprefix("/problems/")
