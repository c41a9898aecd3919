"""Fixtures of tests/paper: one pool for all tests that do no harm to it."""

from collections.abc import Iterator

import pytest

from domain.limits import Limits
from paper import pictures
from tests.paper.pools import Pool, a_pool


@pytest.fixture(scope="session")
def limits() -> Limits:
    """The shipped limits, and Pillow held to them in this process too, for tests of the pure functions."""
    shipped = Limits()
    pictures.configure(shipped)
    return shipped


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Who comes waits for as long as a busy machine takes; tests of that limit have pools of their own."""
    with a_pool(tmp_path_factory.mktemp("pool"), queue_wait_seconds=60.0) as running:
        yield running
