"""Fixtures of tests/scanner: a desk, the test back end, the network scanner. All need libsane and python-sane."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.scanner.devices import Desk, configure_test_back_end
from tests.scanner.escl import Scanner, a_scanner

if TYPE_CHECKING:
    from tests.http.served import Served
    from tests.scanner.stations import AtDesk

SILENCE_SECONDS = 3
PAGES_MAX = 8
AIRSCAN = [*Path("/usr/lib").glob("*/sane/libsane-airscan.so.1"), *Path("/usr/lib/sane").glob("libsane-airscan.so.1")]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


@pytest.fixture(scope="session")
def sane() -> None:
    if importlib.util.find_spec("sane") is None:
        pytest.skip("NOT TESTED, there is no python-sane: apt-get install libsane-dev gcc python3-dev, then ./run test")


@pytest.fixture(scope="session")
def airscan(sane: None) -> None:
    if not AIRSCAN:
        pytest.skip("NOT TESTED, there is no sane-airscan: apt-get install sane-airscan")


@pytest.fixture
def back_end(sane: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes the test back end the one that device processes find, with options of its own."""

    def configured(**options: str | int) -> Path:
        folder = configure_test_back_end(tmp_path / "sane-test", **options)
        monkeypatch.setenv("SANE_CONFIG_DIR", str(folder))
        return folder

    return configured


@pytest.fixture
def scanner(airscan: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scanner]:
    """A network scanner with five sheets in its feeder, and the only one that device processes find."""
    with a_scanner(tmp_path) as running:
        running.load(5)
        monkeypatch.setenv("SANE_CONFIG_DIR", str(running.config))
        yield running


@pytest.fixture(scope="session")
def archive() -> Iterator["Served"]:
    """A served archive of these tests alone: it gives stations up soon, and takes few pages a session."""
    from tests.http.served import serving  # not before it is asked for: other tests need nothing of the program

    with serving(DOSSIER_SCAN_SILENCE_SECONDS=str(SILENCE_SECONDS), DOSSIER_SCAN_PAGES_MAX=str(PAGES_MAX)) as running:
        yield running


@pytest.fixture(scope="session")
def at_desk(archive: "Served") -> "AtDesk":
    """Who stands at a screen."""
    from tests.scanner.stations import AtDesk

    return AtDesk(archive.as_("staff"))
