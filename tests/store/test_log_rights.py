"""The application's role: it appends through one function and reads, and there is no way round that function."""

from collections.abc import Iterator

import psycopg
import pytest

from domain.ports import CommandKey, Replayed
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
    assert len(parts.log.read(0, 10)) == len([r for page in parts.log.pages(0, 1 << 31) for r in page]) == 2
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


def test_only_the_application_may_append(parts: PostgresLog) -> None:
    [(function,)] = ask(parts.url, "select 'archive.append'::regproc::oid")
    may = "select has_function_privilege(%s, %s::oid, 'execute')"
    assert ask(parts.url, may, "dossier_app", function) == [(True,)]
    assert ask(parts.url, may, "dossier_projector", function) == [(False,)]
    assert ask(parts.url, "select count(*) from aclexplode((select proacl from pg_proc where oid = %s))"
               " where grantee = 0", function) == [(0,)]  # fmt: skip


def test_the_append_looks_nowhere_but_in_its_own_schemas(parts: PostgresLog) -> None:
    """A definer's function with a caller's search path would run the caller's tables with the owner's rights."""
    [(settings,)] = ask(parts.url, "select proconfig from pg_proc where oid = 'archive.append'::regproc")
    assert "search_path=pg_catalog, pg_temp" in settings
