"""The archive as a station sees it: HTTP, outbound only, each request on a connection of its own. station.py asks.

What an answer means for a page is said in one word (Verdict): whether it may be forgotten here.
"""

import http.client
import ssl
from enum import Enum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from scanner.spool import Page

OVER: Final = ("cancelled", "archived")
_SECONDS_MAX: Final = 30.0
_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507})


class Verdict(Enum):
    """TAKEN: the archive has it. OVER: nobody wants it any more. REFUSED: never in this form. LATER: ask again."""

    TAKEN = "taken"
    OVER = "over"
    REFUSED = "refused"
    LATER = "later"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A pass to be scanned, as the archive tells it. `scanner` is STATION:ID; pages begin at `first_page`."""

    id: str
    scanner: str
    source: str
    profile: str
    number: int = msgspec.field(name="pass")
    first_page: int

    @property
    def spool_id(self) -> str:
        return f"{self.id}-{self.number}"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A scanner as it is offered to the desk."""

    id: str
    name: str
    state: str
    sources: tuple[str, ...]
    profiles: tuple[str, ...]


class Unreachable(Exception):
    """The archive did not answer, or not now; the message is for the log and names no page."""


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes

    @property
    def slug(self) -> str:
        return str(self._member("type")).rpartition("/")[2]

    @property
    def state(self) -> str:
        return str(self._member("state"))

    def _member(self, name: str) -> Any:
        try:
            found = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return ""
        return found.get(name, "") if isinstance(found, dict) else ""


class Archive:
    """`url` is that of the archive, such as https://archive.example.org; `token` that of a station."""

    def __init__(self, url: str, token: str, *, station: str, branch: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url}: takes http://HOST:PORT or https://HOST")
        self._parts, self._station = parts, quote(station, safe="")
        self._headers = {"Authorization": f"Bearer {token}"} | ({"Archive-Branch": branch} if branch else {})

    def report(self, offers: list[Offer]) -> None:
        """What this station has now. Raises Unreachable, also when its name or token is not taken."""
        self._wanted(self._ask("PUT", f"/v1/scan-stations/{self._station}", msgspec.json.encode({"scanners": offers})))

    def jobs(self, *, wait_seconds: int) -> list[Job]:
        """What is to be scanned just now; waits for the first. Raises Unreachable."""
        path = f"/v1/scan-stations/{self._station}/jobs?wait={wait_seconds}"
        answer = self._wanted(self._ask("GET", path, seconds_max=wait_seconds + _SECONDS_MAX))
        return msgspec.convert(msgspec.json.decode(answer.body)["items"], list[Job])

    def wants(self, job: Job) -> bool:
        """Whether the session goes on, also when this pass was given up: its pages are still welcome. Raises
        Unreachable."""
        answer = self._ask("GET", f"/v1/scan-sessions/{job.id}")
        return answer.status != 200 or answer.state not in OVER

    def put_page(self, job: Job, page: Page, picture: Path) -> Verdict:
        """One page, at its place of the session. Raises Unreachable."""
        n = job.first_page + page.number - 1
        headers = {"Content-Type": "image/jpeg", "Archive-Capture": f"{job.number}.{page.number}"}
        path = f"/v1/scan-sessions/{job.id}/pages/{n}"
        return verdict_of(self._ask("PUT", path, picture.read_bytes(), headers))

    def finish(self, job: Job, problem: str | None, told: str | None) -> Verdict:
        """The pass is done, or could not go on. Raises Unreachable."""
        body = {"pass": job.number, "problem": problem, "told": told}
        return verdict_of(self._ask("POST", f"/v1/scan-sessions/{job.id}/finish", msgspec.json.encode(body)))

    def _wanted(self, answer: Answer) -> Answer:
        if answer.status != 200:
            raise Unreachable(f"the archive answers {answer.status} {answer.slug}")
        return answer

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        seconds_max: float = _SECONDS_MAX,
    ) -> Answer:
        connection = self._connection(seconds_max)
        usual = {"Content-Type": "application/json"} if body is not None else {}
        try:
            whole = self._parts.path.rstrip("/") + path
            connection.request(method, whole, body, self._headers | usual | (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(type(error).__name__) from error
        finally:
            connection.close()

    def _connection(self, seconds_max: float) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=seconds_max, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=seconds_max)


def verdict_of(answer: Answer) -> Verdict:
    """Who is not known or not allowed is asked for again: a token can be made anew, and pages are not to be lost by it.

    A session that is over is said so; one that is not found may be another archive's, so its pages are kept.
    """
    if answer.status in (200, 201):
        return Verdict.TAKEN
    if answer.status == 409 and answer.slug == "illegal-transition" and answer.state in OVER:
        return Verdict.OVER
    if answer.status in (401, 403, 404) or answer.status in _RETRIED:
        return Verdict.LATER
    return Verdict.REFUSED
