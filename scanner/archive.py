"""The station's HTTP client of the archive: outbound requests only, each on a connection of its own; station.py and
delivery.py call it. A Verdict says what an answer means for a page: whether the station may delete it. Only answers
that clearly come from the archive are believed, because routers and proxies on the way send answers of their own."""

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
"""Timeout of each step: connect, send a piece, receive a piece. The total time of a large page has no limit."""
_ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
_PROBLEMS: Final = "/problems/"
_NOT_TAKEN: Final = frozenset({401, 403, 404, 422})
_NEVER: Final = frozenset({400, 409, 411, 413, 415, 422})


class Verdict(Enum):
    """TAKEN: the archive has stored it. CANCELLED: the session was cancelled. REFUSED: it will never be accepted in
    this form. LATER: retry."""

    TAKEN = "taken"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    LATER = "later"


class PassJob(msgspec.Struct, frozen=True, kw_only=True):
    """A pass to be scanned, as the archive describes it. `scanner` is STATION:ID; its pages begin at `first_page`,
    and it may have `pages_max` of them."""

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
    """A scanner as the station offers it to the desk."""

    id: str
    name: str
    state: str
    sources: tuple[str, ...]
    profiles: tuple[str, ...]


class Unreachable(Exception):
    """The archive did not answer, or is not available now; the message is for the log and names no page."""


class StationRefused(Unreachable):
    """The archive answered that it does not accept this station's token, name or branch."""


class ArchiveAnswer(msgspec.Struct, frozen=True):
    """An HTTP answer. `body` is its JSON object; empty where something else answered for the archive."""

    status: int
    body: dict[str, Any]

    @property
    def slug(self) -> str:
        """The slug of the archive's problem; empty for any other answer."""
        kind = self.body.get("type")
        return kind.removeprefix(_PROBLEMS) if isinstance(kind, str) and kind.startswith(_PROBLEMS) else ""

    @property
    def summary(self) -> str:
        return f"the archive answers {self.status} {self.slug}".strip()

    def verdict_for(self, job: PassJob) -> Verdict:
        """The verdict for a page or pass of this job. 401, 403 and 404 mean LATER: a token can be replaced, and a
        session that is not found may belong to another archive, so no page may be deleted. A page of a session
        archived before the page arrived is answered with the session that stores it, of the same scanner; if that
        happens at this moment, the station retries."""
        if self.status in (200, 201) and self.body.get("scanner") == job.scanner:
            return Verdict.TAKEN
        if self.slug == "illegal-transition":
            return Verdict.CANCELLED if self.body.get("state") == "cancelled" else Verdict.LATER
        return Verdict.REFUSED if self.slug and self.status in _NEVER else Verdict.LATER


class ArchiveClient:
    """A client for one archive. `url` is its address, such as https://archive.example.org; `token` is a station's
    token. Raises ValueError for a value that cannot be one."""

    def __init__(self, url: str, token: str, *, station: str, branch: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url}: must be http://HOST:PORT or https://HOST")
        self._headers = {"Authorization": f"Bearer {token}"} | ({"Archive-Branch": branch} if branch else {})
        if not token or not all(value.isascii() and value.isprintable() for value in self._headers.values()):
            raise ValueError("token and branch: each is one line of ASCII")
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._station = quote(station, safe="")

    def report_scanners(self, offers: list[Offer]) -> None:
        """Report the station's scanners. Raises Unreachable, and StationRefused when its name or token is not
        accepted."""
        self._require_ok(
            self._request("PUT", f"/v1/scan-stations/{self._station}", msgspec.json.encode({"scanners": offers}))
        )

    def fetch_jobs(self, *, wait_seconds: int) -> list[PassJob]:
        """The jobs to scan now; waits for the first one up to `wait_seconds`. Raises Unreachable."""
        path = f"/v1/scan-stations/{self._station}/jobs?wait={wait_seconds}"
        answer = self._require_ok(self._request("GET", path, seconds_max=wait_seconds + _SECONDS_MAX))
        try:
            return msgspec.convert(answer.body.get("items"), list[PassJob])
        except msgspec.ValidationError as error:
            raise Unreachable("the answer is not a list of jobs") from error

    def wants_pages(self, job: PassJob) -> bool:
        """True if the session accepts more pages of this job, also when this pass was given up, or the session was
        archived without it, but not when a person stopped it. Raises Unreachable."""
        answer = self._request("GET", f"/v1/scan-sessions/{job.id}")
        state, passes = answer.body.get("state"), answer.body.get("passes")
        return answer.status != 200 or (state != "cancelled" and (state, passes) != ("review", job.number))

    def awaits_pass(self, job: PassJob) -> bool:
        """True if the session is waiting for this pass now. Raises Unreachable."""
        told = self._request("GET", f"/v1/scan-sessions/{job.id}").body
        return (told.get("state"), told.get("passes")) == ("scanning", job.number)

    def put_page(self, job: PassJob, page: SpoolPage, picture: Path) -> ArchiveAnswer:
        """Upload one page at its place in the session. Raises Unreachable."""
        n = job.first_page + page.number - 1
        headers = {
            "Content-Type": "image/jpeg",
            "Content-Length": str(page.size_bytes),
            "Archive-Capture": f"{job.number}.{page.number}",
        }
        with picture.open("rb") as file:
            return self._request("PUT", f"/v1/scan-sessions/{job.id}/pages/{n}", file, headers)

    def finish_pass(self, job: PassJob, problem: str | None, told: str | None) -> ArchiveAnswer:
        """Report that the pass is complete, or the problem that ended it. Raises Unreachable."""
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
            with suppress(BrokenPipeError):  # the server may answer before the whole body was sent
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
