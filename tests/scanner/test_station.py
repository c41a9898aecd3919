"""Scan page from end to end: a served archive, stations as processes of their own, real drivers, who is at the desk.

`station` has simulated devices, `network` the real sane-airscan on a network scanner of our own.
"""

import io
import os
import secrets
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import pytest
from PIL import Image

from scanner.spool import digest_of
from scanner.station import scanner_id_of
from tests.http.desk import a_customer, check, issued, item_of, problem_of, token_for, view
from tests.http.line import Line, a_line
from tests.http.served import Served, name_of, prepared_home, wait_until
from tests.paper.files import a_jpeg
from tests.scanner.conftest import PAGES_MAX
from tests.scanner.escl import DEVICE, Scanner, a_scanner, text_of
from tests.scanner.stations import SECONDS, AtDesk, Station, children, codes, slug
from tests.service.running import Running, running

GLASS, FEEDER = "simulated:flatbed?seconds=0.1", "simulated:feeder?pages=3&seconds=0.1"
SLOW, COVER = "simulated:feeder?pages=2&seconds=1", "simulated:feeder?cover=2&seconds=0.1"
EMPTY, STALL = "simulated:feeder?pages=0", "simulated:feeder?stall=2&seconds=0.1"
ENDLESS = "simulated:feeder?pages=1000&seconds=0"
AWAY, TAKEN = "simulated:feeder?offline=1", "simulated:flatbed?busy=1"
DEVICES = (GLASS, FEEDER, SLOW, COVER, EMPTY, STALL, ENDLESS, AWAY, TAKEN)
FORM_DPI = 200
JPEG = {"Content-Type": "image/jpeg"}
DRIVERS_WORDS = ("as the name says", "the feeder is empty", "sent no more data")


class Network(NamedTuple):
    """A network scanner, and the station that has it."""

    scanner: Scanner
    station: Station

    @property
    def id(self) -> str:
        return self.station.scanner(DEVICE)


@contextmanager
def a_station(
    archive: Served, home: Path, *devices: str, line: str | None = None, **variables: str
) -> Iterator[Station]:
    name = f"desk-{secrets.token_hex(3)}"
    token = archive.new_token(name, "station")
    with Station(home, line or archive.url, token, devices, name=name, **variables) as station:
        yield station


@pytest.fixture(scope="module")
def station(archive: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with a_station(archive, tmp_path_factory.mktemp("station"), *DEVICES) as running:
        yield running
        running.stop()


@pytest.fixture(scope="module")
def network(airscan: None, archive: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("network")
    with a_scanner(folder) as scanner:
        config = {"SANE_CONFIG_DIR": str(scanner.config)}
        with a_station(archive, folder / "home", DEVICE, **config) as running:
            yield Network(scanner, running)


# -- from the paper to the document -----------------------------------------------------------------------------


def test_the_glass_waits_for_a_yes_and_a_further_yes_adds_a_page(station: Station, at_desk: AtDesk) -> None:
    session = at_desk.start(station.scanner(GLASS))
    assert at_desk.see(session)["state"] == "awaiting_confirmation"
    at_desk.confirm(session)
    first = at_desk.until(session, "review")
    at_desk.confirm(session)
    both = at_desk.until(session, "review", pages=2)
    assert [page["n"] for page in both["pages"]] == [1, 2]
    assert both["pages"][0] == first["pages"][0]
    assert all(len(found) == 1 for found in codes(both))
    station.wait_until_empty()


def test_a_no_leaves_nothing_behind(station: Station, at_desk: AtDesk, archive: Served) -> None:
    before = archive.contents()
    session = at_desk.start(station.scanner(GLASS))
    at_desk.cancel(session)
    assert at_desk.see(session)["state"] == "cancelled"
    assert archive.sql("select count(*) from keys.paper where paper = %s", [session]) == [(0,)]
    assert archive.contents() == before
    assert station.spooled() == []


def test_a_feeder_needs_no_yes_and_a_second_pass_comes_behind_the_first(station: Station, at_desk: AtDesk) -> None:
    session = at_desk.start(station.scanner(FEEDER))
    first = at_desk.until(session, "review")
    assert [page["n"] for page in first["pages"]] == [1, 2, 3]
    at_desk.confirm(session)
    both = at_desk.until(session, "review", pages=6)
    assert [page["n"] for page in both["pages"]] == [*range(1, 7)]
    assert codes(both) == 2 * codes(first)
    station.wait_until_empty()


def test_a_batch_of_forms_becomes_a_document_a_form(network: Network, at_desk: AtDesk, archive: Served) -> None:
    """Real forms: their codes stand on the pages, Check tells whose they are, OK attaches each to its authorization."""
    forms = [issued(at_desk.client, a_customer(archive)) for _ in range(3)]
    network.scanner.papers = {n: printed(at_desk, form) for n, form in enumerate(forms, start=1)}
    network.scanner.load(3)
    session = at_desk.start(network.id, source="feeder")
    assert codes(at_desk.until(session, "review")) == [[form["scan_code"]] for form in forms]
    network.scanner.papers = {}

    for form in forms:
        row = ok(at_desk, session, form["scan_code"])
        [shown] = view(at_desk.client, form["customer"]["id"], row["position"])
        assert (shown["id"], shown["status"], shown["source"]) == (form["authorization"]["id"], "active", "scan")
        evidence = at_desk.client.get(f"/v1/documents/{shown['evidence']}/content")
        assert (evidence.headers["Content-Type"], evidence.content[:5]) == ("application/pdf", b"%PDF-")
        assert problem_of(check(at_desk.client, form["scan_code"]), 409) == "scan-code-redeemed"
    ended = at_desk.see(session)
    assert (ended["state"], ended["pages"], len(ended["documents"])) == ("archived", [], 3)
    network.station.wait_until_empty()


def printed(at_desk: AtDesk, form: dict[str, Any]) -> Image.Image:
    """The sheet, as it lies on the glass."""
    pdf = pypdfium2.PdfDocument(io.BytesIO(at_desk.client.get(form["form"]).content))
    return pdf[0].render(scale=FORM_DPI / 72).to_pil()  # type: ignore[no-any-return]  # It ships without types.


def ok(at_desk: AtDesk, session: str, code: str) -> dict[str, Any]:
    """Check and OK, for the first page that is left."""
    body = {"scan_code": code, "check_token": token_for(at_desk.client, code), "pages": [1]}
    return item_of(at_desk.client.post(f"/v1/scan-sessions/{session}/archive", json=body))


# -- one scanner, one session -----------------------------------------------------------------------------------


def test_a_scanner_in_use_is_refused_with_its_holder_and_others_work(station: Station, at_desk: AtDesk) -> None:
    session = at_desk.start(station.scanner(SLOW))
    refused = at_desk.client.post("/v1/scan-sessions", json={"scanner": station.scanner(SLOW)})
    assert (problem_of(refused, 409), refused.json()["holder"]) == ("scanner-busy", "staff")
    assert at_desk.scanners()[station.scanner(SLOW)] == "busy"
    other = at_desk.start(station.scanner(FEEDER))
    assert len(at_desk.until(other, "review")["pages"]) == 3
    assert at_desk.see(session)["state"] == "scanning"
    at_desk.cancel(session)


def test_a_cancelled_scan_lets_go_of_the_scanner_and_leaves_nothing(station: Station, at_desk: AtDesk) -> None:
    """A page takes a second here: the next session is not told that the scanner is busy with one that is over."""
    session = at_desk.start(station.scanner(SLOW))
    at_desk.until(session, "scanning", pages=1)
    at_desk.cancel(session)
    again = at_desk.start(station.scanner(SLOW))
    assert station.stored(again) == []
    assert at_desk.until(again, "scanning", "failed", pages=1)["state"] == "scanning"
    at_desk.cancel(again)
    wait_until(lambda: children(station.home) == [], SECONDS, "a cancelled device process goes on")
    station.wait_until_empty()
    wait_until(lambda: at_desk.scanners()[station.scanner(SLOW)] == "ready", SECONDS, "the scanner is not let go")
    assert at_desk.client.get(f"/v1/scan-sessions/{session}/pages/1").status_code == 404


def test_a_stopped_scan_keeps_its_pages_and_lets_go_of_the_scanner(station: Station, at_desk: AtDesk) -> None:
    session = at_desk.start(station.scanner(SLOW))
    at_desk.until(session, "scanning", pages=1)
    at_desk.stop(session)
    again = at_desk.start(station.scanner(SLOW))
    assert at_desk.until(again, "scanning", "failed", pages=1)["state"] == "scanning"
    at_desk.cancel(again)
    station.wait_until_empty()
    kept = at_desk.see(session)
    assert (kept["state"], kept["problem"]) == ("review", None)
    assert kept["pages"] != []


# -- what breaks at the device ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "problem", "pages", "state"),
    [
        (COVER, "scanner-cover-open", 1, "cover_open"),
        (EMPTY, "scanner-out-of-paper", 0, "out_of_paper"),
        (STALL, "scanner-failed", 1, "ready"),
        (TAKEN, "scanner-busy", 0, "busy"),
    ],
)
def test_a_fault_is_told_in_plain_words_and_keeps_the_pages(
    station: Station, at_desk: AtDesk, archive: Served, device: str, problem: str, pages: int, state: str
) -> None:
    session = scanned(at_desk, station.scanner(device))
    failed = at_desk.until(session, "failed")
    assert (slug(failed), len(failed["pages"])) == (problem, pages)
    wait_until(lambda: at_desk.scanners()[station.scanner(device)] == state, SECONDS, f"it is not {state}")
    station.wait_until_empty()
    assert said_by_drivers(archive, session) == []


def test_a_scanner_that_is_away_is_not_begun_with(station: Station, at_desk: AtDesk) -> None:
    wait_until(lambda: station.scanner(AWAY) in at_desk.scanners(), SECONDS, "it is not offered")
    assert at_desk.scanners()[station.scanner(AWAY)] == "offline"
    refused = at_desk.client.post("/v1/scan-sessions", json={"scanner": station.scanner(AWAY)})
    assert problem_of(refused, 503) == "scanner-offline"


def test_a_jam_keeps_what_came_and_the_rest_comes_with_the_next_yes(network: Network, at_desk: AtDesk) -> None:
    network.scanner.load(5, jam=3)
    session = at_desk.start(network.id, source="feeder")
    jammed = at_desk.until(session, "failed")
    assert (slug(jammed), codes(jammed)) == ("scanner-jammed", sheets(1, 2))
    assert jammed["problem"]["detail"] == (
        "A sheet is stuck in the scanner. Take it out and continue; the pages before it are kept."
    )
    wait_until(lambda: at_desk.scanners()[network.id] == "jammed", SECONDS, "it is not jammed")

    network.scanner.load(3, first=3)
    at_desk.confirm(session)
    whole = at_desk.until(session, "review", pages=5)
    assert (codes(whole), [page["n"] for page in whole["pages"]]) == (sheets(1, 5), [1, 2, 3, 4, 5])
    wait_until(lambda: at_desk.scanners()[network.id] == "ready", SECONDS, "the jam is not over")


def test_a_feeder_without_end_is_ended_at_what_a_session_takes(station: Station, at_desk: AtDesk) -> None:
    """Also in a second pass, which may have fewer."""
    session = at_desk.start(station.scanner(ENDLESS))
    ended = at_desk.until(session, "failed")
    assert (slug(ended), len(ended["pages"])) == ("scanner-too-many-pages", PAGES_MAX)
    assert problem_of(at_desk.client.post(f"/v1/scan-sessions/{session}/confirm"), 422) == "scanner-too-many-pages"

    removed = at_desk.client.post(f"/v1/scan-sessions/{session}/pages/1/remove", json={})
    assert removed.status_code == 200, removed.text
    at_desk.confirm(session)
    again_ended = at_desk.until(session, "failed")
    assert (slug(again_ended), len(again_ended["pages"])) == ("scanner-too-many-pages", PAGES_MAX)
    station.wait_until_empty()


def scanned(at_desk: AtDesk, scanner: str) -> str:
    """A session with its Yes, where it takes one."""
    session = at_desk.start(scanner)
    if at_desk.see(session)["state"] == "awaiting_confirmation":
        at_desk.confirm(session)
    return session


def sheets(first: int, last: int) -> list[list[str]]:
    """The codes of these sheets of the network scanner."""
    return [[text_of(sheet)] for sheet in range(first, last + 1)]


def said_by_drivers(archive: Served, session: str) -> list[str]:
    """A driver's own words in anything that HTTP tells, also to those who may see everything."""
    client = archive.as_("operator")
    paths = (f"/v1/scan-sessions/{session}", "/v1/scan-sessions", "/v1/scanners", "/v1/scan-stations", "/v1/history")
    told = [client.get(path).text for path in (*paths, "/v1/events?limit=200")]
    return [words for words in DRIVERS_WORDS if any(words in text for text in told)]


# -- the way to the archive -------------------------------------------------------------------------------------


@pytest.fixture
def line(archive: Served) -> Iterator[Line]:
    with a_line(archive.settings.port) as line:
        yield line


def test_the_scan_goes_on_while_the_archive_is_away_and_the_pages_come_later(
    archive: Served, at_desk: AtDesk, line: Line, tmp_path: Path
) -> None:
    """Longer than a station's silence is borne: the session is given up, and taken up again."""
    device = "simulated:feeder?pages=5&seconds=0.3"
    with a_station(archive, tmp_path / "home", device, line=line.url) as station:
        session = at_desk.start(station.scanner(device))
        at_desk.until(session, "scanning", pages=1)
        line.cut()
        wait_until(lambda: len(station.stored(session)) == 5, SECONDS, "the scan does not go on")
        given_up = at_desk.until(session, "failed")
        assert (slug(given_up), len(given_up["pages"])) < ("scanner-offline", 5)
        stored = [page.sha256 for page in station.stored(session)]

        line.mend()
        whole = at_desk.until(session, "review")
        assert [page["sha256"] for page in whole["pages"]] == stored
        assert [page["n"] for page in whole["pages"]] == [1, 2, 3, 4, 5]
        assert whole["problem"] is None
        station.wait_until_empty()


def test_a_line_that_breaks_again_and_again_loses_and_doubles_nothing(
    archive: Served, at_desk: AtDesk, line: Line, tmp_path: Path
) -> None:
    """Also in the middle of a page, and of its answer."""
    device = "simulated:feeder?pages=6&seconds=0.2"
    with a_station(archive, tmp_path / "home", device, line=line.url) as station:
        session = at_desk.start(station.scanner(device))
        for _ in range(20):
            line.cut()
            line.mend()
            time.sleep(0.1)
        whole = at_desk.until(session, "review")
        assert [page["n"] for page in whole["pages"]] == [*range(1, 7)]
        assert [found for [found] in codes(whole)] == sorted(found for [found] in codes(whole))
        station.wait_until_empty()


# -- the station itself -----------------------------------------------------------------------------------------


def test_a_station_that_is_stopped_in_a_scan_says_so_and_keeps_the_pages(
    archive: Served, at_desk: AtDesk, line: Line, tmp_path: Path
) -> None:
    """While the archive is away, so that it is the next start that says it."""
    device = "simulated:feeder?pages=5&seconds=0.5"
    with a_station(archive, tmp_path / "home", device, line=line.url) as station:
        session = at_desk.start(station.scanner(device))
        at_desk.until(session, "scanning", pages=1)
        line.cut()
        wait_until(lambda: len(station.stored(session)) >= 2, SECONDS, "no page more is scanned")
        print(f"SIGTERM in a scan: ended after {station.stop():.2f} s")  # noqa: T201  # a figure to show
        stored = [page.sha256 for page in station.stored(session)]
        assert stored
        line.mend()
        with again(station, archive.url, device) as next_start:
            cut_off = at_desk.until(session, "failed", pages=len(stored))
            assert (slug(cut_off), [page["sha256"] for page in cut_off["pages"]]) == ("scanner-failed", stored)
            print(f"SIGTERM at rest: ended after {next_start.stop():.2f} s")  # noqa: T201  # a figure to show


def test_a_stalled_device_does_not_keep_a_station_from_its_end(
    network: Network, archive: Served, at_desk: AtDesk, tmp_path: Path
) -> None:
    patient = "letter.silence_seconds_max=60"
    config = str(network.scanner.config)
    network.scanner.load(2, stall=2)
    network.scanner.requests.clear()
    with a_station(
        archive, tmp_path / "home", DEVICE, SANE_CONFIG_DIR=config, DOSSIER_SCAN_PROFILES=patient
    ) as station:
        session = at_desk.start(station.scanner(DEVICE), source="feeder")
        at_desk.until(session, "scanning", pages=1)
        wait_until(lambda: network.scanner.requests.count("GET NextDocument") == 2, SECONDS, "it does not stall")
        print(f"SIGTERM with a stalled device: ended after {station.stop():.2f} s")  # noqa: T201  # a figure to show


def again(station: Station, line: str, *devices: str, token: str | None = None) -> Station:
    """The station started anew, on what the last one left."""
    token = token or (station.home / "token").read_text().strip()
    return Station(station.home, line, token, devices, name=station.name)


def test_pages_wait_for_a_new_token_when_theirs_is_revoked(
    archive: Served, at_desk: AtDesk, line: Line, tmp_path: Path
) -> None:
    device = "simulated:feeder?pages=3&seconds=0.3"
    with a_station(archive, tmp_path / "home", device, line=line.url) as station:
        session = at_desk.start(station.scanner(device))
        at_desk.until(session, "scanning", pages=1)
        line.cut()
        archive.revoke_token(station.name)
        line.mend()
        wait_until(lambda: len(station.stored(session)) == 3, SECONDS, "the scan does not go on")
        wait_until(lambda: "401" in station.said(), SECONDS, "it is not said why nothing is delivered")
        stored = [page.sha256 for page in station.stored(session)]
        assert len(at_desk.see(session)["pages"]) < 3
        station.stop()

        token = archive.new_token(f"{station.name}-anew", "station")
        with again(station, archive.url, device, token=token) as next_start:
            whole = at_desk.until(session, "review", pages=3)
            assert [page["sha256"] for page in whole["pages"]] == stored
            next_start.wait_until_empty()


def test_a_token_of_another_role_offers_nothing_and_is_told(archive: Served, at_desk: AtDesk, tmp_path: Path) -> None:
    name = f"desk-{secrets.token_hex(3)}"
    with Station(tmp_path / "home", archive.url, archive.new_token(name, "staff"), [GLASS], name=name) as station:
        wait_until(lambda: "403 forbidden" in station.said(), SECONDS, "it is not said why nothing is offered")
        assert station.scanner(GLASS) not in at_desk.scanners()
        station.stop()


def test_a_job_for_a_scanner_that_is_there_no_more_is_told_as_offline(
    archive: Served, at_desk: AtDesk, tmp_path: Path
) -> None:
    """Unplugged between the pages: taken out of the settings, and then out of the wall."""
    with a_station(archive, tmp_path / "home", GLASS, FEEDER) as station:
        session = scanned(at_desk, station.scanner(GLASS))
        kept = at_desk.until(session, "review")["pages"]
        station.stop()
    with again(station, archive.url, FEEDER) as next_start:
        at_desk.confirm(session)
        failed = at_desk.until(session, "failed")
        assert (slug(failed), failed["pages"]) == ("scanner-offline", kept)
        other = at_desk.start(next_start.scanner(FEEDER))
        assert len(at_desk.until(other, "review")["pages"]) == 3
        assert next_start.said().count("which this station does not have") == 1


# -- pages that cannot be brought -------------------------------------------------------------------------------


@contextmanager
def left_with_three_pages(archive: Served, at_desk: AtDesk, home: Path, line: Line) -> Iterator[tuple[Station, str]]:
    """A station that was killed, with the pages of a session that is still scanned, as the archive has it."""
    with a_station(archive, home, FEEDER, line=line.url) as station:
        session = at_desk.start(station.scanner(FEEDER))
        wait_until(lambda: station.spooled() != [], SECONDS, "nothing is begun")
        line.cut()
        wait_until(lambda: len(station.stored(session)) == 3, SECONDS, "not all is scanned")
        station.kill()
        yield station, session


def test_a_page_that_the_disk_has_damaged_is_told_at_the_desk_and_kept(
    archive: Served, at_desk: AtDesk, line: Line, tmp_path: Path
) -> None:
    """The rest would else pass for the whole."""
    with left_with_three_pages(archive, at_desk, tmp_path / "home", line) as (station, session):
        whole = station.spool.list_pages(f"{session}-1")
        damaged = station.spool.picture_path(f"{session}-1", whole[-1].number)
        damaged.write_bytes(damaged.read_bytes()[:-1000] + bytes(1000))
        with again(station, archive.url, FEEDER) as next_start:
            failed = at_desk.when(session, lambda seen: slug(seen) == "scanner-failed")
            assert (failed["state"], len(failed["pages"])) == ("failed", 2)
            wait_until(lambda: "not in the archive" in next_start.said(), SECONDS, "it is not said where the page lies")
            assert f"{session}-1: page {whole[-1].number} scanner-failed" in next_start.said()
            assert damaged.exists()
            next_start.stop()
        with again(station, archive.url, FEEDER) as third:
            wait_until(
                lambda: "not in the archive" in third.said(), SECONDS, "it is forgotten that the page lies there"
            )
            assert damaged.exists()


def test_a_page_that_the_archive_refuses_is_told_at_the_desk_and_kept(
    archive: Served, at_desk: AtDesk, line: Line, tmp_path: Path
) -> None:
    """One that no driver would store: no picture at all."""
    with left_with_three_pages(archive, at_desk, tmp_path / "home", line) as (station, session):
        name = f"{session}-1"
        last, text = station.spool.list_pages(name)[-1], b"no picture"
        number = last.number + 1
        bad = msgspec.structs.replace(last, number=number, sha256=digest_of(text), size_bytes=len(text))
        station.spool.store_page(name, bad, text)
        with again(station, archive.url, FEEDER) as next_start:
            failed = at_desk.when(session, lambda seen: slug(seen) == "scanner-failed")
            assert (failed["state"], len(failed["pages"])) == ("failed", 3)
            wait_until(lambda: f"{name}: page {number} file-" in next_start.said(), SECONDS, next_start.said())
            assert station.spool.picture_path(name, number).read_bytes() == text
            assert [p for p in next_start.spooled() if p.endswith(".jpg")] == [f"{name}/{number:04d}.jpg"]


def test_pages_that_come_after_their_session_was_archived_wait_for_somebody(
    archive: Served, at_desk: AtDesk, line: Line, tmp_path: Path
) -> None:
    """The station was silent, and somebody made do with the pages that were there."""
    with left_with_three_pages(archive, at_desk, tmp_path / "home", line) as (station, session):
        silent = {"pass": 1, "problem": "scanner-offline"}
        token = (station.home / "token").read_text().strip()
        item_of(archive.client(token).post(f"/v1/scan-sessions/{session}/finish", json=silent))
        put = at_desk.client.put(f"/v1/scan-sessions/{session}/pages/1", content=a_jpeg(), headers=JPEG)
        assert put.status_code in (200, 201), put.text
        body = {"customer": a_customer(archive), "type": "LETTER"}
        item_of(at_desk.client.post(f"/v1/scan-sessions/{session}/archive", json=body))
        late = [page.sha256 for page in station.spool.list_pages(f"{session}-1")]
        known = at_desk.sessions()
        with again(station, archive.url, FEEDER) as next_start:
            next_start.wait_until_empty()
            [taken_up] = [at_desk.see(found) for found in at_desk.sessions() - known]
            assert (taken_up["state"], slug(taken_up)) == ("failed", "scanner-offline")
            assert [page["sha256"] for page in taken_up["pages"]] == late


def test_pages_of_a_session_that_was_cancelled_meanwhile_go(
    archive: Served, at_desk: AtDesk, line: Line, tmp_path: Path
) -> None:
    with left_with_three_pages(archive, at_desk, tmp_path / "home", line) as (station, session):
        at_desk.cancel(session)
        with again(station, archive.url, FEEDER) as next_start:
            next_start.wait_until_empty()


# -- figures ----------------------------------------------------------------------------------------------------


def test_pages_are_on_the_screen_soon_after_the_device_gave_them(station: Station, at_desk: AtDesk) -> None:
    """And a job is begun soon after it was asked for. The figures are printed: machines differ."""
    wait_until(lambda: station.scanner(FEEDER) in at_desk.scanners(), SECONDS, "it is not offered")
    begun, shown = [], []
    for _ in range(2):
        asked_at = time.time()
        folder = station.home / "scan" / "spool" / f"{at_desk.start(station.scanner(FEEDER))}-1"
        wait_until(folder.exists, SECONDS, "nothing is begun")
        begun.append(time.time() - asked_at)
        shown += shown_after(at_desk, folder)
    assert len(shown) >= 2
    for what, took in (("job taken on", begun), ("page on the screen", shown)):
        print(f"{what} after {statistics.median(took):.2f} s, at most {max(took):.2f} s")  # noqa: T201  # figures to show


def shown_after(at_desk: AtDesk, folder: Path) -> list[float]:
    """How many seconds after it was durable at the station each page of a session was to be seen."""
    session = folder.name.removesuffix("-1")
    stored: dict[int, float] = {}
    seen: dict[int, float] = {}
    while at_desk.see(session)["state"] == "scanning":
        stored |= durable_at(folder)
        seen = {page["n"]: time.time() for page in at_desk.see(session)["pages"]} | seen
    return [seen[n] - stored[n] for n in seen.keys() & stored.keys()]


def durable_at(folder: Path) -> dict[int, float]:
    found: dict[int, float] = {}
    with suppress(FileNotFoundError):
        found = {int(facts.stem): facts.stat().st_mtime for facts in folder.glob("[0-9]*.json")}
    return found


# -- beside serve -----------------------------------------------------------------------------------------------


def test_serve_has_a_station_of_its_own_which_comes_back_and_ends_with_it() -> None:
    with prepared_home() as home, running(home, DOSSIER_SCANNERS=f"{GLASS},{SLOW}", DOSSIER_WORKERS="2") as archive:
        with archive.client() as client:
            at_desk, scanner = AtDesk(client), f"local:{scanner_id_of(SLOW)}"
            cut_off = at_desk.start(scanner)
            at_desk.until(cut_off, "scanning", pages=1)
            os.kill(station_of(archive), signal.SIGKILL)
            assert slug(at_desk.until(cut_off, "failed")) == "scanner-failed"
            other = scanned(at_desk, f"local:{scanner_id_of(GLASS)}")
            at_desk.until(other, "review", pages=1)
        begun_at = time.monotonic()
        assert archive.stop() == 0
        print(f"serve with a station: ended after {time.monotonic() - begun_at:.2f} s")  # noqa: T201  # a figure to show
        assert "Traceback" not in archive.err


def station_of(archive: Running) -> int:
    [found] = [pid for pid in archive.processes() if name_of(pid) == "dossier-station"]
    return found
