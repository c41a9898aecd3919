"""Any history: live views = a replay from zero = a rebuild, and the past reads as it read when it was the present."""

import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, get_args
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection

from domain.authorization import AuthorizationEvent, Lapse, decide, fold
from domain.customer_file import CustomerFileEvent
from domain.document import DocumentEvent
from domain.envelope import Recorded
from domain.refusals import PaperDestroyed
from projections import audit_history, authorizations, customer_documents, follow, moments, shadow
from projections.audit_history import HistoryFilters
from projections.customer_documents import Item
from projections.customer_documents.items import Verification
from projections.rebuild import rebuild, replay
from projections.view import Fold, RowChanges, RowVersion, View
from projections.views import VIEWS, table_of
from tests.builders.memory import MemoryArchive
from tests.views.clerk import Clerk, Shown
from tests.views.desk import EVERYTHING, Desk, following, shown

SHORT = [pytest.param(seed, 60, id=str(seed)) for seed in range(4)]
LONG = [pytest.param(seed, 400, id=f"long-{seed}", marks=pytest.mark.long) for seed in range(100, 130)]
ROUNDS = 6
Answers = dict[object, Any]


def test_a_clerk_does_everything_that_there_is_to_do() -> None:
    """With papers; else the properties below would hold of less than they say."""
    memory: Any = MemoryArchive()
    clerk = Clerk(Desk("", memory.log, memory.keys), 0)
    wanted = {
        event.topic.rpartition(".")[0] for event in get_args(DocumentEvent | AuthorizationEvent | CustomerFileEvent)
    }
    for _ in range(100):
        clerk.work(10)
        clerk.sleep()
        wanted -= {action for shown in clerk.papers.values() for action in shown.actions} | clerk.reported
        if not wanted:
            return
    raise AssertionError(f"never done: {wanted}")


@pytest.mark.parametrize(("seed", "commands"), SHORT + LONG)
def test_any_history_reads_the_same_live_replayed_rebuilt_and_later(desk: Desk, seed: int, commands: int) -> None:
    """Edge case 23. Also by the moment at which it was read, and after a rebuild of all views."""
    clerk, read_then = Clerk(desk, seed), list[Then]()
    for _ in range(ROUNDS):
        clerk.work(commands // ROUNDS)
        clerk.sleep()
        position = desk.follow()
        read_then.append(Then(position, now(desk), everything(desk, clerk, None)))
        assert_shows_what_was_done(desk, clerk, read_then[-1].answers)
        assert_due_is_what_the_calendar_ends(desk, clerk)
    assert clerk.refused < commands * 0.6
    live = digests(desk)
    assert_made_again_alike(desk, live, clerk.chance)
    assert_reads_as_it_did(desk, clerk, read_then)
    assert [r.identical for r in rebuild(desk.url, desk.log)] == [True] * len(VIEWS)
    assert digests(desk) == live
    assert_reads_as_it_did(desk, clerk, read_then[::2])


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


class Then(NamedTuple):
    """What was read, where the views stood, and when."""

    position: int
    moment: datetime
    answers: Answers


def now(desk: Desk) -> datetime:
    """By the clock of the log, a moment after its last event and before the next."""
    time.sleep(0.002)
    ((moment,),) = desk.rows("select date_trunc('milliseconds', clock_timestamp())")
    time.sleep(0.002)
    assert isinstance(moment, datetime)
    return moment


def assert_reads_as_it_did(desk: Desk, clerk: Clerk, read_then: Sequence[Then]) -> None:
    """Of a moment with nothing after it a later event could change the answer, so that one is not asked for."""
    for then in read_then:
        instant = desk.ask(lambda conn, at=then.moment: moments.position_at(conn, at))  # type: ignore[misc]  # bound here
        assert instant.position == then.position
        later = everything(desk, clerk, then.position)
        assert {asked: later[asked] for asked in then.answers} == without_destroyed(then.answers, clerk)


def without_destroyed(answers: Answers, clerk: Clerk) -> Answers:
    """What is still said of papers that were destroyed later."""
    gone = {paper for paper, shown in clerk.papers.items() if shown.status == "destroyed"}

    def redact(answer: Any) -> Any:
        match answer:
            case list() | tuple():
                return type(answer)(map(redact, answer))
            case audit_history.HistoryRow(subject_id=paper) if paper in gone:
                return audit_history.redact(answer)
            case customer_documents.PaperRow(id=paper) if paper in gone:
                return customer_documents.redact(answer)
            case authorizations.AuthorizationRow(id=paper) if paper in gone:
                return authorizations.redact(answer)
            case Item(id=paper) if paper in gone:
                bare = {name: None for name in customer_documents.PERSONAL if hasattr(answer, name)}
                seen = answer.verification and Verification(None, None, answer.verification.seen_on)
                return msgspec.structs.replace(answer, **bare, verification=seen)
        return answer

    return {asked: redact(answer) for asked, answer in answers.items()}


def everything(desk: Desk, clerk: Clerk, as_of: int | None) -> Answers:
    """All lists, single papers, authorizations and histories that there are to ask for."""
    owners = [desk.keys.owner_of(customer) for customer in clerk.customers]
    references = [owner.reference for owner in owners if not owner.fresh]

    async def ask(conn: AsyncConnection[Any]) -> Answers:
        found: Answers = {"history": await history(conn, as_of, HistoryFilters())}
        for customer in references:
            found[customer] = (
                await listed(conn, customer, as_of),
                await history(conn, as_of, HistoryFilters(customer=customer)),
            )
        for paper in clerk.papers:
            found[paper] = *await single(conn, paper, as_of), await history(conn, as_of, HistoryFilters(subject=paper))
        return found

    return desk.ask(ask)


async def listed(conn: AsyncConnection[Any], customer: UUID, as_of: int | None) -> list[Any]:
    filters = customer_documents.PaperFilters()
    page = await customer_documents.fetch_page(conn, customer, EVERYTHING, filters, as_of=as_of, limit=1_000)
    return [shown(row) for row in page.rows]


async def single(conn: AsyncConnection[Any], paper: UUID, as_of: int | None) -> tuple[Any, Any]:
    found = await customer_documents.find_paper(conn, paper, EVERYTHING, as_of=as_of)
    authorization, _ = await authorizations.find_authorization(conn, paper, EVERYTHING, as_of=as_of)
    return undated(found.row), undated(authorization)


async def history(
    conn: AsyncConnection[Any], as_of: int | None, filters: HistoryFilters
) -> list[audit_history.HistoryRow]:
    page = await audit_history.fetch_page(conn, filters, EVERYTHING, operations=True, as_of=as_of, limit=5_000)
    return page.rows


def undated(row: RowVersion | None) -> RowVersion | None:
    """Without how long it held: nobody is shown that, and it comes later."""
    return row and msgspec.structs.replace(row, to_position=None)


# -- what was done ----------------------------------------------------------------------------------------------


def assert_shows_what_was_done(desk: Desk, clerk: Clerk, found: Answers) -> None:
    """Against what the clerk kept by hand, newest first."""
    for customer in clerk.customers:
        expected = [(p, line(clerk, s)) for p, s in reversed(clerk.papers.items()) if is_listed(s, customer)]
        rows: list[Item] = found.get(desk.reference(customer), ([],))[0]
        assert [(row.id, line_of(row)) for row in rows] == expected
    for paper, kept in clerk.papers.items():
        document, authorization, actions = found[paper]
        assert document.customer == desk.reference(kept.customer)
        assert [action.action for action in reversed(actions)] == kept.actions
        assert (authorization and (authorization.status, authorization.note)) == (
            None if kept.kind == "document" else (kept.status, kept.note)
        )
        if kept.status == "destroyed" and kept.files:
            with pytest.raises(PaperDestroyed):
                contents(desk, paper)
        else:
            assert contents(desk, paper) == kept.files


def is_listed(paper: Shown, customer: str) -> bool:
    own = paper.evidence_of is None or paper.status == "withdrawn"
    return customer in paper.linked or (paper.customer == customer and own)


def line(clerk: Clerk, paper: Shown) -> tuple[object, ...]:
    """An authorization shows what is on its evidence, under its own note."""
    on = clerk.papers[paper.evidence] if paper.evidence else paper
    file = on.files[-1] if on.files else None
    return (paper.kind, paper.type, paper.status, on.source, paper.note, on.title, file, len(on.files), paper.evidence)


def line_of(row: Item) -> tuple[object, ...]:
    return (
        row.kind, row.type, row.status, row.source, row.note, row.title, row.file_name, row.content_version,
        row.evidence,
    )  # fmt: skip


def contents(desk: Desk, paper: UUID) -> list[str | None]:
    """The name of every content version, as a reader gets it."""

    async def ask(conn: AsyncConnection[Any]) -> list[str | None]:
        names: list[str | None] = []
        while file := await customer_documents.find_file(conn, paper, EVERYTHING, content_version=len(names) + 1):
            names.append(file.file_name)
        return names

    return desk.ask(ask)


def assert_due_is_what_the_calendar_ends(desk: Desk, clerk: Clerk) -> None:
    """The view against a look at every authorization, on any day to come."""
    day = clerk.today + timedelta(days=clerk.chance.choice((0, 10, 30, 400, 3_000)))
    states = {
        paper: fold(e.body for e in desk.log.load(paper)) for paper, s in clerk.papers.items() if s.kind != "document"
    }
    ends = {paper for paper, state in states.items() if state and decide(state, Lapse(day))}
    with psycopg.connect(desk.url, autocommit=True) as conn:
        assert {*authorizations.list_due(conn, day, 1_000)} == ends


# -- made again -------------------------------------------------------------------------------------------------


def digests(desk: Desk) -> list[bytes]:
    last = desk.log.last_position()
    with psycopg.connect(desk.url, autocommit=True) as conn:
        return [shadow.digest_rows(conn, view, table_of(view), last) for view in VIEWS.values()]


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

    def add_event(self, recorded: Recorded[Any], as_of: datetime) -> None:
        if self._chance.random() < 0.1:
            raise psycopg.OperationalError("the connection is lost")
        self._fold.add_event(recorded, as_of)

    def take_rows(self, last: Mapping[UUID, int] | None = None) -> RowChanges:
        return self._fold.take_rows(last)

    @property
    def pending_count(self) -> int:
        return self._fold.pending_count


def stumbling(chance: random.Random) -> dict[str, View]:
    def of(view: View) -> View:
        return msgspec.structs.replace(view, fold=lambda stored: Stumbling(view.fold(stored), chance))

    return {name: of(view) for name, view in VIEWS.items()}
