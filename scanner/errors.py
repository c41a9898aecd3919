"""Faults of devices in one enum, and the mappings from a driver's text to a fault and from a fault to a problem's
slug. SANE reports faults as text only, and python-sane passes on nothing else. The text is for operators; staff read
the sentence of the slug (domain/refusals.py)."""

from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    JAMMED = "jammed"
    COVER_OPEN = "cover_open"
    OUT_OF_PAPER = "out_of_paper"
    BUSY = "busy"
    OFFLINE = "offline"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DENIED = "denied"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    SHORT_PAGE = "short_page"
    DAMAGED_PAGE = "damaged_page"
    TOO_MANY_PAGES = "too_many_pages"
    TOO_MANY_PIXELS = "too_many_pixels"
    NO_ROOM = "no_room"


class DeviceFault(Exception):
    """A fault, the driver's own words for operators, and, if known, the holder of a busy device."""

    def __init__(self, fault: Fault, raw: str = "", *, holder: str | None = None) -> None:
        self.fault, self.raw, self.holder = fault, raw, holder
        super().__init__(f"{fault}: {raw}" if raw else str(fault))


# Faults that staff can resolve have a slug of their own; all others are "scanner-failed".
_SLUGS: Final = {
    Fault.JAMMED: "scanner-jammed",
    Fault.COVER_OPEN: "scanner-cover-open",
    Fault.OUT_OF_PAPER: "scanner-out-of-paper",
    Fault.BUSY: "scanner-busy",
    Fault.OFFLINE: "scanner-offline",
    Fault.TOO_MANY_PAGES: "scanner-too-many-pages",
    Fault.TOO_MANY_PIXELS: "file-too-many-pixels",
    Fault.NO_ROOM: "insufficient-storage",
}

# sane_strstatus() of sane-backends 1.3; the words are never translated. The last two came with a later standard.
_TEXTS: Final = {
    "Operation not supported": Fault.INVALID,
    "Operation was canceled": Fault.CANCELLED,
    "Device busy": Fault.BUSY,
    "Invalid argument": Fault.INVALID,
    "End of file reached": Fault.SHORT_PAGE,
    "Document feeder jammed": Fault.JAMMED,
    "Document feeder out of documents": Fault.OUT_OF_PAPER,
    "Scanner cover is open": Fault.COVER_OPEN,
    "Error during device I/O": Fault.FAILED,
    "Out of memory": Fault.FAILED,
    "Access to resource has been denied": Fault.DENIED,
    "Lamp not ready, please retry": Fault.BUSY,
    "Scanner mechanism locked for transport": Fault.FAILED,
}

# When opening, these mean that no device answers under the name: unplugged, switched off, off the network.
_AWAY: Final = frozenset({Fault.INVALID, Fault.FAILED})


def fault_of(text: str, *, opening: bool = False) -> Fault:
    """The fault for a text of SANE; FAILED for unknown texts."""
    fault = _TEXTS.get(text, Fault.FAILED)
    return Fault.OFFLINE if opening and fault in _AWAY else fault


def slug_of(fault: Fault) -> str | None:
    """The slug of the problem that staff see; None for a cancellation by a person."""
    return None if fault is Fault.CANCELLED else _SLUGS.get(fault, "scanner-failed")
