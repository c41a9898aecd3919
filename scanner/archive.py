"""The archive as a station sees it: HTTP, outbound only, each request on a connection of its own. station.py asks.

What an answer means for a page is said in one word (Verdict): whether it may be forgotten here. Only what is plainly
the archive's own answer is believed; routers and proxies on the way have answers of their own.
"""

import http.client
import ssl
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from scanner.messages import PAGES_MAX
from scanner.spool import SpoolPage

_SECONDS_MAX: Final = 30.0
"""For each step: to connect, to send or to receive a piece. A large page on a slow line takes as long as it takes."""
_ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
_PROBLEMS: Final = "/problems/"
_NOT_TAKEN: Final = frozenset({401, 403, 404, 422})
_NEVER: Final = frozenset({400, 409, 411, 413, 415, 422})


class Verdict(Enum):
    """TAKEN: the archive has it. CANCELLED: nobody wants it. REFUSED: never in this form. LATER: ask again."""

    TAKEN = "taken"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    LATER = "later"


class PassJob(msgspec.Struct, frozen=True, kw_only=True):
    """A pass to be scanned, as the archive tells it. `scanner` is STATION:ID; its pages begin at `first_page`, and
    there may be `pages_max` of them."""

    id: str
    scanner: str
    source: str
    profile: str
    number: int = msgspec.field(name="pass")
    first_page: int
    pages_max: int = PAGES_MAX

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


class StationRefused(Unreachable):
    """It answered that this station's token, name or branch is none of its own."""


class ArchiveAnswer(msgspec.Struct, frozen=True):
    """`told` is the JSON object of the body; empty where something else answered for the archive."""

    status: int
    body: dict[str, Any]

    @property
    def slug(self) -> str:
        """Of the archive's problem, empty when it is none of the archive's."""
        kind = self.body.get("type")
        return kind.removeprefix(_PROBLEMS) if isinstance(kind, str) and kind.startswith(_PROBLEMS) else ""

    @property
    def summary(self) -> str:
        return f"the archive answers {self.status} {self.slug}".strip()

    def verdict_for(self, job: PassJob) -> Verdict:
        """Who is not known or not allowed is told to ask again: a token can be made anew, and no page is to be lost by
        it. A session that is not found may be another archive's.

        What was archived before its pages came answers with the session that takes them, of the same scanner; it asks
        once more when that happened in this moment."""
        if self.status in (200, 201) and self.body.get("scanner") == job.scanner:
            return Verdict.TAKEN
        if self.slug == "illegal-transition":
            return Verdict.CANCELLED if self.body.get("state") == "cancelled" else Verdict.LATER
        return Verdict.REFUSED if self.slug and self.status in _NEVER else Verdict.LATER


class ArchiveClient:
    """`url` is that of the archive, such as https://archive.example.org; `token` that of a station. Raises ValueError
    for what cannot be either."""

    def __init__(self, url: str, token: str, *, station: str, branch: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url}: takes http://HOST:PORT or https://HOST")
        self._headers = {"Authorization": f"Bearer {token}"} | ({"Archive-Branch": branch} if branch else {})
        if not token or not all(value.isascii() and value.isprintable() for value in self._headers.values()):
            raise ValueError("token and branch: each is one line of ASCII")
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._station = quote(station, safe="")

    def report_scanners(self, offers: list[Offer]) -> None:
        """What this station has now. Raises Unreachable, also when its name or token is not taken."""
        self._require_ok(
            self._request("PUT", f"/v1/scan-stations/{self._station}", msgspec.json.encode({"scanners": offers}))
        )

    def fetch_jobs(self, *, wait_seconds: int) -> list[PassJob]:
        """What is to be scanned just now; waits for the first. Raises Unreachable."""
        path = f"/v1/scan-stations/{self._station}/jobs?wait={wait_seconds}"
        answer = self._require_ok(self._request("GET", path, seconds_max=wait_seconds + _SECONDS_MAX))
        try:
            return msgspec.convert(answer.body.get("items"), list[PassJob])
        except msgspec.ValidationError as error:
            raise Unreachable("what answers does not tell jobs as the archive does") from error

    def wants_pages(self, job: PassJob) -> bool:
        """Whether more of its pages are welcome: also when this pass was given up, or the session archived without it,
        but not when somebody stopped it. Raises Unreachable."""
        answer = self._request("GET", f"/v1/scan-sessions/{job.id}")
        state, passes = answer.body.get("state"), answer.body.get("passes")
        return answer.status != 200 or (state != "cancelled" and (state, passes) != ("review", job.number))

    def awaits_pass(self, job: PassJob) -> bool:
        """Whether this pass is what the session waits for in this moment. Raises Unreachable."""
        told = self._request("GET", f"/v1/scan-sessions/{job.id}").body
        return (told.get("state"), told.get("passes")) == ("scanning", job.number)

    def put_page(self, job: PassJob, page: SpoolPage, picture: Path) -> ArchiveAnswer:
        """One page, at its place of the session. Raises Unreachable."""
        n = job.first_page + page.number - 1
        headers = {
            "Content-Type": "image/jpeg",
            "Content-Length": str(page.size_bytes),
            "Archive-Capture": f"{job.number}.{page.number}",
        }
        with picture.open("rb") as file:
            return self._request("PUT", f"/v1/scan-sessions/{job.id}/pages/{n}", file, headers)

    def finish_pass(self, job: PassJob, problem: str | None, told: str | None) -> ArchiveAnswer:
        """The pass is done, or could not go on. Raises Unreachable."""
        body = {"pass": job.number, "problem": problem, "told": told}
        return self._request("POST", f"/v1/scan-sessions/{job.id}/finish", msgspec.json.encode(body))

    def _require_ok(self, answer: ArchiveAnswer) -> ArchiveAnswer:
        if answer.status != 200:
            raise (StationRefused if answer.slug and answer.status in _NOT_TAKEN else Unreachable)(answer.summary)
        return answer

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        headers: dict[str, str] | None = None,
        *,
        seconds_max: float = _SECONDS_MAX,
    ) -> ArchiveAnswer:
        connection = self._connect(seconds_max)
        usual = {"Content-Type": "application/json"} if body is not None else {}
        try:
            with suppress(BrokenPipeError):  # who has answered before all was sent is listened to
                connection.request(method, self._path + path, body, self._headers | usual | (headers or {}))
            response = connection.getresponse()
            return ArchiveAnswer(response.status, parse_object(response.read(_ANSWER_BYTES_MAX)))
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(type(error).__name__) from error
        finally:
            connection.close()

    def _connect(self, seconds_max: float) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=seconds_max, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=seconds_max)


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
