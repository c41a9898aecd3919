"""The files that operators copy: systemd units, Prometheus rules, the dashboard; checked by what reads them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.http.served import Served

DOCS = Path(__file__).parents[2] / "docs"
MONITORING, SYSTEMD = DOCS / "monitoring", DOCS / "systemd"
UNITS = sorted(path.name for path in SYSTEMD.iterdir())
EXPOSURE_MAX = 2.5
OURS = re.compile(r"dossier_[a-z_]+")


def tool(*command: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"NOT TESTED, there is no {command[0]}: apt-get install systemd prometheus, then ./run test")
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", UNITS)
def test_a_systemd_unit_exposes_little(name: str) -> None:
    said = tool("systemd-analyze", "security", "--offline=true", SYSTEMD / name)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.stdout)
    assert found, said.stderr
    assert float(found[1]) <= EXPOSURE_MAX


def test_the_unit_for_several_archives_differs_by_their_names_alone() -> None:
    one, several = ((SYSTEMD / name).read_text("utf-8") for name in ("dossier.service", "dossier@.service"))
    lines = [line for line in several.splitlines() if not line.startswith("# An account for each")]
    plain = [line.replace("/%i", "").replace("-%i", "").replace(" of %i", "") for line in lines]
    assert plain == one.splitlines()
    assert sum("%i" in line for line in lines) == 5


def exported(served: Served) -> set[str]:
    """The families of the real program, after a refusal: a label that nothing had is not told."""
    assert served.as_("operator").post("/v1/documents", files={"file": b""}).status_code == 422
    text = served.as_("operator").get("/metrics").text
    families = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
    parts = {f"{name}{end}" for name, kind in families.items() if kind == "histogram" for end in ("_bucket", "_count")}
    return {*families, *parts}


def named_in(value: Any) -> Iterator[str]:
    """The figures that the expressions of a dashboard ask for."""
    if isinstance(value, dict):
        yield from OURS.findall(value.get("expr", ""))
        for inner in value.values():
            yield from named_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named_in(inner)


def test_rules_and_dashboard_ask_for_figures_that_the_program_tells(served: Served) -> None:
    rules = (MONITORING / "rules.yml").read_text(encoding="utf-8")
    asked = {name for line in re.findall(r"expr: (.*)", rules) for name in OURS.findall(line)}
    shown = {*named_in(json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8")))}
    assert len(asked) > 10
    assert len(shown) > 20
    assert (asked | shown) - exported(served) == set()


def test_alerts_send_to_words_that_the_log_has() -> None:
    """One sent to words that the log had lost."""
    rules = (MONITORING / "rules.yml").read_text(encoding="utf-8")
    said = "".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "service").glob("*.py"))
    words = {word for word in re.findall(r"`([^`]+)`", rules) if not word.startswith("dossier ")}
    assert len(words) > 1
    assert {word for word in words if word not in said} == set()


def test_the_panels_of_the_dashboard_are_whole_and_do_not_overlap() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert all(panel["title"] and panel["targets"] and panel["datasource"] for panel in panels)


def test_prometheus_takes_the_rules_and_each_alert_fires_when_it_should() -> None:
    rules = tool("promtool", "check", "rules", MONITORING / "rules.yml")
    assert rules.returncode == 0, rules.stderr
    tests = tool("promtool", "test", "rules", MONITORING / "rules_test.yml")
    assert tests.returncode == 0, tests.stdout + tests.stderr
    alerts = re.findall(r"alert: (\w+)", (MONITORING / "rules.yml").read_text(encoding="utf-8"))
    tried = (MONITORING / "rules_test.yml").read_text(encoding="utf-8")
    fired = re.findall(r"alertname: (\w+)\n *exp_alerts: \[\{", tried)
    assert sorted(fired) == sorted(alerts)
