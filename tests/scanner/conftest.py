"""Fixtures of tests/scanner: a desk, the test back end, the network scanner. All need libsane and python-sane."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scanner.devices import Desk, configure_test_back_end
from tests.scanner.escl import Scanner, a_scanner

AIRSCAN = [*Path("/usr/lib").glob("*/sane/libsane-airscan.so.1"), *Path("/usr/lib/sane").glob("libsane-airscan.so.1")]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


@pytest.fixture
def sane() -> None:
    if importlib.util.find_spec("sane") is None:
        pytest.skip("NOT TESTED, there is no python-sane: apt-get install libsane-dev gcc python3-dev, then ./run test")


@pytest.fixture
def back_end(sane: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes the test back end the one that device processes find, with options of its own."""

    def configured(**options: str | int) -> Path:
        folder = configure_test_back_end(tmp_path / "sane-test", **options)
        monkeypatch.setenv("SANE_CONFIG_DIR", str(folder))
        return folder

    return configured


@pytest.fixture
def scanner(sane: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scanner]:
    """A network scanner with five sheets in its feeder, and the only one that device processes find."""
    if not AIRSCAN:
        pytest.skip("NOT TESTED, there is no sane-airscan: apt-get install sane-airscan")
    with a_scanner(tmp_path) as running:
        running.load(5)
        monkeypatch.setenv("SANE_CONFIG_DIR", str(running.config))
        yield running
