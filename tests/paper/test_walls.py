"""A decoder that is taken over has nothing: hostile code (hostile.py) in a real child, in every account there is."""

import asyncio
import errno
import json
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from domain import refusals
from paper import walls
from tests.paper import hostile
from tests.paper.pools import Pool, a_descriptor, a_pool, memory_of, wait_until

AS_ROOT = os.geteuid() == 0
PLAIN_ACCOUNT = 64_999
ROOT = Path(__file__).resolve().parents[2]
REFUSED = ("PermissionError", "BlockingIOError", "OSError 38")
"""EPERM; too many processes of this account; ENOSYS."""

# What the process that forks the decoders runs before anything else.
TAKEN_OVER = (
    "from paper import checks, rendering; from tests.paper import hostile\n"
    "checks.examine, rendering.draw_page_image = hostile.run_attack, hostile.draw\n"
)
WITHOUT_WALLS = "from paper import walls; walls.raise_lasting = walls.shut_in = lambda *_, **__: ()\n"
# What the process of the pool runs before anything else.
AS_PLAIN_ACCOUNT = f"import os; os.setgroups([]); os.setgid({PLAIN_ACCOUNT}); os.setuid({PLAIN_ACCOUNT})\n"
# As container runtimes forbid them: their seccomp filter refuses unshare.
WITHOUT_NAMESPACES = "from tests.fixtures import systems; systems.forbid_namespaces()\n"

SYSTEMS = {"": "", ", no namespaces": WITHOUT_NAMESPACES}
ACCOUNTS = {"root": "", "a plain account": AS_PLAIN_ACCOUNT} if AS_ROOT else {"a plain account": ""}
EVERYWHERE = [
    pytest.param(on_system + in_account, id=f"{account}{system}")
    for account, in_account in ACCOUNTS.items()
    for system, on_system in SYSTEMS.items()
]


@contextmanager
def taken_over(first: str, *, within: str = "", **limits: Any) -> Iterator[tuple[Pool, dict[str, Any]]]:
    """A pool whose decoders are hostile, and what they are after: all of it belongs to the account of the pool."""
    folder = Path(tempfile.mkdtemp(prefix="dossier-walls-"))
    try:
        (folder / "run").mkdir()
        for name in ("key", "token", "given", "open"):
            (folder / name).write_text(f"secret {name}")
            (folder / name).chmod(0o600)
        with socket.socket(socket.AF_UNIX) as database, socket.create_server(("127.0.0.1", 0)) as network:
            database.bind(str(folder / "database"))
            database.listen()
            if AS_PLAIN_ACCOUNT in first:
                for path in (folder, *folder.iterdir()):
                    os.chown(path, PLAIN_ACCOUNT, PLAIN_ACCOUNT)
            with a_pool(folder / "run", first=first, within=within + TAKEN_OVER, **limits) as pool:
                names = ("key", "token", "database")
                targets = {name: str(folder / name) for name in names}
                port = network.getsockname()[1]
                yield pool, {**targets, "folder": str(folder), "port": port, "server": pool.process.pid}
    finally:
        shutil.rmtree(folder)


def outcome(pool: Pool, attack: str, targets: dict[str, Any]) -> str:
    """What the child says of its attack; "GONE" when it did not come back from it."""
    wait_until(lambda: len(pool.children()) == 2)
    children = pool.children()
    order = {"attack": attack, "target": {**targets, "sibling": children[0], "other": children[-1]}}
    try:
        return told(pool, order)
    except refusals.FileDamaged:
        return "GONE"


def told(pool: Pool, order: dict[str, Any], asker: bytes = b"") -> str:
    """What a child says of this file."""
    data = json.dumps(order).encode()
    with a_descriptor(data) as descriptor:
        question = pool.examiner.examine(descriptor, size=len(data), name="letter", asker=asker)
        [flag] = asyncio.run(question).flags
        unchanged = os.pread(descriptor, len(data), 0) == data
    return flag if unchanged else "DONE: the upload is another"


@pytest.mark.parametrize("first", EVERYWHERE)
def test_hostile_code_in_a_decoder_gets_nothing(first: str) -> None:
    with taken_over(first, decoder_uploads_max=1) as (pool, targets):
        found = {attack: outcome(pool, attack, targets) for attack in hostile.ATTACKS}
        assert {attack: told for attack, told in found.items() if not told.startswith(REFUSED)} == {}
        assert (Path(targets["folder"]) / "given").read_text() == "secret given"
        assert pool.process.poll() is None
    assert len(found) > 30


GETS_THROUGH = {
    "change files",
    "change the upload",
    "connect to the database",
    "fork",
    "list a folder",
    "look at a descriptor",
    "look by faccessat",
    "look by statx",
    "look whether a path exists",
    "make memory run",
    "outlast its time",
    "read its own program",
    "read the key",
    "read the operator's token",
    "run a shell",
    "set its limits",
    "signal the supervisor",
    "spawn",
    "talk by a pair of sockets",
    "turn process settings",
    "write and run memory",
}
"""Without walls, on every Linux; of the others some depend on what a container forbids."""


def test_without_the_walls_the_same_code_gets_through() -> None:
    """The test above could not fail if the attacks failed by themselves."""
    with taken_over(ACCOUNTS["a plain account"], within=WITHOUT_WALLS, decoder_uploads_max=1) as (pool, targets):
        found = {attack: outcome(pool, attack, targets) for attack in GETS_THROUGH}
    assert {attack: told for attack, told in found.items() if not told.startswith(("DONE", "GONE"))} == {}


HONEST = {"attack": "none", "target": {}}


@pytest.mark.parametrize("first", EVERYWHERE)
def test_a_decoder_that_was_taken_over_has_no_part_in_the_files_of_others(first: str) -> None:
    """Neither does it see them, nor answer about them; nor is a page drawn where another file was looked into."""
    with taken_over(first, decode_seconds_max=1.0) as (pool, _):
        for number, attack in enumerate(("remember all files", "answer for all files", "stay after the answer")):
            assert told(pool, {"attack": attack, "target": {}}, asker=b"%d" % number) == "taken over"
            assert told(pool, HONEST, asker=b"another %d" % number) == "an honest answer, after 0 others"
            for _ in range(2):
                assert drawn(pool, asker=b"%d" % number) == b"a page, after 0 others"


def drawn(pool: Pool, asker: bytes) -> bytes:
    with a_descriptor(b"a page") as descriptor:
        image = pool.examiner.draw_page_image(descriptor, media_type="image/png", page=1, width=16, asker=asker)
        return asyncio.run(image)


def test_a_decoder_takes_as_many_uploads_of_one_caller_as_is_set(tmp_path: Path) -> None:
    with a_pool(tmp_path, children=1, within=TAKEN_OVER, decoder_uploads_max=3) as pool:
        answers = [told(pool, HONEST, asker=b"one") for _ in range(7)]
    assert answers == [f"an honest answer, after {others} others" for others in (0, 1, 2, 0, 1, 2, 0)]


@pytest.mark.parametrize("first", EVERYWHERE)
def test_a_decoder_that_was_taken_over_cannot_put_off_its_end(first: str) -> None:
    """It blocks all signals and stops all timers; both children do it at once."""
    ends = {"work without end": refusals.FileTooManyPixels, "sleep without end": refusals.Unavailable}
    times: dict[str, Any] = {"decode_seconds_max": 1.0, "decode_seconds_per_mebibyte": 0.1, "queue_wait_seconds": 10.0}
    times["decoder_uploads_max"] = 1
    with taken_over(first, **times) as (pool, _), ThreadPoolExecutor(2) as askers:
        asked = {attack: askers.submit(told, pool, {"attack": attack, "target": {}}) for attack in ends}
        for attack, end in ends.items():
            with pytest.raises(end):
                asked[attack].result()
        assert told(pool, HONEST) == "an honest answer, after 0 others"
        wait_until(lambda: len(pool.children()) == 2)


def test_no_decoder_has_in_its_memory_what_the_server_knows(tmp_path: Path) -> None:
    """A fork has a copy of all of it: the key of all keys among the rest."""
    secret = secrets.token_bytes(32)
    known = f"import os; SECRET = bytes.fromhex('{secret.hex()}'); os.environ['PASSWORD'] = SECRET.hex().upper()\n"
    with a_pool(tmp_path, first=known) as pool:
        assert secret in memory_of(pool.process.pid), "else the test finds nothing anywhere"
        for pid in (pool.zygote(), *pool.children()):
            memory = memory_of(pid)
            assert b"image/jpeg" in memory
            assert not [found for found in (secret, secret.hex().upper().encode()) if found in memory]


@pytest.mark.parametrize(
    ("forbidden", "missing"),
    [("", []), ("forbid_namespaces", [walls.NETWORK]), ("forbid_filters", [walls.SECCOMP])],
)
def test_the_walls_that_a_system_lacks_are_found(forbidden: str, missing: list[str]) -> None:
    program = (
        f"from tests.fixtures import systems; {f'systems.{forbidden}()' if forbidden else ''}\n"
        "from paper import walls; print(*walls.find_missing(), sep='\\n')"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.split("\n") == [*(missing or [""]), ""]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_decides_by_the_calls_of_its_own_machine(machine: str) -> None:
    """Run as the kernel runs it; calls by the other machine's numbers, or of another architecture, do not pass."""
    column = ["x86_64", "aarch64"].index(machine)
    audit = [0xC000003E, 0xC00000B7][column]
    steps = walls.program_for(machine)
    numbers = {
        name: pair[column] for name, pair in {"read": (0, 63), "recvmsg": (47, 212), "openat": (257, 56)}.items()
    }
    assert decide(steps, numbers["recvmsg"], audit) == ALLOWED
    assert decide(steps, numbers["read"], audit) == decide(steps, numbers["openat"], audit) == DENIED
    mmap, mprotect, clone, clone3 = ((9, 10, 56, 435), (222, 226, 220, 435))[column]
    assert decide(steps, mmap, audit, 0, 4096, 3, 0x22) == ALLOWED
    assert decide(steps, mmap, audit, 0, 4096, 5, 0x22) == DENIED
    assert decide(steps, mmap, audit, 0, 4096, 3, 0x01) == DENIED
    assert decide(steps, mprotect, audit, 0, 4096, 4) == DENIED
    assert decide(steps, clone, audit, 0x3D0F00) == ALLOWED
    assert decide(steps, clone, audit, 0x01200011) == DENIED
    assert decide(steps, clone3, audit) == 0x00050000 | errno.ENOSYS
    assert decide(steps, numbers["recvmsg"], 0x40000003) == KILLED
    assert decide(steps, 0x40000000 | numbers["recvmsg"], audit) == DENIED


HEADERS = (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm-generic/unistd.h"))
"""Where linux-libc-dev names the calls of each machine; aarch64 has the generic ones."""
PASSES = """
    brk clock_nanosleep clone clone3 close exit exit_group fcntl futex getpid getrandom getsockname madvise mmap
    mprotect mremap munmap pread64 recvmsg restart_syscall rseq rt_sigprocmask rt_sigreturn sched_yield sendto
    set_robust_list write
"""


@pytest.mark.parametrize("column", [0, 1], ids=["x86_64", "aarch64"])
def test_the_numbers_of_the_calls_are_those_of_the_kernel(column: int) -> None:
    """No machine but the one that this runs on would tell otherwise that a number is another call's."""
    if not HEADERS[column].exists():
        pytest.skip(f"no {HEADERS[column]} (linux-libc-dev)")
    # Some have their number through a second name: __NR_mmap is __NR3264_mmap, which is 222.
    said: dict[str, str] = dict(re.findall(r"#define (__NR\w+)\s+(\w+)$", HEADERS[column].read_text(), re.MULTILINE))
    resolved = {name.removeprefix("__NR_"): said.get(value, value) for name, value in said.items()}
    numbers = {name: int(value) for name, value in resolved.items() if value.isdigit()}
    steps, audit = walls.program_for(["x86_64", "aarch64"][column]), [0xC000003E, 0xC00000B7][column]
    # With what clone and fcntl are asked when they pass.
    passed = {number for number in numbers.values() if decide(steps, number, audit, 0x3D0F00, 1030) != DENIED}
    assert passed == {numbers[name] for name in PASSES.split()}
    assert {name: numbers[name] for name in hostile.CALLS} == {name: own[column] for name, own in hostile.CALLS.items()}


ALLOWED, DENIED, KILLED = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000


def decide(steps: list[walls.FilterStep], number: int, architecture: int, *arguments: int) -> int:
    """What the kernel's machine does with a filter (linux/seccomp.h, struct seccomp_data)."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, *[*arguments, *[0] * 6][:6])
    at = accumulator = 0
    while True:
        code, value, yes, no = steps[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x15:
                at += yes if accumulator == value else no
            case 0x45:
                at += yes if accumulator & value else no
            case 0x06:
                return value


@pytest.mark.parametrize(
    ("version", "size_bytes"), [(1, 8), (2, 8), (3, 8), (4, 16), (5, 16), (6, 24), (7, 24), (9, 24)]
)
def test_landlock_is_asked_for_no_more_than_its_version_knows(version: int, size_bytes: int) -> None:
    rules = walls.ruleset_for(version)
    assert len(rules) == size_bytes
    files = int.from_bytes(rules[:8], sys.byteorder)
    assert files == (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
