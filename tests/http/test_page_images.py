"""Page images from the cache: the same answers, rights and access lines as for one that is drawn, without the file."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image

from api.page_images import PageImages
from domain.limits import Limits
from domain.page_image import PageImage
from domain.refusals import NotFound, Unavailable
from service.sweep import sweep
from service.wiring import Store, open_store
from tests.http.desk import a_customer, a_letter, access_lines, archived, at, corrected, problem_of, replace
from tests.http.served import Served, serving, wait_until
from tests.paper.files import saved
from tests.paper.pools import a_pool
from web.threads import Blocking

SOURCES = 'dossier_page_images_total{{source="{}"}}'


@pytest.fixture(scope="module")
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def coloured(*colours: str) -> bytes:
    """A PDF with a page of each colour."""
    first, *others = [Image.new("RGB", (300, 200), colour) for colour in colours]
    return saved(first, "PDF", save_all=True, append_images=others)


@pytest.fixture
def letter(served: Served, staff: httpx.Client) -> dict[str, Any]:
    """A document that everybody who reads sees already."""
    item = archived(staff, a_customer(served), coloured("red", "lime", "blue"), name="letter.pdf")
    served.as_("viewer").get(f"/v1/documents/{item['id']}", headers=at(item["position"])).raise_for_status()
    return item


def page_of(item: dict[str, Any], number: int = 1, width: int = 500) -> str:
    return f"/v1/documents/{item['id']}/pages/{number}?width={width}"


def content_of(served: Served, item: dict[str, Any]) -> UUID:
    """The content that the log named last for a document."""
    found = served.sql("select content from archive.content where paper = %s", [item["id"]])
    return UUID(str(found[-1][0]))


def cached(served: Served, item: dict[str, Any]) -> list[Path]:
    folder = served.home / "page-images"
    return list(folder.rglob(f"{content_of(served, item)}-*"))


def counted(served: Served, source: str) -> float:
    text = served.as_("operator").get("/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(SOURCES.format(source)))


def test_a_second_look_is_the_same_image_without_the_file(
    served: Served, staff: httpx.Client, letter: dict[str, Any]
) -> None:
    first = staff.get(page_of(letter))
    assert (first.status_code, len(cached(served, letter))) == (200, 1)
    file = next(served.settings.content_directory.rglob(str(content_of(served, letter))))
    away = file.with_name("away")
    file.rename(away)
    try:
        for reader in (staff, served.as_("viewer")):
            again = reader.get(page_of(letter))
            assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
        assert staff.get(page_of(letter, width=501)).status_code == 500
    finally:
        away.rename(file)
    assert staff.get(page_of(letter), headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert staff.get(page_of(letter, 2)).content != first.content


def test_where_images_came_from_is_counted(served: Served, staff: httpx.Client, letter: dict[str, Any]) -> None:
    drawn, kept = counted(served, "decoder"), counted(served, "cache")
    for _ in range(3):
        staff.get(page_of(letter)).raise_for_status()
    assert (counted(served, "decoder") - drawn, counted(served, "cache") - kept) == (1, 2)


def test_each_look_at_a_cached_image_has_its_access_line(served: Served, letter: dict[str, Any]) -> None:
    token = f"looker-{uuid4().hex[:8]}"
    looker = served.client(served.new_token(token, "viewer"))
    for _ in range(3):
        looker.get(page_of(letter)).raise_for_status()
    lines = [line for line in access_lines(served, token) if line["action"] == "page"]
    assert [line["document"] for line in lines] == [letter["id"]] * 3


def test_who_may_not_see_the_content_gets_no_cached_image(
    served: Served, staff: httpx.Client, letter: dict[str, Any]
) -> None:
    viewer, address = served.as_("viewer"), page_of(letter)
    viewer.get(address).raise_for_status()
    withdrawn = corrected(staff, letter, "withdraw", reason="wrong customer")
    viewer.get(f"/v1/documents/{letter['id']}", headers=at(withdrawn["position"]))
    assert problem_of(viewer.get(address), 404) == "not-found"
    assert staff.get(address).status_code == staff.get(address).status_code == 200
    assert problem_of(viewer.get(address), 404) == "not-found"


def test_a_replaced_content_has_images_of_its_own(served: Served, letter: dict[str, Any]) -> None:
    supervisor = served.as_("supervisor")
    old = supervisor.get(page_of(letter)).content
    answer = replace(supervisor, letter["id"], coloured("blue", "red"), letter["version"])
    assert answer.status_code == 200, answer.text
    for _ in range(2):
        new = supervisor.get(page_of(letter), headers={"Archive-Min-Position": answer.headers["Archive-Position"]})
        assert new.status_code == 200
        assert new.content != old
        assert supervisor.get(f"{page_of(letter)}&content_version=1").content == old


@pytest.fixture
def beside(served: Served) -> Iterator[Store]:
    """The store as another process has it, with no key in memory."""
    with open_store(served.settings, served.database_url, role=None) as store:
        yield store


def test_an_image_of_a_paper_without_its_key_cannot_be_opened_and_is_swept(
    served: Served, staff: httpx.Client, letter: dict[str, Any], beside: Store
) -> None:
    other = archived(staff, letter["customer"], a_letter(), name="other.pdf")
    staff.get(page_of(other), headers=at(other["position"])).raise_for_status()
    jpeg = staff.get(page_of(letter)).content
    image = PageImage(
        paper=UUID(letter["id"]),
        content=content_of(served, letter),
        sha256=bytes.fromhex(letter["sha256"]),
        media_type="application/pdf",
        page=1,
        width=500,
    )
    assert beside.page_images.get(image) == jpeg

    served.sql("delete from keys.paper where paper = %s", [letter["id"]])
    beside.keys.forget_all()
    assert beside.page_images.get(image) is None
    assert len(cached(served, letter)) == 1
    sweep(beside, served.settings.limits)
    assert (len(cached(served, letter)), len(cached(served, other))) == (0, 1)


def test_a_destroyed_key_is_forgotten_by_every_worker_at_once(
    served: Served, staff: httpx.Client, letter: dict[str, Any]
) -> None:
    """Workers went on to serve contents and cached images from memory for a minute."""
    addresses = (page_of(letter), f"/v1/documents/{letter['id']}/content")

    def statuses() -> set[int]:
        """By connections of their own, so that both workers are asked."""
        return {staff.get(address, headers={"Connection": "close"}).status_code for address in addresses * 8}

    assert statuses() == {200}
    served.sql("delete from keys.paper where paper = %s", [letter["id"]])
    wait_until(lambda: 200 not in statuses(), 20, "a worker still serves what has lost its key")


def test_an_image_that_is_asked_for_many_times_at_once_is_drawn_once(
    served: Served, staff: httpx.Client, letter: dict[str, Any]
) -> None:
    drawn = counted(served, "decoder")
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: staff.get(page_of(letter)), range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert counted(served, "decoder") - drawn <= served.settings.workers


def test_an_image_of_a_scanned_page_comes_from_the_cache_until_it_is_turned_or_cancelled(
    served: Served, staff: httpx.Client
) -> None:
    session = staff.post("/v1/scan-sessions", json={}).json()
    address = f"/v1/scan-sessions/{session['id']}"
    picture = saved(Image.new("RGB", (300, 200), "red"), "JPEG") + os.urandom(8)
    staff.put(f"{address}/pages/1", content=picture, headers={"Content-Type": "image/jpeg"}).raise_for_status()
    drawn = counted(served, "decoder")
    looks = [staff.get(f"{address}/pages/1?width=100").content for _ in range(2)]
    assert looks[0] == looks[1]
    staff.post(f"{address}/pages/1/rotate", json={"degrees": 90}).raise_for_status()
    assert staff.get(f"{address}/pages/1?width=100").content != looks[0]
    assert counted(served, "decoder") - drawn == 2
    assert staff.delete(address).status_code == 204
    assert staff.get(f"{address}/pages/1?width=100").status_code == 404


def test_images_make_way_before_an_upload_is_refused() -> None:
    """As where the disk is full: its floor is above what there is."""
    with serving(DOSSIER_DISK_FREE_BYTES_MIN=str(1 << 60)) as short:
        staff, image = short.as_("staff"), short.home / "page-images" / "00" / f"{uuid4()}-1-500-0"
        image.parent.mkdir()
        image.write_bytes(b"sealed")
        assert (
            problem_of(staff.put(f"/v1/scan-sessions/{uuid4()}/pages/1", content=b"x"), 507) == "insufficient-storage"
        )
        assert not image.exists()
        image.write_bytes(b"sealed")
        with open_store(short.settings, short.database_url, role=None) as store:
            assert store.free_bytes() > 0, "an import asks"
        assert not image.exists()


# -- the queue of a worker ----------------------------------------------------------------------------------------


class Kept(dict[PageImage, bytes]):
    """A cache in memory."""

    def put(self, image: PageImage, jpeg: bytes) -> None:
        self[image] = jpeg

    def clear_when_full(self, free_bytes_min: int) -> None:
        self.clear()


class Plain:
    """Opens a file and counts how often it was read, and how many files were open at once."""

    def __init__(self, data: bytes) -> None:
        self.data, self.read = data, 0

    def __call__(self) -> Iterator[bytes]:
        self.read += 1
        yield self.data


def pictures(folder: Path, examiner: Any, limits: Limits, blocking: Blocking, cache: Kept | None = None) -> PageImages:
    return PageImages(
        cache=Kept() if cache is None else cache,
        examiner=examiner,
        blocking=blocking,
        limits=limits,
        temporary=folder,
        count=lambda *_: None,
    )


def an_image(content: UUID, page: int) -> PageImage:
    return PageImage(
        paper=uuid4(), content=content, sha256=bytes(32), media_type="application/pdf", page=page, width=100
    )


def test_a_file_whose_pages_are_asked_for_together_is_opened_once_by_each_caller(tmp_path: Path) -> None:
    plain, content = Plain(a_letter(9)), uuid4()

    async def look(pages: PageImages) -> None:
        turns = [
            pages.draw(an_image(content, page), asker=asker, plain=plain)
            for page in range(1, 10)
            for asker in (b"a", b"b")
        ]
        assert all(jpeg.startswith(b"\xff\xd8") for jpeg in await asyncio.gather(*turns))

    with a_pool(tmp_path) as pool, closing(Blocking(2)) as blocking:
        asyncio.run(look(pictures(tmp_path, pool.examiner, pool.limits, blocking)))
    assert plain.read == 2


def test_a_caller_who_leaves_or_fails_stops_none_of_its_others(tmp_path: Path) -> None:
    plain, content = Plain(a_letter(3)), uuid4()

    async def look(pages: PageImages) -> None:
        gone, missing, *others = [
            asyncio.ensure_future(pages.draw(an_image(content, page), asker=b"a", plain=plain))
            for page in (1, 99, 2, 3)
        ]
        await asyncio.sleep(0)
        gone.cancel()
        assert all(jpeg.startswith(b"\xff\xd8") for jpeg in await asyncio.gather(*others))
        with pytest.raises(NotFound):
            await missing
        with pytest.raises(asyncio.CancelledError):
            await gone

    with a_pool(tmp_path) as pool, closing(Blocking(2)) as blocking:
        asyncio.run(look(pictures(tmp_path, pool.examiner, pool.limits, blocking)))


def test_a_file_that_could_not_be_read_whole_is_read_again(tmp_path: Path) -> None:
    content, data, fails = uuid4(), a_letter(2), [True]

    def plain() -> Iterator[bytes]:
        yield data[:1000]
        if fails.pop() if fails else False:
            raise OSError
        yield data[1000:]

    async def look(pages: PageImages) -> None:
        first, second = [pages.draw(an_image(content, page), asker=b"a", plain=plain) for page in (1, 2)]
        failed, drawn = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(failed, OSError)
        assert isinstance(drawn, bytes)

    with a_pool(tmp_path) as pool, closing(Blocking(2)) as blocking:
        asyncio.run(look(pictures(tmp_path, pool.examiner, pool.limits, blocking)))


@pytest.mark.parametrize(
    "limits", [{"decodes_waiting_per_caller_max": 2}, {"queue_wait_seconds": 0.1, "decode_seconds_max": 0.1}]
)
def test_who_has_too_many_waiting_or_waits_too_long_is_told_to_come_again(
    tmp_path: Path, limits: dict[str, Any]
) -> None:
    class Slow:
        async def draw_page_image(self, fd: int, **_: Any) -> bytes:
            await asyncio.wait_for(done.wait(), 10)
            return b"jpeg"

    async def look(pages: PageImages) -> None:
        turns = [
            asyncio.ensure_future(pages.draw(an_image(uuid4(), 1), asker=asker, plain=lambda: iter([b"x"])))
            for asker in (b"a", b"a", b"a", b"a", b"b")
        ]
        refused, _ = await asyncio.wait(turns, return_when=asyncio.FIRST_COMPLETED)
        assert {type(turn.exception()) for turn in refused} == {Unavailable}
        assert turns[0] not in refused
        assert turns[4] not in refused
        done.set()
        await asyncio.wait(turns)
        assert turns[0].result() == turns[4].result() == b"jpeg"

    done = asyncio.Event()
    with closing(Blocking(2)) as blocking, tempfile.TemporaryDirectory() as folder:
        asyncio.run(look(pictures(Path(folder), Slow(), Limits(**limits), blocking)))
