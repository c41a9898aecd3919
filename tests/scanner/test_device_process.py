"""A job and its process: what is told, what is stored, who has the device, and every way in which it can end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from scanner.device_process import DeviceProcess, ProcessLimits, list_devices
from scanner.errors import Fault
from scanner.messages import (
    Describe,
    DeviceMessage,
    Faulted,
    Finished,
    Opened,
    PageDone,
    PageStarted,
    Progress,
    Scan,
    encode_message,
)
from scanner.profiles import PROFILES, PageMode, PageSource, Profile
from scanner.spool import digest_of
from tests.scanner.devices import ROOT, SMALL, TEST_DEVICE, Desk, numbers

FEEDER = "simulated:feeder?seconds=0"
QUICK = ProcessLimits(silence_seconds=2.0, cancel_seconds=0.5)
FORM = Profile(resolution_dpi=150, mode=PageMode.GRAY)
BackEnd = Callable[..., Path]


def exists(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.01)


# -- what is told and stored ------------------------------------------------------------------------------------


def test_a_feeder_is_scanned_to_its_end(desk: Desk) -> None:
    ran = desk.feed(f"{FEEDER}&pages=3")

    order = [type(event) for event in ran.events if not isinstance(event, Progress)]
    assert order == [Opened, *[PageStarted, PageDone] * 3, Finished]
    assert ran.ending == Finished(3)
    assert numbers(ran) == [1, 2, 3]
    assert desk.spool.list_pages("job-1") == [done.page for done in ran.pages]


def test_a_page_is_in_the_spool_as_it_was_told(desk: Desk) -> None:
    [done] = desk.scan("simulated:flatbed?seconds=0", profile=PROFILES["letter"]).pages

    data = Path(done.path).read_bytes()
    assert (digest_of(data), len(data)) == (done.page.sha256, done.page.size_bytes)
    with Image.open(done.path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "L", (done.page.width_px, done.page.height_px))
        assert picture.info["dpi"] == (300, 300)
        assert not picture.getexif()
    assert (done.page.width_px, done.page.height_px, done.page.dpi) == (2480, 3508, 300)


def test_a_card_is_cut_out_with_its_margin(desk: Desk) -> None:
    [card] = desk.scan("simulated:flatbed?seconds=0", profile=PROFILES["id_card"]).pages
    assert (card.page.width_px, card.page.height_px, card.page.mode) == (1129, 756, PageMode.COLOUR)
    assert (card.page.width_px / 300 * 25.4, card.page.height_px / 300 * 25.4) == pytest.approx((95.6, 64.0), abs=0.1)


def test_a_simulated_form_carries_the_code_of_its_name(desk: Desk) -> None:
    """And without one a well-formed code of its own for each page."""
    named = desk.scan("simulated:flatbed?seconds=0&code=DA48271903665144", profile=FORM)
    own = desk.feed(f"{FEEDER}&pages=2", profile=FORM, job="own")

    assert named.codes == [["DA48271903665144"]]
    assert own.codes == [["DA48000000000145"], ["DA48000000000242"]]


def test_without_a_source_the_first_of_the_device_is_taken(desk: Desk) -> None:
    """A flatbed gives one page and then waits for a person."""
    ran = desk.scan("simulated?seconds=0&pages=3")
    assert (ran.ending, numbers(ran)) == (Finished(1), [1])
    assert ran.of(Opened) == [Opened("simulated?seconds=0&pages=3", (PageSource.FLATBED, PageSource.FEEDER))]


def test_a_job_goes_on_with_the_number_it_is_told(desk: Desk) -> None:
    """After a jam: the finished pages stay, the rest follows them."""
    jammed = desk.feed(f"{FEEDER}&pages=5&jam=3")
    rest = desk.feed(f"{FEEDER}&pages=3", first_page=3)

    assert (jammed.ending, numbers(jammed)) == (Faulted(fault=Fault.JAMMED, raw="as the name says"), [1, 2])
    assert (rest.ending, numbers(rest)) == (Finished(3), [3, 4, 5])
    assert [page.number for page in desk.spool.list_pages("job-1")] == [1, 2, 3, 4, 5]


def test_a_page_is_never_written_over_another(desk: Desk) -> None:
    first = desk.feed(f"{FEEDER}&pages=1")
    again = desk.feed(f"{FEEDER}&pages=1")

    assert isinstance(again.ending, Faulted)
    assert (again.ending.fault, again.ending.raw) == (Fault.INVALID, "page 1 exists already")
    assert desk.spool.list_pages("job-1") == [done.page for done in first.pages]


def test_progress_is_told_at_most_four_times_a_second(desk: Desk) -> None:
    """The times are read and not waited for: the bound holds on a machine of any speed."""
    begun = time.monotonic()
    ran = desk.scan("simulated:flatbed?seconds=1.5")
    seconds = time.monotonic() - begun

    told = ran.of(Progress)
    assert 1 <= len(told) <= 4 * seconds
    assert [event.rows for event in told] == sorted({event.rows for event in told})
    assert {event.rows_total for event in told} == {787}


@pytest.mark.parametrize(
    ("query", "fault", "slug"),
    [
        ("pages=3&cover=2", Fault.COVER_OPEN, "scanner-cover-open"),
        ("pages=3&jam=2", Fault.JAMMED, "scanner-jammed"),
        ("pages=3&short=2", Fault.SHORT_PAGE, "scanner-failed"),
    ],
)
def test_a_fault_in_a_batch_keeps_the_pages_before_it(desk: Desk, query: str, fault: Fault, slug: str) -> None:
    ran = desk.feed(f"{FEEDER}&{query}")
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.slug, numbers(ran)) == (fault, slug, [1])


@pytest.mark.parametrize(
    ("device", "fault"),
    [
        (f"{FEEDER}&pages=0", Fault.OUT_OF_PAPER),
        (f"{FEEDER}&offline=1", Fault.OFFLINE),
        (f"{FEEDER}&busy=1", Fault.BUSY),
        (f"{FEEDER}&colour=red", Fault.INVALID),
        ("simulated:drum", Fault.INVALID),
        ("simulated?pages=many", Fault.INVALID),
        ("simulated:flatbed", Fault.INVALID),
    ],
)
def test_a_batch_that_cannot_begin_says_why(desk: Desk, device: str, fault: Fault) -> None:
    ran = desk.feed(device)
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.pages) == (fault, [])


def test_a_damaged_page_is_kept_with_a_warning(desk: Desk) -> None:
    ran = desk.feed(f"{FEEDER}&pages=3&damaged=2")
    assert [done.page.warnings for done in ran.pages] == [(), ("page-damaged",), ()]


@pytest.mark.parametrize(("pages", "ending"), [(4, Finished(4)), (5, Fault.TOO_MANY_PAGES)])
def test_pages_are_counted_to_their_limit(desk: Desk, pages: int, ending: object) -> None:
    ran = desk.feed(f"{FEEDER}&pages={pages}", pages_max=4)
    found = ran.ending.fault if isinstance(ran.ending, Faulted) else ran.ending
    assert (found, numbers(ran)) == (ending, [1, 2, 3, 4])


def test_describing_a_device_tells_its_sources_and_scans_nothing(desk: Desk) -> None:
    ran = desk.run(Describe(device=FEEDER, holder="Ms Winter"))
    assert ran.events == [Opened(FEEDER, (PageSource.FEEDER,)), Finished(0)]
    assert desk.spool.list_job_ids() == []


# -- who has the device -----------------------------------------------------------------------------------------


def test_a_second_job_is_told_who_has_the_device(desk: Desk) -> None:
    """SANE itself lets both scan, and mixes them up."""
    device = "simulated:feeder?stall=1"
    found: list[DeviceMessage] = []

    def try_too(process: DeviceProcess, event: DeviceMessage) -> None:
        if isinstance(event, PageStarted):
            found.extend(desk.feed(device, job="other", holder="Mr Summer").events)
            found.extend(desk.run(Describe(device=device, holder="Mr Summer")).events)
            process.cancel()

    first = desk.feed(device, holder="Ms Winter", on_event=try_too, patience=QUICK)

    assert found == [Faulted(fault=Fault.BUSY, raw="locked", holder="Ms Winter")] * 2
    assert first.ending == Faulted(fault=Fault.CANCELLED)
    assert desk.run(Describe(device=device, holder="Mr Summer")).ending == Finished(0)


def test_two_devices_scan_at_once(back_end: BackEnd, desk: Desk) -> None:
    """In one process they deadlock: three times of seven when it was tried."""
    back_end(read_delay="true", read_delay_duration=1_000)
    for round_ in range(3):
        devices = ("test:0", "test:1")
        ended: dict[str, object] = {}

        def scan(device: str, job: str, ended: dict[str, object] = ended) -> None:
            ended[device] = desk.feed(device, job=job).ending

        threads = [threading.Thread(target=scan, args=(d, f"{round_}-{d[-1]}")) for d in devices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ended == dict.fromkeys(devices, Finished(10))


# -- how it ends ------------------------------------------------------------------------------------------------


def test_a_device_that_gives_nothing_is_ended_and_the_next_job_works(desk: Desk) -> None:
    stalled = desk.feed(f"{FEEDER}&pages=3&stall=2", patience=QUICK)
    following = desk.feed(f"{FEEDER}&pages=3&stall=2", patience=QUICK, job="job-2", profile=SMALL, pages_max=1)

    assert stalled.ending == Faulted(fault=Fault.TIMEOUT, raw="the device sent no more data in time")
    assert stalled.ending.slug == "scanner-failed"
    assert numbers(stalled) == [1]
    assert isinstance(following.ending, Faulted)
    assert (following.ending.fault, numbers(following)) == (Fault.TOO_MANY_PAGES, [1])


def test_the_profile_says_how_long_silence_is_borne() -> None:
    """15 seconds; a photo comes through a network scanner as a whole, so it gets more."""
    assert {name: profile.silence_seconds_max for name, profile in PROFILES.items()} == {
        "letter": 15.0,
        "id_card": 15.0,
        "photo": 60.0,
    }


def test_a_slow_page_is_not_a_silent_one(desk: Desk) -> None:
    slow = desk.scan("simulated:flatbed?seconds=3", patience=ProcessLimits(silence_seconds=2.0))
    assert slow.ending == Finished(1)


def test_a_job_without_end_is_ended(desk: Desk) -> None:
    ran = desk.feed(f"{FEEDER}&pages=100000", patience=ProcessLimits(job_seconds=2.0))
    assert isinstance(ran.ending, Faulted)
    assert ran.ending.fault is Fault.TIMEOUT
    assert numbers(ran) == [*range(1, len(ran.pages) + 1)]


def test_cancelling_keeps_the_finished_pages_and_no_part_of_one(desk: Desk) -> None:
    def cancel(process: DeviceProcess, event: DeviceMessage) -> None:
        if isinstance(event, Progress) and event.number == 2:
            process.cancel()
            process.cancel()

    ran = desk.feed("simulated:feeder?pages=5&seconds=1.2", on_event=cancel)
    assert ran.ending == Faulted(fault=Fault.CANCELLED)
    assert ran.ending.slug is None
    assert numbers(ran) == [1]
    assert [page.number for page in desk.spool.list_pages("job-1")] == [1]


def test_a_slow_read_of_a_real_back_end_is_cancelled(back_end: BackEnd, desk: Desk) -> None:
    """Five seconds of reading, in small pieces; the device is free afterwards."""
    back_end(read_delay="true", read_delay_duration=50_000)

    def cancel(process: DeviceProcess, event: DeviceMessage) -> None:
        if isinstance(event, Progress):
            process.cancel()

    ran = desk.scan(on_event=cancel, profile=PROFILES["letter"])
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.pages) == (Fault.CANCELLED, [])
    back_end()
    assert desk.scan(job="job-2").ending == Finished(1)


def test_a_device_that_does_not_listen_is_cancelled_all_the_same(desk: Desk) -> None:
    def cancel(process: DeviceProcess, event: DeviceMessage) -> None:
        if isinstance(event, PageStarted) and event.number == 2:
            process.cancel()

    ran = desk.feed(f"{FEEDER}&pages=3&stall=2", patience=ProcessLimits(cancel_seconds=0.5), on_event=cancel)
    assert (ran.ending, numbers(ran)) == (Faulted(fault=Fault.CANCELLED), [1])


def test_a_process_that_dies_is_a_fault_and_its_pages_are_told(desk: Desk) -> None:
    def kill(process: DeviceProcess, event: DeviceMessage) -> None:
        if isinstance(event, Progress) and event.number == 2:
            os.kill(process.pid, signal.SIGKILL)

    ran = desk.feed("simulated:feeder?pages=3&seconds=1.2", on_event=kill)
    assert (ran.ending, numbers(ran)) == (Faulted(fault=Fault.FAILED, raw="the device process died"), [1])


def test_a_page_that_was_stored_and_not_told_of_is_told_when_the_process_is_gone(desk: Desk) -> None:
    """Killed between the spool and the pipe: the event is made up for from the disk."""
    told: list[DeviceMessage] = []
    with DeviceProcess(desk.request("simulated:feeder?pages=3&stall=2&seconds=0", source=PageSource.FEEDER),
                       desk.state, QUICK) as process:  # fmt: skip
        while b'"number":2' not in process._unread:
            process._receive_piece()
        process._unread = b""
        told += process.iter_events()
    assert [type(event) for event in told if not isinstance(event, Progress)] == [PageDone, Faulted]


def test_leaving_early_ends_the_process(desk: Desk) -> None:
    with DeviceProcess(desk.request("simulated:feeder?stall=1", source=PageSource.FEEDER), desk.state) as process:
        assert next(process.iter_events()) == Opened("simulated:feeder?stall=1", (PageSource.FEEDER,))
        assert exists(process.pid)
    assert not exists(process.pid)
    process.cancel()


PARENT = """
import sys
from pathlib import Path
from scanner.device_process import DeviceProcess
from scanner.messages import PageStarted, decode_request
with DeviceProcess(decode_request(sys.argv[1].encode()), Path(sys.argv[2])) as process:
    for event in process.iter_events():
        if isinstance(event, PageStarted):
            print(process.pid, flush=True)
"""


def test_a_process_ends_with_its_parent_and_leaves_the_device_free(desk: Desk) -> None:
    """Killed with -9 while the device hangs: nobody is there to end the process but the kernel."""
    request = desk.request("simulated:feeder?stall=1", source=PageSource.FEEDER)
    command = [sys.executable, "-c", PARENT, encode_message(request).decode(), str(desk.state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert exists(child)
        parent.kill()
    wait_until(lambda: not exists(child))
    assert desk.run(Describe(device=request.device, holder="the next")).ending == Finished(0)


# -- what it may not ----------------------------------------------------------------------------------------------


def test_a_process_that_takes_too_much_memory_fails_alone(desk: Desk) -> None:
    """The limit of 640 MiB is for private memory, so a runaway back end cannot take the machine along."""
    program = "from scanner.child import _limit_memory; _limit_memory(); bytearray(700 << 20)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, "MemoryError" in ended.stderr) == (1, True)


def test_nobody_but_the_device_process_loads_sane() -> None:
    """And a desk PC needs neither a database driver nor a web framework."""
    program = (
        "import sys, scanner.device_process; "
        "print(*sorted({'sane', '_sane', 'PIL', 'psycopg', 'falcon', 'cryptography'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def test_a_machine_without_python_sane_says_so(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_sane.py").write_text("raise ImportError('not here')")
    (tmp_path / "sane.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ran = desk.scan(TEST_DEVICE)
    assert ran.events == [
        Faulted(fault=Fault.FAILED, raw="python-sane is not installed (the extra `scanner`)"),
    ]
    assert desk.scan("simulated:flatbed?seconds=0").ending == Finished(1)


def test_an_error_of_the_program_itself_is_told_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    ran = Desk(tmp_path / "state").scan("simulated:flatbed?seconds=0")
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.raw.partition(" at ")[0]) == (Fault.FAILED, "NotADirectoryError")


def test_the_devices_of_sane_are_listed(back_end: BackEnd, desk: Desk) -> None:
    back_end(number_of_devices=3)
    assert [found.name for found in list_devices(desk.state)] == ["test:0", "test:1", "test:2"]


def test_what_a_scan_asks_goes_through_the_pipe_unchanged() -> None:
    from scanner.messages import decode_request

    scan = Scan(job="j", device="d", holder="h", profile=PROFILES["photo"], source=PageSource.FEEDER, first_page=7)
    assert decode_request(encode_message(scan)) == scan
