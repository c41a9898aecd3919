"""A pooler before the database is told at the start: it would drop what workers rely on."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from service.database import POOLER, ServerUnfit, require_server
from store.postgres import Cluster
from tests.builders.logins import one_login
from tests.http.served import free_port, new_home, wait_until
from tests.service.running import AS_ROOT

SECONDS = 30
CONFIG = """
[databases]
postgres = host={host} dbname=postgres user=pooled password=x
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
logfile = {folder}/log
pidfile = {folder}/pid
pool_mode = {mode}
{more}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    if shutil.which("pgbouncer") is None:
        pytest.skip("NOT TESTED, there is no pgbouncer: apt-get install pgbouncer, then ./run test")
    with new_home() as folder, Cluster(folder / "pg") as cluster:
        with psycopg.connect(cluster.url, autocommit=True) as conn:
            conn.execute("create role pooled superuser login password 'x'")
        yield cluster


@contextmanager
def pooled(server: Cluster, mode: str, more: str) -> Iterator[str]:
    """The address of a pgbouncer, which runs under the server's account: only that one reaches its socket."""
    folder, port, owner = server.home / f"{mode}-{len(more)}", free_port(), server.home.stat()
    folder.mkdir()
    (folder / "users").write_text('"pooled" "x"\n')
    config = CONFIG.format(host=server.home, port=port, folder=folder, mode=mode, more=more)
    (folder / "ini").write_text(config)
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    account = ("setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups") if AS_ROOT else ()
    running = subprocess.Popen((*account, "pgbouncer", "-q", folder / "ini"), stderr=subprocess.DEVNULL)
    try:
        url = f"postgresql://pooled:x@127.0.0.1:{port}/postgres"
        wait_until(lambda: answers(url), SECONDS, "pgbouncer does not answer")
        yield url
    finally:
        running.terminate()
        running.wait()


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as conn:
            return conn.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("more", ["", "ignore_startup_parameters = options"])
def test_a_pooler_is_refused_for_it_drops_the_role_of_a_login(server: Cluster, mode: str, more: str) -> None:
    """It was an error in the program itself, or a worker with all rights of its login."""
    with pooled(server, mode, more) as url, pytest.raises(ServerUnfit) as refused:
        require_server(one_login(url), 1)
    assert str(refused.value) == POOLER
    require_server(one_login(server.url), 1)
