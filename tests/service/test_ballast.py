"""The ballast (service/ballast.py) on a real file system of its own; with all of serve: faults/test_full_disk.py."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.ballast import NAME, RESERVE_BYTES, Ballast
from service.serve import prepare_ballast
from service.settings import load_settings_from
from tests.builders.mounts import mounted

MIB = 1 << 20
WHOLE, FLOOR = 40 * MIB, 48 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", f"size={100 * MIB}", "none") as folder:
        yield folder


def held(disk: Path) -> int:
    return (disk / NAME).stat().st_blocks * 512 if (disk / NAME).exists() else 0


def take(disk: Path, size_bytes: int) -> None:
    with (disk / "filler").open("ab") as file:
        os.posix_fallocate(file.fileno(), file.tell(), size_bytes)


def free_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def test_it_is_given_free_in_pieces_when_the_disk_is_full_and_taken_again_when_there_is_room(disk: Path) -> None:
    ballast = Ballast(disk, WHOLE, FLOOR)
    ballast.adjust()
    assert held(disk) == WHOLE
    take(disk, free_bytes(disk))
    ballast.adjust()
    assert held(disk) == WHOLE, "whoever fills the disk in a rush is not fed"
    ballast.adjust()
    assert (held(disk), free_bytes(disk)) == (8 * MIB, 32 * MIB)
    ballast.adjust()
    assert held(disk) == 8 * MIB, "there is room enough"
    again = Ballast(disk, WHOLE, FLOOR)
    again.adjust()
    (disk / "filler").unlink()
    again.adjust()
    assert held(disk) == WHOLE


def test_it_never_takes_the_room_that_uploads_need(disk: Path) -> None:
    take(disk, 100 * MIB - WHOLE - FLOOR + MIB)
    ballast = Ballast(disk, WHOLE, FLOOR)
    ballast.adjust()
    assert held(disk) == 0
    (disk / "filler").unlink()
    ballast.adjust()
    assert held(disk) == WHOLE


def test_a_database_that_grows_slowly_has_room_before_the_disk_is_full(disk: Path) -> None:
    """A new WAL segment needs 16 MiB at once."""
    ballast = Ballast(disk, WHOLE, FLOOR)
    ballast.adjust()
    take(disk, free_bytes(disk) - RESERVE_BYTES)
    for _ in range(30):
        take(disk, MIB)
        ballast.adjust()
        assert held(disk) == 0 or free_bytes(disk) >= 16 * MIB


def test_what_stands_in_its_place_is_left_alone(disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (disk / "other").write_text("precious")
    (disk / NAME).symlink_to(disk / "other")
    for _ in range(2):
        Ballast(disk, WHOLE, FLOOR).adjust()
    assert (disk / "other").read_text() == "precious"
    assert "cannot be changed" in capfd.readouterr().err


def test_none_is_kept_for_a_database_elsewhere_nor_with_a_size_of_0(disk: Path) -> None:
    for setting in ({"DOSSIER_BALLAST_BYTES": "0"}, {"DOSSIER_DATABASE_URL": "postgresql://db.example.org/dossier"}):
        Ballast(disk, WHOLE, FLOOR).adjust()
        assert held(disk) == WHOLE
        assert prepare_ballast(load_settings_from({"DOSSIER_HOME": str(disk), **setting})) is None
        assert held(disk) == 0, "what an earlier start took is given back"


def test_one_that_is_too_large_is_cut(disk: Path) -> None:
    Ballast(disk, WHOLE, FLOOR).adjust()
    Ballast(disk, 8 * MIB, FLOOR).adjust()
    assert held(disk) == 8 * MIB


def test_the_copy_of_one_has_holes_and_is_filled_again(disk: Path) -> None:
    """`cp --sparse=always` and backup programs make holes of zeros: to give these free would make no room."""
    with (disk / NAME).open("wb") as copy:
        copy.truncate(WHOLE)
    ballast = Ballast(disk, WHOLE, FLOOR)
    ballast.adjust()
    assert held(disk) == WHOLE


def test_what_it_could_not_take_whole_it_gives_back(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else takes the room between the look and the taking; some file systems keep the part."""

    def half(descriptor: int, at: int, size_bytes: int) -> None:
        allocate(descriptor, at, size_bytes // 2)
        raise OSError(errno.ENOSPC, "No space left on device")

    allocate = os.posix_fallocate
    monkeypatch.setattr(os, "posix_fallocate", half)
    Ballast(disk, WHOLE, FLOOR).adjust()
    assert held(disk) == 0
