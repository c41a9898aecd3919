"""Real devices for tests: SANE's own test back end as a test configures it, and jobs on devices run to their end."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import zxingcpp
from PIL import Image

from scanner.device_process import DeviceProcess, ProcessLimits
from scanner.messages import DeviceMessage, Faulted, Finished, PageDone, Request, Scan
from scanner.profiles import PageMode, PageSource, Profile
from scanner.spool import Spool

TEST_DEVICE = "test:0"
ROOT = Path(__file__).resolve().parents[2]
PROGRAM_SECONDS_MAX = 10
"""For one that hangs; a few take a second."""
HANGS_MAX = 2
E_ = TypeVar("E_", bound=DeviceMessage)

SMALL = Profile(resolution_dpi=100, mode=PageMode.GRAY, width_mm=200.0, height_mm=200.0)
"""As large as the test back end goes. A4 is more than it has."""


# Of the options in its file these alone are not written with dashes.
_UNDERSCORED = {"number-of-devices": "number_of_devices", "geometry-max": "geometry_max"}


class Ran(NamedTuple):
    events: list[DeviceMessage]

    @property
    def ending(self) -> Faulted | Finished:
        last = self.events[-1]
        assert isinstance(last, Faulted | Finished)
        return last

    @property
    def pages(self) -> list[PageDone]:
        return self.of(PageDone)

    def of(self, kind: type[E_]) -> list[E_]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def codes(self) -> list[list[str]]:
        """The texts on each page, read from its file."""
        return [codes_of(Path(done.path)) for done in self.pages]


def codes_of(path: Path) -> list[str]:
    with Image.open(path) as picture:
        return [barcode.text for barcode in zxingcpp.read_barcodes(picture)]


class Desk:
    """A state folder and the devices that SANE_CONFIG_DIR gives."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.spool = Spool(state / "spool")

    def scan(
        self,
        device: str = TEST_DEVICE,
        *,
        job: str = "job-1",
        patience: ProcessLimits | None = None,
        on_event: Callable[[DeviceProcess, DeviceMessage], object] = lambda process, event: None,
        **changes: Any,
    ) -> Ran:
        return self.run(self.request(device, job=job, **changes), patience, on_event)

    def request(self, device: str = TEST_DEVICE, **changes: Any) -> Scan:
        usual: dict[str, Any] = {"job": "job-1", "holder": "Ms Winter", "profile": SMALL}
        return Scan(device=device, **{**usual, **changes})

    def run(
        self,
        request: Request,
        patience: ProcessLimits | None = None,
        on_event: Callable[[DeviceProcess, DeviceMessage], object] = lambda process, event: None,
    ) -> Ran:
        events = []
        with DeviceProcess(request, self.state, patience) as process:
            for event in process.iter_events():
                events.append(event)
                on_event(process, event)
        return Ran(events)

    def feed(self, device: str, **changes: Any) -> Ran:
        return self.scan(device, **{"source": PageSource.FEEDER, **changes})


def configure_test_back_end(folder: Path, **options: str | int) -> Path:
    """A SANE_CONFIG_DIR in which the test back end is alone, with its options set (`three_pass="true"`)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dll.conf").write_text("test\n")
    lines: dict[str, object] = {"number-of-devices": 2, "geometry-max": 200.0, "test-picture": '"Grid"'}
    lines |= {name.replace("_", "-"): value for name, value in options.items()}
    text = "".join(f"{_UNDERSCORED.get(name, name)} {value}\n" for name, value in lines.items())
    (folder / "test.conf").write_text(text)
    return folder


def in_a_process(program: str, config: Path) -> Any:
    """Run a piece of Python that uses a driver, and read the JSON it prints: SANE is not loaded into the tests.

    The test back end ends its reader wherever that is when it is cancelled. Now and then that was in malloc, and it
    waits for ever: a process that hangs is ended, as the watchdog does it at a desk, and another one tries. What hangs
    every time is a failure.
    """
    for _ in range(HANGS_MAX):
        with suppress(subprocess.TimeoutExpired):
            return _told_by(program, config)
    return _told_by(program, config)


def _told_by(program: str, config: Path) -> Any:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        env={**os.environ, "SANE_CONFIG_DIR": str(config)},
        capture_output=True,
        timeout=PROGRAM_SECONDS_MAX,
    )
    assert ended.returncode == 0, (ended.returncode, ended.stderr.decode())
    return msgspec.json.decode(ended.stdout)


def numbers(ran: Ran) -> Sequence[int]:
    return [done.page.number for done in ran.pages]
