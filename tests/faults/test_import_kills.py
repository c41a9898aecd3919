"""An import is killed with -9 again and again, and goes on. In the end every line of its list is there, once."""

import csv
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from domain.authorization import AuthorizationRegistered, EvidenceAttached
from domain.customer import Customer
from domain.document import Description, DocumentArchived
from domain.document_type import DefineType
from domain.values import Source
from tests.builders.imports import a_list, a_luhn_code
from tests.builders.papers import a_caller, a_document_type, an_iban
from tests.service.program import ROOT, Program, program
from tests.service.warm import Warm

SEED = int(os.environ.get("DOSSIER_KILL_SEED", "20261124"))
LINES = 400
ENDS_SECONDS_MAX = 120


@pytest.fixture
def archive(tmp_path: Path, db: str) -> Iterator[Program]:
    warm = Warm()
    with program(tmp_path / "home", db, warm) as made:
        definition = a_document_type("DEBT_AUTHORIZATION", scheme="luhn").definition
        made.archive.catalogues.define_type(DefineType("DEBT_AUTHORIZATION", definition), a_caller())
        yield made
    warm.close()


def test_an_import_that_is_killed_goes_on_and_takes_every_line_once(archive: Program, tmp_path: Path) -> None:
    run(archive, tmp_path, kills=3)


@pytest.mark.long
def test_ten_kills_double_nothing_and_leave_nothing_half_done(archive: Program, tmp_path: Path) -> None:
    run(archive, tmp_path, kills=10)


def run(archive: Program, folder: Path, *, kills: int) -> None:
    chance = random.Random(SEED)
    manifest = a_delivery(archive, folder / "delivery")
    with TemporaryDirectory(prefix="dossier-") as scratch:
        for _ in range(kills):
            killed(archive, manifest, chance, scratch)
            nothing_is_half_done(archive)
        ended = started(archive, manifest, scratch)
        assert ended.wait(ENDS_SECONDS_MAX) == 0
    every_line_is_there_once(archive, manifest)
    again = archive.run("import", manifest, "--json").json
    assert (again["taken"], again["there"], again["refused"]) == (0, LINES, 0)
    assert archive.run("verify", "--json", "--no-views").json["problems_found"] == 0


# -- the list ---------------------------------------------------------------------------------------------------------


def a_delivery(archive: Program, folder: Path) -> Path:
    """Of eight lines three are letters, two mandates with their scans, two mandates and one a consent without; every
    other line has an external id. Each customer has two lines."""
    folder.mkdir()
    for n in range(LINES // 2):
        archive.store.register.put(Customer(id=f"k{n}", name=f"Customer {n}"))
    rows = [a_row(n) for n in range(LINES)]
    for row in rows:
        if row.get("file"):
            (folder / row["file"]).write_text(f"scan of {row['file']}\n" * 40)
    manifest = folder / "manifest.csv"
    manifest.write_text(a_list(rows))
    return manifest


def a_row(n: int) -> dict[str, str]:
    usual = {"customer": f"k{n // 2}", "external_id": f"old-{n}" if n % 2 else "", "note": f"line {n}"}
    if n % 8 < 3:
        return usual | {"type": "LETTER", "file": f"{n}.txt"}
    if n % 8 == 7:
        return usual | {"type": "GUARDIAN_CONSENT"}
    mandate = {
        "type": "DEBT_AUTHORIZATION",
        "iban": an_iban("INGB", n),
        "scan_code": a_luhn_code(n),
        "signature_date": "2026-01-31",
    }
    return usual | mandate | ({"file": f"{n}.txt"} if n % 8 < 5 else {})


# -- the kills --------------------------------------------------------------------------------------------------------


def killed(archive: Program, manifest: Path, chance: random.Random, scratch: str) -> None:
    """Somewhere between the first content of this start and a quarter of what is left, within a batch or between two:
    so much is left each time that the end does not come first."""
    begun_with = stored_contents(archive)
    left = sum(row["file"] != "" for row in rows_of(manifest)) - named_contents(archive)
    wanted = begun_with + chance.randint(1, left // 4)
    process = started(archive, manifest, scratch)
    deadline = time.monotonic() + ENDS_SECONDS_MAX
    while stored_contents(archive) < wanted:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(ENDS_SECONDS_MAX) == -signal.SIGKILL


def started(archive: Program, manifest: Path, scratch: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "service", "import", str(manifest)],
        cwd=ROOT,
        env=archive.env | {"TMPDIR": scratch},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


# -- what is there ----------------------------------------------------------------------------------------------------


def nothing_is_half_done(archive: Program) -> None:
    """An authorization that came with a file has its evidence; every content that is named is whole."""
    bodies = [
        r.envelope.body for page in archive.store.log.load_event_pages(0, archive.store.log.fence()) for r in page
    ]
    with_file = sum(isinstance(b, AuthorizationRegistered) and b.source is Source.FILE for b in bodies)
    evidence = {b.document for b in bodies if isinstance(b, EvidenceAttached)}
    assert with_file == len(evidence)
    documents = [b for b in bodies if isinstance(b, DocumentArchived)]
    assert sum(b.evidence_of is not None for b in documents) == len(evidence)
    assert archive.run("verify", "--json", "--no-views").json["problems_found"] == 0


def every_line_is_there_once(archive: Program, manifest: Path) -> None:
    recorded = [r for page in archive.store.log.load_event_pages(0, archive.store.log.fence()) for r in page]
    customers = archive.store.keys.customer_ids(
        {b.customer for r in recorded if isinstance(b := r.envelope.body, AuthorizationRegistered | DocumentArchived)}
    )
    found: Counter[tuple[str, str, str, str, str]] = Counter()
    for body in (r.envelope.body for r in recorded):
        match body:
            case AuthorizationRegistered(source=Source.NONE):
                found[customers[body.customer], body.type.code, str(body.note), body.external_id or "", ""] += 1
            case DocumentArchived(description=Description() as said, sha256=bytes() as digest):
                key = (customers[body.customer], body.type.code, str(said.note), body.external_id or "")
                found[*key, digest.hex()] += 1
    assert found == Counter(map(as_stored, rows_of(manifest, with_digests=True)))
    assert named_contents(archive) == sum(row["file"] != "" for row in rows_of(manifest))


def as_stored(row: dict[str, str]) -> tuple[str, str, str, str, str]:
    return row["customer"], row["type"], row["note"], row["external_id"], row["sha256"]


def rows_of(manifest: Path, *, with_digests: bool = False) -> list[dict[str, str]]:
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows if with_digests else ():
        plain = (manifest.parent / row["file"]).read_bytes() if row["file"] else None
        row["sha256"] = hashlib.sha256(plain).hexdigest() if plain is not None else ""
    return rows


def stored_contents(archive: Program) -> int:
    return len(archive.files())


def named_contents(archive: Program) -> int:
    [(count,)] = archive.sql("select count(*) from archive.content")
    return int(count)
