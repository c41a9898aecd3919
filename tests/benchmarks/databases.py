"""A database for one benchmark, on a server of its own that goes with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrations.runner import migrate
from store.postgres import Cluster
from tests.fixtures.database import create_database


@contextmanager
def a_database() -> Iterator[tuple[Path, str]]:
    """An empty one, by its address, and the folder in which its server lies."""
    with tempfile.TemporaryDirectory(prefix="dossier-bench-") as home:
        Path(home).chmod(0o755)
        with Cluster(Path(home) / "postgres") as cluster:
            yield Path(home), create_database(cluster.url, "bench")


@contextmanager
def a_migrated_database() -> Iterator[str]:
    """The address of one with all tables and without events."""
    with a_database() as (_, url):
        migrate(url)
        yield url
