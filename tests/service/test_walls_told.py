"""What `serve` puts around the decoders: it says what a system lacks, needs seccomp to start, and tells them no key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.served import new_home, prepared_home
from tests.paper.pools import children_of, memory_of, wait_until
from tests.service.running import begun, log_lines, running

FORBIDDING = "from tests.fixtures import systems; systems.{}()"


@pytest.fixture
def home() -> Iterator[Path]:
    with prepared_home() as home:
        yield home


def test_a_missing_wall_is_said_at_the_start_and_by_readyz(home: Path) -> None:
    with running(home, first=FORBIDDING.format("forbid_namespaces")) as served, served.client() as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)  # its views take the events of the prepared HOME
        assert client.get("/readyz").json()["parts"]["decoders"] == "ok, NO WALL: network namespace"
        [warned] = [line for line in log_lines(served.err) if "decoders: network namespace" in line]
        assert '"level": "warning"' in warned
        assert client.put("/v1/customers/c1", json={"name": "Ann"}).status_code == 201


def test_without_a_filter_for_the_decoders_nothing_is_served() -> None:
    with new_home() as home, begun(home, first=FORBIDDING.format("forbid_filters")) as served:
        assert served.ended() == 1
        assert "the decoders cannot be sandboxed here" in served.err
        assert not home.exists() or list(home.iterdir()) == []


def test_no_decoder_has_a_key_of_the_archive_in_its_memory(home: Path) -> None:
    """What it has there it can answer with, as a page image."""
    with running(home) as served:
        key = bytes.fromhex((home / "keys" / "kek.1").read_text())
        supervisor = served.process.pid
        [pool] = [pid for pid in children_of(supervisor) if command_of(pid).startswith(b"dossier: paper")]
        assert key in memory_of(supervisor), "else the test finds it nowhere"
        wait_until(lambda: len(children_of(pool)) > 1)
        for pid in children_of(pool):
            memory = memory_of(pid)
            assert b"image/jpeg" in memory
            assert [told for told in (key, key.hex().encode(), b"DOSSIER_HOME=") if told in memory] == []


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
