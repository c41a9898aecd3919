"""What is left of content when the power goes: a real ext4 on an image, copied before and after every system call.

The copy holds what had reached the disk by then; mounted, it is what the machine finds when it comes back.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.builders.content import content_directory, opened_directory
from tests.builders.mounts import disk_image, mounted

CALLS = ("open", "write", "fdatasync", "link", "fsync", "unlink", "close")
BEFORE, NEW = (str(UUID(int=number)) for number in (0xAB, 0x1AB))
PAPER = os.urandom(20_480)
BOTH_WAYS = pytest.mark.parametrize("unnamed", [True, False], ids=["unnamed", "named"])

Disk = tuple[Path, Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """The image and where it is mounted, with the folders made and one content stored."""
    image = disk_image(tmp_path / "image", 12 * 1024 * 1024)
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as folder:
        content_directory(folder).put(BEFORE, [b"an earlier paper"])
        yield image, folder
    image.unlink()


class Crashes:
    """Runs an action and keeps what the disk held around each of its system calls."""

    def __init__(self, image: Path, monkeypatch: pytest.MonkeyPatch, *, left_out: str | None = None) -> None:
        self.points: list[tuple[str, Path]] = []
        self._image, self._monkeypatch, self._left_out = image, monkeypatch, left_out

    def around(self, action: Callable[[], object]) -> None:
        with self._monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._stopping_at(name, getattr(os, name)))
            action()
        self._keep("return")

    def _stopping_at(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            self._keep(f"before {name}")
            result = None if name == self._left_out else real(*arguments, **named)
            self._keep(f"after {name}")
            return result

        return call

    def _keep(self, point: str) -> None:
        copy = self._image.with_name(f"crash-{len(self.points):02d}")
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, REAL[name])
            shutil.copyfile(self._image, copy)
        self.points.append((point, copy))


REAL = {name: getattr(os, name) for name in CALLS}


def found_after(copy: Path) -> dict[str, bytes]:
    """Key and bytes of all that is there when the machine comes back, read with a store that has just started."""
    with mounted(copy.with_name(f"{copy.name}-disk"), "-o", "loop", str(copy)) as folder:
        content = opened_directory(folder)
        found = {key: b"".join(content.read(key)) for key, _ in content.list_keys()}
    copy.unlink()
    return found


@BOTH_WAYS
def test_a_put_is_whole_or_absent_at_every_point_and_there_after_its_return(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, unnamed: bool
) -> None:
    image, folder = disk
    content, crashes = content_directory(folder, unnamed=unnamed), Crashes(image, monkeypatch)

    crashes.around(lambda: content.put(NEW, [PAPER[:10_000], PAPER[10_000:]]))

    absent = {BEFORE: b"an earlier paper"}
    whole = absent | {NEW: PAPER}
    states = [found_after(copy) for _, copy in crashes.points]
    assert (
        len(states) >= 2 * len(["open", "open", "write", "write", "fdatasync", "link", "close", "fsync", "close"]) + 1
    )
    assert all(state in (absent, whole) for state in states), [point for point, _ in crashes.points]
    assert states[0] == absent
    assert states[-1] == whole


def test_a_delete_is_done_or_not_at_every_point_and_done_after_its_return(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, folder = disk
    content, crashes = content_directory(folder), Crashes(image, monkeypatch)

    crashes.around(lambda: content.delete(BEFORE))

    states = [found_after(copy) for _, copy in crashes.points]
    assert all(state in ({}, {BEFORE: b"an earlier paper"}) for state in states), [point for point, _ in crashes.points]
    assert states[-1] == {}


@pytest.mark.parametrize("left_out", ["fdatasync", "fsync"])
def test_this_test_would_see_a_flush_that_is_left_out(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    image, folder = disk
    content, crashes = content_directory(folder), Crashes(image, monkeypatch, left_out=left_out)

    crashes.around(lambda: content.put(NEW, [PAPER]))

    assert [found_after(copy) for _, copy in crashes.points][-1].get(NEW) != PAPER
