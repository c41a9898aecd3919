"""`dossier history`: what was done, newest first, as of any moment; every reading is entered in the access log."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.moment import format_moment
from tests.service.program import NOTE, Program, paper_of

ITEM = {"position", "recorded_at", "occurred_at", "actor", "branch", "action", "subject", "reason", "before", "after"}


def actions(archive: Program, *arguments: object) -> list[str]:
    return [item["action"] for item in archive.run("history", *arguments, "--json").json["items"]]


def test_a_documents_history_is_told_newest_first_with_before_and_after(archive: Program) -> None:
    paper = paper_of(archive.corrected())
    position = archive.follow()
    told = archive.run("history", "document", paper, "--json").json
    assert told["position"] == position
    assert [item["action"] for item in told["items"]] == [
        "document-withdrawn",
        "document-described",
        "document-archived",
    ]
    described = told["items"][1]
    assert set(described) == ITEM
    assert described["subject"] == {"kind": "document", "id": str(paper)}
    assert (described["before"], described["after"]) == ({"note": NOTE}, {"note": "other"})
    assert (described["reason"], described["actor"], described["branch"]) == ("a slip", "j.smit", "CENTRAL")


def test_as_of_a_position_or_a_moment_later_deeds_do_not_exist(archive: Program) -> None:
    paper = paper_of(archive.letter())
    archive.corrected("100235")
    archive.follow()
    first, described, _ = archive.sql(
        "select notification_id, recorded_at from archive.archive_events"
        " where topic like 'document-%%' and topic not like 'document-type%%'"
        " and originator_id <> %s order by 1",
        paper,
    )
    assert actions(archive, "customer", "100235", "--as-of", first[0]) == ["document-archived"]
    assert actions(archive, "customer", "100235", "--as-of", format_moment(described[1]))[:2] == [
        "document-described",
        "document-archived",
    ]
    assert actions(archive, "customer", "100235", "--as-of", format_moment(first[1] - timedelta(seconds=60))) == []


def test_a_customers_history_spans_documents_and_authorizations_of_that_customer_only(archive: Program) -> None:
    archive.letter()
    archive.consent()
    archive.letter("100235")
    archive.follow()
    assert actions(archive, "customer", "100234") == ["authorization-registered", "document-archived"]


def test_an_authorizations_history_is_asked_for_as_such(archive: Program) -> None:
    consent = paper_of(archive.consent())
    archive.follow()
    assert actions(archive, "authorization", consent) == ["authorization-registered"]
    archive.run("history", "document", consent, code=3)


def test_a_customer_of_whom_nothing_was_archived_has_an_empty_history(archive: Program) -> None:
    """It once told the history over all customers, for want of a reference to ask for."""
    archive.letter("100234")
    archive.follow()
    assert actions(archive, "customer", "100235") == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["customer", "999999"], 3),
        (["document", str(uuid4())], 3),
        (["authorization", str(uuid4())], 3),
        (["document", "not-an-id"], 2),
        (["customer", "100234", "--as-of", "2999-01-01T00:00:00Z"], 2),
        (["customer", "100234", "--as-of", "yesterday"], 2),
        (["customer", "100234", "--as-of", "2026-11-24T09:30:00"], 2),
    ],
)
def test_what_is_not_there_and_what_cannot_be_asked_are_told_apart(
    filled: Program, arguments: list[str], code: int
) -> None:
    assert filled.run("history", *arguments, code=code).out == ""


def test_reading_a_history_is_entered_with_who_and_whose(archive: Program) -> None:
    paper = paper_of(archive.letter())
    archive.follow()
    archive.run("history", "customer", "100234", "--actor", "j.smit", "--branch", "WEST")
    archive.run("history", "document", paper)
    reference = archive.store.keys.owner_of("100234").reference
    first, second = archive.sql("select actor, branch, action, customer, document, status from access.log order by id")
    assert first == ("j.smit", "WEST", "history", reference, None, 200)
    assert second[0].startswith("cli:")
    assert second[1:] == ("MAIN", "history", reference, paper, 200)


def test_what_cannot_be_entered_is_not_shown(archive: Program) -> None:
    archive.letter()
    archive.follow()
    archive.sql("alter table access.log add constraint full_up check (id < 0)")
    ended = archive.run("history", "customer", "100234", code=1)
    assert ended.out == ""


def test_a_view_that_is_behind_says_so(archive: Program) -> None:
    archive.letter()
    archive.follow()
    archive.letter()
    ended = archive.run("history", "customer", "100234", "--json", DOSSIER_MIN_POSITION_WAIT_SECONDS="0.1")
    assert len(ended.json["items"]) == 1
    assert "check that `dossier serve` runs" in ended.err


def test_what_was_just_saved_is_waited_for(archive: Program) -> None:
    with archive.following():
        time.sleep(0.5)  # the follower is up and looks again at most half a second later
        archive.letter()
        assert actions(archive, "customer", "100234") == ["document-archived"]
