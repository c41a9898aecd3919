"""A device without hardware: it draws form pages, and fails as its name says.

    simulated                               flatbed and feeder, three sheets in the feeder
    simulated:feeder?pages=5&jam=3          a feeder with five sheets, of which the third jams
    simulated:flatbed?code=DA4827190366514  the page carries this scan code

`jam`, `cover`, `stall`, `damaged`, `short` name the sheet at which it happens; `busy` and `offline` take 1; `seconds`
is the time for a page.
"""

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final
from urllib.parse import parse_qsl

import msgspec

from scanner import specimen
from scanner.driver import DeviceInfo, Raster, StartedPage, Watcher
from scanner.errors import DeviceFault, Fault
from scanner.options import pixels_of
from scanner.profiles import PageMode, PageSource, Profile

SCHEME: Final = "simulated"
RESOLUTION_DPI_MAX: Final = 600

_BAND_ROWS: Final = 64
_WIDTH_MM_MAX, _HEIGHT_MM_MAX = 216.0, 356.0
_CARD_HEIGHT_MM_MAX: Final = 80.0
_FOREVER_SECONDS: Final = 24 * 3_600.0
_FILLER: Final = 128

Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


class DevicePlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The behaviour of a device, parsed from its name. 0: it does not happen."""

    pages: Count = 3
    jam: Count = 0
    cover: Count = 0
    stall: Count = 0
    damaged: Count = 0
    short: Count = 0
    busy: Count = 0
    offline: Count = 0
    seconds: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 0.5
    code: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9]{0,64}$")] = ""


class SimulatedDriver:
    def devices(self) -> list[DeviceInfo]:
        return [DeviceInfo(SCHEME, "Dossier", "Simulated scanner", "draws form pages")]

    def open(self, name: str) -> "SimulatedDevice":
        """Open a device. Raises INVALID for a name that describes none."""
        sources, plan = parse_name(name)
        if plan.offline:
            raise DeviceFault(Fault.OFFLINE, "as the name says")
        if plan.busy:
            raise DeviceFault(Fault.BUSY, "as the name says")
        return SimulatedDevice(sources, plan)


class SimulatedDevice:
    """A Device whose feeder is refilled at each job."""

    def __init__(self, sources: tuple[PageSource, ...], plan: DevicePlan, sleep: Callable[[float], None] = time.sleep):
        self._sources, self._plan, self._sleep = sources, plan, sleep
        self._source, self._dpi, self._mode = sources[0], RESOLUTION_DPI_MAX, "L"
        self._size_mm = (0.0, 0.0)
        self._number = 0

    def sources(self) -> Sequence[PageSource]:
        return self._sources

    def prepare(self, profile: Profile, source: PageSource) -> int:
        if source not in self._sources:
            raise DeviceFault(Fault.INVALID, f"the device has no {source}")
        self._source = source
        self._dpi = min(profile.resolution_dpi, RESOLUTION_DPI_MAX)
        self._mode = "L" if profile.mode is PageMode.GRAY else "RGB"
        self._size_mm = (min(profile.width_mm, _WIDTH_MM_MAX), min(profile.height_mm, _HEIGHT_MM_MAX))
        return self._dpi

    def start_page(self) -> StartedPage:
        self._number += 1
        if self._source is PageSource.FEEDER and self._number > self._plan.pages:
            raise DeviceFault(Fault.OUT_OF_PAPER, "the feeder is empty")
        for at, fault in ((self._plan.jam, Fault.JAMMED), (self._plan.cover, Fault.COVER_OPEN)):
            if at == self._number:
                raise DeviceFault(fault, "as the name says")
        return StartedPage(*self._size_px(), len(self._mode))

    def read_page(self, watch: Watcher) -> Raster:
        width, rows = self._size_px()
        channels = len(self._mode)
        data = bytearray(self._draw_page())
        for row in range(0, rows, _BAND_ROWS):
            if self._plan.stall == self._number and row > rows // 2:
                self._sleep(_FOREVER_SECONDS)
            self._sleep(self._plan.seconds * _BAND_ROWS / rows)
            if not watch(min(row + _BAND_ROWS, rows)):
                raise DeviceFault(Fault.CANCELLED)
        if self._plan.short == self._number:
            raise DeviceFault(Fault.SHORT_PAGE, f"{rows // 2} of {rows} rows")
        if self._plan.damaged == self._number:
            cut = len(data) // 2
            data[cut:] = bytes([_FILLER]) * (len(data) - cut)
        return Raster(width, rows, channels, data)

    def cancel(self) -> None:
        self._number = 0

    def close(self) -> None:
        self.cancel()

    def _size_px(self) -> tuple[int, int]:
        width_mm, height_mm = self._size_mm
        return round(pixels_of(width_mm, self._dpi)), round(pixels_of(height_mm, self._dpi))

    def _draw_page(self) -> bytes:
        title = f"Page {self._number}"
        if self._size_mm[1] <= _CARD_HEIGHT_MM_MAX:
            picture = specimen.draw_card(self._size_px(), self._dpi, title=title)
        else:
            code = self._plan.code or specimen.scan_code(self._number)
            picture = specimen.draw_form(self._size_px(), self._dpi, title=title, code=code)
        return picture.convert(self._mode).tobytes()


def parse_name(name: str) -> tuple[tuple[PageSource, ...], DevicePlan]:
    """Sources and plan of a device from its name. Raises DeviceFault(INVALID), which names the error in the name."""
    kind, _, query = name.partition("?")
    scheme, colon, source = kind.partition(":")
    try:
        if scheme != SCHEME:
            raise ValueError("the name begins with simulated")
        sources = (PageSource(source),) if colon else tuple(PageSource)
        plan = msgspec.convert(dict(parse_qsl(query, strict_parsing=bool(query))), DevicePlan, strict=False)
    except ValueError as error:
        raise DeviceFault(Fault.INVALID, f"{name}: {error}") from error
    return sources, plan
