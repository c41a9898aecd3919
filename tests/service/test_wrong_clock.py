"""`dossier serve` itself under another clock (libfaketime), its database under the right one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.http.desk import a_customer, at, noted
from tests.http.served import ROOT, Served, serving, wait_until

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
LOOK_SECONDS_MAX = 40


def test_a_program_1100_days_ahead_lapses_nothing_and_under_the_right_clock_what_is_due_lapses(db: str) -> None:
    with serving(db) as right:
        staff, customer = right.as_("staff"), a_customer(right)
        today = datetime.now(UTC).date()
        due = noted(staff, customer, signed_on="2026-01-01", valid_until=(today - timedelta(days=3)).isoformat())
        held = noted(staff, customer, signed_on="2026-01-01", valid_until=(today + timedelta(days=90)).isoformat())
        wait_until(lambda: status(right, due) == "expired", LOOK_SECONDS_MAX, "what is due does not lapse")
        right.stop()
        with ahead(db, right, "+1100d") as wrong:
            wait_until(lambda: "waits until the clocks agree" in wrong.said(), LOOK_SECONDS_MAX, "it was not told")
            assert (
                wrong.client(None).get("/readyz").json()["parts"]["clock"].startswith("ok, lapses wait: the program's")
            )
            assert status(wrong, held) == "active"


@contextmanager
def ahead(db: str, beside: Served, by: str) -> Iterator[Served]:
    found = next((path for pattern in LIBRARIES for path in Path("/").glob(pattern[1:])), None)
    if found is None:
        pytest.skip("NOT TESTED, there is no libfaketime here (Debian: faketime)")
    clock = {"LD_PRELOAD": str(found), "FAKETIME": by, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with serving(db, ROOT, beside, **clock) as served:
        yield served


def status(served: Served, item: dict[str, object]) -> str:
    answer = served.as_("operator").get(f"/v1/authorizations/{item['id']}", headers=at(int(str(item["position"]))))
    return str(answer.json()["status"])
