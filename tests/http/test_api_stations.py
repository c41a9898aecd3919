"""Scan stations (B1 to B4, edge cases 5, 24): what they have, what they are to scan, pages they bring."""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from domain import refusals
from domain.archive import Caller
from tests.http import wire
from tests.http.desk import a_branch, a_customer, at, item_of, pointers, problem_of
from tests.http.scanning import (
    FEEDER,
    SESSIONS,
    Station,
    a_page,
    a_scanner,
    a_station,
    archived,
    arrange,
    cancel,
    confirm,
    digest,
    filled,
    image,
    images_in,
    put,
    session,
    start,
    started,
)
from tests.http.served import Served
from tests.http.tiny import eventually
from web.statuses import status_of

DRIVERS_WORDS = "SANE_STATUS_IO_ERROR: Error during device I/O on libusb:001:007"
PROBLEMS = {kind.slug: kind for kind in refusals.all_refusals() if kind.slug.startswith("scanner-")}


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture
def station(served: Served) -> Iterator[Station]:
    """With a glass and a feeder. Nothing of it is left to do afterwards."""
    with working(a_station(served)) as made:
        yield made


@pytest.fixture
def apart(served: Served) -> Iterator[tuple[httpx.Client, Station]]:
    """A desk and a station in a branch where nothing else is."""
    branch = a_branch()
    with working(a_station(served, branch=branch)) as made:
        yield served.as_("staff", branch=branch), made


@contextmanager
def working(station: Station) -> Iterator[Station]:
    yield station
    for job in station.jobs():
        station.finish(job)


def scan(client: httpx.Client, station: Station, scanner: str = "feeder", **body: Any) -> dict[str, Any]:
    """A session on a scanner of this station."""
    return started(client, scanner=station.scanner(scanner), **body)


def scanners(client: httpx.Client, station: Station) -> dict[str, dict[str, Any]]:
    """Those of this station, by what it calls them."""
    position = item_of(client.get("/v1/scanners"))["position"]
    items = item_of(client.get("/v1/scanners", params={"limit": 200}, headers=at(position)))["items"]
    return {item["id"].partition(":")[2]: item for item in items if item["station"] == station.name}


def fall_silent(served: Served, station: Station, seconds: int) -> None:
    served.sql(
        "update scan.station set seen_at = clock_timestamp() - make_interval(secs => %s) where name = %s",
        [seconds, station.name],
    )


# -- what there is ------------------------------------------------------------------------------------------------


def test_a_station_tells_what_it_has_and_the_desk_sees_it(staff: httpx.Client, station: Station) -> None:
    found = scanners(staff, station)
    assert found["glass"] == {
        "id": station.scanner(), "name": "HP M479", "station": station.name, "branch": "MAIN", "state": "ready",
        "sources": ["flatbed"], "profiles": ["letter", "photo"],
    }  # fmt: skip
    assert found["feeder"]["sources"] == ["feeder", "flatbed"]
    [shown] = [s for s in item_of(staff.get("/v1/scan-stations"))["items"] if s["name"] == station.name]
    assert (shown["state"], shown["branch"]) == ("online", "MAIN")


def test_a_report_replaces_the_one_before(staff: httpx.Client, station: Station) -> None:
    answer = station.report(a_scanner(state="cover_open"))
    assert (answer.json()["name"], answer.json()["state"]) == (station.name, "online")
    assert {name: item["state"] for name, item in scanners(staff, station).items()} == {"glass": "cover_open"}
    station.report()
    assert scanners(staff, station) == {}


@pytest.mark.parametrize("state", ["ready", "busy", "offline", "jammed", "cover_open", "out_of_paper"])
def test_a_scanner_is_shown_in_the_state_that_its_station_tells(
    staff: httpx.Client, station: Station, state: str
) -> None:
    station.report(a_scanner(state=state))
    assert scanners(staff, station)["glass"]["state"] == state


def test_a_station_that_says_nothing_is_offline_with_all_its_scanners(
    served: Served, staff: httpx.Client, station: Station
) -> None:
    fall_silent(served, station, 14)
    assert {item["state"] for item in scanners(staff, station).values()} == {"ready"}
    fall_silent(served, station, 16)
    assert {item["state"] for item in scanners(staff, station).values()} == {"offline"}
    [shown] = [s for s in item_of(staff.get("/v1/scan-stations"))["items"] if s["name"] == station.name]
    assert shown["state"] == "offline"
    answer = start(staff, scanner=station.scanner())
    assert problem_of(answer, 503) == "scanner-offline"
    station.jobs()  # who asks for jobs is there
    assert {item["state"] for item in scanners(staff, station).values()} == {"ready"}


def test_a_scanner_that_is_unplugged_is_offline(staff: httpx.Client, station: Station) -> None:
    station.report(a_scanner(state="offline"))
    assert problem_of(start(staff, scanner=station.scanner()), 503) == "scanner-offline"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an id of blanks": ({"id": "a b"}, "/scanners/0/id"),
    "a long id": ({"id": "x" * 65}, "/scanners/0/id"),
    "an unknown state": ({"state": "dusty"}, "/scanners/0/state"),
    "no source": ({"sources": []}, "/scanners/0/sources"),
    "another source": ({"sources": ["film"]}, "/scanners/0/sources/0"),
    "no profile": ({"profiles": []}, "/scanners/0/profiles"),
    "no name": ({"name": ""}, "/scanners/0/name"),
    "a field too many": ({"serial": "1"}, "/scanners/0/serial"),
}


@pytest.mark.parametrize(("changes", "field"), WRONG.values(), ids=WRONG.keys())
def test_a_report_that_is_wrong_is_refused_by_its_field(
    staff: httpx.Client, station: Station, changes: dict[str, Any], field: str
) -> None:
    assert pointers(station.report(a_scanner(**changes))) == {field}
    assert set(scanners(staff, station)) == {"glass", "feeder"}


@pytest.mark.parametrize("name", ["a b", "-a", "x" * 33, "a:b"])
def test_a_name_that_is_none_is_refused(station: Station, name: str) -> None:
    answer = station.client.put(f"/v1/scan-stations/{name}", json={"scanners": []})
    assert pointers(answer) == {"/path/name"}


def test_a_name_belongs_to_the_token_that_used_it_first(served: Served, staff: httpx.Client, station: Station) -> None:
    other = a_station(served)
    other.name, own = station.name, other.name
    assert problem_of(other.report(a_scanner(name="not theirs")), 404) == "not-found"
    assert problem_of(other.client.get(f"/v1/scan-stations/{station.name}/jobs"), 404) == "not-found"
    assert scanners(staff, station)["glass"]["name"] == "HP M479"
    fall_silent(served, station, 11 * 60)
    assert other.report(a_scanner(name="theirs now")).status_code == 200
    assert scanners(staff, station)["glass"]["name"] == "theirs now"
    assert problem_of(station.client.get(f"/v1/scan-stations/{station.name}/jobs"), 404) == "not-found"
    station.name = own  # for what the fixture does afterwards
    other.name = own
    station.client = other.client


def test_a_name_belongs_to_its_branch_until_an_operator_releases_it(served: Served) -> None:
    """A token of another branch had the sessions, pages and jobs of a station that was silent for ten minutes."""
    east, west = a_branch(), a_branch()
    theirs, mine = a_station(served, branch=east), a_station(served, branch=west)
    desk = served.as_("staff", branch=east)
    of = scan(desk, theirs)
    job = theirs.job(of)
    theirs.send(job, 1)
    own, mine.name = mine.name, theirs.name
    fall_silent(served, theirs, 11 * 60)
    assert problem_of(mine.report(a_scanner()), 404) == "not-found"
    assert problem_of(served.as_("supervisor").delete(f"/v1/scan-stations/{theirs.name}"), 403) == "forbidden"
    assert served.as_("operator").delete(f"/v1/scan-stations/{theirs.name}").status_code == 204
    assert problem_of(served.as_("operator").delete(f"/v1/scan-stations/{theirs.name}"), 404) == "not-found"
    assert mine.report(a_scanner()).status_code == 200
    assert mine.jobs() == [], "a job of before belongs to the branch that had the name"
    for answer in (mine.client.get(f"{SESSIONS}/{of['id']}"), mine.send(job, 1), mine.finish(job)):
        assert problem_of(answer, 404) == "not-found"
    assert [page["n"] for page in session(desk, of)["pages"]] == [1]
    cancel(desk, of)
    mine.name = own


def test_a_token_that_replaces_another_of_its_branch_goes_on_with_its_sessions(served: Served) -> None:
    branch, name = a_branch(), f"station-{secrets.token_hex(4)}"
    first = a_station(served, branch=branch)
    desk = served.as_("staff", branch=branch)
    of = scan(desk, first)
    fall_silent(served, first, 11 * 60)
    second = Station(served.client(served.new_token(name, "station", branch=branch)), first.name)
    job = second.job(of)
    assert second.send(job, 1).status_code == 201
    assert second.finish(job).json()["state"] == "review"


def test_who_has_no_station_has_no_jobs(served: Served) -> None:
    client = served.client(served.new_token(f"station-{secrets.token_hex(4)}", "station"))
    assert problem_of(client.get("/v1/scan-stations/nobody/jobs"), 404) == "not-found"


# -- begin --------------------------------------------------------------------------------------------------------


def test_the_glass_waits_for_a_yes_and_a_feeder_does_not(staff: httpx.Client, station: Station) -> None:
    """B2."""
    glass, feeder = scan(staff, station, "glass"), scan(staff, station)
    assert (glass["state"], glass["scanner"], glass["source"], glass["profile"]) == (
        "awaiting_confirmation", station.scanner(), "flatbed", "letter",
    )  # fmt: skip
    assert (feeder["state"], feeder["source"], feeder["passes"]) == ("scanning", "feeder", 1)
    confirmed = confirm(staff, glass)
    assert (confirmed.status_code, confirmed.json()["state"]) == (202, "scanning")


def test_source_and_profile_are_chosen_from_what_the_scanner_has(staff: httpx.Client, station: Station) -> None:
    chosen = scan(staff, station, source="flatbed", profile="photo")
    assert (chosen["state"], chosen["source"], chosen["profile"]) == ("awaiting_confirmation", "flatbed", "photo")
    scanner = station.scanner()
    assert pointers(start(staff, scanner=scanner, source="feeder")) == {"/source"}
    assert pointers(start(staff, scanner=scanner, profile="id_card")) == {"/profile"}
    assert pointers(start(staff, scanner=scanner, source="film")) == {"/source"}
    assert pointers(start(staff, scanner=station.scanner("none"))) == {"/scanner"}
    assert pointers(start(staff, scanner="nothing")) == {"/scanner"}


def test_a_scanner_that_somebody_has_is_busy_and_says_who(
    served: Served, staff: httpx.Client, station: Station
) -> None:
    colleague = served.as_("supervisor")
    of = scan(colleague, station, "glass")
    assert scanners(staff, station)["glass"]["state"] == "busy"
    for _ in range(2):
        answer = start(staff, scanner=station.scanner())
        assert problem_of(answer, 409) == "scanner-busy"
        assert answer.json()["holder"] == "supervisor"
        confirm(colleague, of)
    cancel(colleague, of)
    assert scan(staff, station, "glass")["state"] == "awaiting_confirmation"


def test_of_desks_that_want_one_scanner_at_once_one_has_it(staff: httpx.Client, station: Station) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: start(staff, scanner=station.scanner("feeder")), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


# -- jobs ---------------------------------------------------------------------------------------------------------


def test_a_job_is_told_until_its_pass_is_done(staff: httpx.Client, station: Station) -> None:
    of = scan(staff, station, "glass", profile="photo")
    assert station.jobs() == []
    confirm(staff, of)
    job = station.job(of)
    assert {name: job[name] for name in ("scanner", "source", "profile", "pass", "first_page")} == {
        "scanner": station.scanner(), "source": "flatbed", "profile": "photo", "pass": 1, "first_page": 1,
    }  # fmt: skip
    station.send(job, 1)
    station.send(job, 2)
    assert station.finish(job).json()["state"] == "review"
    confirm(staff, of)
    second = station.job(of, 2)
    assert (second["pass"], second["first_page"]) == (2, 3)
    cancel(staff, of)
    assert of["id"] not in {job["id"] for job in after(station, staff)}


def after(station: Station, client: httpx.Client) -> list[dict[str, Any]]:
    """The jobs when the view has all that was written so far."""
    position = item_of(client.get("/v1/scan-stations"))["position"]
    client.get(SESSIONS, headers=at(position))
    return station.jobs()


def test_who_waits_for_a_job_gets_it_when_it_comes(staff: httpx.Client, station: Station) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(station.jobs, 25)
        of = scan(staff, station)
        [job] = waiting.result()
    assert job["id"] == of["id"]


def test_who_waits_in_vain_gets_an_empty_list(station: Station) -> None:
    assert station.jobs(wait=1) == []
    answer = station.client.get(f"/v1/scan-stations/{station.name}/jobs", params={"wait": 26})
    assert pointers(answer) == {"/query/wait"}


def test_a_station_has_the_jobs_of_its_own_scanners(served: Served, staff: httpx.Client, station: Station) -> None:
    other = a_station(served)
    of = scan(staff, station)
    assert station.job(of)["id"] == of["id"]
    assert after(other, staff) == []


# -- pages --------------------------------------------------------------------------------------------------------


def test_sheets_become_pages_and_the_pages_a_document(served: Served, staff: httpx.Client, station: Station) -> None:
    """The whole way: B3, B4, B10."""
    of, pages = scan(staff, station), [a_page() for _ in range(3)]
    job = station.job(of)
    for sheet, data in enumerate(pages, 1):
        answer = station.send(job, sheet, data)
        assert answer.status_code == 201
        assert image(staff, of, sheet).content == data  # B4: on screen before anything is typed
    assert station.finish(job).status_code == 200
    row = archived(staff, of, a_customer(served))
    pdf = staff.get(f"/v1/documents/{row['id']}/content", headers=at(row["position"])).content
    assert images_in(pdf) == pages


def test_a_sheet_that_is_sent_twice_is_there_once(staff: httpx.Client, station: Station) -> None:
    """Its answer was lost on the way, so the station cannot know."""
    of, data = scan(staff, station), a_page()
    job = station.job(of)
    assert [station.send(job, 1, data).status_code for _ in range(3)] == [201, 200, 200]
    assert station.send(job, 2, data).status_code == 201  # another sheet, alike to the last bit
    assert len(session(staff, of)["pages"]) == 2


def test_sheets_of_an_hour_ago_come_behind_what_was_scanned_meanwhile(
    served: Served, staff: httpx.Client, station: Station
) -> None:
    """Edge case 24: the network was away, the pass was given up, the desk scanned on."""
    of, pages = scan(staff, station), [a_page() for _ in range(5)]
    first = station.job(of)
    station.send(first, 1, pages[0])
    give_up(served, of)
    assert session(staff, of)["problem"]["type"] == "/problems/scanner-offline"
    confirm(staff, of)
    second = station.job(of, 2)
    station.send(second, 1, pages[1])
    for sheet, data in ((2, pages[2]), (3, pages[3])):
        assert station.send(first, sheet, data).status_code == 201
    station.send(second, 2, pages[4])
    assert station.finish(first).json()["state"] == "scanning"
    assert station.finish(second).json()["state"] == "review"
    now = session(staff, of)
    assert [page["sha256"] for page in now["pages"]] == [digest(data) for data in pages]
    assert [image(staff, of, n).content for n in range(1, 6)] == pages


def give_up(served: Served, of: dict[str, Any]) -> None:
    """As the clock does of a station that says nothing."""
    system = Caller(actor="system", branch="MAIN", correlation_id=uuid4())
    with served.archive() as archive:
        assert archive.scanning.interrupt_scan(UUID(of["id"]), "scanner-offline", system)


def test_a_station_that_was_given_up_brings_the_rest_and_all_is_well(
    served: Served, staff: httpx.Client, station: Station
) -> None:
    of = scan(staff, station)
    job = station.job(of)
    station.send(job, 1)
    give_up(served, of)
    assert session(staff, of)["state"] == "failed"
    station.send(job, 2)
    assert station.finish(job).json()["state"] == "review"
    now = session(staff, of)
    assert (now["problem"], len(now["pages"])) == (None, 2)


def test_a_station_gets_at_the_sessions_on_its_own_scanners_alone(
    served: Served, staff: httpx.Client, station: Station
) -> None:
    """Also not at those of the callers' own pages."""
    other = a_station(served)
    of, theirs, own = scan(staff, station), scan(staff, other), filled(staff)
    job = station.job(of)
    for foreign in (theirs, own, {"id": str(uuid4())}):
        with wire.nothing_stored(served):
            assert problem_of(station.send({**job, "id": foreign["id"]}, 1), 404) == "not-found"
            assert problem_of(station.finish({**job, "id": foreign["id"]}), 404) == "not-found"
            assert problem_of(station.client.get(f"{SESSIONS}/{foreign['id']}"), 404) == "not-found"
    assert item_of(station.client.get(f"{SESSIONS}/{of['id']}"))["id"] == of["id"]
    other.finish(other.job(theirs))


def test_a_station_may_neither_look_at_pages_nor_do_what_a_person_does(staff: httpx.Client, station: Station) -> None:
    of = scan(staff, station)
    station.send(station.job(of), 1)
    for answer in (
        image(station.client, of, 1), start(station.client), confirm(station.client, of), cancel(station.client, of),
        arrange(station.client, of, 1, "remove"), station.client.get(SESSIONS),
        station.client.post(f"{SESSIONS}/{of['id']}/archive", json={"customer": "1", "type": "LETTER"}),
        station.client.get("/v1/customers", params={"q": "Jan"}), station.client.get("/v1/scan-codes/DA48271903665144"),
    ):  # fmt: skip
        assert problem_of(answer, 403) == "forbidden"


def test_a_station_whose_token_is_revoked_brings_nothing_more(served: Served, staff: httpx.Client) -> None:
    """Its pages wait in its spool; what it brought before stays. Its name is free for the token that comes after it."""
    name = f"station-{secrets.token_hex(4)}"
    station = Station(served.client(served.new_token(name, "station")), f"s{secrets.token_hex(4)}")
    of = scan(staff, station)
    job = station.job(of)
    station.send(job, 1)
    served.revoke_token(name)
    eventually(lambda: station.report(a_scanner()).status_code == 401)  # the signal is on its way
    for answer in (station.send(job, 2), station.finish(job), station.report(a_scanner())):
        assert problem_of(answer, 401) == "unauthenticated"
    assert len(session(staff, of)["pages"]) == 1
    again = Station(served.client(served.new_token(f"{name}-2", "station")), station.name)
    assert again.send(job, 2).status_code == 201
    assert again.finish(job).json()["state"] == "review"


def test_pages_of_a_session_that_was_cancelled_are_nobodys(
    served: Served, staff: httpx.Client, station: Station
) -> None:
    """The station learns that it is over and forgets them."""
    of = scan(staff, station)
    job = station.job(of)
    station.send(job, 1)
    cancel(staff, of)
    with wire.nothing_stored(served):
        answer = station.send(job, 2)
        assert problem_of(answer, 409) == "illegal-transition"
    assert answer.json()["state"] == "cancelled"
    assert station.finish(job).json()["state"] == "cancelled"


def test_pages_of_a_session_that_was_archived_without_them_wait_for_somebody(
    served: Served, apart: tuple[httpx.Client, Station]
) -> None:
    """They are in a session of their own, in the work list of the branch."""
    staff, station = apart
    of, sheets = scan(staff, station), [a_page() for _ in range(3)]
    job = station.job(of)
    station.send(job, 1, sheets[0])
    give_up(served, of)
    archived(staff, of, a_customer(served))
    taken_up = item_of(station.send(job, 2, sheets[1]))
    again, last = station.send(job, 2, sheets[1]), station.send(job, 3, sheets[2])
    assert (again.status_code, last.status_code) == (200, 201)
    assert again.json()["id"] == last.json()["id"] == taken_up["id"]
    assert station.finish(job).json()["state"] == "archived"
    now = session(staff, taken_up)
    assert (now["state"], now["problem"]["type"]) == ("failed", "/problems/scanner-offline")
    assert [image(staff, now, n).content for n in (1, 2)] == sheets[1:]
    seen_at = at(int(last.headers["Archive-Position"]))
    listed = item_of(staff.get(SESSIONS, headers=seen_at))["items"]
    assert [(item["id"], item["pages"], item["branch"]) for item in listed] == [(now["id"], 2, of["branch"])]
    assert len(archived(staff, now, a_customer(served))["sha256"]) == 64


def test_a_page_that_is_none_does_not_end_the_scan(staff: httpx.Client, station: Station) -> None:
    of = scan(staff, station)
    job = station.job(of)
    station.send(job, 1)
    assert problem_of(station.send(job, 2, b"no picture"), 415) == "file-type-not-allowed"
    assert station.send(job, 2).status_code == 201
    assert len(session(staff, of)["pages"]) == 2


# -- how a pass ends ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "language"), [*((slug, "en") for slug in PROBLEMS), ("scanner-jammed", "nl"), ("scanner-jammed", "de")]
)
def test_what_stopped_a_scan_is_told_in_plain_words_and_never_in_the_drivers(
    apart: tuple[httpx.Client, Station], slug: str, language: str
) -> None:
    """B3, edge case 5: the pages before it stay, and more can come."""
    staff, station = apart
    of = scan(staff, station)
    job = station.job(of)
    station.send(job, 1)
    ended = station.finish(job, slug, DRIVERS_WORDS)
    assert (ended.status_code, ended.json()["state"]) == (200, "failed")
    shown = staff.get(f"{SESSIONS}/{of['id']}", headers={"Accept-Language": language})
    problem = shown.json()["problem"]
    assert (problem["type"], problem["status"]) == (f"/problems/{slug}", status_of(PROBLEMS[slug]))
    assert problem["title"] != problem["detail"]
    if language == "en":
        assert (problem["title"], problem["detail"]) == (PROBLEMS[slug].title, PROBLEMS[slug].sentence)
    listed = staff.get(SESSIONS, headers=at(int(ended.headers["Archive-Position"])))
    assert [item["id"] for item in item_of(listed)["items"]] == [of["id"]]
    for answer in (ended, shown, listed, staff.get("/v1/scanners"), station.client.get(f"{SESSIONS}/{of['id']}")):
        assert "SANE" not in answer.text
        assert "libusb" not in answer.text
    assert len(session(staff, of)["pages"]) == 1
    confirmed = confirm(staff, of).json()
    assert (confirmed["state"], confirmed["problem"]) == ("scanning", None)
    station.send(station.job(of, 2), 1)
    assert len(session(staff, of)["pages"]) == 2


def test_the_drivers_words_are_for_operators_at_the_archive_itself(
    served: Served, staff: httpx.Client, station: Station
) -> None:
    of = scan(staff, station)
    station.finish(station.job(of), "scanner-failed", DRIVERS_WORDS)
    with served.archive() as archive:
        assert [e.body.told for e in archive.ports.log.load(UUID(of["id"])) if hasattr(e.body, "told")] == [
            DRIVERS_WORDS
        ]
    assert served.sql("select 1 from archive.archive_events where strpos(encode(state, 'escape'), 'libusb') > 0") == []
    for role in ("operator", "supervisor"):
        history = served.as_(role).get("/v1/history", params={"limit": 200})
        assert "libusb" not in history.text


@pytest.mark.parametrize("slug", ["not-found", "scanner-on-fire", "", "Document feeder jammed"])
def test_what_is_no_problem_of_a_scanner_is_refused(staff: httpx.Client, station: Station, slug: str) -> None:
    of = scan(staff, station)
    job = station.job(of)
    assert pointers(station.finish(job, slug)) == {"/problem"}
    assert session(staff, of)["state"] == "scanning"


def test_an_end_that_is_told_again_or_of_another_pass_changes_nothing(staff: httpx.Client, station: Station) -> None:
    of = scan(staff, station)
    job = station.job(of)
    first = station.finish(job, "scanner-jammed")
    again = station.finish(job, "scanner-jammed")
    assert (again.status_code, again.json()) == (200, first.json())
    confirm(staff, of)
    assert station.finish(job).json()["state"] == "scanning"
    assert station.finish({**job, "pass": 9}).json()["state"] == "scanning"
    assert pointers(station.finish({**job, "pass": 0})) == {"/pass"}


def test_a_job_for_a_scanner_that_was_unplugged_fails_by_name_and_the_next_one_works(
    staff: httpx.Client, station: Station
) -> None:
    """Edge case 24: between Yes and the scan."""
    of = scan(staff, station, "glass")
    confirm(staff, of)
    station.finish(station.job(of), "scanner-offline", "sane_open: Invalid argument")
    station.report(a_scanner(state="offline"), FEEDER)
    now = session(staff, of)
    assert (now["state"], now["problem"]["type"]) == ("failed", "/problems/scanner-offline")
    assert problem_of(start(staff, scanner=station.scanner()), 503) == "scanner-offline"
    other = scan(staff, station)
    job = station.job(other)
    station.send(job, 1)
    assert station.finish(job).json()["state"] == "review"


def test_while_it_scans_nothing_is_arranged_or_archived(staff: httpx.Client, station: Station) -> None:
    of = scan(staff, station)
    station.send(station.job(of), 1)
    for answer in (
        arrange(staff, of, 1, "rotate", degrees=90),
        arrange(staff, of, 1, "remove"),
        staff.post(f"{SESSIONS}/{of['id']}/archive", json={"customer": "1", "type": "LETTER"}),
        confirm(staff, of),
    ):
        assert problem_of(answer, 409) == "illegal-transition"
        assert answer.json()["state"] == "scanning"


def test_a_yes_that_is_sent_again_begins_one_pass(staff: httpx.Client, station: Station) -> None:
    of, key = scan(staff, station, "glass"), {"Idempotency-Key": secrets.token_hex(8)}
    first = confirm(staff, of, key)
    station.finish(station.job(of))
    again = confirm(staff, of, key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert session(staff, of)["state"] == "review"


def test_a_desk_may_add_pages_of_its_own_to_a_scan(staff: httpx.Client, station: Station) -> None:
    """A photo of the back, for one."""
    of, own = scan(staff, station), a_page()
    job = station.job(of)
    station.send(job, 1)
    station.finish(job)
    assert put(staff, of, 2, own).status_code == 201
    assert image(staff, of, 2).content == own


def test_a_station_that_waits_for_a_job_leaves_the_database_alone(served: Served, station: Station) -> None:
    """Ten looks a second before, for each station: a hundred desks took all connections."""
    seconds, waiting = 3, 8

    def transactions() -> int:
        return int(served.sql("select xact_commit from pg_stat_database where datname = current_database()")[0][0])

    time.sleep(1.5)  # what was done before is counted by now
    before = transactions()
    with ThreadPoolExecutor(waiting) as pool:
        assert [*pool.map(lambda _: station.jobs(seconds), range(waiting))] == [[]] * waiting
    time.sleep(1.5)
    made = transactions() - before
    assert made < 7 * seconds * waiting, made
