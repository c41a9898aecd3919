"""Customers over HTTP: the register's entries, what they may hold, and how a desk finds one.

How good the search is, is tests/store/test_customer_search.py; who may use it, test_api_access.py.
"""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.http.desk import a_text, pointers, problem_of, select_file
from tests.http.served import Served

FUTURE = (date.today() + timedelta(days=2)).isoformat()  # noqa: DTZ011  # two days, so that no zone matters
THIS_YEAR = date.today().year  # noqa: DTZ011


@pytest.fixture
def library(served: Served) -> httpx.Client:
    """The library system, which tells the archive of its customers."""
    return served.as_("integration")


def an_id() -> str:
    return f"c{secrets.token_hex(5)}"


def a_card() -> str:
    return f"29{secrets.randbelow(10**12):012d}"


def a_surname() -> str:
    """A name like no other, of six different syllables: then one slip leaves enough of its trigrams."""
    random = secrets.SystemRandom()
    return "".join(c + random.choice("aeiou") for c in random.sample("bdfgklmnprstvz", 6)).capitalize()


def put(client: httpx.Client, customer: str, **body: Any) -> httpx.Response:
    return client.put(f"/v1/customers/{quote(customer, safe='')}", json={"name": "Jan de Vries", **body})


def search(client: httpx.Client, q: str, **query: Any) -> list[str]:
    """The ids that were found, the best first."""
    answer = client.get("/v1/customers", params={"q": q, **query})
    assert answer.status_code == 200, answer.text
    assert "limit" in query or answer.json()["next"] is None
    return [item["id"] for item in answer.json()["items"]]


# -- entries ----------------------------------------------------------------------------------------------------------


def test_an_entry_is_made_read_and_replaced_as_a_whole(library: httpx.Client) -> None:
    customer, cards = an_id(), [a_card(), a_card()]
    whole = {"name": "Anna  de Vries ", "birth_date": "1990-02-03", "card_numbers": cards, "home_branch": "CENTRAL"}
    made = put(library, customer, **whole)
    entry = {
        "id": customer, "name": "Anna de Vries", "birth_date": "1990-02-03", "card_numbers": cards,
        "home_branch": "CENTRAL", "kind": "person", "status": "active",
    }  # fmt: skip
    assert (made.status_code, made.json()) == (201, entry)
    assert library.get(f"/v1/customers/{customer}").json() == entry
    replaced = put(library, customer, name="Bakkerij De Vries", kind="organisation")
    now: dict[str, Any] = {"name": "Bakkerij De Vries", "birth_date": None, "card_numbers": [], "home_branch": None}
    assert (replaced.status_code, replaced.json()) == (200, {**entry, **now, "kind": "organisation"})
    assert library.get(f"/v1/customers/{customer}").json() == replaced.json()


def test_an_entry_put_again_stays_as_it_is(library: httpx.Client) -> None:
    customer, body = an_id(), {"birth_date": "1990-02-03", "card_numbers": [a_card()]}
    first, second = put(library, customer, **body), put(library, customer, **body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()


def test_the_register_is_not_in_the_log_and_tells_its_position(served: Served, library: httpx.Client) -> None:
    last = served.last_position()
    answer = put(library, an_id())
    assert int(answer.headers["Archive-Position"]) == last
    assert served.last_position() == last


def test_a_customer_can_be_archived_for_from_the_moment_of_the_answer(served: Served, library: httpx.Client) -> None:
    for _ in range(10):
        customer = an_id()
        refused = select_file(served.as_("staff"), customer, a_text(), name="a.txt")
        assert problem_of(refused, 422) == "customer-unknown"
        put(library, customer)
        assert select_file(served.as_("staff"), customer, a_text(), name="a.txt").status_code == 201


def test_of_many_who_put_one_customer_at_once_one_is_told_that_it_is_new(library: httpx.Client) -> None:
    customer = an_id()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: put(library, customer, card_numbers=[f"{customer}-{n}"]), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert library.get(f"/v1/customers/{customer}").json() in [answer.json() for answer in answers]


@pytest.mark.parametrize(
    "name", ["x", "é" * 64, "漢字", "a.b-c_d~e", "100234", "a:b@c", "a'b\"c", "(a)+[b]&c=d;e,f", "🎉"]
)
def test_an_id_is_whatever_the_library_system_calls_a_customer(library: httpx.Client, name: str) -> None:
    customer = f"{name}{secrets.token_hex(4)}"[-64:]
    assert put(library, customer).status_code == 201
    assert library.get(f"/v1/customers/{quote(customer, safe='')}").json()["id"] == customer
    assert search(library, customer)[0] == customer


@pytest.mark.parametrize("customer", ["x" * 65, "a b", "a?b", "a#b", "a%b", "tab\tbed", "\u00a0"])
def test_an_id_that_is_none_is_named(library: httpx.Client, customer: str) -> None:
    answer = put(library, customer)
    if answer.status_code == 400:  # refused before it came to fields
        assert problem_of(answer, 400) == "malformed-request"
    else:
        assert pointers(answer) == {"/path/id"}


RIGHT: list[dict[str, Any]] = [
    {"name": "x"},
    {"name": "x" * 200},
    {"name": "O'Neill-Müller 漢字 (née Żółć)"},
    {"birth_date": date.today().isoformat()},  # noqa: DTZ011
    {"birth_date": f"{THIS_YEAR - 150}-12-31"},
    {"birth_date": "2000-02-29"},
    {"birth_date": None, "home_branch": None},
    {"card_numbers": []},
    {"home_branch": "x" * 32},
    {"kind": "organisation"},
]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "/name"),
    ({"name": "   "}, "/name"),
    ({"name": "x" * 201}, "/name"),
    ({"name": "a\x00b"}, "/name"),
    ({"name": "a\nb"}, "/name"),
    ({"name": "evil \u202egnp.exe"}, "/name"),
    ({"name": None}, "/name"),
    ({"name": 7}, "/name"),
    ({"birth_date": FUTURE}, "/birth_date"),
    ({"birth_date": f"{THIS_YEAR - 151}-12-31"}, "/birth_date"),
    ({"birth_date": "2001-02-29"}, "/birth_date"),
    ({"birth_date": "3 February 1990"}, "/birth_date"),
    ({"birth_date": "1990-02-03T00:00:00Z"}, "/birth_date"),
    ({"card_numbers": [""]}, "/card_numbers/0"),
    ({"card_numbers": ["1", "2 3"]}, "/card_numbers/1"),
    ({"card_numbers": ["x" * 65]}, "/card_numbers/0"),
    ({"card_numbers": ["---"]}, "/card_numbers/0"),
    ({"card_numbers": ["a\tb"]}, "/card_numbers/0"),
    ({"card_numbers": ["12-34", "1234"]}, "/card_numbers/1"),
    ({"card_numbers": [str(n) for n in range(21)]}, "/card_numbers"),
    ({"card_numbers": "1234"}, "/card_numbers"),
    ({"card_numbers": [1234]}, "/card_numbers/0"),
    ({"home_branch": ""}, "/home_branch"),
    ({"home_branch": "x" * 33}, "/home_branch"),
    ({"home_branch": "two words"}, "/home_branch"),
    ({"kind": "school"}, "/kind"),
    ({"kind": ""}, "/kind"),
    ({"status": "deceased"}, "/status"),
    ({"id": "another"}, "/id"),
    ({"colour": "red"}, "/colour"),
]


@pytest.mark.parametrize("body", RIGHT)
def test_what_an_entry_may_hold(library: httpx.Client, body: dict[str, Any]) -> None:
    answer = put(library, an_id(), **body)
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in body} == body


@pytest.mark.parametrize(("body", "pointer"), WRONG)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    library: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    customer = an_id()
    assert pointers(put(library, customer, **body)) == {pointer}
    assert problem_of(library.get(f"/v1/customers/{customer}"), 404) == "not-found"


def test_twenty_cards_of_64_characters_are_taken(library: httpx.Client) -> None:
    cards = [secrets.token_hex(32) for _ in range(20)]
    assert put(library, an_id(), card_numbers=cards).json()["card_numbers"] == cards


def test_everything_wrong_is_named_at_once(library: httpx.Client) -> None:
    answer = put(library, an_id(), name=" ", birth_date=FUTURE, card_numbers=["a b"], home_branch="-", kind="x")
    assert pointers(answer) == {"/name", "/birth_date", "/card_numbers/0", "/home_branch", "/kind"}


def test_what_is_no_entry_at_all_is_refused(library: httpx.Client) -> None:
    address = f"/v1/customers/{an_id()}"
    assert pointers(library.put(address, json={})) == {"/name"}
    for broken in (b"", b"{", b"\xff", b"name=Jan", b'{"name": "a\xff"}'):
        answer = library.put(address, content=broken, headers={"Content-Type": "application/json"})
        assert problem_of(answer, 400) == "malformed-request"
    for other in (b"[]", b"null", b'"Jan"'):
        answer = library.put(address, content=other, headers={"Content-Type": "application/json"})
        assert problem_of(answer, 422) == "validation-failed"
    assert problem_of(library.get(address), 404) == "not-found"


def test_a_card_belongs_to_one_customer_until_it_is_given_back(library: httpx.Client) -> None:
    one, other, card = an_id(), an_id(), a_card()
    put(library, one, card_numbers=[card])
    spelled = f"{card[:4]}-{card[4:]}"
    assert pointers(put(library, other, card_numbers=[a_card(), spelled])) == {"/card_numbers/1"}
    assert problem_of(library.get(f"/v1/customers/{other}"), 404) == "not-found"
    put(library, one, card_numbers=[])
    assert put(library, other, card_numbers=[spelled]).status_code == 201
    assert search(library, card) == [other]


# -- one customer -----------------------------------------------------------------------------------------------------


def test_one_customer_is_read_and_an_unknown_one_is_not_found(served: Served, library: httpx.Client) -> None:
    customer = an_id()
    entry = put(library, customer, card_numbers=[a_card()]).json()
    for role in ("viewer", "staff", "supervisor", "operator", "integration"):
        assert served.as_(role).get(f"/v1/customers/{customer}").json() == entry
    assert library.head(f"/v1/customers/{customer}").status_code == 200
    for unknown in (an_id(), customer.upper(), f"{customer}x", customer[:-1], entry["card_numbers"][0], "null"):
        assert problem_of(library.get(f"/v1/customers/{unknown}"), 404) == "not-found"


# -- search -----------------------------------------------------------------------------------------------------------


def test_a_customer_is_found_by_each_thing_that_is_known_of_it(library: httpx.Client) -> None:
    customer, card, name = an_id(), a_card(), a_surname()
    born = date(1900, 1, 1) + timedelta(days=secrets.randbelow(40_000))
    put(library, customer, name=f"Zoë van der {name}", card_numbers=[a_card(), card], birth_date=born.isoformat())
    for known in (
        customer,
        customer[:9],
        card,
        f"{card[:4]} {card[4:]}",
        f"{card[:4]}-{card[4:]}",
        f" {card} ",
        name,
        name.upper(),
        name[:6],
        f"zoe {name}",
        f"{name}, Zoë",
        f"Zoë van der {name}",
        f"{name[:4]} zo",
        f"{born:%Y-%m-%d} {name}",
        f"{name} {born:%d-%m-%Y}",
        f"{born:%d.%m.%Y} {name[:5]}",
    ):
        assert search(library, known)[0] == customer, known


def test_all_who_were_born_on_a_day_are_found(library: httpx.Client) -> None:
    born = date(1880, 1, 1) + timedelta(days=secrets.randbelow(5_000))
    if born.year < THIS_YEAR - 150:
        born = born.replace(year=THIS_YEAR - 140)
    found = [an_id() for _ in range(3)]
    for customer in found:
        put(library, customer, name=a_surname(), birth_date=born.isoformat())
    assert set(search(library, born.isoformat(), limit=200)) >= set(found)
    assert set(search(library, f"{born:%d-%m-%Y}", limit=200)) >= set(found)


def test_a_misspelled_name_finds_its_customer(library: httpx.Client) -> None:
    customer, name = an_id(), a_surname()
    put(library, customer, name=f"Jan {name}")
    for slip in (
        name[:5] + name[6:],
        name[:7] + "x" + name[8:],
        name[:4] + name[4] + name[4:],
    ):
        assert search(library, slip) == [customer], slip
        assert search(library, f"jan {slip}")[0] == customer, slip


def test_what_fits_exactly_comes_first(library: httpx.Client) -> None:
    """An id before ids that begin with it, a name before names that begin with it."""
    short, name = an_id(), a_surname()
    longer = [f"{short}{n}" for n in range(3)]
    for customer in [*longer, short]:
        put(library, customer)
    assert search(library, short)[0] == short
    assert set(search(library, short)) == {short, *longer}
    exact, begun = an_id(), an_id()
    put(library, begun, name=f"{name}sen")
    put(library, exact, name=name)
    assert search(library, name) == [exact, begun]


def test_an_organisation_is_found_like_a_person(library: httpx.Client) -> None:
    customer, name = an_id(), a_surname()
    put(library, customer, name=f"Basisschool De {name} (locatie Noord)", kind="organisation")
    assert search(library, f"school {name}") == []  # the middle of a word is no beginning
    assert search(library, f"basisschool {name} noord") == [customer]


def test_a_limit_takes_the_best(library: httpx.Client) -> None:
    name = a_surname()
    for n in range(5):
        put(library, an_id(), name=f"{name} {chr(97 + n)}")
    whole = search(library, name, limit=200)
    assert len(whole) == 5
    for limit in (1, 3, 5):
        assert search(library, name, limit=limit) == whole[:limit]


def test_an_entry_that_changed_is_found_as_it_is_now(library: httpx.Client) -> None:
    customer, before, after, card = an_id(), a_surname(), a_surname(), a_card()
    put(library, customer, name=before, card_numbers=[card])
    put(library, customer, name=after)
    assert search(library, after) == [customer]
    assert customer not in search(library, before)
    assert search(library, card) == []


@pytest.mark.parametrize(
    "q", ["%", "_", "%%%", "'", "' or 1=1 --", "\\", "!!!", "q" * 200, "🎉🎉🎉", "nobody-at-all-here", "."]
)
def test_what_names_nobody_finds_nobody(library: httpx.Client, q: str) -> None:
    """No wildcard, quote or sign of a query language means anything."""
    assert search(library, q) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "/query/q"),
        ("q=", "/query/q"),
        ("q=%20%20", "/query/q"),
        ("q=" + "x" * 201, "/query/q"),
        ("q=a&q=b", "/query/q"),
        ("q=a&limit=0", "/query/limit"),
        ("q=a&limit=201", "/query/limit"),
        ("q=a&limit=x", "/query/limit"),
    ],
)
def test_a_wrong_search_is_named(library: httpx.Client, query: str, pointer: str) -> None:
    assert pointers(library.get(f"/v1/customers?{query}")) == {pointer}


def test_an_answer_holds_no_more_than_is_needed_to_find_a_customer(library: httpx.Client) -> None:
    customer = an_id()
    put(library, customer)
    (item,) = library.get("/v1/customers", params={"q": customer}).json()["items"]
    assert set(item) == {"id", "name", "birth_date", "card_numbers", "home_branch", "kind", "status"}
    assert item == library.get(f"/v1/customers/{customer}").json()


def test_neither_name_nor_card_nor_id_is_in_the_programs_output(served: Served, library: httpx.Client) -> None:
    customer, card, name = an_id(), a_card(), a_surname()
    put(library, customer, name=name, card_numbers=[card])
    for known in (customer, card, name):
        search(library, known)
    put(library, an_id(), name=name, card_numbers=[card])
    said = served.said()
    assert not [known for known in (customer, card, name) if known in said]


# -- what is reported -------------------------------------------------------------------------------------------------


def report(client: httpx.Client, customer: str, event: str = "left", **more: Any) -> httpx.Response:
    body = {"event": event, "on": "2026-03-01", "reason": "moved to Gent", **more.pop("body", {})}
    return client.post(f"/v1/customers/{customer}/report", json=body, **more)


@pytest.mark.parametrize(
    ("event", "status", "action"),
    [
        ("left", "left", "customer-left"),
        ("deceased", "deceased", "customer-deceased-reported"),
        ("deleted_in_source", "deleted_in_source", "customer-deleted-in-source"),
    ],
)
def test_a_report_shows_in_the_register_and_in_the_history(
    served: Served, library: httpx.Client, event: str, status: str, action: str
) -> None:
    customer = an_id()
    put(library, customer)
    answer = report(library, customer, event)
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    put(library, customer, name="Anna Smit")
    assert library.get(f"/v1/customers/{customer}").json()["status"] == status
    (item,) = (
        served.as_("viewer")
        .get(f"/v1/customers/{customer}/history", headers={"Archive-Min-Position": answer.headers["Archive-Position"]})
        .json()["items"]
    )
    assert (item["action"], item["reason"]) == (action, "moved to Gent")
    assert item["subject"] == {"kind": "customer", "id": customer}
    assert (item["before"], item["after"]) == ({"status": "active"}, {"status": status, "on": "2026-03-01"})


def test_a_report_is_repeated_without_a_second_event(library: httpx.Client) -> None:
    customer = an_id()
    put(library, customer)
    with_key = {"Idempotency-Key": f'"{secrets.token_hex(8)}"'}
    first, again, other = (report(library, customer, headers=h) for h in (with_key, with_key, {}))
    assert {a.headers["Archive-Position"] for a in (first, again, other)} == {first.headers["Archive-Position"]}
    assert again.headers["Idempotency-Replayed"] == "true"


def test_who_returned_is_active_again(library: httpx.Client) -> None:
    customer = an_id()
    put(library, customer)
    assert problem_of(report(library, customer, "returned"), 409) == "illegal-transition"
    report(library, customer)
    assert report(library, customer, "returned").json()["status"] == "active"


def test_a_report_of_nobody_or_of_the_future_is_refused(library: httpx.Client) -> None:
    customer = an_id()
    assert problem_of(report(library, customer), 404) == "not-found"
    put(library, customer)
    for wrong, pointer in (({"on": FUTURE}, "/on"), ({"reason": " "}, "/reason")):
        assert pointers(report(library, customer, body=wrong)) == {pointer}


def test_the_feed_names_the_customer_and_not_the_file(served: Served, library: httpx.Client) -> None:
    customer = an_id()
    put(library, customer)
    position = int(report(library, customer).headers["Archive-Position"])
    feed = served.as_("staff").get("/v1/events", params={"after": position - 1, "type": "customer-left"})
    (event,) = [e for e in feed.json()["items"] if e["id"] == str(position)]
    assert event["subject"] == event["data"]["customer"] == customer
    assert (event["data"]["on"], event["data"]["reason"]) == ("2026-03-01", "moved to Gent")
