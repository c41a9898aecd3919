"""What operators ask for on the screen is carried out by the projector of serve: each kind, its end, its kills."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from projections.views import VIEWS
from service import operations
from service.operations import run_operations
from service.wiring import PROJECTOR_ROLE, role_of
from tests.builders.logins import one_login
from tests.http.desk import a_customer, archived, item_of, noted, view
from tests.http.served import Served, command_of, name_of, serving, wait_until
from tests.http.test_api_operations import asked, ended, seen
from tests.service.program import Program, environment

SECONDS = 60
VIEW = "authorizations"
WAITING = "select pid from pg_locks where relation = 'views.customer_documents'::regclass and not granted"


@pytest.fixture(scope="module")
def own() -> Iterator[Served]:
    """An archive whose processes may be killed, and from which no other test takes a key."""
    with serving(DOSSIER_WORKERS="1") as archive:
        settle(archive)
        yield archive
        assert "Traceback" not in archive.said()


def done(served: Served, kind: str, view: str | None = None) -> Any:
    """Ask and wait; what became of it."""
    operator = served.as_("operator")
    return ended(operator, item_of(asked(operator, kind, view))["id"])["result"]


def state_of(served: Served, view: str = VIEW) -> dict[str, Any]:
    return {one["view"]: one for one in seen(served.as_("operator"))["views"]}[view]  # type: ignore[no-any-return]  # JSON


@contextmanager
def held(url: str) -> Iterator[None]:
    """Somebody locks the third view: a replay of all waits in the middle. The database may go away meanwhile."""
    with suppress(psycopg.OperationalError), psycopg.connect(url) as conn:
        conn.execute("lock table views.customer_documents in access exclusive mode")
        yield


# -- each kind --------------------------------------------------------------------------------------------------------


def test_a_view_is_paused_stays_behind_and_is_resumed(own: Served) -> None:
    assert done(own, "pause", VIEW) == {}
    try:
        behind = state_of(own)["position"]
        position = noted(own.as_("staff"), a_customer(own))["position"]
        wait_until(lambda: state_of(own, "audit_history")["position"] >= position, SECONDS, "the others wait too")
        paused = state_of(own)
        assert (paused["paused"], paused["position"]) == (True, behind)
        assert paused["lag"] >= position - behind > 0
    finally:
        assert done(own, "resume", VIEW) == {"view": VIEW, "applied": 0, "parked": 0}
    wait_until(lambda: state_of(own)["lag"] == 0, SECONDS, "the view does not go on")
    assert state_of(own)["paused"] is False


def test_views_are_compared_with_the_log_one_or_all(own: Served) -> None:
    [one] = done(own, "replay", VIEW)
    assert (one["view"], one["identical"], one["swap_ms"]) == (VIEW, True, None)
    assert [(one["view"], one["identical"]) for one in done(own, "replay")] == [(view, True) for view in VIEWS]


def test_a_view_is_rebuilt_swapped_and_put_back(own: Served) -> None:
    [rebuilt] = done(own, "rebuild", VIEW)
    assert (rebuilt["view"], rebuilt["identical"]) == (VIEW, True)
    assert rebuilt["swap_ms"] > 0
    after = state_of(own)
    assert after["has_previous"] is True
    assert after["rebuilt_at"] is not None
    assert done(own, "back", VIEW) == {"position": rebuilt["position"]}
    assert done(own, "replay", VIEW)[0]["identical"] is True


def test_rows_that_differ_are_told_by_key_and_column(own: Served) -> None:
    noted(own.as_("staff"), a_customer(own))
    own.sql("update views.authorizations set type = 'LETTER' where to_position is null")
    [found] = done(own, "replay", VIEW)
    assert found["identical"] is False
    assert found["different"] >= len(found["differences"]) > 0
    assert len(found["differences"]) <= operations.SHOWN_MAX
    assert {column for one in found["differences"] for column in one["columns"]} == {"type"}
    assert done(own, "rebuild", VIEW)[0]["identical"] is False
    assert done(own, "replay", VIEW)[0]["identical"] is True


def test_everything_is_verified(own: Served) -> None:
    archived(own.as_("staff"), a_customer(own))
    report = done(own, "verify")
    assert (report["problems_found"], report["problems"]) == (0, [])
    assert report["events"] > 0
    assert report["contents"] > 0


def test_a_rebuild_beside_another_is_told_to_be_refused(own: Served) -> None:
    with psycopg.connect(own.database_url, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(4701912009)")
        assert done(own, "rebuild", VIEW) == {"error": "unavailable"}
    assert done(own, "rebuild", VIEW)[0]["identical"] is True


def test_progress_is_told_while_it_runs_and_stays_when_it_has_ended(own: Served) -> None:
    settle(own)
    operator = own.as_("operator")
    with held(own.database_url):
        task = under_way(own)
        [waiting] = [one for one in seen(operator)["tasks"] if one["id"] == task]
        assert waiting["begun_at"] is not None
        assert (waiting["ended_at"], waiting["result"]) == (None, None)
    told = ended(operator, task)
    assert 0 < told["done"] <= told["total"]


# -- ends that nobody asked for ---------------------------------------------------------------------------------------


def test_a_projector_killed_in_the_middle_leaves_a_task_that_says_so_and_the_next_is_done(own: Served) -> None:
    operator = own.as_("operator")
    with held(own.database_url):
        cut = under_way(own)
        task_process = process_of(own, cut)
        next_one = item_of(asked(operator, "replay"))["id"]
        os.kill(projector_of(own), signal.SIGKILL)
        wait_until(lambda: task_process not in own.processes(), SECONDS, "the task outlives its projector")
        wait_until(lambda: not own.sql(WAITING), SECONDS, "the database goes on with it")
        assert ended(operator, cut)["result"] == {"error": "interrupted"}
        wait_until_under_way(own, next_one)
    assert ended(operator, next_one)["result"][0]["identical"] is True


def test_a_projector_that_is_stopped_in_the_middle_says_so_and_drops_what_was_made_beside(own: Served) -> None:
    with held(own.database_url):
        task = under_way(own)
        assert is_there(own, "views.authorizations_shadow")
        os.kill(projector_of(own), signal.SIGTERM)
        assert ended(own.as_("operator"), task)["result"] == {"error": "interrupted"}
        assert not is_there(own, "views.authorizations_shadow")


def test_a_task_whose_connection_is_cut_is_told_as_such(own: Served) -> None:
    with held(own.database_url):
        task = under_way(own)
        for row in own.sql(WAITING):
            own.sql("select pg_terminate_backend(%s)", row)
    assert ended(own.as_("operator"), task)["result"]["error"] in ("AdminShutdown", "OperationalError", "interrupted")


def test_serve_that_is_stopped_in_the_middle_of_a_task_ends_within_seconds() -> None:
    with serving(DOSSIER_WORKERS="1") as archive, held(archive.database_url):
        under_way(archive)
        archive.process.send_signal(signal.SIGTERM)
        assert archive.process.wait(5) == 0
        assert "Traceback" not in archive.said()


def settle(archive: Served) -> None:
    """A paper that every view has: a follower that still had to take it would wait for the table as well."""
    desk, customer = archive.as_("staff"), a_customer(archive)
    assert view(desk, customer, noted(desk, customer)["position"])


def under_way(archive: Served) -> str:
    """A task that has come to the view which somebody holds."""
    task: str = item_of(asked(archive.as_("operator"), "replay"))["id"]
    wait_until_under_way(archive, task)
    return task


def wait_until_under_way(archive: Served, task: str) -> None:
    begun = "select 1 from operations.task where id = %s and begun_at is not null"
    wait_until(lambda: bool(archive.sql(begun, [task]) and archive.sql(WAITING)), SECONDS, "it is not begun")


def is_there(archive: Served, table: str) -> bool:
    return archive.sql("select to_regclass(%s) is not null", [table]) == [(True,)]


def projector_of(archive: Served) -> int:
    [found] = [pid for pid in archive.processes() if name_of(pid) == "dossier-project"]
    return found


def process_of(archive: Served, task: str) -> int:
    [found] = [pid for pid in archive.processes() if task in command_of(pid)]
    return found


# -- several projectors -----------------------------------------------------------------------------------------------


class Runners:
    """Projectors of one archive, each a thread that carries out tasks; `begun` are those that each has begun."""

    def __init__(self, archive: Program) -> None:
        self.archive, self.stops, self.threads = archive, [threading.Event(), threading.Event()], []
        for stop in self.stops:
            arguments = (one_login(archive.url), role_of(archive.url, PROJECTOR_ROLE), stop)
            thread = threading.Thread(target=run_operations, args=arguments, kwargs={"look_seconds": 0.05})
            self.threads.append(thread)
            thread.start()

    def leader(self) -> int | None:
        """Who has the lock, as the session's process."""
        rows = self.archive.sql(
            "select pid from pg_locks where locktype = 'advisory' and objid = %s and granted",
            operations.LOCK & 0xFFFFFFFF,
        )
        return rows[0][0] if rows else None

    def stop(self) -> None:
        for stop in self.stops:
            stop.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def runners(archive: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runners]:
    for name, value in environment(archive.settings.home, archive.url).items():
        monkeypatch.setenv(name, value)
    both = Runners(archive)
    yield both
    both.stop()


def add(archive: Program, kind: str, view: str | None = None) -> str:
    [(task,)] = archive.sql(
        "insert into operations.task (id, kind, view, actor, branch) values (gen_random_uuid(), %s, %s, 'o', 'MAIN')"
        " returning id::text",
        kind,
        view,
    )
    return str(task)


def have_ended(archive: Program, count: int) -> Callable[[], bool]:
    return lambda: len(archive.sql("select 1 from operations.task where ended_at is not null")) == count


def test_of_two_projectors_one_carries_out_the_tasks_one_after_the_other(archive: Program, runners: Runners) -> None:
    archive.some_of_each()
    asked_for = [add(archive, "replay", VIEW), add(archive, "rebuild", VIEW), add(archive, "pause", VIEW)]
    wait_until(have_ended(archive, 3), SECONDS, "the tasks do not end")
    rows = archive.sql("select id::text, begun_at, ended_at, result from operations.task order by begun_at")
    assert [row[0] for row in rows] == asked_for
    assert not [row for row in rows if "error" in row[3]]
    assert [before[2] <= after[1] for before, after in pairwise(rows)] == [True, True]


def test_there_is_no_way_back_without_a_rebuild(archive: Program, runners: Runners) -> None:
    add(archive, "back", VIEW)
    wait_until(have_ended(archive, 1), SECONDS, "it does not end")
    assert archive.sql("select result from operations.task") == [({"error": "not-found"},)]


def test_when_the_one_goes_the_other_takes_over(archive: Program, runners: Runners) -> None:
    wait_until(lambda: runners.leader() is not None, SECONDS, "nobody leads")
    first = runners.leader()
    archive.sql("select pg_terminate_backend(%s)", first)
    wait_until(lambda: runners.leader() not in (None, first), SECONDS, "nobody takes over")
    add(archive, "pause", VIEW)
    wait_until(have_ended(archive, 1), SECONDS, "nobody carries it out")


def test_what_somebody_left_is_given_up_by_the_next(archive: Program, runners: Runners) -> None:
    wait_until(lambda: runners.leader() is not None, SECONDS, "nobody leads")
    left = add(archive, "verify")
    archive.sql("update operations.task set begun_at = clock_timestamp() where id = %s", left)
    archive.sql("select pg_terminate_backend(%s)", runners.leader())
    wait_until(have_ended(archive, 1), SECONDS, "it is not given up")
    assert archive.sql("select result from operations.task") == [({"error": "interrupted"},)]
