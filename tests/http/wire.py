"""Bytes on a socket of their own to the real program, for what no HTTP library sends; and that they left nothing."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from domain.administration import SYSTEM
from store.mapper import BY_TOPIC
from tests.http.memory import tree_of
from tests.http.served import Served, wait_until
from tests.http.tiny import Answer, drain, parse

BOUNDARY = "----dossier"
MULTIPART = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


def connect(served: Served, *, timeout: float = 60.0) -> socket.socket:
    return socket.create_connection((served.settings.host, served.settings.port), timeout=timeout)


def ask(served: Served, request: bytes) -> Answer:
    """The one answer to these bytes; the server closes the connection, for the request says so or is unsound."""
    with connect(served) as client:
        client.sendall(request)
        answers = parse(drain(client))
    assert len(answers) == 1, answers
    return answers[0]


def head(method: str, path: str, *headers: str, token: str | None = None, host: str | None = "localhost") -> bytes:
    """A request up to its body, in Latin-1 and with nothing put right."""
    lines = [f"{method} {path} HTTP/1.1", "Connection: close"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1")


def upload(token: str, body: bytes, *headers: str, length: int | None = None, **more: str | None) -> bytes:
    """A Select file; `length` is what its Content-Length says, where that is not the truth."""
    says = f"Content-Length: {len(body) if length is None else length}"
    return head("POST", "/v1/documents", MULTIPART, says, *headers, token=token, **more) + body


def form(customer: str, data: bytes, *, name: str = "letter.pdf", end: bool = True, **fields: str) -> bytes:
    """The body of a Select file; without `end` it has no last boundary."""
    texts = {"customer": customer, "type": "LETTER", **fields}
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in texts.items()]
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return "".join([*parts, file]).encode() + data + (f"\r\n--{BOUNDARY}--\r\n".encode() if end else b"")


def open_temporaries(served: Served) -> list[str]:
    """Uploads that a process of the archive holds, in memory or under HOME/tmp; no listing shows what has no name."""
    return [
        target
        for pid in tree_of(served.process.pid)
        for target in links(Path(f"/proc/{pid}/fd"))
        if target.startswith((f"{served.home}/tmp/", "/memfd:upload"))
    ]


def links(folder: Path) -> Iterator[str]:
    try:
        for entry in folder.iterdir():
            yield str(entry.readlink())
    except OSError:
        return  # the process or its descriptor went meanwhile


Stored = dict[str, set[tuple[Any, ...]]]


def stored(served: Served) -> Stored:
    """All that an upload may leave behind. Of events, claims and keys the paper stands first."""
    events = "select originator_id, notification_id from archive.archive_events"
    claims, keys = "select owner, kind, digest from archive.claim", "select paper, customer from keys.paper"
    return {
        "contents": {(name,) for name in served.contents()},
        "commands": {*served.sql("select actor, key from archive.command")},
        **{name: {*served.sql(query)} for name, query in {"events": events, "claims": claims, "keys": keys}.items()},
    }


def ended_by_itself(served: Served, after: int) -> set[UUID]:
    """The papers of which the archive itself has written since: what tests before left lapses while this one runs."""
    rows = served.sql(
        "select originator_id, topic, state from archive.archive_events where notification_id > %s", [after]
    )
    return {paper for paper, topic, state in rows if BY_TOPIC[topic].decode(state).meta.actor == SYSTEM}


@contextmanager
def nothing_stored(served: Served) -> Iterator[None]:
    """What is done inside adds no event, key, claim, command or content and leaves no temporary file, open or named."""
    position, before = served.last_position(), stored(served)
    yield
    wait_until(lambda: open_temporaries(served) == [], 30, "a temporary file stays open")
    after = stored(served)
    others = ended_by_itself(served, position)
    changes = {(name, one) for name in before for one in before[name] ^ after[name] if one[0] not in others}
    assert changes == set()
    assert served.temporary_files() == []
