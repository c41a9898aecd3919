"""The runner of the numbered SQL files: each once, forward only, refused when file and database do not fit."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from domain.values import uuid7
from migrations.runner import MigrationError, list_pending, migrate

RELEASED = Path(__file__).parents[2] / "migrations"
TABLE = "create table book (id int primary key, title text);\ncreate table loan (book int references book);"
INDEX = """-- no-transaction
drop index concurrently if exists book_title;
-- next
create index concurrently book_title on book (title);
"""


def write(folder: Path, **files: str) -> Path:
    """Files by name; the number stands first, so a leading underscore keeps the name a keyword."""
    for name, text in files.items():
        (folder / f"{name.removeprefix('_')}.sql").write_text(text)
    return folder


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def exists(url: str, name: str) -> bool:
    return rows(url, f"select to_regclass('{name}') is not null") == [(True,)]


def test_files_are_applied_in_order_and_once(empty_db: str, tmp_path: Path) -> None:
    write(tmp_path, _0002_more="insert into book values (1, 'Emma')", _0001_table=TABLE)
    assert list_pending(empty_db, tmp_path) == ["0001_table.sql", "0002_more.sql"]
    assert migrate(empty_db, tmp_path) == ["0001_table.sql", "0002_more.sql"]
    assert migrate(empty_db, tmp_path) == []
    assert list_pending(empty_db, tmp_path) == []
    assert rows(empty_db, "select title from book") == [("Emma",)]
    assert rows(empty_db, "select version, name from schema_migration order by 1") == [
        (1, "0001_table.sql"),
        (2, "0002_more.sql"),
    ]


def test_asking_what_is_pending_changes_nothing(empty_db: str, tmp_path: Path) -> None:
    assert list_pending(empty_db, write(tmp_path, _0001_table=TABLE)) == ["0001_table.sql"]
    assert not exists(empty_db, "schema_migration")


def test_what_a_later_release_brings_is_added(empty_db: str, tmp_path: Path) -> None:
    migrate(empty_db, write(tmp_path, _0001_table=TABLE))
    assert migrate(empty_db, write(tmp_path, _0002_index=INDEX)) == ["0002_index.sql"]


def test_of_four_at_once_one_applies_and_three_wait(empty_db: str, tmp_path: Path) -> None:
    """The index is built outside a transaction, beside sessions that wait: inside the lock they would deadlock."""
    write(tmp_path, _0001_table="create extension if not exists pg_trgm; " + TABLE, _0002_index=INDEX)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: migrate(empty_db, tmp_path), range(4)))
    assert sorted(done) == [[], [], [], ["0001_table.sql", "0002_index.sql"]]


def test_a_failing_file_is_taken_back_whole_and_named(empty_db: str, tmp_path: Path) -> None:
    write(tmp_path, _0001_table=TABLE, _0002_broken="create table half (id int); select 1 / 0")
    with pytest.raises(MigrationError, match=r"0002_broken\.sql.*division by zero"):
        migrate(empty_db, tmp_path)
    assert exists(empty_db, "book")
    assert not exists(empty_db, "half")
    write(tmp_path, _0002_broken="create table half (id int)")
    assert migrate(empty_db, tmp_path) == ["0002_broken.sql"]


def test_a_file_without_transaction_can_be_repeated_after_a_failure(empty_db: str, tmp_path: Path) -> None:
    """A failed CREATE INDEX CONCURRENTLY leaves an invalid index behind, hence the drop before it."""
    write(tmp_path, _0001_table=TABLE, _0002_rows="insert into book values (1, 'Emma'), (2, 'Emma')")
    write(tmp_path, _0003_index=INDEX.replace("create index", "create unique index"))
    with pytest.raises(MigrationError, match=r"0003_index\.sql"):
        migrate(empty_db, tmp_path)
    with psycopg.connect(empty_db) as connection:
        connection.execute("delete from book where id = 2")
    assert migrate(empty_db, tmp_path) == ["0003_index.sql"]
    assert rows(empty_db, "select indisvalid from pg_index where indexrelid = 'book_title'::regclass") == [(True,)]


def test_an_edited_file_is_refused(empty_db: str, tmp_path: Path) -> None:
    migrate(empty_db, write(tmp_path, _0001_table=TABLE))
    write(tmp_path, _0001_table=TABLE + " -- changed", _0002_more="create table more (id int)")
    for call in (migrate, list_pending):
        with pytest.raises(MigrationError, match=r"0001_table\.sql was changed"):
            call(empty_db, tmp_path)
    assert not exists(empty_db, "more")


def test_other_line_ends_are_no_edit(empty_db: str, tmp_path: Path) -> None:
    migrate(empty_db, write(tmp_path, _0001_table=TABLE))
    (tmp_path / "0001_table.sql").write_bytes(TABLE.replace("\n", "\r\n").encode())
    assert migrate(empty_db, tmp_path) == []


def test_a_database_from_a_later_release_is_refused(empty_db: str, tmp_path: Path) -> None:
    migrate(empty_db, write(tmp_path, _0001_table=TABLE, _0002_more="select 1"))
    (tmp_path / "0002_more.sql").unlink()
    with pytest.raises(MigrationError, match=r"does not know \[2\]"):
        migrate(empty_db, tmp_path)


def test_a_file_that_comes_too_late_is_refused(empty_db: str, tmp_path: Path) -> None:
    migrate(empty_db, write(tmp_path, _0002_table=TABLE))
    write(tmp_path, _0001_late="select 1")
    with pytest.raises(MigrationError, match=r"0001_late\.sql comes before"):
        migrate(empty_db, tmp_path)


@pytest.mark.parametrize("name", ["1_short", "0001_Upper", "0001-dash", "notes"])
def test_a_name_out_of_order_is_refused(empty_db: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(MigrationError, match="bad or doubled name"):
        migrate(empty_db, write(tmp_path, **{name: "select 1"}))


def test_a_doubled_number_is_refused(empty_db: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="bad or doubled name"):
        migrate(empty_db, write(tmp_path, _0001_one="select 1", _0001_two="select 2"))


def test_the_releases_own_files_apply_and_then_none_is_pending(db: str) -> None:
    assert list_pending(db) == []
    assert rows(db, "select count(*) > 0 from schema_migration") == [(True,)]


def test_a_claim_of_an_earlier_release_is_known_by_the_first_half_of_its_digest(empty_db: str, tmp_path: Path) -> None:
    for file in sorted(RELEASED.glob("00*.sql")):
        if file.name < "0017":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    migrate(empty_db, tmp_path)
    owner, digest = uuid7(), bytes(range(32))
    with psycopg.connect(empty_db) as connection:
        connection.execute("insert into archive.claim values ('scan-code', %s, %s)", [digest, owner])
    migrate(empty_db)
    assert rows(empty_db, "select kind, digest, owner from archive.claim") == [("scan-code", digest[:16], owner)]
