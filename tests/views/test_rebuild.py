"""Views made anew beside the live ones: while uploads, reads and the follower go on; compared, swapped, put back."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.document import Describe, Withdraw
from domain.refusals import NotFound, Refusal, Unavailable
from projections import customer_documents, parking, rebuild, shadow, tracking
from projections.parking import resume_view
from projections.rebuild import replay, roll_back
from projections.shadow import Difference
from projections.views import VIEWS, table_of
from tests.views.clerk import Clerk
from tests.views.crowd import fill
from tests.views.desk import CUSTOMERS, EVERYTHING, Desk, following, open_log, paper_of
from tests.views.test_follow import is_complete, parked_in, poison_the_fold, refuse_in_the_table, until


def digest(desk: Desk, view: str) -> bytes:
    with psycopg.connect(desk.url, autocommit=True) as conn:
        return shadow.digest_rows(conn, VIEWS[view], table_of(VIEWS[view]), desk.log.last_position())


def change(desk: Desk, statement: str, *bound: Any) -> None:
    with psycopg.connect(desk.url, autocommit=True) as conn:
        conn.execute(statement, bound)


def leftovers(desk: Desk) -> list[str]:
    rows = desk.rows(
        "select relname from pg_class where relname like '%%\\_shadow%%' and relnamespace = 'views'::regnamespace"
    )
    return [name for (name,) in rows]


def shape(desk: Desk) -> list[tuple[Any, ...]]:
    """Everything of the views' tables but their rows: columns, owner, rights, options, indexes."""
    return desk.rows("""
        select c.relname, c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), array(
            select a::text from unnest(c.relacl) as a order by 1
        ), c.reloptions, array(
            select row(a.attname, a.atttypid, a.attnotnull)::text
            from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 order by a.attnum
        ), pg_get_indexdef(c.oid)
        from pg_class as c
        where c.relnamespace = 'views'::regnamespace and c.relname !~ '_old'
        order by c.relname
    """)


# -- beside everything else -------------------------------------------------------------------------------------


def test_a_rebuild_beside_uploads_corrections_and_readers_loses_nothing_and_nobody_sees_it(desk: Desk) -> None:
    fill(desk, 1_500, customers=40)
    with following(desk), uploading(desk) as uploads, reading(desk, uploads) as reads:
        for _ in range(3):
            made = rebuild.rebuild(desk.url, desk.log)
            assert [(r.view, r.identical, r.different) for r in made] == [(view, True, 0) for view in VIEWS]
            assert all(r.swap_ms is not None and r.parked == [] for r in made)
            so_far = len(reads)
            until(lambda n=so_far: len(reads) > n + 2, "readers go on")  # type: ignore[misc]  # a bound lambda
    assert len(uploads) > 0
    desk.follow()
    is_complete(desk)
    assert leftovers(desk) == []


@contextmanager
def uploading(desk: Desk) -> Iterator[list[int]]:
    """Two clerks at work; gives the positions of the letters of CUSTOMERS[0] as they come in."""
    positions: list[int] = []
    stop = threading.Event()

    def work(seed: int) -> None:
        with open_log(desk.url, connections=2) as (log, keys):
            clerk = Clerk(Desk(desk.url, log, keys), seed)
            clerk.customers = CUSTOMERS[1:4]
            while not stop.is_set():
                with suppress(Refusal):  # a clerk may have switched the type off
                    positions.append(clerk.desk.letter(CUSTOMERS[0]).position)
                clerk.work(3)

    with running([lambda: work(1), lambda: work(2)], stop):
        yield positions


@contextmanager
def reading(desk: Desk, uploads: Sequence[int]) -> Iterator[list[int]]:
    """A reader of one customer's list: every answer holds all letters up to the position that it names."""
    answers: list[int] = []
    stop = threading.Event()

    async def read(conn: AsyncConnection[Any]) -> None:
        while not stop.is_set():
            known = [*uploads]
            page = await customer_documents.fetch_page(
                conn, desk.reference(), EVERYTHING, customer_documents.PaperFilters(), as_of=None, limit=5_000
            )
            assert {row.created_position for row in page.rows} >= {p for p in known if p <= page.position}
            assert page.position >= max(answers, default=0), "the list went back"
            answers.append(page.position)

    desk.letter(CUSTOMERS[0])
    with running([lambda: desk.ask(read)], stop):
        yield answers


@contextmanager
def running(threads: Sequence[Callable[[], object]], stop: threading.Event) -> Iterator[None]:
    """What a thread raises is raised here."""
    with ThreadPoolExecutor(len(threads)) as pool:
        started = [pool.submit(run) for run in threads]
        try:
            yield
        finally:
            stop.set()
        for thread in started:
            thread.result(30)


def test_what_comes_in_between_the_comparison_and_the_swap_is_compared_too(desk: Desk) -> None:
    """The last look is under the lock of the swap, at what came since."""
    desk.letter()
    desk.follow()
    compare = shadow.compare

    def meanwhile(*arguments: Any) -> Any:
        found = compare(*arguments)
        desk.letter()
        desk.follow()
        change(desk, "update views.customer_documents set branch = 'WRONG' where from_position ="
                     " (select max(from_position) from views.customer_documents)")  # fmt: skip
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shadow, "compare", meanwhile)
        (made,) = rebuild.rebuild(desk.url, desk.log, "customer_documents")
    assert (made.identical, made.different) == (False, 1)
    assert [(d.kind, d.columns) for d in made.differences] == [("changed", ["branch"])]
    assert desk.rows("select distinct branch from views.customer_documents") == [("CENTRAL",)]
    is_complete(desk)


# -- what it finds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "fault", "kind", "columns"),
    [
        ("customer_documents", "update {} set note = 'x' where note = 'n'", "changed", ["note"]),
        ("customer_documents", "delete from {} where note = 'n'", "missing in the view", None),
        ("authorizations", "update {} set mandate = mandate || '{{\"iban\": \"x\"}}'", "changed", ["mandate"]),
        ("audit_history", "update {} set after = '{{}}' where action = 'document-archived'", "changed", ["after"]),
        ("audit_history", "delete from {} where action = 'document-archived'", "missing in the view", None),
    ],
)  # fmt: skip
def test_a_row_that_is_not_what_the_log_says_is_found_and_mended(
    desk: Desk, view: str, fault: str, kind: str, columns: list[str] | None
) -> None:
    desk.letter(note="n")
    desk.mandate()
    desk.follow()
    right = digest(desk, view)
    change(desk, fault.format(f"views.{view}"))
    wrong = digest(desk, view)
    found = {r.view: r for r in replay(desk.url, desk.log)}
    assert [name for name, r in found.items() if not r.identical] == [view]
    assert digest(desk, view) == wrong != right
    (difference,) = [d for d in found[view].differences if d.kind == kind]
    assert columns is None or difference.columns == columns
    (made,) = rebuild.rebuild(desk.url, desk.log, view)
    assert (made.identical, made.differences) == (False, found[view].differences)
    assert digest(desk, view) == right


def test_of_many_differences_the_first_are_told_and_all_are_counted(desk: Desk) -> None:
    fill(desk, 400, customers=10)
    desk.follow()
    change(desk, "update views.audit_history set actor = 'nobody'")
    (found,) = replay(desk.url, desk.log, "audit_history")
    assert (len(found.differences), found.different) == (shadow.DIFFERENCES_MAX, found.events)
    assert {(d.kind, *d.columns) for d in found.differences} == {("changed", "actor")}


def test_a_replay_of_a_part_tells_of_faults_in_that_part_only(desk: Desk) -> None:
    early, late = desk.letter(), desk.letter()
    desk.follow()
    change(desk, "update views.customer_documents set branch = 'WRONG' where from_position = %s", early.position)

    def identical(**part: int) -> bool | None:
        (found,) = replay(desk.url, desk.log, "customer_documents", **part)  # type: ignore[arg-type]  # positions
        return found.identical

    assert not identical()
    assert not identical(to_position=early.position)
    assert identical(to_position=early.position - 1)
    assert identical(from_position=late.position)
    assert not identical(from_position=early.position)


# -- the swap ---------------------------------------------------------------------------------------------------


def test_the_new_table_is_like_the_old_one_in_all_but_its_rows(desk: Desk) -> None:
    fill(desk, 100, customers=5)
    desk.follow()
    change(desk, "do $$ begin create role reader_of_views nologin; exception when duplicate_object then end $$")
    change(desk, "grant select on views.customer_documents to reader_of_views")
    try:
        before = shape(desk)
        for _ in range(2):  # the second one meets the leavings of the first
            rebuild.rebuild(desk.url, desk.log)
            assert shape(desk) == before
        roll_back(desk.url, "customer_documents")
        assert shape(desk) == before
    finally:
        change(desk, "drop owned by reader_of_views")
        change(desk, "drop role reader_of_views")


def test_a_slow_reader_of_the_old_table_delays_the_swap_and_no_other_reader(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.letter()
    desk.follow()
    tried: list[None] = []
    exchange = shadow.exchange

    def counted(*arguments: Any, **more: Any) -> None:
        tried.append(None)
        exchange(*arguments, **more)

    monkeypatch.setattr(shadow, "exchange", counted)
    with psycopg.connect(desk.url) as slow:
        slow.execute("select count(*) from views.customer_documents")
        with running([lambda: rebuild.rebuild(desk.url, desk.log, "customer_documents")], threading.Event()):
            until(lambda: len(tried) > 2, "the swap was tried")
            for _ in range(20):
                assert desk.rows("select count(*) from views.customer_documents") == [(1,)]
            slow.rollback()
    assert desk.rows("select rebuilt_at is not null from views.tracking where name = 'customer_documents'") == [(True,)]
    is_complete(desk)


def test_a_swap_that_readers_never_allow_leaves_the_live_view_and_no_way_back_that_is_not_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "SWAP_TRIES", 2)
    desk.letter()
    desk.follow()
    rebuild.rebuild(desk.url, desk.log, "authorizations")
    with psycopg.connect(desk.url) as slow:
        slow.execute("select count(*) from views.authorizations")
        with pytest.raises(Unavailable):
            rebuild.rebuild(desk.url, desk.log, "authorizations")
    with pytest.raises(NotFound):  # the table of before gave way to the one that never came
        roll_back(desk.url, "authorizations")
    is_complete(desk)
    rebuild.rebuild(desk.url, desk.log, "authorizations")
    roll_back(desk.url, "authorizations")


def test_a_rebuild_that_was_broken_off_leaves_nothing_behind(desk: Desk) -> None:
    """The table beside holds clear text."""
    fill(desk, 200, customers=5)
    desk.follow()

    def break_off(*_: int) -> None:
        raise KeyboardInterrupt

    for attempt in (rebuild.rebuild, replay):
        with pytest.raises(KeyboardInterrupt):
            attempt(desk.url, desk.log, progress=break_off)
        assert leftovers(desk) == []
    is_complete(desk)


def test_what_a_killed_rebuild_left_is_no_hindrance(desk: Desk) -> None:
    fill(desk, 50, customers=5)
    desk.follow()
    rebuild.rebuild(desk.url, desk.log)
    with psycopg.connect(desk.url, autocommit=True) as conn:
        for view in VIEWS.values():
            shadow.create(conn, view, logged=True)
            shadow.create_indexes(conn, view)
    roll_back(desk.url, "authorizations")
    assert [r.identical for r in rebuild.rebuild(desk.url, desk.log)] == [True] * len(VIEWS)
    assert leftovers(desk) == []
    is_complete(desk)


def test_a_slow_reader_delays_the_way_back_and_no_other_reader(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "SWAP_TRIES", 2)
    desk.letter()
    desk.follow()
    rebuild.rebuild(desk.url, desk.log, "customer_documents")
    with psycopg.connect(desk.url) as slow:
        slow.execute("select count(*) from views.customer_documents")
        with pytest.raises(Unavailable):
            roll_back(desk.url, "customer_documents")
    roll_back(desk.url, "customer_documents")
    is_complete(desk)


def test_only_one_is_under_way(desk: Desk) -> None:
    desk.letter()
    desk.follow()

    told: list[int] = []

    def another(position: int, _: int) -> None:
        told.append(position)
        with pytest.raises(Unavailable):
            rebuild.rebuild(desk.url, desk.log)
        with pytest.raises(Unavailable):
            replay(desk.url, desk.log)

    rebuild.rebuild(desk.url, desk.log, "authorizations", progress=another)
    assert told == [desk.log.last_position()]


def test_one_that_has_ended_does_not_stand_in_the_way_while_its_session_closes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.letter()
    desk.follow()
    with tracking.connect(desk.url) as first, tracking.connect(desk.url) as second:
        sessions = iter([first, second])
        monkeypatch.setattr(tracking, "connect", lambda *_, **__: nullcontext(next(sessions)))
        for _ in range(2):
            assert [r.identical for r in replay(desk.url, desk.log)] == [True] * len(VIEWS)


def test_a_view_that_there_is_not_is_not_found(desk: Desk) -> None:
    for attempt in (rebuild.rebuild, replay):
        with pytest.raises(NotFound):
            attempt(desk.url, desk.log, "nonsense")
    with pytest.raises(NotFound):
        roll_back(desk.url, "nonsense")


def test_a_paused_view_is_made_anew_where_it_stands_and_stays_paused(desk: Desk) -> None:
    with psycopg.connect(desk.url, autocommit=True) as conn:
        first = desk.letter().position
        desk.follow()
        tracking.pause_view(conn, "customer_documents")
        last = desk.letter().position
        with following(desk):
            desk.wait_until(last)
        (made,) = rebuild.rebuild(desk.url, desk.log, "customer_documents")
        assert (made.position, made.identical) == (first, True)
        assert [t.paused for t in tracking.list_tracked(conn, ["customer_documents"])] == [True]
        resume_view(conn, desk.log, "customer_documents")
    desk.follow()
    is_complete(desk)


# -- back -------------------------------------------------------------------------------------------------------


def test_the_table_of_before_comes_back_and_is_brought_up_to_date(desk: Desk) -> None:
    letter = desk.letter(note="n")
    before = desk.follow()
    with pytest.raises(NotFound):
        roll_back(desk.url, "customer_documents")
    rebuild.rebuild(desk.url, desk.log, "customer_documents")
    desk.correct(paper_of(letter), Describe(note="m", today=desk.clock.today(), reason="typo"))
    after = desk.follow()
    assert roll_back(desk.url, "customer_documents") == before
    assert desk.rows("select note from views.customer_documents") == [("n",)]
    desk.follow()
    is_complete(desk)
    assert roll_back(desk.url, "customer_documents") == after  # and forth
    is_complete(desk)


def test_there_is_no_way_back_to_a_table_that_lacks_what_was_parked(desk: Desk) -> None:
    refuse_in_the_table(desk, True)
    desk.letter(file_name="poison.pdf")
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(desk.log.last_position())
    refuse_in_the_table(desk, False)
    (made,) = rebuild.rebuild(desk.url, desk.log, "customer_documents")
    assert [d.kind for d in made.differences] == ["missing in the view"]
    with pytest.raises(NotFound):
        roll_back(desk.url, "customer_documents")
    is_complete(desk)


def test_on_the_way_back_nothing_stays_parked_for_it_is_taken_again(desk: Desk) -> None:
    desk.letter()
    before = desk.follow()
    rebuild.rebuild(desk.url, desk.log, "customer_documents")
    refuse_in_the_table(desk, True)
    desk.letter(file_name="poison.pdf")
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(desk.log.last_position())
    assert len(desk.parked()) == 1
    assert roll_back(desk.url, "customer_documents") == before
    desk.follow()
    is_complete(desk)


# -- poison -----------------------------------------------------------------------------------------------------


def test_a_rebuild_takes_what_was_parked_once_the_fault_is_mended(desk: Desk) -> None:
    refuse_in_the_table(desk, True)
    desk.letter(file_name="poison.pdf")
    behind = desk.letter()
    with following(desk, on_parked=lambda _: None), psycopg.connect(desk.url, autocommit=True):
        desk.wait_until(desk.log.last_position())
        assert len(parked_in(desk, "customer_documents")) == 2
        refuse_in_the_table(desk, False)
        (made,) = rebuild.rebuild(desk.url, desk.log, "customer_documents")
        assert (made.different, made.parked) == (2, [])
        desk.wait_until(desk.correct(paper_of(behind), Withdraw("twice")).position)
    assert desk.parked() == []
    is_complete(desk)


def test_what_a_rebuild_cannot_take_is_parked_with_what_is_behind_it_and_nothing_else(desk: Desk) -> None:
    fill(desk, 60, customers=6)
    poisoned = poison_the_fold(desk, CUSTOMERS[0])
    behind, other = desk.letter(CUSTOMERS[0]), desk.letter(CUSTOMERS[1])
    with following(desk, on_parked=lambda _: None):
        desk.wait_until(desk.log.last_position())
        parked = [(p.subject, p.error_type) for p in parked_in(desk, "customer_documents")]
        assert parked == [(poisoned, "PromiseBroken"), (paper_of(behind), parking.BEHIND)]
        later_on = replay(desk.url, desk.log, "customer_documents", from_position=behind.position)
        assert [(r.identical, [p.error_type for p in r.parked]) for r in later_on] == [(True, [parking.BEHIND])]
        for found in (replay(desk.url, desk.log), rebuild.rebuild(desk.url, desk.log)):
            assert [r.identical for r in found] == [True] * len(VIEWS)
            assert [(p.subject, p.error_type) for r in found for p in r.parked if r.view != "audit_history"] == parked
        assert [(p.subject, p.error_type) for p in parked_in(desk, "customer_documents")] == parked
        later = desk.letter(CUSTOMERS[0]), desk.correct(paper_of(other), Withdraw("twice"))
        desk.wait_until(later[1].position)
    assert [p.subject for p in parked_in(desk, "customer_documents")][2:] == [paper_of(later[0])]
    shown = desk.rows(
        "select status from views.customer_documents where id = %s and to_position is null", paper_of(other)
    )
    assert shown == [("withdrawn",)]


def test_differences_name_columns_and_never_values(desk: Desk) -> None:
    assert Difference.__struct_fields__ == ("key", "kind", "columns")
    desk.letter(note="a secret", file_name="secret.pdf")
    desk.follow()
    change(desk, "update views.customer_documents set note = 'another secret'")
    change(desk, 'update views.audit_history set after = after || \'{"note": "another secret"}\'')
    found = replay(desk.url, desk.log)
    assert sum(r.different for r in found) >= 2
    assert "secret" not in repr(found)
