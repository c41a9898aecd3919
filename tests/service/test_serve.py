"""`dossier serve` in each of the ways it is run: accounts, databases, content elsewhere, starts, stops, refusals."""

import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from store.postgres import Cluster
from tests.fixtures.database import PASSWORD, as_login, database_url
from tests.http.served import free_port, name_of, new_home, parent_of, prepared_home, wait_until
from tests.service.program import NAME, NOTE
from tests.service.running import ACCOUNTS, PLAIN, Running, begun, give, item, log_lines, running, words

SECONDS = 60
LETTER = b"Dear library, please send my reminders by post.\n"
CUSTOMER = "secret-customer-7"


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as home:
        yield home


@pytest.fixture
def prepared() -> Iterator[Path]:
    """For a test that is not about the first start."""
    with prepared_home() as home:
        yield home


@pytest.fixture
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Postgres of somebody else's: nothing of the archive starts or stops it."""
    with new_home() as folder, Cluster(folder / "foreign") as cluster:
        yield cluster


def archived(client: httpx.Client) -> str:
    """A letter of a new customer; the letter's id."""
    assert client.put(f"/v1/customers/{CUSTOMER}", json={"name": NAME}).status_code in (200, 201)
    form = {"customer": CUSTOMER, "type": "LETTER", "note": NOTE}
    answer = client.post("/v1/documents", data=form, files={"file": ("private-file.txt", LETTER)})
    paper: str = item(answer)["id"]
    headers = {"Archive-Min-Position": answer.headers["Archive-Position"]}
    listed = client.get(f"/v1/customers/{CUSTOMER}/documents", headers=headers)
    assert [i["id"] for i in listed.json()["items"]] == [paper]
    return paper


def content(client: httpx.Client, paper: str) -> bytes:
    answer = client.get(f"/v1/documents/{paper}/content")
    assert answer.status_code == 200, answer.text
    return answer.content


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- accounts, starts and stops ---------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_second_start_keeps_everything_and_both_end_cleanly(home: Path, account: str) -> None:
    give(home, account)
    with running(home, account) as first:
        assert first.out == f"ready {first.url}\n"
        token = (home / "operator.token").read_text().strip()
        assert f"operator token: {home / 'operator.token'} (send it as Authorization: Bearer)" in words(first.err)
        assert token not in first.err
        assert mode(home / "operator.token") == 0o600
        assert (mode(home / "keys"), mode(home / "keys" / "kek.1")) == (0o700, 0o600)
        with first.client() as client:
            paper = archived(client)
        assert first.stop(signal.SIGINT, group=True) == 0  # Ctrl-C
    keys = {path.name: path.read_bytes() for path in (home / "keys").iterdir()}

    with running(home, account) as second:
        assert second.out == f"ready {second.url}\n"
        assert words(second.err) == []
        assert (home / "operator.token").read_text().strip() == token
        assert {path.name: path.read_bytes() for path in (home / "keys").iterdir()} == keys
        with second.client() as client:
            assert content(client, paper) == LETTER
        owners = owners_of(second)
        assert (0 in owners) is (account == "root")
        assert second.stop() == 0


@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGINT, True)], ids=["TERM", "Ctrl-C"])
def test_a_stop_in_the_middle_of_the_first_start_leaves_nothing_in_the_way(
    home: Path, number: signal.Signals, group: bool
) -> None:
    with begun(home) as cut:
        wait_until(lambda: any((home / "postgres").glob("pgdata*")), SECONDS, "the database is not being made")
        assert cut.stop(number, group=group) == 130
        assert "Traceback" not in cut.err
        again = cut.command("migrate")
        assert again.returncode == 0, again.stderr


def test_a_second_serve_on_the_same_home_is_refused_and_the_first_goes_on(prepared: Path) -> None:
    with running(prepared) as first:
        with first.client() as client:
            counted = client.get("/metrics").text.count("\n")
            ballast = (prepared / "ballast").stat().st_blocks
            with begun(prepared, DOSSIER_BALLAST_BYTES="0") as second:
                assert second.process.wait(SECONDS) == 5
                assert f"{prepared} is already served by another process" in second.err
            assert client.get("/readyz").status_code == 200
            assert client.get("/metrics").text.count("\n") >= counted
            assert (prepared / "ballast").stat().st_blocks == ballast > 0
        assert first.stop() == 0


def test_workers_of_a_killed_arbiter_end_with_it_and_what_answers_next_stays(prepared: Path) -> None:
    """They held the port a second longer, answered as if all were well, and were then gone."""
    with running(prepared) as archive:
        worker = worker_of(archive)
        os.kill(worker, signal.SIGSTOP)  # it cannot look for its parent itself: only the kernel ends it
        os.kill(parent_of(worker), signal.SIGKILL)
        wait_until(lambda: worker not in archive.processes(), SECONDS, "the worker lives on")
        wait_until(lambda: answers(archive), SECONDS, "nobody answers")
        assert worker_of(archive) != worker
        assert archive.stop() == 0


def test_while_the_door_starts_again_callers_wait_and_no_program_takes_its_port(prepared: Path) -> None:
    """They were refused, and a program that took the port meanwhile shut the archive out for as long as it ran."""
    with running(prepared) as archive:
        arbiter = parent_of(worker_of(archive))
        os.kill(archive.process.pid, signal.SIGSTOP)  # nothing is started again yet
        os.kill(arbiter, signal.SIGKILL)
        wait_until(lambda: not webs(archive), SECONDS, "the door lives on")
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", archive.port))
        with socket.create_connection(("127.0.0.1", archive.port), SECONDS) as caller:
            caller.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            os.kill(archive.process.pid, signal.SIGCONT)
            assert caller.recv(64).startswith(b"HTTP/1.1 200 ")
        assert archive.stop() == 0


def webs(archive: Running) -> list[int]:
    return [pid for pid in archive.processes() if name_of(pid) == "dossier-web"]


def test_who_comes_while_the_door_stops_is_refused(prepared: Path) -> None:
    """No part but the door may hold its socket: callers would wait at a door that nobody opens."""
    with running(prepared) as archive, socket.create_connection(("127.0.0.1", archive.port), SECONDS) as slow:
        token = (prepared / "operator.token").read_text().strip()
        head = f"PUT /v1/customers/slow HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        slow.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{{".encode())
        wait_until(lambda: answers(archive), SECONDS, "nobody answers")
        archive.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(archive), SECONDS, "callers wait")
        assert archive.process.poll() is None
        slow.sendall(b'"name": "Jan"}')
        assert slow.recv(64).startswith(b"HTTP/1.1 201 ")
        assert archive.ended() == 0


def refuses(archive: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", archive.port), SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


def answers(archive: Running) -> bool:
    try:
        return httpx.get(f"{archive.url}/livez").status_code == 200
    except httpx.TransportError:
        return False


def test_a_database_that_cannot_be_started_again_is_tried_until_it_can(prepared: Path) -> None:
    """A failing start once ended the whole service."""
    with running(prepared) as archive, archive.client() as client:
        paper = archived(client)
        data = prepared / "postgres" / "pgdata"
        (data / "postgresql.conf").rename(data / "postgresql.conf.away")
        os.kill(int((data / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
        wait_until(lambda: "the embedded database does not start" in archive.err, SECONDS, "that it fails is not told")
        assert client.get("/readyz").status_code == 503
        (data / "postgresql.conf.away").rename(data / "postgresql.conf")
        wait_until(lambda: client.get("/readyz").status_code == 200, SECONDS, "it was not tried again")
        last = client.put(f"/v1/customers/{CUSTOMER}", json={"name": NAME}).headers["Archive-Position"]
        at_last = {"Archive-Min-Position": last}  # the views of before a kill may lack the last second, for a moment
        wait_until(lambda: client.get("/v1/history", headers=at_last).status_code == 200, SECONDS, "it stays behind")
        assert content(client, paper) == LETTER
        assert archive.stop() == 0


# -- what it says -----------------------------------------------------------------------------------------------


def test_the_log_is_json_with_route_templates_and_names_nobody(prepared: Path) -> None:
    """Also what gunicorn has to say: it once kept a form of its own, with tracebacks."""
    with running(prepared) as archive:
        with archive.client() as client:
            paper = archived(client)
            client.get("/v1/customers", params={"q": NAME})
            client.get(f"/v1/customers/{CUSTOMER}/history")
            client.get(f"/v1/{CUSTOMER}/nowhere")
            content(client, paper)
        token = (prepared / "operator.token").read_text().strip()
        told = words(archive.err)
        os.kill(worker_of(archive), signal.SIGKILL)
        wait_until(lambda: "gunicorn.error: Worker" in archive.err, SECONDS, "a killed worker is not told")
        assert archive.stop() == 0
    lines = [json.loads(line) for line in log_lines(archive.err)]
    assert {"/v1/customers/{id}/documents", "/v1/customers", "/v1/documents/{id}/content", "-"} <= {
        line["route"] for line in lines if "route" in line
    }
    assert not [line for line in lines if "time" not in line]
    assert words(archive.err) == told  # of the start; from then on there is nothing but JSON
    for private in (NAME, NAME.split()[1], NOTE, CUSTOMER, paper, "private-file", token):
        assert private not in archive.err + archive.out, private


def worker_of(archive: Running) -> int:
    """The web child of serve is gunicorn's arbiter, and its only child the worker. On a busy machine one that is made
    just now has no name yet."""
    wait_until(lambda: len(workers_of(archive)) == 1, SECONDS, "there is no worker, or more than one")
    [worker] = workers_of(archive)
    return worker


def owners_of(archive: Running) -> set[int]:
    found = set()
    for pid in archive.processes():
        with suppress(FileNotFoundError):  # it went just now
            found.add(Path(f"/proc/{pid}").stat().st_uid)
    return found


def workers_of(archive: Running) -> list[int]:
    web = [pid for pid in archive.processes() if name_of(pid) == "dossier-web"]
    return [pid for pid in web if parent_of(pid) in web]


# -- a Postgres of one's own ------------------------------------------------------------------------------------


def database(cluster: Cluster, name: str, *statements: str) -> str:
    """Prepared as an administrator would; the superuser's address of it."""
    with psycopg.connect(cluster.url, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())
    return cluster.url.replace("/postgres?", f"/{name}?")


def login(url: str, name: str) -> str:
    return as_login(url, name)


def test_a_given_database_is_used_as_superuser_and_outlives_the_archive(home: Path, foreign: Cluster) -> None:
    url = database(foreign, "library", "create database library")
    port = str(free_port())
    with running(home, DOSSIER_DATABASE_URL=url, DOSSIER_METRICS_PORT=port) as archive, archive.client() as client:
        paper = archived(client)
        assert not (home / "postgres").exists()
        checked = json.loads(archive.command("config", "check", "--json").stdout)
        assert checked["database"]["roles"] == {"dossier_app": True, "dossier_projector": True}
        verified = archive.command("verify", "--json")
        assert verified.returncode == 0, verified.stdout

        with away(foreign):
            missed = client.get("/readyz")
            assert missed.status_code == 503
            assert missed.json()["parts"]["database"] == "no answer"
            refused = client.get(f"/v1/documents/{paper}/content")
            assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
            figures = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=SECONDS).text
            assert "dossier_requests_total{" in figures
            assert "dossier_view_position{" not in figures
        wait_until(lambda: client.get("/readyz").status_code == 200, SECONDS, "it does not come back")
        assert content(client, paper) == LETTER
        assert archive.stop() == 0
    assert foreign.is_alive()


@contextmanager
def away(cluster: Cluster) -> Iterator[None]:
    cluster.release()
    try:
        yield
    finally:
        cluster.start()


def test_a_login_that_may_not_make_roles_works_and_config_check_says_what_that_means(
    home: Path, foreign: Cluster
) -> None:
    made = f"create role plain login password '{PASSWORD}'", "create database library owner plain"
    url = login(database(foreign, "library", *made), "plain")
    with running(home, DOSSIER_DATABASE_URL=url) as archive:
        with archive.client() as client:
            archived(client)
        checked = archive.command("config", "check", "--json")
        assert checked.returncode == 0
        assert json.loads(checked.stdout)["database"]["roles"] == {"dossier_app": False, "dossier_projector": False}
        assert checked.stderr.count("only triggers protect the event log from changes") == 2
        assert archive.command("verify").returncode == 0
        assert archive.stop() == 0


def test_with_logins_for_schema_and_views_the_serving_one_owns_nothing(home: Path, foreign: Cluster) -> None:
    url = database(
        foreign,
        "library",
        "create role dossier_app nologin",
        "create role dossier_projector nologin",
        f"create role owning login password '{PASSWORD}'",
        f"create role serving login password '{PASSWORD}'",
        "grant dossier_projector to owning",
        f"create role projecting login password '{PASSWORD}'",
        "grant dossier_app to serving",
        "grant dossier_projector to projecting",
        "create database library owner owning",
    )
    addresses = {
        "DOSSIER_DATABASE_URL": login(url, "serving"),
        "DOSSIER_DATABASE_OWNER_URL": login(url, "owning"),
        "DOSSIER_DATABASE_PROJECTOR_URL": login(url, "projecting"),
    }
    with running(home, **addresses) as archive:
        with archive.client() as client:
            archived(client)
        checked = archive.command("config", "check", "--json")
        assert json.loads(checked.stdout)["database"]["roles"] == {"dossier_app": True, "dossier_projector": True}
        assert archive.command("verify").returncode == 0
        assert archive.stop() == 0
    with psycopg.connect(login(url, "serving"), autocommit=True) as conn:
        changes = (
            "delete from archive.archive_events",
            "drop table archive.archive_events",
            "delete from views.authorizations",
        )
        for change in ("set role dossier_projector", *changes):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(change.encode())
        owned = conn.execute("select count(*) from pg_tables where tableowner = 'serving'").fetchone()
    assert owned == (0,)


# -- content elsewhere ------------------------------------------------------------------------------------------


def test_content_goes_where_its_url_says_and_nowhere_else(home: Path, tmp_path: Path) -> None:
    """A blank in the path stands as %20 in the URL, which was once taken for the name."""
    elsewhere = tmp_path / "another disk" / "content"
    elsewhere.parent.mkdir()
    with running(home, DOSSIER_CONTENT_URL=elsewhere.as_uri()) as archive:
        with archive.client() as client:
            paper = archived(client)
            assert content(client, paper) == LETTER
        assert archive.stop() == 0
    (file,) = [path for path in elsewhere.rglob("*") if path.is_file() and path.name != "ARCHIVE"]
    assert LETTER not in file.read_bytes()
    assert not (home / "content").exists()


# -- refusals ---------------------------------------------------------------------------------------------------


def refused(home: Path, code: int, account: str | None = None, **variables: str) -> str:
    """The one sentence with which serve ends; it may leave no process."""
    with begun(home, account, **variables) as archive:
        assert archive.ended() == code, archive.err
        line = json.loads(archive.err.splitlines()[-1])
        assert line["level"] == "error"
        began = f"serve does not start, exit code {code}: "
        assert line["message"].startswith(began)
        assert archive.out == ""
        return f"dossier: {line['message'].removeprefix(began)}"


@pytest.mark.parametrize("setting", ["DOSSIER_PORT", "DOSSIER_METRICS_PORT"])
def test_a_port_that_is_taken_is_told_before_anything_is_started(home: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(home, 5, **{setting: str(port)})
    assert said == f"dossier: 127.0.0.1:{port} is used by another program: stop it, or set {setting}"
    assert not (home / "postgres").exists()


def test_an_address_that_is_not_of_this_machine_is_told(home: Path) -> None:
    said = refused(home, 1, DOSSIER_HOST="192.0.2.1")
    assert said.startswith("dossier: cannot listen on 192.0.2.1:")
    assert said.endswith("set DOSSIER_HOST or DOSSIER_PORT")


def test_settings_that_do_not_go_together_are_told(home: Path) -> None:
    port = str(free_port())
    said = refused(home, 2, DOSSIER_PORT=port, DOSSIER_METRICS_PORT=port)
    assert said == "dossier: DOSSIER_METRICS_PORT: must differ from DOSSIER_PORT"
    said = refused(home, 2, DOSSIER_DATABASE_OWNER_URL="postgresql:///library")
    assert said.startswith("dossier: DOSSIER_DATABASE_OWNER_URL: needs DOSSIER_DATABASE_URL")
    assert [*home.iterdir()] == []


def test_a_home_in_which_the_account_may_not_write_is_told(home: Path) -> None:
    if ACCOUNTS == ["root", PLAIN]:
        home.chmod(0o755)
    else:
        home.chmod(0o500)
    said = refused(home, 1, PLAIN)
    assert said == f"dossier: DOSSIER_HOME {home} cannot be used: Permission denied ({home / 'tmp'})"


def test_a_home_that_is_a_file_is_told(home: Path) -> None:
    (home / "file").touch()
    assert "cannot be used" in refused(home / "file", 1)


def test_without_its_keys_serve_refuses_and_makes_no_new_ones(prepared: Path) -> None:
    key = prepared / "keys" / "kek.1"
    key.rename(prepared / "kek.1")
    said = refused(prepared, 1)
    assert said == f"dossier: {key} is missing, and the archive itself needs it: put the copy of it back"
    assert not [*(prepared / "keys").glob("kek*")]


def test_a_start_that_is_refused_makes_no_empty_key_folder(prepared: Path) -> None:
    """`mv` would put the folder that comes back inside of it."""
    (prepared / "keys").rename(prepared / "keys.away")
    assert refused(prepared, 1).startswith(f"dossier: {prepared / 'keys' / 'kek.1'} is missing")
    assert not (prepared / "keys").exists()


def test_a_database_that_does_not_answer_asks_to_try_again(home: Path, tmp_path: Path) -> None:
    said = refused(home, 75, DOSSIER_DATABASE_URL=f"postgresql://archivist:secret-word@/dossier?host={tmp_path}")
    assert said == "dossier: the database does not answer: no server listens on that socket"


def test_why_the_database_does_not_answer_is_told_and_no_secret(home: Path, cluster_url: str) -> None:
    """M2: with systemd this line is all that there is, every two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        silent = f"postgresql://archivist:secret-word@127.0.0.1:{port}/x?connect_timeout=2"
        assert refused(home, 75, DOSSIER_DATABASE_URL=silent).endswith(": its host does not answer")
    closed = f"postgresql://archivist:secret-word@127.0.0.1:{free_port()}/x"
    assert refused(home, 75, DOSSIER_DATABASE_URL=closed).endswith(": no server listens at that address")
    other = database_url(cluster_url, "nowhere")
    assert refused(home, 75, DOSSIER_DATABASE_URL=other).endswith(": there is no such database on that server")
    wrong = refused(home, 2, DOSSIER_DATABASE_URL="mysql://archivist:secret-word@host/x")
    assert "postgresql://LOGIN:PASSWORD@HOST/DATABASE" in wrong
    assert "secret-word" not in wrong


def test_a_server_with_too_few_connections_is_refused_before_anything_is_made(home: Path, empty_db: str) -> None:
    """8 workers started, and 169 of 300 reads at once were 503: too many clients already."""
    said = refused(home, 1, DOSSIER_DATABASE_URL=empty_db, DOSSIER_WORKERS="8")
    assert said.endswith(
        "DOSSIER_WORKERS=8 may open 216: raise max_connections (or the limit of the login or database),"
        " or set fewer workers"
    )
    with psycopg.connect(empty_db) as conn:
        assert conn.execute("select count(*) from pg_namespace where nspname = 'archive'").fetchone() == (0,)


def test_over_ipv6_it_says_an_address_that_can_be_asked(prepared: Path) -> None:
    if not speaks_ipv6():
        assert "cannot listen on [::1]:" in refused(prepared, 1, DOSSIER_HOST="::1")
        return
    with begun(prepared, DOSSIER_HOST="::1") as archive:
        where = f"ready http://[::1]:{archive.port}\n"
        wait_until(lambda: archive.out == where, SECONDS, "it does not say so")
        assert httpx.get(f"http://[::1]:{archive.port}/livez").status_code == 200
        assert archive.stop() == 0


def speaks_ipv6() -> bool:
    """Containers often have no address of it at all."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
