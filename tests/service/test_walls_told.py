"""Where a system lacks walls for the decoders, `serve` says so, and does not start without the one that holds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.served import new_home
from tests.service.running import begun, log_lines, running

FORBIDDING = "from tests.fixtures import systems; systems.{}()"


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as home:
        yield home


def test_a_missing_wall_is_said_at_the_start_and_by_readyz(home: Path) -> None:
    with running(home, first=FORBIDDING.format("forbid_namespaces")) as served, served.client() as client:
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]["decoders"]) == (200, "ok, NO WALL: network namespace")
        [warned] = [line for line in log_lines(served.err) if "network namespace" in line]
        assert '"level": "warning"' in warned
        assert client.put("/v1/customers/c1", json={"name": "Ann"}).status_code == 201


def test_without_a_filter_for_the_decoders_nothing_is_served(home: Path) -> None:
    with begun(home, first=FORBIDDING.format("forbid_filters")) as served:
        assert served.ended() == 1
        assert "the decoders cannot be shut in" in served.err
        assert not home.exists() or list(home.iterdir()) == []
