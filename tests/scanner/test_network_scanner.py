"""Real pages through the real sane-airscan, from a network scanner of our own that fails as real ones do (escl.py)."""

import subprocess
import sys

import msgspec
import pytest

from scanner.device_process import DeviceProcess, ProcessLimits
from scanner.errors import Fault
from scanner.messages import Describe, DeviceMessage, Faulted, Finished, Opened, PageDone, encode_message
from scanner.profiles import PROFILES, PageMode, PageSource
from tests.scanner.devices import ROOT, Desk, numbers
from tests.scanner.escl import DEVICE, Scanner, text_of

MEMORY_MIB_MAX = 400


def test_a_batch_comes_through_with_its_codes(scanner: Scanner, desk: Desk) -> None:
    scanner.load(2)
    ran = desk.feed(DEVICE, profile=PROFILES["letter"])

    assert (ran.ending, numbers(ran)) == (Finished(2), [1, 2])
    assert ran.codes == [[text_of(1)], [text_of(2)]]
    assert {(done.page.width_px, done.page.height_px, done.page.dpi) for done in ran.pages} == {(2480, 3508, 300)}
    assert {done.page.warnings for done in ran.pages} == {()}
    assert scanner.requests[-1] == "DELETE 1"


def test_the_glass_gives_one_page_and_colour_where_it_is_asked(scanner: Scanner, desk: Desk) -> None:
    ran = desk.scan(DEVICE, source=PageSource.FLATBED, profile=PROFILES["id_card"])
    assert (ran.ending, numbers(ran), scanner.delivered) == (Finished(1), [1], [1])
    assert (ran.pages[0].page.mode, ran.codes) == (PageMode.COLOUR, [[text_of(1)]])
    assert (ran.pages[0].page.width_px, ran.pages[0].page.height_px) == pytest.approx((1129, 756), abs=3)


def test_its_sources_are_told(scanner: Scanner, desk: Desk) -> None:
    ran = desk.run(Describe(device=DEVICE, holder="Ms Winter"))
    assert ran.events == [Opened(DEVICE, (PageSource.FLATBED, PageSource.FEEDER)), Finished(0)]


@pytest.mark.parametrize(
    ("fault", "expected", "slug"),
    [
        ("jam", Fault.JAMMED, "scanner-jammed"),
        ("cover", Fault.COVER_OPEN, "scanner-cover-open"),
        ("drop", Fault.FAILED, "scanner-failed"),
    ],
)
def test_a_fault_at_the_third_sheet_keeps_two_and_the_rest_follows(
    scanner: Scanner, desk: Desk, fault: str, expected: Fault, slug: str
) -> None:
    """Jam, cover and a lost connection. The job at the device is ended, so the next one begins at once."""
    scanner.load(5, **{fault: 3})
    ran = desk.feed(DEVICE)
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.slug, numbers(ran)) == (expected, slug, [1, 2])
    assert scanner.requests[-1] == "DELETE 1"

    scanner.load(3, first=3)
    rest = desk.feed(DEVICE, first_page=3)
    assert (rest.ending, ran.codes + rest.codes) == (Finished(3), [[text_of(sheet)] for sheet in range(1, 6)])


def test_a_device_that_asks_for_patience_gets_it(scanner: Scanner, desk: Desk) -> None:
    scanner.load(5, later=3)
    ran = desk.feed(DEVICE)
    assert (ran.ending, ran.codes) == (Finished(5), [[text_of(sheet)] for sheet in range(1, 6)])


@pytest.mark.parametrize("smaller", [0, 5, 200])
def test_a_picture_cut_on_its_way_is_noticed(scanner: Scanner, desk: Desk, smaller: int) -> None:
    """With the length that was announced: sane-airscan hands it on as whole, filled with grey. Where the picture is
    smaller than the area that was asked for, a white border hides the end of the grey."""
    scanner.smaller = smaller
    scanner.load(4, cut=3)
    for mode in PageMode:
        ran = desk.feed(DEVICE, profile=msgspec.structs.replace(PROFILES["letter"], mode=mode), job=mode.value)
        assert [done.page.warnings for done in ran.pages] == [(), (), ("page-damaged",), ()]
        scanner.load(4, cut=3)


def test_a_device_that_stalls_is_ended_and_the_next_job_works(scanner: Scanner, desk: Desk) -> None:
    """Even its cancellation would hang. Shipped are 15 seconds; how long it takes does not matter here."""
    scanner.load(5, stall=3)
    ran = desk.feed(DEVICE, patience=ProcessLimits(silence_seconds=2.0))
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.slug, numbers(ran)) == (Fault.TIMEOUT, "scanner-failed", [1, 2])

    scanner.load(3, first=3)
    rest = desk.feed(DEVICE, first_page=3)
    assert (rest.ending, rest.codes) == (Finished(3), [[text_of(sheet)] for sheet in (3, 4, 5)])


def test_a_stalled_device_can_be_cancelled(scanner: Scanner, desk: Desk) -> None:
    scanner.load(5, stall=2)

    def cancel(process: DeviceProcess, event: DeviceMessage) -> None:
        if isinstance(event, PageDone):
            process.cancel()

    ran = desk.feed(DEVICE, patience=ProcessLimits(cancel_seconds=1.0), on_event=cancel)
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.slug, numbers(ran)) == (Fault.CANCELLED, None, [1])


def test_a_feeder_without_end_is_ended_at_the_limit(scanner: Scanner, desk: Desk) -> None:
    """A broken sensor: the same sheet for ever, 2,273 times in 6 seconds when it was tried without a limit.

    sane-airscan does not return from its cancellation before the feeder is empty, so the process is killed.
    """
    scanner.load(1)
    scanner.endless = True
    ran = desk.feed(DEVICE, pages_max=6, patience=ProcessLimits(cancel_seconds=0.5))
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.slug) == (Fault.TOO_MANY_PAGES, "scanner-too-many-pages")
    assert numbers(ran) == [1, 2, 3, 4, 5, 6]


def test_an_empty_feeder_is_a_fault(scanner: Scanner, desk: Desk) -> None:
    """python-sane's own loop ends it like a batch of no pages."""
    scanner.load(0)
    ran = desk.feed(DEVICE)
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.slug, ran.pages) == (Fault.OUT_OF_PAPER, "scanner-out-of-paper", [])


@pytest.mark.long
def test_a_device_that_somebody_else_uses_is_busy(scanner: Scanner, desk: Desk) -> None:
    """Not one of ours, so nobody can say who. sane-airscan tries for 10 seconds."""
    scanner.load(5, busy=0)
    ran = desk.feed(DEVICE)
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.holder, ran.ending.slug) == (Fault.BUSY, None, "scanner-busy")


def test_a_device_that_was_unplugged_is_offline(scanner: Scanner, desk: Desk) -> None:
    config = scanner.config / "airscan.conf"
    config.write_text(config.read_text().replace("127.0.0.1:", "127.0.0.1:1"))
    ran = desk.feed(DEVICE)
    assert isinstance(ran.ending, Faulted)
    assert (ran.ending.fault, ran.ending.slug) == (Fault.OFFLINE, "scanner-offline")


MEASURED = """
import resource, sys
from pathlib import Path
from scanner.device_process import DeviceProcess
from scanner.messages import decode_request
with DeviceProcess(decode_request(sys.argv[1].encode()), Path(sys.argv[2])) as process:
    [*_, ending] = process.iter_events()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, ending)
"""


def test_the_largest_page_fits_into_the_memory(scanner: Scanner, desk: Desk) -> None:
    """A4 at 600 dpi in colour: 100 MiB of rows, and what python-sane and Pillow make of them."""
    scanner.grain = 30
    request = desk.request(DEVICE, profile=PROFILES["photo"])
    command = [sys.executable, "-c", MEASURED, encode_message(request).decode(), str(desk.state)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    peak_kib, _, ending = done.stdout.strip().partition(" ")
    assert ending == "Finished(pages=1)"
    assert [(page.width_px, page.height_px) for page in desk.spool.list_pages("job-1")] == [(4961, 7016)]
    assert 100 < int(peak_kib) / 1024 <= MEMORY_MIB_MAX
