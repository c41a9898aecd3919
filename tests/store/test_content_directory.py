"""Content as files: where they lie, in which order they are flushed, what a kill, a full and a failing disk leave."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

import pytest

from domain.ports import AlreadyStored
from domain.refusals import InsufficientStorage, Unavailable
from store.content_directory import FOLDERS, ContentDirectory, _told_at, make_root
from store.marker import MARKER, MarkedEvent, Marker, find_marker, write_marker
from tests.builders.content import ARCHIVE, content_directory
from tests.builders.mounts import disk_image, may_mount, mounted

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
BOTH_WAYS = pytest.mark.parametrize("unnamed", [True, False], ids=["unnamed", "named"])


def new_key() -> str:
    return str(uuid4())


def files_below(folder: Path) -> list[Path]:
    """But the marker."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != MARKER]


def test_the_folder_is_the_end_of_the_key_so_ids_of_one_moment_spread(tmp_path: Path) -> None:
    content_directory(tmp_path / "content").put("0199a000-0000-7000-8000-0000000000c4", [b"paper"])

    assert (tmp_path / "content/c4/0199a000-0000-7000-8000-0000000000c4").read_bytes() == b"paper"
    assert sorted(path.name for path in (tmp_path / "content").iterdir()) == sorted([*FOLDERS, MARKER])


@BOTH_WAYS
def test_everything_is_for_the_owner_only(tmp_path: Path, unnamed: bool) -> None:
    before = os.umask(0)
    try:
        content_directory(tmp_path / "deep" / "content", unnamed=unnamed).put(new_key(), [b"paper"])
    finally:
        os.umask(before)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep" / "content").rglob("*") if path.is_dir()}
    assert modes | {stat.S_IMODE((tmp_path / "deep" / "content").stat().st_mode)} == {0o700}
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()] == [0o600, 0o600]


def test_a_second_start_finds_what_the_first_stored(tmp_path: Path) -> None:
    key = new_key()
    content_directory(tmp_path).put(key, [b"paper"])

    assert b"".join(content_directory(tmp_path).read(key)) == b"paper"


def test_many_may_start_at_once_on_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: content_directory(tmp_path / "content"), range(8)))

    for each in stores:
        each.put(new_key(), [b"paper"])
    assert len(files_below(tmp_path)) == 8


def test_it_stays_where_it_was_when_the_process_changes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = content_directory(Path("content"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    content.put(new_key(), [b"paper"])

    assert [path.relative_to(tmp_path).parts[0] for path in files_below(tmp_path)] == ["content"]


def test_each_folder_is_looked_into_once_however_many_keys_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 256 were read again for every 200,000 keys: 50 times over for ten million."""
    content, keys = content_directory(tmp_path), sorted(new_key() for _ in range(50))
    for key in keys:
        content.put(key, [b"paper"])
    looks, real = list[int](), os.scandir

    def scandir(folder: int) -> object:
        looks.append(folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert sorted(key for key, _ in content.list_keys()) == keys
    assert len(looks) == len(FOLDERS)


def test_what_is_not_content_is_not_listed(tmp_path: Path) -> None:
    content, key = content_directory(tmp_path), new_key()
    content.put(key, [b"paper"])
    for name in ("README", ".unfinished-12", key.upper(), key + "~"):
        (tmp_path / "00" / name).write_bytes(b"")

    assert [found for found, _ in content.list_keys()] == [key]


def test_free_bytes_are_those_of_the_file_system(tmp_path: Path) -> None:
    room = os.statvfs(tmp_path)

    assert content_directory(tmp_path).free_bytes() == pytest.approx(room.f_bavail * room.f_frsize, rel=0.2)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError

    content, key = content_directory(tmp_path), new_key()
    content.put(key, [bytes(3 * MIB)])
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        with pytest.raises(AlreadyStored):
            content.put(key, [b"paper"])
        with pytest.raises(RuntimeError):
            content.put(new_key(), breaking())
        content.read(key)
        next(content.read(key))
        content.delete(new_key())
        content.size(key)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_without_its_volume_it_is_unavailable_rather_than_empty(tmp_path: Path) -> None:
    content, key = content_directory(tmp_path / "content"), new_key()
    (tmp_path / "content").rename(tmp_path / "unmounted")

    uses: list[Callable[[], object]] = [
        lambda: content.put(key, [b"paper"]),
        lambda: list(content.read(key)),
        lambda: content.size(key),
        lambda: content.delete(key),
        lambda: list(content.list_keys()),
        lambda: content.discard_unfinished(time.time()),
        content.free_bytes,
        content.require_writable,
    ]
    for use in uses:
        with pytest.raises(Unavailable) as raised:
            use()
        assert isinstance(raised.value.__cause__, OSError)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that matter for the disk, in their order; each is really made."""
    made: list[str] = []

    def record(name: str) -> None:
        real = getattr(os, name)

        def recording(subject: int | str, *rest: object, **named: object) -> object:
            kind = "" if isinstance(subject, str) else " folder" if stat.S_ISDIR(os.fstat(subject).st_mode) else " file"
            result = real(subject, *rest, **named)
            made.append(name + kind)
            return result

        monkeypatch.setattr(os, name, recording)

    for name in ("write", "fsync", "fdatasync", "link", "unlink"):
        record(name)
    return made


@pytest.mark.parametrize(
    ("unnamed", "expected"),
    [
        (True, ["write file", "write file", "fdatasync file", "link", "fsync folder"]),
        (False, ["write file", "write file", "fdatasync file", "link", "unlink", "fsync folder"]),
    ],
    ids=["unnamed", "named"],
)
def test_data_is_flushed_before_it_gets_its_name_and_the_name_before_the_return(
    tmp_path: Path, calls: list[str], unnamed: bool, expected: list[str]
) -> None:
    content = content_directory(tmp_path, unnamed=unnamed)
    calls.clear()

    content.put(new_key(), [b"a paper", b" of two pieces"])

    assert calls == expected


def test_who_hears_that_a_key_exists_may_rely_on_it(tmp_path: Path, calls: list[str]) -> None:
    """The winner of a race may not have flushed the name yet."""
    content, key = content_directory(tmp_path), new_key()
    content.put(key, [b"paper"])
    calls.clear()

    with pytest.raises(AlreadyStored):
        content.put(key, [b"paper"])

    assert calls == ["write file", "fdatasync file", "fsync folder"]


def test_a_deleted_name_is_flushed_even_when_it_was_gone(tmp_path: Path, calls: list[str]) -> None:
    content, key = content_directory(tmp_path), new_key()
    content.put(key, [b"paper"])
    calls.clear()

    content.delete(key)
    content.delete(key)

    assert calls == ["unlink", "fsync folder", "fsync folder"]


def test_new_folders_are_flushed_and_so_are_those_that_hold_them(tmp_path: Path, calls: list[str]) -> None:
    content_directory(tmp_path / "deep" / "content")

    # The 256, the root, and the two in which a new folder stands; the root once more for its marker.
    assert calls.count("fsync folder") == 256 + 1 + 2 + 1


@BOTH_WAYS
def test_a_name_that_could_not_be_flushed_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unnamed: bool
) -> None:
    """Said by the flush after it was really made: no disk here fails for the folder and not for the file before it."""
    content, key, real = content_directory(tmp_path, unnamed=unnamed), new_key(), os.fsync

    def failing(file: int) -> None:
        real(file)
        raise OSError(errno.EIO, "flush failed")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(Unavailable):
            content.put(key, [b"paper"])

    assert files_below(tmp_path) == []
    assert content.put(key, [b"paper"]) == 5


KILLED = """
import sys
from pathlib import Path
from tests.builders.content import content_directory

def endless():
    while True:
        yield bytes(100_000)
        print("written", flush=True)

content_directory(Path(sys.argv[1]), unnamed=sys.argv[2] == "True").put(sys.argv[3], endless())
"""


@BOTH_WAYS
def test_a_killed_put_leaves_no_content_and_what_it_leaves_is_discarded_when_old(tmp_path: Path, unnamed: bool) -> None:
    key, content = new_key(), content_directory(tmp_path)
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(unnamed), key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)

    left = files_below(tmp_path)

    assert (content.size(key), list(content.list_keys())) == (None, [])
    assert len(left) == (0 if unnamed else 1)
    assert content.discard_unfinished(before=time.time() - 3_600) == 0
    assert files_below(tmp_path) == left
    assert content.discard_unfinished(before=time.time() + 3_600) == len(left)
    assert files_below(tmp_path) == []


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


@BOTH_WAYS
@pytest.mark.parametrize("chunks", [[bytes(65_536)] * 17, [bytes(MIB), b"x"], [bytes(2 * MIB)]], ids=len)
def test_a_file_that_finds_no_room_is_refused_and_leaves_nothing(
    tmp_path: Path, chunks: list[bytes], unnamed: bool
) -> None:
    """A write that goes beyond the limit is first cut short, and only the next one fails."""
    content, key = content_directory(tmp_path, unnamed=unnamed), new_key()

    with file_size_limit(MIB), pytest.raises(InsufficientStorage) as raised:
        content.put(key, chunks)

    assert isinstance(raised.value.__cause__, OSError)
    assert files_below(tmp_path) == []
    assert content.put(key, chunks) == sum(map(len, chunks))


@BOTH_WAYS
def test_a_full_disk_refuses_keeps_what_it_has_and_goes_on_when_there_is_room(tmp_path: Path, unnamed: bool) -> None:
    """On a disk of 2 MiB; where mounting one is not permitted, under a limit of 2 MiB a file."""
    small: AbstractContextManager[object] = nullcontext()
    if may_mount(tmp_path):
        small = mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=2m", "none")
    with small:
        content, kept = content_directory(tmp_path / "disk" / "content", unnamed=unnamed), new_key()
        content.put(kept, [bytes(MIB)])

        for _ in range(3):
            with file_size_limit(2 * MIB), pytest.raises(InsufficientStorage):
                content.put(new_key(), [bytes(65_536)] * 40)
            assert [key for key, _ in content.list_keys()] == [kept]
            assert len(files_below(tmp_path)) == 1
            assert b"".join(content.read(kept)) == bytes(MIB)

        content.delete(kept)
        assert content.put(new_key(), [bytes(65_536)] * 20) == 20 * 65_536


@BOTH_WAYS
def test_a_disk_that_cannot_flush_is_never_answered_with_success(tmp_path: Path, unnamed: bool) -> None:
    """The disk claims more than what carries it: every write succeeds, and the flush fails (EIO or ENOSPC)."""
    with mounted(tmp_path / "carrier", "-t", "tmpfs", "-o", "size=12m", "none") as carrier:
        image = disk_image(carrier / "image", 64 * MIB)
        with mounted(tmp_path / "disk", "-o", "loop,errors=continue", str(image)) as disk:
            content, key = content_directory(disk / "content", unnamed=unnamed), new_key()

            with pytest.raises((Unavailable, InsufficientStorage)) as raised:
                content.put(key, [bytes([7]) * MIB] * 20)

            assert isinstance(raised.value.__cause__, OSError)
            assert content.size(key) is None
            assert files_below(disk) == []


# -- whose folder it is -------------------------------------------------------------------------------------------


def uses_of(content: ContentDirectory, key: str) -> list[Callable[[], object]]:
    """What would store, remove, or say that something is not there."""
    return [
        lambda: content.put(new_key(), [b"paper"]),
        lambda: content.delete(key),
        lambda: list(content.read(new_key())),
        lambda: content.size(new_key()),
        lambda: list(content.list_keys()),
        lambda: content.discard_unfinished(time.time() + 60),
        content.require_writable,
    ]


@pytest.mark.parametrize("state", ["unmarked", "another archive's", "damaged"])
def test_nothing_is_stored_in_or_removed_from_a_folder_that_is_not_marked_as_this_archives(
    tmp_path: Path, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Made on the root disk below an unmounted volume, a folder took documents that were gone after the next mount."""
    content, key = content_directory(tmp_path), new_key()
    content.put(key, [b"paper"])
    (tmp_path / "00" / ".unfinished-1").write_bytes(b"half")
    before = files_below(tmp_path)
    words = {"unmarked": "missing", "another archive's": "names another archive", "damaged": "damaged"}[state]
    if state == "unmarked":
        (tmp_path / MARKER).unlink()
    elif state == "damaged":
        (tmp_path / MARKER).write_bytes(b"archive \xff")
    else:
        write_marker(tmp_path, Marker(uuid4()))

    _told_at.clear()
    for use in uses_of(content, key):
        with pytest.raises(Unavailable) as raised:
            use()
        assert isinstance(raised.value.__cause__, OSError)
        assert words in (raised.value.__cause__.strerror or "")

    assert files_below(tmp_path) == before
    assert b"".join(content.read(key)) == b"paper", "what can be read is read"
    assert len([line for line in caplog.messages if words in line]) == 1, "one line a minute"


def test_an_upload_under_way_stays_on_the_volume_that_was_checked(tmp_path: Path) -> None:
    """Another volume is mounted over the root while the chunks come: the file must not end up in that one."""
    below = content_directory(tmp_path / "content")
    with mounted(tmp_path / "disk", "-t", "tmpfs", "none") as disk:
        other = content_directory(disk)

        def chunks() -> Iterator[bytes]:
            yield b"a paper"
            subprocess.run(["mount", "--bind", disk, tmp_path / "content"], check=True)
            yield b" in two pieces"

        key = new_key()
        try:
            below.put(key, chunks())
            assert other.size(key) is None
        finally:
            subprocess.run(["umount", tmp_path / "content"], check=True)
        assert b"".join(below.read(key)) == b"a paper in two pieces"


def test_another_archives_folder_mounted_over_the_root_takes_nothing(tmp_path: Path) -> None:
    content, key = content_directory(tmp_path / "content"), new_key()
    content.put(key, [b"paper"])
    with mounted(tmp_path / "disk", "-t", "tmpfs", "none") as disk:
        make_root(disk, Marker(uuid4()))
        subprocess.run(["mount", "--bind", disk, tmp_path / "content"], check=True)
        try:
            for use in (lambda: content.put(new_key(), [b"paper"]), lambda: list(content.read(key))):
                with pytest.raises(Unavailable):
                    use()
        finally:
            subprocess.run(["umount", tmp_path / "content"], check=True)
        assert files_below(disk) == []
    assert b"".join(content.read(key)) == b"paper"


def test_a_root_that_is_read_only_is_told_as_that(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "none") as disk:
        content, key = content_directory(disk), new_key()
        content.put(key, [b"paper"])
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        uses: list[Callable[[], object]] = [lambda: content.put(new_key(), [b"paper"]), content.require_writable]
        for use in uses:
            with pytest.raises(Unavailable) as raised:
                use()
            assert getattr(raised.value.__cause__, "strerror", "") == "Read-only file system"
        assert b"".join(content.read(key)) == b"paper"
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        assert content.put(new_key(), [b"paper"]) == 5


def test_a_marker_tells_what_was_written_into_it(tmp_path: Path) -> None:
    for marker in (Marker(ARCHIVE), Marker(ARCHIVE, MarkedEvent(484, b"\x01\xff"))):
        write_marker(tmp_path, marker)
        assert find_marker(tmp_path) == marker
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]
