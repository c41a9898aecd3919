"""The log in Postgres: what one commit holds, and that nobody changes it afterwards."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from struct import pack
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from domain.document_type import DocumentTypeDefined, stream_of
from domain.ports import AlreadyClaimed, Claim, CommandKey, VersionConflict
from domain.values import uuid7
from tests.builders.events import a_letter, an_envelope
from tests.builders.papers import a_content, a_document_type
from tests.builders.postgres_log import PostgresLog, archive_letter, ask, erase, open_log

EVENTS = "archive.archive_events"
WRITTEN = [
    "archive.archive_events",
    "archive.claim",
    "archive.command",
    "archive.content",
    "keys.customer",
    "keys.paper",
]
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
DEFINED = DocumentTypeDefined(code="LETTER", definition=a_document_type().definition)


@pytest.fixture
def parts(db: str) -> Iterator[PostgresLog]:
    with open_log(db) as opened:
        yield opened


def archive(parts: PostgresLog, customer_id: str = "100234", **options: Any) -> Any:
    return archive_letter(parts.log, parts.keys, customer_id, **options)


def counts(url: str) -> dict[str, int]:
    return {table: ask(url, f"select count(*) from {table}")[0][0] for table in WRITTEN}  # noqa: S608  # our own names


# -- One commit -----------------------------------------------------------------------------------------------


def test_one_append_writes_event_claim_command_content_and_both_keys(parts: PostgresLog) -> None:
    paper = uuid7()
    claim = Claim(kind="external-id", digest=b"x", owner=paper)
    archive(parts, paper=paper, claims=[claim], command=CommandKey("j.smit", "k", b"body"))
    assert counts(parts.url) == dict.fromkeys(WRITTEN, 1)


def test_a_refused_append_leaves_not_one_row(parts: PostgresLog) -> None:
    archive(parts, claims=[Claim(kind="external-id", digest=b"taken", owner=uuid7())])
    before, paper = counts(parts.url), uuid7()
    claims = [Claim(kind="external-id", digest=value, owner=paper) for value in (b"free", b"taken")]
    with pytest.raises(AlreadyClaimed):
        archive(parts, "newcomer", paper=paper, claims=claims, command=CommandKey("j.smit", "k", b"body"))
    assert counts(parts.url) == before


def test_a_refused_content_leaves_not_one_row(parts: PostgresLog) -> None:
    """One content belongs to one paper: naming it twice is a mistake that must not half happen."""
    owner = parts.keys.owner_of("100234")
    letters = {uuid7(): a_letter(owner.reference, content=a_content()) for _ in range(2)}
    for paper in letters:
        parts.keys.new_paper(paper)
    before = counts(parts.url)
    with pytest.raises(VersionConflict):
        parts.log.append([an_envelope(b, p) for p, b in letters.items()], papers=dict.fromkeys(letters, owner))
    assert counts(parts.url) == before


def test_a_key_goes_with_its_customer_and_the_events_stay(parts: PostgresLog) -> None:
    archive(parts)
    erase(parts.url, "100234")
    after = counts(parts.url)
    assert (after["keys.customer"], after["keys.paper"], after[EVENTS]) == (0, 0, 1)


def test_the_customers_id_stands_in_schema_keys_only(parts: PostgresLog) -> None:
    archive(parts, "customer-with-a-long-id")
    for table in WRITTEN:
        rows = ask(parts.url, f"select t::text from {table} as t")  # noqa: S608  # our own names
        assert any("customer-with-a-long-id" in str(row) for row in rows) is (table == "keys.customer")


def test_events_say_when_they_were_written_and_not_when_they_happened(parts: PostgresLog) -> None:
    paper, appended = archive(parts)
    [envelope] = parts.log.load(paper)
    [(now,)] = ask(parts.url, "select clock_timestamp()")
    assert envelope.meta.occurred_at != appended.recorded_at
    assert abs((now - appended.recorded_at).total_seconds()) < 60


def test_a_database_with_another_time_zone_answers_in_utc(parts: PostgresLog) -> None:
    [(name,)] = ask(parts.url, "select current_database()")
    ask(parts.url, f"alter database {name} set timezone = 'Asia/Kolkata'")
    with open_log(parts.url) as later:
        paper, appended = archive(later)
        [read] = later.log.load_recorded([paper], appended.positions[-1])
        [page] = later.log.load_events_after(0, 10)
        [[copied]] = later.log.load_event_pages(0, page.position)
    texts = [
        moment.isoformat() for moment in (appended.recorded_at, read.recorded_at, page.recorded_at, copied.recorded_at)
    ]
    assert [t[-6:] for t in texts] == ["+00:00"] * 4


def test_the_leaf_of_an_event_can_be_computed_by_another_program(parts: PostgresLog) -> None:
    """SHA-256 over a zero, stream, version, microseconds since 2000, the topic and its length, the state."""
    archive(parts)
    parts.log.append([an_envelope(DEFINED, stream_of("LETTER"))])
    rows = ask(parts.url, f"select originator_id, originator_version, recorded_at, topic, state, leaf from {EVENTS}")  # noqa: S608
    assert len(rows) == 2
    for stream, version, at, topic, state, leaf in rows:
        moment = round((at - EPOCH).total_seconds() * 1_000_000)
        tail = pack(">qqi", version, moment, len(topic)) + topic.encode() + state
        assert hashlib.sha256(b"\x00" + stream.bytes + tail).digest() == leaf


# -- Append only ----------------------------------------------------------------------------------------------

CHANGES = [
    "update archive.archive_events set state = ''",
    "update archive.archive_events set recorded_at = now() where false",
    "delete from archive.archive_events",
    "truncate archive.archive_events",
    "truncate archive.archive_events cascade",
]


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("setting", ["origin", "replica"])
def test_nobody_changes_or_removes_an_event(parts: PostgresLog, statement: str, setting: str) -> None:
    """Not even the superuser, nor one who switches triggers off the usual way."""
    archive(parts)
    with psycopg.connect(parts.url, autocommit=True) as conn:
        conn.execute(sql.SQL("set session_replication_role = {}").format(setting))
        with pytest.raises(psycopg.Error) as refused:
            conn.execute(statement)
    assert refused.value.sqlstate == "DX403"
    assert counts(parts.url)[EVENTS] == 1


def test_a_position_and_a_leaf_cannot_be_chosen_by_the_writer(parts: PostgresLog) -> None:
    with psycopg.connect(parts.url, autocommit=True) as conn, pytest.raises(psycopg.Error):
        conn.execute(f"insert into {EVENTS} (leaf) values ('')")  # noqa: S608  # our own name


WRONG_TOPICS = ["DocumentArchived", "document-archived", "document-archived.v", "domain.document:Archived", ""]


@pytest.mark.parametrize("topic", WRONG_TOPICS)
def test_a_topic_has_a_chosen_name_and_a_version(parts: PostgresLog, topic: str) -> None:
    columns = "originator_id, originator_version, recorded_at, topic, state"
    with pytest.raises(psycopg.errors.CheckViolation):
        ask(parts.url, f"insert into {EVENTS} ({columns}) values (%s, 1, now(), %s, '')", uuid4(), topic)  # noqa: S608  # our own names
