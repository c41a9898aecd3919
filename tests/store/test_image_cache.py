"""The cache of page images: the right image or none, within its room, readable only with the paper's key."""

import os
import random
import secrets
import shutil
import signal
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from domain.page_image import PageImage
from store.image_cache import (
    FOLDER_BYTES_MIN,
    SIZES,
    UNFINISHED,
    UNFINISHED_SECONDS_MAX,
    ImageCache,
    noted_bytes,
)
from tests.http.served import wait_until

MIB = 1024 * 1024
PAPER, OTHER = uuid4(), uuid4()
IMAGE = PageImage(
    paper=PAPER, content=uuid4(), sha256=bytes(32), media_type="application/pdf", page=7, width=1000, degrees=0
)
JPEG = b"\xff\xd8" + secrets.token_bytes(60_000)


class Ring(dict[UUID, bytes]):
    """The secrets of papers."""

    def secret_of(self, paper: UUID) -> bytes | None:
        return self.get(paper)


@pytest.fixture
def ring() -> Ring:
    return Ring({PAPER: secrets.token_bytes(32), OTHER: secrets.token_bytes(32)})


def a_cache(root: Path, ring: Ring, **more: Any) -> ImageCache:
    given = {"bytes_max": 512 * MIB, "free_bytes_min": 0, "renderer": "dossier 1", **more}
    return ImageCache(root / "images", ring, **given)


def files_in(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if not path.is_dir() and path.name != SIZES)


def only_file(root: Path) -> Path:
    [path] = files_in(root)
    return path


def everything(contents: Sequence[str]) -> set[str]:
    return set(contents)


def test_an_image_comes_back_also_in_another_process(tmp_path: Path, ring: Ring) -> None:
    cache = a_cache(tmp_path, ring)
    assert cache.get(IMAGE) is None
    cache.put(IMAGE, JPEG)
    assert cache.get(IMAGE) == a_cache(tmp_path, ring).get(IMAGE) == JPEG
    cache.put(IMAGE, JPEG[:1000])
    assert cache.get(IMAGE) == JPEG[:1000]
    assert len(files_in(tmp_path)) == 1


def test_only_its_account_can_list_the_files_and_none_holds_a_piece_of_the_image(tmp_path: Path, ring: Ring) -> None:
    a_cache(tmp_path, ring).put(IMAGE, JPEG)
    sealed = only_file(tmp_path)
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (sealed.parent, tmp_path / "images")} == {0o700}
    held = sealed.read_bytes()
    assert not any(JPEG[n : n + 16] in held for n in range(0, len(JPEG) - 16, 16))


def test_without_the_papers_key_there_is_no_image_and_none_is_kept(tmp_path: Path, ring: Ring) -> None:
    cache = a_cache(tmp_path, ring)
    cache.put(IMAGE, JPEG)
    del ring[PAPER]
    assert cache.get(IMAGE) is None
    ring[PAPER] = secrets.token_bytes(32)
    assert cache.get(IMAGE) is None
    del ring[PAPER]
    cache.put(replace(IMAGE, page=8), JPEG)
    assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(IMAGE, paper=OTHER),
        replace(IMAGE, content=uuid4()),
        replace(IMAGE, sha256=bytes(31) + b"1"),
        replace(IMAGE, media_type="image/tiff"),
        replace(IMAGE, page=8),
        replace(IMAGE, width=999),
        replace(IMAGE, degrees=90),
    ],
)
def test_an_image_is_never_another_ones_even_under_its_name(tmp_path: Path, ring: Ring, other: PageImage) -> None:
    ring[OTHER] = ring[PAPER]  # so that nothing but what is bound tells them apart
    cache = a_cache(tmp_path, ring)
    cache.put(other, JPEG)
    theirs = only_file(tmp_path)
    cache.put(IMAGE, JPEG[:5000])
    ours = next((path for path in files_in(tmp_path) if path != theirs), theirs)
    assert cache.get(IMAGE) == JPEG[:5000]
    cache.put(other, JPEG)
    ours.write_bytes(theirs.read_bytes())

    assert cache.get(IMAGE) is None


def test_what_another_release_drew_is_a_miss_and_replaced(tmp_path: Path, ring: Ring) -> None:
    a_cache(tmp_path, ring, renderer="dossier 1").put(IMAGE, JPEG)
    newer = a_cache(tmp_path, ring, renderer="dossier 2")
    assert newer.get(IMAGE) is None
    newer.put(IMAGE, JPEG[:2000])
    assert newer.get(IMAGE) == JPEG[:2000]
    assert a_cache(tmp_path, ring, renderer="dossier 1").get(IMAGE) is None
    assert len(files_in(tmp_path)) == 1


def flipped(data: bytes) -> bytes:
    """With one bit of another value."""
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def test_a_damaged_or_torn_file_is_a_miss_and_replaced(tmp_path: Path, ring: Ring) -> None:
    cache = a_cache(tmp_path, ring)
    cache.put(IMAGE, JPEG)
    path, whole = only_file(tmp_path), only_file(tmp_path).read_bytes()
    cut = [whole[:n] for n in (0, 1, 4, 5, 15, 16, 17, 32, 33, len(whole) - 1)]
    for wrong in (*(flipped(whole) for _ in range(20)), *cut, whole + b"\0"):
        path.write_bytes(wrong)
        assert cache.get(IMAGE) is None
        cache.put(IMAGE, JPEG)
        assert cache.get(IMAGE) == JPEG


def test_what_others_put_there_is_a_miss_and_no_error(tmp_path: Path, ring: Ring) -> None:
    cache = a_cache(tmp_path, ring)
    cache.put(IMAGE, JPEG)
    path, sealed = only_file(tmp_path), only_file(tmp_path).read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(sealed)
    for target in (None, elsewhere, Path("/dev/zero")):
        path.unlink()
        os.mkfifo(path) if target is None else path.symlink_to(target)
        assert cache.get(IMAGE) is None
        cache.put(IMAGE, JPEG)
        assert cache.get(IMAGE) == JPEG
    path.unlink()
    path.mkdir()
    cache.put(IMAGE, JPEG)
    assert cache.get(IMAGE) is None
    assert elsewhere.read_bytes() == sealed
    with path.parent.joinpath("huge").open("wb") as huge:
        huge.truncate(1 << 40)
    path.rmdir()
    path.parent.joinpath("huge").rename(path)
    assert cache.get(IMAGE) is None


def test_the_folder_may_be_deleted_at_any_time(tmp_path: Path, ring: Ring) -> None:
    cache = a_cache(tmp_path, ring)
    cache.put(IMAGE, JPEG)
    (tmp_path / "images").rename(tmp_path / "gone")
    assert cache.get(IMAGE) is None
    cache.clear_when_full()
    assert cache.sweep_images(everything, time.time()) == 0
    cache.put(IMAGE, JPEG)
    assert cache.get(IMAGE) == JPEG


def test_nothing_is_kept_with_no_room_and_what_was_there_is_swept(tmp_path: Path, ring: Ring) -> None:
    a_cache(tmp_path, ring).put(IMAGE, JPEG)
    off = a_cache(tmp_path, ring, bytes_max=0)
    assert off.get(IMAGE) is None
    off.put(replace(IMAGE, page=8), JPEG)
    assert len(files_in(tmp_path)) == 1
    assert off.sweep_images(everything, time.time()) == 1
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("bytes_max", [MIB, 2 * FOLDER_BYTES_MIN])
def test_the_room_is_never_exceeded(tmp_path: Path, ring: Ring, bytes_max: int) -> None:
    cache = a_cache(tmp_path, ring, bytes_max=bytes_max)
    for page in range(bytes_max // 60_000 + 30):
        cache.put(replace(IMAGE, page=page), JPEG)
        assert page % 20 or sum(path.stat().st_size for path in files_in(tmp_path)) <= bytes_max
    assert sum(path.stat().st_size for path in files_in(tmp_path)) > bytes_max / 2
    whole = replace(IMAGE, page=1_000)
    cache.put(whole, bytes(bytes_max))
    assert cache.get(whole) is None


def taken_bytes(root: Path) -> int:
    """What the files take, in blocks of 4 KiB."""
    return sum(-(-(path.stat().st_size + 64) // 4096) * 4096 for path in files_in(root))


def test_what_the_images_take_is_known_without_a_look_into_the_folders(tmp_path: Path, ring: Ring) -> None:
    root, cache = tmp_path / "images", a_cache(tmp_path, ring, bytes_max=3 * FOLDER_BYTES_MIN)
    assert noted_bytes(root) == 0
    for page in range(500):
        a_cache(tmp_path, ring, bytes_max=3 * FOLDER_BYTES_MIN).put(replace(IMAGE, page=page), JPEG)
    assert noted_bytes(root) == taken_bytes(tmp_path) > 2 * FOLDER_BYTES_MIN

    shutil.rmtree(root / "01")
    cache.sweep_images(everything, time.time())
    assert noted_bytes(root) == taken_bytes(tmp_path) > FOLDER_BYTES_MIN

    cache.sweep_images(lambda _: set(), time.time())
    assert noted_bytes(root) == 0
    (root / SIZES).unlink()
    assert noted_bytes(root) == 0


def test_what_nobody_looked_at_for_longest_goes_first(tmp_path: Path, ring: Ring) -> None:
    cache, pages = a_cache(tmp_path, ring, bytes_max=MIB), range(17)
    for page in pages:
        cache.put(replace(IMAGE, page=page), JPEG)
    for path in files_in(tmp_path):
        os.utime(path, (time.time() - 3600 + int(path.name.split("-")[5]),) * 2)
    looked_at = replace(IMAGE, page=0)
    assert cache.get(looked_at) == JPEG

    for page in (100, 101):
        cache.put(replace(IMAGE, page=page), JPEG)
    assert [page for page in pages if cache.get(replace(IMAGE, page=page)) is None] == [1, 2]


def test_a_time_ahead_of_the_clock_keeps_no_image_for_ever(tmp_path: Path, ring: Ring) -> None:
    cache = a_cache(tmp_path, ring)
    cache.put(IMAGE, JPEG)
    os.utime(only_file(tmp_path), (time.time() + 1e6,) * 2)
    cache.get(IMAGE)
    assert only_file(tmp_path).stat().st_mtime < time.time() + 60


def test_a_disk_short_of_room_gets_no_image_and_gets_theirs_back(tmp_path: Path, ring: Ring) -> None:
    for page in range(40):
        a_cache(tmp_path, ring).put(replace(IMAGE, page=page), JPEG)
    short = a_cache(tmp_path, ring, free_bytes_min=1 << 62)
    short.put(replace(IMAGE, page=99), JPEG)
    assert short.get(replace(IMAGE, page=99)) is None
    assert short.get(IMAGE) in (JPEG, None)
    short.clear_when_full()
    assert files_in(tmp_path) == []


def test_room_is_made_only_when_it_is_short(tmp_path: Path, ring: Ring) -> None:
    cache = a_cache(tmp_path, ring, free_bytes_min=1)
    cache.put(IMAGE, JPEG)
    cache.clear_when_full()
    assert cache.get(IMAGE) == JPEG


def test_room_is_made_for_an_upload_that_needs_more_than_the_cache_leaves(tmp_path: Path, ring: Ring) -> None:
    """One larger than the room that the cache leaves was refused beside images."""
    cache = a_cache(tmp_path, ring, free_bytes_min=1)
    cache.put(IMAGE, JPEG)
    cache.clear_when_full(1 << 62)
    assert files_in(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_no_error_and_told_once(
    tmp_path: Path, ring: Ring, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "images").write_text("no folder")
    cache = a_cache(tmp_path, ring)
    for page in range(5):
        cache.put(replace(IMAGE, page=page), JPEG)
    assert cache.get(IMAGE) is None
    cache.clear_when_full()
    assert cache.sweep_images(everything, time.time()) == 0
    [told] = caplog.messages
    assert "not cached" in told


def test_a_sweep_takes_what_can_no_longer_be_read_and_what_was_not_finished(tmp_path: Path, ring: Ring) -> None:
    cache, kept, gone = a_cache(tmp_path, ring), IMAGE, replace(IMAGE, paper=OTHER, content=uuid4())
    for page in range(8):
        cache.put(replace(kept, page=page), JPEG)
        cache.put(replace(gone, page=page), JPEG)
    now, folder = time.time(), files_in(tmp_path)[0].parent
    old, young, foreign = folder / f"{UNFINISHED}1", folder / f"{UNFINISHED}2", folder / "README"
    for path in (old, young, foreign):
        path.write_bytes(b"part")
    os.utime(old, (now - UNFINISHED_SECONDS_MAX - 1,) * 2)

    assert cache.sweep_images(lambda contents: set(contents) - {str(gone.content)}, now) == 9
    assert all(cache.get(replace(kept, page=page)) == JPEG for page in range(8))
    assert not any(cache.get(replace(gone, page=page)) for page in range(8))
    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)


def test_a_changed_setting_leaves_nothing_behind(tmp_path: Path, ring: Ring) -> None:
    """The folders of a larger cache are swept, and what still lies in the right one is kept."""
    for page in range(40):
        a_cache(tmp_path, ring, bytes_max=256 * FOLDER_BYTES_MIN).put(replace(IMAGE, page=page), JPEG)
    smaller = a_cache(tmp_path, ring, bytes_max=MIB)
    smaller.sweep_images(everything, time.time())
    for page in range(40):
        smaller.put(replace(IMAGE, page=page), JPEG)
    assert sum(path.stat().st_size for path in files_in(tmp_path)) <= MIB


def test_many_at_once_see_a_whole_image_or_none_and_the_room_holds(tmp_path: Path, ring: Ring) -> None:
    caches = [a_cache(tmp_path, ring, bytes_max=MIB) for _ in range(8)]
    images = {replace(IMAGE, page=page): secrets.token_bytes(50_000) for page in range(30)}

    def use(cache: ImageCache) -> None:
        for _ in range(150):
            image = random.choice(list(images))
            found = cache.get(image)
            assert found in (None, images[image])
            if found is None:
                cache.put(image, images[image])

    with ThreadPoolExecutor(len(caches)) as threads:
        list(threads.map(use, caches))
    assert sum(path.stat().st_size for path in files_in(tmp_path)) <= MIB + len(caches) * 53_248


@contextmanager
def a_writer(cache: ImageCache, images: Mapping[PageImage, bytes]) -> Iterator[None]:
    """A child that puts the images in all the time; it is killed at the end."""
    child = os.fork()
    while child == 0:
        for image, jpeg in images.items():
            cache.put(image, jpeg)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_kill_in_the_middle_of_writing_leaves_no_wrong_image(tmp_path: Path, ring: Ring) -> None:
    """Children that write all the time are killed at a random moment; whoever reads meanwhile sees whole images."""
    images = {replace(IMAGE, page=page): secrets.token_bytes(200_000) for page in range(4)}
    reader = a_cache(tmp_path, ring)
    for _ in range(10):
        with a_writer(a_cache(tmp_path, ring), images):
            wait_until(lambda: bool(files_in(tmp_path)), 10, "the child writes nothing")
            deadline = time.monotonic() + random.uniform(0, 0.03)
            while time.monotonic() < deadline:
                for image, jpeg in images.items():
                    assert reader.get(image) in (None, jpeg)
        for image, jpeg in images.items():
            assert reader.get(image) in (None, jpeg)
    reader.sweep_images(everything, time.time() + 2 * UNFINISHED_SECONDS_MAX)
    assert not [path for path in files_in(tmp_path) if path.name.startswith(UNFINISHED)]
