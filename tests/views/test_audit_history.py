"""Who did what, when, with before and after: over a customer, a paper, or all; and never of what one may not see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection

from domain.access import Rights, Role
from domain.administration import CreateToken
from domain.catalogue import SHIPPED
from domain.document import Describe, Reclassify, Withdraw
from projections import audit_history, moments
from projections.audit_history import HistoryFilters, HistoryPage
from tests.builders.papers import a_caller
from tests.views.crowd import fill
from tests.views.desk import CUSTOMERS, EVERYTHING, Desk, paper_of

NOT_HEALTH = Rights([code for code in EVERYTHING.types if code != "READING_DISABILITY"])


def history(desk: Desk, rights: Rights = EVERYTHING, **more: Any) -> HistoryPage:
    names = ("operations", "as_of", "limit", "cursor")
    paging = {"limit": 200, **{name: more.pop(name) for name in names if name in more}}
    filters = HistoryFilters(**more)
    return desk.ask(lambda conn: audit_history.fetch_page(conn, filters, rights, **paging))


def actions(page: HistoryPage) -> list[str]:
    return [row.action for row in page.rows]


def test_a_customers_history_newest_first(desk: Desk) -> None:
    letter = desk.letter(note="n")
    desk.letter(CUSTOMERS[1])
    desk.correct(paper_of(letter), Withdraw("twice"))
    last = desk.follow()
    page = history(desk, customer=desk.reference())
    assert actions(page) == ["document-withdrawn", "document-archived"]
    assert page.position == last
    newest = page.rows[0]
    assert (newest.before, newest.after, newest.reason) == ({"status": "archived"}, {"status": "withdrawn"}, "twice")
    assert (newest.actor, newest.branch, newest.subject_id) == ("j.smit", "CENTRAL", paper_of(letter))


def test_a_papers_timeline(desk: Desk) -> None:
    first, second = desk.letter(note="one"), desk.letter(note="two")
    desk.correct(paper_of(first), Describe(note="uno", today=desk.clock.today(), reason="Spanish"))
    desk.follow()
    assert actions(history(desk, subject=paper_of(first))) == ["document-described", "document-archived"]
    assert actions(history(desk, subject=paper_of(second))) == ["document-archived"]


def test_a_move_stands_in_the_histories_of_both_customers_and_once_in_the_papers(desk: Desk) -> None:
    paper = paper_of(desk.letter())
    desk.letter(CUSTOMERS[1])
    desk.move(paper, CUSTOMERS[1])
    desk.correct(paper, Withdraw("twice"))
    desk.follow()
    first, second = (history(desk, customer=desk.reference(customer)) for customer in CUSTOMERS[:2])
    assert actions(first) == ["document-reassigned", "document-archived"]
    assert actions(second) == ["document-withdrawn", "document-reassigned", "document-archived"]
    assert actions(history(desk, subject=paper)) == ["document-withdrawn", "document-reassigned", "document-archived"]
    told = first.rows[0]
    assert (told.before, told.after) == (
        {"customer": str(desk.reference())},
        {"customer": str(desk.reference(CUSTOMERS[1]))},
    )
    ids = {desk.reference(customer): customer for customer in CUSTOMERS[:2]}
    assert audit_history.customers_in([told]) == {*ids}
    assert audit_history.with_customer_ids(told, ids).after == {"customer": CUSTOMERS[1]}


def test_a_joint_paper_is_in_the_second_customers_history_where_it_came_and_went(desk: Desk) -> None:
    paper = paper_of(desk.letter())
    desk.link(paper, CUSTOMERS[1])
    desk.correct(paper, Describe(note="n", today=desk.clock.today(), reason="typo"))
    desk.follow()
    assert actions(history(desk, subject=paper)) == ["document-described", "customer-linked", "document-archived"]
    desk.unlink(paper, CUSTOMERS[1])
    desk.follow()
    assert actions(history(desk, customer=desk.reference(CUSTOMERS[1]))) == ["customer-unlinked", "customer-linked"]
    assert len(history(desk, customer=desk.reference()).rows) == 4


def test_pages_of_a_history_with_moves_follow_each_other_in_the_order_of_the_log(desk: Desk) -> None:
    paper = paper_of(desk.letter())
    for n in range(4):
        desk.move(paper, CUSTOMERS[(n + 1) % 2])
        desk.letter()
    desk.follow()
    whole = history(desk, customer=desk.reference())
    pages, cursor = list[audit_history.HistoryRow](), None
    while True:
        page = history(desk, customer=desk.reference(), limit=3, cursor=cursor)
        pages += page.rows
        if (cursor := page.next) is None:
            break
    assert pages == whole.rows
    assert [row.position for row in pages] == sorted((row.position for row in pages), reverse=True)
    assert len(pages) == 9


def test_a_customers_history_is_read_in_the_order_of_two_indexes(desk: Desk) -> None:
    """However many rows there are, not all of the customer's are read and sorted for a page."""
    fill(desk, 1_000, customers=50)
    desk.follow()
    plan = plan_of(desk, HistoryFilters(customer=desk.reference("crowd-0-0")))
    assert "Index Scan using audit_history_by_customer " in plan
    assert "Index Scan using audit_history_by_other_customer " in plan
    assert "Merge Append" in plan
    assert "Sort  (" not in plan


def plan_of(desk: Desk, filters: HistoryFilters) -> str:
    """auto_explain tells how a page was read, where it may take no way that small tables alone are read by."""
    told: list[str] = []

    async def ask(conn: AsyncConnection[Any]) -> None:
        await conn.execute("vacuum analyze views.audit_history, views.customer_documents")
        conn.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        await conn.execute("load 'auto_explain'")
        await conn.execute("set auto_explain.log_min_duration = 0")
        await conn.execute("set auto_explain.log_level = notice")
        await conn.execute("set enable_seqscan = off; set enable_bitmapscan = off")
        await audit_history.fetch_page(conn, filters, EVERYTHING, limit=50)

    desk.ask(ask)
    return told[-1]


def test_a_mandates_history_has_its_collections(desk: Desk) -> None:
    mandate = paper_of(desk.mandate())
    desk.collect(mandate, desk.clock.today(), "rejected", reference="RUN-7")
    desk.follow()
    (collected, _) = history(desk, subject=mandate).rows
    today = desk.clock.today().isoformat()
    assert collected.after == {"presented_on": today, "due_on": today, "outcome": "rejected", "reference": "RUN-7"}


def test_filters_over_all(desk: Desk) -> None:
    desk.letter(branch="EAST", actor="p.jansen")
    between = desk.letter(branch="WEST").recorded[0].recorded_at
    desk.consent()
    desk.follow()
    assert actions(history(desk, actor="p.jansen")) == ["document-archived"]
    assert actions(history(desk, branch="WEST")) == ["document-archived"]
    assert actions(history(desk, action="authorization-registered")) == ["authorization-registered"]
    assert actions(history(desk, type="GUARDIAN_CONSENT")) == ["authorization-registered", "document-type-defined"]
    assert len(history(desk, type="LETTER").rows) == 3
    assert between in [row.recorded_at for row in history(desk, since=between, until=between).rows]
    assert history(desk, since=between, branch="EAST", until=between).rows == []


def test_a_hidden_type_has_no_history(desk: Desk) -> None:
    hidden = desk.letter(type="READING_DISABILITY")
    shown = desk.letter()
    desk.follow()
    for paper in {r.envelope.originator_id for r in hidden.recorded}:
        assert history(desk, NOT_HEALTH, subject=paper).rows == []
        assert history(desk, subject=paper).rows != []
    assert [r.subject_id for r in history(desk, NOT_HEALTH, customer=desk.reference()).rows] == [paper_of(shown)]
    assert {r.subject_id for r in history(desk, NOT_HEALTH, actor="j.smit").rows} == {paper_of(shown)}
    assert history(desk, NOT_HEALTH, customer=desk.reference(), limit=1).next is None


def test_a_papers_history_goes_with_its_present_type(desk: Desk) -> None:
    paper = paper_of(desk.letter())
    desk.correct(paper, Reclassify(desk.types()["FORM"], "a form"))
    desk.follow()
    assert history(desk, Rights(["LETTER"]), subject=paper).rows == []
    assert actions(history(desk, Rights(["FORM"]), subject=paper)) == ["document-reclassified", "document-archived"]


def test_who_reads_its_own_branch_only_reads_the_history_of_its_own_papers(desk: Desk) -> None:
    own, foreign = desk.letter(branch="EAST"), desk.letter(branch="CENTRAL")
    desk.follow()
    east = Rights(EVERYTHING.types, "EAST")
    assert len(history(desk, east, subject=paper_of(own)).rows) == 1
    assert history(desk, east, subject=paper_of(foreign)).rows == []


def test_tokens_are_for_operators_and_types_for_who_may_see_them(desk: Desk) -> None:
    token = CreateToken(name="desk", digest=b"SECRETDIGEST", role=Role.STAFF)
    desk.archive.catalogues.administer(token, a_caller(actor="cli:root"))
    desk.follow()
    assert "token-created" not in actions(history(desk))
    assert actions(history(desk, operations=True))[0] == "token-created"
    assert actions(history(desk, Rights([*SHIPPED]))) == ["document-type-defined"] * len(SHIPPED)
    assert actions(history(desk, Rights(["LETTER", "FORM"]))) == ["document-type-defined"] * 2
    assert actions(history(desk, Rights([]))) == []
    assert history(desk, operations=True).rows[0].subject_name == "desk"


def test_pages_follow_each_other_without_gap_or_repetition(desk: Desk) -> None:
    paper = paper_of(desk.letter())
    for n in range(5):
        desk.correct(paper, Describe(note=f"note {n}", today=desk.clock.today(), reason="again"))
    desk.follow()
    first = history(desk, customer=desk.reference(), limit=4)
    desk.correct(paper, Withdraw("twice"))
    desk.follow()
    second = history(desk, customer=desk.reference(), limit=4, cursor=first.next)
    positions = [row.position for row in [*first.rows, *second.rows]]
    assert positions == sorted(positions, reverse=True)
    assert len(positions) == 6
    assert second.next is None


def test_as_of_shows_what_had_been_done_by_then(desk: Desk) -> None:
    letter = desk.letter()
    desk.correct(paper_of(letter), Withdraw("twice"))
    desk.follow()
    assert actions(history(desk, customer=desk.reference(), as_of=letter.position)) == ["document-archived"]


def test_an_erased_papers_history_names_nobody(desk: Desk) -> None:
    paper = paper_of(desk.letter(note="a secret", file_name="secret.pdf"))
    desk.correct(paper, Describe(note="another secret", today=desk.clock.today(), reason="secret reason"))
    desk.erase_key(paper)
    desk.follow()
    rows = history(desk, subject=paper).rows
    assert actions(HistoryPage(rows, 0)) == ["document-described", "document-archived"]
    assert b"secret" not in msgspec.json.encode(rows)


# -- from a moment to a position --------------------------------------------------------------------------------


def position_at(desk: Desk, at: datetime) -> moments.LogMoment:
    return desk.ask(lambda conn: moments.position_at(conn, at))


def record_at(desk: Desk, *moments_: datetime) -> None:
    """Events in this order that claim to be recorded at these times, as a server's clock that is set would make."""
    with psycopg.connect(desk.url, autocommit=True) as conn:
        for at in moments_:
            conn.execute(RECORD, [at])


RECORD = """
    insert into archive.archive_events (originator_id, originator_version, topic, state, recorded_at)
    select gen_random_uuid(), 1, topic, state, %s from archive.archive_events where notification_id = 1
"""


def test_a_moment_is_the_log_up_to_before_the_first_event_recorded_after_it(desk: Desk) -> None:
    """p(T) is the smallest position recorded after T, less one; positions and times do not always rise together."""
    begun = datetime(2030, 1, 1, tzinfo=UTC)
    record_at(desk, *(begun + timedelta(milliseconds=ms) for ms in (50, 30, 60, 10, 61, 61, 40, 90)))
    desk.follow()
    times = dict(desk.rows("select notification_id, recorded_at from archive.archive_events"))
    for at in {*times.values(), datetime(2000, 1, 1, tzinfo=UTC), begun + timedelta(milliseconds=35)}:
        after = [p for p, recorded_at in times.items() if recorded_at > at]
        expected = max((p for p in times if p < min(after)), default=0) if after else max(times)
        assert position_at(desk, at) == moments.LogMoment(expected, final=bool(after))


def test_a_moment_is_final_once_something_later_is_in_the_view(desk: Desk) -> None:
    first = desk.letter()
    at = first.recorded[0].recorded_at
    desk.follow()
    assert position_at(desk, at) == moments.LogMoment(first.position, final=False)
    record_at(desk, at + timedelta(milliseconds=1))
    desk.follow()
    assert position_at(desk, at) == moments.LogMoment(first.position, final=True)


def test_as_of_is_the_highest_time_so_far_also_over_several_pages(desk: Desk) -> None:
    begun = datetime(2030, 1, 1, tzinfo=UTC)
    for hours in (2, 1, 3, 0):
        record_at(desk, begun + timedelta(hours=hours))
        desk.follow()
    rows = desk.rows("select as_of, max(recorded_at) over (order by position) from views.audit_history")
    assert all(as_of == highest for as_of, highest in rows)
