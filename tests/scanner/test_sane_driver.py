"""Every trap of python-sane that was found (it crashes, hangs, loses rows) with its cure, on SANE's test back end.

The driver runs in a process of its own here too: a cure that fails takes the interpreter with it.
"""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scanner.errors import DeviceFault, Fault
from tests.scanner.devices import ROOT, configure_test_back_end, in_a_process

BackEnd = Callable[..., Path]

HEAD = """
import hashlib, json, threading, time
import msgspec
from scanner.errors import DeviceFault
from scanner.profiles import PageMode, PageSource, Profile
from scanner.sane_driver import SaneDriver
from tests.scanner.devices import SMALL

def fault(act, *arguments):
    try:
        act(*arguments)
    except DeviceFault as fault:
        return [str(fault.fault), fault.raw]

def page(device, watch=lambda rows: True, profile=SMALL, source=PageSource.FLATBED):
    device.prepare(profile, source)
    sheet = device.start_page()
    raster = device.read_page(watch)
    device.cancel()
    return [raster.width, raster.rows, raster.channels, hashlib.sha256(raster.data).hexdigest(), sheet.rows]

def cancel(device):
    # The test back end ends its reader wherever that is, and waits for ever if it was in malloc: so not at once.
    time.sleep(0.05)
    device.cancel()

def tell(value):
    print(json.dumps(value))

device = SaneDriver().open("test:0")
colour = msgspec.structs.replace(SMALL, mode=PageMode.COLOUR)
"""
PLAIN = "tell(page(device, profile=colour))"
SIDE = 787
"""Pixels of 200 mm at 100 dpi."""


def told(program: str, config: Path) -> Any:
    return in_a_process(HEAD + program, config)


# -- what ends the process --------------------------------------------------------------------------------------


def test_a_watcher_that_raises_ends_the_page_and_not_the_process(back_end: BackEnd) -> None:
    program = """
def watch(rows):
    if rows == 100:
        raise KeyboardInterrupt("at row 100")
    return True

try:
    page(device, watch)
except KeyboardInterrupt as error:
    cancel(device)
    tell([str(error), page(device)[:2]])
"""
    assert told(program, back_end()) == ["at row 100", [SIDE, SIDE]]


def test_another_thread_may_not_touch_the_device(back_end: BackEnd) -> None:
    """`close` beside a running `snap` ends the process."""
    program = """
refused = []
def touch():
    for act in (device.close, device.cancel, device.start_page):
        try:
            act()
        except RuntimeError as error:
            refused.append(str(error))

def watch(rows):
    if rows == 10:
        thread = threading.Thread(target=touch)
        thread.start()
        thread.join()
    return True

tell([page(device, watch)[:2], refused])
"""
    size, refused = told(program, back_end())
    assert size == [SIDE, SIDE]
    assert refused == ["a device belongs to the thread that opened it"] * 3


def test_two_devices_in_one_process_are_nowhere_asked_for() -> None:
    """In threads of one process they deadlock; a process opens the one device of its request."""
    opened = [path.name for path in (ROOT / "scanner").glob("*.py") if ").open(name)" in path.read_text()]
    assert opened == ["child.py"]


def test_what_crashes_or_leaks_is_never_called() -> None:
    """sane.exit leaks handles, multi_scan swallows the end of the paper, scan and snap of sane.py copy every page."""
    called = {
        node.func.attr
        for path in (ROOT / "scanner").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert called & {"exit", "multi_scan", "arr_snap", "arr_scan", "scan"} == set()
    assert "snap" in called


def test_initialising_twice_and_opening_again_do_no_harm(back_end: BackEnd) -> None:
    program = """
first = page(device)
device.close()
device = SaneDriver().open("test:0")
tell([first == page(device), len(SaneDriver().devices())])
"""
    assert told(program, back_end()) == [True, 2]


# -- what is lost in silence ------------------------------------------------------------------------------------


def test_a_cancelled_page_is_never_taken_for_a_whole_one(back_end: BackEnd) -> None:
    """SANE hands out the rows that it has, and says nothing."""
    program = "tell([fault(page, device, lambda rows: rows < 36), cancel(device), page(device)[:2]])"
    assert told(program, back_end(read_delay="true")) == [["cancelled", ""], None, [SIDE, SIDE]]


def test_a_page_with_fewer_rows_than_promised_is_a_fault(back_end: BackEnd) -> None:
    """The test back end ends the page in its first read; python-sane calls that an image of no rows."""
    assert told("tell(fault(page, device))", back_end(read_status_code='"SANE_STATUS_EOF"'))[0] == "short_page"


Parameters = tuple[str, int, tuple[int, int], int, int]


class Handle:
    """As python-sane's, for what no back end here does: odd parameters, or some rows and then the end of the paper."""

    def __init__(self, rows: int = 0, parameters: Parameters = ("gray", 1, (100, 200), 8, 100)) -> None:
        self.rows, self.parameters, self.dev = rows, parameters, self

    def start(self) -> None: ...

    def get_parameters(self) -> Parameters:
        return self.parameters

    def snap(self, no_cancel: bool, sixteen_bits: bool, progress: Callable[[int, int], None]) -> None:
        from _sane import error

        for row in range(self.rows):
            progress(row + 1, 200)
        raise error("Document feeder out of documents")


@pytest.mark.parametrize(("rows", "expected"), [(0, "out_of_paper"), (1, "short_page"), (199, "short_page")])
def test_the_end_of_the_paper_in_the_middle_of_a_page_is_no_end_of_the_batch(
    sane: None, rows: int, expected: str
) -> None:
    from scanner.sane_driver import SaneDevice

    device = SaneDevice(Handle(rows))
    device.start_page()
    with pytest.raises(DeviceFault) as raised:
        device.read_page(lambda rows: True)
    assert raised.value.fault == expected


def test_an_unknown_height_is_read_to_its_end(back_end: BackEnd) -> None:
    width, rows, channels, _, promised = told("tell(page(device))", back_end(hand_scanner="true"))
    assert (width > 0, rows > 0, channels, promised) == (True, True, 1, None)


# -- what is misread --------------------------------------------------------------------------------------------


ODD: dict[str, dict[str, str | int]] = {
    "three passes": {"three_pass": "true", "three_pass_order": "BGR", "mode": "Color"},
    "padded lines": {"enable_test_options": "true", "ppl_loss": 10},
    "not blocking": {"enable_test_options": "true", "non_blocking": "true"},
    "guessed size": {"fuzzy_parameters": "true"},
    "1 bit": {"depth": 1},
    "16 bit": {"depth": 16},
    "7 bytes a read": {"read_limit": "true", "read_limit_size": 7},
}


@pytest.mark.parametrize("oddity", ODD)
def test_a_device_that_is_set_to_something_odd_gives_the_same_page(sane: None, tmp_path: Path, oddity: str) -> None:
    """Three passes come out as stripes, padded lines askew, 16 bit samples read past their buffer."""
    plain = configure_test_back_end(tmp_path / "plain", test_picture='"Color pattern"')
    odd = configure_test_back_end(tmp_path / "odd", test_picture='"Color pattern"', **ODD[oddity])
    assert told(PLAIN, odd) == told(PLAIN, plain)


@pytest.mark.parametrize(
    "parameters",
    [
        ("red", 0, (100, 200), 8, 100),
        ("gray", 0, (100, 200), 8, 100),
        ("gray", 1, (100, 200), 8, 112),
        ("color", 1, (100, 200), 8, 100),
        ("gray", 1, (100, 200), 16, 200),
        ("gray", 1, (0, 200), 8, 0),
        ("unknown format", 1, (100, 200), 8, 100),
    ],
    ids=["one of three passes", "more frames", "padded", "other length", "16 bit", "no width", "unknown"],
)
def test_lines_that_cannot_be_read_rightly_are_refused(sane: None, parameters: Parameters) -> None:
    """Whatever the options say: this is what the started page has."""
    from scanner.sane_driver import SaneDevice

    with pytest.raises(DeviceFault) as raised:
        SaneDevice(Handle(parameters=parameters)).start_page()
    assert raised.value.fault is Fault.INVALID


@pytest.mark.parametrize("hand_scanner", ["false", "true"])
def test_a_page_over_the_pixel_limit_is_ended(back_end: BackEnd, hand_scanner: str) -> None:
    """Promised, or, where the height is unknown, as soon as there are too many rows."""
    program = """
import scanner.sane_driver
scanner.sane_driver.PIXELS_MAX = 100_000
found = fault(page, device)
cancel(device)
scanner.sane_driver.PIXELS_MAX = 70_000_000
tell([found[0], page(device)[1] > 0])
"""
    assert told(program, back_end(hand_scanner=hand_scanner)) == ["too_many_pixels", True]


# -- after a fault ----------------------------------------------------------------------------------------------


def test_after_an_error_the_device_takes_nothing_until_it_is_cancelled(back_end: BackEnd) -> None:
    program = """
device._handle.read_return_value = "SANE_STATUS_JAMMED"
jammed = fault(page, device)
stuck = fault(device.prepare, SMALL, PageSource.FLATBED)
cancel(device)
device._handle.read_return_value = "Default"
tell([jammed, stuck, page(device)[:2]])
"""
    jammed, stuck, size = told(program, back_end())
    assert jammed == ["jammed", "Document feeder jammed"]
    assert stuck == ["invalid", "Invalid argument"]
    assert size == [SIDE, SIDE]


def test_every_status_of_sane_becomes_its_fault(back_end: BackEnd) -> None:
    program = """
found = {}
for status in device._handle["read_return_value"].constraint:
    device._handle.read_return_value = status
    found[status.removeprefix("SANE_STATUS_")] = (fault(page, device) or ["none"])[0]
    cancel(device)
tell(found)
"""
    assert told(program, back_end()) == {
        "Default": "none",
        "UNSUPPORTED": "invalid",
        "CANCELLED": "cancelled",
        "DEVICE_BUSY": "busy",
        "INVAL": "invalid",
        "EOF": "short_page",
        "JAMMED": "jammed",
        "NO_DOCS": "out_of_paper",
        "COVER_OPEN": "cover_open",
        "IO_ERROR": "failed",
        "NO_MEM": "failed",
        "ACCESS_DENIED": "denied",
    }


def test_a_device_is_opened_once_and_one_that_is_away_is_offline(back_end: BackEnd) -> None:
    program = "tell([fault(SaneDriver().open, name)[0] for name in ('test:0', 'test:7', 'nothing:1')])"
    assert told(program, back_end()) == ["busy", "offline", "offline"]


# -- what is asked ----------------------------------------------------------------------------------------------


def test_the_area_is_cut_to_what_the_device_has(back_end: BackEnd) -> None:
    """A4 on a glass of 200 by 200 mm, and a card in its corner."""
    program = """
from scanner.profiles import PROFILES
letter, card = (page(device, profile=PROFILES[name]) for name in ("letter", "id_card"))
tell([letter[:3], card[:3], [str(source) for source in device.sources()]])
"""
    letter, card, sources = told(program, back_end())
    assert letter == [2362, 2362, 1]
    assert card == [pytest.approx(95.6 / 25.4 * 300, abs=12), pytest.approx(64 / 25.4 * 300, abs=12), 3]
    assert sources == ["flatbed", "feeder"]


def test_a_source_that_the_device_lacks_is_refused(back_end: BackEnd) -> None:
    program = """
device._handle.opt.pop("source")
tell([fault(device.prepare, SMALL, PageSource.FEEDER), fault(device.prepare, SMALL, PageSource.FLATBED)])
"""
    assert told(program, back_end()) == [["invalid", "the device has no feeder"], None]
