"""SANE's words become faults, and faults the slugs of problems."""

import pytest

from scanner.errors import Fault, fault_of, slug_of

SLUGS = {
    "scanner-jammed",
    "scanner-cover-open",
    "scanner-out-of-paper",
    "scanner-busy",
    "scanner-offline",
    "scanner-failed",
    "scanner-too-many-pages",
    "file-too-many-pixels",
    "insufficient-storage",
}


def test_every_fault_but_a_wish_has_a_problem() -> None:
    assert {slug_of(fault) for fault in Fault} == {*SLUGS, None}
    assert [fault for fault in Fault if slug_of(fault) is None] == [Fault.CANCELLED]


@pytest.mark.parametrize(
    ("text", "scanning", "opening"),
    [
        ("Document feeder jammed", Fault.JAMMED, Fault.JAMMED),
        ("Invalid argument", Fault.INVALID, Fault.OFFLINE),
        ("Error during device I/O", Fault.FAILED, Fault.OFFLINE),
        ("Access to resource has been denied", Fault.DENIED, Fault.DENIED),
        ("Device busy", Fault.BUSY, Fault.BUSY),
        ("Lamp not ready, please retry", Fault.BUSY, Fault.BUSY),
        ("some words of a back end", Fault.FAILED, Fault.OFFLINE),
        ("", Fault.FAILED, Fault.OFFLINE),
    ],
)
def test_what_a_text_means_depends_on_what_was_done(text: str, scanning: Fault, opening: Fault) -> None:
    assert (fault_of(text), fault_of(text, opening=True)) == (scanning, opening)
