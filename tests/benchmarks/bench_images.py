"""How long the first and the second look at a page take, and what they cost all processes of the archive.

./run bench images    ms by the clock of a client, ms of the processor for a look
"""

import io
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

from tests.benchmarks.bench_screens import PAGES, a_scan
from tests.http.desk import a_customer, archived, at
from tests.http.memory import MIB
from tests.http.served import Served, serving

WIDTHS = range(1000, 1020)
SECOND_BAR_MS = 20
TICKS_PER_SECOND = 100


def main() -> None:
    with serving() as served:
        images(served, served.as_("staff"))


def images(served: Served, staff: httpx.Client) -> None:
    """One page in many widths, and every page of a long file, each looked at twice."""
    looks(served, staff, "A4 at 600 dpi", a_large_scan(), "scan.jpg", [(1, width) for width in WIDTHS])
    looks(served, staff, f"PDF of {PAGES} pages", a_scan(), "scan.pdf", [(n, 1000) for n in range(1, PAGES + 1)])


def looks(
    served: Served, staff: httpx.Client, what: str, data: bytes, name: str, pictures: Sequence[tuple[int, int]]
) -> None:
    paper = archived(staff, a_customer(served), data, name=name)
    staff.get(f"/v1/documents/{paper['id']}", headers=at(paper["position"])).raise_for_status()
    print(f"page images: {what}, {len(data) / MIB:.1f} MiB, {len(pictures)} looks")
    for look in ("first look", "second look"):
        spent, ms = processor_ms(served), []
        for page, width in pictures:
            began = time.perf_counter()
            staff.get(f"/v1/documents/{paper['id']}/pages/{page}?width={width}").raise_for_status()
            ms.append((time.perf_counter() - began) * 1000)
        each = (processor_ms(served) - spent) / len(pictures)
        p95 = statistics.quantiles(ms, n=20)[18]
        bar = f"   bar p50 {SECOND_BAR_MS}" if look == "second look" else ""
        print(
            f"    {look:12} p50 {statistics.median(ms):6.1f}   p95 {p95:6.1f}   processor {each:6.1f}{bar}", flush=True
        )


def processor_ms(served: Served) -> float:
    """What all processes have used so far, those that ended included."""
    return sum(map(_ticks, served.processes())) * 1000 / TICKS_PER_SECOND


def _ticks(pid: int) -> int:
    """proc_pid_stat(5): utime, stime, cutime, cstime."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))


def a_large_scan() -> bytes:
    """A colour JPEG with a little noise, as a flatbed makes it."""
    picture = Image.effect_noise((4960, 7016), 12).point(lambda level: min(255, level + 90)).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for line in range(60):
        pen.line((400, 500 + 100 * line, 4500, 500 + 100 * line), "#333", 20)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80, dpi=(600, 600))
    return out.getvalue()


if __name__ == "__main__":
    main()
