"""Batches (B1 to B11, edge case 5): a stack of forms becomes one document for each, two passes become sheets."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from domain.scan_code import make_code
from tests.http import wire
from tests.http.desk import CONSENT, a_customer, at, issued, item_of, pointers, problem_of, token_for, view
from tests.http.scanning import (
    A4_PIXELS,
    SESSIONS,
    Station,
    a_code_page,
    a_form_page,
    a_page,
    a_station,
    archived,
    arrange,
    cancel,
    confirm,
    digest,
    filled,
    images_in,
    ok,
    put,
    session,
    started,
)
from tests.http.served import Served
from tests.paper.files import a_blank_png

SPLIT_SHAPE = {"id", "documents", "separators", "blanks", "repeated", "version"}
CODE, OTHER = "DA48271903665144", make_code("GC", 222_222_222_222)


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture
def station(served: Served) -> Iterator[Station]:
    """With a feeder. Nothing of it is left to do afterwards."""
    made = a_station(served)
    yield made
    for job in made.jobs():
        made.finish(job)


def split(client: httpx.Client, of: dict[str, Any]) -> httpx.Response:
    return client.get(f"{SESSIONS}/{of['id']}/split")


def proposal(client: httpx.Client, of: dict[str, Any]) -> dict[str, Any]:
    found = item_of(split(client, of))
    assert set(found) == SPLIT_SHAPE
    return found


def documents(client: httpx.Client, of: dict[str, Any]) -> list[tuple[list[str], list[int]]]:
    return [(document["scan_codes"], document["pages"]) for document in proposal(client, of)["documents"]]


# -- a batch of forms -----------------------------------------------------------------------------------------------


def test_a_batch_of_forms_becomes_one_document_for_each_by_its_own_check(served: Served, staff: httpx.Client) -> None:
    """Three forms of two pages, of three customers: nothing is left of the session, each form has its own pages."""
    customers = [a_customer(served) for _ in range(3)]
    forms = [issued(staff, customer) for customer in customers]
    sheets = [[a_form_page(staff, form["form"]), a_page()] for form in forms]
    of = filled(staff, *(page for sheet in sheets for page in sheet))
    codes = [form["scan_code"] for form in forms]
    assert documents(staff, of) == [([code], [2 * n + 1, 2 * n + 2]) for n, code in enumerate(codes)]

    for customer, sheet in zip(customers, sheets, strict=True):
        row = archive_first(staff, of)
        assert (row["customer"], row["type"], row["status"]) == (customer, CONSENT, "active")
        assert [item["id"] for item in view(staff, customer, row["position"])] == [row["id"]]
        pdf = staff.get(f"/v1/documents/{row['evidence']}/content", headers=at(row["position"])).content
        assert images_in(pdf) == sheet

    now = session(staff, of)
    assert (now["state"], now["pages"], len(now["documents"])) == ("archived", [], 3)
    assert documents(staff, of) == []
    assert served.sql("select 1 from keys.paper where paper = %s", [of["id"]]) == []


def archive_first(client: httpx.Client, of: dict[str, Any]) -> dict[str, Any]:
    """What a desk does with the first document of a batch: sees it, checks its code, presses OK."""
    answer = split(client, of)
    first = answer.json()["documents"][0]
    [code] = first["scan_codes"]
    return archived(
        client, of, None, headers={"If-Match": answer.headers["ETag"]}, type=None, scan_code=code,
        check_token=token_for(client, code), pages=first["pages"],
    )  # fmt: skip


def test_a_proposal_changes_nothing_and_tells_the_version_that_it_is_of(staff: httpx.Client) -> None:
    of = filled(staff, a_code_page(CODE), a_page())
    answer = split(staff, of)
    assert (answer.headers["ETag"], answer.json()["version"], answer.json()["id"]) == ('"3"', 3, of["id"])
    assert int(answer.headers["Archive-Position"]) > 0
    assert documents(staff, of) == [([CODE], [1, 2])]
    assert session(staff, of) == of


def test_separators_and_blanks_are_told_apart_from_documents(staff: httpx.Client) -> None:
    of = filled(
        staff, a_page(), a_code_page("PATCHT"), a_blank_png(*A4_PIXELS), a_page(), a_blank_png(*A4_PIXELS),
        a_code_page(OTHER),
    )  # fmt: skip
    found = proposal(staff, of)
    assert [document["pages"] for document in found["documents"]] == [[1], [4, 5], [6]]
    assert [document["scan_codes"] for document in found["documents"]] == [[], [], [OTHER]]
    assert (found["separators"], found["blanks"], found["repeated"]) == ([2], [3], [])


def test_a_code_that_comes_again_apart_is_told(staff: httpx.Client) -> None:
    """As of a form that was fed twice."""
    of = filled(staff, a_code_page(CODE), a_code_page(OTHER), a_code_page(CODE, comment=b"again"))
    assert documents(staff, of) == [([CODE], [1]), ([OTHER], [2]), ([CODE], [3])]
    assert proposal(staff, of)["repeated"] == [CODE]


def test_what_else_a_page_says_begins_no_document(staff: httpx.Client) -> None:
    of = filled(staff, a_code_page(CODE), a_code_page("https://example.org/a?b=c"), a_code_page("not a code!"))
    assert documents(staff, of) == [([CODE], [1, 2, 3])]


def test_the_codes_of_a_proposal_are_those_that_check_takes(staff: httpx.Client) -> None:
    of = filled(staff, a_code_page("da 4827 1903 6651 44"))
    assert session(staff, of)["pages"][0]["scan_codes"] == ["da 4827 1903 6651 44"]
    assert documents(staff, of) == [([CODE], [1])]


def test_numbers_that_are_missing_are_those_of_no_document(staff: httpx.Client) -> None:
    of = started(staff)
    for n, data in ((2, a_code_page(CODE)), (5, a_page())):
        put(staff, of, n, data)
    assert documents(staff, of) == [([CODE], [2, 5])]


def test_a_batch_can_be_looked_at_while_it_comes_in_and_when_it_is_over(staff: httpx.Client, station: Station) -> None:
    of = started(staff, scanner=station.scanner("feeder"))
    assert documents(staff, of) == []
    job = station.job(of)
    station.send(job, 1, a_code_page(CODE))
    assert documents(staff, of) == [([CODE], [1])]
    cancel(staff, of)
    assert documents(staff, of) == []


# -- as somebody saw it ---------------------------------------------------------------------------------------------


def test_pages_are_not_archived_by_numbers_that_are_others_by_now(served: Served, staff: httpx.Client) -> None:
    """Of a batch the next pages move up: who means the second form by its old numbers would archive the third."""
    of, customer = filled(staff, *(a_page() for _ in range(6))), a_customer(served)
    seen = {"If-Match": split(staff, of).headers["ETag"]}
    archived(staff, of, customer, headers=seen, pages=[1, 2])
    with wire.nothing_stored(served):
        assert problem_of(ok(staff, of, customer, seen, pages=[3, 4]), 412) == "precondition-failed"
        assert problem_of(arrange(staff, of, 3, "remove", seen), 412) == "precondition-failed"
    assert len(session(staff, of)["pages"]) == 4
    seen = {"If-Match": split(staff, of).headers["ETag"]}
    archived(staff, of, customer, headers=seen, pages=[3, 4])
    assert ok(staff, of, customer, {"If-Match": "*"}).status_code == 201


def test_an_archive_that_is_sent_again_is_answered_whatever_it_had_seen(served: Served, staff: httpx.Client) -> None:
    of, customer = filled(staff, a_page(), a_page()), a_customer(served)
    sent = {"If-Match": '"3"', "Idempotency-Key": secrets.token_hex(8)}
    first, again = (ok(staff, of, customer, sent, pages=[1]) for _ in range(2))
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert first.json() == again.json()


# -- two passes -----------------------------------------------------------------------------------------------------


def collate(
    client: httpx.Client, of: dict[str, Any], headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    return client.post(f"{SESSIONS}/{of['id']}/collate", json=body, headers=headers)


def fed(client: httpx.Client, station: Station, *passes: list[bytes]) -> dict[str, Any]:
    """A session on the feeder with these sheets in each pass."""
    of = started(client, scanner=station.scanner("feeder"))
    for number, sheets in enumerate(passes, 1):
        if number > 1:
            assert confirm(client, of).status_code == 202
        job = station.job(of, number)
        for sheet, data in enumerate(sheets, 1):
            assert station.send(job, sheet, data).status_code == 201
        assert station.finish(job).status_code == 200
    return session(client, of)


def shas(of: dict[str, Any]) -> list[str]:
    return [page["sha256"] for page in of["pages"]]


@pytest.mark.parametrize(("backs", "turned"), [("as_scanned", 1), ("reversed", -1)])
def test_fronts_and_backs_of_two_passes_become_a_document(
    served: Served, staff: httpx.Client, station: Station, backs: str, turned: int
) -> None:
    """Manual duplex. The stack was turned sheet by sheet, or as a whole, so that the last back came first."""
    sheets = [(a_page(), a_page()) for _ in range(3)]
    of = fed(staff, station, [front for front, _ in sheets], [back for _, back in sheets][::turned])
    answer = collate(staff, of, backs=backs)
    assert answer.status_code == 200, answer.text
    in_order = [page for sheet in sheets for page in sheet]
    assert shas(answer.json()) == [digest(page) for page in in_order]
    assert (answer.headers["ETag"], session(staff, of)) == (f'"{answer.json()["version"]}"', answer.json())
    row = archived(staff, of, a_customer(served))
    pdf = staff.get(f"/v1/documents/{row['id']}/content", headers=at(row["position"])).content
    assert images_in(pdf) == in_order


def test_who_chose_the_wrong_order_chooses_the_other(staff: httpx.Client, station: Station) -> None:
    fronts, backs = [a_page(), a_page()], [a_page(), a_page()]
    of = fed(staff, station, fronts, backs)
    collate(staff, of, backs="as_scanned")
    right = [digest(page) for page in (fronts[0], backs[1], fronts[1], backs[0])]
    again = [collate(staff, of, backs="reversed").json() for _ in range(2)]
    assert (shas(again[0]), again[1]) == (right, again[0])


def test_unequal_passes_ask_and_change_nothing_until_a_person_says_how(
    served: Served, staff: httpx.Client, station: Station
) -> None:
    """The feeder took two sheets at once."""
    fronts, backs = [a_page() for _ in range(3)], [a_page() for _ in range(2)]
    of = fed(staff, station, fronts, backs)
    with wire.nothing_stored(served):
        for order in ("as_scanned", "reversed"):
            answer = collate(staff, of, backs=order)
            assert pointers(answer) == {"/backs"}
            assert (answer.json()["fronts"], answer.json()["backs"]) == (3, 2)
            assert "3 fronts and 2 backs" in answer.json()["errors"][0]["detail"]
    assert session(staff, of) == of
    told = collate(staff, of, sheets=[[1, 4], [2], [3, 5]])
    assert shas(told.json()) == [digest(page) for page in (fronts[0], backs[0], fronts[1], fronts[2], backs[1])]


@pytest.mark.parametrize(
    ("language", "words"), [("nl", "3 voorkanten en 0 achterkanten"), ("de", "3 Vorderseiten und 0 Rückseiten")]
)
def test_it_asks_in_the_readers_language(staff: httpx.Client, station: Station, language: str, words: str) -> None:
    of = fed(staff, station, [a_page() for _ in range(3)])
    answer = collate(staff, of, {"Accept-Language": language}, backs="reversed")
    assert words in answer.json()["errors"][0]["detail"]


def test_the_callers_own_pages_are_put_together_as_a_person_says(staff: httpx.Client) -> None:
    """They are of no pass."""
    pages = [a_page() for _ in range(4)]
    of = filled(staff, *pages)
    assert pointers(collate(staff, of, backs="reversed")) == {"/backs"}
    told = collate(staff, of, sheets=[[1, 4], [2, 3]])
    assert shas(told.json()) == [digest(pages[n]) for n in (0, 3, 1, 2)]


def test_a_collation_that_is_sent_again_is_done_once(staff: httpx.Client) -> None:
    of, key = filled(staff, a_page(), a_page()), {"Idempotency-Key": secrets.token_hex(8)}
    first, again = (collate(staff, of, key, sheets=[[2, 1]]) for _ in range(2))
    assert first.json() == again.json()
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert shas(session(staff, of)) == shas(first.json()) == shas(of)[::-1]


def test_sheets_are_those_of_the_version_that_was_seen(staff: httpx.Client) -> None:
    of = filled(staff, a_page(), a_page(), a_page())
    seen = {"If-Match": f'"{of["version"]}"'}
    moved = arrange(staff, of, 3, "move", seen, to=1)
    assert moved.status_code == 200
    assert problem_of(collate(staff, of, seen, sheets=[[1, 3]]), 412) == "precondition-failed"
    assert session(staff, of) == moved.json()


WRONG: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, {"/backs"}),
    "an order that is none": ({"backs": "upside_down"}, {"/backs"}),
    "both": ({"backs": "reversed", "sheets": [[1, 2]]}, {"/sheets"}),
    "no sheets": ({"sheets": []}, {"/sheets"}),
    "a sheet without pages": ({"sheets": [[]]}, {"/sheets/0"}),
    "a sheet of three pages": ({"sheets": [[1, 2, 3]]}, {"/sheets/0"}),
    "page 0": ({"sheets": [[1, 0]]}, {"/sheets/0/1"}),
    "a page that is not there": ({"sheets": [[1, 4]]}, {"/sheets"}),
    "a page twice": ({"sheets": [[1, 2], [2, 3]]}, {"/sheets"}),
    "a field too many": ({"backs": "reversed", "fronts": [1]}, {"/fronts"}),
}


@pytest.mark.parametrize(("body", "fields"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_field_is_named_and_the_pages_stay(staff: httpx.Client, body: dict[str, Any], fields: set[str]) -> None:
    of = filled(staff, a_page(), a_page(), a_page())
    assert pointers(collate(staff, of, **body)) == fields
    assert session(staff, of) == of


def test_while_it_scans_or_when_it_is_over_nothing_is_collated(staff: httpx.Client, station: Station) -> None:
    of = started(staff, scanner=station.scanner("feeder"))
    station.send(station.job(of), 1)
    for state in ("scanning", "cancelled"):
        for body in ({"backs": "reversed"}, {"sheets": [[1]]}):
            answer = collate(staff, of, **body)
            assert (problem_of(answer, 409), answer.json()["state"]) == ("illegal-transition", state)
        cancel(staff, of)
