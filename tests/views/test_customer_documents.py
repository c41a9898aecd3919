"""What the list of a customer's papers shows, to whom, and as it was at any position."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
import pytest

from domain.access import Rights
from domain.document import Describe, Reclassify, Withdraw
from domain.refusals import ValidationFailed
from projections import authorizations, customer_documents
from projections.customer_documents import Item, PaperFilters, PaperRow, fold_item
from projections.reading import Floor, StaleTypes, ViewBehind
from projections.views import VIEWS
from tests.builders.papers import a_document_type
from tests.views.desk import CUSTOMERS, EVERYTHING, Desk, paper_of, shown

NOT_HEALTH = Rights([code for code in EVERYTHING.types if code != "READING_DISABILITY"])


class Answered(NamedTuple):
    rows: list[Item]
    position: int
    next: str | None


def listed(desk: Desk, customer: str = CUSTOMERS[0], rights: Rights = EVERYTHING, **more: Any) -> Answered:
    as_of, limit, cursor = more.pop("as_of", None), more.pop("limit", 50), more.pop("cursor", None)
    reference, filters = desk.reference(customer), PaperFilters(**more)
    page = desk.ask(
        lambda conn: customer_documents.fetch_page(
            conn, reference, rights, filters, as_of=as_of, limit=limit, cursor=cursor
        )
    )
    return Answered([shown(row) for row in page.rows], page.position, page.next)


def one(desk: Desk, paper: UUID, rights: Rights = EVERYTHING, as_of: int | None = None) -> PaperRow | None:
    return desk.ask(lambda conn: customer_documents.find_paper(conn, paper, rights, as_of=as_of)).row


def then(desk: Desk, paper: UUID, as_of: int) -> Item | None:
    row = one(desk, paper, as_of=as_of)
    return shown(row) if row else None


def known_as(desk: Desk, external_id: str, rights: Rights = EVERYTHING, *, documents: bool = True) -> list[Item]:
    found = desk.ask(
        lambda conn: customer_documents.find_by_external_id(conn, external_id, rights, documents=documents)
    )
    return [shown(row) for row in found.rows]


# -- what is listed ---------------------------------------------------------------------------------------------


def test_every_paper_of_the_customer_and_nobody_elses_newest_first(desk: Desk) -> None:
    made = [desk.letter(), desk.consent(), desk.seen(), desk.mandate(), desk.letter(type="READING_DISABILITY")]
    desk.letter(CUSTOMERS[1])
    last = desk.follow()
    page = listed(desk)
    assert [r.id for r in page.rows] == [paper_of(outcome) for outcome in reversed(made)]
    assert [r.kind for r in page.rows] == ["authorization", "mandate", "document", "authorization", "document"]
    assert (page.position, page.next) == (last, None)


def test_an_authorization_and_its_evidence_are_one_row_and_the_evidence_is_read_on_its_own(desk: Desk) -> None:
    statement = paper_of(desk.letter(type="READING_DISABILITY", file_name="scan.pdf"))
    desk.follow()
    (row,) = listed(desk).rows
    assert (row.id, row.source, row.file_name, row.pages, row.content_version) == (statement, "file", "scan.pdf", 2, 1)
    assert row.evidence is not None
    evidence = one(desk, row.evidence)
    assert evidence is not None
    assert (evidence.kind, evidence.evidence_of, evidence.sha256) == ("document", statement, row.sha256)


def test_the_answer_to_a_write_is_what_the_view_shows_afterwards(desk: Desk) -> None:
    outcomes = [
        desk.letter(note="n"),
        desk.consent(),
        desk.seen(),
        desk.mandate(),
        desk.letter(type="GUARDIAN_CONSENT"),
    ]
    desk.follow()
    rows = {r.id: r for r in listed(desk).rows}
    for outcome in outcomes:
        assert shown(fold_item(outcome.recorded)) == rows[paper_of(outcome)]
        assert fold_item(outcome.recorded) == one(desk, paper_of(outcome))


def test_a_customer_without_papers_still_learns_where_the_view_stands(desk: Desk) -> None:
    desk.letter()
    last = desk.follow()
    page = listed(desk, CUSTOMERS[1])
    assert (page.rows, page.position) == ([], last)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kind": "authorization"}, {"GUARDIAN_CONSENT", "READING_DISABILITY"}),
        ({"type": "LETTER"}, {"LETTER"}),
        ({"status": "withdrawn"}, {"FORM"}),
        ({"source": "none"}, {"GUARDIAN_CONSENT"}),
        ({"source": "file"}, {"LETTER", "FORM", "READING_DISABILITY"}),
        ({"source": "file", "kind": "document", "status": "archived"}, {"LETTER"}),
        ({"q": "SCAN"}, {"READING_DISABILITY"}),
        ({"q": "cafe"}, {"LETTER"}),
        ({"q": "100%_"}, {"FORM"}),
        ({"q": "b 12"}, {"GUARDIAN_CONSENT"}),
        ({"q": "Brief"}, {"LETTER"}),
        ({"q": "ext-7"}, {"LETTER"}),
        ({"q": "nl"}, set()),
        ({"q": "complaint"}, {"LETTER"}),
        ({"q": "of the scan"}, {"READING_DISABILITY"}),
    ],
)
def test_filters(desk: Desk, filters: dict[str, Any], expected: set[str]) -> None:
    letter = desk.letter(note="about the Café", external_id="ext-7", file_name="one.pdf")
    desk.correct(paper_of(letter), Describe(title="A complaint", today=desk.clock.today(), reason="to find it"))
    form = desk.letter(type="FORM", note="100%_sure", file_name="two.pdf")
    desk.correct(paper_of(form), Withdraw("twice"))
    desk.consent()
    evidence = desk.letter(type="READING_DISABILITY", file_name="scan 3.pdf").recorded[1].envelope.originator_id
    desk.correct(evidence, Describe(title="Page of the scan", today=desk.clock.today(), reason="to find it"))
    desk.follow()
    assert {r.type for r in listed(desk, **filters).rows} == expected


def test_a_label_stays_that_of_the_day(desk: Desk) -> None:
    desk.letter()
    renamed = a_document_type("LETTER", labels={"en": "Correspondence"})
    desk.define("LETTER", renamed.definition)
    desk.letter()
    desk.follow()
    assert [r.type_label for r in listed(desk).rows] == ["Correspondence", "Letter"]


# -- pages and the past -----------------------------------------------------------------------------------------


def test_later_pages_show_the_list_as_it_was_at_the_first(desk: Desk) -> None:
    papers = [paper_of(desk.letter()) for _ in range(7)]
    desk.follow()
    first = listed(desk, limit=3)
    desk.letter()
    desk.correct(papers[0], Withdraw("twice"))
    desk.follow()
    second = listed(desk, limit=3, cursor=first.next)
    third = listed(desk, limit=3, cursor=second.next)
    rows = [*first.rows, *second.rows, *third.rows]
    assert [r.id for r in rows] == papers[::-1]
    assert {r.status for r in rows} == {"archived"}
    assert third.next is None


def test_a_full_last_page_has_no_next(desk: Desk) -> None:
    for _ in range(3):
        desk.letter()
    desk.follow()
    assert listed(desk, limit=3).next is None


@pytest.mark.parametrize("cursor", ["x", "é", "AAAA", "gqFhYg", "", "-" * 50])
def test_a_cursor_that_was_never_given_out_is_refused(desk: Desk, cursor: str) -> None:
    if not cursor:
        assert listed(desk, cursor=cursor).rows == []
        return
    with pytest.raises(ValidationFailed):
        listed(desk, cursor=cursor)


def test_as_of_shows_each_row_as_it_was_then(desk: Desk) -> None:
    letter = desk.letter(note="first")
    paper = paper_of(letter)
    described = desk.correct(paper, Describe(note="second", today=desk.clock.today(), reason="typo"))
    reclassified = desk.correct(paper, Reclassify(desk.types()["FORM"], "a form"))
    desk.follow()
    positions = [letter.position, described.position, reclassified.position]
    lists = [listed(desk, as_of=p).rows for p in positions]
    assert [(rows[0].note, rows[0].type, rows[0].version) for rows in lists] == [
        ("first", "LETTER", 1),
        ("second", "LETTER", 2),
        ("second", "FORM", 3),
    ]
    assert listed(desk, as_of=letter.position - 1).rows == []
    assert [then(desk, paper, p) for p in positions] == [rows[0] for rows in lists]


def test_as_of_shows_evidence_of_the_same_instant(desk: Desk) -> None:
    statement, attached, archived = (r.position for r in desk.letter(type="READING_DISABILITY").recorded)
    assert statement < attached < archived or statement < archived < attached
    desk.follow()
    (before,) = listed(desk, as_of=statement).rows
    (after,) = listed(desk, as_of=max(attached, archived)).rows
    assert (before.source, before.evidence, before.file_name) == ("none", None, None)
    assert (after.source, after.file_name) == ("file", "letter.pdf")


# -- rights -----------------------------------------------------------------------------------------------------


def test_a_hidden_type_exists_nowhere(desk: Desk) -> None:
    hidden = desk.letter(type="READING_DISABILITY", external_id="ext-1", file_name="secret.pdf")
    other = desk.letter(external_id="ext-2", file_name="secret too.pdf")
    last = desk.follow()
    statement, evidence = {r.envelope.originator_id for r in hidden.recorded}
    assert [r.id for r in listed(desk, rights=NOT_HEALTH).rows] == [paper_of(other)]
    assert [r.id for r in listed(desk, rights=NOT_HEALTH, as_of=last).rows] == [paper_of(other)]
    assert [r.id for r in listed(desk, rights=NOT_HEALTH, q="secret").rows] == [paper_of(other)]
    assert listed(desk, rights=NOT_HEALTH, limit=1).next is None
    for paper in (statement, evidence):
        assert one(desk, paper, NOT_HEALTH) is None
        assert one(desk, paper, NOT_HEALTH, as_of=last) is None
        assert one(desk, paper) is not None
        assert desk.ask(lambda conn, p=paper: authorizations.find_authorization(conn, p, NOT_HEALTH))[0] is None  # type: ignore[misc]
    for documents in (True, False):
        assert known_as(desk, "ext-1", NOT_HEALTH, documents=documents) == []
        assert len(known_as(desk, "ext-1", documents=documents)) == 1
    assert listed(desk, rights=Rights([])).rows == []


def test_who_reads_its_own_branch_only_sees_nothing_of_another(desk: Desk) -> None:
    own, foreign = desk.letter(branch="EAST"), desk.letter(branch="CENTRAL")
    desk.follow()
    east = Rights(EVERYTHING.types, "EAST")
    assert [r.id for r in listed(desk, rights=east).rows] == [paper_of(own)]
    assert one(desk, paper_of(foreign), east) is None
    assert one(desk, paper_of(own), east) is not None


def test_a_reclassified_paper_goes_with_its_present_type(desk: Desk) -> None:
    letter = desk.letter()
    desk.correct(paper_of(letter), Reclassify(desk.types()["FORM"], "a form"))
    desk.follow()
    assert listed(desk, rights=Rights(["LETTER"])).rows == []
    assert len(listed(desk, rights=Rights(["FORM"])).rows) == 1


def test_a_paper_that_is_hidden_today_is_hidden_in_its_past_too(desk: Desk) -> None:
    """It was filed under the wrong type: as of that day it would show what it must not."""
    letter = desk.letter(external_id="ext-1")
    desk.correct(paper_of(letter), Reclassify(desk.types()["FORM"], "a form"))
    desk.follow()
    past = letter.position
    for rights, rows in ((Rights(["LETTER"]), 0), (Rights(["FORM"]), 0), (Rights(["LETTER", "FORM"]), 1)):
        assert len(listed(desk, rights=rights, as_of=past).rows) == rows
        assert (one(desk, paper_of(letter), rights, as_of=past) is not None) is bool(rows)


# -- moves, joint papers, contents -------------------------------------------------------------------------------


def test_a_moved_paper_is_the_right_customers_now_and_was_the_others_then(desk: Desk) -> None:
    letter, later = desk.letter(), desk.letter(CUSTOMERS[1])
    moved = desk.move(paper_of(letter), CUSTOMERS[1])
    desk.follow()
    assert listed(desk).rows == []
    assert [r.id for r in listed(desk, CUSTOMERS[1]).rows] == [paper_of(later), paper_of(letter)]
    before = moved.position - 1
    assert [r.id for r in listed(desk, as_of=before).rows] == [paper_of(letter)]
    assert [r.id for r in listed(desk, CUSTOMERS[1], as_of=before).rows] == [paper_of(later)]
    customers = [row and row.customer for row in (one(desk, paper_of(letter), as_of=p) for p in (before, None))]
    assert customers == [desk.reference(), desk.reference(CUSTOMERS[1])]


@pytest.mark.parametrize("asked_of", ["authorization", "evidence"])
def test_an_authorization_and_its_evidence_move_as_one_row(desk: Desk, asked_of: str) -> None:
    statement = paper_of(desk.letter(type="GUARDIAN_CONSENT", file_name="scan.pdf"))
    desk.follow()
    (before,) = listed(desk).rows
    assert before.evidence is not None
    if asked_of == "authorization":
        desk.move_authorization(statement, CUSTOMERS[1])
    else:
        desk.move(before.evidence, CUSTOMERS[1])
    desk.follow()
    assert listed(desk).rows == []
    (row,) = listed(desk, CUSTOMERS[1]).rows
    assert (row.id, row.evidence, row.file_name, row.version) == (statement, before.evidence, "scan.pdf", 3)


def test_a_joint_paper_is_listed_for_both_and_is_one_paper_to_all_others(desk: Desk) -> None:
    joint = paper_of(desk.letter(external_id="ext-1"))
    desk.link(joint, CUSTOMERS[1])
    described = desk.correct(joint, Describe(note="from both", title="Joint", today=desk.clock.today(), reason="typo"))
    desk.follow()
    lists = [listed(desk, customer).rows for customer in CUSTOMERS[:2]]
    assert lists[0] == lists[1] == known_as(desk, "ext-1") == [shown(fold_item(described.recorded))]
    assert [(r.note, r.title, r.version) for r in lists[1]] == [("from both", "Joint", 3)]
    row, file = one(desk, joint), content(desk, joint)
    assert row is not None
    assert (row.linked, row.linked_customers) == (False, [str(desk.reference(CUSTOMERS[1]))])
    assert file is not None
    assert {row.customer, file.customer} == {desk.reference()}


def test_a_paper_comes_with_the_ids_of_all_its_customers(desk: Desk) -> None:
    joint = paper_of(desk.letter())
    desk.link(joint, CUSTOMERS[1])
    desk.follow()
    found = desk.ask(lambda conn: customer_documents.find_paper(conn, joint, EVERYTHING))
    assert found.customer_ids == {desk.reference(customer): customer for customer in CUSTOMERS[:2]}


def test_an_unlinked_customer_has_it_in_the_past_only(desk: Desk) -> None:
    joint = paper_of(desk.letter())
    linked = desk.link(joint, CUSTOMERS[1])
    desk.unlink(joint, CUSTOMERS[1])
    desk.correct(joint, Withdraw("twice"))
    desk.follow()
    assert [len(listed(desk, CUSTOMERS[1], as_of=p).rows) for p in (linked.position - 1, linked.position, None)] == [
        0,
        1,
        0,
    ]
    assert [r.status for r in listed(desk).rows] == ["withdrawn"]


def test_joint_evidence_is_the_second_customers_document_and_the_firsts_authorization(desk: Desk) -> None:
    statement = paper_of(desk.letter(type="GUARDIAN_CONSENT"))
    desk.follow()
    (row,) = listed(desk).rows
    assert row.evidence is not None
    desk.link(row.evidence, CUSTOMERS[1])
    desk.follow()
    assert [(r.id, r.kind) for r in listed(desk).rows] == [(statement, "authorization")]
    assert [(r.id, r.kind) for r in listed(desk, CUSTOMERS[1]).rows] == [(row.evidence, "document")]


def content(
    desk: Desk, paper: UUID, rights: Rights = EVERYTHING, *, content_version: int | None = None
) -> customer_documents.StoredFile | None:
    return desk.ask(lambda conn: customer_documents.find_file(conn, paper, rights, content_version=content_version))


def test_every_content_version_is_found_with_the_documents_status_and_customer_of_today(desk: Desk) -> None:
    letter = paper_of(desk.letter(file_name="first.pdf"))
    desk.replace(letter, "second.pdf")
    desk.correct(letter, Describe(note="again", today=desk.clock.today(), reason="typo"))
    desk.move(letter, CUSTOMERS[1])
    desk.correct(letter, Withdraw("twice"))
    desk.follow()
    found = [content(desk, letter, content_version=n) for n in (1, 2, 3)]
    assert [file and (file.file_name, file.content_version, file.status) for file in found] == [
        ("first.pdf", 1, "withdrawn"),
        ("second.pdf", 2, "withdrawn"),
        None,
    ]
    assert found[1] == content(desk, letter)
    assert {file.customer for file in found if file} == {desk.reference(CUSTOMERS[1])}
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].content_id != found[1].content_id


def test_an_earlier_content_is_for_whoever_may_see_the_document_today(desk: Desk) -> None:
    letter = paper_of(desk.letter(branch="EAST"))
    desk.replace(letter)
    desk.correct(letter, Reclassify(desk.types()["FORM"], "a form"))
    desk.follow()
    for rights, seen in (
        (Rights(["FORM"]), True),
        (Rights(["LETTER"]), False),
        (Rights(["FORM"], "EAST"), True),
        (Rights(["FORM"], "WEST"), False),
    ):
        for version in (1, 2):
            assert (content(desk, letter, rights, content_version=version) is not None) is seen


# -- the calendar -----------------------------------------------------------------------------------------------


def test_what_the_calendar_ends_is_due_from_its_day_on_the_longest_due_first(desk: Desk) -> None:
    today = desk.clock.today()
    soon, later, sooner = (paper_of(desk.consent(valid_until=today + timedelta(days=n))) for n in (5, 9, 3))
    desk.letter()
    desk.follow()

    def due(days: int, limit: int = 10, passed: Sequence[UUID] = ()) -> list[UUID]:
        with psycopg.connect(desk.url) as conn:
            return authorizations.list_due(conn, today + timedelta(days=days), limit, passed=passed)

    assert [due(n) for n in (3, 4, 6, 10)] == [[], [sooner], [sooner, soon], [sooner, soon, later]]
    assert due(10, limit=2) == [sooner, soon]
    assert due(10, limit=2, passed=[sooner]) == [soon, later]
    desk.revoke(sooner)
    desk.follow()
    assert due(10) == [soon, later]


# -- by the caller's own id, authorizations, erased --------------------------------------------------------------


def test_an_external_id_finds_the_document_or_the_authorization(desk: Desk) -> None:
    both = desk.letter(type="READING_DISABILITY", external_id="ext-1")
    desk.letter(external_id="ext-2")
    desk.follow()
    (document,) = known_as(desk, "ext-1")
    (authorization,) = known_as(desk, "ext-1", documents=False)
    assert (authorization.id, authorization.evidence) == (paper_of(both), document.id)
    assert known_as(desk, "ext-2", documents=False) == []
    assert known_as(desk, "ext-3") == []


def test_a_mandate_is_read_with_its_collection_data(desk: Desk) -> None:
    mandate = paper_of(desk.mandate())
    last = desk.follow()
    row, position = desk.ask(lambda conn: authorizations.find_authorization(conn, mandate, EVERYTHING))
    assert row is not None
    assert row.mandate is not None
    assert (row.mandate.iban, row.mandate.signature_date, row.complete) == (
        "BE68539007547034",
        date(2026, 11, 20),
        True,
    )
    assert position == last
    assert (
        desk.ask(lambda conn: authorizations.find_authorization(conn, mandate, EVERYTHING, as_of=last - 1))[0] is None
    )


def test_an_erased_paper_is_listed_without_what_names_a_person(desk: Desk) -> None:
    paper = paper_of(desk.letter(note="a secret", external_id="ext-1"))
    desk.erase_key(paper)
    desk.follow()
    (row,) = listed(desk).rows
    assert (row.id, row.type, row.file_name, row.note, row.sha256) == (paper, "LETTER", None, None, None)
    assert known_as(desk, "ext-1") == []


def test_the_columns_of_each_table_are_the_fields_of_its_row_in_order(desk: Desk) -> None:
    with psycopg.connect(desk.url) as conn:
        for view in VIEWS.values():
            found = conn.execute(
                "select column_name from information_schema.columns"
                " where table_schema = 'views' and table_name = %s order by ordinal_position",
                [view.name],
            ).fetchall()
            assert [name for (name,) in found] == list(view.columns)


def test_who_wrote_what_the_view_lacks_is_not_answered_by_it(desk: Desk) -> None:
    """The list, one paper and its file say so in the same statement; another reader gets what is there."""
    letter = paper_of(desk.letter(actor="j.smit"))
    desk.follow()
    reference = desk.reference(CUSTOMERS[0])

    def answers(writer: str) -> list[bool]:
        asked: list[Callable[[Any], Awaitable[Any]]] = [
            lambda conn: customer_documents.fetch_page(
                conn, reference, EVERYTHING, PaperFilters(), as_of=None, limit=5, floor=Floor(writer=writer)
            ),
            lambda conn: customer_documents.find_paper(conn, letter, EVERYTHING, floor=Floor(writer=writer)),
            lambda conn: customer_documents.find_file(conn, letter, EVERYTHING, floor=Floor(writer=writer)),
            lambda conn: customer_documents.find_file(conn, UUID(int=7), EVERYTHING, floor=Floor(writer=writer)),
        ]
        return [is_answered(desk, find) for find in asked]

    assert answers("j.smit") == [True] * 4
    desk.letter(actor="j.smit")
    assert answers("j.smit") == [False] * 4
    assert answers("m.bakker") == [True] * 4


def test_who_knows_older_types_than_there_are_is_not_answered(desk: Desk) -> None:
    """Neither with papers of a type that was changed, nor without those of one that was made."""
    letter, version = paper_of(desk.letter()), desk.log.catalogue_version()
    desk.follow()

    def asked(types: int | None) -> Any:
        return desk.ask(lambda conn: customer_documents.find_paper(conn, letter, EVERYTHING, floor=Floor(types=types)))

    assert asked(version).row.id == letter
    desk.define("LETTER", msgspec.structs.replace(desk.types()["LETTER"].definition, labels={"en": "Post"}))
    assert desk.log.catalogue_version() > version
    with pytest.raises(StaleTypes):
        asked(version)
    assert asked(desk.log.catalogue_version()).row.id == asked(None).row.id == letter


def is_answered(desk: Desk, find: Callable[[Any], Awaitable[Any]]) -> bool:
    try:
        desk.ask(find)
    except ViewBehind:
        return False
    return True
