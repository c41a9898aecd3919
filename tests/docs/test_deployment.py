"""The files that operators copy: the systemd unit and the Prometheus rules, checked by the tools that read them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
METRICS_IN = DOCS.parent / "service" / "metrics.py"
EXPOSURE_MAX = 2.5


def test_the_systemd_unit_exposes_little() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED, there is no systemd-analyze: apt-get install systemd, then ./run test")
    unit = DOCS / "systemd" / "dossier.service"
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True, check=False
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.stdout)
    assert found, said.stderr
    assert float(found[1]) <= EXPOSURE_MAX


def test_the_rules_are_read_by_prometheus_and_ask_for_figures_that_there_are() -> None:
    rules = DOCS / "monitoring" / "rules.yml"
    named = {name.removesuffix("_total") for name in re.findall(r"dossier_[a-z_]+", rules.read_text(encoding="utf-8"))}
    known = set(re.findall(r'"(dossier_[a-z_]+)"', METRICS_IN.read_text(encoding="utf-8")))
    assert named <= known
    if shutil.which("promtool") is None:
        pytest.skip("NOT TESTED, there is no promtool: apt-get install prometheus, then ./run test")
    assert subprocess.run(["promtool", "check", "rules", rules], capture_output=True, check=False).returncode == 0
