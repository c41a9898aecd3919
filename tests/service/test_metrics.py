"""/metrics of the real program: one sum over all processes, whoever is asked, on its own port or on the main one."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service import metrics
from service.beats import PartStatus
from service.figures import build_figures
from service.settings import load_settings_from
from tests.builders.mounts import mounted
from tests.http.served import ROOT, Served, free_port, name_of, parent_of, serving, wait_until

ASKED = 24
SECONDS = 30


@pytest.fixture(scope="module")
def apart() -> Iterator[Served]:
    """An archive whose figures have a port of their own."""
    with serving(DOSSIER_METRICS_PORT=str(free_port())) as served:
        yield served


def figures(served: Served) -> dict[str, float]:
    """Every sample by its name and labels, as a collector reads it. A connection of its own each time."""
    answer = httpx.get(address(served))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.text)


def samples(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def address(served: Served) -> str:
    return f"http://{served.settings.host}:{served.settings.metrics_port}/metrics"


def counted(route: str, status: int = 200, method: str = "GET") -> str:
    return f'dossier_requests_total{{method="{method}",route="{route}",status="{status}"}}'


def processes(served: Served, name: str) -> list[int]:
    return [pid for pid in served.processes() if name_of(pid) == name]


def answers(served: Served) -> bool:
    """A killed worker takes those with it who had just come."""
    try:
        return fresh(served, "/livez") == 200
    except httpx.TransportError:
        return False


def fresh(served: Served, path: str) -> int:
    """On a connection of its own, so that any worker may take it."""
    return httpx.get(f"{served.url}{path}").status_code


def test_the_own_port_answers_without_a_token_and_the_main_port_no_longer(apart: Served) -> None:
    assert figures(apart)
    assert apart.as_("operator").get("/metrics").status_code == 404
    assert apart.client(None).get("/metrics").status_code == 401


def test_requests_of_all_workers_are_in_one_sum(apart: Served) -> None:
    before = figures(apart).get(counted("/version"), 0)
    assert {fresh(apart, "/version") for _ in range(ASKED)} == {200}
    after = figures(apart)
    assert after[counted("/version")] - before == ASKED
    assert after['dossier_request_seconds_count{method="GET",route="/version"}'] == after[counted("/version")]


def test_what_a_killed_worker_counted_is_not_forgotten(apart: Served) -> None:
    for _ in range(ASKED):
        fresh(apart, "/version")
    before = figures(apart)[counted("/version")]
    web = processes(apart, "dossier-web")
    workers = [pid for pid in web if parent_of(pid) in web]
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: answers(apart), SECONDS, "no new worker answers")
    assert len(workers) == apart.settings.workers
    assert figures(apart)[counted("/version")] == before


def test_where_each_view_stands_is_told_and_comes_to_the_end_of_the_log(apart: Served) -> None:
    last = apart.last_position()
    for view in ("audit_history", "authorizations", "customer_documents"):
        name = f'{{view="{view}"}}'
        wait_until(lambda name=name: figures(apart)[f"dossier_view_position{name}"] == last, SECONDS, "it stays behind")  # type: ignore[misc]  # mypy cannot infer a default argument
        assert figures(apart)[f"dossier_view_lag_events{name}"] == 0


def test_how_far_the_clocks_are_apart_is_told(apart: Served) -> None:
    assert abs(figures(apart)["dossier_clock_skew_seconds"]) < 60


def test_a_killed_projector_is_back_on_the_same_port_and_callers_waited(apart: Served) -> None:
    (projector,) = processes(apart, "dossier-project")
    os.kill(projector, signal.SIGKILL)
    assert httpx.get(address(apart), timeout=SECONDS).status_code == 200
    assert processes(apart, "dossier-project") != [projector]


def test_addresses_and_methods_that_there_are_not_are_refused_as_problems(apart: Served) -> None:
    absent = httpx.get(address(apart).replace("/metrics", "/v1/customers/100234"))
    assert (absent.status_code, absent.headers["content-type"]) == (404, "application/problem+json")
    assert absent.json()["type"] == "/problems/not-found"
    posted = httpx.post(address(apart), content=b"x")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    head = httpx.head(address(apart))
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("said", [b"\r\n\r\n", b"GET /metrics\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n"])
def test_what_is_no_request_gets_a_400(apart: Served, said: bytes) -> None:
    with socket.create_connection((apart.settings.host, apart.settings.metrics_port or 0), SECONDS) as raw:
        raw.sendall(said)
        assert raw.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"


def test_callers_that_say_nothing_or_too_much_are_let_go_and_hold_up_nobody(apart: Served) -> None:
    from web.metrics_port import CONNECTIONS_MAX, HEAD_BYTES_MAX

    where = (apart.settings.host, apart.settings.metrics_port or 0)
    silent = [socket.create_connection(where, SECONDS) for _ in range(CONNECTIONS_MAX - 2)]
    try:
        with socket.create_connection(where, SECONDS) as endless:
            endless.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES_MAX)
            assert endless.recv(1) == b""
        assert figures(apart)
        assert [one.recv(1) for one in silent] == [b""] * len(silent)
    finally:
        for one in silent:
            one.close()


def test_invented_methods_and_paths_make_no_new_figures(apart: Served) -> None:
    """They once stood as labels, and anybody could fill the disk with them, without a token."""
    httpx.request("MKCOL", f"{apart.url}/version")
    before = {*figures(apart)}
    for n in range(5):
        httpx.request(f"METHOD{n}", f"{apart.url}/version")
        httpx.get(f"{apart.url}/nothing-{n}")
    new = {*figures(apart)} - before
    assert not [name for name in new if re.search(r"METHOD|nothing", name)]


def test_without_a_port_of_their_own_they_are_for_the_operator_on_the_main_port(served: Served) -> None:
    for role, status in (("viewer", 403), ("supervisor", 403), ("integration", 403), ("operator", 200)):
        assert served.as_(role).get("/metrics").status_code == status, role
    assert served.client(None).get("/metrics").status_code == 401


def test_on_the_main_port_every_worker_tells_the_same_sum(served: Served) -> None:
    for _ in range(ASKED):
        fresh(served, "/version")
    headers = {"Authorization": f"Bearer {served.operator_token}"}
    told = {samples(httpx.get(f"{served.url}/metrics", headers=headers).text)[counted("/version")] for _ in range(8)}
    assert len(told) == 1


COUNT = """
import os, sys
from pathlib import Path
from service import metrics
with metrics.prepare_folder(Path(sys.argv[1]), Path(sys.argv[2])) as folder:
    if os.fork() == 0:
        metrics.Metrics().count_answer("GET", "/livez", 200, 0.1)
        os._exit(0)
    ended = os.wait()[1]
    metrics.Metrics().count_answer("GET", "/livez", 200, 0.1)
    print(folder, *sorted(file.stat().st_blocks * 512 for file in folder.iterdir()), sep="\\n")
    print(metrics.render_metrics([]).decode())
sys.exit(ended)
"""
"""A child counts and ends, then its parent counts: prints the folder, the bytes that each file takes, and the sum."""


def count(home: Path, memory: Path) -> tuple[Path, list[int], dict[str, float], str]:
    """The folder, the bytes of its files, what /metrics says, and the log."""
    done = subprocess.run([sys.executable, "-c", COUNT, home, memory], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
    folder, *rest = done.stdout.splitlines()
    sizes = [int(line) for line in rest if line.isdigit()]
    return Path(folder), sizes, samples("\n".join(rest[len(sizes) :])), done.stderr


def test_the_files_lie_in_a_private_folder_in_memory_and_go_with_serve(tmp_path: Path) -> None:
    with metrics.prepare_folder(tmp_path) as folder:
        assert folder.parent == metrics.MEMORY
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_start_removes_what_a_killed_serve_left_and_nobody_elses(tmp_path: Path) -> None:
    memory, home, other = (tmp_path / name for name in ("memory", "home", "other"))
    for folder in (memory, home, other):
        folder.mkdir()
    with (
        metrics.prepare_folder(home, memory) as left,
        metrics.prepare_folder(other, memory) as foreign,
        metrics.prepare_folder(home, memory),
    ):
        assert not left.exists()
        assert foreign.exists()


def test_a_process_has_all_its_room_before_it_counts_and_gives_it_back_when_it_ended(tmp_path: Path) -> None:
    for memory in (tmp_path / "memory", tmp_path / "missing"):
        (tmp_path / "memory").mkdir(exist_ok=True)
        folder, sizes, said, _ = count(tmp_path, memory)
        assert (folder.parent == memory) == memory.exists()
        kept = len(metrics.RESERVED_BYTES) - 1  # what a process had at hand ends with it
        assert sum(sizes[:kept]) < 64 << 10, "of the one that ended"
        assert sizes[kept:] == sorted(metrics.RESERVED_BYTES.values())
        assert said[counted("/livez")] == 2


def test_a_file_has_its_name_only_when_it_has_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever collected while a worker started read a file without its first bytes, and got no answer."""
    seen, reserve = list[int](), os.posix_fallocate

    def look_and_reserve(file: int, begin: int, length: int) -> None:
        seen.extend(path.stat().st_size for path in tmp_path.glob("*.db"))
        metrics.render_metrics([])
        reserve(file, begin, length)

    monkeypatch.setenv(metrics.FOLDER, str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", look_and_reserve)
    metrics._reserve_room(tmp_path)
    metrics._reserve_room(tmp_path)
    assert seen
    assert min(seen) > 0
    kinds = metrics.RESERVED_BYTES
    assert {path.name for path in tmp_path.iterdir()} == {f"{kind}_{os.getpid()}.db" for kind in kinds}


def test_each_part_the_release_and_the_disks_are_told(apart: Served) -> None:
    found = figures(apart)
    for part in ("paper", "projector", "web"):
        label = f'{{part="{part}"}}'
        assert found[f"dossier_part_cpu_seconds_total{label}"] > 0
        assert found[f"dossier_part_resident_bytes{label}"] > 10 << 20
        assert found[f"dossier_part_open_files{label}"] > 5
        assert found[f"dossier_part_silence_seconds{label}"] < SECONDS
        assert found[f"dossier_part_start_time_seconds{label}"] > 1_700_000_000
        assert f"dossier_part_restarts_total{label}" in found
    assert found['dossier_part_processes{part="web"}'] == 1 + apart.settings.workers
    assert found['dossier_free_bytes{of="content"}'] > 0
    [built] = [name for name in found if name.startswith("dossier_build_info")]
    assert fresh_json(apart, "/version")["commit"] in built


def test_a_part_that_has_not_begun_or_has_ended_takes_nothing(tmp_path: Path) -> None:
    """The parent of the first process of a machine is 0, and so are the numbers of a part before its start."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    settings = load_settings_from({"DOSSIER_HOME": str(tmp_path)})
    parts = [PartStatus(part, pid, 0.0, 0.0, 0) for part, pid in (("web", 0), ("paper", ended.pid))]
    told = build_figures(settings, parts, []).decode()
    for part in ("web", "paper"):
        assert f'dossier_part_processes{{part="{part}"}} 0\n' in told
        assert f'dossier_part_resident_bytes{{part="{part}"}} 0\n' in told


def fresh_json(served: Served, path: str) -> dict[str, str]:
    told: dict[str, str] = httpx.get(f"{served.url}{path}").json()
    return told


def test_refused_uploads_are_told_by_reason_and_streams_while_they_are_open(apart: Served) -> None:
    client = apart.as_("operator")
    assert client.post("/v1/documents", files={"file": b""}).status_code == 422
    assert client.get("/v1/documents/nothing").status_code == 404
    found = figures(apart)
    assert found['dossier_refusals_total{reason="validation-failed",upload="yes"}'] >= 1
    assert found['dossier_refusals_total{reason="not-found",upload="no"}'] >= 1
    assert found["dossier_event_streams"] == 0
    with client.stream("GET", "/v1/events/stream") as stream:
        assert stream.status_code == 200
        wait_until(lambda: figures(apart)["dossier_event_streams"] == 1, SECONDS, "it is not counted")
    wait_until(lambda: figures(apart)["dossier_event_streams"] == 0, SECONDS, "it is still counted")


def test_an_upload_under_way_and_the_connections_of_the_pools_are_told(apart: Served) -> None:
    size = 1 << 20
    head = f"POST /v1/documents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {apart.operator_token}\r\n"
    kind = "Content-Type: multipart/form-data; boundary=b\r\n"
    with socket.create_connection((apart.settings.host, apart.settings.port), SECONDS) as slow:
        slow.sendall(f"{head}{kind}Content-Length: {size}\r\n\r\n--b\r\n".encode())
        wait_until(lambda: figures(apart)["dossier_uploads_in_flight"] == 1, SECONDS, "it is not counted")
    wait_until(lambda: figures(apart)["dossier_uploads_in_flight"] == 0, SECONDS, "it is still counted")
    found = figures(apart)
    pools = sum(found[f'dossier_pool_connections{{pool="reads",state="{state}"}}'] for state in ("busy", "free"))
    assert pools >= apart.settings.workers
    assert found['dossier_pool_waiting{pool="reads"}'] == 0


def test_what_a_killed_worker_had_at_hand_is_gone_with_it(apart: Served) -> None:
    with apart.as_("operator").stream("GET", "/v1/events/stream"):
        wait_until(lambda: figures(apart)["dossier_event_streams"] == 1, SECONDS, "it is not counted")
        web = processes(apart, "dossier-web")
        for worker in [pid for pid in web if parent_of(pid) in web]:
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: figures(apart)["dossier_event_streams"] == 0, SECONDS, "it is still counted")
    wait_until(lambda: answers(apart), SECONDS, "no new worker answers")


@pytest.mark.parametrize("free_bytes", [0, 16 << 10, 300 << 10])
def test_a_full_disk_ends_no_process_that_counts(tmp_path: Path, free_bytes: int) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1m", "none") as disk:
        (disk / "run").mkdir()
        room = os.statvfs(disk)
        (disk / "filler").write_bytes(bytes(room.f_bavail * room.f_frsize - free_bytes))
        _, sizes, said, log = count(disk, tmp_path / "missing")
    assert (sizes, said) == ([], {})
    assert "no space for the metrics of this process" in log
