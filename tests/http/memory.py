"""What the processes of an archive hold for themselves, watched while something runs."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.limits import Limits
from tests.http.served import Served

MIB = 1024 * 1024
SAMPLE_SECONDS = 0.05
ONE_DECODER_BYTES_MAX = Limits().decode_memory_bytes_max + 50 * MIB
"""All that one may take, and what the others grow meanwhile."""


class Memory:
    """The sum of the proportional shares (PSS) of the whole process tree, in bytes, sampled from another thread."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._before = self._peak = self._now()
        self._over = threading.Event()

    def _now(self) -> int:
        return sum(pss_bytes(pid) for pid in self._served.processes())

    def watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, self._now())

    def end(self) -> None:
        self._over.set()

    @property
    def growth(self) -> int:
        return self._peak - self._before


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


def pss_bytes(pid: int) -> int:
    try:
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
