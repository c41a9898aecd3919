"""How long the screens take that a desk looks at all day, in an archive of 20,000 documents, and what pages weigh.

    ./run bench screens    milliseconds of the server by its own log, seconds and memory for the pages of a long PDF

Most rows are copies of archived ones in the view: to archive as many takes minutes, and lists read nothing else.
"""

import io
import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence

import httpx
import psycopg
from PIL import Image, ImageDraw

from tests.http.desk import a_customer, archived, at, view
from tests.http.memory import MIB, memory_of
from tests.http.served import Served, serving

DOCUMENTS, CUSTOMERS, LOOKS, WARM = 20_000, 200, 300, 20
PAGES = 60
PAGE_BAR_MS, IMAGE_BAR_SECONDS = 10, 1.0


def main() -> None:
    with serving() as served:
        staff = served.as_("staff")
        customers = [a_customer(served) for _ in range(CUSTOMERS)]
        each = DOCUMENTS // CUSTOMERS
        for customer in customers:
            last = filled(served, staff, customer, each)
        lists(served, customers, f"{each} documents each, of {DOCUMENTS}", last)
        whole = a_customer(served)
        last = filled(served, staff, whole, DOCUMENTS)
        lists(served, [whole], f"{DOCUMENTS} documents of one customer", last)
        pages(served, staff)


# -- lists ----------------------------------------------------------------------------------------------------------


def filled(served: Served, staff: httpx.Client, customer: str, count: int) -> int:
    """So many documents of a customer: one is archived, the others are like it."""
    first = archived(staff, customer, note="bench")
    view(staff, customer, first["position"])
    names = ", ".join(name for (name,) in served.sql(COLUMNS))
    copied = names.replace("created_position", "created_position - n")
    served.sql(COPY.format(names=names, copied=copied), [count - 1, first["id"]])
    return int(first["position"])


COLUMNS = """
    select column_name::text
    from information_schema.columns
    where table_schema = 'views' and table_name = 'customer_documents' and column_name <> 'id'
    order by ordinal_position
"""
COPY = """
    insert into views.customer_documents (id, {names})
    select gen_random_uuid(), {copied}
    from views.customer_documents, generate_series(1, %s) as n
    where id = %s
"""


def lists(served: Served, customers: Sequence[str], what: str, position: int) -> None:
    """The page with its first 50 rows, as it is now and as it was; filters read every row of a customer."""
    with psycopg.connect(served.database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")  # as autovacuum does within a minute
    print(f"{what}; ms of the server, {LOOKS} looks")
    for name, query in (
        ("now", ""),
        ("as it was", f"?as_of={position}"),
        ("only authorizations", "?papers=authorizations"),
        ("by words", "?q=bench"),
    ):
        told(name, list(looks(served, customers, query)))


def looks(served: Served, customers: Sequence[str], query: str) -> Iterator[float]:
    """Milliseconds of each look, by the lines that the program writes of its answers."""
    headers = {"Authorization": served.as_("staff").headers["Authorization"], "Accept": "text/html"}
    with httpx.Client(base_url=served.url, headers=headers) as browser:
        for _ in range(LOOKS + WARM):
            browser.get(f"/customers/{random.choice(customers)}{query}").raise_for_status()
    yield from lines(served)[-LOOKS:]


def lines(served: Served) -> list[float]:
    found = (json.loads(line) for line in served.said().splitlines() if '"route":"/customers/{id}"' in line)
    return [line["ms"] for line in found]


def told(name: str, ms: list[float]) -> None:
    cuts = statistics.quantiles(ms, n=20)
    low, middle, high = cuts[0], statistics.median(ms), cuts[18]
    print(f"    {name:20} p5 {low:6.1f}   p50 {middle:6.1f}   p95 {high:6.1f}   bar p50 {PAGE_BAR_MS}", flush=True)


# -- pages ----------------------------------------------------------------------------------------------------------


def pages(served: Served, staff: httpx.Client) -> None:
    """The first page of a scanned PDF, then all of them, one after the other, and what that adds to the memory."""
    data = a_scan()
    paper = archived(staff, a_customer(served), data, name="scan.pdf")
    address = f"/v1/documents/{paper['id']}/pages"
    staff.get(f"/v1/documents/{paper['id']}", headers=at(paper["position"])).raise_for_status()
    first = [timed(staff, f"{address}/1?width=1000") for _ in range(9)]
    print(f"a PDF of {PAGES} scanned pages, {len(data) / MIB:.1f} MiB")
    print(
        f"    first page image     first {first[0]:.2f} s   p50 {statistics.median(first):.2f} s"
        f"   bar {IMAGE_BAR_SECONDS} s"
    )
    with memory_of(served) as memory:
        all_of_them = [timed(staff, f"{address}/{n}?width=1000") for n in range(1, PAGES + 1)]
    print(f"    all pages            {sum(all_of_them):.1f} s   memory grew by {memory.growth / MIB:.0f} MiB")
    with memory_of(served) as memory:
        for n in range(1, PAGES + 1):
            timed(staff, f"{address}/{n}?width=1000")
    print(f"    all pages again      memory grew by {memory.growth / MIB:.0f} MiB")


def a_scan() -> bytes:
    """Pages of A4 at 150 dpi with lines that are each page's own."""
    drawn = [page(number) for number in range(PAGES)]
    out = io.BytesIO()
    drawn[0].save(out, "PDF", save_all=True, append_images=drawn[1:], resolution=150, quality=75)
    return out.getvalue()


def page(number: int) -> Image.Image:
    chance = random.Random(number)
    picture = Image.effect_noise((1240, 1754), 24).point(lambda level: min(255, level + 110)).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for line in range(40):
        pen.line((120, 150 + 38 * line, chance.randrange(400, 1120), 150 + 38 * line), "#333", 8)
    return picture


def timed(client: httpx.Client, address: str) -> float:
    began = time.perf_counter()
    client.get(address).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
