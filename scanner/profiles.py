"""Scan profiles: the shipped ones, and a library's changes for one scanner or for all. A change is written
`letter.resolution_dpi=200`, for one scanner `Front desk/letter.resolution_dpi=200`."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Final

import msgspec

CARD_WIDTH_MM, CARD_HEIGHT_MM = 85.6, 54.0
"""ISO/IEC 7810 ID-1: bank, identity and library cards."""
CARD_MARGIN_MM: Final = 5.0
A4_WIDTH_MM, A4_HEIGHT_MM = 210.0, 297.0


class PageSource(StrEnum):
    FLATBED = "flatbed"
    FEEDER = "feeder"


class PageMode(StrEnum):
    GRAY = "gray"
    COLOUR = "colour"


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wanted settings of a device, which uses the nearest ones that it has. The area begins at the corner where
    paper is placed. `silence_seconds_max`: a device that sends no data for this long is ended. A network scanner
    sends no row before the whole page has arrived, so large pages need more."""

    resolution_dpi: Annotated[int, msgspec.Meta(ge=50, le=1200)]
    mode: PageMode
    width_mm: Annotated[float, msgspec.Meta(gt=0, le=500)] = A4_WIDTH_MM
    height_mm: Annotated[float, msgspec.Meta(gt=0, le=500)] = A4_HEIGHT_MM
    two_sided: bool = False
    silence_seconds_max: Annotated[float, msgspec.Meta(ge=1, le=600)] = 15.0


PROFILES: Final[Mapping[str, Profile]] = {
    "letter": Profile(resolution_dpi=300, mode=PageMode.GRAY),
    "id_card": Profile(
        resolution_dpi=300,
        mode=PageMode.COLOUR,
        width_mm=CARD_WIDTH_MM + 2 * CARD_MARGIN_MM,
        height_mm=CARD_HEIGHT_MM + 2 * CARD_MARGIN_MM,
    ),
    "photo": Profile(resolution_dpi=600, mode=PageMode.COLOUR, silence_seconds_max=60.0),
}


def profiles_of(scanner: str, changes: Iterable[str] = ()) -> dict[str, Profile]:
    """The profiles of a scanner by name. Later changes win. Raises ValueError, which names the change and its fault."""
    profiles = dict(PROFILES)
    for change in changes:
        whose, profile, field, value = _parse_change(change)
        changed = _change_profile(profiles[profile], field, value, change)
        if whose in (None, scanner):
            profiles[profile] = changed
    return profiles


def _parse_change(change: str) -> tuple[str | None, str, str, str]:
    target, equals, value = change.partition("=")
    whose, _, path = target.strip().rpartition("/")
    profile, _, field = path.partition(".")
    if not equals or profile not in PROFILES or field not in Profile.__struct_fields__:
        raise ValueError(f"{change}: must be PROFILE.FIELD=VALUE; profiles are {', '.join(PROFILES)}")
    return whose or None, profile, field, value.strip()


def _change_profile(profile: Profile, field: str, value: str, change: str) -> Profile:
    try:
        return msgspec.convert({**msgspec.to_builtins(profile), field: value}, Profile, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"{change}: {error}") from error
