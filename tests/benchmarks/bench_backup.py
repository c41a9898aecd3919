"""How long a back-up takes, first and the second time, and what it costs the uploads beside it.

    ./run bench backup [PAPERS]

Uploads go through the use cases of one process, 20 KB each, fsync on; their rate beside a back-up is compared with the
rate right before it. Sizes and times are those of the command, its start included.
"""

import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_projections import tell, tell_machine, tell_ratios
from tests.benchmarks.databases import a_database
from tests.service.program import Program, command, program
from tests.service.warm import Warm

PAPERS, SIZE_BYTES, ROUNDS, ALONE_SECONDS = 10_000, 20_000, 5, 3.0
THREADS = 4


def main() -> None:
    papers = int(sys.argv[1]) if len(sys.argv) > 1 else PAPERS
    tell_machine(f"{papers} papers of {SIZE_BYTES} bytes")
    warm = Warm()
    with a_database() as (place, url), program(place / "home", url, warm) as archive:
        fill(archive, papers)
        first = back_up(archive, place / "copy")
        tell("first back-up", f"{first['seconds']:.1f} s", f"{first['copied']} contents copied")
        again = [back_up(archive, place / "copy") for _ in range(ROUNDS)]
        tell("again, nothing new", f"{statistics.median(run['seconds'] for run in again):.1f} s", "0 contents copied")
        ratios = [compare_rates(archive, place / "copy") for _ in range(ROUNDS)]
        tell_ratios("uploads beside a back-up, to those before it", ratios, "none")
    warm.close()


def fill(archive: Program, papers: int) -> None:
    threads = [
        threading.Thread(target=lambda: [archive.letter(size_bytes=SIZE_BYTES) for _ in range(papers // THREADS)])
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def back_up(archive: Program, folder: Path) -> Any:
    return command("backup", folder, "--json", env=archive.env).json


def compare_rates(archive: Program, folder: Path) -> float:
    """The rate of uploads beside a back-up, as a share of the rate before it."""
    count, stop = [0], threading.Event()

    def upload() -> None:
        while not stop.is_set():
            archive.letter(size_bytes=SIZE_BYTES)
            count[0] += 1

    thread = threading.Thread(target=upload)
    thread.start()
    begun = time.monotonic()
    time.sleep(ALONE_SECONDS)
    alone = count[0] / (time.monotonic() - begun)
    before, begun = count[0], time.monotonic()
    back_up(archive, folder)
    beside = (count[0] - before) / (time.monotonic() - begun)
    stop.set()
    thread.join()
    return beside / alone


if __name__ == "__main__":
    main()
