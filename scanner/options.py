"""Chooses the device's own option value that is nearest to the wanted one. Pure; sane_driver.py reads and sets the
options. Every SANE back end names its sources and modes differently; only resolution and area have standard names."""

from collections.abc import Iterable, Sequence

from scanner.profiles import PageMode, PageSource

Range = tuple[float, float, float]
Constraint = Range | list[float] | None
"""(lowest, highest, step) as a tuple, allowed values as a list, or anything."""

_FEEDER = ("adf", "feeder")
_TWO_SIDED = ("duplex", "both")
_BACK_ONLY = ("back",)
_FILM = ("transparen", "film", "slide", "negative", "tpu", "tma")
_ONE_BIT = ("lineart", "halftone", "dither", "diffusion", "binary", "black")
_MODES = {PageMode.GRAY: ("gray", "grey"), PageMode.COLOUR: ("color", "colour")}
_MM_PER_INCH = 25.4


def sources_among(names: Sequence[str]) -> tuple[PageSource, ...]:
    """The sources that a device offers, from the values of its source option; a device without that option is a
    flatbed."""
    if not names:
        return (PageSource.FLATBED,)
    return tuple(source for source in PageSource if source_among(names, source, two_sided=False))


def source_among(names: Sequence[str], source: PageSource, *, two_sided: bool) -> str | None:
    """The device's name for a source. One-sided means the front; two-sided where wanted and available."""
    if source is PageSource.FLATBED:
        return _first_of(name for name in names if not _has_word(name, _FEEDER + _FILM))
    feeders = [name for name in names if _has_word(name, _FEEDER)]
    return min(
        feeders, key=lambda name: (_has_word(name, _BACK_ONLY), _has_word(name, _TWO_SIDED) != two_sided), default=None
    )


def mode_among(names: Sequence[str], mode: PageMode) -> str | None:
    """The device's name for gray or colour, the other one where it lacks the wanted one; None where it has neither."""
    order = [mode, *(other for other in PageMode if other is not mode)]
    many_bits = [name for name in names if not _has_word(name, _ONE_BIT)]
    return _first_of(name for wanted in order for name in many_bits if _has_word(name, _MODES[wanted]))


def resolution_of(constraint: Constraint, wanted_dpi: int) -> float:
    """The lowest resolution that is not below the wanted one, otherwise the highest available."""
    if isinstance(constraint, tuple):
        return clamp_to(constraint, wanted_dpi)
    offered = [float(value) for value in constraint or (wanted_dpi,)]
    return min((value for value in offered if value >= wanted_dpi), default=max(offered))


def clamp_to(constraint: Constraint, wanted: float) -> float:
    """The allowed value nearest to the wanted one. Steps are left to the device, which rounds by itself."""
    if isinstance(constraint, tuple):
        lowest, highest, _ = constraint
        return min(max(wanted, lowest), highest)
    return min(constraint, key=lambda value: abs(value - wanted)) if constraint else wanted


def pixels_of(mm: float, dpi: float) -> float:
    """Millimetres in pixels, for devices that measure their area in pixels."""
    return mm / _MM_PER_INCH * dpi


def _has_word(name: str, words: Sequence[str]) -> bool:
    return any(word in name.lower() for word in words)


def _first_of(names: Iterable[str]) -> str | None:
    return next(iter(names), None)
