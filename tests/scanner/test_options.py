"""The words of real back ends for their sources and modes, as their manual pages and listings have them."""

import pytest

from scanner.options import clamp_to, mode_among, pixels_of, resolution_of, source_among, sources_among
from scanner.profiles import PageMode, PageSource

FLATBED, FEEDER = PageSource.FLATBED, PageSource.FEEDER
GRAY, COLOUR = PageMode.GRAY, PageMode.COLOUR


@pytest.mark.parametrize(
    ("names", "flatbed", "one_sided", "two_sided"),
    [
        (["Flatbed", "ADF", "ADF Duplex"], "Flatbed", "ADF", "ADF Duplex"),
        (["Flatbed", "Automatic Document Feeder"], "Flatbed", "Automatic Document Feeder", "Automatic Document Feeder"),
        (["FlatBed", "ADF Front", "ADF Back", "ADF Duplex"], "FlatBed", "ADF Front", "ADF Duplex"),
        (["ADF Back", "ADF Front"], None, "ADF Front", "ADF Front"),
        (["Flatbed", "Transparency Unit", "TPU8x10"], "Flatbed", None, None),
        (["Normal", "ADF Simplex", "ADF Duplex"], "Normal", "ADF Simplex", "ADF Duplex"),
        (["Document Table", "Document Feeder"], "Document Table", "Document Feeder", "Document Feeder"),
        (["ADF Duplex"], None, "ADF Duplex", "ADF Duplex"),
    ],
)
def test_sources_are_known_by_their_words(
    names: list[str], flatbed: str | None, one_sided: str | None, two_sided: str | None
) -> None:
    assert source_among(names, FLATBED, two_sided=False) == flatbed
    assert source_among(names, FEEDER, two_sided=False) == one_sided
    assert source_among(names, FEEDER, two_sided=True) == two_sided
    assert sources_among(names) == (*[FLATBED] * bool(flatbed), *[FEEDER] * bool(one_sided))


def test_a_device_without_that_option_is_a_flatbed() -> None:
    assert sources_among([]) == (FLATBED,)
    assert source_among([], FLATBED, two_sided=False) is None


@pytest.mark.parametrize(
    ("names", "gray", "colour"),
    [
        (["Color", "Gray"], "Gray", "Color"),
        (["Lineart", "Gray", "Color"], "Gray", "Color"),
        (["Black & White", "Gray[Error Diffusion]", "True Gray", "24bit Color"], "True Gray", "24bit Color"),
        (["Lineart", "Halftone", "Grayscale"], "Grayscale", "Grayscale"),
        (["Color"], "Color", "Color"),
        (["Color Halftone", "Colour"], "Colour", "Colour"),
        (["Lineart"], None, None),
        ([], None, None),
    ],
)
def test_modes_are_known_by_their_words_and_one_bit_is_none(
    names: list[str], gray: str | None, colour: str | None
) -> None:
    assert (mode_among(names, GRAY), mode_among(names, COLOUR)) == (gray, colour)


@pytest.mark.parametrize(
    ("constraint", "wanted", "expected"),
    [
        ([75, 150, 300, 600], 300, 300),
        ([75, 150, 400, 600], 300, 400),
        ([75, 150, 200], 300, 200),
        ([600, 300, 150], 200, 300),
        ((50.0, 1200.0, 1.0), 300, 300),
        ((50.0, 240.0, 1.0), 300, 240),
        (None, 300, 300),
    ],
)
def test_the_resolution_is_never_less_than_asked_where_there_is_enough(
    constraint: tuple[float, float, float] | list[float] | None, wanted: int, expected: int
) -> None:
    assert resolution_of(constraint, wanted) == expected


def test_lengths_are_kept_within_the_device() -> None:
    assert [clamp_to((10.0, 200.0, 1.0), wanted) for wanted in (0.0, 95.6, 297.0)] == [10.0, 95.6, 200.0]
    assert clamp_to([100.0, 210.0], 190.0) == 210.0
    assert clamp_to(None, 297.0) == 297.0
    assert pixels_of(25.4, 300) == 300
