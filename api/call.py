"""One request as the handlers see it: the caller and its rights, headers, parameters, waits, answers, access lines."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, TypedDict, TypeVar, Unpack
from urllib.parse import quote
from uuid import UUID

import msgspec

from api.parts import Parts, SignInSession
from domain.access import OPEN, AccessAction, AccessKind, Principal, Rights, rights_of
from domain.archive import Caller
from domain.document_type import DocumentType
from domain.moment import parse_moment
from domain.promises import require_value
from domain.refusals import (
    N_,
    FieldError,
    NotFound,
    PreconditionRequired,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
    ViewPaused,
)
from domain.values import parse_branch_code
from projections import moments
from projections.reading import (
    AUTHORIZATIONS,
    DOCUMENTS,
    HISTORY,
    NO_FLOOR,
    SCANS,
    Floor,
    StaleTypes,
    ViewBehind,
    read_cursor,
    write_cursor,
)
from web.headers import etag
from web.pointers import in_header, in_query
from web.problems import parse_languages, trace_id_of

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
KEY = re.compile(r"[\x21-\x7e]{1,200}")
# RFC 3986, section 3.4, and `%`, because escapes must not be escaped again.
QUERY_CHARACTERS = "%!$&'()*+,;=:@/?-._~"
OWN_WRITES_SHOWN = "own_writes_shown"
VIEWS = frozenset({DOCUMENTS, HISTORY, AUTHORIZATIONS, SCANS})
LINES = "access_lines"
PAUSED_LOOK = 3  # after this many tries, a few milliseconds, check whether the view that is behind is paused
encode_json = msgspec.json.Encoder(decimal_format="number").encode


class About(TypedDict, total=False):
    """The object of a read, in a line of the access log; `page` counts from 1."""

    customer: UUID | None
    document: UUID | None
    authorization: UUID | None
    kind: AccessKind | None
    scan_session: UUID | None
    page: int | None


NOTHING = dict.fromkeys(About.__annotations__)


class Call:
    """One request. `principal` is None on public routes, `session` also for a token. `types` are today's document
    types. `is_of_a_page`: a page sends it (desk/door.py), with values as people typed them."""

    __slots__ = (
        "is_of_a_page",
        "language",
        "params",
        "parts",
        "principal_",
        "req",
        "resp",
        "session",
        "types",
        "types_version",
    )

    def __init__(
        self,
        req: Any,
        resp: Any,
        parts: Parts,
        principal: Principal | None,
        types: Mapping[str, DocumentType],
        params: Mapping[str, str],
        session: SignInSession | None = None,
    ) -> None:
        self.req, self.resp, self.parts, self.principal_, self.session = req, resp, parts, principal, session
        self.types, self.types_version, self.params, self.is_of_a_page = types, 0, params, False
        self.language = language_of(req.get_header("Accept-Language"))

    # -- who ----------------------------------------------------------------------------------------------------

    @property
    def principal(self) -> Principal:
        return require_value(self.principal_, "admission sets the caller of every route that is not public")

    @property
    def asker(self) -> bytes:
        """The caller's opaque key in the queues for decoders and upload places; the same in all workers."""
        return hashlib.blake2b(self.principal.name.encode(), digest_size=8).digest()

    @property
    def rights(self) -> Rights:
        return rights_of(self.principal, self.types.values())

    async def reload_types(self) -> None:
        """Loads the current document types, because the signal of the caller's own last change may not have arrived."""
        await self.know_types(anew=True)

    async def know_types(self, *, anew: bool = False, version: int = 0) -> None:
        self.types = await self.parts.catalogue.types(anew=anew, version=version)
        self.types_version = self.parts.catalogue.version  # nothing else runs between the two lines

    def is_ending(self) -> bool:
        """True if the worker is stopping (web/worker.py), so that a request that waits must be answered now."""
        stopping = self.req.scope["state"].get("stopping")
        return stopping is not None and bool(stopping.is_set())

    def at_end(self, end: Callable[[], None]) -> None:
        """Registers a function to call at the end of the request, answered or cut off (web/wrapper.py)."""
        self.req.scope["state"].setdefault("at_end", []).append(end)

    def branch(self) -> str:
        """The branch of this request: the caller's own, else the header's, else the session's, else the institution's
        default."""
        if self.principal.branch:
            return self.principal.branch
        if named := self.req.get_header("Archive-Branch"):
            return parse_branch_code(named, in_header("Archive-Branch"))
        return (self.session and self.session.branch) or self.parts.branch

    def caller(self) -> Caller:
        return Caller(
            actor=self.principal.name,
            branch=self.branch(),
            correlation_id=UUID(hex=self.trace_id),
            idempotency_key=self._idempotency_key(),
        )

    def _idempotency_key(self) -> str | None:
        key = self.req.get_header("Idempotency-Key")
        if key is not None and not KEY.fullmatch(key):
            raise ValidationFailed(
                FieldError(in_header("Idempotency-Key"), N_("must have 1 to 200 visible characters"))
            )
        return str(key) if key else None

    @property
    def trace_id(self) -> str:
        return trace_id_of(self.req.scope)

    # -- what ---------------------------------------------------------------------------------------------------

    def id(self, name: str = "id") -> UUID:
        """An id from the path. Raises NotFound for a malformed one."""
        try:
            return UUID(self.params[name])
        except ValueError:
            raise NotFound from None

    async def body(self, shape: type[S]) -> S:
        """The JSON body as a checked struct. Raises UnsupportedMediaType and msgspec's DecodeError (400 or 422)."""
        media = (self.req.content_type or "").partition(";")[0].strip().lower()
        if media not in ("", "application/json"):
            raise UnsupportedMediaType(reason=N_("send it as application/json"))
        return msgspec.json.decode(await self.req.stream.read(), type=shape)

    def version_to_match(self) -> int | None:
        """The version that If-Match names, None for `*`. Raises PreconditionRequired without the header."""
        header = self.req.get_header("If-Match")
        if header is None:
            raise PreconditionRequired
        found = re.fullmatch(r'"(\d{1,18})"', header.strip())
        return None if header.strip() == "*" else int(found[1]) if found else 0

    def version_seen(self) -> int | None:
        """As version_to_match(), for changes with an optional If-Match: None without the header."""
        return self.version_to_match() if self.req.get_header("If-Match") is not None else None

    def text(self, name: str) -> str | None:
        """A query parameter, None if absent or empty. Raises ValidationFailed if it was given more than once."""
        value = self.req.params.get(name)
        if isinstance(value, list):
            raise query_error(name, N_("must be given only once"))
        return value or None

    def number(self, name: str, *, default: int, low: int, high: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise query_error(name, N_("must be a whole number from {low} to {high}"), low=low, high=high)
        return int(text)

    def limit(self) -> int:
        limits = self.parts.limits
        return self.number("limit", default=limits.list_page_default, low=1, high=limits.list_page_max)

    async def parse_type_filter(self) -> str | None:
        """The document type of a filter. Raises ValidationFailed for types that the caller may not see (I12)."""
        code = self.text("type")
        if code is not None and code not in self.rights.types:
            await self.reload_types()
            if code not in self.rights.types:
                raise query_error("type", N_("must be one of {allowed}"), allowed=", ".join(sorted(self.rights.types)))
        return code

    def parse_branch_filter(self) -> str | None:
        """The branch of a filter."""
        code = self.text("branch")
        return parse_branch_code(code, in_query("branch")) if code else None

    def offset(self) -> int:
        """The number of items before this page, for a list that is built as a whole."""
        cursor = self.text("cursor")
        return read_cursor(cursor).last if cursor else 0

    def moment(self, name: str) -> datetime | None:
        """An RFC 3339 time of the query, in UTC."""
        text = self.text(name)
        return parse_moment(text, in_query(name)) if text else None

    def as_of(self) -> int | datetime | None:
        """The position or moment of the query's `as_of`. Raises ValidationFailed for a moment in the future."""
        text = self.text("as_of")
        if text is None:
            return None
        if re.fullmatch(r"[0-9]{1,18}", text):
            return int(text)
        moment = parse_moment(text, in_query("as_of"))
        if moment > self.parts.archive.clock.now():
            raise query_error("as_of", N_("must not be in the future"))
        return moment

    async def position_of(self, as_of: int | datetime | None, *views: str) -> int | None:
        """The position that an `as_of` names, once these views, or all, have passed it.

        Do not call it while holding a connection: it takes one of its own while it waits.
        """
        if isinstance(as_of, datetime):
            return await self._position_at(as_of, views)
        if as_of is not None and not await self._is_passed(as_of, views):
            if as_of > await self.parts.blocking(self.parts.last_position):
                raise query_error("as_of", N_("must not be in the future"))
            await self._require_views(as_of, views=views)
        return as_of

    async def _is_passed(self, position: int, views: Collection[str]) -> bool:
        """True if the views have passed it; False for a paused view, because the position may be in the future."""
        try:
            await self._require_views(position, views=views, wait_seconds=0)
        except (Unavailable, ViewPaused):
            return False
        return True

    async def _position_at(self, at: datetime, views: Sequence[str]) -> int:
        """The position of an instant, found in the history, once the views have passed it."""
        instant = await self._find_instant(at)
        if not instant.final:
            await self._require_views(await self.parts.blocking(self.parts.fence), views=(HISTORY,))
            instant = await self._find_instant(at)
        if not await self._is_passed(instant.position, views):
            await self._require_views(instant.position, views=views)
        return instant.position

    async def _find_instant(self, at: datetime) -> moments.LogMoment:
        async with self.parts.connection() as conn:
            return await moments.position_at(conn, at)

    async def wait_for_views(self, *views: str) -> None:
        """Waits until these views, or all, have the caller's own writes and everything up to Archive-Min-Position.

        Call it before they are read. Raises Unavailable when that takes too long, ViewPaused. A read with `as_of` does
        not wait for own writes, because position_of() has waited for its instant. A request waits once for each view:
        the inner calls of a screen share the result until one writes (desk/door.py).
        """
        writer, minimum = self._writer_to_wait_for(views), self._min_position()
        if minimum is not None:
            await self._require_views(minimum, writer=writer, views=views)
        elif writer is not None:
            limit = self.parts.limits.own_writes_wait_seconds
            await self._require_views(0, writer=writer, views=views, wait_seconds=limit)
        if writer is not None:
            self._views_up_to_date().update(views or VIEWS)

    async def query_view(self, view: str, find: Callable[[Any, Floor], Awaitable[T]]) -> T:
        """The result of `find`, called with a connection and the floor of this reader.

        It does the same as wait_for_views() before the query, but the query itself checks the floor, which nearly
        always saves a round trip.
        """
        minimum, writer = self._min_position(), self._writer_to_wait_for([view])
        if minimum is not None:
            return await self._query_from(view, Floor(minimum, writer), find)
        with suppress(ViewBehind):
            return await self._run_query(find, Floor(writer=writer))
        await self.wait_for_views(view)
        return await self._run_query(find, NO_FLOOR)

    async def _query_from(self, view: str, floor: Floor, find: Callable[[Any, Floor], Awaitable[T]]) -> T:
        """As query_view() with Archive-Min-Position: repeats the query at each hint or poll until the view is there."""
        with self.parts.patience(floor.position, wait_seconds=self.parts.limits.min_position_wait_seconds) as patience:
            looks = 0
            if patience.is_early:
                await patience.wait_for_next()
            while True:
                try:
                    return await self._run_query(find, floor)
                except ViewBehind:
                    looks += 1
                    if not await patience.wait_for_next():
                        await self._require_views(floor.position, writer=floor.writer, views=[view], wait_seconds=0)
                    elif looks == PAUSED_LOOK:
                        await self.parts.views_at(floor.position, wait_seconds=0, writer=floor.writer, views=[view])

    async def _run_query(self, find: Callable[[Any, Floor], Awaitable[T]], floor: Floor) -> T:
        try:
            async with self.parts.connection() as conn:
                return await find(conn, msgspec.structs.replace(floor, types=self.types_version))
        except StaleTypes as old:
            version = old.version
        await self.know_types(version=version)
        async with self.parts.connection() as conn:
            return await find(conn, floor)

    def _writer_to_wait_for(self, views: Collection[str]) -> str | None:
        """The caller's name; None if these views, or all, are known to have its writes, or for a read of the past."""
        shown = self._views_up_to_date().issuperset(views or VIEWS) or self.text("as_of") is not None
        return None if shown else self.principal.name

    def _views_up_to_date(self) -> set[str]:
        """The views that are known to have the caller's writes."""
        shown: set[str] = self.req.scope["state"].setdefault(OWN_WRITES_SHOWN, set())
        return shown

    def _min_position(self) -> int | None:
        text = self.req.get_header("Archive-Min-Position")
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise ValidationFailed(FieldError(in_header("Archive-Min-Position"), N_("must be a position")))
        return int(text)

    async def _require_views(
        self,
        position: int,
        *,
        writer: str | None = None,
        views: Collection[str] = (),
        wait_seconds: float | None = None,
    ) -> None:
        """Waits for these views, or all, and loads the current types: rights are today's, even for a read of the past.
        Raises Unavailable, ViewPaused."""
        limit = self.parts.limits.min_position_wait_seconds if wait_seconds is None else wait_seconds
        catalogue = await self.parts.views_at(position, wait_seconds=limit, writer=writer, views=views)
        if catalogue is None:
            raise Unavailable(retry_after_seconds=1)
        if catalogue > self.types_version:
            await self.know_types(version=catalogue)

    # -- answers ------------------------------------------------------------------------------------------------

    def answer(self, value: Any, *, status: int = 200, position: int | None = None, version: int | None = None) -> None:
        self.resp.status = status
        self.resp.content_type = "application/json"
        self.resp.data = encode_json(value)
        if position is not None:
            self.resp.set_header("Archive-Position", str(position))
        if version is not None:
            self.resp.set_header("ETag", etag(version))

    def page(
        self, items: list[Any], *, position: int, next_cursor: str | None, step: str = "cursor", **more: Any
    ) -> None:
        """Answers a page of a list: `items`, its position, and the next page by the query parameter `step`."""
        if next_cursor is not None:
            self.resp.set_header("Link", f'<{self._next_link(step, next_cursor)}>; rel="next"')
        self.answer({**more, "items": items, "position": position, "next": next_cursor}, position=position)

    def send_page_of(self, items: Sequence[Any], *, position: int) -> None:
        """Answers a page of a list that is built as a whole, or at least up to one item after the page."""
        begin, end = self.offset(), self.offset() + self.limit()
        self.page(
            list(items[begin:end]),
            position=position,
            next_cursor=write_cursor(position, end) if len(items) > end else None,
        )

    def _next_link(self, step: str, value: str) -> str:
        kept = [p for p in (self.req.query_string or "").split("&") if p and not p.startswith(f"{step}=")]
        return f"{quote(self.req.path)}?{quote('&'.join([*kept, f'{step}={value}']), safe=QUERY_CHARACTERS)}"

    # -- the access log -------------------------------------------------------------------------------------------

    def is_sensitive(self, type_code: str) -> bool:
        """True if papers of this type need a permission of their own (I12), so that a read waits for its line."""
        return type_code not in self.types or self.types[type_code].definition.sensitivity not in OPEN

    async def record_access(self, action: AccessAction, *, status: int = 200, **about: Unpack[About]) -> None:
        """Writes a line of the access log durably before anything is sent. Raises Unavailable when that fails."""
        line = self._line(action, status, about)
        await self.parts.record_access(line)
        self._lines[key_of(line)] = line

    async def record_look(self, action: AccessAction, *abouts: About, sensitive: bool) -> None:
        """Writes the lines of a read. A sensitive read waits for the commit, as record_access() does; other lines are
        written a moment later, as soon as the database accepts them. A read that a page repeats has one line, unless
        writing that line failed."""
        asked = {key_of(line): line for line in (self._line(action, 200, about) for about in abouts)}
        lines = {key: line for key, line in asked.items() if key not in self._lines}
        self._lines.update(lines)
        try:
            if sensitive and lines:
                await self.parts.record_access(*lines.values())
            elif not sensitive:
                for line in lines.values():
                    self.parts.note_access(**line)
        except BaseException:
            for key in lines:
                del self._lines[key]
            raise

    def has_named(self, customer: UUID | None) -> bool:
        """True if a line of this request names the customer already."""
        return customer is not None and any(customer == line["customer"] for line in self._lines.values())

    @property
    def _lines(self) -> dict[Any, dict[str, Any]]:
        """The lines of this request and of the inner reads of its page."""
        lines: dict[Any, dict[str, Any]] = self.req.scope["state"].setdefault(LINES, {})
        return lines

    def _line(self, action: AccessAction, status: int, about: About) -> dict[str, Any]:
        return {
            "actor": self.principal.name,
            "branch": self.branch(),
            "action": action,
            "status": status,
            "trace_id": self.trace_id,
            **NOTHING,
            **about,
        }


def key_of(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line.values())


@lru_cache(maxsize=256)
def language_of(accept_language: str | None) -> str:
    """The preferred language of the header, `en` without one; labels that lack it fall back to English."""
    wanted = parse_languages((accept_language or "")[:500])
    return wanted[0].lower().partition("-")[0] if wanted else "en"


def query_error(name: str, detail: str, **values: Any) -> ValidationFailed:
    return ValidationFailed(FieldError(in_query(name), detail, **values))
