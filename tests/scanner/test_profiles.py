"""Profiles as they are shipped and as a library changes them."""

import pytest

from scanner.profiles import PROFILES, PageMode, profiles_of

DESK = "Front desk"


def test_without_changes_they_are_the_shipped_ones() -> None:
    assert profiles_of(DESK) == dict(PROFILES)
    assert {(name, p.resolution_dpi, p.mode) for name, p in PROFILES.items()} == {
        ("letter", 300, PageMode.GRAY),
        ("id_card", 300, PageMode.COLOUR),
        ("photo", 600, PageMode.COLOUR),
    }


def test_a_change_is_for_all_scanners_or_for_one() -> None:
    changes = ["letter.resolution_dpi=200", f"{DESK}/letter.mode = colour", "Back room/letter.resolution_dpi=100"]
    here, there = (profiles_of(name, changes)["letter"] for name in (DESK, "Back room"))
    assert (here.resolution_dpi, here.mode) == (200, PageMode.COLOUR)
    assert (there.resolution_dpi, there.mode) == (100, PageMode.GRAY)


def test_the_name_of_a_scanner_may_have_slashes() -> None:
    changes = ["escl:http://10.0.0.9/photo.two_sided=true"]
    assert profiles_of("escl:http://10.0.0.9", changes)["photo"].two_sided
    assert not profiles_of("http://10.0.0.9", changes)["photo"].two_sided


@pytest.mark.parametrize(
    "change",
    [
        "letter",
        "letter.resolution_dpi",
        "receipt.resolution_dpi=200",
        "letter.speed=2",
        "letter.resolution_dpi=fine",
        "letter.resolution_dpi=20",
        "letter.resolution_dpi=2400",
        "letter.mode=sepia",
        "letter.width_mm=0",
        "letter.silence_seconds_max=0",
    ],
)
def test_a_change_that_cannot_be_made_is_named(change: str) -> None:
    """Also when it is for another scanner."""
    for text in (change, f"Back room/{change}"):
        with pytest.raises(ValueError, match=change.partition("=")[0]):
            profiles_of(DESK, [text])
