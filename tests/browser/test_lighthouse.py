"""The long bar of the screens: Lighthouse, fetched by npx, gives 95 for speed and 100 for the rest that we look at."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM
from tests.http.desk import a_customer, archived, view
from tests.http.served import Served

LIGHTHOUSE = "lighthouse@12.8.2"
BARS = {"performance": 0.95, "accessibility": 1.0, "best-practices": 1.0}
SECONDS = 240


@pytest.mark.long
@pytest.mark.parametrize(
    "page", ["/add?source=file", "/customers/{customer}", "/documents/{document}", "/work", "/docs"]
)
def test_lighthouse_finds_nothing_to_mend(served: Served, tmp_path: Path, page: str) -> None:
    npx = shutil.which("npx")
    if npx is None or CHROMIUM is None:
        pytest.skip("NOT TESTED, there is no npx or no Chromium: apt-get install npm chromium-headless-shell")
    desk, customer = served.as_("staff"), a_customer(served)
    letter = archived(desk, customer)
    assert view(desk, customer, letter["position"])
    address = served.url + page.format(customer=customer, document=letter["id"])
    found = judged(npx, address, {"Authorization": desk.headers["Authorization"]}, tmp_path / "found.json")
    scores = {name: found["categories"][name]["score"] for name in BARS}
    assert all(scores[name] >= bar for name, bar in BARS.items()), scores


def judged(npx: str, address: str, headers: dict[str, str], file: Path) -> dict[str, Any]:
    told = [
        "--quiet",
        "--output=json",
        f"--output-path={file}",
        "--preset=desktop",
        "--chrome-flags=--headless --no-sandbox",
    ]
    subprocess.run(
        [npx, "--yes", LIGHTHOUSE, address, *told, f"--extra-headers={json.dumps(headers)}"],
        env={**os.environ, "CHROME_PATH": str(CHROMIUM)},
        timeout=SECONDS,
        check=True,
    )
    found: dict[str, Any] = json.loads(file.read_text())
    return found
