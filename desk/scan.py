"""Scan page (S2): the scanners, the pages of a scan session and its questions. assets/scan.js handles the buttons.

The pane is rendered again from the session after each change; the form's fields hold what the user has selected.
Neighbours: add.py shows the pane beside the code and its Check, scanned.py saves the pages as documents.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from api.call import Call
from desk import lately
from desk.door import LIST_PAGE, ask
from desk.fields import number
from desk.render import may_use
from domain.access import Verb
from domain.document_type import schemes_of
from domain.refusals import NotFound
from domain.scan_code import is_well_formed

DEVICE, PROFILE = "device", "profile"
OPEN = ("review", "failed")
QUESTIONS = ("add", "rescan", "sides", "remove", "discard")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A scanner with one of its paper sources, flatbed or feeder."""

    scanner: Mapping[str, Any]
    source: str

    @property
    def value(self) -> str:
        return f"{self.source}~{self.scanner['id']}"


class Pane(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the pane shows.

    `session` is None before the first scan; `over` is its final state if it ended elsewhere. `page` is the page in
    view, `taken` the numbers of the pages to save. `groups` are the page numbers of each document of a batch, `left`
    those of no document. `asks` is the question waiting for an answer. `codes` are the scan codes on the taken pages
    with their page, `warnings` the page numbers of each warning.
    """

    choices: list[Choice]
    chosen: Choice | None
    profile: str
    session: Mapping[str, Any] | None
    over: str
    page: Mapping[str, Any] | None
    taken: list[int]
    groups: list[list[int]]
    left: list[int]
    asks: str
    codes: list[tuple[str, int]]
    warnings: dict[str, list[int]]

    @property
    def is_scanning(self) -> bool:
        return self.session is not None and self.session["state"] == "scanning"

    @property
    def pages(self) -> list[dict[str, Any]]:
        return self.session["pages"] if self.session else []

    @property
    def is_open(self) -> bool:
        """True if its pages can be arranged: no page is being scanned."""
        return self.session is not None and self.session["state"] in OPEN

    @property
    def is_ready(self) -> bool:
        """True if there are pages to save."""
        return bool(self.taken) and self.is_open


async def pane(call: Call, fields: Mapping[str, str], scanners: Iterable[Mapping[str, Any]]) -> Pane:
    """The pane for the fields `session`, `page`, `pages`, `asks`, `kept`, `device` and `profile`."""
    choices = choices_of(scanners)
    session, over = await session_of(call, fields.get("session"))
    groups, left = await split_of(call, session)
    chosen = choose_scanner(choices, session, fields.get("device") or lately.cookie(call, DEVICE))
    profile = fields.get("profile") or lately.cookie(call, PROFILE)
    pages = session["pages"] if session else []
    taken = numbers_taken(pages, groups, fields.get("pages", ""))
    profile = profile_of(chosen, session, profile)
    remember_scanner(call, fields, chosen, profile)
    return Pane(
        choices=choices,
        chosen=chosen,
        profile=profile,
        session=session,
        over=over,
        page=page_shown(pages, taken, fields.get("page", "")),
        taken=taken,
        groups=groups,
        left=left,
        asks=asks_of(session, fields.get("asks", "")),
        codes=codes_of(call, pages, taken),
        warnings=warnings_of(pages, kept=fields.get("kept", "").split(",")),
    )


# -- scanners -----------------------------------------------------------------------------------------------------


def choices_of(scanners: Iterable[Mapping[str, Any]]) -> list[Choice]:
    return [Choice(scanner=scanner, source=source) for scanner in scanners for source in scanner["sources"]]


def choose_scanner(choices: list[Choice], session: Mapping[str, Any] | None, wanted: str) -> Choice | None:
    """The scanner of the session, else the wanted one, else the first that is ready."""
    if session is not None and session["scanner"] is not None:
        wanted = f"{session['source']}~{session['scanner']}"
    ready = [choice for choice in choices if choice.scanner["state"] == "ready"]
    return next((choice for choice in choices if choice.value == wanted), next(iter([*ready, *choices]), None))


def profile_of(chosen: Choice | None, session: Mapping[str, Any] | None, wanted: str) -> str:
    offered: list[str] = chosen.scanner["profiles"] if chosen else []
    if session is not None and session["profile"] is not None:
        return str(session["profile"])
    return wanted if wanted in offered else next(iter(offered), "")


def remember_scanner(call: Call, fields: Mapping[str, str], chosen: Choice | None, profile: str) -> None:
    """Stores scanner and profile in the browser, but only valid ones, because a link can ask for any."""
    for name, offered in ((DEVICE, chosen.value if chosen else ""), (PROFILE, profile)):
        if offered and fields.get(name) == offered:
            lately.remember(call, name, offered)


# -- pages --------------------------------------------------------------------------------------------------------


async def session_of(call: Call, session: str | None) -> tuple[Mapping[str, Any] | None, str]:
    """The open session, or None and its final state."""
    if not session:
        return None, ""
    try:
        found = (await ask(call, "GET", "/v1/scan-sessions/{id}", id=session)).body
    except NotFound:
        return None, "cancelled"
    return (None, found["state"]) if found["state"] in ("archived", "cancelled", "expired") else (found, "")


async def unfinished_scans(call: Call) -> list[dict[str, Any]]:
    """The reader's own unfinished scans at this branch, latest first."""
    if not may_use(call, Verb.SCANS_USE):
        return []
    found = await ask(call, "GET", "/v1/scan-sessions", query={"branch": call.branch(), "limit": LIST_PAGE})
    mine = [
        one
        for one in found.body["items"]
        if one["actor"] == call.principal.name and one["pages"] and one["state"] != "expired"
    ]
    return sorted(mine, key=lambda one: str(one["started_at"]), reverse=True)


async def split_of(call: Call, session: Mapping[str, Any] | None) -> tuple[list[list[int]], list[int]]:
    """The suggested documents of a batch, and the pages of none; both empty if it is one document."""
    if session is None or session["state"] not in OPEN or len(session["pages"]) < 2:
        return [], []
    found = (await ask(call, "GET", "/v1/scan-sessions/{id}/split", id=session["id"])).body
    if len(found["documents"]) < 2:
        return [], []
    return [one["pages"] for one in found["documents"]], sorted([*found["separators"], *found["blanks"]])


def numbers_taken(pages: Iterable[Mapping[str, Any]], groups: list[list[int]], wanted: str) -> list[int]:
    """The numbers of the pages to save: those wanted, else the first document of a batch, else all."""
    numbers = [page["n"] for page in pages]
    chosen = {number(text) for text in wanted.split(",")}
    if wanted != "all" and (taken := [n for n in numbers if n in chosen]):
        return taken
    return groups[0] if groups and wanted != "all" else numbers


def page_shown(pages: list[dict[str, Any]], taken: list[int], wanted: str) -> dict[str, Any] | None:
    found = [page for page in pages if str(page["n"]) == wanted] + [page for page in pages if page["n"] in taken]
    return next(iter([*found, *pages]), None)


def asks_of(session: Mapping[str, Any] | None, wanted: str) -> str:
    if session is None:
        return ""
    if session["state"] == "awaiting_confirmation":
        return "first"
    return wanted if wanted in QUESTIONS and session["state"] in OPEN else ""


def codes_of(call: Call, pages: Iterable[Mapping[str, Any]], taken: list[int]) -> list[tuple[str, int]]:
    """The scan codes on the taken pages; other barcodes, such as those of books, are left out."""
    known = schemes_of(call.types.values())
    found: dict[str, int] = {}
    for page in pages:
        for code in page["scan_codes"] if page["n"] in taken else ():
            if is_well_formed(code, known):
                found.setdefault(code, page["n"])
    return list(found.items())


def warnings_of(pages: Iterable[Mapping[str, Any]], *, kept: list[str]) -> dict[str, list[int]]:
    """The page numbers of each warning; blank pages that the user keeps are left out."""
    found: dict[str, list[int]] = {}
    for page in pages:
        for warning in page["warnings"]:
            if warning != "blank" or page["sha256"] not in kept:
                found.setdefault(warning, []).append(page["n"])
    return found
