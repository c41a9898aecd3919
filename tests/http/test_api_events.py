"""The feed page by page (GET /v1/events): CloudEvents in the order of the log, and for whom there are which.

The stream of the same events is in test_api_events_stream.py, the questions behind both in tests/views/test_feed.py.
"""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from projections.feed import POSITIONS_MAX
from store.mapper import BY_TOPIC
from tests.builders.papers import a_caller, a_note
from tests.http.desk import (
    DEBT,
    a_customer,
    a_mandate,
    access_lines,
    archived,
    at,
    correct,
    corrected,
    issued,
    noted,
    pointers,
    stepped,
)
from tests.http.scanning import a_code_page, filled
from tests.http.served import Served, wait_until
from tests.views.desk import EVERYTHING

Event = dict[str, Any]
ATTRIBUTES = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"}
WRITERS = 16


def page(client: httpx.Client, position: int = 0, **query: Any) -> dict[str, Any]:
    answer = client.get("/v1/events", params=query, headers=at(position))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def feed(client: httpx.Client, position: int = 0, **query: Any) -> list[Event]:
    """Every event of it, page by page, as a program goes on."""
    events: list[Event] = []
    while True:
        found = page(client, position, **query)
        events += found["items"]
        if found["next"] is None:
            return events
        query["after"] = found["next"]


def ids(events: list[Event]) -> list[int]:
    return [int(event["id"]) for event in events]


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def about(events: list[Event]) -> set[str]:
    return {event["subject"] for event in events}


class Story(msgspec.Struct, frozen=True):
    """What a desk at a branch of its own did for a customer: a letter, a mandate, a paper about health, a passport that
    was seen, a form; then the letter was described and withdrawn. `before`: the position before the first."""

    customer: str
    branch: str
    before: int
    position: int
    letter: dict[str, Any]
    debt: dict[str, Any]
    health: dict[str, Any]
    seen: dict[str, Any]
    form: dict[str, Any]

    @property
    def papers(self) -> dict[str, str]:
        return {name: getattr(self, name)["id"] for name in ("letter", "debt", "health", "seen")}


SECRET = "a word that names somebody"


@pytest.fixture(scope="module")
def story(served: Served) -> Story:
    branch, customer = f"B{secrets.token_hex(4).upper()}", a_customer(served)
    staff = served.as_("staff", branch=branch)
    before = served.last_position()
    letter = archived(staff, customer, note=SECRET, external_id=secrets.token_hex(6), name=f"{SECRET}.pdf")
    debt = noted(staff, customer, type=DEBT, mandate=a_mandate(), note=SECRET)
    health = noted(staff, customer, type="READING_DISABILITY", note=SECRET)
    verification = {"paper": "passport", "number_suffix": "X41", "seen_on": "2026-01-05"}
    seen = noted(staff, customer, type="IDENTIFICATION", original=None, verification=verification, note=SECRET)
    form = issued(staff, customer)
    described = corrected(staff, letter, "describe", note="another", reason=SECRET)
    letter = corrected(staff, described, "withdraw", reason=SECRET)
    return Story(customer, branch, before, letter["position"], letter, debt, health, seen, form)


def told(client: httpx.Client, story: Story, **query: Any) -> list[Event]:
    return feed(client, story.position, **{"after": story.before, "customer": story.customer, **query})


STORY = [
    "document-archived.v1",
    "authorization-registered.v2",
    "authorization-registered.v2",
    "identity-seen.v1",
    "authorization-issued.v1",
    "document-described.v1",
    "document-withdrawn.v1",
]


# -- what an event looks like -------------------------------------------------------------------------------------


def test_what_happened_is_told_in_the_order_of_the_log(served: Served, story: Story) -> None:
    events = told(served.as_("staff"), story)
    assert types(events) == STORY
    assert ids(events) == sorted(ids(events))
    assert events[-1]["id"] == str(story.position)


def test_an_event_is_a_cloudevent(served: Served, story: Story) -> None:
    """CloudEvents 1.0: the required attributes are texts that are not empty, `source` a reference, `time` RFC 3339."""
    for event in told(served.as_("staff"), story):
        assert set(event) == ATTRIBUTES
        assert event["specversion"] == "1.0"
        assert event["source"] == "/v1/events"
        assert event["datacontenttype"] == "application/json"
        assert all(event[name] and isinstance(event[name], str) for name in ATTRIBUTES - {"data"})
        assert isinstance(event["data"], dict)
        assert datetime.fromisoformat(event["time"]).tzinfo == UTC


def test_it_says_what_when_by_whom_and_where(served: Served, story: Story) -> None:
    first = told(served.as_("staff"), story)[0]
    assert (first["subject"], first["time"]) == (story.letter["id"], story.letter["recorded_at"])
    data = first["data"]
    assert (data["customer"], data["branch"]) == (story.customer, story.branch)
    assert data["actor"] == story.letter["actor"]
    assert (data["type"]["code"], data["source"]) == ("LETTER", "file")
    assert data["content"]["media_type"] == "application/pdf"


def test_who_may_read_histories_gets_the_personal_fields(served: Served, story: Story) -> None:
    for role in ("viewer", "staff", "supervisor", "operator"):
        first = told(served.as_(role), story)[0]["data"]
        assert first["file_name"] == f"{SECRET}.pdf"
        assert first["description"]["note"] == SECRET
        assert first["sha256"] == story.letter["sha256"]


def test_a_program_gets_the_open_fields_alone(served: Served, story: Story) -> None:
    """It asks for the paper itself where it may."""
    events = told(served.as_("integration"), story)
    assert SECRET not in str(events)
    for event in events:
        plan = BY_TOPIC[event["type"]]
        open_fields = {*plan.event_class.__struct_fields__} - {*plan.sealed}
        assert set(event["data"]) == open_fields | {"actor", "branch"}


def test_an_iban_is_whole_for_who_may_amend_it(served: Served, story: Story) -> None:
    def iban(role: str) -> str:
        [event] = [e for e in told(served.as_(role), story) if e["subject"] == story.debt["id"]]
        found: str = event["data"]["mandate"]["iban"]
        return found

    assert iban("staff") == a_mandate()["iban"]
    assert a_mandate()["iban"][4:-4] not in iban("viewer")
    assert iban("viewer")[-4:] == a_mandate()["iban"][-4:]


def test_an_amendment_shows_a_viewer_neither_the_old_nor_the_new_account(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    debt = noted(staff, customer, type=DEBT, mandate=a_mandate())
    amended = stepped(staff, debt, "amend", iban="BE68539007547034")
    data = feed(served.as_("viewer"), amended["position"], customer=customer, after=debt["position"])[0]["data"]
    assert "iban" in data["fields"]
    for side in ("old", "new"):
        assert data[side]["debtor_name"]
        assert set(data[side]["iban"][4:-4]) != set(a_mandate()["iban"][4:-4])
        assert "5390" not in data[side]["iban"]


def test_a_move_and_a_link_name_both_customers_by_the_ids_of_the_library_system(served: Served) -> None:
    supervisor = served.as_("supervisor")
    wrong, right, second = (a_customer(served) for _ in range(3))
    moved = corrected(supervisor, archived(supervisor, wrong), "reassign", customer=right)
    linked = corrected(supervisor, moved, "link-customer", customer=second)
    move, link = feed(served.as_("integration"), linked["position"], customer=right)
    assert (move["data"]["customer"], move["data"]["old"]) == (right, wrong)
    assert (link["data"]["customer"], link["data"]["linked"]) == (right, second)
    of_wrong = feed(supervisor, linked["position"], customer=wrong, brief="true")
    assert types(of_wrong) == ["document-archived.v1", "document-reassigned.v1"]
    assert of_wrong[1]["data"]["customers"] == [right, wrong]
    assert types(feed(supervisor, linked["position"], customer=second)) == ["customer-linked.v1"]


def test_what_was_erased_is_absent_and_the_event_stays(served: Served) -> None:
    """Written beside the program, so that none of its processes has the key in memory."""
    staff, customer = served.as_("staff"), a_customer(served)
    with served.archive() as archive:
        outcome = archive.noting.note_authorization(a_note(customer=customer, note=SECRET), a_caller(), EVERYTHING)
    paper = outcome.recorded[0].envelope.originator_id
    served.sql("delete from keys.paper where paper = %s", [paper])
    [event] = feed(staff, outcome.position, customer=customer)
    assert event["data"]["customer"] == customer
    assert event["data"]["original_held"] is True
    assert not {*BY_TOPIC[event["type"]].sealed} & {*event["data"]}


def test_an_erased_customer_has_no_name_in_it(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    with served.archive() as archive:
        outcome = archive.noting.note_authorization(a_note(customer=customer), a_caller(), EVERYTHING)
        digest = archive.keys.keyed_digest("erased", customer.encode())
    served.sql(
        "with gone as (delete from keys.customer where customer_id = %s returning reference)"
        " insert into keys.erasure (reference, customer_digest) select reference, %s from gone",
        [customer, digest],
    )
    [event] = feed(staff, outcome.position, after=outcome.position - 1, limit=1)[:1]
    assert (event["id"], event["data"]["customer"]) == (str(outcome.position), None)
    [brief] = feed(staff, outcome.position, after=outcome.position - 1, limit=1, brief="true")[:1]
    assert brief["data"]["customers"] == []
    assert feed(staff, outcome.position, customer=customer) == []


def test_of_brief_events_nothing_is_said_but_whose_papers_they_are_about(served: Served, story: Story) -> None:
    events = told(served.as_("staff"), story, brief="true")
    assert types(events) == STORY
    kinds = ["document", "authorization", "authorization", "document", "authorization", "document", "document"]
    assert [event["data"] for event in events] == [{"kind": kind, "customers": [story.customer]} for kind in kinds]


# -- going on -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_join_without_a_gap_or_a_double(served: Served, story: Story, limit: int) -> None:
    staff = served.as_("staff")
    assert told(staff, story, limit=limit) == told(staff, story)


def test_a_page_says_where_to_go_on_and_the_last_one_that_it_is_the_last(served: Served, story: Story) -> None:
    query: dict[str, Any] = {"after": story.before, "limit": 2, "customer": story.customer}
    answer = served.as_("staff").get("/v1/events", params=query, headers=at(story.position))
    first = answer.json()
    assert first["next"] == str(first["position"]) == first["items"][-1]["id"]
    assert answer.links["next"]["url"].endswith(f"after={first['next']}")
    assert served.as_("staff").get(answer.links["next"]["url"]).json()["items"][0]["type"] == STORY[2]
    end = page(served.as_("staff"), story.position, after=story.position)
    assert end["next"] is None
    assert end["position"] >= story.position


def test_from_its_last_position_a_reader_goes_on_with_what_came_since(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    last = noted(staff, customer)["position"]
    end = page(staff, last, after=last, customer=customer)
    assert end["items"] == []
    following = noted(staff, customer)["position"]
    assert ids(page(staff, following, after=end["position"], customer=customer)["items"]) == [following]


def test_from_now_on_there_is_nothing_yet_and_a_position_to_go_on_from(served: Served) -> None:
    staff, customer = served.as_("staff"), a_customer(served)
    last = noted(staff, customer)["position"]
    now = page(staff, last, after="now", customer=customer)
    assert (now["items"], now["next"]) == ([], None)
    following = noted(staff, customer)["position"]
    assert ids(feed(staff, following, after=now["position"], customer=customer)) == [following]


def test_a_long_way_without_anything_for_a_reader_is_gone_in_steps(served: Served, story: Story) -> None:
    """One question looks at so many positions only: its answer may be empty, and go on."""
    last = served.last_position()
    served.sql(
        "select setval(pg_get_serial_sequence('archive.archive_events', 'notification_id'), %s)",
        [last + POSITIONS_MAX + 10],
    )
    staff, customer = served.as_("staff"), a_customer(served)
    far = noted(staff, customer)["position"]
    assert far > last + POSITIONS_MAX
    step = page(staff, far, after=last, customer=customer)
    assert (step["items"], step["next"]) == ([], str(last + POSITIONS_MAX))
    assert ids(feed(staff, far, after=last, customer=customer)) == [far]


def test_a_topic_is_asked_for_with_its_version_or_without(served: Served, story: Story) -> None:
    staff = served.as_("staff")
    assert types(told(staff, story, type="document-withdrawn.v1")) == ["document-withdrawn.v1"]
    assert types(told(staff, story, type="authorization-registered")) == ["authorization-registered.v2"] * 2
    both = told(staff, story, type=["identity-seen.v1", "document-archived"])
    assert types(both) == ["document-archived.v1", "identity-seen.v1"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"after": "-1"}, "/query/after"),
        ({"after": "soon"}, "/query/after"),
        ({"after": "9" * 19}, "/query/after"),
        ({"after": "9" * 18}, "/query/after"),
        ({"limit": "0"}, "/query/limit"),
        ({"limit": "201"}, "/query/limit"),
        ({"type": "document-eaten.v1"}, "/query/type"),
        ({"type": ["document-archived.v1", "document-archived.v9"]}, "/query/type"),
        ({"brief": "yes"}, "/query/brief"),
        ({"customer": ["1", "2"]}, "/query/customer"),
    ],
)
def test_a_wrong_wish_is_named(served: Served, query: dict[str, Any], pointer: str) -> None:
    assert pointers(served.as_("staff").get("/v1/events", params=query)) == {pointer}


def test_a_customer_of_whom_there_is_nothing_has_no_events(served: Served) -> None:
    for customer in (a_customer(served), "nobody-at-all"):
        assert page(served.as_("staff"), customer=customer)["items"] == []


# -- rights -------------------------------------------------------------------------------------------------------

SEEN_BY = {
    "viewer": {"letter", "debt"},
    "staff": {"letter", "debt", "health", "seen"},
    "supervisor": {"letter", "debt", "health", "seen"},
    "operator": {"letter", "debt", "health", "seen"},
    "integration": {"letter", "debt"},
}


@pytest.mark.parametrize("role", SEEN_BY)
def test_each_role_gets_the_events_of_the_papers_that_it_may_see(served: Served, story: Story, role: str) -> None:
    for query in ({}, {"brief": "true"}):
        subjects = about(told(served.as_(role), story, **query))
        assert {name for name, paper in story.papers.items() if paper in subjects} == SEEN_BY[role]


def test_a_sensitivity_can_be_taken_away_and_given(served: Served, story: Story) -> None:
    def sees(client: httpx.Client) -> bool:
        return story.health["id"] in about(told(client, story))

    assert not sees(served.as_("staff", without=("health",)))
    assert sees(served.as_("integration", granted=("health",)))
    assert sees(served.as_("viewer", granted=("health",)))


def test_a_reader_of_its_own_branch_gets_what_happened_to_the_papers_of_that_branch(
    served: Served, story: Story
) -> None:
    elsewhere = noted(served.as_("staff"), story.customer)
    own = served.as_("staff", branch=story.branch, own_branch_only=True)
    events = feed(own, elsewhere["position"], after=story.before, customer=story.customer)
    assert types(events) == STORY
    other = served.as_("staff", branch="ELSEWHERE", own_branch_only=True)
    assert feed(other, elsewhere["position"], after=story.before, customer=story.customer) == []


def test_a_paper_that_became_hidden_takes_its_whole_past_along(served: Served) -> None:
    """And brings it back. The right is that of today's type, as in the history."""
    staff, viewer, program, customer = (
        served.as_("staff"), served.as_("viewer"), served.as_("integration"), a_customer(served)
    )  # fmt: skip
    letter = archived(staff, customer)
    described = corrected(staff, letter, "describe", note="two")
    hidden = corrected(staff, described, "reclassify", type="IDENTIFICATION")
    for client in (viewer, program):
        assert feed(client, hidden["position"], customer=customer) == []
    assert len(feed(staff, hidden["position"], customer=customer)) == 3
    shown = corrected(staff, hidden, "reclassify", type="LETTER")
    for client in (viewer, program):
        assert len(feed(client, shown["position"], customer=customer)) == 4


def test_a_type_that_became_sensitive_takes_its_papers_along(served: Served) -> None:
    operator, viewer, customer = served.as_("operator"), served.as_("viewer"), a_customer(served)
    code = f"T_{secrets.token_hex(4).upper()}"
    body = {"labels": {"en": "Fine"}, "kind": "document", "sensitivity": "ordinary"}
    assert operator.put(f"/v1/document-types/{code}", json=body).status_code == 201
    item = archived(operator, customer, type=code)
    assert len(feed(viewer, item["position"], customer=customer)) == 1
    changed = operator.put(f"/v1/document-types/{code}", json={**body, "sensitivity": "health"})
    position = int(changed.headers["Archive-Position"])
    wait_until(lambda: feed(viewer, position, customer=customer) == [], 20, "it is still shown")
    assert code not in about(feed(viewer, position, type=["document-type-defined", "document-type-changed"]))


def test_who_administers_the_archive_is_told_to_operators_alone_and_by_name_alone(served: Served) -> None:
    name = f"new-{secrets.token_hex(4)}"
    token = served.new_token(name, "viewer", branch="EAST")
    served.revoke_token(name)
    last = noted(served.as_("staff"), a_customer(served))["position"]
    events = [e for e in feed(served.as_("operator"), last, type=["token-created", "token-revoked"]) if name in str(e)]
    assert types(events) == ["token-created.v1", "token-revoked.v1"]
    assert [(e["subject"], e["data"]) for e in events] == [
        (name, {"name": name, "actor": "system", "branch": events[0]["data"]["branch"]}),
    ] * 2
    assert token not in str(events)
    for role in ("viewer", "staff", "supervisor", "integration"):
        assert feed(served.as_(role), last, type=["token-created", "token-revoked"]) == []


def test_scan_sessions_are_told_to_the_desk_of_their_branch_without_what_was_on_the_pages(served: Served) -> None:
    branch, code = f"B{secrets.token_hex(4).upper()}", f"CANARY{secrets.token_hex(6).upper()}"
    desk = served.as_("staff", branch=branch)
    session = filled(desk, a_code_page(code))
    last = noted(desk, a_customer(served))["position"]

    def seen(client: httpx.Client) -> list[Event]:
        return [e for e in feed(client, last, type=["scan-started", "page-captured"]) if e["subject"] == session["id"]]

    for client in (desk, served.as_("staff"), served.as_("operator"), served.as_("supervisor")):
        events = seen(client)
        assert types(events) == ["scan-started.v1", "page-captured.v2"]
        assert events[1]["data"]["n"] == 1
        assert code not in str(events)
        assert not {*BY_TOPIC["page-captured.v2"].sealed} & {*events[1]["data"]}
    for client in (
        served.as_("staff", branch="ELSEWHERE"), served.as_("viewer"), served.as_("integration"),
    ):  # fmt: skip
        assert seen(client) == []


# -- the access log -----------------------------------------------------------------------------------------------


def reads_of(served: Served, actor: str) -> list[tuple[str, str | None]]:
    return [(line["action"], line["customer"]) for line in access_lines(served, actor, "supervisor")]


def test_who_is_told_what_events_say_stands_in_the_access_log(served: Served, story: Story) -> None:
    actor = f"reader-{secrets.token_hex(4)}"
    client = served.client(served.new_token(actor, "viewer"))
    page(client, story.position, after=story.before)
    page(client, story.position, after=story.before, customer=story.customer)
    assert reads_of(served, actor) == [("history", story.customer), ("history", None)]


def test_who_is_told_nothing_of_that_kind_does_not(served: Served, story: Story) -> None:
    viewer, program = f"reader-{secrets.token_hex(4)}", f"program-{secrets.token_hex(4)}"
    client = served.client(served.new_token(viewer, "viewer"))
    page(client, story.position, after=story.before, brief="true")
    page(client, story.position, after=story.before, customer="nobody-at-all")
    page(client, type="document-type-defined")
    page(served.client(served.new_token(program, "integration")), story.position, after=story.before)
    assert reads_of(served, viewer) == reads_of(served, program) == []


# -- while others write -------------------------------------------------------------------------------------------


def writing(served: Served, customer: str, *, each: int) -> list[int]:
    """The positions of what WRITERS at once do for a customer. All describe one letter as well, so that positions are
    drawn and given up again."""
    staff = served.as_("staff")
    letter = archived(staff, customer)

    def write(n: int) -> Iterator[int]:
        for turn in range(each):
            yield noted(staff, customer)["position"]
            answer = correct(staff, letter["id"], "describe", "*", note=f"{n} {turn}", reason="another word")
            if answer.is_success:
                yield answer.json()["position"]

    with ThreadPoolExecutor(WRITERS) as pool:
        return sorted(position for made in pool.map(lambda n: list(write(n)), range(WRITERS)) for position in made)


def test_beside_writers_no_event_is_passed_over_and_none_comes_later_below_one_given_out(served: Served) -> None:
    program, customer = served.as_("integration"), a_customer(served)
    after = served.last_position()
    got: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(writing, served, customer, each=12)
        while not working.done():
            found = page(program, after=after)
            got += [int(event["id"]) for event in found["items"]]
            after = found["position"]
        written = working.result()
    found = page(program, written[-1], after=after)
    got += [int(event["id"]) for event in found["items"]]
    assert got == sorted(set(got))
    assert set(written) <= set(got)
