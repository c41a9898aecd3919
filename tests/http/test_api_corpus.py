"""Real files over HTTP: what people archive comes back byte for byte; what does harm is refused and harms nothing.

One of each kind; what each file is taken for, and that its pages can be drawn, is held by tests/paper/test_corpus.py.
"""

import io
import time

import httpx
import pytest
from PIL import Image

from tests.http.desk import a_customer, at, select_file, view
from tests.http.memory import MIB, ONE_DECODER_BYTES_MAX, memory_of
from tests.http.served import Served, wait_until
from tests.paper.corpus import Sample, of_each_kind

SECONDS_MAX = 30  # the decoder gets 20 s and is then killed; the rest is for a slow machine
ANSWERS = {
    "accept": {"archived"},
    "accept without preview": {"archived", "file-password-protected"},
    "refuse as corrupt": {"file-damaged", "file-empty"},
    "refuse as type": {"file-type-not-allowed"},
    "refuse as too large": {"file-too-many-pixels", "content-too-large"},
}

# Where the archive's answer is another than the manifest's: JPEG 2000 is not taken at all, so nobody looks for damage.
OURS = {"hostile/balloon_trunc2.jp2": {"file-type-not-allowed"}}


@pytest.fixture(scope="module")
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture(scope="module")
def customer(served: Served) -> str:
    return a_customer(served)


def fair_for(sample: Sample) -> set[str]:
    return set().union(*(ANSWERS[word] for word in sample.answers), OURS.get(sample.path, set()))


def slug_of(answer: httpx.Response) -> str:
    assert answer.status_code < 500, answer.text
    return "archived" if answer.status_code == 201 else answer.json()["type"].removeprefix("/problems/")


@pytest.mark.parametrize("sample", of_each_kind("good", "codes", "encrypted"))
def test_what_people_archive_comes_back_byte_for_byte(staff: httpx.Client, customer: str, sample: Sample) -> None:
    data = sample.read()
    answer = select_file(staff, customer, data, name=sample.name, duplicate="allow")
    assert slug_of(answer) in fair_for(sample), answer.text
    if answer.status_code != 201:
        return
    item = answer.json()
    assert item["preview"] or sample.answers[0] == "accept without preview" or len(sample.answers) > 1
    address = f"/v1/documents/{item['id']}"
    content = staff.get(f"{address}/content", headers=at(item["position"]))
    assert content.content == data
    assert content.headers["Content-Type"] == item["media_type"]
    assert_pages(staff, address, item["preview"], item["pages"])


def assert_pages(staff: httpx.Client, address: str, preview: bool, pages: int | None) -> None:
    first = staff.get(f"{address}/pages/1?width=200")
    if not preview:
        assert first.status_code == 404
        return
    assert first.headers["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(first.content)) as image:
        image.load()
        assert (image.format, image.width <= 200) == ("JPEG", True)
    assert staff.get(f"{address}/pages/{(pages or 1) + 1}").status_code == 404


@pytest.mark.parametrize("sample", of_each_kind("hostile"))
def test_what_does_harm_is_answered_fairly_and_harms_nothing(
    served: Served, staff: httpx.Client, customer: str, sample: Sample
) -> None:
    began = time.monotonic()
    with memory_of(served) as memory:
        answer = select_file(staff, customer, sample.read(), name=sample.name, duplicate="allow")
        assert slug_of(answer) in fair_for(sample), answer.text
        if answer.status_code == 201 and answer.json()["preview"]:
            page = staff.get(f"/v1/documents/{answer.json()['id']}/pages/1", headers=at(answer.json()["position"]))
            assert page.status_code < 500 or page.status_code == 503
    assert time.monotonic() - began < 2 * SECONDS_MAX
    assert memory.growth < ONE_DECODER_BYTES_MAX, f"{memory.growth / MIB:.0f} MiB"
    assert served.temporary_files() == []
    assert served.contents() == served.named_contents()


def test_after_all_of_it_the_customer_has_what_was_accepted_and_decoders_live(
    served: Served, staff: httpx.Client, customer: str
) -> None:
    rows = view(staff, customer, limit=200)
    assert all(row["status"] == "archived" for row in rows)
    assert served.contents() == served.named_contents()
    wait_until(lambda: staff.get("/readyz").status_code == 200, 10, "a part was lost on the way")
