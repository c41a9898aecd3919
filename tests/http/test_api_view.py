"""View customer documents (E1 to E6): every paper of a customer, its filters, its pages, its past."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from projections.reading import write_cursor
from tests.http.desk import (
    a_customer,
    a_mandate,
    a_text,
    archived,
    at,
    corrected,
    handed_in,
    issued,
    item_of,
    noted,
    pointers,
    problem_of,
    select_file,
    view,
)
from tests.http.served import Served
from tests.paper.files import a_jpeg

# An item of the list. Fields may be added, never renamed.
FIELDS = {
    "id", "kind", "type", "type_label", "status", "source", "file_name", "note", "media_type", "size_bytes", "sha256",
    "pages", "scan_code", "evidence", "original_held", "shelf_mark", "received_on", "recorded_at", "actor", "branch",
    "keep_until", "hold", "version", "content_version",
}  # fmt: skip
SEEN = {"paper": "passport", "number_suffix": "X41", "seen_on": "2026-01-05"}
NONSENSE = ["yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "-1", "1.5", "٣", "9" * 19]
EXTREMES = ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"]


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def address(customer: str) -> str:
    return f"/v1/customers/{quote(customer, safe='')}/documents"


def listed(client: httpx.Client, customer: str, position: int = 0, **query: Any) -> httpx.Response:
    """One page of the view."""
    return client.get(address(customer), params=query, headers=at(position))


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def row_of(item: dict[str, Any]) -> dict[str, Any]:
    """The item of a write as the list shows it."""
    return {name: value for name, value in item.items() if name not in ("customer", "position")}


# -- what stands in it --------------------------------------------------------------------------------------------


def test_every_document_and_authorization_is_in_the_view_the_newest_first(served: Served, staff: httpx.Client) -> None:
    """E2: those without a file too."""
    customer = a_customer(served, name="Anna Bakker", birth_date="1990-02-03", card_numbers=[secrets.token_hex(6)])
    saved = [
        archived(staff, customer),
        noted(staff, customer),
        archived(staff, customer, a_jpeg(comment=secrets.token_bytes(8)), name="card.jpg", type="FORM"),
        noted(staff, customer, type="DEBT_AUTHORIZATION", mandate=a_mandate()),
        noted(staff, customer, type="IDENTIFICATION", original=None, verification=SEEN),
        archived(staff, customer, type="READING_DISABILITY"),
    ]
    answer = listed(staff, customer, saved[-1]["position"])
    body = answer.json()
    assert [row["of_age"] for row in body["items"]] == [None, None, None, None, True, None]
    assert [{**row, "of_age": None} for row in body["items"]] == [row_of(item) for item in reversed(saved)]
    assert [row["kind"] for row in body["items"]] == [
        "authorization", "document", "mandate", "document", "authorization", "document",
    ]  # fmt: skip
    assert body["customer"] == served.as_("operator").get(f"/v1/customers/{customer}").json()
    assert body["next"] is None
    assert "Link" not in answer.headers


def test_a_document_has_every_field_of_the_contract(served: Served) -> None:
    """E3."""
    customer, data, staff = a_customer(served), a_text(), served.as_("staff", branch="CENTRAL")
    before = datetime.now(UTC) - timedelta(seconds=1)
    saved = archived(
        staff, customer, data, name="brief.txt", note="about the fine", received_on="2026-01-02", external_id=a_word()
    )
    (row,) = view(staff, customer, saved["position"])
    assert set(row) >= FIELDS
    said = {
        "id": saved["id"], "kind": "document", "type": "LETTER", "type_label": "Letter", "status": "archived",
        "source": "file", "file_name": "brief.txt", "note": "about the fine", "media_type": "text/plain",
        "size_bytes": len(data), "pages": None, "scan_code": None, "evidence": None, "original_held": False,
        "shelf_mark": None, "received_on": "2026-01-02", "branch": "CENTRAL", "keep_until": None, "hold": False,
        "version": 1, "content_version": 1, "external_id": saved["external_id"], "preview": False,
    }  # fmt: skip
    assert {name: row[name] for name in said} == said
    assert row["actor"] == saved["actor"] != ""
    assert before <= datetime.fromisoformat(row["recorded_at"]) <= datetime.now(UTC)
    assert len(row["recorded_at"]) == len("2026-11-24T09:30:11.123Z")


def test_an_authorization_has_every_field_and_says_how_long_it_is_kept(served: Served, staff: httpx.Client) -> None:
    """Reading-disability form: end of entitlement + 3 months."""
    customer = a_customer(served)
    saved = archived(staff, customer, type="OTHER_AUTHORIZATION", note="to read aloud")
    told = noted(staff, customer, type="OTHER_AUTHORIZATION", valid_from="2026-01-01", valid_until="2026-12-31")
    row, with_file = view(staff, customer, told["position"])
    assert set(row) >= FIELDS
    assert set(with_file) >= FIELDS
    assert (row["source"], row["original_held"], row["shelf_mark"], row["content_version"]) == ("none", True, "B 12", 0)
    assert (row["valid_from"], row["valid_until"]) == ("2026-01-01", "2026-12-31")
    assert (with_file["kind"], with_file["source"], with_file["original_held"]) == ("authorization", "file", False)
    assert with_file["note"] == saved["note"] == "to read aloud"


def test_an_authorization_and_its_evidence_are_one_row_read_in_two_places(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    saved = archived(staff, customer, type="READING_DISABILITY", name="form.pdf")
    (row,) = view(staff, customer, saved["position"])
    assert row["evidence"] not in (None, row["id"])
    document = staff.get(f"/v1/documents/{row['evidence']}").json()
    statement = staff.get(f"/v1/authorizations/{row['id']}").json()
    assert (document["kind"], document["file_name"], document["customer"]) == ("document", "form.pdf", customer)
    assert {name: statement[name] for name in row} == row


def test_what_was_withdrawn_stays_in_the_view_and_says_so(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    withdrawn = corrected(staff, archived(staff, customer), "withdraw")
    (row,) = view(staff, customer, withdrawn["position"])
    assert (row["id"], row["status"], row["version"]) == (withdrawn["id"], "withdrawn", 2)


def test_a_label_is_in_the_readers_language(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    saved = archived(staff, customer)
    for language, label in (("nl-NL", "Brief"), ("de", "Brief"), ("en", "Letter"), ("fr", "Letter")):
        headers = {**at(saved["position"]), "Accept-Language": language}
        assert staff.get(address(customer), headers=headers).json()["items"][0]["type_label"] == label


def test_a_customer_without_papers_has_an_empty_view_and_an_unknown_one_none(
    served: Served, staff: httpx.Client
) -> None:
    answer = listed(staff, a_customer(served)).json()
    assert (answer["items"], answer["next"]) == ([], None)
    assert problem_of(listed(staff, "nobody-at-all"), 404) == "not-found"


def test_a_customer_never_sees_the_papers_of_another(served: Served, staff: httpx.Client) -> None:
    one, other = a_customer(served), a_customer(served)
    mine, theirs = archived(staff, one), archived(staff, other)
    assert ids(view(staff, one, theirs["position"])) == [mine["id"]]
    assert ids(view(staff, other, theirs["position"])) == [theirs["id"]]


def test_what_was_just_saved_is_there_for_a_reader_who_sends_its_position(served: Served, staff: httpx.Client) -> None:
    """E4, whichever process answers."""
    customer, saved = a_customer(served), []
    for number in range(20):
        item = noted(staff, customer) if number % 2 else archived(staff, customer, a_text(), name="a.txt")
        saved.append(item["id"])
        assert ids(listed(staff, customer, item["position"]).json()["items"]) == saved[::-1]


# -- filters ------------------------------------------------------------------------------------------------------


def a_word() -> str:
    return f"w{secrets.token_hex(5)}"


@pytest.fixture(scope="module")
def filled(served: Served) -> dict[str, str]:
    """A customer with one paper of every sort; names by id, and the customer's under `customer`."""
    staff, customer = served.as_("staff"), a_customer(served)
    saved = {
        "letter": archived(staff, customer, name="Café brief.pdf", note="about 100%_sure fines"),
        "form": corrected(staff, archived(staff, customer, a_text(), name="b.txt", type="FORM"), "withdraw"),
        "consent": noted(staff, customer, original={"held": True, "shelf_mark": "Kast 7"}),
        "mandate": noted(staff, customer, type="DEBT_AUTHORIZATION", mandate=a_mandate(), external_id=a_word()),
        "seen": noted(staff, customer, type="IDENTIFICATION", original=None, verification=SEEN, note="bij de balie"),
        "reading": archived(staff, customer, type="READING_DISABILITY", name="scan 3.pdf"),
    }
    staff.get("/v1/history", params={"limit": 1}, headers=at(saved["reading"]["position"])).raise_for_status()
    names = {item["id"]: name for name, item in saved.items()}
    return {**names, "customer": customer, "external_id": saved["mandate"]["external_id"]}


ALL = "letter form consent mandate seen reading"
FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, ALL),
    ({"kind": "document"}, "letter form seen"),
    ({"kind": "authorization"}, "consent reading"),
    ({"kind": "mandate"}, "mandate"),
    ({"type": "LETTER"}, "letter"),
    ({"type": "READING_DISABILITY"}, "reading"),
    ({"status": "archived"}, "letter seen"),
    ({"status": "withdrawn"}, "form"),
    ({"status": "active"}, "consent mandate reading"),
    ({"status": "revoked"}, ""),
    ({"source": "file"}, "letter form reading"),
    ({"source": "none"}, "consent mandate seen"),
    ({"source": "scan"}, ""),
    ({"q": "brief"}, "letter"),
    ({"q": "cafe"}, "letter"),
    ({"q": "CAFÉ"}, "letter"),
    ({"q": "fine"}, "letter"),
    ({"q": "100%_s"}, "letter"),
    ({"q": "%"}, "letter"),
    ({"q": "_"}, "letter"),
    ({"q": "balie"}, "seen"),
    ({"q": "scan 3"}, "reading"),
    ({"q": "kast 7"}, "consent"),
    ({"q": "reading disability"}, "reading"),
    ({"q": "no such words"}, ""),
    ({"q": "' or 1 = 1 --"}, ""),
    ({"kind": "document", "status": "archived"}, "letter seen"),
    ({"kind": "document", "source": "none"}, "seen"),
    ({"kind": "authorization", "source": "file"}, "reading"),
    ({"status": "active", "source": "none", "q": "kast"}, "consent"),
    ({"kind": "document", "type": "LETTER", "status": "archived", "source": "file", "q": "fines"}, "letter"),
    ({"kind": "mandate", "type": "LETTER"}, ""),
    ({"kind": ""}, ALL),
]  # fmt: skip


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
def test_filters_alone_and_together(
    staff: httpx.Client, filled: dict[str, str], filters: dict[str, Any], expected: str
) -> None:
    for limit in (1, 200):
        rows = view(staff, filled["customer"], limit=limit, **filters)
        assert [filled[row["id"]] for row in rows] == expected.split()[::-1]


def test_q_finds_the_callers_own_id(staff: httpx.Client, filled: dict[str, str]) -> None:
    rows = view(staff, filled["customer"], q=filled["external_id"])
    assert [filled[row["id"]] for row in rows] == ["mandate"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("kind=thing", "/query/kind"),
        ("source=mail", "/query/source"),
        ("sort=name", "/query/sort"),
        ("sort=--type", "/query/sort"),
        ("sort=type&sort=status", "/query/sort"),
        ("kind=document&kind=mandate", "/query/kind"),
        ("q=a&q=b", "/query/q"),
        ("limit=0", "/query/limit"),
        ("limit=201", "/query/limit"),
        ("limit=-1", "/query/limit"),
        ("limit=1.5", "/query/limit"),
        ("limit=x", "/query/limit"),
        ("limit=%D9%A3", "/query/limit"),
        ("limit=5&limit=5", "/query/limit"),
        ("cursor=x", "/query/cursor"),
        ("cursor=%C3%A9", "/query/cursor"),
        ("cursor=AAAA", "/query/cursor"),
        ("cursor=gqFhYg", "/query/cursor"),
        ("as_of=1&as_of=2", "/query/as_of"),
    ],
)
def test_a_wrong_parameter_is_named(staff: httpx.Client, filled: dict[str, str], query: str, pointer: str) -> None:
    assert pointers(staff.get(f"{address(filled['customer'])}?{query}")) == {pointer}


# -- pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 200])
def test_pages_together_are_the_list(staff: httpx.Client, filled: dict[str, str], limit: int) -> None:
    pages = list(pages_of(staff, f"{address(filled['customer'])}?limit={limit}"))
    assert [filled[row["id"]] for page in pages for row in page] == ALL.split()[::-1]
    assert [len(page) for page in pages] == sizes(6, limit)


def pages_of(client: httpx.Client, link: str | None) -> Iterator[list[dict[str, Any]]]:
    """Every page, by the way that `Link` names."""
    while link is not None:
        answer = client.get(link)
        body = answer.json()
        yield body["items"]
        link = answer.links["next"]["url"] if "next" in answer.links else None
        assert (link is None) is (body["next"] is None)
        assert link is None or f"cursor={body['next']}" in link


def sizes(count: int, limit: int) -> list[int]:
    return [min(limit, count - begin) for begin in range(0, count, limit)]


def test_the_next_link_keeps_the_filters(staff: httpx.Client, filled: dict[str, str]) -> None:
    link = f"{address(filled['customer'])}?q=%25&kind=document&limit=1"
    (page,) = pages_of(staff, link)
    assert [filled[row["id"]] for row in page] == ["letter"]
    pages = list(pages_of(staff, f"{address(filled['customer'])}?kind=document&limit=1&q=e"))
    assert {filled[row["id"]] for page in pages for row in page} <= {"letter", "form", "seen"}
    assert len(pages) > 1


@pytest.mark.parametrize("name", ["漢字", 'a">b', "a<b;c,d", "ünï"])
def test_the_next_link_can_be_followed_whatever_the_customers_id_is(
    served: Served, staff: httpx.Client, name: str
) -> None:
    customer = f"{name}-{secrets.token_hex(4)}"
    put = served.as_("operator").put(f"/v1/customers/{quote(customer, safe='')}", json={"name": "Jan"})
    assert put.status_code == 201
    saved = [noted(staff, customer) for _ in range(3)]
    listed(staff, customer, saved[-1]["position"]).raise_for_status()
    pages = list(pages_of(staff, f"{address(customer)}?limit=1"))
    assert [row["id"] for page in pages for row in page] == ids(saved)[::-1]


def test_a_page_has_fifty_rows_where_nothing_is_said(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    saved = [noted(staff, customer) for _ in range(51)]
    first = listed(staff, customer, saved[-1]["position"]).json()
    assert ids(first["items"]) == ids(saved)[:0:-1]
    last = listed(staff, customer, cursor=first["next"]).json()
    assert (ids(last["items"]), last["next"]) == ([saved[0]["id"]], None)


def test_later_pages_show_the_list_as_it_was_at_the_first_while_papers_arrive(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    saved = [archived(staff, customer, a_text(), name="a.txt", note="before") for _ in range(5)]
    page = listed(staff, customer, saved[-1]["position"], limit=2).json()
    rows = page["items"]
    while page["next"]:
        arrived = archived(staff, customer, a_text(), name="late.txt")
        changed = corrected(staff, saved[0], "describe", note="after") if len(rows) == 2 else arrived
        page = listed(staff, customer, changed["position"], limit=2, cursor=page["next"]).json()
        rows += page["items"]
    assert rows == [row_of(item) for item in reversed(saved)]


def test_a_cursor_opens_nothing_of_another_customer(served: Served, staff: httpx.Client) -> None:
    one, other = a_customer(served), a_customer(served)
    saved = [noted(staff, one) for _ in range(2)]
    cursor = listed(staff, one, saved[-1]["position"], limit=1).json()["next"]
    assert listed(staff, other, cursor=cursor).json()["items"] == []


# -- sorted -------------------------------------------------------------------------------------------------------

SORTS = ("received", "recorded", "type", "status")


@pytest.fixture
def assorted(served: Served, staff: httpx.Client) -> dict[str, Any]:
    """A customer and the last position: papers that each order puts otherwise, with equal days, types and states."""
    customer = a_customer(served)
    days = ("2026-03-01", "2024-12-31", "2026-03-01", "2025-07-09")
    types = ("LETTER", "READING_DISABILITY", "FORM", "LETTER")
    for day, kind in zip(days, types, strict=True):
        last = archived(staff, customer, a_text(), name="a.txt", type=kind, received_on=day)
    last = corrected(staff, last, "withdraw")
    noted(staff, customer)
    last = handed_in(staff, issued(staff, customer)["scan_code"], received_on="2025-01-01")
    return {"customer": customer, "position": last["position"]}


def key_of(row: dict[str, Any], sort: str) -> Any:
    ranks = ("active", "suspended", "issued", "archived", "expired", "superseded", "revoked", "cancelled", "withdrawn")
    return {
        "received": row["received_on"] or row["recorded_at"][:10],
        "recorded": row["recorded_at"],
        "type": row["type_label"].lower(),
        "status": ranks.index(row["status"]),
    }[sort]


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("sort", SORTS)
def test_the_list_comes_in_the_order_that_is_asked_for_page_by_page(
    staff: httpx.Client, assorted: dict[str, Any], sort: str, sign: str
) -> None:
    customer, position = assorted["customer"], assorted["position"]
    whole = view(staff, customer, position, sort=sign + sort, limit=200)
    assert [key_of(row, sort) for row in whole] == sorted((key_of(row, sort) for row in whole), reverse=bool(sign))
    assert sorted(ids(whole)) == sorted(ids(view(staff, customer, position)))
    for limit in (1, 2, 4):
        assert view(staff, customer, position, sort=sign + sort, limit=limit) == whole
    assert view(staff, customer, sort=sign + sort, limit=3, as_of=position) == whole


def test_equal_types_and_states_stand_newest_first_and_equal_days_in_the_order_of_the_list(
    staff: httpx.Client, assorted: dict[str, Any]
) -> None:
    customer, position = assorted["customer"], assorted["position"]
    newest = ids(view(staff, customer, position))
    for sort in ("type", "-type", "status", "-status", "-received"):
        rows = view(staff, customer, position, sort=sort)
        for _, equal in groupby(rows, partial(key_of, sort=sort.strip("-"))):
            places = [newest.index(row["id"]) for row in equal]
            assert places == sorted(places), sort
    risen = view(staff, customer, position, sort="received")
    assert ids(risen) == ids(view(staff, customer, position, sort="-received"))[::-1]


def test_types_are_sorted_as_the_reader_reads_them(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    archived(staff, customer, type="FORM")
    last = archived(staff, customer, type="LETTER")
    labels = {}
    for language in ("en", "nl", "de"):
        answer = staff.get(
            address(customer), params={"sort": "type"}, headers={**at(last["position"]), "Accept-Language": language}
        )
        labels[language] = [row["type_label"] for row in answer.json()["items"]]
    assert labels == {"en": ["Form", "Letter"], "nl": ["Brief", "Formulier"], "de": ["Brief", "Formular"]}


def test_a_sorted_list_keeps_to_its_first_page_while_papers_arrive_and_change(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    days = ("2026-02-02", "2026-01-01", "2026-03-03", "2026-01-01", "2026-02-02")
    saved = [archived(staff, customer, a_text(), name="a.txt", received_on=day) for day in days]
    whole = view(staff, customer, saved[-1]["position"], sort="-received")
    page = listed(staff, customer, saved[-1]["position"], limit=2, sort="-received").json()
    rows = page["items"]
    while page["next"]:
        arrived = archived(staff, customer, a_text(), name="late.txt", received_on="2026-01-15")
        saved[1] = corrected(staff, saved[1], "describe", received_on=f"2026-04-{len(rows):02}")
        position = max(arrived["position"], saved[1]["position"])
        page = listed(staff, customer, position, limit=2, sort="-received", cursor=page["next"]).json()
        rows += page["items"]
    assert rows == whole


def test_an_authorization_was_received_when_its_evidence_was(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    signed = handed_in(staff, issued(staff, customer)["scan_code"], received_on="2025-01-01")
    letter = archived(staff, customer, received_on="2025-06-01")
    assert ids(view(staff, customer, letter["position"], sort="received")) == [signed["id"], letter["id"]]
    assert ids(view(staff, customer, received_to="2025-03-01")) == [signed["id"]]


def test_a_cursor_is_for_the_order_that_it_came_from(staff: httpx.Client, assorted: dict[str, Any]) -> None:
    customer, position = assorted["customer"], assorted["position"]
    cursors = {sort: listed(staff, customer, position, limit=1, sort=sort).json()["next"] for sort in (*SORTS, "-type")}
    for sort, cursor in cursors.items():
        for other in cursors:
            if other != sort:
                assert pointers(listed(staff, customer, cursor=cursor, sort=other)) == {"/query/cursor"}
        assert pointers(listed(staff, customer, cursor=cursor)) == {"/query/cursor"}


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("received", "yesterday"), ("received", ""), ("received", "'"), ("type", "\0"), ("status", "x"),
        ("status", "-1"), ("status", "9" * 30), ("status", ""), ("nothing", "1"),
    ],
)  # fmt: skip
def test_a_forged_cursor_is_refused(staff: httpx.Client, assorted: dict[str, Any], sort: str, key: str) -> None:
    answer = listed(staff, assorted["customer"], cursor=write_cursor(1, 1, sort, key), sort=sort)
    assert pointers(answer) <= {"/query/cursor", "/query/sort"}


# -- as of --------------------------------------------------------------------------------------------------------


def test_what_a_reader_saw_at_a_position_is_what_it_sees_as_of_that_position_later(
    served: Served, staff: httpx.Client
) -> None:
    """E6: list, single reads and look-ups, after every kind of change."""
    customer, external_id = a_customer(served), a_word()
    letter = archived(staff, customer, a_text(), name="a.txt", note="one", external_id=external_id)
    statement = noted(staff, customer, external_id=f"{external_id}-2")
    addresses = (
        address(customer),
        f"{address(customer)}?q=one",
        f"{address(customer)}?status=archived",
        f"/v1/documents/{letter['id']}",
        f"/v1/authorizations/{statement['id']}",
        f"/v1/documents?external_id={external_id}",
        f"/v1/authorizations?external_id={external_id}-2",
    )
    seen = [answers(staff, addresses, statement["position"])]
    for verb, body in CHANGES:
        letter = corrected(staff, letter, verb, **body)
        seen.append(answers(staff, addresses, letter["position"]))
    for position, then in seen:
        assert answers(staff, addresses, letter["position"], as_of=position) == (position, then)
    assert len({str(then) for _, then in seen}) == len(seen)


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("describe", {"note": "two"}),
    ("reclassify", {"type": "FORM"}),
    ("withdraw", {}),
    ("restore", {}),
    ("describe", {"note": None, "received_on": "2026-01-01"}),
]


def answers(
    client: httpx.Client, addresses: tuple[str, ...], position: int, as_of: int | None = None
) -> tuple[int, list[Any]]:
    """What all these addresses say, but for where the view stands now; and the position that it was asked for."""
    params = {} if as_of is None else {"as_of": as_of}
    said = []
    for each in addresses:
        url = httpx.URL(each).copy_merge_params(params)
        answer = client.get(url, headers=at(position))
        said.append((answer.status_code, answer.headers.get("ETag"), without_position(answer.json())))
    return position if as_of is None else as_of, said


def without_position(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("position", "instance", "trace_id")}


def test_as_of_a_rows_own_time_it_is_there_and_a_millisecond_before_it_is_not(
    served: Served, staff: httpx.Client
) -> None:
    for _ in range(10):
        customer = a_customer(served)
        saved = archived(staff, customer, a_text(), name="a.txt")
        own = datetime.fromisoformat(saved["recorded_at"])
        before = (own - timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
        assert ids(view(staff, customer, as_of=saved["recorded_at"])) == [saved["id"]], "and nobody had to wait"
        assert view(staff, customer, as_of=before) == []
        one = f"/v1/documents/{saved['id']}"
        assert staff.get(one, params={"as_of": saved["recorded_at"]}).status_code == 200
        assert problem_of(staff.get(one, params={"as_of": before}), 404) == "not-found"


def test_as_of_takes_any_offset_and_fraction(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    saved = archived(staff, customer, a_text(), name="a.txt")
    own = datetime.fromisoformat(saved["recorded_at"])
    zone = (own + timedelta(hours=2)).replace(tzinfo=None).isoformat(timespec="microseconds") + "+02:00"
    for moment in (zone, own.isoformat(timespec="microseconds")):
        assert ids(view(staff, customer, as_of=moment)) == [saved["id"]]
        raw = staff.get(f"{address(customer)}?as_of={moment}")  # the plus sign not escaped, as people type it
        assert ids(raw.json()["items"]) == [saved["id"]]


def test_as_of_a_time_shows_each_change_from_its_own_moment(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    letter = archived(staff, customer, a_text(), name="a.txt", note="one")
    times = [letter["recorded_at"]]
    for note in ("two", "three"):
        letter = corrected(staff, letter, "describe", note=note)
        history = staff.get(f"/v1/documents/{letter['id']}/history", headers=at(letter["position"])).json()
        times.append(history["items"][0]["recorded_at"])
    shown = [view(staff, customer, as_of=time)[0]["note"] for time in times]
    assert len(set(times)) == 3
    assert shown == ["one", "two", "three"]


def test_before_anything_was_recorded_the_view_is_empty(staff: httpx.Client, filled: dict[str, str]) -> None:
    for past in ("0", "1", "1970-01-01T00:00:00Z"):
        answer = listed(staff, filled["customer"], as_of=past)
        assert answer.json()["items"] == []


def reads(filled: dict[str, str]) -> list[str]:
    """An address of each read that takes as_of."""
    letter = next(paper for paper, name in filled.items() if name == "letter")
    mandate = next(paper for paper, name in filled.items() if name == "mandate")
    return [
        address(filled["customer"]),
        f"/v1/documents/{letter}",
        f"/v1/authorizations/{mandate}",
        f"/v1/documents?external_id={filled['external_id']}",
        f"/v1/authorizations?external_id={filled['external_id']}",
        f"/v1/customers/{filled['customer']}/history",
        f"/v1/documents/{letter}/history",
        f"/v1/authorizations/{mandate}/history",
        "/v1/history",
    ]


def test_the_future_is_refused_as_a_time_and_as_a_position(staff: httpx.Client, filled: dict[str, str]) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for each in reads(filled):
        stands_at = int(staff.get(each).headers["Archive-Position"])
        for future in (tomorrow, "9999-12-31T23:59:59Z", stands_at + 1_000_000, "9" * 18):
            url = httpx.URL(each).copy_merge_params({"as_of": str(future)})
            assert pointers(staff.get(url)) == {"/query/as_of"}, each
        assert staff.get(httpx.URL(each).copy_merge_params({"as_of": str(stands_at)})).status_code == 200


@pytest.mark.parametrize("moment", [*NONSENSE, *EXTREMES])
def test_what_is_no_moment_is_named(staff: httpx.Client, filled: dict[str, str], moment: str) -> None:
    """The extremes are no moments of UTC's calendar any more; they ended in a 500."""
    for each in reads(filled):
        url = httpx.URL(each).copy_merge_params({"as_of": moment})
        assert pointers(staff.get(url)) == {"/query/as_of"}, each


# -- positions ----------------------------------------------------------------------------------------------------


def test_every_read_of_a_view_answers_where_it_stands(staff: httpx.Client, filled: dict[str, str]) -> None:
    for each in reads(filled):
        answer = staff.get(each)
        position = int(answer.headers["Archive-Position"])
        assert position >= 1
        assert answer.json().get("position", position) == position
        assert staff.get(each, headers=at(position)).status_code == 200, "what is reached is not waited for"


def test_a_position_that_is_not_reached_is_said_after_two_seconds(staff: httpx.Client, filled: dict[str, str]) -> None:
    def ask(each: str) -> httpx.Response:
        return staff.get(each, headers=at(10**12))

    with ThreadPoolExecutor(9) as pool:
        for answer in pool.map(ask, reads(filled)):
            assert problem_of(answer, 503) == "unavailable"
            assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("position", ["x", "-1", "1.5", "", "9" * 19, "1,2"])
def test_what_is_no_position_is_named(staff: httpx.Client, filled: dict[str, str], position: str) -> None:
    answer = staff.get(address(filled["customer"]), headers={"Archive-Min-Position": position})
    assert pointers(answer) == {"/header/Archive-Min-Position"}


def test_a_reader_waits_for_the_view_to_get_there(served: Served, staff: httpx.Client) -> None:
    """Edge case 23. While the projector is held up, only a reader with the header waits until the paper is there."""
    customer = a_customer(served)
    first = archived(staff, customer, a_text(), name="a.txt")
    view(staff, customer, first["position"])
    with psycopg.connect(served.database_url) as holding, ThreadPoolExecutor(1) as pool:
        holding.execute("select from views.tracking for update")
        second = archived(staff, customer, a_text(), name="b.txt")
        viewer = served.as_("viewer")
        assert ids(view(viewer, customer)) == [first["id"]]
        waiting = pool.submit(view, viewer, customer, second["position"])
        holding.rollback()
        assert ids(waiting.result()) == [second["id"], first["id"]]


# -- one paper ----------------------------------------------------------------------------------------------------


def test_a_document_is_read_with_its_customer_and_its_version(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    saved = archived(staff, customer, note="one")
    read = staff.get(f"/v1/documents/{saved['id']}", headers=at(saved["position"]))
    alone: dict[str, Any] = {"linked_customers": [], "evidence_of": None}
    assert (read.headers["ETag"], read.json()) == ('"1"', {**row_of(saved), "customer": customer, **alone})
    changed = corrected(staff, saved, "describe", note="two")
    again = staff.get(f"/v1/documents/{saved['id']}", headers=at(changed["position"]))
    assert (again.headers["ETag"], again.json()["version"], again.json()["note"]) == ('"2"', 2, "two")


@pytest.mark.parametrize("paper", ["0193f3a0-0000-7000-8000-000000000000", "x", "1", "%00x", "..x"])
def test_a_paper_that_does_not_exist_is_not_found(staff: httpx.Client, paper: str) -> None:
    for room in ("documents", "authorizations"):
        answer = staff.get(f"/v1/{room}/{paper}")
        assert problem_of(answer, 400 if "%00" in paper else 404) in ("not-found", "malformed-request")


def test_an_external_id_finds_what_it_was_given_to(served: Served, staff: httpx.Client) -> None:
    customer, word = a_customer(served), a_word()
    letter = archived(staff, customer, external_id=f"{word} 1/é")
    statement = noted(staff, customer, external_id=f"{word} 2")
    both = archived(staff, customer, type="READING_DISABILITY", external_id=f"{word} 3")
    assert found(staff, "documents", f"{word} 1/é", both["position"]) == [row_of(letter)]
    assert found(staff, "authorizations", f"{word} 2") == [row_of(statement)]
    assert found(staff, "authorizations", f"{word} 3") == [row_of(both)]
    assert ids(found(staff, "documents", f"{word} 3")) == [both["evidence"]]
    for room, external_id in (("authorizations", f"{word} 1/é"), ("documents", f"{word} 2"), ("documents", word)):
        assert found(staff, room, external_id) == []


def found(client: httpx.Client, room: str, external_id: str, position: int = 0) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/{room}", params={"external_id": external_id}, headers=at(position))
    items: list[dict[str, Any]] = item_of(answer)["items"]
    assert answer.json()["next"] is None
    return items


def test_a_look_up_without_an_external_id_is_refused(staff: httpx.Client) -> None:
    for room in ("documents", "authorizations"):
        assert pointers(staff.get(f"/v1/{room}")) == {"/query/external_id"}


def test_the_view_is_read_only(staff: httpx.Client, filled: dict[str, str]) -> None:
    """E5: nothing of it can be written to, nor the history."""
    for each in (address(filled["customer"]), f"/v1/customers/{filled['customer']}/history", "/v1/history"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = staff.request(method, each, json={})
            assert problem_of(answer, 405) == "method-not-allowed"
            assert {"GET", "HEAD"} <= set(answer.headers["Allow"].split(", ")) <= {"GET", "HEAD", "OPTIONS"}


def test_head_tells_what_get_would(staff: httpx.Client, filled: dict[str, str]) -> None:
    for each in reads(filled):
        head = staff.head(each)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["Content-Length"]) == len(staff.get(each).content)
        assert head.headers["Archive-Position"]


def test_a_refused_save_is_not_in_the_view(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    assert problem_of(select_file(staff, customer, b"", name="a.txt"), 422) == "file-empty"
    assert view(staff, customer) == []
