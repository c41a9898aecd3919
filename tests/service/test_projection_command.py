"""`dossier replay` and `dossier projection`: compared and made anew beside the live views."""

import threading

from tests.service.program import PRIVATE, Program

VIEWS = ["audit_history", "authorizations", "customer_documents", "scan_sessions"]


def test_status_tells_where_each_view_stands(archive: Program) -> None:
    archive.letter()
    last = archive.follow()
    archive.letter()
    items = archive.run("projection", "status", "--json").json["items"]
    assert [(i["view"], i["position"], i["paused"], i["parked"]) for i in items] == [(v, last, False, 0) for v in VIEWS]
    assert {i["lag"] for i in items} == {archive.store.log.last_position() - last}


def test_a_replay_agrees_with_the_live_views_and_changes_nothing(filled: Program) -> None:
    before = filled.sql("select * from views.tracking order by name")
    lines = filled.run("replay", "--json").lines
    events = len(filled.sql("select 1 from archive.archive_events"))
    assert [(line["view"], line["events"], line["identical"]) for line in lines] == [(v, events, True) for v in VIEWS]
    assert filled.run("replay", "--view", "customer_documents", "--to", 14, "--dry-run", "--json").json["identical"]
    assert filled.run("replay", "--view", "customer_documents", "--from", 14, "--json").json["identical"]
    assert filled.sql("select * from views.tracking order by name") == before


def test_a_replay_tells_rows_that_differ_by_key_and_column_never_by_value(archive: Program) -> None:
    archive.some_of_each()
    (changed,) = archive.sql(
        "update views.customer_documents set note = 'somebody else' where from_position = ("
        "select min(from_position) from views.customer_documents where note is not null) returning id, from_position"
    )
    ended = archive.run("replay", code=6)
    told = [line for line in ended.out.splitlines() if "changed" in line]
    assert len(told) == 1
    assert str(changed[0]) in told[0]
    assert told[0].endswith("note")
    assert not [private for private in (*PRIVATE, "somebody else") if private in ended.out]
    line = archive.run("replay", "--view", "customer_documents", "--json", code=6).json
    assert (line["identical"], line["different"]) == (False, 1)


def test_a_rebuild_puts_a_right_view_in_place_and_tells_that_the_old_one_was_not(archive: Program) -> None:
    archive.some_of_each()
    archive.sql("delete from views.authorizations")
    made = archive.run("projection", "rebuild", "authorizations", "--json").json
    assert made["view"] == "authorizations"
    assert made["identical"] is False
    assert {"events", "seconds"} <= set(made)
    archive.run("replay", "--view", "authorizations")
    again = archive.run("projection", "rebuild", "--json").lines
    assert [(line["view"], line["identical"]) for line in again] == [(view, True) for view in VIEWS]


def test_rebuilds_while_uploads_go_on_are_identical_and_lose_none_of_them(archive: Program) -> None:
    stop = threading.Event()
    made: list[int] = []

    def upload() -> None:
        while not stop.is_set():
            made.append(archive.letter().position)

    uploading = threading.Thread(target=upload)
    with archive.following():
        uploading.start()
        try:
            rounds = [archive.run("projection", "rebuild", "--json").lines for _ in range(2)]
        finally:
            stop.set()
            uploading.join()
        archive.wait_until_views_at(made[-1])
    assert [line["identical"] for lines in rounds for line in lines] == [True] * 2 * len(VIEWS)
    assert rounds[0][0]["events"] < rounds[1][0]["events"]
    shown = archive.sql("select from_position from views.customer_documents where to_position is null order by 1")
    assert [position for (position,) in shown] == made
    archive.run("replay")


def test_the_table_of_before_can_be_put_back(archive: Program) -> None:
    archive.some_of_each()
    archive.run("projection", "rebuild", "authorizations")
    archive.sql("delete from views.authorizations")
    archive.run("projection", "back", "authorizations")
    archive.run("replay", "--view", "authorizations")


def test_a_paused_view_stays_behind_until_it_is_resumed(archive: Program) -> None:
    before = archive.follow()
    archive.run("projection", "pause", "authorizations")
    archive.consent()
    last = archive.store.log.last_position()
    with archive.following():
        archive.run("history", "customer", "100234")  # waits for the two views that it reads
        status = {i["view"]: i for i in archive.run("projection", "status", "--json").json["items"]}
        assert (status["authorizations"]["position"], status["authorizations"]["paused"]) == (before, True)
        resumed = archive.run("projection", "resume", "authorizations", "--json").json
        assert resumed == {"view": "authorizations", "applied": 0, "parked": 0}
        archive.wait_until_views_at(last)


def test_an_event_that_a_view_cannot_take_is_listed_and_taken_after_the_cure(archive: Program) -> None:
    archive.follow()
    archive.sql("alter table views.authorizations add constraint cramped check (type = 'none')")
    consent = archive.consent()
    archive.follow()
    (parked,) = archive.run("projection", "parked", "--json").json["items"]
    assert (parked["view"], parked["position"]) == ("authorizations", consent.position)
    assert archive.run("projection", "resume", "authorizations", "--json", code=7).json["parked"] == 1
    archive.sql("alter table views.authorizations drop constraint cramped")
    assert archive.run("projection", "resume", "authorizations", "--json").json["applied"] == 1
    assert archive.run("projection", "parked", "authorizations", "--json").json["items"] == []
    archive.run("replay")


def test_a_view_that_there_is_not_is_not_found(filled: Program) -> None:
    for verb in (["rebuild", "nothing"], ["pause", "nothing"], ["resume", "nothing"], ["back", "nothing"]):
        filled.run("projection", *verb, code=3)
    filled.run("replay", "--view", "nothing", code=3)


def test_a_second_rebuild_at_once_is_asked_to_try_again(filled: Program) -> None:
    from projections.rebuild import LOCK

    with filled.store.pool.connection() as conn:
        conn.execute("select pg_advisory_lock(%s)", [LOCK])
        try:
            filled.run("projection", "rebuild", code=75)
            filled.run("verify", code=75)
        finally:
            conn.execute("select pg_advisory_unlock(%s)", [LOCK])
