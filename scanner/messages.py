"""What goes through the pipes between device_process.py and child.py: one JSON object a line.

One request in; events out, of which exactly one ends the job: Finished or Faulted.
"""

import msgspec

from scanner.driver import DeviceInfo
from scanner.errors import DeviceFault, Fault, slug_of
from scanner.profiles import PageSource, Profile
from scanner.spool import SpoolPage

PAGES_MAX = 500


class ListDevices(msgspec.Struct, frozen=True, tag="list"):
    """Which devices there are. Answered with Devices."""


class Describe(msgspec.Struct, frozen=True, kw_only=True, tag="describe"):
    """Open the device and close it again. Answered with Opened."""

    device: str
    holder: str


class Scan(msgspec.Struct, frozen=True, kw_only=True, tag="scan"):
    """One page of a flatbed, or all that lie in a feeder, into the spool under `job`.

    Numbers begin with `first_page` and end with `pages_max`. Without a source it is the first that the device has.
    """

    job: str
    device: str
    holder: str
    profile: Profile
    source: PageSource | None = None
    first_page: int = 1
    pages_max: int = PAGES_MAX


Request = ListDevices | Describe | Scan


class Devices(msgspec.Struct, frozen=True, tag="devices"):
    items: tuple[DeviceInfo, ...]


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    device: str
    sources: tuple[PageSource, ...]


class PageStarted(msgspec.Struct, frozen=True, tag="page_started"):
    number: int


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """At most four a second. `rows_total` is None where the device does not know it before the end."""

    number: int
    rows: int
    rows_total: int | None


class PageDone(msgspec.Struct, frozen=True, tag="page_done"):
    """The page lies in the spool at `path`, durably."""

    page: SpoolPage
    path: str


class Faulted(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    """The job is over; its finished pages stay. `raw` is for operators, `holder` is who has a busy device."""

    fault: Fault
    raw: str = ""
    holder: str | None = None

    @property
    def slug(self) -> str | None:
        return slug_of(self.fault)


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The job is over, with so many pages."""

    pages: int = 0


Event = Devices | Opened | PageStarted | Progress | PageDone | Faulted | Finished
_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_EVENTS: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def fault_event(fault: DeviceFault) -> Faulted:
    return Faulted(fault=fault.fault, raw=fault.raw, holder=fault.holder)


def encode_message(message: Request | Event) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    return _REQUESTS.decode(line)


def decode_event(line: bytes) -> Event:
    return _EVENTS.decode(line)
