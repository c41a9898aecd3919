"""Any history: live views = a replay from zero = a rebuild, and the past reads as it read when it was the present."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection

from domain.envelope import Recorded
from projections import audit_history, authorizations, customer_documents, follow, shadow
from projections.audit_history import Filters
from projections.rebuild import rebuild, replay
from projections.view import Fold, RowVersion, Taken, View
from projections.views import VIEWS, table_of
from tests.views.clerk import Clerk, Shown
from tests.views.desk import EVERYTHING, Desk, following, shown

SHORT = [pytest.param(seed, 60, id=str(seed)) for seed in range(4)]
LONG = [pytest.param(seed, 400, id=f"long-{seed}", marks=pytest.mark.long) for seed in range(100, 130)]
Answers = dict[object, Any]


@pytest.mark.parametrize(("seed", "commands"), SHORT + LONG)
def test_any_history_reads_the_same_live_replayed_rebuilt_and_later(desk: Desk, seed: int, commands: int) -> None:
    clerk, read_then = Clerk(desk, seed), dict[int, Answers]()
    for _ in range(6):
        clerk.work(commands // 6)
        position = desk.follow()
        read_then[position] = everything(desk, clerk, None)
        assert_lists_what_was_done(desk, clerk)
    assert clerk.refused < commands / 2
    live = digests(desk)
    assert_made_again_alike(desk, live, clerk.chance)
    assert [r.identical for r in rebuild(desk.url, desk.log)] == [True, True, True]
    assert digests(desk) == live
    for position, answers in read_then.items():
        later = everything(desk, clerk, position)
        assert {asked: later[asked] for asked in answers} == answers


@pytest.mark.parametrize(("seed", "commands"), SHORT + LONG)
def test_a_follower_that_stumbles_anywhere_leaves_no_gap_and_no_double(
    desk: Desk, seed: int, commands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small pages, and a connection that is lost between any two events of one, in any of the views."""
    clerk, chance, restarts = Clerk(desk, seed), random.Random(seed), 0
    monkeypatch.setattr(follow, "PAGE", chance.randrange(1, 8))
    monkeypatch.setattr(follow, "BACK_OFF_SECONDS", (0.001, 0.01))
    for _ in range(2):
        with following(desk, views=stumbling(chance)) as follower:
            clerk.work(commands // 2)
            desk.wait_until(desk.log.last_position(), seconds=60)
        restarts += follower.state.restarts
    assert restarts > 0
    assert desk.parked() == []
    assert_made_again_alike(desk, digests(desk), chance)


# -- what is seen -----------------------------------------------------------------------------------------------


def everything(desk: Desk, clerk: Clerk, as_of: int | None) -> Answers:
    """All lists, single papers, authorizations and histories that there are to ask for."""
    references = [desk.reference(customer) for customer in {shown.customer for shown in clerk.papers.values()}]
    papers = [*clerk.papers, *(shown.evidence for shown in clerk.papers.values() if shown.evidence)]

    async def ask(conn: AsyncConnection[Any]) -> Answers:
        found: Answers = {"history": await history(conn, as_of, Filters())}
        for customer in references:
            found[customer] = (
                await listed(conn, customer, as_of),
                await history(conn, as_of, Filters(customer=customer)),
            )
        for paper in papers:
            found[paper] = *await single(conn, paper, as_of), await history(conn, as_of, Filters(subject=paper))
        return found

    return desk.ask(ask)


async def listed(conn: AsyncConnection[Any], customer: UUID, as_of: int | None) -> list[Any]:
    filters = customer_documents.Filters()
    page = await customer_documents.page(conn, customer, EVERYTHING, filters, as_of=as_of, limit=1_000)
    return [shown(row) for row in page.rows]


async def single(conn: AsyncConnection[Any], paper: UUID, as_of: int | None) -> tuple[Any, Any]:
    document, _ = await customer_documents.one(conn, paper, EVERYTHING, as_of=as_of)
    authorization, _ = await authorizations.one(conn, paper, EVERYTHING, as_of=as_of)
    return undated(document), undated(authorization)


async def history(conn: AsyncConnection[Any], as_of: int | None, filters: Filters) -> list[audit_history.Row]:
    page = await audit_history.page(conn, filters, EVERYTHING, operations=True, as_of=as_of, limit=5_000)
    return page.rows


def undated(row: RowVersion | None) -> RowVersion | None:
    """Without how long it held: nobody is shown that, and it comes later."""
    return row and msgspec.structs.replace(row, to_position=None)


def assert_lists_what_was_done(desk: Desk, clerk: Clerk) -> None:
    """Against what the clerk kept by hand, newest first."""
    found = everything(desk, clerk, None)
    for customer in clerk.customers:
        expected = [(p, s) for p, s in reversed(clerk.papers.items()) if s.customer == customer]
        rows = found.get(desk.reference(customer), ([],))[0]
        assert [(row.id, line(customer, row, found[row.id][-1])) for row in rows] == expected


def line(customer: str, row: customer_documents.Item, actions: Sequence[audit_history.Row]) -> Shown:
    done = [action.action for action in reversed(actions)]
    return Shown(customer, row.kind, row.type, row.status, row.source, row.note, done, row.evidence)


# -- made again -------------------------------------------------------------------------------------------------


def digests(desk: Desk) -> list[bytes]:
    last = desk.log.last_position()
    with psycopg.connect(desk.url, autocommit=True) as conn:
        return [shadow.digest(conn, view, table_of(view), last) for view in VIEWS.values()]


def assert_made_again_alike(desk: Desk, live: list[bytes], chance: random.Random) -> None:
    """From zero, up to anywhere and from anywhere on; the live views stay as they are."""
    last = desk.log.last_position()
    for first, until in ((0, None), (0, chance.randrange(last)), (chance.randrange(1, last), None)):
        found = replay(desk.url, desk.log, from_position=first, to_position=until)
        assert [(r.view, r.identical, r.differences) for r in found] == [(view, True, []) for view in VIEWS]
    assert digests(desk) == live


# -- a follower that stumbles -----------------------------------------------------------------------------------


class Stumbling:
    """A fold that now and then finds the connection lost."""

    def __init__(self, fold: Fold, chance: random.Random) -> None:
        self._fold, self._chance = fold, chance

    def add(self, recorded: Recorded[Any], as_of: datetime) -> None:
        if self._chance.random() < 0.1:
            raise psycopg.OperationalError("the connection is lost")
        self._fold.add(recorded, as_of)

    def take(self, last: Mapping[UUID, int] | None = None) -> Taken:
        return self._fold.take(last)

    @property
    def pending(self) -> int:
        return self._fold.pending


def stumbling(chance: random.Random) -> dict[str, View]:
    def of(view: View) -> View:
        return msgspec.structs.replace(view, fold=lambda stored: Stumbling(view.fold(stored), chance))

    return {name: of(view) for name, view in VIEWS.items()}
