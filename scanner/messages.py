"""The messages between device_process.py and child.py: one JSON object a line. One request in; events out, exactly
one of which ends the job: Finished or Faulted."""

import msgspec

from scanner.driver import DeviceInfo
from scanner.errors import DeviceFault, Fault, slug_of
from scanner.profiles import PageSource, Profile
from scanner.spool import SpoolPage

PAGES_MAX = 500


class ListDevices(msgspec.Struct, frozen=True, tag="list"):
    """List all devices. Answered with Devices."""


class Describe(msgspec.Struct, frozen=True, kw_only=True, tag="describe"):
    """Open the device and close it. Answered with Opened."""

    device: str
    holder: str


class Scan(msgspec.Struct, frozen=True, kw_only=True, tag="scan"):
    """Scan one page of a flatbed, or all pages in a feeder, into the spool under `job`. Page numbers run from
    `first_page` to at most `pages_max`. Without a source, the device's first one is used."""

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
    """Sent at most four times a second. `rows_total` is None where the device does not know it before the end."""

    number: int
    rows: int
    rows_total: int | None


class PageDone(msgspec.Struct, frozen=True, tag="page_done"):
    """The page is durable in the spool at `path`."""

    page: SpoolPage
    path: str


class Faulted(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    """The job has ended; its finished pages stay. `raw` is for operators, `holder` is the holder of a busy device."""

    fault: Fault
    raw: str = ""
    holder: str | None = None

    @property
    def slug(self) -> str | None:
        return slug_of(self.fault)


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The job has ended with this number of pages."""

    pages: int = 0


DeviceMessage = Devices | Opened | PageStarted | Progress | PageDone | Faulted | Finished
_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_EVENTS: msgspec.json.Decoder[DeviceMessage] = msgspec.json.Decoder(DeviceMessage)


def fault_event(fault: DeviceFault) -> Faulted:
    return Faulted(fault=fault.fault, raw=fault.raw, holder=fault.holder)


def encode_message(message: Request | DeviceMessage) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    return _REQUESTS.decode(line)


def decode_event(line: bytes) -> DeviceMessage:
    return _EVENTS.decode(line)
