"""The application's role: it appends through one function and reads, and there is no way round that function."""

from collections.abc import Iterator

import psycopg
import pytest

from domain.ports import CommandKey, Replayed
from domain.scan_session import ScanCancelled, ScanClosed, ScanStarted
from domain.values import uuid7
from tests.builders.events import BY_KIND, an_envelope
from tests.builders.postgres_log import PostgresLog, archive_letter, ask, open_log

ROLES = ["dossier_app", "dossier_projector"]


@pytest.fixture
def parts(db: str) -> Iterator[PostgresLog]:
    with open_log(db, role="dossier_app") as opened:
        yield opened


def test_the_application_does_all_its_work_without_owning_anything(parts: PostgresLog) -> None:
    command = CommandKey("j.smit", "k", b"body")
    paper, appended = archive_letter(parts.log, parts.keys, command=command)
    archive_letter(parts.log, parts.keys)
    with pytest.raises(Replayed):
        archive_letter(parts.log, parts.keys, command=command)
    assert [e.body.file_name for e in parts.log.load(paper)] == ["verhuizing.pdf"]
    assert (
        len(parts.log.load_events_after(0, 10))
        == len([r for page in parts.log.load_event_pages(0, 1 << 31) for r in page])
        == 2
    )
    assert parts.log.fence() == parts.log.last_position() > appended.positions[-1]


FORBIDDEN = [
    """
    insert into archive.archive_events (originator_id, originator_version, recorded_at, topic, state)
    values (gen_random_uuid(), 1, now(), 'token-revoked.v1', '')
    """,
    "update archive.archive_events set state = ''",
    "delete from archive.archive_events",
    "truncate archive.archive_events",
    "alter table archive.archive_events disable trigger all",
    "drop trigger append_only on archive.archive_events",
    "create or replace function archive.refuse_change() returns trigger language sql as ''",
    "select nextval('archive.archive_events_notification_id_seq')",
    "insert into archive.command values ('a', 'k', '', '{}', now())",
    "delete from archive.command",
    "insert into archive.claim values ('k', '', gen_random_uuid())",
    "delete from archive.claim",
    "delete from archive.content",
    "insert into keys.customer values (gen_random_uuid(), '1', 1, '')",
    "update keys.customer set wrapped = ''",
    "delete from keys.customer",
    "delete from keys.paper",
    "delete from keys.institution",
    "delete from keys.erasure",
    "create table scan.another (n int)",
    "create table archive.another (n int)",
    "create schema another",
    "set session_replication_role = replica",
]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_goes_round_the_append(parts: PostgresLog, role: str) -> None:
    archive_letter(parts.log, parts.keys)
    allowed = []
    with psycopg.connect(parts.url, autocommit=True, options=f"-c role={role}") as conn:
        for statement in FORBIDDEN:
            try:
                conn.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                continue
            allowed.append(statement)
    assert allowed == []


OURS = ["archive.append", "archive.let_go"]


@pytest.mark.parametrize("name", OURS)
def test_only_the_application_may_append_and_let_go(parts: PostgresLog, name: str) -> None:
    [(function,)] = ask(parts.url, "select %s::regproc::oid", name)
    may = "select has_function_privilege(%s, %s::oid, 'execute')"
    assert ask(parts.url, may, "dossier_app", function) == [(True,)]
    assert ask(parts.url, may, "dossier_projector", function) == [(False,)]
    assert ask(parts.url, "select count(*) from aclexplode((select proacl from pg_proc where oid = %s))"
               " where grantee = 0", function) == [(0,)]  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_our_functions_look_nowhere_but_in_their_own_schemas(parts: PostgresLog, name: str) -> None:
    """A definer's function with a caller's search path would run the caller's tables with the owner's rights."""
    [(settings,)] = ask(parts.url, "select proconfig from pg_proc where oid = %s::regproc", name)
    assert "search_path=pg_catalog, pg_temp" in settings


def test_no_paper_but_a_session_that_is_over_loses_its_keys_or_contents(parts: PostgresLog) -> None:
    """Whoever calls the function, and whatever the application appended to the paper before it did."""
    letter, _ = archive_letter(parts.log, parts.keys)
    parts.log.append([an_envelope(event, letter, n) for n, event in enumerate((ScanCancelled(), ScanClosed()), 2)])
    going_on = uuid7()
    parts.keys.new_paper(going_on)
    parts.log.append([an_envelope(BY_KIND[ScanStarted], going_on)], papers={going_on: parts.keys.intake_owner()})
    [(content,)] = ask(parts.url, "select content from archive.content where paper = %s", letter)
    for ended, forgotten in (([letter], []), ([going_on], []), ([uuid7()], []), ([], [content])):
        with psycopg.connect(parts.url, autocommit=True, options="-c role=dossier_app") as conn:
            with pytest.raises(psycopg.Error) as refused:
                conn.execute("select archive.let_go(%s::uuid[], %s::uuid[])", [ended, forgotten])
            assert refused.value.sqlstate == "DX500"
    assert {paper for (paper,) in ask(parts.url, "select paper from keys.paper")} == {letter, going_on}
    assert ask(parts.url, "select content from archive.content") == [(content,)]
