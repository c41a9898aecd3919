"""A pool of its own for a test: a real server process with real children, watched through /proc."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from domain.limits import Limits
from paper.client import Examiner

_SERVER = """
import json, resource, sys
from pathlib import Path
from domain.limits import Limits
exec(sys.argv[4])
from paper import zygote
from paper.pool import serve
zygote.PROGRAM = zygote.PROGRAM.replace("from", sys.argv[5] + "from", 1)
serve(Path(sys.argv[1]), children=int(sys.argv[2]), limits=Limits(**json.loads(sys.argv[3])))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


class Pool:
    """The server process and the way to it."""

    def __init__(self, process: subprocess.Popen[str], path: Path, limits: Limits) -> None:
        self.process, self.path, self.limits = process, path, limits
        self.examiner = Examiner(path, limits)

    def zygote(self) -> int:
        """The process that forks the children; its parent is theirs."""
        return children_of(self.process.pid)[0]

    def children(self) -> list[int]:
        """Those that wait, and those at work."""
        return children_of(self.process.pid)[1:]

    def stop(self) -> int:
        """SIGTERM; the largest resident size that any child ever had, in bytes."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=10)
        return int(output) * 1024


@contextmanager
def a_pool(folder: Path, *, children: int = 2, first: str = "", within: str = "", **limits: Any) -> Iterator[Pool]:
    """A pool that is ready; it is ended afterwards, if the test has not done so.

    Before all else its process runs `first`, and the one that forks its children `within`. Unless told otherwise it
    takes any number of pixels in all, so that a slow file can hold a child.
    """
    limits = {"file_pixels_max": 10**12, **limits}
    path = folder / "paper.socket"
    arguments = [sys.executable, "-c", _SERVER, str(path), str(children), json.dumps(limits), first, within]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        pool = Pool(process, path, msgspec.structs.replace(Limits(), **limits))
        try:
            wait_until(lambda: path.exists() and len(pool.children()) == children)
            yield pool
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """In the order in which they were made."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def decoders_of(broker: int) -> list[int]:
    """The zygote and all children of a broker, which may have ended: its number is one of their arguments."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if str(broker) in _arguments_of(folder)]


def _arguments_of(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def memory_of(pid: int) -> bytes:
    """All that a process can write to."""
    parts = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds, rights = line.split()[:2]
            if "rw" in rights:
                first, end = (int(bound, 16) for bound in bounds.split("-"))
                memory.seek(first)
                parts.append(memory.read(end - first))
    return b"".join(parts)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll until it holds; the bound is for a broken product, not a measure."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.005)


def exists(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def a_descriptor(data: bytes) -> Iterator[int]:
    """A file in memory that holds the bytes, its offset at the end as an upload leaves it."""
    descriptor = os.memfd_create("paper-test")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield descriptor
    finally:
        os.close(descriptor)
