"""A desk on a database of its own for each test."""

from collections.abc import Iterator

import pytest

from tests.views.desk import Desk, open_desk


@pytest.fixture
def desk(db: str) -> Iterator[Desk]:
    with open_desk(db) as opened:
        yield opened
