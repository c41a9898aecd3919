"""The life of an authorization over HTTP (docs/domain.md G7, §6): each step, who may take it, what it leaves behind."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest

from tests.http.desk import (
    CONSENT,
    DEBT,
    IBANS,
    a_customer,
    a_mandate,
    an_iban,
    archived,
    at,
    check,
    debt_issued,
    issued,
    item_of,
    noted,
    pointers,
    problem_of,
    step,
    stepped,
    view,
    wrongly_lapsed,
)
from tests.http.served import Served, wait_until

LOOK_SECONDS_MAX = 40
SAME_BANK = ("NL91ABNA0417164300", "NL02ABNA0123456789")


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture
def today(served: Served) -> date:
    return datetime.now(ZoneInfo(served.settings.timezone)).date()


def a_debt(served: Served, customer: str | None = None, **mandate: Any) -> dict[str, Any]:
    """A mandate in force, noted without a file, for an account that nobody else has."""
    given = a_mandate(**{"iban": an_iban(), **mandate})
    return noted(served.as_("staff"), customer or a_customer(served), type=DEBT, mandate=given)


def read(client: httpx.Client, item: dict[str, Any], **query: Any) -> dict[str, Any]:
    return item_of(client.get(f"/v1/authorizations/{item['id']}", params=query, headers=at(item["position"])))


def history(client: httpx.Client, item: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/authorizations/{item['id']}/history", headers=at(item["position"]))
    items: list[dict[str, Any]] = item_of(answer)["items"]
    return items


# -- each step ----------------------------------------------------------------------------------------------------


class Step(msgspec.Struct, frozen=True):
    """A step with its body, what stands in the list afterwards, and what the history tells of it."""

    verb: str
    body: dict[str, Any]
    status: str
    action: str
    before: dict[str, Any]
    after: dict[str, Any]


TODAY = "today"
PRESENTED = {"presented_on": "2026-02-01", "due_on": "2026-02-06", "outcome": "paid", "reference": "R 7"}
STEPS = {
    s.verb: s
    for s in (
        Step("amend", {"debtor_name": "K. de Vries"}, "active", "mandate-amended", {"debtor_name": "J. de Vries"},
             {"debtor_name": "K. de Vries"}),
        Step("suspend", {}, "suspended", "authorization-suspended", {"status": "active"},
             {"status": "suspended", "on": TODAY}),
        Step("resume", {}, "active", "authorization-resumed", {"status": "suspended"},
             {"status": "active", "on": TODAY}),
        Step("reinstate", {}, "active", "authorization-reinstated", {"status": "expired"}, {"status": "active"}),
        Step("revoke", {"received_on": "2026-02-03"}, "revoked", "authorization-revoked", {"status": "active"},
             {"status": "revoked", "received_on": "2026-02-03", "effective_on": "2026-02-03"}),
        Step("supersede", {"by": "another"}, "superseded", "authorization-superseded", {"status": "active"},
             {"status": "superseded", "on": TODAY, "by": "another"}),
        Step("cancel", {}, "cancelled", "authorization-cancelled", {"status": "issued"},
             {"status": "cancelled", "on": TODAY}),
        Step("withdraw", {}, "cancelled", "note-withdrawn", {"status": "active", "original_held": True},
             {"status": "cancelled", "original_held": False}),
        Step("collections", PRESENTED, "active", "collection-reported", {}, PRESENTED),
    )
}  # fmt: skip


def ready_for(served: Served, verb: str) -> dict[str, Any]:
    """An authorization in the state that the step begins from."""
    if verb == "cancel":
        made = debt_issued(served.as_("staff"), a_customer(served))
        return {**made["authorization"], "position": made["position"]}
    item = a_debt(served)
    if verb == "reinstate":
        return wrongly_lapsed(served, item)
    return stepped(served.as_("staff"), item, "suspend") if verb == "resume" else item


def body_of(served: Served, verb: str, item: dict[str, Any]) -> dict[str, Any]:
    body = {**STEPS[verb].body, **({} if verb == "collections" else {"reason": "the customer wrote"})}
    if verb == "supersede":
        body["by"] = a_debt(served, item["customer"])["id"]
    return body


@pytest.mark.parametrize("verb", STEPS)
def test_a_step_is_taken_told_and_remembered_with_who_why_and_where(served: Served, verb: str) -> None:
    desk, item = served.as_("staff", branch="WEST"), ready_for(served, verb)
    body = body_of(served, verb, item)
    answer = step(desk, item["id"], verb, item["version"], **body)
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert changed["status"] == STEPS[verb].status
    assert changed["version"] == item["version"] + 1
    assert answer.headers["ETag"] == f'"{changed["version"]}"'
    assert answer.headers["Archive-Position"] == str(changed["position"])
    [row] = [r for r in view(desk, item["customer"], changed["position"]) if r["id"] == item["id"]]
    assert row == {name: value for name, value in changed.items() if name not in ("customer", "position")}
    last = history(desk, changed)[0]
    assert last["action"] == STEPS[verb].action
    assert last["position"] == changed["position"]
    assert (last["reason"], last["branch"]) == (body.get("reason"), "WEST")
    assert last["actor"].startswith("staff-")
    known = {TODAY: last["after"].get("on"), "another": body.get("by")}
    assert last["before"] == STEPS[verb].before
    assert last["after"] == {name: known.get(value, value) for name, value in STEPS[verb].after.items()}


@pytest.mark.parametrize("verb", STEPS)
def test_a_step_says_which_version_it_read(served: Served, staff: httpx.Client, verb: str) -> None:
    item = ready_for(served, verb)
    body = body_of(served, verb, item)
    assert problem_of(step(staff, item["id"], verb, None, **body), 428) == "precondition-required"
    for stale in (item["version"] - 1, item["version"] + 1, f'W/"{item["version"]}"', "x", '"x"', '""'):
        answer = step(staff, item["id"], verb, stale, **body)
        assert problem_of(answer, 412) == "precondition-failed", stale
        assert f"version {item['version']}" in answer.json()["detail"]
    assert step(staff, item["id"], verb, "*", **body).status_code == 200


@pytest.mark.parametrize("verb", STEPS)
def test_a_step_sent_again_with_its_key_is_answered_as_before(served: Served, staff: httpx.Client, verb: str) -> None:
    item, key = ready_for(served, verb), {"Idempotency-Key": secrets.token_hex(8)}
    body = body_of(served, verb, item)
    first = step(staff, item["id"], verb, item["version"], key, **body)
    again = step(staff, item["id"], verb, item["version"], key, **body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["ETag"] == first.headers["ETag"]
    assert len([h for h in history(staff, first.json()) if h["action"] == STEPS[verb].action]) == 1
    other = step(
        staff,
        item["id"],
        verb,
        "*",
        key,
        **{**body, **({"reference": "R 8"} if verb == "collections" else {"reason": "x"})},
    )
    assert problem_of(other, 422) == "idempotency-key-reused"


@pytest.mark.parametrize("verb", [verb for verb in STEPS if verb != "collections"])
def test_a_step_needs_a_reason(served: Served, staff: httpx.Client, verb: str) -> None:
    """G1 to G7: every one with a reason."""
    item = ready_for(served, verb)
    body = {**body_of(served, verb, item)}
    for reason in (None, "", "   ", "\n\t", 7, "x" * 1001, "a\0b"):
        said = {**body, "reason": reason} if reason is not None else {n: v for n, v in body.items() if n != "reason"}
        assert pointers(step(staff, item["id"], verb, item["version"], **said)) == {"/reason"}, reason
    assert step(staff, item["id"], verb, item["version"], **body).status_code == 200


@pytest.mark.parametrize("verb", STEPS)
def test_a_field_that_a_step_does_not_know_is_named(served: Served, staff: httpx.Client, verb: str) -> None:
    item = ready_for(served, verb)
    answer = step(staff, item["id"], verb, item["version"], **body_of(served, verb, item), colour="red")
    assert pointers(answer) == {"/colour"}
    assert read(staff, item)["version"] == item["version"]


@pytest.mark.parametrize("verb", STEPS)
def test_what_is_not_there_or_not_to_be_seen_takes_no_step(served: Served, staff: httpx.Client, verb: str) -> None:
    """Edge case 18: hidden is absent."""
    customer = a_customer(served)
    health = noted(staff, customer, type="READING_DISABILITY", headers={"Archive-Branch": "EAST"})
    letter = archived(staff, customer)
    body = {**STEPS[verb].body, **({} if verb == "collections" else {"reason": "x"})}
    body = {**body, "by": str(uuid4())} if verb == "supersede" else body
    blind = served.as_("staff", without=("health",))
    west = served.as_("staff", branch="WEST", own_branch_only=True)
    for client, paper in (
        (staff, str(uuid4())), (staff, "no-uuid"), (staff, letter["id"]), (blind, health["id"]), (west, health["id"]),
    ):  # fmt: skip
        assert problem_of(step(client, paper, verb, "*", **body), 404) == "not-found"
    assert len(history(staff, health)) == 1


def test_two_steps_at_once_of_one_version_are_one(served: Served, staff: httpx.Client) -> None:
    item = a_debt(served)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: step(staff, item["id"], "suspend", 1, reason=f"{n}"), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    [suspended] = [answer.json() for answer in answers if answer.is_success]
    assert len(history(staff, suspended)) == 2


# -- amend --------------------------------------------------------------------------------------------------------


def test_an_amendment_keeps_old_and_new(served: Served, staff: httpx.Client) -> None:
    """docs/domain.md §6."""
    item = a_debt(served, iban=SAME_BANK[0], bic="ABNANL2A")
    amended = stepped(staff, item, "amend", iban=SAME_BANK[1], debtor_name="K. de Vries")
    mandate = read(staff, amended)["mandate"]
    assert (mandate["iban"], mandate["debtor_name"], mandate["bic"]) == (SAME_BANK[1], "K. de Vries", "ABNANL2A")
    assert mandate["sequence_type"] == "recurring", "the same bank"
    last = history(staff, amended)[0]
    assert last["before"] == {"debtor_name": "J. de Vries", "iban": SAME_BANK[0]}
    assert last["after"] == {"debtor_name": "K. de Vries", "iban": SAME_BANK[1]}


def test_a_bic_may_be_taken_away(served: Served, staff: httpx.Client) -> None:
    item = a_debt(served, bic="ABNANL2A")
    assert read(staff, stepped(staff, item, "amend", bic=None))["mandate"]["bic"] is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"bic": "ABNA"}, "/bic"),
        ({"mandate_reference": "a//b"}, "/mandate_reference"),
        ({"mandate_reference": ""}, "/mandate_reference"),
        ({"debtor_name": ""}, "/debtor_name"),
        ({"debtor_name": "x" * 71}, "/debtor_name"),
        ({"debtor_name": None}, "/debtor_name"),
        ({"iban": None}, "/iban"),
        ({"iban": 7}, "/iban"),
        ({"iban": "x" * 51}, "/iban"),
        ({"signature_date": "2026-01-01"}, "/signature_date"),
    ],
)
def test_a_wrong_amendment_is_named(served: Served, staff: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    item = a_debt(served)
    assert pointers(step(staff, item["id"], "amend", 1, reason="x", **body)) == {pointer}
    assert read(staff, item)["version"] == 1


def test_a_wrong_iban_is_refused_in_its_own_words(served: Served, staff: httpx.Client) -> None:
    answer = step(staff, a_debt(served)["id"], "amend", 1, reason="x", iban="BE68539007547035")
    assert problem_of(answer, 422) == "iban-invalid"
    good = step(staff, a_debt(served)["id"], "amend", 1, reason="x", iban="be68 5390 0754 7034")
    assert good.status_code == 200


@pytest.mark.parametrize("verb", ["amend", "collections"])
def test_what_is_no_mandate_is_neither_amended_nor_collected(served: Served, staff: httpx.Client, verb: str) -> None:
    item = noted(staff, a_customer(served))
    assert pointers(step(staff, item["id"], verb, 1, **body_of(served, verb, item))) == {""}


# -- revoke -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/received_on"),
        ({"received_on": "2999-01-01"}, "/received_on"),
        ({"received_on": "yesterday"}, "/received_on"),
        ({"received_on": "2026-02-01", "effective_on": "31-12-2026"}, "/effective_on"),
        ({"received_on": None}, "/received_on"),
    ],
)
def test_a_wrong_day_of_a_revocation_is_named(
    served: Served, staff: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    assert pointers(step(staff, a_debt(served)["id"], "revoke", 1, reason="x", **body)) == {pointer}


@pytest.mark.parametrize(
    ("received_on", "effective_on", "status"),
    [
        ("0001-01-01", None, "revoked"),
        ("2026-02-01", "0001-01-01", "revoked"),
        ("2026-02-01", "9999-12-31", "active"),
    ],
)
def test_a_revocation_at_an_end_of_the_calendar_is_no_mistake_of_ours(
    served: Served, staff: httpx.Client, received_on: str, effective_on: str | None, status: str
) -> None:
    body = {"received_on": received_on, **({"effective_on": effective_on} if effective_on else {})}
    revoked = stepped(staff, a_debt(served), "revoke", **body)
    assert revoked["status"] == status
    assert [row["status"] for row in view(staff, revoked["customer"], revoked["position"])] == [status]
    assert read(staff, revoked)["status"] == status
    assert served.sql("select * from views.parked") == []


# -- supersede ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("successor", ["issued", "active"])
def test_a_newer_one_takes_its_place(served: Served, staff: httpx.Client, successor: str) -> None:
    customer = a_customer(served)
    item = a_debt(served, customer)
    by = a_debt(served, customer) if successor == "active" else issued(staff, customer, type=DEBT)["authorization"]
    superseded = stepped(staff, item, "supersede", by=by["id"])
    assert superseded["status"] == "superseded"
    assert history(staff, superseded)[0]["after"]["by"] == by["id"]
    assert {row["id"]: row["status"] for row in view(staff, customer, superseded["position"])} == {
        item["id"]: "superseded",
        by["id"]: successor,
    }


@pytest.mark.parametrize("by", ["x", "", 7, None, "0193f3a0", "../x"])
def test_what_is_no_id_cannot_take_its_place(served: Served, staff: httpx.Client, by: Any) -> None:
    assert pointers(step(staff, a_debt(served)["id"], "supersede", 1, reason="x", by=by)) == {"/by"}


def test_a_successor_that_the_caller_may_not_see_is_none(served: Served) -> None:
    """I12: the same words as for what is not there."""
    blind, customer = served.as_("staff", without=("health",)), a_customer(served)
    item = noted(served.as_("staff"), customer)
    hidden = noted(served.as_("staff"), customer, type="READING_DISABILITY")
    answers = [step(blind, item["id"], "supersede", 1, reason="x", by=by) for by in (hidden["id"], str(uuid4()))]
    assert pointers(answers[0]) == pointers(answers[1]) == {"/by"}
    assert answers[0].json()["errors"] == answers[1].json()["errors"]


# -- collections --------------------------------------------------------------------------------------------------


def test_a_program_reports_collections(served: Served, staff: httpx.Client) -> None:
    """docs/domain.md §6: by API only."""
    program, item = served.as_("integration"), a_debt(served)
    version = item["version"]
    for due_on, outcome in (("2026-02-06", "paid"), ("2026-03-06", "rejected"), ("2026-02-20", "returned")):
        answer = step(
            program, item["id"], "collections", version, presented_on="2026-02-01", due_on=due_on, outcome=outcome
        )
        assert answer.status_code == 200, answer.text
        version = answer.json()["version"]
    statement = read(program, answer.json())
    assert statement["collection"] == {"complete": True, "last_collection_on": "2026-03-06"}
    assert "•" in statement["mandate"]["iban"]
    told = [(h["after"]["due_on"], h["after"]["outcome"], h["actor"]) for h in history(staff, answer.json())[:3]]
    assert told == [
        ("2026-02-20", "returned", "integration"),
        ("2026-03-06", "rejected", "integration"),
        ("2026-02-06", "paid", "integration"),
    ]


@pytest.mark.parametrize("verb", [verb for verb in STEPS if verb != "collections"])
def test_a_program_takes_no_other_step(served: Served, verb: str) -> None:
    for role in ("integration", "viewer", "station"):
        assert problem_of(step(served.as_(role), a_debt(served)["id"], verb, 1), 403) == "forbidden"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"presented_on": "2999-01-01"}, "/presented_on"),
        ({"presented_on": None}, "/presented_on"),
        ({"due_on": "6 February"}, "/due_on"),
        ({"due_on": "2062-02-06"}, "/due_on"),
        ({"outcome": "lost"}, "/outcome"),
        ({"outcome": ["paid"]}, "/outcome"),
        ({"reference": "x" * 141}, "/reference"),
        ({"reference": "a\0b"}, "/reference"),
        ({"reason": "x"}, "/reason"),
    ],
)
def test_a_wrong_collection_is_named(served: Served, staff: httpx.Client, change: dict[str, Any], pointer: str) -> None:
    body: dict[str, Any] = {"presented_on": "2026-02-01", "due_on": "2026-02-06", "outcome": "paid", **change}
    assert pointers(step(staff, a_debt(served)["id"], "collections", 1, **body)) == {pointer}


def test_a_due_day_at_an_end_of_the_calendar_is_no_mistake_of_ours(served: Served, staff: httpx.Client) -> None:
    for due_on in ("2027-01-31", "0001-01-01"):
        item = a_debt(served)
        body: dict[str, Any] = {"presented_on": "2026-02-01", "due_on": due_on, "outcome": "paid"}
        collected = stepped(staff, item, "collections", **body)
        [row] = view(staff, item["customer"], collected["position"])
        assert (row["status"], row["version"]) == ("active", 2)
        assert read(staff, collected)["collection"]["last_collection_on"] == due_on
        assert stepped(staff, collected, "suspend")["status"] == "suspended"
    assert served.sql("select * from views.parked") == []


# -- the calendar -------------------------------------------------------------------------------------------------


def lapsed(client: httpx.Client, item: dict[str, Any], status: str = "expired") -> dict[str, Any]:
    """The authorization once the follower has looked at the calendar."""
    address = f"/v1/authorizations/{item['id']}"
    wait_until(lambda: client.get(address).json()["status"] == status, LOOK_SECONDS_MAX, f"it is never {status}")
    found: dict[str, Any] = client.get(address).json()
    return found


@pytest.fixture(scope="module")
def calendar(served: Served) -> dict[str, dict[str, Any]]:
    """What the follower is to find, noted at once so that it is waited for once; whom it leaves alone is in
    tests/unit/test_mandate.py."""
    staff, today = served.as_("staff"), datetime.now(ZoneInfo(served.settings.timezone)).date()
    over = today - timedelta(days=1110)
    before = (today - timedelta(days=3)).isoformat()

    def debt(signed_on: date) -> dict[str, Any]:
        mandate = a_mandate(iban=an_iban(), signature_date=signed_on.isoformat())
        return noted(staff, a_customer(served), type=DEBT, mandate=mandate)

    ended = {
        "never collected": debt(over),
        "valid until yesterday": noted(staff, a_customer(served), signed_on="2026-01-01", valid_until=before),
        "of the first year": debt(date(1, 1, 1)),
    }
    for item in ended.values():
        lapsed(staff, item)
    return ended


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("never collected", "no-collection"),
        ("of the first year", "no-collection"),
        ("valid until yesterday", "validity"),
    ],
)
def test_what_the_calendar_has_ended_is_written_down_by_the_system(
    served: Served, staff: httpx.Client, calendar: dict[str, dict[str, Any]], what: str, cause: str
) -> None:
    """docs/domain.md §6: 36 months without a collection, or its own validity."""
    item = calendar[what]
    last = history(staff, item)[0]
    assert (last["action"], last["actor"], last["branch"]) == ("authorization-expired", "system", item["branch"])
    assert last["before"] == {"status": "active"}
    assert (last["after"]["status"], last["after"]["cause"]) == ("expired", cause)
    [row] = view(staff, item["customer"])
    assert (row["status"], row["version"]) == ("expired", item["version"] + 1)


def test_what_a_wrong_clock_ended_is_again_what_it_was_in_lists_pages_checks_and_as_of(
    served: Served, staff: httpx.Client
) -> None:
    customer = a_customer(served)
    form = debt_issued(staff, customer)["authorization"]
    assert check(staff, form["scan_code"]).is_success
    ended = wrongly_lapsed(served, form)
    assert ended["status"] == "expired"
    assert problem_of(check(staff, form["scan_code"]), 409) == "authorization-not-active"
    again = stepped(staff, ended, "reinstate", reason="the server's clock was wrong")
    assert again["status"] == "issued"
    [row] = view(staff, customer, again["position"])
    assert (row["status"], row["keep_until"]) == ("issued", form["keep_until"])
    assert check(staff, form["scan_code"]).is_success
    then = read(staff, again, as_of=ended["position"])
    assert then["status"] == "expired"
    last = history(staff, again)[0]
    assert (last["action"], last["reason"]) == ("authorization-reinstated", "the server's clock was wrong")
    with served.archive() as archive:
        assert not archive.life.lapse_authorization(UUID(form["id"]))


def test_a_suspension_and_a_revocation_of_a_later_day_stand_again(served: Served, staff: httpx.Client) -> None:
    item = stepped(staff, a_debt(served), "suspend")
    later = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    item = stepped(staff, item, "revoke", received_on="2026-02-03", effective_on=later)
    ended = wrongly_lapsed(served, item)
    assert ended["status"] == "revoked"
    again = stepped(staff, ended, "reinstate")
    assert read(staff, again)["status"] == "suspended"
    [(due_on, effective_on)] = served.sql(
        "select due_on::text, revocation_effective_on::text from views.authorizations"
        " where id = %s and to_position is null",
        [item["id"]],
    )
    assert due_on == effective_on == later


# -- who sees what ------------------------------------------------------------------------------------------------


def test_an_iban_is_whole_for_who_may_amend_it_and_masked_for_all_others(served: Served, staff: httpx.Client) -> None:
    """In the authorization, and in every part of the history, before and after."""
    item = a_debt(served, iban=SAME_BANK[0])
    amended = stepped(staff, item, "amend", iban=IBANS[1])
    for role in ("viewer", "integration"):
        mandate = read(served.as_(role), amended)["mandate"]
        assert mandate["iban"].startswith("BE68")
        assert mandate["iban"].endswith("7034")
        assert set(mandate["iban"][4:-4]) == {"•"}
        past = read(served.as_(role), amended, as_of=item["position"])["mandate"]
        assert past["iban"] == "NL91••••••••••4300"
    viewer = served.as_("viewer").get(f"/v1/authorizations/{item['id']}/history").text
    customer = served.as_("viewer").get(f"/v1/customers/{item['customer']}/history").text
    for told in (viewer, customer):
        assert IBANS[1] not in told
        assert SAME_BANK[0] not in told
        assert told.count("•") >= 3 * 8
    for desk in ("staff", "supervisor", "operator"):
        assert read(served.as_(desk), amended)["mandate"]["iban"] == IBANS[1]
        assert SAME_BANK[0] in served.as_(desk).get(f"/v1/authorizations/{item['id']}/history").text


def test_the_answer_of_a_program_shows_no_iban(served: Served) -> None:
    program, item = served.as_("integration"), a_debt(served, iban=IBANS[0])
    answer = step(program, item["id"], "collections", 1, presented_on="2026-02-01", due_on="2026-02-06", outcome="paid")
    assert IBANS[0] not in answer.text


def test_staff_who_left_still_stand_in_the_history(served: Served, staff: httpx.Client) -> None:
    """Edge case 21."""
    name = f"leaver-{secrets.token_hex(4)}"
    leaver = served.client(served.new_token(name, "staff"))
    item = a_debt(served)
    suspended = stepped(leaver, item, "suspend", reason="on holiday")
    served.revoke_token(name)
    last = history(staff, suspended)[0]
    assert (last["actor"], last["reason"]) == (name, "on holiday")
    found = staff.get(f"/v1/customers/{item['customer']}/history", params={"actor": name}).json()["items"]
    assert [h["action"] for h in found] == ["authorization-suspended"]


def test_a_step_of_a_type_that_was_switched_off_is_still_taken(served: Served, staff: httpx.Client) -> None:
    """Edge case 20: what is there lives on."""
    code = f"T_{secrets.token_hex(4).upper()}"
    kind = {"labels": {"en": "Old"}, "kind": "authorization", "sensitivity": "ordinary", "sources": ["none"]}
    supervisor = served.as_("supervisor")
    assert supervisor.put(f"/v1/document-types/{code}", json=kind).status_code == 201
    item = noted(staff, a_customer(served), type=code)
    off = {**kind, "labels": {"en": "New"}, "active": False}
    assert supervisor.put(f"/v1/document-types/{code}", json=off).status_code == 200
    revoked = stepped(staff, stepped(staff, item, "suspend"), "revoke", received_on="2026-02-01")
    assert (revoked["status"], revoked["type_label"]) == ("revoked", "Old")


def test_consents_live_by_the_same_steps(served: Served, staff: httpx.Client) -> None:
    """All but amendments and collections."""
    item = noted(staff, a_customer(served), type=CONSENT)
    suspended = stepped(staff, item, "suspend")
    resumed = stepped(staff, suspended, "resume")
    by = issued(staff, item["customer"])["authorization"]
    assert stepped(staff, resumed, "supersede", by=by["id"])["status"] == "superseded"
