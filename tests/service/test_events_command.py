"""`dossier events`: the log as it is, personal fields sealed unless they are asked for, and then entered."""

import base64
from typing import Any

import pytest

from tests.builders.scans import FEEDER
from tests.service.program import FILE_NAME, NAME, NOTE, PRIVATE, Program, paper_of

HEAD = {"position", "recorded_at", "stream", "version", "topic", "actor", "branch", "occurred_at"}
HEAD |= {"command_id", "correlation_id", "body", "sealed"}


def exported(archive: Program, *options: object) -> list[dict[str, Any]]:
    return archive.run("events", "export", *options).lines


def reads(archive: Program) -> list[tuple[Any, ...]]:
    return archive.sql("select actor, branch, action, document, authorization_id, customer from access.log order by id")


def test_an_export_has_every_event_once_in_the_order_of_the_log(filled: Program) -> None:
    positions = [p for (p,) in filled.sql("select notification_id from archive.archive_events order by 1")]
    assert [line["position"] for line in exported(filled)] == positions
    assert [line["position"] for line in exported(filled, "--after", positions[4])] == positions[5:]
    assert exported(filled, "--after", positions[-1]) == []


def test_an_export_leaves_what_is_personal_sealed_as_it_rests(filled: Program) -> None:
    before = reads(filled)
    lines = exported(filled)
    archived = next(line for line in lines if line["topic"] == "document-archived.v1")
    assert set(archived) == HEAD
    assert "file_name" not in archived["body"]
    assert archived["body"]["type"]["code"] == "LETTER"
    (state,) = filled.sql("select state from archive.archive_events where notification_id = %s", archived["position"])
    assert base64.b64decode(archived["sealed"]) in bytes(state[0])
    assert reads(filled) == before


def test_an_open_export_shows_it_and_enters_each_paper_in_the_access_log(archive: Program) -> None:
    letter, mandate = archive.letter(), archive.mandate()
    lines = exported(archive, "--open", "--actor", "auditor", "--branch", "WEST")
    opened = {line["stream"]: line["body"] for line in lines}
    assert opened[str(paper_of(letter))]["file_name"] == FILE_NAME
    assert opened[str(paper_of(letter))]["description"]["note"] == NOTE
    assert opened[str(paper_of(mandate))]["mandate"]["iban"]
    assert {line["sealed"] for line in lines} == {None}
    reference = archive.store.keys.owner_of("100234").reference
    assert reads(archive) == [
        ("auditor", "WEST", "export", paper_of(letter), None, reference),
        ("auditor", "WEST", "export", None, paper_of(mandate), reference),
    ]


def test_an_open_export_of_a_scan_is_entered_without_a_customer(archive: Program) -> None:
    """It is nobody's yet."""
    session = archive.scans.start(FEEDER)
    archive.scans.put(session, 1, capture="1.1", scan_codes=("DA48271903665144",))
    archive.scans.finish(session, problem="scanner-jammed")
    lines = [line for line in exported(archive, "--open", "--actor", "auditor") if line["stream"] == str(session)]
    assert [line["topic"] for line in lines] == [
        "scan-started.v1", "scan-confirmed.v1", "page-captured.v2", "scan-interrupted.v1",
    ]  # fmt: skip
    assert lines[2]["body"]["scan_codes"] == ["DA48271903665144"]
    assert lines[3]["body"]["told"] == "told"
    assert reads(archive) == [("auditor", "MAIN", "export", None, None, None)]
    shown = archive.run("events", "show", lines[2]["position"], "--open", "--json").json
    assert shown["body"] == lines[2]["body"]
    assert [line["topic"] for line in archive.run("events", "tail", "--limit", "2", "--json").lines] == [
        "page-captured.v2", "scan-interrupted.v1",
    ]  # fmt: skip


def test_what_was_on_the_pages_of_a_scan_that_is_over_stays_sealed(archive: Program) -> None:
    session = archive.scans.start()
    archive.scans.put(session, 1, scan_codes=("DA48271903665144",))
    archive.scans.cancel(session)
    captured = next(line for line in exported(archive, "--open") if line["topic"] == "page-captured.v2")
    assert captured["sealed"]
    assert "scan_codes" not in captured["body"]
    assert reads(archive) == []


def test_what_was_erased_stays_sealed_in_an_open_export(archive: Program) -> None:
    letter = archive.letter()
    archive.sql("delete from keys.paper where paper = %s", paper_of(letter))
    line = exported(archive, "--open")[-1]
    assert line["sealed"]
    assert "file_name" not in line["body"]
    assert reads(archive) == []


def test_an_event_that_cannot_be_read_is_exported_as_its_bytes(archive: Program) -> None:
    letter = archive.letter()
    archive.tamper("update archive.archive_events set topic = 'from-the-future.v9' where originator_id = %s",
                   paper_of(letter))  # fmt: skip
    line = exported(archive)[-1]
    (state,) = archive.sql("select state from archive.archive_events where originator_id = %s", paper_of(letter))
    assert base64.b64decode(line["state"]) == bytes(state[0])
    assert exported(archive, "--open")[-1] == line


def test_tail_shows_the_newest_in_the_order_of_the_log(filled: Program) -> None:
    newest = exported(filled)[-3:]
    assert filled.run("events", "tail", "--limit", "3", "--json").lines == newest
    printed = [line.split("\t") for line in filled.run("events", "tail", "--limit", "3").out.splitlines()]
    assert [int(line[0]) for line in printed] == [line["position"] for line in newest]
    assert filled.run("events", "tail", "--limit", "0", "--json").lines == []


def test_show_tells_one_event_and_opens_it_only_when_asked(archive: Program) -> None:
    letter = archive.letter()
    shown = archive.run("events", "show", letter.position, "--json").json
    assert (shown["position"], shown["stream"]) == (letter.position, str(paper_of(letter)))
    assert not [private for private in PRIVATE if private in archive.run("events", "show", letter.position).out]
    assert FILE_NAME in archive.run("events", "show", letter.position, "--open").out
    assert [(action, document) for _, _, action, document, *_ in reads(archive)] == [("export", paper_of(letter))]


def test_a_position_without_an_event_is_not_found(filled: Program) -> None:
    assert filled.run("events", "show", 99_999_999, code=3).out == ""


@pytest.mark.parametrize(
    "wrong", [["show", "first"], ["show", "0"], ["tail", "--limit", "-1"], ["export", "--after", "x"]]
)
def test_what_is_no_position_is_a_usage_error(filled: Program, wrong: list[str]) -> None:
    assert filled.run("events", *wrong, code=2).out == ""


def test_a_name_of_the_register_is_in_no_event(filled: Program) -> None:
    assert NAME not in filled.run("events", "export", "--open").out
