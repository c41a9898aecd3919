"""An archive for each test, and one for tests that only read."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.fixtures.database import create_database, drop_database
from tests.service.program import Program, program
from tests.service.warm import Warm


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Runs commands faster than a shell does."""
    runner = Warm()
    yield runner
    runner.close()


@pytest.fixture
def archive(tmp_path: Path, db: str, warm: Warm) -> Iterator[Program]:
    """A fresh one: nothing in it but the document types, the first token and two customers."""
    with program(tmp_path / "home", db, warm) as made:
        yield made


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, cluster_url: str, template: str, warm: Warm) -> Iterator[Program]:
    """One with some of each, for reading only."""
    name = f"filled_{uuid4().hex}"
    url = create_database(cluster_url, name, template)
    with program(tmp_path_factory.mktemp("filled") / "home", url, warm) as made:
        made.some_of_each()
        yield made
    drop_database(cluster_url, name)
