"""Scan page (docs/domain.md B1 to B11, edge cases 4, 5, 24): sessions from the caller's own pages to the document."""

import io
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from tests.http import wire
from tests.http.desk import (
    CONSENT,
    a_customer,
    at,
    debt_issued,
    every_item,
    handed_in,
    issued,
    item_of,
    no_upload,
    pointers,
    problem_of,
    said_in,
    token_for,
    view,
)
from tests.http.scanning import (
    A4_PIXELS,
    DPI,
    SESSIONS,
    a_form_page,
    a_page,
    archived,
    arrange,
    cancel,
    confirm,
    digest,
    filled,
    image,
    images_in,
    ok,
    put,
    saved,
    session,
    start,
    started,
    turns_in,
)
from tests.http.served import Served
from tests.paper.files import a_blank_png, a_jpeg, a_pdf, a_png, a_tiff

SHAPE = {"id", "state", "scanner", "source", "profile", "pages", "problem", "documents", "passes", "actor", "branch"}
PAGE_SHAPE = {"n", "sha256", "width_px", "height_px", "dpi", "scan_codes", "warnings", "degrees"}


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture
def customer(served: Served) -> str:
    return a_customer(served)


def shas(of: dict[str, Any]) -> list[str]:
    return [page["sha256"] for page in of["pages"]]


def numbers(of: dict[str, Any]) -> list[int]:
    return [page["n"] for page in of["pages"]]


def content(client: httpx.Client, row: dict[str, Any]) -> bytes:
    """The bytes of the document of a row."""
    answer = client.get(f"/v1/documents/{row['evidence'] or row['id']}/content", headers=at(row["position"]))
    assert answer.status_code == 200, answer.text
    return answer.content


# -- begin --------------------------------------------------------------------------------------------------------


def test_a_session_without_a_scanner_is_ready_for_pages(served: Served, staff: httpx.Client) -> None:
    answer = start(staff, headers={"Archive-Branch": "CENTRAL"})
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == SHAPE | {"version"}
    assert answer.headers["Location"] == f"{SESSIONS}/{made['id']}"
    assert (answer.headers["ETag"], made["version"]) == ('"1"', 1)
    assert int(answer.headers["Archive-Position"]) > 0
    said: dict[str, Any] = {
        "state": "review",
        "scanner": None,
        "source": None,
        "profile": None,
        "pages": [],
        "problem": None,
    }
    assert {name: made[name] for name in said} == said
    assert (made["documents"], made["passes"], made["actor"], made["branch"]) == ([], 0, "staff", "CENTRAL")
    assert session(staff, made) == made


def test_a_start_that_is_sent_again_is_the_same_session(staff: httpx.Client) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first, again = start(staff, key), start(staff, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def test_source_and_profile_are_those_of_a_scanner(staff: httpx.Client) -> None:
    assert pointers(start(staff, source="flatbed")) == {"/scanner"}
    assert pointers(start(staff, profile="letter")) == {"/scanner"}


def test_there_is_nothing_to_confirm_without_a_scanner(staff: httpx.Client) -> None:
    answer = confirm(staff, filled(staff))
    assert problem_of(answer, 409) == "illegal-transition"
    assert answer.json()["state"] == "review"


# -- pages --------------------------------------------------------------------------------------------------------


def test_a_page_is_there_with_all_that_was_found_of_it(staff: httpx.Client) -> None:
    of, data = started(staff), a_page()
    answer = put(staff, of, 1, data)
    assert answer.status_code == 201
    [page] = answer.json()["pages"]
    assert set(page) == PAGE_SHAPE
    assert (page["n"], page["sha256"], page["width_px"], page["height_px"], page["dpi"]) == (
        1, digest(data), *A4_PIXELS, DPI,
    )  # fmt: skip
    assert (page["scan_codes"], page["degrees"]) == ([], 0)
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"' == '"2"'
    assert session(staff, of) == answer.json()


def test_the_same_page_again_changes_nothing_and_another_takes_its_place(staff: httpx.Client) -> None:
    of, first, second = started(staff), a_page(), a_page()
    assert put(staff, of, 1, first).status_code == 201
    again = put(staff, of, 1, first)
    assert (again.status_code, again.json()["version"]) == (200, 2)
    replaced = put(staff, of, 1, second)
    assert (replaced.status_code, shas(replaced.json())) == (201, [digest(second)])
    assert image(staff, of, 1).content == second


def test_places_may_be_missing_while_pages_come_in(staff: httpx.Client) -> None:
    """So a program may send them in any order, and those that failed again."""
    of, pages = started(staff), {n: a_page() for n in (4, 2, 7)}
    for n, data in pages.items():
        put(staff, of, n, data)
    now = session(staff, of)
    assert (numbers(now), shas(now)) == ([2, 4, 7], [digest(pages[n]) for n in (2, 4, 7)])
    moved = arrange(staff, of, 7, "move", to=1).json()
    assert (numbers(moved), shas(moved)) == ([1, 2, 3], [digest(pages[n]) for n in (7, 2, 4)])


def test_pages_that_come_at_once_are_all_there(staff: httpx.Client) -> None:
    of, pages = started(staff), [a_page() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: put(staff, of, n + 1, pages[n]), range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert shas(session(staff, of)) == [digest(page) for page in pages]


@pytest.mark.parametrize(
    ("data", "media_type"),
    [(a_png((400, 300)), "image/png"), (a_jpeg((400, 300)), "image/jpeg"), (a_tiff(1, (400, 300)), "image/tiff")],
    ids=["png", "jpeg", "tiff"],
)
def test_a_page_is_given_back_as_it_came(staff: httpx.Client, data: bytes, media_type: str) -> None:
    answer = image(staff, filled(staff, data), 1)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, data, media_type)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert int(answer.headers["Content-Length"]) == len(data)


def test_a_page_is_shown_turned_as_it_is_to_be(staff: httpx.Client) -> None:
    of, data = started(staff), saved(half_black((400, 300)))
    put(staff, of, 1, data)
    assert shown(staff, of, width=200).size == (200, 150)
    arrange(staff, of, 1, "rotate", degrees=90)
    turned = shown(staff, of, width=150)
    assert turned.size == (150, 200)
    rows = turned.convert("L").resize((1, 2), Image.Resampling.BOX).tobytes()
    assert rows[0] < 50 < 200 < rows[1]  # what was on the left is on top: clockwise
    assert image(staff, of, 1).content == data


def half_black(size: tuple[int, int]) -> Image.Image:
    """On its left."""
    page = Image.new("L", size, 255)
    page.paste(0, (0, 0, size[0] // 2, size[1]))
    return page


def shown(client: httpx.Client, of: dict[str, Any], *, width: int) -> Image.Image:
    answer = image(client, of, 1, width=width)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize("width", ["15", "2401", "wide", "-1", "0"])
def test_a_width_that_is_none_is_refused(staff: httpx.Client, width: str) -> None:
    assert pointers(image(staff, filled(staff), 1, width=width)) == {"/query/width"}


def test_turns_add_up_and_are_sent_again_safely(staff: httpx.Client) -> None:
    of, key = filled(staff, a_page(), a_page()), {"Idempotency-Key": secrets.token_hex(8)}
    assert arrange(staff, of, 2, "rotate", key, degrees=270).json()["pages"][1]["degrees"] == 270
    assert arrange(staff, of, 2, "rotate", degrees=180).json()["pages"][1]["degrees"] == 90
    again = arrange(staff, of, 2, "rotate", key, degrees=270)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [page["degrees"] for page in session(staff, of)["pages"]] == [0, 90]


def test_pages_are_moved_and_removed(staff: httpx.Client) -> None:
    pages = [a_page() for _ in range(4)]
    of = filled(staff, *pages)
    moved = arrange(staff, of, 4, "move", to=1).json()
    assert shas(moved) == [digest(pages[n]) for n in (3, 0, 1, 2)]
    removed = arrange(staff, of, 2, "remove").json()
    assert (numbers(removed), shas(removed)) == ([1, 2, 3], [digest(pages[n]) for n in (3, 1, 2)])
    assert image(staff, of, 4).status_code == 404
    assert [image(staff, of, n).content for n in (1, 2, 3)] == [pages[n] for n in (3, 1, 2)]


def test_what_is_odd_about_a_page_is_told(staff: httpx.Client) -> None:
    of = filled(staff, a_page("a letter"), a_page("another"), a_blank_png(*A4_PIXELS))
    put(staff, of, 4, a_page("a letter", comment=b"fed again"))
    warnings = [set(found["warnings"]) & {"blank", "duplicate"} for found in session(staff, of)["pages"]]
    assert warnings == [set(), set(), {"blank"}, {"duplicate"}]
    left = arrange(staff, of, 1, "remove").json()
    assert "duplicate" not in {word for found in left["pages"] for word in found["warnings"]}


# -- codes --------------------------------------------------------------------------------------------------------


def test_codes_on_a_page_are_offered_and_never_applied(served: Served, staff: httpx.Client, customer: str) -> None:
    """B5: a person checks a code; the archive does not look at it by itself."""
    form = issued(staff, customer)
    before = newest_check(served)
    of = filled(staff, a_form_page(staff, form["form"]), a_page())
    assert [page["scan_codes"] for page in of["pages"]] == [[form["scan_code"]], []]
    assert (of["state"], of["documents"]) == ("review", [])
    [row] = view(staff, customer, int(form["position"]))
    assert (row["status"], row["evidence"]) == ("issued", None)
    assert newest_check(served) == before


def newest_check(served: Served) -> dict[str, Any] | None:
    return next((line for line in lines(served) if line["action"] == "check"), None)


def lines(served: Served) -> list[dict[str, Any]]:
    """The access log, newest first."""
    items: list[dict[str, Any]] = item_of(served.as_("supervisor").get("/v1/access-log", params={"limit": 200}))[
        "items"
    ]
    return items


def test_a_look_at_a_page_is_in_the_access_log_without_a_customer(served: Served, customer: str) -> None:
    desk = served.as_("staff", branch="LOOKING")
    of = filled(desk)
    for query in ({}, {"width": 100}):
        assert image(desk, of, 1, **query).status_code == 200
    assert image(desk, of, 2).status_code == 404
    assert pointers(image(desk, of, 1, width="wide")) == {"/query/width"}
    looked = [line for line in lines(served) if line["branch"] == "LOOKING"]
    assert [(line["action"], line["customer"], line["document"], line["status"]) for line in looked] == [
        ("page", None, None, 200)
    ] * 2


# -- cancel -------------------------------------------------------------------------------------------------------


def test_who_cancels_leaves_nothing(served: Served, staff: httpx.Client) -> None:
    """B2: No leaves nothing behind."""
    before = served.contents()
    of = filled(staff, a_page(), a_page())
    assert len(served.contents()) == len(before) + 2
    answer = cancel(staff, of)
    assert (answer.status_code, answer.content) == (204, b"")
    now = session(staff, of)
    assert (now["state"], now["pages"], now["documents"]) == ("cancelled", [], [])
    for n in (1, 2):
        assert problem_of(image(staff, of, n), 404) == "not-found"
        assert problem_of(image(staff, of, n, width=100), 404) == "not-found"
    assert served.contents() == before
    assert served.sql("select 1 from keys.paper where paper = %s", [of["id"]]) == []


def test_what_is_cancelled_takes_nothing_more(staff: httpx.Client, customer: str) -> None:
    of = filled(staff)
    cancel(staff, of)
    calls = [put(staff, of, 2, a_page()), confirm(staff, of), ok(staff, of, customer)]
    calls += [arrange(staff, of, 1, "rotate", degrees=90), arrange(staff, of, 1, "remove")]
    for answer in calls:
        assert problem_of(answer, 409) == "illegal-transition"
        assert answer.json()["state"] == "cancelled"
    assert cancel(staff, of).status_code == 204  # who asks again has not heard the answer
    assert session(staff, of)["version"] == 3


# -- into a document ----------------------------------------------------------------------------------------------


def test_pages_become_a_document_of_their_customer(served: Served, staff: httpx.Client, customer: str) -> None:
    """B10, B11: a page that is no authorization: customer and type."""
    pages = [a_page() for _ in range(3)]
    of = filled(staff, *pages)
    received = "2026-01-15"
    answer = ok(
        staff, of, customer, note="moved house", received_on=received, external_id=(ours := secrets.token_hex(6))
    )
    assert answer.status_code == 201
    row = answer.json()
    said = {
        "kind": "document", "type": "LETTER", "type_label": "Letter", "status": "archived", "source": "scan",
        "file_name": None, "note": "moved house", "media_type": "application/pdf", "pages": 3, "scan_code": None,
        "evidence": None, "received_on": received, "actor": "staff", "version": 1, "content_version": 1,
        "external_id": ours, "customer": customer,
    }  # fmt: skip
    assert {name: row[name] for name in said} == said
    assert answer.headers["Location"] == f"/v1/documents/{row['id']}"
    assert (answer.headers["ETag"], answer.headers["Archive-Position"]) == ('"1"', str(row["position"]))
    assert view(staff, customer, row["position"]) == [
        {name: value for name, value in row.items() if name not in ("customer", "position")}
    ]
    assert images_in(content(staff, row)) == pages
    assert (digest(content(staff, row)), len(content(staff, row))) == (row["sha256"], row["size_bytes"])
    assert said_in(staff, f"documents/{row['id']}", row["position"]) == "document-archived"
    now = session(staff, of)
    assert (now["state"], now["pages"], now["documents"]) == ("archived", [], [row["id"]])
    assert image(staff, of, 1).status_code == 404


def test_a_document_has_a_preview(staff: httpx.Client, customer: str) -> None:
    row = archived(staff, filled(staff, a_page(), a_page()), customer)
    answer = staff.get(f"/v1/documents/{row['id']}/pages/2", params={"width": 300}, headers=at(row["position"]))
    assert (answer.status_code, Image.open(io.BytesIO(answer.content)).size[0]) == (200, 300)


def test_pages_come_in_the_order_and_turned_as_they_are(staff: httpx.Client, customer: str) -> None:
    pages = [a_page() for _ in range(4)]
    of = filled(staff, *pages)
    arrange(staff, of, 2, "rotate", degrees=90)
    arrange(staff, of, 3, "rotate", degrees=270)
    pdf = content(staff, archived(staff, of, customer, pages=[3, 1, 2]))
    assert (images_in(pdf), turns_in(pdf)) == ([pages[2], pages[0], pages[1]], [270, 0, 90])
    [left] = session(staff, of)["pages"]
    assert (left["n"], left["sha256"]) == (1, digest(pages[3]))


def test_a_batch_becomes_one_document_after_the_other(served: Served, staff: httpx.Client, customer: str) -> None:
    pages, other = [a_page() for _ in range(3)], a_customer(served)
    of = filled(staff, *pages)
    first = archived(staff, of, customer, pages=[2])
    assert (session(staff, of)["state"], numbers(session(staff, of))) == ("review", [1, 2])
    assert [image(staff, of, n).content for n in (1, 2)] == [pages[0], pages[2]]
    second = archived(staff, of, other)
    assert session(staff, of)["documents"] == [first["id"], second["id"]]
    assert images_in(content(staff, first)) == [pages[1]]
    assert images_in(content(staff, second)) == [pages[0], pages[2]]


def signed(client: httpx.Client, of: dict[str, Any], code: str, token: str | None, **body: Any) -> httpx.Response:
    return ok(client, of, None, **{"type": None, "scan_code": code, "check_token": token, **body})


def test_a_signed_form_is_one_row_with_its_evidence(staff: httpx.Client, customer: str) -> None:
    """B9: the view shows the authorization's row with its evidence, not two rows."""
    form = issued(staff, customer)
    page = a_form_page(staff, form["form"])
    of = filled(staff, page)
    [code] = of["pages"][0]["scan_codes"]
    answer = signed(staff, of, code, token_for(staff, code), signed_on="2026-01-15")
    assert answer.status_code == 201, answer.text
    row = answer.json()
    assert (row["id"], row["kind"], row["type"]) == (form["authorization"]["id"], "authorization", CONSENT)
    assert (row["status"], row["source"], row["signed_on"], row["scan_code"]) == (
        "active", "scan", "2026-01-15", form["scan_code"],
    )  # fmt: skip
    assert answer.headers["Location"] == f"/v1/documents/{row['evidence']}"
    assert answer.headers["ETag"] == '"1"'
    rows = view(staff, customer, row["position"])
    assert [(r["id"], r["evidence"]) for r in rows] == [(row["id"], row["evidence"])]
    assert images_in(content(staff, row)) == [page]
    assert session(staff, of)["documents"] == [row["evidence"]]


def test_a_code_is_not_good_without_a_check_of_it(served: Served, staff: httpx.Client, customer: str) -> None:
    form, other = issued(staff, customer), issued(staff, customer)
    of, code = filled(staff), form["scan_code"]
    theirs = token_for(served.as_("staff", branch="CENTRAL"), code)
    for token in (None, "x.y", theirs, token_for(staff, other["scan_code"])):
        assert problem_of(signed(staff, of, code, token), 409) == "check-required"
    assert problem_of(ok(staff, of, customer, check_token=token_for(staff, code)), 409) == "check-required"
    assert numbers(session(staff, of)) == [1]
    assert signed(staff, of, code, token_for(staff, code)).status_code == 201


def test_a_mandates_form_comes_in_by_its_scan(staff: httpx.Client, customer: str) -> None:
    form = debt_issued(staff, customer)
    row = item_of(signed(staff, filled(staff), form["scan_code"], token_for(staff, form["scan_code"])))
    assert (row["kind"], row["status"], row["original_held"]) == ("mandate", "active", False)


def test_the_paper_of_a_form_that_was_noted_is_scanned_later(staff: httpx.Client, customer: str) -> None:
    """D9, edge case 8: the original is held no longer."""
    form = issued(staff, customer)
    assert no_upload(staff, None, type=None, scan_code=form["scan_code"]).status_code == 201
    row = item_of(signed(staff, filled(staff), form["scan_code"], token_for(staff, form["scan_code"])))
    assert (row["original_held"], row["status"]) == (False, "active")
    assert len(view(staff, customer, row["position"])) == 1


def test_an_authorization_without_a_code_is_noted_with_its_scan(staff: httpx.Client, customer: str) -> None:
    row = archived(staff, filled(staff), customer, type=CONSENT)
    assert (row["kind"], row["status"], row["source"], row["scan_code"]) == ("authorization", "active", "scan", None)
    assert [r["id"] for r in view(staff, customer, row["position"])] == [row["id"]]


def test_a_code_that_is_archived_already_names_its_document(staff: httpx.Client, customer: str) -> None:
    """B8, edge case 3."""
    form = issued(staff, customer)
    row = handed_in(staff, form["scan_code"])
    of = filled(staff)
    answer = signed(staff, of, form["scan_code"], "any")
    assert problem_of(answer, 409) == "scan-code-redeemed"
    assert answer.json()["existing"] == row["evidence"]
    assert numbers(session(staff, of)) == [1]


def test_the_same_scan_again_is_told(staff: httpx.Client, customer: str) -> None:
    """C8: the same pages make the same file."""
    page = a_page()
    first = archived(staff, filled(staff, page), customer)
    of = filled(staff, page)
    answer = ok(staff, of, customer)
    assert problem_of(answer, 409) == "duplicate-content"
    assert answer.json()["existing"] == first["id"]
    assert numbers(session(staff, of)) == [1]
    assert archived(staff, of, customer, duplicate="allow")["id"] != first["id"]


# -- the same request again, and two at once ----------------------------------------------------------------------


def test_an_archive_that_is_sent_again_gives_the_same_answer(staff: httpx.Client, customer: str) -> None:
    of, key = filled(staff, a_page(), a_page()), {"Idempotency-Key": secrets.token_hex(8)}
    first, again = ok(staff, of, customer, key), ok(staff, of, customer, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (first.headers["Location"], first.headers["ETag"]) == (again.headers["Location"], again.headers["ETag"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert problem_of(ok(staff, of, customer, key, note="other"), 422) == "idempotency-key-reused"
    assert len(view(staff, customer, first.json()["position"])) == 1


@pytest.mark.parametrize("type_", ["LETTER", CONSENT])
def test_twins_of_one_archive_make_one_document(staff: httpx.Client, customer: str, type_: str) -> None:
    """Each waits for the other or finds its answer, whenever it comes."""
    for _ in range(4):
        of, key = filled(staff, *(a_page() for _ in range(4))), {"Idempotency-Key": secrets.token_hex(8)}
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: ok(staff, of, customer, key, type=type_), range(4)))  # noqa: B023  # it runs now
        assert [answer.status_code for answer in answers] == [201] * 4, [answer.text for answer in answers]
        assert len({answer.text for answer in answers}) == 1
        assert sorted("Idempotency-Replayed" in answer.headers for answer in answers) == [False, True, True, True]
        assert len(session(staff, of)["documents"]) == 1


def test_of_desks_that_archive_one_session_one_wins(served: Served, staff: httpx.Client, customer: str) -> None:
    """Edge case 4: the others are told so, and never of a fault of ours."""
    errors_before = served.errors()
    for _ in range(4):
        of = filled(staff, *(a_page() for _ in range(3)))
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: ok(staff, of, customer), range(4)))  # noqa: B023  # it runs now
        [won] = [answer for answer in answers if answer.status_code == 201]
        lost = [answer for answer in answers if answer is not won]
        assert [problem_of(answer, 409) for answer in lost] == ["illegal-transition"] * 3
        assert session(staff, of)["documents"] == [won.json()["id"]]
    assert served.errors() == errors_before


def test_of_two_desks_with_one_code_one_wins(served: Served, staff: httpx.Client, customer: str) -> None:
    """I13, each with a scan of its own."""
    for _ in range(4):
        form = issued(staff, customer)
        code, mine, theirs = form["scan_code"], filled(staff), filled(staff)
        token = token_for(staff, code)
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda of: signed(staff, of, code, token), (mine, theirs)))  # noqa: B023  # it runs now
        [won], [lost] = ([a for a in answers if a.is_success is good] for good in (True, False))
        assert problem_of(lost, 409) in ("scan-code-redeemed", "check-required")
        states = {session(staff, of)["state"] for of in (mine, theirs)}
        assert states == {"archived", "review"}
        assert [r["evidence"] for r in view(staff, customer, won.json()["position"], q=code)] == [
            won.json()["evidence"]
        ]


# -- bad input: each a named problem, and the pages that are there stay -------------------------------------------

BAD_PAGES: dict[str, tuple[bytes, int, str]] = {
    "a text": (b"Dear library, I moved.\n", 415, "file-type-not-allowed"),
    "a PDF": (a_pdf(), 415, "file-type-not-allowed"),
    "a program": (b"MZ\x90\0\x03" + bytes(200), 415, "file-type-not-allowed"),
    "nothing": (b"", 422, "file-empty"),
    "a bomb of 10,000 x 9,000": (a_blank_png(10_000, 9_000), 422, "file-too-many-pixels"),
    "a PNG that is cut": (a_png((400, 300))[:-400], 422, "file-damaged"),
    "two pages": (a_tiff(2), 422, "file-too-many-pixels"),
}


@pytest.mark.parametrize(("data", "status", "slug"), BAD_PAGES.values(), ids=BAD_PAGES.keys())
def test_what_is_no_page_is_refused_and_the_others_stay(
    served: Served, staff: httpx.Client, data: bytes, status: int, slug: str
) -> None:
    of = filled(staff, a_page(), a_page())
    with wire.nothing_stored(served):
        assert problem_of(put(staff, of, 2, data), status) == slug
        assert problem_of(put(staff, of, 3, data), status) == slug
    assert session(staff, of) == of


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "has to be a picture"), ("nl", "moet een afbeelding zijn"), ("de", "muss ein Bild sein")],
)
def test_who_sends_a_pdf_for_a_page_is_not_told_to_make_a_pdf_of_it(
    staff: httpx.Client, language: str, words: str
) -> None:
    answer = staff.put(
        f"{SESSIONS}/{started(staff)['id']}/pages/1", content=a_pdf(), headers={"Accept-Language": language}
    )
    assert problem_of(answer, 415) == "file-type-not-allowed"
    assert words in answer.json()["detail"]
    assert "application/pdf" in answer.json()["detail"]


def test_a_page_that_is_too_large_is_refused_on_its_length(served: Served, staff: httpx.Client) -> None:
    of = filled(staff)
    head = wire.head(
        "PUT", f"{SESSIONS}/{of['id']}/pages/2", "Content-Type: image/jpeg", "Content-Length: 1000000000",
        "Expect: 100-continue", token=token_of(staff),
    )  # fmt: skip
    assert wire.ask(served, head).slug == "content-too-large"
    chunked = wire.head(
        "PUT", f"{SESSIONS}/{of['id']}/pages/2", "Content-Type: image/jpeg", "Transfer-Encoding: chunked",
        token=token_of(staff),
    )  # fmt: skip
    assert wire.ask(served, chunked + b"0\r\n\r\n").slug == "length-required"
    assert session(staff, of) == of


def token_of(client: httpx.Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


Door = Callable[[httpx.Client, dict[str, Any]], httpx.Response]
DOORS: dict[str, Door] = {
    "show": lambda client, of: client.get(f"{SESSIONS}/{of['id']}"),
    "confirm": confirm,
    "stop": lambda client, of: client.post(f"{SESSIONS}/{of['id']}/stop"),
    "reopen": lambda client, of: client.post(f"{SESSIONS}/{of['id']}/reopen"),
    "page": lambda client, of: put(client, of, 2, a_page()),
    "image": lambda client, of: image(client, of, 1),
    "rotate": lambda client, of: arrange(client, of, 1, "rotate", degrees=90),
    "move": lambda client, of: arrange(client, of, 1, "move", to=1),
    "remove": lambda client, of: arrange(client, of, 1, "remove"),
    "split": lambda client, of: client.get(f"{SESSIONS}/{of['id']}/split"),
    "collate": lambda client, of: client.post(f"{SESSIONS}/{of['id']}/collate", json={"sheets": [[1]]}),
    "archive": lambda client, of: ok(client, of, "nobody"),
    "cancel": cancel,
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
def test_a_session_that_is_not_there_or_of_another_branch_is_not_found(
    served: Served, staff: httpx.Client, customer: str, door: Door
) -> None:
    """The same answer, so that nobody learns which it is."""
    west = served.as_("staff", branch="WEST")
    theirs = filled(west)
    letter = handed_in(staff, issued(staff, customer)["scan_code"])["evidence"]
    central = served.as_("staff", branch="CENTRAL")
    for of in (theirs, {"id": str(uuid4())}, {"id": "no-id"}, {"id": letter}):
        assert problem_of(door(central, of), 404) == "not-found"
    assert session(west, theirs) == theirs


def test_a_desk_of_the_whole_institution_gets_at_every_branch(served: Served, staff: httpx.Client) -> None:
    of = filled(served.as_("staff", branch="WEST"))
    assert session(staff, of)["branch"] == "WEST"
    assert image(staff, of, 1).status_code == 200


@pytest.mark.parametrize("n", ["0", "-1", "one", "1.5", "1000001", "99999999999", "٣"])
def test_what_is_no_number_of_a_page_is_not_found(staff: httpx.Client, n: str) -> None:
    of = filled(staff)
    assert problem_of(put(staff, of, n, a_page()), 404) == "not-found"
    assert session(staff, of) == of


def test_a_page_beyond_the_limit_of_a_session_is_refused(served: Served, staff: httpx.Client) -> None:
    """500, as shipped."""
    of, limit = filled(staff), served.settings.limits.scan_pages_max
    answer = put(staff, of, limit + 1, a_page())
    assert problem_of(answer, 422) == "scanner-too-many-pages"
    assert put(staff, of, limit, a_page()).status_code == 201
    assert numbers(session(staff, of)) == [1, limit]


@pytest.mark.parametrize("capture", ["", "1", "1.", "a.b", "1.2.3", "Jan de Vries", "1234567.1"])
def test_what_is_no_capture_is_refused(staff: httpx.Client, capture: str) -> None:
    of = filled(staff)
    answer = staff.put(
        f"{SESSIONS}/{of['id']}/pages/2",
        content=a_page(),
        headers={"Content-Type": "image/jpeg", "Archive-Capture": capture},
    )
    assert pointers(answer) == {"/header/Archive-Capture"}
    assert session(staff, of) == of


WRONG: dict[str, tuple[Callable[[httpx.Client, dict[str, Any]], httpx.Response], set[str]]] = {
    "turn by 45": (lambda client, of: arrange(client, of, 1, "rotate", degrees=45), {"/degrees"}),
    "turn by nothing": (lambda client, of: arrange(client, of, 1, "rotate"), {"/degrees"}),
    "move nowhere": (lambda client, of: arrange(client, of, 1, "move", to=0), {"/to"}),
    "move too far": (lambda client, of: arrange(client, of, 1, "move", to=3), {"/to"}),
    "remove with a reason": (lambda client, of: arrange(client, of, 1, "remove", reason="bad"), {"/reason"}),
    "archive for nobody": (lambda client, of: ok(client, of, None), {"/customer"}),
    "archive as nothing": (lambda client, of: ok(client, of, None, type=None), {"/customer", "/type"}),
    "archive a page that is not there": (lambda client, of: ok(client, of, "1", pages=[1, 9]), {"/pages"}),
    "archive a page twice": (lambda client, of: ok(client, of, "1", pages=[1, 1]), {"/pages"}),
    "archive no page": (lambda client, of: ok(client, of, "1", pages=[]), {"/pages"}),
    "archive page 0": (lambda client, of: ok(client, of, "1", pages=[0]), {"/pages/0"}),
    "archive what is wrong": (lambda client, of: ok(client, of, "a b"), {"/customer"}),
    "archive a note of letters": (lambda client, of: ok(client, of, "1", note="x" * 4001), {"/note"}),
    "archive tomorrow's paper": (lambda client, of: ok(client, of, "1", received_on="2999-01-01"), {"/received_on"}),
    "archive an identification": (lambda client, of: ok(client, of, "1", type="IDENTIFICATION"), {"/ground"}),
    "start with a field too many": (lambda client, of: start(client, station="desk-2"), {"/station"}),
}


@pytest.mark.parametrize(("ask", "fields"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_field_is_named(staff: httpx.Client, ask: Door, fields: set[str]) -> None:
    of = filled(staff, a_page(), a_page())
    assert pointers(ask(staff, of)) == fields
    assert session(staff, of) == of


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown customer": ({"customer": "nobody-at-all"}, 422, "customer-unknown"),
    "unknown type": ({"type": "NOTHING"}, 422, "document-type-unknown"),
    "unknown code": ({"type": None, "customer": None, "scan_code": "DA48271903665144"}, 404, "scan-code-unknown"),
    "malformed code": ({"type": None, "customer": None, "scan_code": "DA48271903665145"}, 422, "scan-code-malformed"),
}


@pytest.mark.parametrize(("body", "status", "slug"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_archive_leaves_the_pages_where_they_are(
    served: Served, staff: httpx.Client, customer: str, body: dict[str, Any], status: int, slug: str
) -> None:
    of = filled(staff, a_page(), a_page())
    with wire.nothing_stored(served):
        answer = ok(staff, of, **{"customer": customer, **body})
        assert problem_of(answer, status) == slug
    assert session(staff, of) == of
    assert image(staff, of, 2).status_code == 200


def test_a_type_that_takes_no_scans_is_refused(served: Served, staff: httpx.Client, customer: str) -> None:
    code = f"T_{secrets.token_hex(4).upper()}"
    fields = {"labels": {"en": "Fine"}, "kind": "document", "sensitivity": "ordinary", "sources": ["file"]}
    assert served.as_("supervisor").put(f"/v1/document-types/{code}", json=fields).status_code == 201
    of = filled(staff)
    assert problem_of(ok(staff, of, customer, type=code), 422) == "source-not-allowed"
    assert session(staff, of) == of


def test_a_sensitive_type_is_not_there_for_who_lacks_it(served: Served, customer: str) -> None:
    """I12."""
    desk = served.as_("staff", without=["health"])
    of = filled(desk)
    assert problem_of(ok(desk, of, customer, type="READING_DISABILITY"), 422) == "document-type-unknown"


def test_a_code_of_a_sensitive_form_is_unknown_to_who_lacks_it(
    served: Served, staff: httpx.Client, customer: str
) -> None:
    form, desk = issued(staff, customer, type="READING_DISABILITY"), served.as_("staff", without=["health"])
    assert problem_of(signed(desk, filled(desk), form["scan_code"], "x"), 404) == "scan-code-unknown"


# -- the work list ------------------------------------------------------------------------------------------------


def listed(client: httpx.Client, position: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(SESSIONS, params=query, headers={"Archive-Min-Position": position})
    items: list[dict[str, Any]] = item_of(answer)["items"]
    return items


def test_sessions_that_are_not_over_are_listed_the_longest_untouched_first(served: Served, customer: str) -> None:
    branch = f"B{secrets.token_hex(3)}"
    desk = served.as_("staff", branch=branch)
    first, second, third, gone, done = (filled(desk) for _ in range(5))
    cancel(desk, gone)
    archived(desk, done, customer)
    position = put(desk, first, 2, a_page()).headers["Archive-Position"]
    items = listed(desk, position)
    assert [item["id"] for item in items] == [of["id"] for of in (second, third, first)]
    assert {name: items[2][name] for name in ("state", "scanner", "pages", "actor", "branch", "version")} == {
        "state": "review", "scanner": None, "pages": 2, "actor": items[0]["actor"], "branch": branch, "version": 3,
    }  # fmt: skip
    assert items[2]["started_at"] < items[2]["changed_at"]
    assert [item["id"] for item in listed(desk, position, limit=1)] == [second["id"]]
    everywhere = {item["id"] for item in every_item(served.as_("staff"), SESSIONS, int(position), limit=200)}
    assert {of["id"] for of in (first, second, third)} <= everywhere
    assert {gone["id"], done["id"]}.isdisjoint(everywhere)


def test_a_scan_is_history_for_operators(served: Served, staff: httpx.Client) -> None:
    """Whose it is nobody knew; what was on it is not told."""
    of = filled(staff)
    position = cancel(staff, of)
    assert position.status_code == 204
    at_end = at(int(start(staff).headers["Archive-Position"]))
    answer = served.as_("operator").get("/v1/history", params={"limit": 200}, headers=at_end)
    actions = [item["action"] for item in item_of(answer)["items"] if item["subject"]["id"] == of["id"]]
    assert actions == ["scan-cancelled", "page-captured", "scan-started"]
    hidden = served.as_("supervisor").get("/v1/history", params={"limit": 200}, headers=at_end)
    assert of["id"] not in {item["subject"]["id"] for item in item_of(hidden)["items"]}
