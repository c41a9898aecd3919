"""What the feed asks of the views: in the order of the log, as far as a reader may see, and never ahead of a view.

What becomes of its rows is in tests/http/test_api_events.py.
"""

from typing import Any

import msgspec
import psycopg

from domain.access import Rights, Role
from domain.administration import CreateToken
from domain.document import Reclassify, Withdraw
from projections import audit_history, feed, tracking
from projections.audit_history import HistoryFilters
from projections.feed import POSITIONS_MAX, TOPICS, FeedPage, FeedRights, FeedSelection
from projections.view import EVENTS
from tests.builders.papers import a_caller, a_document_type
from tests.views.desk import CUSTOMERS, EVERYTHING, Desk, following, paper_of

ALL = FeedRights(types=tuple(EVERYTHING.types), operations=True, scans=True)
NOT_ALL = msgspec.structs.replace(ALL, types=tuple(t for t in ALL.types if t != "FORM"))
WRITERS = 16


def asked(desk: Desk, reader: FeedRights = ALL, *, after: int = 0, limit: int = 200, **wanted: Any) -> FeedPage:
    return desk.ask(lambda conn: feed.fetch_page(conn, reader, FeedSelection(**wanted), after=after, limit=limit))


def positions(page: FeedPage) -> list[int]:
    return [row.position for row in page.rows]


def shipped(desk: Desk) -> int:
    """The position behind which a test begins."""
    return desk.follow()


def test_every_kind_of_event_has_a_topic_of_its_own() -> None:
    assert len(TOPICS) == len(EVENTS)


def test_what_happened_comes_in_the_order_of_the_log(desk: Desk) -> None:
    before = shipped(desk)
    letter = desk.letter()
    consent = desk.consent(CUSTOMERS[1])
    withdrawn = desk.correct(paper_of(letter), Withdraw("twice"))
    last = desk.follow()
    page = asked(desk, after=before)
    assert positions(page) == [letter.position, consent.position, withdrawn.position]
    assert [row.action for row in page.rows] == ["document-archived", "authorization-registered", "document-withdrawn"]
    assert (page.position, page.end) == (last, last)


def test_it_ends_where_the_rearmost_view_stands(desk: Desk) -> None:
    before = shipped(desk)
    with psycopg.connect(desk.url, autocommit=True) as conn:
        tracking.pause_view(conn, "authorizations")
    last = desk.letter().position
    with following(desk):
        desk.wait_until(last)
    page = asked(desk, after=before)
    assert (page.rows, page.position, page.end) == ([], before, before)


def test_a_page_ends_at_its_limit_and_the_next_goes_on(desk: Desk) -> None:
    before = shipped(desk)
    made = [desk.consent().position for _ in range(5)]
    last = desk.follow()
    first = asked(desk, after=before, limit=2)
    assert (positions(first), first.position, first.end) == (made[:2], made[1], last)
    assert positions(asked(desk, after=first.position)) == made[2:]
    end = asked(desk, after=made[-1], limit=1)
    assert (end.rows, end.position) == ([], last)


def test_one_question_looks_no_further_than_its_bound(desk: Desk) -> None:
    before = shipped(desk)
    reset = "select setval(pg_get_serial_sequence('archive.archive_events', 'notification_id'), %s)"
    desk.rows(reset, before + POSITIONS_MAX + 1)
    far = desk.consent().position
    desk.follow()
    assert far > before + POSITIONS_MAX
    step = asked(desk, after=before)
    assert (step.rows, step.position, step.end) == ([], before + POSITIONS_MAX, far)
    assert positions(asked(desk, after=step.position)) == [far]


def test_behind_the_end_there_is_nothing_and_it_says_where_the_end_is(desk: Desk) -> None:
    last = shipped(desk)
    page = asked(desk, after=last + 1_000)
    assert (page.rows, page.position, page.end) == ([], last + 1_000, last)


def test_views_that_were_set_back_take_nobody_back(desk: Desk) -> None:
    """As a crash of Postgres may do with their last commits: who was there goes on from there."""
    desk.letter()
    last = shipped(desk)
    desk.rows("update views.tracking set position = position - 1 where name = 'audit_history' returning 1")
    page = asked(desk, after=last)
    assert (page.rows, page.position, page.end) == ([], last, last - 1)


def test_hidden_by_the_type_of_today_with_all_that_was_before(desk: Desk) -> None:
    before = shipped(desk)
    letter = desk.letter()
    desk.follow()
    assert positions(asked(desk, NOT_ALL, after=before)) == [letter.position]
    desk.correct(paper_of(letter), Reclassify(a_document_type("FORM"), "it is one"))
    desk.follow()
    assert positions(asked(desk, NOT_ALL, after=before)) == []
    assert len(asked(desk, after=before).rows) == 2


def test_of_one_customer_also_what_took_papers_away(desk: Desk) -> None:
    before = shipped(desk)
    letter = desk.letter()
    moved = desk.move(paper_of(letter), CUSTOMERS[1])
    linked = desk.link(paper_of(letter), CUSTOMERS[2])
    desk.follow()

    def of(customer: str) -> list[int]:
        return positions(asked(desk, after=before, customer=desk.reference(customer)))

    assert of(CUSTOMERS[0]) == [letter.position, moved.position]
    assert of(CUSTOMERS[1]) == [moved.position, linked.position]
    assert of(CUSTOMERS[2]) == [linked.position]


def test_of_some_actions(desk: Desk) -> None:
    before = shipped(desk)
    letter = desk.letter()
    withdrawn = desk.correct(paper_of(letter), Withdraw("twice"))
    desk.consent()
    desk.follow()
    wanted = ("document-restored", "document-withdrawn")
    assert positions(asked(desk, after=before, actions=wanted)) == [withdrawn.position]


def test_who_administers_is_for_operators(desk: Desk) -> None:
    before = shipped(desk)
    desk.archive.catalogues.administer(CreateToken(name="t", digest=b"d", role=Role.VIEWER), a_caller())
    desk.follow()
    assert len(asked(desk, after=before).rows) == 1
    assert asked(desk, msgspec.structs.replace(ALL, operations=False), after=before).rows == []


def test_a_reader_gets_what_its_histories_tell_it(desk: Desk) -> None:
    """The same rights, asked the other way round, over papers of all types that were moved, linked, reclassified."""
    for n, code in enumerate(EVERYTHING.types * 2):
        if code in ("LETTER", "FORM", "READING_DISABILITY", "GUARDIAN_CONSENT"):
            letter = desk.letter(CUSTOMERS[n], type=code, branch=("CENTRAL", "WEST")[n % 2])
            if code == "LETTER":
                desk.correct(paper_of(letter), Reclassify(a_document_type("FORM"), "it is one"))
            if code == "FORM":
                desk.move(paper_of(letter), CUSTOMERS[n + 1])
                desk.link(paper_of(letter), CUSTOMERS[n + 2])
    desk.mandate()
    desk.seen()
    desk.follow()
    for reader in (
        ALL,
        NOT_ALL,
        FeedRights(types=("LETTER",)),
        FeedRights(types=ALL.types, branch="WEST"),
        FeedRights(types=()),
    ):
        assert positions(asked(desk, reader)) == told_by_history(desk, reader)


def told_by_history(desk: Desk, reader: FeedRights) -> list[int]:
    rights = Rights(list(reader.types), reader.branch)
    page = desk.ask(
        lambda conn: audit_history.fetch_page(conn, HistoryFilters(), rights, operations=reader.operations, limit=200)
    )
    return [row.position for row in page.rows][::-1]
