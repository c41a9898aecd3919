"""The spool: what was told of is there after a crash, whole; what is not whole is given to nobody."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from scanner.errors import DeviceFault, Fault
from scanner.profiles import PROFILES, PageMode, PageSource
from scanner.spool import Spool, SpoolJob, SpoolPage, digest_of
from tests.builders.mounts import mounted

DAY = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.begin_job(a_job())
    return spool


def a_job(name: str = "job-1", begun_at: datetime = DAY) -> SpoolJob:
    profile = PROFILES["letter"]
    return SpoolJob(id=name, device="test:0", source=PageSource.FEEDER, profile=profile, begun_at=begun_at)


def a_page(number: int, data: bytes) -> SpoolPage:
    return SpoolPage(
        number=number,
        sha256=digest_of(data),
        size_bytes=len(data),
        width_px=2480,
        height_px=3508,
        dpi=300,
        mode=PageMode.GRAY,
        warnings=("page-damaged",) if number == 2 else (),
        scanned_at=DAY,
    )


def stored(spool: Spool, *numbers: int, job: str = "job-1") -> list[SpoolPage]:
    made = []
    for number in numbers:
        data = b"page %d" % number * 100
        made.append(a_page(number, data))
        spool.store_page(job, made[-1], data)
    return made


def test_what_was_stored_is_offered_after_a_restart(spool: Spool, tmp_path: Path) -> None:
    pages = stored(spool, 1, 2, 3)
    again = Spool(tmp_path / "spool")
    assert again.list_job_ids() == ["job-1"]
    assert again.list_pages("job-1") == pages
    assert again.picture_path("job-1", 2).read_bytes() == b"page 2" * 100


def test_an_acknowledged_page_is_gone_and_its_number_is_taken(spool: Spool) -> None:
    """Number 3 for another page would replace this one at the archive."""
    pages = stored(spool, 1, 2, 3)
    for number in (3, 1):
        spool.forget_page("job-1", number)
        spool.forget_page("job-1", number)
    assert spool.list_pages("job-1") == [pages[1]]
    assert not spool.picture_path("job-1", 3).exists()
    with pytest.raises(DeviceFault) as raised:
        stored(spool, 3)
    assert raised.value.fault is Fault.INVALID


def test_the_first_asking_of_a_job_stands(spool: Spool, tmp_path: Path) -> None:
    spool.begin_job(a_job(begun_at=DAY + timedelta(hours=1)))
    assert msgspec.json.decode((tmp_path / "spool" / "job-1" / "job.json").read_bytes(), type=SpoolJob) == a_job()


def test_a_job_is_dropped_with_all_it_has(spool: Spool) -> None:
    for name in ("later", "between"):
        spool.begin_job(a_job(name))
        stored(spool, 1, job=name)
    assert spool.list_job_ids() == ["between", "job-1", "later"]
    spool.drop_job("between")
    spool.drop_job("between")
    assert spool.list_job_ids() == ["job-1", "later"]
    assert len(spool.list_pages("later")) == 1


def test_a_page_that_changed_on_the_disk_is_offered_to_nobody(spool: Spool) -> None:
    pages = stored(spool, 1, 2, 3)
    spool.picture_path("job-1", 1).write_bytes(b"page 1")
    spool.picture_path("job-1", 3).write_bytes(b"")
    assert spool.list_pages("job-1") == [pages[1]]
    assert spool.list_damaged("job-1") == [1, 3]


@pytest.mark.parametrize("left", ["0001.jpg.part", "0001.jpg", "0001.json.part", "job.json.part"])
def test_what_a_crash_leaves_of_a_page_is_no_page(spool: Spool, tmp_path: Path, left: str) -> None:
    """Whatever had its name already, until the facts have theirs: and then the page is stored as if nothing was."""
    (tmp_path / "spool" / "job-1" / left).write_bytes(b'{"number": 1')
    assert (spool.list_pages("job-1"), spool.list_damaged("job-1")) == ([], [])
    pages = stored(spool, 1)
    assert spool.list_pages("job-1") == pages


def test_everything_is_flushed_before_it_has_its_name(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is what a loss of power sees: bytes, name, folder, and the facts after the picture."""
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def flushed(file: int) -> None:
        done.append("flush " + Path(f"/proc/self/fd/{file}").readlink().name)
        fsync(file)

    def renamed(path: Path, target: Path) -> Path:
        done.append(f"rename {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "rename", renamed)
    stored(spool, 1)
    assert done == [
        step
        for name in ("0001.jpg", "0001.json")
        for step in (f"flush {name}.part", f"rename {name}", "flush job-1")
    ]  # fmt: skip


def test_pages_are_for_the_account_of_the_station_alone(spool: Spool, tmp_path: Path) -> None:
    stored(spool, 1)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "spool" / "job-1").iterdir()}
    assert modes == {"job.json": 0o600, "0001.jpg": 0o600, "0001.json": 0o600}
    assert (tmp_path / "spool" / "job-1").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", ".hidden", "a" * 65, "job\n"])
def test_a_job_is_never_a_path(spool: Spool, name: str) -> None:
    with pytest.raises(ValueError, match="not the id of a job"):
        spool.list_pages(name)


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=256k", "none") as disk:
        spool = Spool(disk / "spool")
        spool.begin_job(a_job())
        pages = stored(spool, 1)
        with pytest.raises(DeviceFault) as raised:
            spool.store_page("job-1", a_page(2, bytes(1 << 20)), bytes(1 << 20))
        assert raised.value.fault is Fault.NO_ROOM
        assert spool.list_pages("job-1") == pages
        pages += stored(spool, 2)
        assert spool.list_pages("job-1") == pages


def test_a_disk_that_does_not_work_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")
    with pytest.raises(DeviceFault) as raised:
        Spool(tmp_path / "spool").begin_job(a_job())
    assert raised.value.fault is Fault.FAILED


def test_pages_are_forgotten_while_somebody_looks_at_them(spool: Spool) -> None:
    """The station delivers while the device process scans: each page is read when it is asked for, and may be gone."""
    pages = stored(spool, 1, 2, 3)
    looking = spool.iter_waiting("job-1")
    assert next(looking) == pages[0]
    spool.forget_page("job-1", 2)
    assert [*looking] == [pages[2]]
    looking = spool.iter_waiting("job-1")
    assert next(looking) == pages[0]
    spool.drop_job("job-1")
    assert [*looking] == []
    assert (spool.list_pages("job-1"), spool.list_damaged("job-1")) == ([], [])
