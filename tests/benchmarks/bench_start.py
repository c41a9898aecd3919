"""How long a start takes and what the archive weighs at rest, in a copy of this tree with a venv and a HOME of its own.

    ./run bench start    seconds to `ready`: first starts, later ones; PSS of all Python processes

A first start makes the venv from the locks, the database, the migrations and the keys; it needs the package registry,
or pip's cache. PSS counts a page that n processes share as 1/n in each: the sum is what would become free without them.
"""

import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tree import copy_tree

FIRST_STARTS, LATER_STARTS = 3, 5
FIRST_SECONDS_BAR, LATER_SECONDS_BAR, PSS_MIB_BAR = 30.0, 2.0, 141.0
QUIET_SECONDS = 3.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dossier-bench-") as folder:
        Path(folder).chmod(0o711)
        trees = [copy_tree(Path(folder) / str(n)) for n in range(FIRST_STARTS)]
        firsts = [start(tree) for tree in trees]
        laters = [start(trees[0]) for _ in range(LATER_STARTS)]
        weights = weigh(trees[0])
    row("first start, s", firsts, FIRST_SECONDS_BAR)
    row("later start, s", laters, LATER_SECONDS_BAR)
    row("PSS of all Python at rest, MiB", [sum(weights.values())], PSS_MIB_BAR)
    for name, mebibytes in sorted(weights.items(), key=lambda item: -item[1]):
        print(f"    {name:26} {mebibytes:7.1f}")


def row(name: str, measured: list[float], bar: float) -> None:
    spread = f"{min(measured):.2f} … {max(measured):.2f} of {len(measured)}"
    print(f"{name:30} median {statistics.median(measured):7.2f}   ({spread})   bar {bar:g}", flush=True)


def start(tree: Path) -> float:
    """Seconds to `ready`; the first one in a tree makes everything."""
    with served(tree) as (seconds, _):
        return seconds


def weigh(tree: Path) -> dict[str, float]:
    """MiB by process, once nothing has been asked of it for a while."""
    with served(tree) as (_, supervisor):
        time.sleep(QUIET_SECONDS)
        return {f"{name} {pid}": pss_mib(pid) for pid, name in family(supervisor) if "python" in program(pid)}


@contextmanager
def served(tree: Path) -> Iterator[tuple[float, int]]:
    """`./run serve` there, as a newcomer types it: seconds until `ready`, and the supervisor's pid."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("DOSSIER_", "VIRTUAL_ENV", "PYTHON"))}
    began = time.perf_counter()
    process = subprocess.Popen(
        ["./run", "serve"],
        cwd=tree,
        env={**environment, "DOSSIER_PORT": str(free_port())},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready"), "it did not start"
    seconds = time.perf_counter() - began
    try:
        yield seconds, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def family(pid: int) -> Iterator[tuple[int, str]]:
    """A process and all below it, with the name that `ps` shows."""
    yield pid, Path(f"/proc/{pid}/comm").read_text().strip()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))


def program(pid: int) -> str:
    return Path(f"/proc/{pid}/exe").readlink().name


def pss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
