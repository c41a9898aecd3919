"""Devices of SANE through python-sane, used in the one way that neither crashes nor loses rows silently. python-sane
2.9 ends the process when a progress callback raises, returns a cancelled page as complete, misreads padded lines,
16-bit samples and pages of three passes, and its `multi_scan` takes a page cut by the end of the paper for the end
of the batch. Hence: pages one by one, a callback that never raises, announced sizes compared with received ones, and
every handle kept in the thread that opened it. `sane.exit` is never called: it leaks handles that are closed later."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import sane
from _sane import error as SaneError  # python-sane exports its own exception nowhere else

from domain.promises import require_value
from scanner import options
from scanner.driver import PIXELS_MAX, DeviceInfo, Raster, StartedPage, Watcher
from scanner.errors import DeviceFault, Fault, fault_of
from scanner.profiles import PageSource, Profile

# Switched off even if the device's configuration sets them: python-sane misreads all of these.
_UNWANTED: Final = ("three_pass", "ppl_loss", "non_blocking")
_RESOLUTIONS: Final = ("resolution", "x_resolution", "y_resolution")
_AREA: Final = (("tl_x", "br_x"), ("tl_y", "br_y"))


class SaneDriver:
    """Initialises SANE, which reads its configuration (SANE_CONFIG_DIR) once in this process."""

    def __init__(self) -> None:
        with _translate_faults():
            sane.init()

    def devices(self) -> list[DeviceInfo]:
        """The devices that all configured back ends find; discovery on a network takes seconds."""
        with _translate_faults():
            return [DeviceInfo(*described) for described in sane.get_devices()]

    def open(self, name: str) -> "SaneDevice":
        with _translate_faults(opening=True):
            return SaneDevice(sane.open(name))


class SaneDevice:
    """An opened device. Only the thread that opened it may call its methods: `close` beside a running `snap` ends
    the process."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._owner = threading.get_ident()
        self._sheet: StartedPage | None = None

    def sources(self) -> Sequence[PageSource]:
        return options.sources_among(self._choices_of("source"))

    def prepare(self, profile: Profile, source: PageSource) -> int:
        self._check_owner()
        with _translate_faults():
            self._choose_source(source, two_sided=profile.two_sided)
            if mode := options.mode_among(self._choices_of("mode"), profile.mode):
                self._set_option("mode", mode)
            self._set_option("depth", 8)
            for name in _UNWANTED:
                self._set_option(name, 0)
            dpi = self._set_resolution(profile.resolution_dpi)
            self._set_area((profile.width_mm, profile.height_mm), dpi)
        return round(dpi)

    def start_page(self) -> StartedPage:
        self._check_owner()
        with _translate_faults():
            self._handle.start()
            # Before the start, some back ends return estimates.
            self._sheet = _parse_sheet(self._handle.get_parameters())
        return self._sheet

    def read_page(self, watch: Watcher) -> Raster:
        self._check_owner()
        sheet = require_value(self._sheet, "a page is started before it is read")
        reading = _Reading(self._handle, watch, rows_max=PIXELS_MAX // sheet.width)
        try:
            with _translate_faults():
                data, width, rows, channels, _ = self._handle.dev.snap(True, False, reading.on_row)
        except DeviceFault as fault:
            raise (reading.why_ended() or _fault_in_page(fault, reading.rows)) from fault
        if why := reading.why_ended():
            raise why
        if rows < (sheet.rows or 1):
            raise DeviceFault(Fault.SHORT_PAGE, f"{rows} of {sheet.rows} rows")
        return Raster(width, rows, channels, data)

    def cancel(self) -> None:
        self._check_owner()
        with suppress(SaneError):
            self._handle.cancel()

    def close(self) -> None:
        self._check_owner()
        self._handle.close()

    def _check_owner(self) -> None:
        if threading.get_ident() != self._owner:
            raise RuntimeError("a device belongs to the thread that opened it")

    def _choose_source(self, source: PageSource, *, two_sided: bool) -> None:
        names = self._choices_of("source")
        if source not in options.sources_among(names):
            raise DeviceFault(Fault.INVALID, f"the device has no {source}")
        if word := options.source_among(names, source, two_sided=two_sided):
            self._set_option("source", word)

    def _set_resolution(self, wanted_dpi: int) -> float:
        """Set all resolution options of the device; returns the accepted one, or the wanted one where it has none."""
        dpi = float(wanted_dpi)
        for name in _RESOLUTIONS:
            if option := self._settable_option(name):
                self._set_option(name, options.resolution_of(option.constraint, wanted_dpi))
                dpi = float(getattr(self._handle, name))
        return dpi

    def _set_area(self, sides_mm: tuple[float, float], dpi: float) -> None:
        for (first, last), side_mm in zip(_AREA, sides_mm, strict=True):
            if (begin := self._settable_option(first)) and (end := self._settable_option(last)):
                in_pixels = end.unit == sane._sane.UNIT_PIXEL
                lowest = options.clamp_to(begin.constraint, 0.0)
                side = options.pixels_of(side_mm, dpi) if in_pixels else side_mm
                self._set_option(first, lowest)
                self._set_option(last, options.clamp_to(end.constraint, lowest + side))

    def _choices_of(self, name: str) -> Sequence[str]:
        option = self._settable_option(name)
        return option.constraint if option and isinstance(option.constraint, list) else ()

    def _settable_option(self, name: str) -> Any:
        option = self._handle.opt.get(name)
        return option if option and option.is_active() and option.is_settable() else None

    def _set_option(self, name: str, value: str | float) -> None:
        """Set an option; one that the device lacks, or that is inactive now, is skipped."""
        if option := self._settable_option(name):
            whole = option.type in (sane._sane.TYPE_INT, sane._sane.TYPE_BOOL)
            setattr(self._handle, name, round(value) if whole and not isinstance(value, str) else value)


class _Reading:
    """The row callback of one page. It must always return, because an exception in it ends the process."""

    def __init__(self, handle: Any, watch: Watcher, *, rows_max: int) -> None:
        self._handle, self._watch, self._rows_max = handle, watch, rows_max
        self._ended: BaseException | None = None
        self.rows = 0

    def on_row(self, row: int, _rows: int) -> None:
        self.rows = row
        if self._ended:
            return
        try:
            self._check_row(row)
        except BaseException as error:  # noqa: BLE001  # read_page raises it after the library has returned
            self._end_page(error)

    def why_ended(self) -> BaseException | None:
        return self._ended

    def _check_row(self, row: int) -> None:
        if row > self._rows_max:
            self._end_page(DeviceFault(Fault.TOO_MANY_PIXELS, f"more than {self._rows_max} rows"))
        elif not self._watch(row):
            self._end_page(DeviceFault(Fault.CANCELLED))

    def _end_page(self, why: BaseException) -> None:
        self._ended = why
        with suppress(SaneError):
            self._handle.cancel()


def _parse_sheet(parameters: tuple[str, int, tuple[int, int], int, int]) -> StartedPage:
    """The announced page. Raises INVALID for line formats that python-sane misreads, TOO_MANY_PIXELS for a page over
    the limit."""
    kind, is_last_frame, (width, rows), depth, line_bytes = parameters
    channels = {"gray": 1, "color": 3}.get(kind, 0)
    expected = {1: channels * ((width + 7) // 8), 8: channels * width}.get(depth)
    if not (channels and is_last_frame and width > 0 and line_bytes == expected):
        raise DeviceFault(Fault.INVALID, f"cannot read {kind}, {depth} bit, {line_bytes} bytes for {width} pixels")
    if width * rows > PIXELS_MAX:
        raise DeviceFault(Fault.TOO_MANY_PIXELS, f"{width} x {rows}")
    return StartedPage(width, rows if rows > 0 else None, channels)


def _fault_in_page(fault: DeviceFault, rows: int) -> DeviceFault:
    """A page cut by the end of the paper is SHORT_PAGE, not the end of the batch."""
    if fault.fault is Fault.OUT_OF_PAPER and rows:
        return DeviceFault(Fault.SHORT_PAGE, f"{fault.raw} after {rows} rows")
    return fault


@contextmanager
def _translate_faults(*, opening: bool = False) -> Iterator[None]:
    try:
        yield
    except SaneError as error:
        raise DeviceFault(fault_of(str(error), opening=opening), str(error)) from error
