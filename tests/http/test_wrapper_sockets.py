"""The front behind the real server, asked over real sockets: what no test of messages alone can show."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.http.tiny import Answer, Served, ask, connect, converse, drain, eventually, parse, serving

LIMITS = {
    "upload_bytes_max": 2_000_000, "json_body_bytes_max": 10_000, "header_seconds_max": 5.0, "disk_free_bytes_min": 0,
    "upload_grace_seconds": 1.0, "upload_rate_bytes_per_second_min": 1_000_000,
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    cut = "returned without completing the response"
    with serving(tmp_path_factory.mktemp("front"), limits=LIMITS, hosts=["a"], complaint=cut) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_is_left_behind(served: Served) -> Iterator[None]:
    """After every test: no file without a name is open in the worker, and only whole uploads were stored."""
    yield
    eventually(lambda: served.get("/calls")["open"] == 0)
    for path in served.stored():
        assert path.name == f"stored-{hashlib.sha256(path.read_bytes()).hexdigest()}"


def get(path: str, *more: str, method: str = "GET") -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", "Connection: close", *more, "", ""])


def post(path: str, body: bytes, *more: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: a", "Connection: close", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


def form(file: bytes) -> bytes:
    return (
        b'--b\r\nContent-Disposition: form-data; name="customer"\r\n\r\n100234\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="letter.pdf"\r\n\r\n' + file + b"\r\n--b--\r\n"
    )


MULTIPART = "Content-Type: multipart/form-data; boundary=b"
OCTETS = "Content-Type: application/octet-stream"


# --- framing that two programs could read differently: refused, and no handler runs, not even later ---

HIDDEN = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED_HIDDEN = b"0\r\n\r\n" + HIDDEN


@pytest.mark.parametrize(
    "headers",
    [
        b"Host: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked", b"Host: a\r\nTransfer-Encoding: chunked",
        b"Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Host: a\r\nTransfer-Encoding: gzip, chunked", b"Host: a\r\nTransfer-Encoding: xchunked",
        b"Host: a\r\nTransfer-Encoding : chunked", b"Host: a\r\nTransfer-Encoding:\tchunked",
        b"Host: a\r\nTransfer-Encoding: identity", b"Host: a\r\nContent-Length: 5\r\nContent-Length: 6",
        b"Host: a\r\nContent-Length: 5\r\nContent-Length: 5", b"Host: a\r\nContent-Length: +5",
        b"Host: a\r\nContent-Length: -1", b"Host: a\r\nContent-Length: 0x5", b"Host: a\r\nContent-Length: 5, 5",
        b"Host: a\r\nX: 1\nContent-Length: 5",
        b"Host: a\r\nX: 1\r\n folded: yes", b"Host: a\r\nX: \0", b"Host: a\r\nHost: b\r\nContent-Length: 5",
        b"Content-Length: 5", b"Host:\r\nContent-Length: 5", b"Host: b\r\nContent-Length: 5",
        b"Host: a/b@c\r\nContent-Length: 5", b"Host: a\r\nContent-Encoding: gzip\r\nContent-Length: 5",
    ],
)  # fmt: skip
def test_ambiguous_framing_runs_no_handler(served: Served, headers: bytes) -> None:
    before = served.get("/calls")["calls"]
    data = converse(served, b"POST /echo HTTP/1.1\r\n" + headers + b"\r\n\r\n" + CHUNKED_HIDDEN)
    statuses = [answer.status for answer in parse(data)]
    assert statuses[:1] in ([400], [411], [413], [415], [501])
    assert len(statuses) == 1
    assert served.get("/calls")["calls"] == before


def test_what_follows_a_request_without_a_length_is_no_request(served: Served) -> None:
    data = converse(served, b"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN)
    assert len(parse(data)) == 1


def test_a_length_beyond_all_numbers_is_too_large(served: Served) -> None:
    with connect(served) as client:
        client.sendall(get("/echo", "Content-Length: " + "9" * 30, OCTETS, method="POST").encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "line",
    [
        b"PRI * HTTP/2.0",
        b"GET /hello",
        b"GET /hello HTTP/9.9",
        b"GET  /hello HTTP/1.1",
        b"G\0T /hello HTTP/1.1",
        b"GET hello HTTP/1.1",
        b"GET * HTTP/1.1",
    ],
)
def test_a_broken_request_line_runs_no_handler(served: Served, line: bytes) -> None:
    before = served.get("/calls")["calls"]
    answers = parse(converse(served, line + b"\r\nHost: a\r\n\r\n" + HIDDEN))
    assert all(answer.status >= 400 for answer in answers)
    assert served.get("/calls")["calls"] == before


@pytest.mark.parametrize(
    "target", ["/a%00b", "/a%0d%0ab", "/%2e%2e/hello", "/a/%2e%2e", "/a%5cb", "/%ff", "http://b/hello"]
)
def test_a_target_that_others_read_differently_is_a_problem(served: Served, target: str) -> None:
    assert ask(served, get(target)).slug == "malformed-request"


def test_a_target_in_absolute_form_is_routed(served: Served) -> None:
    assert ask(served, get("http://a/hello")).body.startswith(b"hello")


def test_pipelined_requests_are_answered_in_order_each_once(served: Served) -> None:
    before = served.get("/calls")["calls"]
    names = [f"n{number}" for number in range(50)]
    requests = "".join(f"GET /name/{name} HTTP/1.1\r\nHost: a\r\n\r\n" for name in names[:-1]) + get("/name/n49")
    answers = parse(converse(served, requests))
    assert [answer.body.split()[1].decode() for answer in answers] == names
    assert served.get("/calls")["calls"] == before + 50


def test_a_request_behind_a_body_is_served_whether_the_body_was_read_or_not(served: Served) -> None:
    before = served.get("/calls")["calls"]
    body = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
    for path in ("/echo", "/ignore"):
        first = post(path, body, OCTETS).replace(b"Connection: close\r\n", b"")
        answers = parse(converse(served, first + get("/name/last").encode()))
        assert [answer.status for answer in answers] == [200, 200]
        assert answers[1].body.startswith(b"name last")
    assert served.get("/calls")["calls"] == before + 4


# --- bodies ---


def test_a_body_arrives_whole_in_any_pieces(served: Served) -> None:
    body = bytes(range(256)) * 4000
    with connect(served) as client:
        data = post("/echo", body, OCTETS)
        for at in range(0, len(data), 200_000):
            client.sendall(data[at : at + 200_000])
            time.sleep(0.01)
        (answer,) = parse(drain(client))
    assert json.loads(answer.body) == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_a_form_is_stored(served: Served) -> None:
    answer = ask(served, post("/form", form(b"%PDF-1.7 ..."), MULTIPART))
    assert json.loads(answer.body) == {"fields": {"customer": "100234"}, "name": "letter.pdf", "size": 12}
    assert f"stored-{hashlib.sha256(b'%PDF-1.7 ...').hexdigest()}" in [path.name for path in served.stored()]


@pytest.mark.parametrize("sent", [0, 1, 100, 70_000, 1_500_000])
@pytest.mark.parametrize("reset", [False, True])
def test_a_body_cut_by_its_sender_is_never_taken_as_complete(served: Served, sent: int, reset: bool) -> None:
    stored, echoed = served.stored(), len([n for n in served.notes() if n.startswith("echoed")])
    for path, kind in (("/form", MULTIPART), ("/echo", OCTETS)):
        data = post(path, form(b"x" * 1_600_000), kind)
        head = data.index(b"\r\n\r\n") + 4
        with connect(served) as client:
            client.sendall(data[: head + sent])
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            else:
                client.shutdown(socket.SHUT_WR)
                drain(client)
    eventually(lambda: served.get("/calls")["open"] == 0)
    assert served.stored() == stored
    assert len([n for n in served.notes() if n.startswith("echoed")]) == echoed


@pytest.mark.parametrize("sent", [0, 50, 500_000])
def test_a_body_that_stalls_is_answered_408(served: Served, sent: int) -> None:
    data = post("/form", form(b"x" * 1_000_000), MULTIPART)
    head = data.index(b"\r\n\r\n") + 4
    (answer,) = parse(converse(served, data[: head + sent]))
    assert (answer.status, answer.slug) == (408, "request-timeout")
    assert answer.headers["connection"] == "close"


def test_an_upload_over_the_limit_is_refused_so_that_the_sender_can_read_it(served: Served) -> None:
    """The sender reads only after it has sent everything, as browsers do: a reset would lose the answer."""
    for _ in range(5):
        answer = ask(served, post("/form", form(b"x" * 6_000_000), MULTIPART))
        assert (answer.status, answer.slug) == (413, "content-too-large")
        assert "2000000 bytes" in answer.problem["detail"]


def test_a_refusal_before_the_body_was_read_reaches_its_sender_too(served: Served) -> None:
    for _ in range(5):
        answer = ask(served, post("/deny", b"x" * 1_900_000, OCTETS))
        assert (answer.status, answer.slug) == (401, "unauthenticated")


def test_a_sender_that_asks_first_is_refused_without_sending(served: Served) -> None:
    head = get("/deny", "Content-Length: 1000000", OCTETS, "Expect: 100-continue", method="POST")
    data = converse(served, head)
    assert data.startswith(b"HTTP/1.1 401 ")
    assert b"100 Continue" not in data


def test_a_sender_that_asks_first_is_told_to_go_on(served: Served) -> None:
    with connect(served) as client:
        client.sendall(get("/echo", "Content-Length: 3", OCTETS, "Expect: 100-continue", method="POST").encode())
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        (answer,) = parse(drain(client))
    assert json.loads(answer.body)["size"] == 3


# --- answers ---


@pytest.mark.parametrize("path", ["/name/x", "/big?size=300000", "/nowhere"])
def test_head_has_the_headers_of_get_and_no_body(served: Served, path: str) -> None:
    one, other = ask(served, get(path)), converse(served, get(path, method="HEAD"))
    head, _, body = other.partition(b"\r\n\r\n")
    names = {line.split(b":")[0].decode().lower() for line in head.split(b"\r\n")[1:]}
    assert body == b""
    assert other.startswith(f"HTTP/1.1 {one.status} ".encode())
    assert names == set(one.headers)
    assert f"content-length: {one.headers['content-length']}".encode() in head.lower()


def test_head_of_an_endless_stream_ends(served: Served) -> None:
    assert converse(served, get("/events", method="HEAD")).startswith(b"HTTP/1.1 200 ")


def test_an_answer_that_fails_midway_is_seen_to_be_cut(served: Served) -> None:
    data = converse(served, get("/cut"))
    assert data.startswith(b"HTTP/1.1 200 ")
    assert data.endswith(b"begin\r\n"), "no closing chunk"
    fault = next(line for line in reversed(served.log()) if "failure" in line)
    assert fault["failure"][0]["type"] == "builtins.LookupError"


def test_every_error_is_a_problem_and_no_value_reaches_answer_or_log(served: Served) -> None:
    assert ask(served, get("/fault")).slug == "internal-error"
    assert ask(served, get("/nowhere")).slug == "not-found"
    assert ask(served, get("/hello", method="DELETE")).slug == "method-not-allowed"
    ask(served, get("/name/Jansen?q=Jansen"))
    ask(served, get("/Jansen"))
    log = (served.home / "log").read_text()
    assert "Jansen" not in log
    assert '"route":"/name/{name}"' in log


# --- many slow ones ---


def test_two_hundred_slow_uploads_leave_the_others_alone(served: Served) -> None:
    """Each sends a byte now and then; every GET meanwhile is answered, within a second."""
    head = get("/form", "Content-Length: 100000", MULTIPART, method="POST").encode() + form(b"x" * 9)[:100]
    clients = [connect(served) for _ in range(200)]
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.1):
            for client in clients:
                try:
                    client.send(b"x")
                except OSError:
                    return

    for client in clients:
        client.sendall(head)
    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        answers: list[Answer] = [ask(served, get("/hello"), timeout=1.0) for _ in range(50)]
    finally:
        stop.set()
        dripping.join()
        for client in clients:
            client.close()
    assert [answer.status for answer in answers] == [200] * 50
