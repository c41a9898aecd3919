"""`dossier verify` and `dossier sweep`: each kind of damage is found, none hides another, nothing is invented."""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.access import Rights
from domain.archive import Outcome
from domain.scan_session import MovePage, RemovePage
from projections.views import VIEWS
from store.mapper import BY_TOPIC, Wire
from tests.builders.papers import a_caller, an_upload
from tests.service.program import PRIVATE, Program, paper_of

DAY_SECONDS = 24 * 3600
FACTS = {"position", "events", "erased_events", "contents", "content_bytes", "orphans", "in_flight", "views", "seconds"}
FACTS |= {"problems_found", "problems", "ended_scan_events", "destroyed_events", "destroyed_contents", "destroyed_left"}


def problems(archive: Program, *options: str) -> list[tuple[str, str]]:
    """Kind and id of all that is wrong; the exit code says whether anything is."""
    ended = archive.run("verify", "--json", *options, code=6)
    found = ended.json["problems"]
    assert ended.json["problems_found"] == len(found)
    assert ended.err == f"verification found {len(found)} problems\n"
    assert not [private for private in PRIVATE if private in ended.out]
    return sorted((problem["kind"], problem["id"]) for problem in found)


def in_log(archive: Program, *options: str) -> list[tuple[str, str]]:
    return problems(archive, "--no-views", *options)


def positions(archive: Program, paper: UUID) -> list[int]:
    found = archive.sql("select notification_id from archive.archive_events where originator_id = %s order by 1", paper)
    return [position for (position,) in found]


def content_id(archive: Program, outcome: Outcome) -> str:
    return archive.content_file(outcome).name


# -- nothing wrong ----------------------------------------------------------------------------------------------


def test_a_whole_archive_is_told_to_be_one_with_what_was_read(filled: Program) -> None:
    told = filled.run("verify", "--json").json
    assert set(told) == FACTS
    assert (told["problems_found"], told["problems"], told["orphans"], told["in_flight"]) == (0, [], 0, 0)
    assert told["events"] == len(filled.sql("select 1 from archive.archive_events"))
    assert told["contents"] == len(filled.files())
    assert told["content_bytes"] == sum(len(data) for data in filled.files().values())
    assert told["views"] == len(VIEWS)
    assert (told["erased_events"], told["ended_scan_events"]) == (0, 1)
    printed = filled.run("verify").out.splitlines()
    assert f"events\t{told['events']}" in printed
    assert filled.run("verify", "--quick", "--no-views", "--json").json["views"] == 0


def test_what_was_found_is_told_although_it_cannot_be_written_down(archive: Program) -> None:
    """The room for it may be gone after hours of reading."""
    archive.sql("drop table operations.last_run")
    ended = archive.run("verify", "--json", "--no-views")
    assert ended.json["problems_found"] == 0
    assert "recording the verification as last run failed" in ended.err


def test_verify_beside_uploads_finds_nothing_wrong_with_what_is_under_way(archive: Program) -> None:
    stop = threading.Event()

    def upload() -> None:
        while not stop.is_set():
            archive.letter()

    uploading = threading.Thread(target=upload)
    with archive.following():
        uploading.start()
        try:
            told = [archive.run("verify", "--json").json for _ in range(3)]
        finally:
            stop.set()
            uploading.join()
    assert [(report["problems_found"], report["orphans"]) for report in told] == [(0, 0)] * 3
    assert told[0]["events"] < told[1]["events"] < told[2]["events"]


def test_what_an_erasure_made_unreadable_is_counted_and_no_problem(archive: Program) -> None:
    archive.letter()
    archive.letter("100235")
    (reference,) = archive.sql("delete from keys.customer where customer_id = '100235' returning reference")
    archive.sql("insert into keys.erasure (reference, customer_digest) values (%s, 'x')", reference[0])
    told = archive.run("verify", "--no-views", "--json").json
    assert (told["problems_found"], told["erased_events"]) == (0, 1)


# -- papers that were corrected ---------------------------------------------------------------------------------


class Corrected:
    """Papers that changed hands or content, by the use cases."""

    def __init__(self, archive: Program) -> None:
        self._program, self._archive = archive, archive.archive
        self._how: dict[str, Any] = {
            "rights": Rights(list(self._archive.catalogues.load_types())),
            "expected_version": None,
        }

    def moved(self, **order: Any) -> UUID:
        """From 100234 to 100235."""
        paper = document_of(self._program.letter(**order))
        self._archive.corrections.reassign_document(paper, "100235", "of the daughter", a_caller(), **self._how)
        return paper

    def linked(self) -> UUID:
        """Of 100234 and 100235."""
        paper = document_of(self._program.letter())
        self._archive.corrections.link_customer(paper, "100235", "signed by both", a_caller(), **self._how)
        return paper

    def unlinked(self) -> UUID:
        """Of 100234 again."""
        paper = self.linked()
        self._archive.corrections.unlink_customer(paper, "100235", "by one only", a_caller(), **self._how)
        return paper

    def replaced(self) -> Outcome:
        """A letter whose content was replaced; the answer is that of its first."""
        letter = self._program.letter()
        file = an_upload(b"%PDF-1.7 both sides")
        self._archive.corrections.replace_content(
            document_of(letter), file, "the back was missing", a_caller(), **self._how
        )
        return letter


@pytest.fixture
def corrected(archive: Program) -> Corrected:
    return Corrected(archive)


def document_of(outcome: Outcome) -> UUID:
    [document] = {r.envelope.originator_id for r in outcome.recorded if hasattr(r.envelope.body, "content")}
    return document


def erase(archive: Program, customer_id: str) -> None:
    [(reference,)] = archive.sql("delete from keys.customer where customer_id = %s returning reference", customer_id)
    digest = customer_id.encode()
    archive.sql("insert into keys.erasure (reference, customer_digest) values (%s, %s)", reference, digest)


def erased_events(archive: Program) -> tuple[int, int]:
    told = archive.run("verify", "--no-views", "--json").json
    return told["problems_found"], told["erased_events"]


def test_papers_that_changed_hands_or_content_are_all_right(archive: Program, corrected: Corrected) -> None:
    for change in (corrected.moved, corrected.linked, corrected.unlinked, corrected.replaced):
        change()
    corrected.moved(type="DEBT_AUTHORIZATION")
    told = archive.run("verify", "--no-views", "--json").json
    assert (told["problems_found"], told["erased_events"], told["orphans"]) == (0, 0, 0)
    assert told["contents"] == len(archive.files()) == 6


def test_verify_beside_corrections_leaves_out_what_changes_hands_meanwhile(
    archive: Program, corrected: Corrected
) -> None:
    stop = threading.Event()

    def correct() -> None:
        for change in cycle([corrected.moved, corrected.linked, corrected.unlinked]):
            if stop.is_set():
                return
            change()

    correcting = threading.Thread(target=correct)
    correcting.start()
    try:
        told = [archive.run("verify", "--no-views", "--json").json for _ in range(4)]
    finally:
        stop.set()
        correcting.join()
    assert [report["problems"] for report in told] == [[]] * 4
    assert told[0]["events"] < told[-1]["events"]


def test_the_content_of_before_is_read_as_well(archive: Program, corrected: Corrected) -> None:
    before = archive.content_file(corrected.replaced())
    rewrite(before, flip(before.read_bytes()))
    assert in_log(archive) == [("content-damaged", before.name)]


def test_a_moved_paper_is_erased_with_the_customer_it_came_to(archive: Program, corrected: Corrected) -> None:
    """Its first event names the one of before, who is still there: it was once taken for a lost key."""
    corrected.moved()
    archive.letter()
    erase(archive, "100235")
    assert erased_events(archive) == (0, 2)


def test_a_moved_paper_is_not_erased_with_the_customer_of_before(archive: Program, corrected: Corrected) -> None:
    corrected.moved()
    erase(archive, "100234")
    assert erased_events(archive) == (0, 0)


def test_a_joint_paper_is_erased_with_the_last_of_its_customers(archive: Program, corrected: Corrected) -> None:
    corrected.linked()
    erase(archive, "100234")
    assert erased_events(archive) == (0, 0)
    erase(archive, "100235")
    assert erased_events(archive) == (0, 2)


def test_a_joint_paper_without_a_key_is_lost_while_one_of_its_customers_is_there(
    archive: Program, corrected: Corrected
) -> None:
    paper = corrected.linked()
    erase(archive, "100234")
    archive.sql("delete from keys.paper where paper = %s", paper)
    assert in_log(archive) == [("key-missing", str(paper))] * 2


def test_a_paper_that_opens_for_too_few_or_too_many_is_found(archive: Program, corrected: Corrected) -> None:
    few, many = corrected.linked(), corrected.moved()
    [(old,)] = archive.sql("select reference from keys.customer where customer_id = '100234'")
    archive.sql("delete from keys.paper where paper = %s and customer = %s", few, old)
    archive.sql("insert into keys.paper select paper, %s, wrapped from keys.paper where paper = %s", old, many)
    found = archive.run("verify", "--no-views", "--json", code=6).json["problems"]
    told = {(problem["kind"], problem["id"]) for problem in found}
    assert told == {("wrap-missing", str(few)), ("wrap-left-over", str(many))}


# -- the log ----------------------------------------------------------------------------------------------------


def test_every_damage_to_the_log_is_found_and_none_hides_another(archive: Program) -> None:
    gap, order, topic, torn, sealed, instant, leaf, bare = (paper_of(archive.corrected()) for _ in range(8))
    event = "from archive.archive_events where originator_id = %s and originator_version = 2"
    change = "update archive.archive_events set {} where originator_id = %s and originator_version = 2"
    state = "select topic, state from archive.archive_events where originator_id = %s and originator_version = 2"
    whole = {paper: archive.sql(state, paper)[0] for paper in (sealed, bare)}

    archive.tamper(f"delete {event}", gap)
    second, third = positions(archive, order)[1:]
    archive.tamper(change.format(f"notification_id = {-second}"), order)
    archive.tamper("update archive.archive_events set notification_id = %s where notification_id = %s", second, third)
    archive.tamper(change.format(f"notification_id = {third}"), order)
    archive.tamper(change.format("topic = 'from-the-future.v9'"), topic)
    archive.tamper(change.format("state = substr(state, 1, 10)"), torn)
    for paper, damage in ((sealed, flip), (bare, lambda _: b"")):
        topic_of, state_of = whole[paper]
        archive.tamper(change.format("state = %s"), with_sealed(topic_of, state_of, damage), paper)
    archive.tamper(change.format("recorded_at = recorded_at + interval '1 microsecond'"), instant)
    archive.sql("alter table archive.archive_events alter column leaf drop expression")
    archive.tamper(change.format("leaf = sha256(leaf)"), leaf)

    assert in_log(archive) == sorted(
        [
            ("version-gap", str(gap)),
            ("version-order", str(order)),
            ("topic-unknown", str(topic)),
            ("event-unreadable", str(torn)),
            ("event-tampered", str(sealed)),
            ("sealed-part-missing", str(bare)),
            ("time-not-whole-milliseconds", str(instant)),
            ("leaf-differs", str(leaf)),
        ]
    )


def with_sealed(topic: str, state: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The state of an event with its sealed part changed, encoded as the log encodes it."""
    wire: Wire[Any] = BY_TOPIC[topic].decode(bytes(state))
    wire.sealed = change(wire.sealed)
    return msgspec.msgpack.Encoder(uuid_format="bytes").encode(wire)


def flip(data: bytes, at: int = -1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def test_a_sealed_part_where_none_belongs_is_found(archive: Program) -> None:
    """It once ended the whole check with an error in the program."""
    rows = "select originator_id, topic, state from archive.archive_events where topic like 'token-%%' limit 1"
    stream, topic, state = archive.sql(rows)[0]
    archive.tamper(
        "update archive.archive_events set state = %s where originator_id = %s and originator_version = 1",
        with_sealed(topic, state, lambda _: b"hidden"),
        stream,
    )
    assert in_log(archive) == [("sealed-part-unexpected", str(stream))]


def test_two_events_of_one_position_are_found(archive: Program) -> None:
    first, second = paper_of(archive.letter()), paper_of(archive.letter())
    archive.sql("drop index archive.archive_events_notification_id_idx")
    (position,) = positions(archive, second)
    archive.tamper("update archive.archive_events set notification_id = %s where originator_id = %s", position, first)
    assert ("position-twice", str(min(first, second, key=str))) in in_log(archive)


def test_the_first_event_of_a_stream_that_is_gone_is_a_gap(archive: Program) -> None:
    paper = paper_of(archive.corrected())
    archive.tamper("delete from archive.archive_events where originator_id = %s and originator_version = 1", paper)
    assert ("version-gap", str(paper)) in in_log(archive)


def test_an_event_that_cannot_be_read_is_told_beside_the_rows_that_lack_it(archive: Program) -> None:
    paper = paper_of(archive.corrected())
    archive.follow()
    archive.tamper(
        "update archive.archive_events set state = substr(state, 1, 10)"
        " where originator_id = %s and originator_version = 2",
        paper,
    )
    found = problems(archive)
    assert [subject for kind, subject in found if kind == "event-unreadable"] == [str(paper)]
    assert {kind for kind, _ in found} == {"event-unreadable", "view-differs"}


def test_views_that_cannot_be_replayed_hide_no_other_finding(archive: Program) -> None:
    letter = archive.letter()
    archive.content_file(letter).unlink()
    archive.sql("drop table views.authorizations cascade")
    assert [kind for kind, _ in problems(archive)] == ["content-missing", "view-cannot-be-replayed"]


# -- contents ---------------------------------------------------------------------------------------------------


def test_every_damage_to_a_content_is_found_by_its_id(archive: Program) -> None:
    sizes = {"whole": 3_000, "missing": 3_000, "flipped": 3_000, "late": 200_000, "cut": 200_000, "longer": 3_000}
    letters = {name: archive.letter(size_bytes=size) for name, size in sizes.items()}
    ids = {name: content_id(archive, letter) for name, letter in letters.items()}
    files = {name: archive.content_file(letter) for name, letter in letters.items()}
    files["missing"].unlink()
    rewrite(files["flipped"], flip(files["flipped"].read_bytes(), 50))
    rewrite(files["late"], flip(files["late"].read_bytes()))
    rewrite(files["cut"], files["cut"].read_bytes()[:70_000])
    rewrite(files["longer"], files["longer"].read_bytes() + b"x")

    by_size = [("content-missing", "missing"), ("content-size-differs", "cut"), ("content-size-differs", "longer")]
    by_bytes = [("content-damaged", "flipped"), ("content-damaged", "late")]
    assert in_log(archive) == sorted((kind, ids[name]) for kind, name in [*by_size, *by_bytes])
    assert in_log(archive, "--quick") == sorted((kind, ids[name]) for kind, name in by_size)
    told = [line for line in archive.run("verify", "--no-views", code=6).out.splitlines() if ids["missing"] in line]
    assert told == [f"problem\tcontent-missing\t{ids['missing']}\t{letters['missing'].position}\t"]


def rewrite(path: Path, data: bytes) -> None:
    """Contents are read-only files: whoever damages one replaces it."""
    path.unlink()
    path.write_bytes(data)


def test_contents_that_changed_places_are_found_though_each_is_whole(archive: Program) -> None:
    one, other = archive.letter(), archive.letter()
    first, second = archive.content_file(one), archive.content_file(other)
    swapped = second.read_bytes(), first.read_bytes()
    rewrite(first, swapped[0])
    rewrite(second, swapped[1])
    assert in_log(archive) == sorted(("content-damaged", path.name) for path in (first, second))


# -- keys and what stands beside the log ------------------------------------------------------------------------


def test_keys_that_are_gone_or_wrong_are_found_and_told_from_an_erasure(archive: Program) -> None:
    gone, wrong, content = archive.letter(), archive.letter(), archive.letter("100235")
    archive.sql("delete from keys.paper where paper = %s", paper_of(gone))
    archive.sql("update keys.paper set wrapped = sha256(wrapped) || wrapped where paper = %s", paper_of(wrong))
    rewrite(archive.content_file(content), b"damaged all the same")
    assert in_log(archive) == sorted(
        [
            ("key-missing", str(paper_of(gone))),
            ("key-does-not-open", str(paper_of(wrong))),
            ("content-size-differs", content_id(archive, content)),
        ]
    )


def test_a_content_without_its_key_is_still_held_to_the_digest_of_what_lies_there(archive: Program) -> None:
    letter = archive.letter()
    archive.sql("delete from keys.paper where paper = %s", paper_of(letter))
    file = archive.content_file(letter)
    rewrite(file, flip(file.read_bytes()))
    assert ("content-digest-differs", file.name) in in_log(archive)


def test_rows_beside_the_log_that_name_no_paper_or_miss_one_are_found(archive: Program) -> None:
    letter = archive.letter()
    nobody = {name: uuid4() for name in ("content", "claim", "command", "key")}
    archive.sql("delete from archive.content where content = %s", content_id(archive, letter))
    archive.sql("insert into archive.content values (%s, %s)", nobody["content"], uuid4())
    archive.sql("insert into archive.claim values ('mandate', 'x', %s)", nobody["claim"])
    archive.sql("insert into archive.command values ('a', 'k', 'b', array[%s::uuid], now())", nobody["command"])
    archive.sql("insert into keys.paper select %s, reference, 'x' from keys.customer", nobody["key"])
    assert in_log(archive) == sorted(
        [
            ("content-not-listed", content_id(archive, letter)),
            ("content-listed-unnamed", str(nobody["content"])),
            ("claim-without-paper", str(nobody["claim"])),
            ("command-without-paper", str(nobody["command"])),
            ("key-without-paper", str(nobody["key"])),
        ]
    )


def test_a_content_that_two_events_name_is_found(archive: Program) -> None:
    letter = archive.letter()
    archive.sql(
        "insert into archive.archive_events (originator_id, originator_version, recorded_at, topic, state)"
        " select %s, 1, recorded_at, topic, state from archive.archive_events where originator_id = %s",
        uuid4(),
        paper_of(letter),
    )
    assert ("content-named-twice", content_id(archive, letter)) in in_log(archive)


# -- views ------------------------------------------------------------------------------------------------------


def test_rows_of_views_that_differ_from_the_log_are_found_by_key_and_column(archive: Program) -> None:
    changed, gone, moved = (paper_of(archive.letter()) for _ in range(3))
    archive.follow()
    archive.sql("update views.customer_documents set actor = 'somebody.else' where id = %s", changed)
    archive.sql("delete from views.customer_documents where id = %s", gone)
    archive.sql("update views.audit_history set position = 0 where subject_id = %s", moved)
    ended = archive.run("verify", "--json", code=6)
    found = {(*p["id"].split()[:2], p["detail"].partition(":")[0]) for p in ended.json["problems"]}
    assert found == {
        ("customer_documents", str(changed), "changed"),
        ("customer_documents", str(gone), "missing in the view"),
        ("audit_history", str(positions(archive, moved)[0]), "missing in the view"),
        ("audit_history", "0", "only in the view"),
    }
    assert [p["detail"] for p in ended.json["problems"] if str(changed) in p["id"]] == ["changed: actor"]
    assert "somebody.else" not in ended.out
    assert archive.run("verify", "--no-views").code == 0


def test_a_row_that_names_a_position_to_come_is_found(archive: Program) -> None:
    """It hides a paper from every list, and a replay takes it for one that changed later: it was once found nowhere."""
    hidden, moved = paper_of(archive.letter()), paper_of(archive.consent())
    archive.follow()
    archive.sql("update views.customer_documents set to_position = 999999 where id = %s", hidden)
    archive.sql("update views.audit_history set position = 999999 where subject_id = %s", moved)
    ended = archive.run("verify", "--json", code=6)
    ahead = [p for p in ended.json["problems"] if p["detail"] == "ahead of the log"]
    assert [(p["id"].split()[0], p["position"]) for p in ahead] == [
        ("audit_history", 999999),
        ("customer_documents", 999999),
    ]
    assert str(hidden) in ahead[1]["id"]


# -- orphans and the sweeper ------------------------------------------------------------------------------------


def stored(archive: Program, *, age_seconds: float) -> Path:
    """A content that no event came to name."""
    content = str(uuid4())
    archive.store.directory.put(content, [b"orphan"])
    path = next(archive.settings.content_directory.rglob(content))
    os.utime(path, (time.time() - age_seconds,) * 2)
    return path


def test_orphans_are_counted_and_no_loss_and_the_sweeper_takes_the_old_ones_only(archive: Program) -> None:
    letter = archive.content_file(archive.letter())
    os.utime(letter, (time.time() - 9 * DAY_SECONDS,) * 2)
    old, young = stored(archive, age_seconds=DAY_SECONDS + 60), stored(archive, age_seconds=DAY_SECONDS - 60)
    told = archive.run("verify", "--no-views", "--json").json
    assert (told["problems_found"], told["orphans"], told["in_flight"]) == (0, 1, 1)

    swept = archive.run("sweep", "--json").json
    assert swept == {"contents": 1, "destroyed": 0, "page_images": 0, "temporary_files": 0, "idempotency_keys": 0}
    assert (old.exists(), young.exists(), letter.exists()) == (False, True, True)
    nothing = ["contents\t0", "destroyed\t0", "page_images\t0", "temporary_files\t0", "idempotency_keys\t0"]
    assert archive.run("sweep").out.splitlines() == nothing
    assert archive.run("verify", "--no-views", "--json").json["orphans"] == 0


def test_the_sweeper_forgets_old_idempotency_keys_and_keeps_the_others(archive: Program) -> None:
    paper = paper_of(archive.letter())
    for key, age in (("old", "400 days"), ("new", "1 minute")):
        archive.sql(
            "insert into archive.command"
            " select 'a', %s, 'b', array[originator_id], now() - %s::interval from archive.archive_events"
            " where originator_id = %s",
            key,
            age,
            paper,
        )
    assert archive.run("sweep", "--json").json["idempotency_keys"] == 1
    assert archive.sql("select key from archive.command") == [("new",)]


@pytest.mark.parametrize("verb", [["verify"], ["sweep"]])
def test_without_an_archive_neither_says_that_all_is_well(archive: Program, verb: list[str], tmp_path: Path) -> None:
    archive.run(*verb, code=1, DOSSIER_HOME=str(tmp_path / "elsewhere"))


# -- scan sessions ----------------------------------------------------------------------------------------------


def read(archive: Program) -> dict[str, Any]:
    """What a whole archive is told to be."""
    told: dict[str, Any] = archive.run("verify", "--no-views", "--json").json
    assert told["problems"] == []
    return told


def image(archive: Program, session: UUID, n: int) -> Path:
    """The file of a page."""
    content = archive.scans.state(session).pages[n].content
    return next(archive.settings.content_directory.rglob(str(content.id)))


def test_what_a_session_gave_up_is_not_missed_and_what_it_has_is_read(archive: Program) -> None:
    scans = archive.scans
    session = scans.handed_in(5)
    scans.put(session, 1, 9)
    scans.arrange(session, RemovePage(2))
    scans.arrange(session, MovePage(3, 1))
    scans.ok(session, [4])
    told = read(archive)
    assert (told["contents"], told["orphans"], told["in_flight"]) == (4, 0, 0)
    assert told["contents"] == len(archive.files())
    assert (told["erased_events"], told["ended_scan_events"]) == (0, 0)
    file = image(archive, session, 1)
    assert in_log_after(archive, file.unlink) == [("content-missing", file.name)]


def in_log_after(archive: Program, damage: Callable[[], object]) -> list[tuple[str, str]]:
    damage()
    return in_log(archive)


def test_pages_of_sessions_that_are_over_are_no_loss_and_nobodys_erasure(archive: Program) -> None:
    scans = archive.scans
    scans.cancel(scans.handed_in(3))
    scans.ok(scans.handed_in(2))
    archive.letter("100235")
    erase(archive, "100235")
    told = read(archive)
    assert (told["erased_events"], told["ended_scan_events"]) == (1, 5)
    assert (told["contents"], told["orphans"]) == (2, 0)


def test_every_damage_to_a_page_of_an_open_session_is_found(archive: Program) -> None:
    session = archive.scans.handed_in(3)
    flipped, cut, lost = (image(archive, session, n) for n in (1, 2, 3))
    rewrite(flipped, flip(flipped.read_bytes()))
    rewrite(cut, cut.read_bytes()[:-1])
    lost.unlink()
    found = [("content-damaged", flipped.name), ("content-missing", lost.name), ("content-size-differs", cut.name)]
    assert in_log(archive) == found


def test_names_of_images_that_the_log_let_go_or_that_are_missing_are_found(archive: Program) -> None:
    session = archive.scans.handed_in(2)
    kept, gone = (archive.scans.state(session).pages[n].content.id for n in (1, 2))
    archive.scans.arrange(session, RemovePage(2))
    archive.sql("insert into archive.content values (%s, %s)", gone, session)
    archive.sql("delete from archive.content where content = %s", kept)
    assert in_log(archive) == [("content-listed-unnamed", str(gone)), ("content-not-listed", str(kept))]


def test_an_open_session_without_its_key_has_lost_it(archive: Program) -> None:
    """With pages, whose events cannot be opened, and with none yet."""
    filled, empty = archive.scans.handed_in(1), archive.scans.start()
    for session in (filled, empty):
        archive.sql("delete from keys.paper where paper = %s", session)
    assert in_log(archive) == sorted([("key-missing", str(filled)), ("key-missing", str(empty))])


def test_open_sessions_are_lost_when_the_intake_is(archive: Program) -> None:
    session = archive.scans.handed_in(1)
    archive.sql("delete from keys.customer where customer_id = ' intake'")
    assert in_log(archive) == [("key-missing", str(session))]


def test_a_session_that_opens_for_a_customer_or_after_its_end_is_found(archive: Program) -> None:
    """What a crash cannot leave: keys go with the events of the end."""
    scans = archive.scans
    going_on, over = scans.handed_in(1), scans.handed_in(1)
    archive.letter("100235")
    archive.sql("create table kept as select * from keys.paper where paper = %s", over)
    scans.cancel(over)
    archive.sql("insert into keys.paper select * from kept")
    archive.sql(
        "insert into keys.paper select %s, reference, 'x' from keys.customer where customer_id = '100235'", going_on
    )
    assert in_log(archive) == sorted([("wrap-left-over", str(over)), ("wrap-left-over", str(going_on))])


def test_verify_beside_scans_finds_nothing_wrong_with_what_comes_and_goes(archive: Program) -> None:
    """Pages that are removed, archived or cancelled while they are looked for."""
    stop, scans, opened = threading.Event(), archive.scans, [archive.scans.handed_in(2) for _ in range(20)]

    def work() -> None:
        while not stop.is_set():
            session = opened.pop(0)
            scans.put(session, 1, len(opened) + 100)
            scans.arrange(session, RemovePage(1))
            (scans.cancel if len(opened) % 2 else partial(scans.ok, duplicate_allowed=True))(session)
            opened.append(scans.handed_in(2))

    working = threading.Thread(target=work)
    working.start()
    try:
        told = [archive.run("verify", "--no-views", "--json").json for _ in range(4)]
    finally:
        stop.set()
        working.join()
    assert [(report["problems"], report["orphans"]) for report in told] == [([], 0)] * 4
    assert told[0]["events"] < told[-1]["events"]
    assert read(archive)["contents"] == len(archive.files())


def test_images_that_a_crash_left_behind_are_orphans_and_swept_after_a_day(archive: Program) -> None:
    """It came between the commit that gave them up and their removal."""
    scans = archive.scans
    session, over = scans.handed_in(2), scans.handed_in(2)
    kept, removed = image(archive, session, 1), image(archive, session, 2)
    left = [removed, image(archive, over, 1), image(archive, over, 2)]
    whole = {path: path.read_bytes() for path in left}
    scans.arrange(session, RemovePage(2))
    scans.cancel(over)
    for path, data in whole.items():
        path.write_bytes(data)
    assert (read(archive)["orphans"], read(archive)["in_flight"]) == (0, 3)
    assert archive.run("sweep", "--json").json["contents"] == 0
    for path in left:
        os.utime(path, (time.time() - DAY_SECONDS - 60,) * 2)
    os.utime(kept, (time.time() - DAY_SECONDS - 60,) * 2)
    assert (read(archive)["orphans"], read(archive)["in_flight"]) == (3, 0)
    assert archive.run("sweep", "--json").json["contents"] == 3
    assert set(archive.files()) == {kept}
    assert read(archive)["contents"] == 1
