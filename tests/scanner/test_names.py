"""Names of scanners for people: readable by themselves, the operator's own where there is one, never two alike."""

import pytest

from scanner.names import names_of, readable_name


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("airscan:e0:HP Color LaserJet M479 (1A2B3C)", "HP Color LaserJet M479 (1A2B3C)"),
        ("airscan:w1:Canon_TS8300_series", "Canon TS8300 series"),
        ("net:desk-2:epson2:libusb:001:004", "net:desk-2:epson2:libusb:001:004"),
        ("simulated:feeder?pages=3&seconds=0", "Simulated scanner"),
        ("test:0", "test:0"),
    ],
)
def test_a_device_has_a_readable_name(device: str, name: str) -> None:
    assert readable_name(device) == name


def test_no_two_scanners_of_a_station_have_the_same_name() -> None:
    devices = ["simulated:flatbed", "simulated:feeder", "simulated:flatbed?code=A1"]
    names = names_of(devices, ["simulated:flatbed?code=A1=Desk 2", "elsewhere:1=Not here"])
    assert list(names.values()) == ["Simulated scanner", "Simulated scanner 2", "Desk 2"]


def test_a_number_that_is_taken_already_is_passed_over() -> None:
    given = ["test:0=Desk 2", "test:1=Desk", "test:2=Desk", "test:3=Desk"]
    assert list(names_of([f"test:{n}" for n in range(4)], given).values()) == ["Desk 2", "Desk", "Desk 3", "Desk 4"]


@pytest.mark.parametrize("given", ["Front desk", "=Front desk", "test:0=", f"test:0={'x' * 81}", "test:0=a\nb"])
def test_a_name_that_cannot_be_shown_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="must be DEVICE=NAME"):
        names_of(["test:0"], [given])
