"""`python -O` changes nothing: no guard of the program is an assert (ruff's S101 keeps it so)."""

import os
import subprocess
import sys

import pytest

from tests.http.served import new_home
from tests.service.program import ROOT
from tests.service.running import running
from tests.service.test_serve import LETTER, archived, content

GUARDS = {
    "a paper that never began": (
        "from domain.document import DocumentDescribed, evolve",
        "evolve(None, DocumentDescribed(customer=None, old='', new=''))",
    ),
    "a scan session that never began": (
        "from domain.scan_session import ScanClosed, evolve",
        "evolve(None, ScanClosed())",
    ),
    "a decision on no authorization": (
        "from domain.authorization import Cancel, decide",
        "decide(None, Cancel(None, 'lost'))",
    ),
    "a code that would end an array": ("from projections.reading import text_array", "text_array(('A\",\"B',))"),
    "a row that is not there": ("from domain.promises import require_value", "require_value(None, 'it is there')"),
}


@pytest.mark.parametrize("what", GUARDS)
def test_a_guard_of_data_stands_where_asserts_are_left_out(what: str) -> None:
    prepared, act = GUARDS[what]
    program = f"assert False\n{prepared}\ntry:\n    {act}\nexcept Exception as error:\n    print(type(error).__name__)"
    ended = subprocess.run(
        [sys.executable, "-O", "-c", program], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60
    )
    assert (ended.stdout, ended.returncode) in [("PromiseBroken\n", 0), ("ValueError\n", 0)], ended


def test_an_archive_serves_uploads_and_contents_without_asserts() -> None:
    with new_home() as home, running(home, first="assert False, 'left out'", PYTHONOPTIMIZE="1") as archive:
        with archive.client() as client:
            assert content(client, archived(client)) == LETTER
            assert client.get("/readyz").status_code == 200
        assert archive.stop() == 0
