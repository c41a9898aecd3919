"""What the processes of an archive hold for themselves, watched while something runs."""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from domain.limits import Limits
from tests.http.served import Served

MIB = 1024 * 1024
SAMPLE_SECONDS = 0.05
ONE_DECODER_BYTES_MAX = Limits().decode_memory_bytes_max + 50 * MIB
"""All that one may take, and what the others grow meanwhile."""


class Memory:
    """The sum of the proportional shares (PSS) of what serve has started, in bytes, sampled from another thread; of the
    embedded Postgres, which takes no files in, at the beginning and the end."""

    def __init__(self, served: Served) -> None:
        self._root = served.process.pid
        self._beside = {*served.processes()} - {*tree_of(self._root)}
        self._beside_before = self._beside_now = total(self._beside)
        self._before = self._peak = total(tree_of(self._root))
        self._over = threading.Event()

    def watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, total(tree_of(self._root)))

    def end(self) -> None:
        self._over.set()
        self._peak = max(self._peak, total(tree_of(self._root)))
        self._beside_now = total(self._beside)

    @property
    def growth(self) -> int:
        return self._peak - self._before + max(0, self._beside_now - self._beside_before)


@contextmanager
def memory_of(served: Served) -> Iterator[Memory]:
    memory = Memory(served)
    watcher = threading.Thread(target=memory.watch)
    watcher.start()
    try:
        yield memory
    finally:
        memory.end()
        watcher.join()


def tree_of(pid: int) -> list[int]:
    """A process and all below it. To look for them in each process there is took longer than to sum them up."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):  # it ended just now
                found += map(int, task.read_text().split())
    return found


def total(pids: Iterable[int]) -> int:
    return sum(map(pss_bytes, pids))


def pss_bytes(pid: int) -> int:
    try:
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
