"""The examples of docs/api-guide.md, typed as they stand there against a real archive."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.reference import DOCS
from tests.http.desk import a_customer
from tests.http.served import Served

GUIDE = (DOCS / "api-guide.md").read_text(encoding="utf-8")
CHAPTERS = (
    "Authentication", "Rights", "Retries", "Consistency", "Lists", "Changes", "Files",
    "Everything about a person", "Events", "Errors", "Limits",
)  # fmt: skip


def examples(language: str, served: Served, customer: str) -> str:
    """All blocks of a language as one program, at another address and for another customer."""
    blocks = re.findall(rf"^```{language}\n(.+?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    text = "\n".join(blocks)
    instead = {
        "http://127.0.0.1:8080": served.url,
        ".dossier/operator.token": str(served.home / "operator.token"),
        "100234": customer,
        "letter-1": f"{customer}-1",
        "letter-2": f"{customer}-2",
    }
    for printed, ours in instead.items():
        text = text.replace(printed, ours)
    return text


def said(served: Served, folder: Path, language: str, *program: str) -> list[str]:
    """The lines that the examples print. A call that fails ends them."""
    text = examples(language, served, a_customer(served))
    done = subprocess.run([*program], input=text, cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}\n{done.stderr}"
    return [line for line in done.stdout.splitlines() if line]


def test_it_has_a_chapter_for_each_question() -> None:
    assert re.findall(r"^## (.+)$", GUIDE, re.MULTILINE) == [*CHAPTERS]


def test_the_examples_for_curl_run_as_printed(served: Served, tmp_path: Path) -> None:
    lines = said(served, tmp_path, "sh", "sh", "-eu")
    session, customer, first, again, then, page, part, events = lines
    assert '"role":"operator"' in session
    assert '"name":"Jan Smit"' in customer
    assert first == again, "the second answer is the first one again"
    assert '"items":[' in then
    assert '"next":null' in page
    assert part == "Dear"
    assert '"type":"document-archived.v' in events
    assert (tmp_path / "copy.txt").read_bytes() == (tmp_path / "letter.txt").read_bytes()
    assert "repr-digest" in (tmp_path / "headers.txt").read_text().lower()


@pytest.mark.filterwarnings("default")
def test_the_examples_for_python_run_as_printed(served: Served, tmp_path: Path) -> None:
    role, made, note, *rest = said(served, tmp_path, "python", sys.executable, "-")
    assert role == "operator"
    assert made.startswith("/v1/documents/")
    assert note == "from Rotterdam"
    assert rest[0].endswith("Letter from Rotterdam")
    assert rest[1:5] == ["2 moved to Rotterdam", "412 /problems/precondition-failed", "True True", "304"]
    events, (refused, errors) = rest[5:-2], rest[-2:]
    assert [line.split()[1].partition(".")[0] for line in events][:2] == ["document-archived", "document-described"]
    assert refused == "422 /problems/validation-failed True"
    assert errors.startswith("/query/statuss is unknown; the parameters of this address are kind, type")
