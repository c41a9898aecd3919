"""Views that an earlier release wrote are made anew before anything is served from them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from domain.access import Rights
from domain.document import Describe
from domain.refusals import Unavailable
from projections.rebuild import LOCK
from projections.views import VIEWS
from service.prepare import list_outdated_views, renew_views
from tests.builders.papers import a_caller
from tests.fixtures.database import PASSWORD, as_login, create_database, drop_database
from tests.service.program import Program, paper_of, program
from tests.service.warm import Warm


@pytest.fixture(params=["postgres", "plain"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, cluster_url: str, warm: Warm) -> Iterator[Program]:
    """Of a superuser, who acts as the role that owns the views, and of a login that can't, and owns them itself."""
    name = f"older_{uuid4().hex}"
    url = create_database(cluster_url, name)
    url = url if request.param == "postgres" else as_login(url, request.param)
    with psycopg.connect(cluster_url, autocommit=True) as conn:
        role = f"create role plain login password '{PASSWORD}'"
        conn.execute(f"do $$ begin {role}; exception when duplicate_object then null; end $$".encode())
        conn.execute(f"alter database {name} owner to {request.param}".encode())
    with program(tmp_path / "home", url, warm) as made:
        yield made
    drop_database(cluster_url, name)


def titled_in_an_earlier_release(archive: Program) -> None:
    """A letter with a title, in views whose rows know of none."""
    letter, today = paper_of(archive.letter()), archive.archive.clock.today()
    describe = Describe(title="A complaint", today=today, reason="to find it")
    everything = Rights([*archive.archive.catalogues.load_types()])
    archive.archive.corrections.correct_document(letter, describe, a_caller(), rights=everything, expected_version=None)
    archive.follow()
    archive.sql("update views.customer_documents set title = null, item = (item::jsonb - 'title')::text")
    archive.sql("update views.tracking set shape = 0")


def titles(archive: Program) -> list[tuple[Any, ...]]:
    return archive.sql(
        "select title, item::json ->> 'title' from views.customer_documents"
        " where to_position is null and title is not null"
    )


def test_an_archive_without_events_takes_the_shape_of_its_first_rows(archive: Program) -> None:
    archive.sql("update views.tracking set shape = 0")
    assert "anew" not in archive.run("migrate").err
    archive.letter()
    archive.follow()
    assert archive.sql("select name, shape from views.tracking order by name") == shapes()
    assert list_outdated_views(archive.url) == []


def shapes() -> list[tuple[str, int]]:
    return sorted((view.name, view.shape) for view in VIEWS.values())


def test_older_rows_are_made_anew_once_and_told_of(archive: Program) -> None:
    titled_in_an_earlier_release(archive)
    assert titles(archive) == []
    first, second = archive.run("migrate"), archive.run("migrate")
    assert f"rebuilding views of an older release, which may take minutes: {', '.join(sorted(VIEWS))}\n" in first.err
    assert first.err.count("rebuilt: ") == len(VIEWS)
    assert "anew" not in second.err
    assert titles(archive) == [("A complaint", "A complaint")]
    assert archive.sql("select name, shape from views.tracking order by name") == shapes()
    archive.run("verify")


def test_to_older_rows_there_is_no_way_back(archive: Program) -> None:
    titled_in_an_earlier_release(archive)
    archive.run("migrate")
    assert archive.sql("select relname from pg_class where relname like '%%\\_old%%'") == []
    archive.run("projection", "back", "customer_documents", code=3)


def test_a_rebuild_by_hand_compares_nothing_with_older_rows(archive: Program) -> None:
    titled_in_an_earlier_release(archive)
    found = archive.run("projection", "rebuild", "--json").lines
    assert [(line["identical"], line["different"]) for line in found] == [(None, 0)] * len(VIEWS)
    assert titles(archive) == [("A complaint", "A complaint")]


def test_only_what_is_older_is_made_anew(archive: Program) -> None:
    titled_in_an_earlier_release(archive)
    archive.sql("update views.tracking set shape = 9 where name <> 'customer_documents'")
    told = archive.run("migrate").err
    assert "minutes: customer_documents\n" in told
    assert told.count("rebuilt: ") == 1


def test_of_several_that_start_one_makes_them_anew_and_the_others_wait(archive: Program) -> None:
    titled_in_an_earlier_release(archive)
    told: list[str] = []
    with psycopg.connect(archive.url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [LOCK])
        with pytest.raises(Unavailable):
            renew_views(archive.url, archive.store.log, told.append, wait_seconds=0)
    assert titles(archive) == []
    renew_views(archive.url, archive.store.log, told.append)
    assert titles(archive) == [("A complaint", "A complaint")]
    assert [line.partition(":")[0] for line in told].count("rebuilt") == len(VIEWS)
