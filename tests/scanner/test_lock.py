"""One device, one holder, whatever becomes of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.errors import DeviceFault, Fault
from scanner.lock import lock_device
from tests.scanner.devices import ROOT

LONG = "airscan:e0:A printer with a name, spaces / slashes and an address (fe80::1) " + "x" * 300


def test_who_comes_second_is_told_who_has_it(tmp_path: Path) -> None:
    with lock_device(tmp_path / "locks", LONG, "Ms Winter"):
        with pytest.raises(DeviceFault) as raised, lock_device(tmp_path / "locks", LONG, "Mr Summer"):
            pass
        assert (raised.value.fault, raised.value.holder) == (Fault.BUSY, "Ms Winter")


def test_another_device_is_another_lock(tmp_path: Path) -> None:
    with lock_device(tmp_path, "test:0", "Ms Winter"), lock_device(tmp_path, "test:1", "Mr Summer"):
        pass


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock_device(tmp_path, "test:0", "Ms Winter"):
        raise KeyError
    with lock_device(tmp_path, "test:0", "Mr Summer"):
        pass


HOLDER = """
import sys
from pathlib import Path
from scanner.lock import lock_device
from tests.scanner.devices import ROOT
with lock_device(Path(sys.argv[1]), "test:0", "Ms Winter"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_it_is_free_again_when_its_holder_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DeviceFault) as raised, lock_device(tmp_path, "test:0", "Mr Summer"):
            pass
        holder.kill()
    assert raised.value.holder == "Ms Winter"
    with lock_device(tmp_path, "test:0", "Mr Summer"):
        pass


def test_a_lock_whose_note_is_not_there_yet_has_an_unknown_holder(tmp_path: Path) -> None:
    with lock_device(tmp_path, "test:0", "Ms Winter"):
        [file] = tmp_path.iterdir()
        os.truncate(file, 0)
        with pytest.raises(DeviceFault) as raised, lock_device(tmp_path, "test:0", "Mr Summer"):
            pass
        assert (raised.value.fault, raised.value.holder) == (Fault.BUSY, None)
