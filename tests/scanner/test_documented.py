"""What docs/operations.md says of scanners is what the code does."""

import re
from pathlib import Path

from scanner.child import MEMORY_BYTES_MAX
from scanner.device_process import ProcessLimits
from scanner.errors import Fault, slug_of
from scanner.messages import PAGES_MAX
from scanner.profiles import PROFILES, Profile
from scanner.simulated import DevicePlan
from tests.scanner.devices import ROOT

[PART] = re.findall(r"^## Scanners\n(.+?)^## ", Path(ROOT / "docs/operations.md").read_text(), re.DOTALL | re.MULTILINE)
WORDS = set(re.findall(r"`([^`\n]+)`", PART))


def test_every_profile_stands_there_as_it_is_shipped() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\d+) \| (\w+) \| ([\d.]+) × ([\d.]+).* \| (\d+) s \|$", PART, re.MULTILINE)
    shipped = {
        (name, p.resolution_dpi, p.mode.value, p.width_mm, p.height_mm, p.silence_seconds_max)
        for name, p in PROFILES.items()
    }
    assert {(n, int(dpi), mode, float(w), float(h), float(s)) for n, dpi, mode, w, h, s in told} == shipped
    assert set(Profile.__struct_fields__) <= WORDS


def test_every_way_to_let_a_simulated_device_fail_is_told() -> None:
    told = {name for word in WORDS for name in re.findall(r"\b(\w+)=", word)} | WORDS
    assert set(DevicePlan.__struct_fields__) <= told


def test_every_problem_of_a_scanner_is_told() -> None:
    slugs = {slug_of(fault) for fault in Fault} - {None, "file-too-many-pixels", "insufficient-storage"}
    assert {word for word in WORDS if word.startswith("scanner-")} == slugs


def test_the_limits_are_those() -> None:
    patience = ProcessLimits()
    assert f"{MEMORY_BYTES_MAX >> 20} MiB of private memory" in PART
    assert f"a scan {PAGES_MAX} pages" in PART
    assert (patience.cancel_seconds, patience.job_seconds) == (5.0, 3_600.0)
    assert "after an hour, and 5 s after a cancellation that it ignored" in PART
