"""The interface of devices, implemented by sane_driver.py and simulated.py. A device belongs to the one thread that
opened it, in a process of its own (child.py). Every fault is a DeviceFault."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from scanner.profiles import PageSource, Profile

PIXELS_MAX = 70_000_000
"""A3 at 600 dpi has 69.6 million."""

Watcher = Callable[[int], bool]
"""Called with the number of rows read, at most once a row; False, or an exception, ends the page."""


class DeviceInfo(msgspec.Struct, frozen=True):
    """A device as a driver lists it; `name` opens it."""

    name: str
    vendor: str
    model: str
    kind: str


class StartedPage(msgspec.Struct, frozen=True):
    """The announced size of a started page. `rows` is None where the device learns the height by scanning."""

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
    """An opened device. Call `prepare` and `sources` between batches only; a page is `start_page`, then `read_page`."""

    def sources(self) -> Sequence[PageSource]: ...

    def prepare(self, profile: Profile, source: PageSource) -> int:
        """Set all options for the next pages; returns the resolution in dpi that the device accepted. Raises INVALID
        when it cannot."""
        ...

    def start_page(self) -> StartedPage:
        """Take in the next page; raises OUT_OF_PAPER when there is none."""
        ...

    def read_page(self, watch: Watcher) -> Raster:
        """Read all rows of the started page. Raises SHORT_PAGE for fewer rows than announced, CANCELLED when `watch`
        returned False."""
        ...

    def cancel(self) -> None:
        """End the batch, also after an error: a device accepts options or another batch only then. Never raises."""
        ...

    def close(self) -> None: ...


class Driver(Protocol):
    def devices(self) -> list[DeviceInfo]: ...

    def open(self, name: str) -> Device:
        """Open a device. Raises OFFLINE where none answers under the name."""
        ...
