"""The runner of the migrations: each once, forward only, refused when file and database do not fit."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from migrations.files import MigrationError, load_migrations
from migrations.runner import list_pending, migrate
from tests.builders.history import git
from tests.docs.schema import schema_of

FROZEN = Path(__file__).parent / "migrations.sha256"
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


# -- a folder of files as one migration -------------------------------------------------------------------------------


def write_baseline(folder: Path, order: str = "functions/one.sql book.sql", replaced: str = "") -> Path:
    """A baseline of two files with the number 2; `replaced` are the lines of the files that it stands for."""
    (folder / "0002_baseline" / "functions").mkdir(parents=True)
    (folder / "0002_baseline" / "order.txt").write_text(order)
    (folder / "0002_baseline" / "book.sql").write_text("create table book (id int default one())")
    (folder / "0002_baseline" / "functions" / "one.sql").write_text("create function one() returns int return 1")
    if replaced:
        (folder / "0002_baseline" / "replaced.txt").write_text(f"commit {'c0ffee' * 7}\n{replaced}")
    return folder


def test_the_files_of_a_folder_are_one_migration_in_the_declared_order(empty_db: str, tmp_path: Path) -> None:
    write(write_baseline(tmp_path), _0003_row="insert into book values (default)")
    assert list_pending(empty_db, tmp_path) == ["0002_baseline", "0003_row.sql"]
    assert migrate(empty_db, tmp_path) == ["0002_baseline", "0003_row.sql"]
    assert rows(empty_db, "select id from book") == [(1,)]
    assert rows(empty_db, "select version, name from schema_migration order by 1") == [
        (2, "0002_baseline"),
        (3, "0003_row.sql"),
    ]
    assert migrate(empty_db, tmp_path) == []


def test_a_failing_file_of_a_folder_is_named_and_the_folder_taken_back_whole(empty_db: str, tmp_path: Path) -> None:
    write_baseline(tmp_path, order="book.sql functions/one.sql")
    with pytest.raises(MigrationError, match=r"0002_baseline/book\.sql: function one\(\) does not exist"):
        migrate(empty_db, tmp_path)
    (tmp_path / "0002_baseline" / "order.txt").write_text("functions/one.sql book.sql")
    assert migrate(empty_db, tmp_path) == ["0002_baseline"]


@pytest.mark.parametrize("order", ["functions/one.sql", "functions/one.sql book.sql book.sql", "one.sql book.sql"])
def test_an_order_that_is_not_of_its_folder_is_refused(empty_db: str, tmp_path: Path, order: str) -> None:
    with pytest.raises(MigrationError, match=r"0002_baseline/order\.txt does not list each SQL file"):
        migrate(empty_db, write_baseline(tmp_path, order))


@pytest.mark.parametrize("name", ["book.sql", "functions/one.sql"])
def test_an_edited_file_of_a_folder_is_refused(empty_db: str, tmp_path: Path, name: str) -> None:
    migrate(empty_db, write_baseline(tmp_path))
    with (tmp_path / "0002_baseline" / name).open("a") as file:
        file.write(" -- changed")
    with pytest.raises(MigrationError, match="0002_baseline was changed"):
        migrate(empty_db, tmp_path)


# -- a baseline in place of earlier files -----------------------------------------------------------------------------

EARLIER = {"_0001_function": "create function one() returns int return 1", "_0002_table": "create table book (id int)"}


def baseline_for(earlier: Path, folder: Path) -> Path:
    """A baseline in `folder` that replaces the files in `earlier`."""
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(earlier.iterdir()))
    return write_baseline(folder, replaced="".join(lines))


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The folder of an earlier version, with two files."""
    (tmp_path / "earlier").mkdir()
    return write(tmp_path / "earlier", **EARLIER)


def test_a_baseline_with_earlier_files_is_applied_to_an_empty_database(
    empty_db: str, tmp_path: Path, earlier: Path
) -> None:
    assert migrate(empty_db, baseline_for(earlier, tmp_path / "now")) == ["0002_baseline"]
    assert exists(empty_db, "book")


def test_a_database_of_all_earlier_files_is_adopted_and_keeps_its_rows(
    empty_db: str, tmp_path: Path, earlier: Path
) -> None:
    migrate(empty_db, earlier)
    with psycopg.connect(empty_db) as connection:
        connection.execute("insert into book values (7)")
    now = write(baseline_for(earlier, tmp_path / "now"), _0003_more="insert into book values (8)")
    assert list_pending(empty_db, now) == ["0003_more.sql"], "the schema of the baseline is there"
    adopted, added = migrate(empty_db, now)
    assert adopted.startswith("0002_baseline, in place of")
    assert added == "0003_more.sql"
    assert rows(empty_db, "select id from book order by 1") == [(7,), (8,)]
    assert rows(empty_db, "select version, name from schema_migration order by 1") == [
        (2, "0002_baseline"),
        (3, "0003_more.sql"),
    ]
    assert migrate(empty_db, now) == []


def test_a_database_that_had_a_later_file_already_is_adopted_too(empty_db: str, tmp_path: Path, earlier: Path) -> None:
    """A migration may have come after the earlier files and before they became a baseline."""
    now = write(baseline_for(earlier, tmp_path / "now"), _0003_more="select 1")
    migrate(empty_db, write(earlier, _0003_more="select 1"))
    assert len(migrate(empty_db, now)) == 1
    assert rows(empty_db, "select version from schema_migration order by 1") == [(2,), (3,)]


def test_a_database_of_some_earlier_files_is_refused_and_told_the_way(
    empty_db: str, tmp_path: Path, earlier: Path
) -> None:
    now = baseline_for(earlier, tmp_path / "now")
    (earlier / "0002_table.sql").unlink()
    migrate(empty_db, earlier)
    for call in (migrate, list_pending):
        with pytest.raises(
            MigrationError, match=r"at migration 1 of an earlier version.* from 2: start commit c0ffeec"
        ):
            call(empty_db, now)
    assert rows(empty_db, "select version from schema_migration") == [(1,)]
    assert not exists(empty_db, "book")


def test_a_database_of_other_earlier_files_is_refused(empty_db: str, tmp_path: Path, earlier: Path) -> None:
    now = baseline_for(earlier, tmp_path / "now")
    migrate(empty_db, write(earlier, _0001_function=EARLIER["_0001_function"] + " -- mine"))
    with pytest.raises(MigrationError, match=r"0001_function\.sql was changed after it was applied"):
        migrate(empty_db, now)


# -- those of this release --------------------------------------------------------------------------------------------


def test_the_releases_own_migrations_apply_and_then_none_is_pending(db: str) -> None:
    assert list_pending(db) == []
    assert rows(db, "select count(*) > 0 from schema_migration") == [(True,)]


def test_no_migration_was_changed_since_it_was_committed() -> None:
    """A home that has it would be refused, even for another comment. A new migration gets its line at the end."""
    now = [f"{migration.sha256}  {migration.name}" for migration in load_migrations()]
    assert FROZEN.read_text().splitlines() == now, "add the line of a new migration; take a change back"


def test_every_migration_has_had_one_digest_in_all_commits() -> None:
    """A file and its line can be changed together; then the history tells, where there is one."""
    added = re.findall(r"^\+(\w{64})  (.+)$", git("log", "-p", "--format=", "--", str(FROZEN)), re.MULTILINE)
    names = [name for _, name in set(added)]
    assert sorted(names) == sorted(set(names))


def test_each_file_of_the_baseline_opens_with_its_duty() -> None:
    [baseline] = [migration for migration in load_migrations() if migration.replaced]
    assert [part.name for part in baseline.parts if not re.match(r"-- [A-Z].+", part.sql)] == []


def test_the_baseline_has_one_file_for_each_function() -> None:
    [baseline] = [migration for migration in load_migrations() if migration.replaced]
    for part in baseline.parts:
        names = re.findall(r"^create (?:or replace )?function \w+\.(\w+)", part.sql, re.MULTILINE)
        expected = [Path(part.name).stem] if "/functions/" in part.name else []
        assert names == expected, part.name


def test_the_baseline_gives_what_the_files_gave_that_it_replaces(db: str, empty_db: str, tmp_path: Path) -> None:
    """A home that was adopted and a fresh one have the same schema and the same first rows. The files are in git."""
    release = load_migrations()
    [baseline] = [migration for migration in release if migration.replaced]
    assert baseline.replaced is not None
    if not git("cat-file", "-t", baseline.replaced.commit, check=False):
        pytest.skip("the files stand in the history, which is not here")
    for version, name in baseline.replaced.names.items():
        text = git("show", f"{baseline.replaced.commit}:migrations/{name}")
        assert hashlib.sha256(text.encode()).hexdigest() == baseline.replaced.digests[version], name
        (tmp_path / name).write_text(text)
    migrate(empty_db, tmp_path)
    adopted, *later = migrate(empty_db)
    assert adopted.startswith(baseline.name)
    assert later == [migration.name for migration in release if migration.version > baseline.version]
    assert schema_of(empty_db) == schema_of(db)
