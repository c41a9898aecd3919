"""As of a moment in the past (E6): every answer is the one that a caller got then, by position and by time.

A desk works at random, and after each step all that can be read of its papers is kept. Later, and again after the views
were made anew from the log, the same is asked as of each step.
"""

import json
import random
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.http.desk import (
    DEBT,
    IBANS,
    a_customer,
    a_letter,
    a_mandate,
    an_iban,
    at,
    correct,
    hand_in,
    issue,
    no_upload,
    replace,
    select_file,
    step,
)
from tests.http.served import Served, serving
from tests.service.program import command, environment

STEPS, STEPS_LONG = 15, 40
READERS = ("staff", "viewer")
MASKED = "/authorizations/"  # what the two are told differently
# Where an answer tells how things are now and not how they were: where the views stand.
OF_TODAY = ("position",)
Answer = tuple[int, Any]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


class Desk:
    """Two customers, and whatever came of them. Each step may be refused: then nothing happened."""

    def __init__(self, served: Served, chance: random.Random) -> None:
        self.client, self.chance = served.as_("supervisor"), chance
        self.customers = [a_customer(served), a_customer(served)]
        self.codes: list[str] = []
        self.documents: list[str] = []
        self.statements: list[str] = []
        self.externals: list[str] = []
        self.position = 0

    def act(self) -> int:
        """One step that was taken and changed something; its position."""
        while True:
            answer = self.chance.choice(self.steps())()
            assert answer.is_success or answer.status_code in (409, 422), answer.text
            if answer.is_success and (position := int(answer.headers["Archive-Position"])) > self.position:
                self.learn(answer.json())
                self.position = position
                return position

    def learn(self, told: dict[str, Any]) -> None:
        item = told.get("authorization", told)
        known = self.documents if item["kind"] == "document" else self.statements
        known += [item["id"]] if item["id"] not in known else []
        self.documents += [item["evidence"]] if item["evidence"] and item["evidence"] not in self.documents else []
        self.codes += [told["scan_code"]] if "form" in told else []

    def steps(self) -> list[Callable[[], httpx.Response]]:
        first = [self.issue, self.file, self.note]
        return [
            *first,
            *([self.hand_in, self.hand_in, self.sign] if self.codes else []),
            *([self.correct, self.correct, self.move, self.replace] if self.documents else []),
            *([self.live, self.live, self.move_statement] if self.statements else []),
        ]

    # -- steps ------------------------------------------------------------------------------------------------

    def customer(self) -> str:
        return self.chance.choice(self.customers)

    def external(self) -> str | None:
        """Now and then the caller gives a paper its own id."""
        if self.chance.random() < 0.5:
            return None
        self.externals.append(secrets.token_hex(6))
        return self.externals[-1]

    def issue(self) -> httpx.Response:
        return issue(self.client, self.customer(), type=DEBT, mandate={"iban": an_iban()}, external_id=self.external())

    def file(self) -> httpx.Response:
        kind = self.chance.choice(["LETTER", "FORM", "GUARDIAN_CONSENT"])
        return select_file(
            self.client, self.customer(), a_letter(), type=kind, note=self.word(), external_id=self.external()
        )

    def note(self) -> httpx.Response:
        mandate = a_mandate(iban=self.chance.choice(IBANS))
        return no_upload(self.client, self.customer(), type=DEBT, mandate=mandate, external_id=self.external())

    def hand_in(self) -> httpx.Response:
        return hand_in(self.client, self.chance.choice(self.codes))

    def sign(self) -> httpx.Response:
        return no_upload(self.client, None, type=None, scan_code=self.chance.choice(self.codes), note=self.word())

    def correct(self) -> httpx.Response:
        verb, body = self.chance.choice(
            [("describe", {"note": self.word()}), ("describe", {"title": self.word()}), ("withdraw", {}),
             ("restore", {}), ("reclassify", {"type": self.chance.choice(["LETTER", "FORM"])})]
        )  # fmt: skip
        return correct(self.client, self.chance.choice(self.documents), verb, "*", reason=self.word(), **body)

    def move(self) -> httpx.Response:
        verb = self.chance.choice(["reassign", "link-customer", "unlink-customer"])
        paper = self.chance.choice(self.documents)
        return correct(self.client, paper, verb, "*", customer=self.customer(), reason=self.word())

    def move_statement(self) -> httpx.Response:
        paper = self.chance.choice(self.statements)
        return step(self.client, paper, "reassign", "*", customer=self.customer(), reason=self.word())

    def replace(self) -> httpx.Response:
        return replace(self.client, self.chance.choice(self.documents), a_letter(), "*", name=f"{self.word()}.pdf")

    def live(self) -> httpx.Response:
        collected = {"presented_on": "2026-02-01", "due_on": "2026-02-06", "outcome": "paid"}
        reason = {"reason": self.word()}
        verb, body = self.chance.choice(
            [("amend", {"iban": an_iban(), **reason}), ("amend", {"debtor_name": self.word(), **reason}),
             ("suspend", reason), ("resume", reason), ("cancel", reason), ("reinstate", reason),
             ("withdraw", reason),
             ("collections", collected),
             ("revoke", {"received_on": "2026-02-01", **reason}),
             ("supersede", {"by": self.chance.choice(self.statements), **reason})]
        )  # fmt: skip
        return step(self.client, self.chance.choice(self.statements), verb, "*", **body)  # type: ignore[arg-type]  # no headers

    def word(self) -> str:
        return f"w{self.chance.randrange(10**6)}"

    # -- what can be read ---------------------------------------------------------------------------------------

    def addresses(self) -> Iterator[str]:
        for customer in self.customers:
            yield f"/v1/customers/{customer}/documents?limit=200"
            yield f"/v1/customers/{customer}/documents?status=active"
            yield f"/v1/customers/{customer}/history?limit=200"
        for room, papers in (("documents", self.documents), ("authorizations", self.statements)):
            for paper in papers:
                yield f"/v1/{room}/{paper}"
                yield f"/v1/{room}/{paper}/history"
            for external in self.externals:
                yield f"/v1/{room}?external_id={external}"


Seen = dict[tuple[str, str], Answer]


def look(served: Served, addresses: list[str], position: int, as_of: str | int | None = None) -> Seen:
    """Every answer by reader and address."""
    seen = {}
    for address in addresses:
        url = httpx.URL(address).copy_merge_params({} if as_of is None else {"as_of": as_of})
        for reader in READERS if MASKED in address else READERS[:1]:
            answer = served.as_(reader).get(url, headers=at(position))
            seen[reader, address] = (answer.status_code, told(answer))
    return seen


def told(answer: httpx.Response) -> Any:
    """Its items, or itself; nothing of a refusal but that it is one."""
    if not answer.is_success:
        return None
    return {name: value for name, value in answer.json().items() if name not in OF_TODAY}


def recorded_at(served: Served, position: int) -> datetime:
    found = "select recorded_at from archive.archive_events where notification_id = %s"
    moment: datetime = served.sql(found, [position])[0][0]
    return moment.astimezone(UTC)


def shown(moment: datetime) -> str:
    """As the archive shows it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Past:
    """What was seen after each step, and when that was."""

    def __init__(self, served: Served, seed: int, steps: int) -> None:
        self.served = served
        self.desk = Desk(served, random.Random(seed))
        self.moments: list[tuple[int, datetime, Seen]] = []
        for _ in range(steps):
            position = self.desk.act()
            seen = look(served, list(self.desk.addresses()), position)
            self.moments.append((position, recorded_at(served, position), seen))

    def compare_by_position(self) -> None:
        for position, _, seen in self.moments:
            self.same(seen, look(self.served, self.of(seen), self.desk.position, position), f"position {position}")

    def compare_by_time(self) -> None:
        for n, (_, moment, seen) in enumerate(self.moments):
            following = self.moments[n + 1][1] if n + 1 < len(self.moments) else None
            if moment != following:
                now = look(self.served, self.of(seen), self.desk.position, shown(moment))
                self.same(seen, now, shown(moment))

    def of(self, seen: Seen) -> list[str]:
        return list(dict.fromkeys(address for _, address in seen))

    def same(self, seen: Seen, now: Seen, as_of: str) -> None:
        for key, answer in seen.items():
            assert now[key] == answer, f"as of {as_of}, {key}: {json.dumps([answer, now[key]], indent=1)}"


def rebuilt(served: Served) -> None:
    """All views made anew from the log, and the same as before."""
    ended = command("projection", "rebuild", "--json", env=environment(served.home, served.database_url))
    assert ended.code == 0, ended.err
    assert '"identical":true' in ended.out.replace(" ", "")
    assert '"identical":false' not in ended.out.replace(" ", "")


def test_every_answer_of_the_past_is_given_again_by_position_and_by_time(served: Served) -> None:
    past = Past(served, 7, STEPS)
    assert len({action for *_, seen in past.moments for action in actions(seen)}) > 8, "it went too quietly"
    past.compare_by_position()
    past.compare_by_time()
    rebuilt(served)


def actions(seen: Seen) -> set[str]:
    histories = [answer for (_, address), (_, answer) in seen.items() if "/history" in address and answer]
    return {item["action"] for answer in histories for item in answer["items"]}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_many_answers_of_the_past_are_given_again(served: Served, seed: int) -> None:
    past = Past(served, seed, STEPS_LONG)
    past.compare_by_position()
    past.compare_by_time()
    rebuilt(served)
    past.compare_by_position()


def test_before_it_was_there_is_nothing_of_a_paper(served: Served) -> None:
    desk = served.as_("staff")
    customer = a_customer(served)
    before = int(issue(desk, customer).headers["Archive-Position"])
    made = issue(desk, customer).json()
    statement = made["authorization"]["id"]
    for as_of in (before, 0):
        answer = desk.get(f"/v1/authorizations/{statement}?as_of={as_of}", headers=at(made["position"]))
        assert answer.status_code == 404
    history = desk.get(f"/v1/authorizations/{statement}/history?as_of={before}").json()
    assert history["items"] == []
    assert desk.get(f"/v1/authorizations/{statement}?as_of={made['position']}").json()["status"] == "issued"


def test_whom_a_moved_paper_belonged_to_is_told_as_it_was(served: Served) -> None:
    boss = served.as_("supervisor")
    wrong, right = a_customer(served), a_customer(served)
    item = select_file(boss, wrong, a_letter(), type="GUARDIAN_CONSENT").json()
    moved = step(boss, item["id"], "reassign", "*", customer=right, reason="a slip").json()
    for room, paper in (("documents", item["evidence"]), ("authorizations", item["id"])):
        address = f"/v1/{room}/{paper}"
        now = boss.get(address, headers=at(moved["position"])).json()
        then = boss.get(f"{address}?as_of={item['position']}").json()
        assert (now["customer"], then["customer"]) == (right, wrong)
