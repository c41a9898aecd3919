"""One caller attacks with all that it has, and the others' uploads are answered; no proxy stands in front.

3 seconds in the check, 30 with DOSSIER_LONG=1; the figure is printed with -s.
"""

import os
import secrets
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import count
from threading import Event

import msgspec
from PIL import Image

from tests.http import wire
from tests.http.desk import a_customer, a_letter, archived, select_file
from tests.http.served import Served
from tests.paper.files import saved

SECONDS, HEAVY = (30.0, 8) if os.environ.get("DOSSIER_LONG") == "1" else (3.0, 3)
PAGES, THUMBNAILS, LEAVERS, SLOW = 24, 8, 8, 64
UPLOADERS = 4
ANSWERED_SECONDS = 3.0
PART_MIN = 0.95
PAUSE_SECONDS = 0.2


class Upload(msgspec.Struct, frozen=True):
    """What came of one upload of somebody else."""

    status: int
    seconds: float

    @property
    def is_well(self) -> bool:
        return self.status == 201 and self.seconds <= ANSWERED_SECONDS


def test_uploads_of_others_are_answered_while_one_caller_attacks(served: Served) -> None:
    attacker = served.new_token(f"attacker-{secrets.token_hex(3)}", "staff")
    papers = [archived(served.client(attacker), a_customer(served), a_heavy_png(), name="a.png") for _ in range(HEAVY)]
    targets = [paper["id"] for paper in papers]
    tokens = [served.new_token(f"other-{secrets.token_hex(3)}", "staff") for _ in range(UPLOADERS)]
    customers = [a_customer(served) for _ in range(UPLOADERS)]
    over = Event()
    with ThreadPoolExecutor(PAGES + THUMBNAILS + LEAVERS + 1 + UPLOADERS) as pool:
        attacks = [
            *(pool.submit(ask_for_pages, served, attacker, targets, 2_400 - n, over) for n in range(PAGES)),
            *(pool.submit(ask_for_pages, served, attacker, targets, 100 + n, over) for n in range(THUMBNAILS)),
            *(pool.submit(leave, served, attacker, targets, 1_200 + n, over) for n in range(LEAVERS)),
            pool.submit(drip, served, attacker, customers[0], over),
        ]
        others = list(zip(tokens, customers, strict=True))
        uploads = [pool.submit(upload_often, served, token, customer, over) for token, customer in others]
        time.sleep(SECONDS)
        over.set()
        done = [upload for uploading in uploads for upload in uploading.result()]
        for attack in attacks:
            attack.result()
    part = sum(upload.is_well for upload in done) / len(done)
    times = sorted(upload.seconds for upload in done)
    refused = sum(upload.status != 201 for upload in done)
    sys.stdout.write(
        f"\n{len(done)} uploads in {SECONDS:.0f} s, {part:.1%} answered with 201 within {ANSWERED_SECONDS:.0f} s;"
        f" {refused} refused; median {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s\n"
    )
    assert part >= PART_MIN


def a_heavy_png() -> bytes:
    """190 KB that take a processor a second for each page image."""
    return saved(Image.new("RGBA", (7_000, 7_000), f"#{secrets.token_hex(4)}"), "PNG")


def upload_often(served: Served, token: str, customer: str, over: Event) -> list[Upload]:
    client, done = served.client(token), list[Upload]()
    while not over.is_set():
        began = time.monotonic()
        answer = select_file(client, customer, a_letter())
        done.append(Upload(answer.status_code, time.monotonic() - began))
        over.wait(PAUSE_SECONDS)
    return done


def ask_for_pages(served: Served, token: str, papers: list[str], width: int, over: Event) -> None:
    """The image of one paper after the other, each in another width, so that none was made before."""

    def ask(request: bytes) -> None:
        with wire.connect(served) as client:
            client.sendall(request)
            client.settimeout(0.5)
            while not over.is_set():
                with suppress(TimeoutError):
                    if not client.recv(65_536):
                        return

    until_over(ask, token, papers, width, over)


def leave(served: Served, token: str, papers: list[str], width: int, over: Event) -> None:
    """Ask, and go before the answer."""

    def ask(request: bytes) -> None:
        with wire.connect(served) as client:
            client.sendall(request)
            over.wait(0.3)

    until_over(ask, token, papers, width, over)


def until_over(ask: Callable[[bytes], None], token: str, papers: list[str], width: int, over: Event) -> None:
    for turn in count(width):
        if over.is_set():
            return
        paper = papers[turn % len(papers)]
        path = f"/v1/documents/{paper}/pages/1?width={max(16, width - turn % 64)}"
        with suppress(OSError):
            ask(wire.head("GET", path, token=token))


def drip(served: Served, token: str, customer: str, over: Event) -> None:
    """Uploads that send 1.4 kB/s each, with new ones for those that were given up."""
    body = wire.form(customer, a_letter(pages=20) + bytes(200_000))
    with ExitStack() as held:
        clients = {n: held.enter_context(wire.connect(served)) for n in range(SLOW)}
        for client in clients.values():
            client.sendall(wire.upload(token, b"", length=len(body)))
        for at in count(0, 1_400):
            for n, client in list(clients.items()):
                try:
                    client.sendall(body[at : at + 1_400])
                except OSError:
                    clients[n] = held.enter_context(wire.connect(served))
                    with suppress(OSError):
                        clients[n].sendall(wire.upload(token, body[:at], length=len(body)))
            if over.wait(1.0):
                return
