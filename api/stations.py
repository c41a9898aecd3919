"""Serves scan stations, which report their scanners, poll for jobs and send pages (api/scans.py receives these).

The station opens every connection, so that it works behind any router. It waits for jobs in long polls.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from api.bell import wait_for
from api.bodies import Short
from api.call import Call
from domain.moment import Moment, format_moment
from domain.promises import require_value
from domain.refusals import N_, FieldError, NotFound, ScannerOffline, ValidationFailed
from domain.scan_session import ScannerChoice
from domain.values import BRANCH, ScannerSource
from projections import scan_sessions
from projections.reading import SCANS
from web.pointers import in_path

OFFLINE_AFTER_SECONDS = 15.0
WAIT_SECONDS_MAX = 25
# The pause between queries for jobs right after a signal, how long after it the views may still lack its events, and
# the pause without a signal.
LOOK_SECONDS, EAGER_SECONDS, IDLE_SECONDS = 0.1, 0.5, 1.0
SEEN_SECONDS = 5.0


class OwnScanner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scanner as its station describes it."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: Short
    state: Literal["ready", "busy", "offline", "jammed", "cover_open", "out_of_paper"]
    sources: Annotated[list[ScannerSource], msgspec.Meta(min_length=1)]
    profiles: Annotated[list[Short], msgspec.Meta(min_length=1)]


class StationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The scanners of a station."""

    scanners: Annotated[list[OwnScanner], msgspec.Meta(max_length=100)]


class StationItem(msgspec.Struct, frozen=True):
    """A scan station."""

    name: str
    branch: str
    seen_at: Moment
    state: str


class ScannerItem(msgspec.Struct, frozen=True):
    """A scanner."""

    id: str
    name: str
    station: str
    branch: str
    state: str
    sources: list[str]
    profiles: list[str]


class JobItem(msgspec.Struct, frozen=True):
    """A pass that a station has to scan."""

    id: UUID
    scanner: str
    source: str
    profile: str
    number: int = msgspec.field(name="pass")
    first_page: int
    pages_max: int


async def report(call: Call) -> None:
    """PUT /scan-stations/{name}: stores the station's scanners.

    A name belongs to the branch that used it first, until an operator releases it, and within the branch to the token
    that used it last, until that token is revoked or silent for ten minutes. Raises NotFound for any other caller.
    """
    name, body = station_name(call), await call.body(StationBody)
    scanners = msgspec.json.encode(body.scanners).decode()
    told = partial(call.parts.stations.report_station, name, call.principal.name, call.branch(), scanners)
    if not await told() and not await told(revoked=await actors_revoked(call)):
        raise NotFound
    call.answer(StationItem(name, call.branch(), format_moment(call.parts.archive.clock.now()), "online"))


async def release(call: Call) -> None:
    """DELETE /scan-stations/{name}: frees the name for any branch. The branch that had it keeps its sessions."""
    if not await call.parts.stations.release_name(station_name(call)):
        raise NotFound
    call.resp.status = 204


async def actors_revoked(call: Call) -> list[str]:
    access = await call.parts.blocking(call.parts.archive.catalogues.load_administration)
    return [name for name, token in access.tokens.items() if token.revoked]


async def list_stations(call: Call) -> None:
    """GET /scan-stations."""
    items = [
        StationItem(s.name, s.branch, format_moment(s.seen_at), "offline" if is_silent(s) else "online")
        for s in await stations_in_reach(call)
    ]
    call.send_page_of(items, position=await call.parts.blocking(call.parts.last_position))


async def list_scanners(call: Call) -> None:
    """GET /scanners: the scanners that the caller can use, with their state; `elsewhere`: those of other branches."""
    await call.wait_for_views(SCANS)
    items = await (offers_elsewhere(call) if call.text("elsewhere") == "true" else offers(call))
    call.send_page_of(items, position=await call.parts.blocking(call.parts.last_position))


async def jobs(call: Call) -> None:
    """GET /scan-stations/{name}/jobs: the passes to scan now; waits up to `wait` seconds for the first.

    A job is listed until its session stops scanning; the station recognises jobs it has begun by session and pass."""
    name, wait = station_name(call), call.number("wait", default=0, low=0, high=WAIT_SECONDS_MAX)
    loop = asyncio.get_running_loop()
    until, seen_at, eager_until = loop.time() + wait, -SEEN_SECONDS, loop.time() + EAGER_SECONDS
    while True:
        bell = call.parts.new_events.next()
        if loop.time() - seen_at >= SEEN_SECONDS:
            seen_at = loop.time()
            if not await call.parts.stations.touch_station(name, call.principal.name):
                raise NotFound
        async with call.parts.connection() as conn:
            found = await scan_sessions.list_jobs(conn, name)
        if found or loop.time() >= until or call.is_ending():
            break
        if loop.time() < eager_until:
            await asyncio.sleep(LOOK_SECONDS)
        else:
            await wait_for(bell, seconds=min(IDLE_SECONDS, until - loop.time()))
        if bell.is_set():
            eager_until = loop.time() + EAGER_SECONDS
    items = [job_of(row, call.parts.limits.scan_pages_max) for row in found]
    call.send_page_of(items, position=max((row.from_position for row in found), default=0))


def job_of(row: scan_sessions.ScanSessionRow, pages_max: int) -> JobItem:
    scanner = require_value(row.scanner, "a session that scans has a scanner")
    first, left = row.last_page + 1, pages_max - row.last_page
    return JobItem(row.id, scanner, row.source or "", row.profile or "", row.passes, first, left)


async def device(call: Call, scanner: str, source: ScannerSource | None, profile: str | None) -> ScannerChoice:
    """The scanner of a new session. Raises ScannerOffline, and ValidationFailed for a scanner, source or profile that
    does not exist."""
    found = next((offer for offer in await offers(call) if offer.id == scanner), None)
    if found is None:
        raise ValidationFailed(FieldError("scanner", N_("is not one of the configured scanners")))
    if found.state == "offline":
        raise ScannerOffline
    sources, profiles = found.sources, found.profiles
    if source is not None and source not in sources:
        raise ValidationFailed(FieldError("source", N_("is not available on this scanner")))
    if profile is not None and profile not in profiles:
        raise ValidationFailed(FieldError("profile", N_("is not available on this scanner")))
    return ScannerChoice(
        scanner=scanner,
        station=found.station,
        source=source or ScannerSource(sources[0]),
        profile=profile or profiles[0],
    )


async def offers(call: Call) -> list[ScannerItem]:
    """The scanners that the caller can use. The state is the station's report, but `offline` when the station is
    silent and `busy` when a session uses the scanner."""
    return await offers_of(call, await stations_in_reach(call))


async def offers_elsewhere(call: Call) -> list[ScannerItem]:
    """The scanners of other branches, where the caller cannot scan; empty for callers limited to their own branch."""
    if call.principal.own_branch_only:
        return []
    return await offers_of(call, [s for s in await stations_of(call) if call.principal.branch not in (None, s.branch)])


async def offers_of(call: Call, stations: Sequence[Any]) -> list[ScannerItem]:
    async with call.parts.connection() as conn:
        busy = await scan_sessions.scanners_in_use(conn, [s.name for s in stations])
    return [scanner_item(s, told, busy) for s in stations for told in s.scanners]


def scanner_item(station: Any, told: dict[str, Any], busy: set[str]) -> ScannerItem:
    scanner = f"{station.name}:{told['id']}"
    gone = is_silent(station) or told["state"] == "offline"  # even if a session uses it and does not know yet
    state = "offline" if gone else "busy" if scanner in busy else told["state"]
    return ScannerItem(scanner, told["name"], station.name, station.branch, state, told["sources"], told["profiles"])


async def stations_in_reach(call: Call) -> list[Any]:
    """The stations whose scanners the caller can use: those of its own branch, or all if it has none."""
    return [s for s in await stations_of(call) if call.principal.branch in (None, s.branch)]


async def stations_of(call: Call) -> Sequence[Any]:
    return await call.parts.stations.list_stations()


async def stations_of_branch(call: Call) -> dict[str, datetime]:
    """The stations of this token, each with the moment at which its branch got the name."""
    return {s.name: s.owned_since for s in await stations_of(call) if s.actor == call.principal.name}


def is_silent(station: Any) -> bool:
    return bool(station.silent_seconds > OFFLINE_AFTER_SECONDS)


def station_name(call: Call) -> str:
    name = call.params["name"]
    if not BRANCH.fullmatch(name):
        raise ValidationFailed(
            FieldError(in_path("name"), N_("must be 1 to 32 letters, digits, dots, dashes or underscores"))
        )
    return name
