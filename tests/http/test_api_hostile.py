"""Files made to do harm and clients that lie or leave: answered or dropped, bounded in memory, nothing of them kept.

The hostile files that others made are in test_api_corpus.py, one by one; here all of them at once.
"""

import secrets
import socket
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.http import wire
from tests.http.desk import a_customer, a_letter, a_text, archived, at, problem_of, select_file, view
from tests.http.memory import MIB, ONE_DECODER_BYTES_MAX, memory_of
from tests.http.served import Served, wait_until
from tests.http.tiny import drain, parse
from tests.paper.corpus import samples
from tests.paper.files import (
    a_blank_png,
    a_docx,
    a_film,
    a_jpeg,
    a_locked_pdf,
    a_lying_png,
    a_pdf,
    a_png,
    a_zip,
    an_odt,
    eicar,
)

CLIENTS = 4
LEAVERS = 40
SLOW_ONES = 64


@pytest.fixture(scope="module", autouse=True)
def errors_before(served: Served) -> list[str]:
    """Other tests of the shared archive break it on purpose."""
    return served.errors()


@pytest.fixture(scope="module")
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


@pytest.fixture(scope="module")
def token(staff: httpx.Client) -> str:
    return staff.headers["Authorization"].removeprefix("Bearer ")


def assert_well(served: Served, staff: httpx.Client) -> None:
    """The decoders live, a letter is archived and its page drawn, and each content belongs to an event."""
    item = archived(staff, a_customer(served))
    page = staff.get(f"/v1/documents/{item['id']}/pages/1?width=100", headers=at(item["position"]))
    assert page.headers["Content-Type"] == "image/jpeg"
    wait_until(lambda: staff.get("/readyz").status_code == 200, 30, "a part was lost on the way")
    assert served.contents() == served.named_contents()
    assert served.temporary_files() == []


# -- files --------------------------------------------------------------------------------------------------------


def a_zip_bomb(size_bytes: int) -> bytes:
    """A letter whose one picture is as many noughts, a thousandth as large when packed."""
    return a_docx(more={"word/media/image1.bmp": bytes(size_bytes)})


def a_flate_bomb(size_bytes: int) -> bytes:
    """A PDF whose page is drawn by as many blanks."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(b" " * MIB) for _ in range(size_bytes // MIB)) + packer.flush()
    plain = a_pdf(content=packed)
    return plain.replace(b"/Length %d >>" % len(packed), b"/Length %d /Filter /FlateDecode >>" % len(packed), 1)


def an_endless_page_tree() -> bytes:
    """A tree of pages that is its own child."""
    return a_pdf().replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]", 1)


REFUSED: dict[str, tuple[Callable[[], bytes], str, set[str]]] = {
    "no byte at all": (lambda: b"", "letter.pdf", {"file-empty"}),
    "a PNG that promises 10 gigapixels": (lambda: a_lying_png(100_000, 100_000), "a.png", {"file-too-many-pixels"}),
    "a PNG of 400 megapixels": (lambda: a_blank_png(20_000, 20_000), "a.png", {"file-too-many-pixels"}),
    "a PNG that promises more than is there": (lambda: a_lying_png(5_000, 5_000), "a.png", {"file-damaged"}),
    "a film of 201 frames": (lambda: a_film("GIF", 201), "a.gif", {"file-too-many-pixels"}),
    "a PDF of 2,001 pages": (lambda: a_pdf(2_001), "a.pdf", {"file-too-many-pixels"}),
    "a PDF that is its own page": (an_endless_page_tree, "a.pdf", {"file-damaged"}),
    "a PDF cut in half": (lambda: a_pdf(40)[: len(a_pdf(40)) // 2], "a.pdf", {"file-damaged"}),
    "a JPEG cut in half": (lambda: a_jpeg((800, 600))[:4_000], "a.jpg", {"file-damaged"}),
    "a PNG cut in half": (lambda: a_png((300, 300))[:400], "a.png", {"file-damaged"}),
    "a docx cut in half": (lambda: a_docx()[:300], "a.docx", {"file-damaged", "file-type-not-allowed"}),
    "an executable called a letter": (
        lambda: b"MZ\x90\0" + secrets.token_bytes(900),
        "a.pdf",
        {"file-type-not-allowed"},
    ),
    "an ELF called a text": (lambda: b"\x7fELF\x02\x01\x01" + bytes(900), "a.txt", {"file-type-not-allowed"}),
    "a script called a text": (lambda: b"#!/bin/sh\nrm -rf /\n", "a.pdf", {"file-type-not-allowed"}),
    "a page of the web called a picture": (
        lambda: b"<html><script>alert(1)</script></html>",
        "a.png",
        {"file-type-not-allowed"},
    ),
    "an archive in an archive": (lambda: a_zip({"a.zip": a_zip({"b": b"b"})}), "a.docx", {"file-type-not-allowed"}),
    "names that climb out of an archive": (
        lambda: a_zip({"../../etc/cron.d/x": b"x"}),
        "a.zip",
        {"file-type-not-allowed"},
    ),
    "the test virus": (eicar, "a.txt", {"file-type-not-allowed"}),
    "noise": (lambda: secrets.token_bytes(5_000), "a.pdf", {"file-type-not-allowed", "file-damaged"}),
    "noughts": (lambda: bytes(5_000), "a.pdf", {"file-type-not-allowed", "file-damaged"}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_hostile_file_is_refused_within_bounds_and_leaves_nothing(
    served: Served, staff: httpx.Client, what: str
) -> None:
    make, name, slugs = REFUSED[what]
    customer, data = a_customer(served), make()
    with wire.nothing_stored(served), memory_of(served) as memory:
        answer = select_file(staff, customer, data, name=name)
        assert problem_of(answer, answer.status_code) in slugs, answer.text
        assert 400 <= answer.status_code < 500
    assert memory.growth < ONE_DECODER_BYTES_MAX, f"{memory.growth / MIB:.0f} MiB"


TAKEN: dict[str, tuple[Callable[[], bytes], str, dict[str, Any]]] = {
    "a PDF with a password": (
        lambda: a_locked_pdf(secrets.token_hex(4)),
        "a.pdf",
        {"password_protected": True, "preview": False},
    ),
    "a PDF of 2,000 pages": (lambda: a_pdf(2_000, catalogue=unlike()), "a.pdf", {"pages": 2_000, "preview": True}),
    "a JPEG called a PDF": (lambda: a_jpeg(comment=unlike()), "a.pdf", {"media_type": "image/jpeg"}),
    "a letter with macros": (
        lambda: a_docx(more={"word/vbaProject.bin": secrets.token_bytes(64)}),
        "a.docx",
        {"preview": False, "flags": ["macros"]},
    ),
    "a text that looks like a command": (lambda: b"$(reboot); DROP TABLE x; " + unlike(), "a.txt", {"preview": False}),
}


def unlike() -> bytes:
    """Something that no other file has; in a PDF's catalogue it is a key without meaning."""
    return b"/Unlike (%s)" % secrets.token_hex(8).encode()


@pytest.mark.parametrize("what", TAKEN)
def test_a_suspicious_file_is_taken_with_what_is_to_be_known_of_it(
    served: Served, staff: httpx.Client, what: str
) -> None:
    make, name, known = TAKEN[what]
    data = make()
    with memory_of(served) as memory:
        item = archived(staff, a_customer(served), data, name=name)
    assert {field: item[field] for field in known} == known
    content = staff.get(f"/v1/documents/{item['id']}/content", headers=at(item["position"]))
    assert content.content == data
    assert content.headers["Content-Disposition"].startswith("attachment")
    assert content.headers["X-Content-Type-Options"] == "nosniff"
    assert not content.headers["Content-Type"].startswith("text/html")
    assert memory.growth < ONE_DECODER_BYTES_MAX, f"{memory.growth / MIB:.0f} MiB"


@pytest.mark.parametrize(
    ("make", "name"),
    [(lambda: a_zip_bomb(300 * MIB), "a.docx"), (lambda: an_odt(more={"x": bytes(300 * MIB)}), "a.odt"),
     (lambda: a_flate_bomb(500 * MIB), "a.pdf")],
    ids=["docx", "odt", "pdf"],
)  # fmt: skip
def test_what_unpacks_to_a_hundred_times_its_size_is_not_unpacked(
    served: Served, staff: httpx.Client, make: Callable[[], bytes], name: str
) -> None:
    """Taken or refused: what counts is that it costs neither memory nor a decoder, drawn or not."""
    data = make()
    assert len(data) < 3 * MIB
    with memory_of(served) as memory:
        answer = select_file(staff, a_customer(served), data, name=name)
        assert answer.status_code < 500
        if answer.status_code == 201 and answer.json()["preview"]:
            page = staff.get(f"/v1/documents/{answer.json()['id']}/pages/1", headers=at(answer.json()["position"]))
            assert page.status_code < 500
    assert memory.growth < ONE_DECODER_BYTES_MAX, f"{memory.growth / MIB:.0f} MiB"
    assert_well(served, staff)


HOSTILE = [parameter.values[0] for parameter in samples("hostile") if parameter.values[0] is not None]


def test_all_hostile_files_at_once_are_answered_within_bounds(served: Served, staff: httpx.Client) -> None:
    """Several desks at once, so that every decoder has one in its hands. Without the corpus: those made here."""
    made = [(make(), name) for make, name, _ in REFUSED.values()]
    files = made + [(sample.read(), sample.name) for sample in HOSTILE]
    customer = a_customer(served)

    def send(file: tuple[bytes, str]) -> httpx.Response:
        return select_file(staff, customer, file[0], name=file[1], duplicate="allow")

    with memory_of(served) as memory, ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(send, files))
    taken = [answer.json()["position"] for answer in answers if answer.status_code == 201]
    print(f"{len(files)} files, growth {memory.growth / MIB:.0f} MiB")  # noqa: T201  # the figure that was asked for
    assert [answer.text for answer in answers if answer.status_code >= 500] == []
    assert memory.growth < ONE_DECODER_BYTES_MAX, f"{memory.growth / MIB:.0f} MiB"
    assert len(view(staff, customer, max(taken, default=0), limit=200)) == len(taken)
    assert_well(served, staff)


# -- clients ------------------------------------------------------------------------------------------------------


def cut_at(token: str, body: bytes, at: int) -> bytes:
    return wire.upload(token, body[:at], length=len(body))


def leave_politely(client: socket.socket) -> None:
    client.close()


def leave_in_a_huff(client: socket.socket) -> None:
    """A reset in place of an end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def say_no_more(client: socket.socket) -> None:
    """The client's half is ended and it waits: for a refusal, or for the end."""
    client.shutdown(socket.SHUT_WR)
    answers = parse(drain(client))
    assert all(400 <= answer.status < 500 for answer in answers), answers
    client.close()


PLACES: dict[str, Callable[[bytes], int]] = {
    "before the body": lambda body: 0,
    "in the first boundary": lambda body: 5,
    "in the headers of the file": lambda body: body.index(b"filename") + 4,
    "at the beginning of the file": lambda body: body.index(b"%PDF"),
    "in the file": lambda body: body.index(b"%PDF") + 100,
    "at the end of the file": lambda body: body.rindex(b"\r\n--"),
    "in the last boundary": lambda body: len(body) - 6,
    "before the last byte": lambda body: len(body) - 1,
}


@pytest.mark.parametrize("leave", [leave_politely, leave_in_a_huff, say_no_more])
@pytest.mark.parametrize("place", PLACES)
def test_a_client_that_leaves_leaves_nothing(
    served: Served, token: str, place: str, leave: Callable[[socket.socket], None]
) -> None:
    body = wire.form(a_customer(served), a_letter(pages=20))
    with wire.nothing_stored(served):
        client = wire.connect(served)
        client.sendall(cut_at(token, body, PLACES[place](body)))
        leave(client)


def test_many_clients_that_leave_at_once_leave_nothing_and_take_no_place(
    served: Served, staff: httpx.Client, token: str
) -> None:
    """More than there are places for uploads."""
    assert served.settings.limits.uploads_concurrent_max < LEAVERS
    body = wire.form(a_customer(served), a_letter(pages=20) + bytes(200_000))
    with wire.nothing_stored(served), ExitStack() as open_ones:
        clients = [open_ones.enter_context(wire.connect(served)) for _ in range(LEAVERS)]
        for client in clients:
            client.sendall(cut_at(token, body, len(body) - 10))
        wait_until(lambda: len(wire.open_temporaries(served)) > 0, 30, "no upload began")
        for client in clients:
            leave_in_a_huff(client)
    assert_well(served, staff)


def test_slow_uploads_of_one_caller_leave_places_for_all_others(served: Served, staff: httpx.Client) -> None:
    """As many as all places of two workers; each is within its grace while the others upload."""
    slow, customer = served.new_token(f"slow-{secrets.token_hex(3)}", "staff"), a_customer(served)
    per_worker = served.settings.limits.uploads_concurrent_max
    assert per_worker * served.settings.workers <= SLOW_ONES
    body = wire.form(customer, a_letter(pages=20) + bytes(200_000))
    with ExitStack() as open_ones, ThreadPoolExecutor(12) as pool:
        for _ in range(SLOW_ONES):
            open_ones.enter_context(wire.connect(served)).sendall(cut_at(slow, body, 1_400))
        time.sleep(0.5)
        customers = [a_customer(served) for _ in range(12)]
        answers = list(pool.map(lambda c: select_file(staff, c), customers))
    assert [answer.status_code for answer in answers] == [201] * 12


def test_dripping_uploads_of_many_callers_give_way_to_others(served: Served, staff: httpx.Client) -> None:
    """Enough callers for all places of all workers, and half as many again: a place that is left has a next to take it.
    None is so slow for so long that it would be given up."""
    limits, customer = served.settings.limits, a_customer(served)
    callers = limits.uploads_concurrent_max // limits.uploads_per_caller_max * 3 // 2
    tokens = [served.new_token(f"drip-{secrets.token_hex(3)}", "staff") for _ in range(callers)]
    body = wire.form(customer, a_letter(pages=20) + bytes(200_000))
    with ExitStack() as open_ones, ThreadPoolExecutor(12) as pool:
        for token in tokens * limits.uploads_per_caller_max * served.settings.workers:
            open_ones.enter_context(wire.connect(served)).sendall(cut_at(token, body, 1_400))
        wait_until(
            lambda: len(wire.open_temporaries(served)) >= limits.uploads_concurrent_max, 10, "the places stay empty"
        )
        customers = [a_customer(served) for _ in range(12)]
        answers = list(pool.map(lambda c: select_file(staff, c), customers))
    assert [answer.status_code for answer in answers] == [201] * 12


def test_a_length_that_says_less_than_is_sent_stores_nothing(served: Served, token: str) -> None:
    """What was announced is no whole form, and what follows is no part of it."""
    body = wire.form(a_customer(served), a_letter())
    with wire.nothing_stored(served):
        answer = wire.ask(served, wire.upload(token, body, length=len(body) - 30))
        assert (answer.status, answer.slug) == (400, "malformed-request")


def test_a_length_that_says_more_than_is_sent_stores_nothing(served: Served, token: str) -> None:
    """A whole form with its last boundary, and yet not what was announced."""
    body = wire.form(a_customer(served), a_letter())
    with wire.nothing_stored(served):
        client = wire.connect(served)
        client.sendall(wire.upload(token, body, length=len(body) + 30))
        say_no_more(client)


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "", "99999999999999999999", "12, 12", " 12 34", "٣"])
def test_a_length_that_is_no_number_stores_nothing(served: Served, token: str, length: str) -> None:
    body = wire.form(a_customer(served), a_letter())
    head = wire.head("POST", "/v1/documents", wire.MULTIPART, "Content-Length: @", token=token)
    with wire.nothing_stored(served), wire.connect(served) as client:
        client.sendall(head.replace(b"@", length.encode()) + body)
        client.shutdown(socket.SHUT_WR)
        assert all(400 <= answer.status < 500 for answer in parse(drain(client)))


def test_a_client_that_leaves_before_its_answer_finds_its_paper_or_nothing_of_it(
    served: Served, staff: httpx.Client, token: str
) -> None:
    """The whole form arrived: it may be archived, and with its key the client learns which."""
    customer, data, key = a_customer(served), a_text(), secrets.token_hex(8)
    body = wire.form(customer, data, name="a.txt")
    client = wire.connect(served)
    client.sendall(wire.upload(token, body, f"Idempotency-Key: {key}"))
    leave_in_a_huff(client)
    time.sleep(0.2)
    item = archived(staff, customer, data, name="a.txt", headers={"Idempotency-Key": key})
    assert [row["id"] for row in view(staff, customer, item["position"])] == [item["id"]]
    assert served.contents() == served.named_contents()


def test_after_all_of_it_the_archive_is_well(served: Served, staff: httpx.Client, errors_before: list[str]) -> None:
    assert_well(served, staff)
    assert served.errors() == errors_before
