"""Display names of scanners: the operator's name, or one derived from the device name. station.py offers them."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, count
from typing import Final

NAME_LENGTH_MAX: Final = 80
_SIMULATED: Final = "simulated"


def names_of(devices: Sequence[str], given: Iterable[str] = ()) -> dict[str, str]:
    """The name of each device, all different; `given` are `DEVICE=NAME`. Names of other devices are ignored, because
    one setting may serve several machines. Raises ValueError for a name that cannot be used."""
    chosen = dict(_parse_given(one) for one in given)
    found: dict[str, str] = {}
    for device in devices:
        name = chosen.get(device) or readable_name(device)
        numbered = (f"{name} {n}" for n in count(2))
        found[device] = next(one for one in chain([name], numbered) if one not in found.values())
    return found


def readable_name(device: str) -> str:
    """A name without the driver's prefixes: `airscan:e0:HP M479 (1A2B)` is HP M479 (1A2B)."""
    if device.partition(":")[0] == _SIMULATED:
        return "Simulated scanner"
    parts = [part.strip() for part in device.split(":") if part.strip()]
    spoken = [part for part in parts if re.search(r"[A-Za-z].*[ _].*\w", part)]
    return (spoken[-1].replace("_", " ") if spoken else device)[:NAME_LENGTH_MAX]


def _parse_given(given: str) -> tuple[str, str]:
    device, equals, name = (part.strip() for part in given.rpartition("="))
    if not equals or not device or not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise ValueError(f"{given}: must be DEVICE=NAME, a name of at most {NAME_LENGTH_MAX} characters")
    return device, name
