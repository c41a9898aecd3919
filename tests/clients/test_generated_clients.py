"""Clients that generators make of openapi.json, run against the archive: nobody writes a client by hand.

openapi-python-client makes the Python one; openapi-typescript the types that tsc --strict checks and node runs.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.http.desk import a_customer
from tests.http.served import ROOT, Served

CONTRACT = ROOT / "api" / "openapi.json"
HERE = Path(__file__).parent
SCRIPTS = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Its stdout."""
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def require_walked(told: dict[str, Any]) -> None:
    assert told.pop("position") > 0
    assert told == {
        "name": "Eva Bos",
        "status": "archived",
        "same": True,
        "note": "by post",
        "listed": ["by post"],
        "customer": "Eva Bos",
        "refused": "/problems/not-found",
    }


def test_the_generated_python_client_works(served: Served, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"post_hooks": []}')
    generator = SCRIPTS / "openapi-python-client"
    where = ("--output-path", tmp_path / "archive_client", "--config", tmp_path / "config.json", "--meta", "none")
    run(generator, "generate", "--path", CONTRACT, *where, "--fail-on-warning", cwd=tmp_path)
    walked = (HERE / "walk.py", served.url, served.operator_token, a_customer(served))
    require_walked(json.loads(run(sys.executable, *walked, cwd=tmp_path, PYTHONPATH=str(tmp_path))))


@pytest.fixture(scope="module")
def node_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TypeScript project with its locked packages."""
    if shutil.which("npm") is None and "CI" not in os.environ:
        pytest.skip("THE TYPESCRIPT CLIENT WAS NOT TRIED: it needs node and npm (apt-get install nodejs npm)")
    project = tmp_path_factory.mktemp("typescript")
    shutil.copytree(HERE / "typescript", project, dirs_exist_ok=True)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=project)
    return project


def test_the_generated_typescript_client_compiles_strictly_and_works(served: Served, node_project: Path) -> None:
    binaries = node_project / "node_modules" / ".bin"
    run(binaries / "openapi-typescript", CONTRACT, "-o", "archive.ts", cwd=node_project)
    run(binaries / "tsc", "-p", ".", cwd=node_project)
    walked = ("walk.js", served.url, served.operator_token, a_customer(served))
    require_walked(json.loads(run("node", *walked, cwd=node_project)))
