"""What a device has to be able to do, whichever driver brings it: sane_driver.py, simulated.py.

A device belongs to the one thread that opened it, in a process of its own (child.py). Every fault is a DeviceFault.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from scanner.profiles import PageSource, Profile

PIXELS_MAX = 70_000_000
"""A3 at 600 dpi has 69.6 million."""

Watcher = Callable[[int], bool]
"""Is told how many rows are there, once a row at most; False ends the page. What it raises ends the page too."""


class DeviceInfo(msgspec.Struct, frozen=True):
    """A device as a driver lists it; `name` opens it."""

    name: str
    vendor: str
    model: str
    kind: str


class StartedPage(msgspec.Struct, frozen=True):
    """What a started page promises. `rows` is None where the device learns its height by scanning."""

    width: int
    rows: int | None
    channels: int


class Raster(msgspec.Struct, frozen=True):
    """The pixels of a page, 8 bits a channel, row after row without padding."""

    width: int
    rows: int
    channels: int
    data: bytearray


class Device(Protocol):
    """An opened device. `prepare` and `sources` between batches only; a page is `start_page`, then `read_page`."""

    def sources(self) -> Sequence[PageSource]: ...

    def prepare(self, profile: Profile, source: PageSource) -> int:
        """Set everything for the pages to come; the resolution in dpi that the device took. INVALID: cannot do it."""
        ...

    def start_page(self) -> StartedPage:
        """Take the next page; OUT_OF_PAPER when there is none."""
        ...

    def read_page(self, watch: Watcher) -> Raster:
        """All rows of the started page, never fewer than promised: SHORT_PAGE. CANCELLED when `watch` said so."""
        ...

    def cancel(self) -> None:
        """End the batch, also after an error: only then the device takes options or another batch. Never raises."""
        ...

    def close(self) -> None: ...


class Driver(Protocol):
    def devices(self) -> list[DeviceInfo]: ...

    def open(self, name: str) -> Device:
        """Raises OFFLINE where nothing answers under the name."""
        ...
