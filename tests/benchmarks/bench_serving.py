"""How near the archive comes to the bare yardstick (bare.py) for uploads, lists and downloads, in one run.

    ./run bench serving    requests a second of both and their ratio, medians of interleaved rounds

Uploads count until they are visible: the clock stops when the views stand at the last upload's position. How long one
upload takes until its 201, and until a reader on another connection gets the document, is told beside it.
"""

import asyncio
import functools
import io
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
from PIL import Image

from service.database import DATABASE
from tests.benchmarks import bare
from tests.http.served import embedded_url, free_port

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, UPLOADS, READS = 5, 400, 1200
CUSTOMERS = 20


def picture() -> bytes:
    """A JPEG of about 20 KB and 0.12 megapixels, as a photographed form is after shrinking."""
    noise = Image.frombytes("RGB", (80, 60), os.urandom(80 * 60 * 3)).resize((400, 300), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=50)
    return out.getvalue()


def unique(jpeg: bytes) -> bytes:
    """The same picture with a comment of its own, so that no upload is a duplicate."""
    comment = secrets.token_bytes(16)
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


Answer = tuple[int, dict[bytes, bytes], bytes]
FORM_FILE = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="page.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
)


class Target:
    """One service under load, over kept-alive connections with ready-made requests."""

    def __init__(self, port: int, token: str, prefix: str) -> None:
        self.port, self.token, self.prefix = port, token, prefix

    def upload(self, jpeg: bytes, customer: str) -> bytes:
        fields = {"customer": customer, "type": "LETTER", "note": "bench"}
        form = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
        body = "".join(form).encode() + FORM_FILE + unique(jpeg) + b"\r\n--b--\r\n"
        return self.request("POST", "/documents", "multipart/form-data; boundary=b", body)

    def list_of(self, customer: str) -> bytes:
        return self.request("GET", f"/customers/{customer}/documents?limit=20")

    def document(self, paper: str) -> bytes:
        return self.request("GET", f"/documents/{paper}")

    def content(self, paper: str) -> bytes:
        return self.request("GET", f"/documents/{paper}/content")

    def request(self, method: str, path: str, media_type: str | None = None, body: bytes = b"") -> bytes:
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.token}"]
        if media_type:
            lines += [f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Answer:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(b":") for line in lines[1:]) if k}
    body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    return int(lines[0].split()[1]), headers, body


async def load_with(port: int, requests: list[bytes], concurrency: int) -> tuple[float, list[Answer]]:
    """Seconds for all requests over so many connections, and their answers."""
    waiting = iter(requests)
    answers: list[Answer] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            answers.append(await ask(reader, writer, request))  # noqa: PERF401  # one iterator serves all connections
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(concurrency)))
    return time.perf_counter() - began, answers


async def uploads(target: Target, jpeg: bytes, concurrency: int, *, visible: bool) -> tuple[float, list[str]]:
    requests = [target.upload(jpeg, f"c{n % CUSTOMERS}") for n in range(UPLOADS)]
    began = time.perf_counter()
    _, answers = await load_with(target.port, requests, concurrency)
    assert all(status == 201 for status, _, _ in answers), [a for a in answers if a[0] != 201][:1]
    if visible:
        last = max(int(headers[b"archive-position"]) for _, headers, _ in answers)
        await until_visible(target, last)
    return UPLOADS / (time.perf_counter() - began), [msgspec.json.decode(body)["id"] for _, _, body in answers]


async def until_visible(target: Target, position: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    request = waiting_for(position, target.list_of("c0"))
    while (await ask(reader, writer, request))[0] != 200:
        pass
    writer.close()


def waiting_for(position: int, request: bytes) -> bytes:
    return request.replace(b"Host:", f"Archive-Min-Position: {position}\r\nHost:".encode(), 1)


async def seen(target: Target, jpeg: bytes, concurrency: int) -> tuple[float, float]:
    """Medians in seconds from the start of an upload to its 201, and to the answer of a reader who waits for it."""
    waiting = iter([target.upload(jpeg, f"c{n % CUSTOMERS}") for n in range(UPLOADS)])
    acknowledged: list[float] = []
    visible: list[float] = []

    async def one() -> None:
        writing, reading = [await asyncio.open_connection("127.0.0.1", target.port) for _ in range(2)]
        for request in waiting:
            began = time.perf_counter()
            _, headers, body = await ask(*writing, request)
            acknowledged.append(time.perf_counter() - began)
            document = target.document(msgspec.json.decode(body)["id"])
            status, _, _ = await ask(*reading, waiting_for(int(headers[b"archive-position"]), document))
            visible.append(time.perf_counter() - began)
            assert status == 200
        for _, writer in (writing, reading):
            writer.close()

    await asyncio.gather(*(one() for _ in range(concurrency)))
    return statistics.median(acknowledged), statistics.median(visible)


async def reads(target: Target, requests: list[bytes], concurrency: int) -> float:
    seconds, answers = await load_with(target.port, requests, concurrency)
    assert all(status == 200 for status, _, _ in answers), [a for a in answers if a[0] != 200][:1]
    return len(requests) / seconds


async def compare(archive: Target, yardstick: Target, urls: list[str]) -> None:
    jpeg = picture()
    print(f"a JPEG of {len(jpeg)} bytes, {ROUNDS} rounds, medians; requests a second")
    for customer in range(CUSTOMERS):
        await register(archive, f"c{customer}")
    papers: dict[Target, list[str]] = {archive: [], yardstick: []}

    async def upload(target: Target, concurrency: int) -> float:
        rate, made = await uploads(target, jpeg, concurrency, visible=target is archive)
        papers[target] += made
        return rate

    def lists(target: Target) -> Awaitable[float]:
        return reads(target, [target.list_of(f"c{n % CUSTOMERS}") for n in range(READS)], 16)

    def downloads(target: Target) -> Awaitable[float]:
        made = papers[target]
        return reads(target, [target.content(made[n % len(made)]) for n in range(READS)], 16)

    for concurrency in (4, 16):
        measure = functools.partial(upload, concurrency=concurrency)
        await row(f"upload until visible, c = {concurrency}", 0.4, archive, yardstick, measure)
    await visibility(archive, jpeg)
    await asyncio.to_thread(analyze, urls)
    await row("list of 20, c = 16", 0.7, archive, yardstick, lists)
    await row("download of 20 KB, c = 16", 0.5, archive, yardstick, downloads)


async def visibility(archive: Target, jpeg: bytes, concurrency: int = 4) -> None:
    pairs = [await seen(archive, jpeg, concurrency) for _ in range(ROUNDS)]
    acknowledged, visible = (1000 * statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    name = f"one upload, p50, c = {concurrency}"
    print(f"{name:30} 201 {acknowledged:7.1f} ms   seen {visible:6.1f} ms   ratio {ratio:.2f}   bar 1.5", flush=True)


async def row(
    name: str, bar: float, archive: Target, yardstick: Target, measure: Callable[[Target], Awaitable[float]]
) -> None:
    await measure(archive), await measure(yardstick)
    pairs = [(await measure(archive), await measure(yardstick)) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name:30} archive {ours:6.0f}   bare {theirs:6.0f}   ratio {ratio:.2f}   bar {bar}", flush=True)


async def register(target: Target, customer: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    request = target.request("PUT", f"/customers/{customer}", "application/json", b'{"name": "Bench"}')
    assert (await ask(reader, writer, request))[0] in (200, 201)
    writer.close()


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A server that says `ready`, ended with SIGTERM."""
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process: subprocess.Popen[str] = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, **quiet)  # type: ignore[call-overload]  # given by name
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready"), "it did not start"
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def both(folder: Path) -> Iterator[tuple[Target, Target, list[str]]]:
    """The archive and the yardstick on the archive's Postgres, and the addresses of their databases."""
    home, ports = folder / "home", (free_port(), free_port())
    environment = {**os.environ, "DOSSIER_HOME": str(home), "DOSSIER_PORT": str(ports[0]), "PYTHONPATH": str(ROOT)}
    with started(["-m", "service", "serve"], environment):
        embedded = embedded_url(home)
        url = embedded.replace(f"/{DATABASE}?", "/bare?")
        with psycopg.connect(embedded, autocommit=True) as conn:
            conn.execute("create database bare")
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(bare.TABLES)
        (folder / "bare").mkdir()
        token = (home / "operator.token").read_text().strip()
        with started(["-m", "tests.benchmarks.bare", url, f"{folder}/bare", str(ports[1])], environment):
            yield Target(ports[0], token, "/v1"), Target(ports[1], "-", ""), [embedded, url]


def analyze(urls: list[str]) -> None:
    """As autovacuum does within a minute: until then Postgres plans for the empty tables that it saw first."""
    for url in urls:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("analyze")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dossier-bench-") as folder:
        Path(folder).chmod(0o711)
        with both(Path(folder)) as (archive, yardstick, urls):
            asyncio.run(compare(archive, yardstick, urls))


if __name__ == "__main__":
    main()
