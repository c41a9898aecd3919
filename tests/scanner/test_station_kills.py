"""Device process, station and archive killed with -9 at random points of batches of five pages: none is lost, none is
there twice.

Whatever was killed, a person then puts back the sheets that are not on the screen, and scans on.
"""

import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.killing import Archive, an_archive
from tests.http.served import wait_until
from tests.scanner.escl import DEVICE, Scanner, a_scanner, text_of
from tests.scanner.stations import POLL_SECONDS, SECONDS, AtDesk, Station, children, codes

SHEETS = 5
LOOK_SECONDS = 0.002
VICTIMS = ("device", "station", "web", "device", "station", "all")
MOMENTS = ("station.json", "{:04d}.jpg.part", "{:04d}.jpg", "{:04d}.json.part", "{:04d}.json", "outcome.json")


def test_no_kill_loses_or_doubles_a_page(airscan: None, tmp_path: Path) -> None:
    run(tmp_path, kills=12, seed=1)


@pytest.mark.long
def test_two_hundred_kills_lose_or_double_no_page(airscan: None, tmp_path: Path) -> None:
    """Takes 355 s on a busy machine: 67 device, 67 station, 33 web, 33 all; 131 in a scan, 376 pages stored before."""
    run(tmp_path, kills=200, seed=2)


def run(folder: Path, *, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    with an_archive() as archive, a_scanner(folder) as scanner, Rig(archive, scanner, folder / "home") as rig:
        for number in range(kills):
            rig.batch(VICTIMS[number % len(VICTIMS)], chance)
        killed = ", ".join(f"{count} {victim}" for victim, count in sorted(rig.killed.items()))
        print(f"kills: {killed}; {rig.within} in a scan, {rig.stored} pages were stored before")  # noqa: T201  # what was hit
        assert rig.within > kills / 2
        archive.stop()


class Rig:
    """An archive, a station and its scanner, of which each can be killed and comes back."""

    def __init__(self, archive: Archive, scanner: Scanner, home: Path) -> None:
        self.archive, self.scanner, self.home = archive, scanner, home
        self.name = f"desk-{secrets.token_hex(3)}"
        made = archive.command("tokens", "create", self.name, "--role", "station")
        assert made.returncode == 0, made.stderr
        self.token = made.stdout.strip()
        self.station = self._started()
        self.desk = AtDesk(patient_client(archive))
        self.killed: Counter[str] = Counter()
        self.within = self.stored = 0

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        self.station.__exit__(*_)  # type: ignore[arg-type]  # what Python gives
        self.desk.client.close()

    def batch(self, victim: str, chance: random.Random) -> None:
        """Five sheets with one kill, and as many passes as it takes."""
        self.scanner.load(SHEETS)
        session = self.desk.start(self.station.scanner(DEVICE), source="feeder")
        with self._watched(session) as stored:
            self._kill(victim, session, chance)
            while len(pages := self._settled(session)["pages"]) < SHEETS:
                self.scanner.load(SHEETS - len(pages), first=len(pages) + 1)
                self.desk.confirm(session)
        self._check(session, stored)

    def _kill(self, victim: str, session: str, chance: random.Random) -> None:
        reached = self._moment(session, chance)
        wait_until(lambda: reached() or self.desk.see(session)["state"] != "scanning", SECONDS, "nothing happens")
        self.within += self.desk.see(session)["state"] == "scanning"
        self.stored += len(self.station.stored(session))
        self.killed[victim] += 1
        match victim:
            case "device":
                for pid in children(self.home):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            case "station":
                self.station.kill()
                self.station = self._started()
            case _:
                self.archive.kill(victim, chance)

    def _moment(self, session: str, chance: random.Random) -> Callable[[], bool]:
        """By the clock, or by the appearance of a file: most of what matters takes too short to be hit by chance."""
        until = time.monotonic() + chance.uniform(0, 2.0)
        name = chance.choice(MOMENTS).format(chance.randint(1, SHEETS))
        file = self.home / "scan" / "spool" / f"{session}-1" / name
        return file.exists if chance.random() < 0.7 else lambda: time.monotonic() > until

    def _settled(self, session: str) -> dict[str, Any]:
        """The session once nothing more is on its way."""
        folder = self.home / "scan" / "spool"

        def rests() -> bool:
            is_at_rest = self.desk.see(session)["state"] in ("review", "failed")
            return is_at_rest and not any(folder.glob(f"{session}-*"))

        wait_until(rests, SECONDS, f"it does not come to rest: {self.station.said()} {self.archive.said()}")
        return self.desk.see(session)

    @contextmanager
    def _watched(self, session: str) -> Iterator[set[str]]:
        """The digests of all pages that are durable at the station at any time within."""
        seen: set[str] = set()
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LOOK_SECONDS):
                seen.update(page.sha256 for page in self.station.stored(session))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield seen
        finally:
            over.set()
            watcher.join()

    def _check(self, session: str, stored: set[str]) -> None:
        whole = self.desk.see(session)
        assert codes(whole) == [[text_of(sheet)] for sheet in range(1, SHEETS + 1)]
        assert [page["n"] for page in whole["pages"]] == [*range(1, SHEETS + 1)]
        assert {page["sha256"] for page in whole["pages"]} == stored

    def _started(self) -> Station:
        settings = self.archive.settings
        url, config = f"http://{settings.host}:{settings.port}", str(self.scanner.config)
        return Station(self.home, url, self.token, [DEVICE], name=self.name, SANE_CONFIG_DIR=config)


class Patiently(httpx.HTTPTransport):
    """Asks again while the archive comes back."""

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self._archive = archive

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        until, last = time.monotonic() + SECONDS, ""
        while time.monotonic() < until:
            try:
                answer = super().handle_request(request)
                if answer.status_code != 503:
                    return answer
                last = answer.read().decode()
            except httpx.TransportError as error:
                last = repr(error)
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"the archive does not come back: {last} {self._archive.said()}")


def patient_client(archive: Archive) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://{archive.settings.host}:{archive.settings.port}",
        headers={"Authorization": f"Bearer {archive.token}"},
        transport=Patiently(archive),
        timeout=10,
    )
