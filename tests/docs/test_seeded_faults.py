"""Each fault of tests/seeded_faults.py can be seeded: its text stands once in its file, and its tests are there."""

import pytest

from tests.seeded_faults import FAULTS, Fault
from tests.tree import ROOT


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_seeded_fault_has_its_place_and_its_tests(fault: Fault) -> None:
    assert (ROOT / fault.path).read_text(encoding="utf-8").count(fault.old) == 1
    files = [ROOT / "tests" / name.partition("::")[0] for name in fault.tests.split()]
    assert [file for file in files if not file.exists()] == []
