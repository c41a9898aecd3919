"""A network scanner of our own: eSCL over HTTP, its sheets drawn with Pillow, its faults as a test wants them.

The real sane-airscan speaks to it, so everything between the wire and the spool is the real thing. Requests as seen of
sane-airscan 0.99: GET ScannerCapabilities and ScannerStatus, POST ScanJobs, GET …/NextDocument until 404, DELETE.
"""

import io
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image, ImageDraw

DEVICE = "airscan:e0:Desk"
DPI = (75, 100, 150, 200, 300, 600)
STALL_SECONDS_MAX = 120.0
_TILE = 500

_NAMESPACES = (
    'xmlns:scan="http://schemas.hp.com/imaging/escl/2011/05/03" xmlns:pwg="http://www.pwg.org/schemas/2010/12/sm"'
)
_RESOLUTIONS = "".join(
    f"<scan:DiscreteResolution><scan:XResolution>{dpi}</scan:XResolution>"
    f"<scan:YResolution>{dpi}</scan:YResolution></scan:DiscreteResolution>"
    for dpi in DPI
)
_INPUT = f"""
<scan:MinWidth>16</scan:MinWidth><scan:MaxWidth>3508</scan:MaxWidth>
<scan:MinHeight>16</scan:MinHeight><scan:MaxHeight>4961</scan:MaxHeight><scan:MaxScanRegions>1</scan:MaxScanRegions>
<scan:SettingProfiles><scan:SettingProfile>
<scan:ColorModes><scan:ColorMode>Grayscale8</scan:ColorMode><scan:ColorMode>RGB24</scan:ColorMode></scan:ColorModes>
<scan:DocumentFormats><pwg:DocumentFormat>image/jpeg</pwg:DocumentFormat>
<scan:DocumentFormatExt>image/jpeg</scan:DocumentFormatExt></scan:DocumentFormats>
<scan:SupportedResolutions><scan:DiscreteResolutions>{_RESOLUTIONS}</scan:DiscreteResolutions>
</scan:SupportedResolutions></scan:SettingProfile></scan:SettingProfiles>"""
_CAPABILITIES = f"""<?xml version="1.0" encoding="UTF-8"?>
<scan:ScannerCapabilities {_NAMESPACES}>
<pwg:Version>2.63</pwg:Version><pwg:MakeAndModel>Desk Scanner</pwg:MakeAndModel>
<scan:Platen><scan:PlatenInputCaps>{_INPUT}</scan:PlatenInputCaps></scan:Platen>
<scan:Adf><scan:AdfSimplexInputCaps>{_INPUT}</scan:AdfSimplexInputCaps></scan:Adf>
</scan:ScannerCapabilities>"""
_STATUS = f"""<?xml version="1.0" encoding="UTF-8"?>
<scan:ScannerStatus {_NAMESPACES}><pwg:Version>2.63</pwg:Version>
<pwg:State>Idle</pwg:State><scan:AdfState>ScannerAdf%s</scan:AdfState></scan:ScannerStatus>"""


class Scanner:
    """What lies in the feeder or on the glass, what is to go wrong at which sheet, and what was asked and handed out.

    Faults: `jam`, `cover`, `drop` (the connection, in the middle of the picture), `cut` (the picture, its length kept),
    `stall` (nothing comes any more), `later` (503 three times, then the sheet). At sheet 0, before any: `busy`.
    `papers` are sheets that look like a picture of A4, by number; all others are drawn. `smaller` is by how many pixels
    the pictures are narrower and shorter than what was asked for, as those of many a device are.
    """

    def __init__(self, config: Path) -> None:
        self.config = config
        self.sheets: list[int] = []
        self.papers: dict[int, Image.Image] = {}
        self.faults: Mapping[int, str] = {}
        self.delivered: list[int] = []
        self.requests: list[str] = []
        self.endless = False
        self.grain = 0
        self.smaller = 0
        self.released = threading.Event()
        self._size, self._mode, self._on_glass = (1, 1), "L", False
        self._jobs, self._job = 0, 0
        self._state = "Loaded"
        self._refusals = 0
        self._drawn: dict[Any, bytes] = {}

    def load(self, sheets: int, first: int = 1, **faults: int) -> None:
        """Sheets into the feeder, numbered from `first`; `jam=3` lets the third one jam. They are for a job that is
        still to come: what somebody who was killed had asked for is not to take the first of them."""
        self._job = 0
        self.sheets = [*range(first, first + sheets)]
        self.faults = {sheet: fault for fault, sheet in faults.items()}
        self._state = "Loaded" if sheets else "Empty"
        self._refusals = 3

    def post(self, settings: str) -> tuple[int, int]:
        """A job: its area and mode. The status of the answer, and its number."""
        if self.faults.get(0) == "busy":
            return 503, 0
        self._jobs += 1
        self._job = self._jobs
        dpi = int(_field(settings, "XResolution"))
        self._size = tuple(int(_field(settings, side)) * dpi // 300 for side in ("Width", "Height"))  # type: ignore[assignment]  # two of them
        self._mode = "RGB" if "RGB" in _field(settings, "ColorMode") else "L"
        self._on_glass = "Platen" in settings
        return 201 if self.sheets else 409, self._job

    def next(self, job: int) -> tuple[int, int | None, bytes]:
        """Status, sheet and picture of the answer to NextDocument."""
        if job != self._job:
            return 404, None, b""
        if not self.sheets:
            self._state = "Empty"
            return 404, None, b""
        sheet = self.sheets[0]
        match self.faults.get(sheet):
            case "jam" | "cover" as fault:
                self._state = "Jam" if fault == "jam" else "DoorOpen"
                return 409, sheet, b""
            case "later" if self._refusals:
                self._refusals -= 1
                return 503, sheet, b""
            case "stall":
                self.released.wait(STALL_SECONDS_MAX)
                return 503, None, b""
        if self._on_glass:
            self.sheets = []
        elif not self.endless:
            self.sheets.pop(0)
        return 200, sheet, self._picture(sheet)

    def status(self) -> str:
        return _STATUS % self._state

    def fault(self, sheet: int | None) -> str | None:
        return self.faults.get(sheet) if sheet else None

    def _picture(self, sheet: int) -> bytes:
        if sheet in self.papers:
            return encoded(self.papers[sheet].convert(self._mode).resize(self._size))
        size = (self._size[0] - self.smaller, self._size[1] - self.smaller)
        asked = (sheet, size, self._mode)
        if asked not in self._drawn:
            self._drawn[asked] = drawn(sheet, size, self._mode, self.grain)
        return self._drawn[asked]


def text_of(sheet: int) -> str:
    """What the code on a sheet says."""
    return f"SHEET{sheet:04d}"


def drawn(sheet: int, size: tuple[int, int], mode: str, grain: int) -> bytes:
    """The sheet as the scanner's own JPEG: its number, and a code that says it too."""
    page = Image.new(mode, size, (245,) * len(mode))
    for corner in grid(size) if grain else ():
        page.paste(Image.effect_noise((_TILE, _TILE), grain).convert(mode), corner)
    barcode = zxingcpp.create_barcode(text_of(sheet), zxingcpp.BarcodeFormat.QRCode, ec_level="H")
    code = Image.fromarray(zxingcpp.write_barcode_to_image(barcode, scale=6))
    page.paste(code, (size[0] // 8, size[1] // 8))
    ImageDraw.Draw(page).text((size[0] // 8, size[1] // 2), f"Sheet {sheet}", 0, font_size=size[0] // 12)
    return encoded(page)


def encoded(page: Image.Image) -> bytes:
    out = io.BytesIO()
    page.save(out, "JPEG", quality=80)
    return out.getvalue()


def grid(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    return product(range(0, size[0], _TILE), range(0, size[1], _TILE))


@contextmanager
def a_scanner(folder: Path) -> Iterator[Scanner]:
    """A scanner that answers on a port of its own; `config` is the SANE_CONFIG_DIR in which it is the only one."""
    scanner = Scanner(folder / "sane")
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.scanner = scanner
        _configure(scanner.config, server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield scanner
        finally:
            scanner.released.set()
            server.shutdown()
            thread.join()


def _configure(folder: Path, port: int) -> None:
    folder.mkdir()
    (folder / "dll.conf").write_text("airscan\n")
    (folder / "airscan.conf").write_text(
        f'[devices]\n"Desk" = http://127.0.0.1:{port}/eSCL\n[options]\ndiscovery = disable\nws-discovery = off\n'
    )


class _Server(ThreadingHTTPServer):
    scanner: Scanner


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        match self._asked():
            case "ScannerCapabilities":
                self._answer(200, _CAPABILITIES.encode())
            case "ScannerStatus":
                self._answer(200, self.server.scanner.status().encode())
            case "NextDocument":
                self._send_sheet(*self.server.scanner.next(int(self.path.split("/")[-2])))

    def do_POST(self) -> None:
        self._asked()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, job = self.server.scanner.post(body.decode())
        self._answer(status, location=f"http://127.0.0.1:{self.server.server_port}/eSCL/ScanJobs/{job}")

    def do_DELETE(self) -> None:
        self._asked()
        self._answer(200)

    def log_message(self, *_: object) -> None:
        """Said in `requests`."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def _asked(self) -> str:
        what = self.path.rpartition("/")[2]
        self.server.scanner.requests.append(f"{self.command} {what}")
        return what

    def _send_sheet(self, status: int, sheet: int | None, picture: bytes) -> None:
        match self.server.scanner.fault(sheet):
            case "drop":
                self._answer(status, picture, "image/jpeg", sent=len(picture) // 2)
                self.close_connection = True
            case "cut":
                self._answer(status, picture[: len(picture) // 3], "image/jpeg")
            case _:
                self._answer(status, picture, "image/jpeg")
        if status == 200 and sheet:
            self.server.scanner.delivered.append(sheet)

    def _answer(
        self, status: int, body: bytes = b"", media_type: str = "text/xml", *, location: str = "", sent: int = -1
    ) -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if sent < 0 else body[:sent])


def _field(settings: str, name: str) -> str:
    [found] = set(re.findall(rf"<\w+:{name}>([^<]*)<", settings))
    return str(found)
