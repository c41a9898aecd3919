"""Declares the parts of a worker as the routes use them; service/wiring.py builds them. api/ knows no adapter."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from api.bell import Bell
from api.check_limit import CheckLimit
from api.live import Live
from domain.access import Principal
from domain.administration import Identity, User
from domain.archive import Archive
from domain.customer import Customer
from domain.declaration import SigningKey
from domain.document_type import DocumentType
from domain.envelope import Recorded
from domain.finding import Finding, PageFinding
from domain.limits import Limits
from domain.page_image import PageImage
from projections.disposals import DueRow
from web.origin import Network

T = TypeVar("T")
ImageSource = Literal["cache", "decoder"]
"""The source of a page image, for counters."""
Connect = Callable[[], AbstractAsyncContextManager[Any]]


class Blocking(Protocol):
    """Runs a synchronous use case in the bounded pool of threads. Raises Unavailable when the queue is too long.

    A cancelled call ends only after its thread."""

    async def __call__(self, function: Callable[..., T], *arguments: Any) -> T: ...


class Stations(Protocol):
    """The reports of the scan stations."""

    async def report_station(
        self, name: str, actor: str, branch: str, scanners: str, *, revoked: Sequence[str] = ()
    ) -> bool: ...
    async def touch_station(self, name: str, actor: str) -> bool: ...
    async def release_name(self, name: str) -> bool: ...
    async def list_stations(self) -> Sequence[Any]: ...


class Tasks(Protocol):
    """The tasks that operators queue."""

    async def add_task(self, task: UUID, kind: str, view: str | None, actor: str, branch: str) -> Any: ...
    async def is_unended(self, kind: str, view: str) -> bool: ...
    async def list_recent(self) -> Sequence[Any]: ...


class DuePapers(Protocol):
    """The papers whose retention has ended."""

    def list_due(self, due_before: date, types: Sequence[str] | None, limit: int) -> list[DueRow]: ...


class Examiner(Protocol):
    """The limited child processes of paper/. `asker` is the caller's opaque key; a caller has one request at a time."""

    async def examine(self, fd: int, *, size: int, name: str, asker: bytes) -> Finding: ...
    async def draw_form(self, form: bytes, *, asker: bytes) -> bytes: ...
    async def draw_report(self, report: bytes, *, asker: bytes) -> bytes: ...
    async def draw_page_image(
        self, fd: int, *, media_type: str, page: int, width: int, degrees: int = 0, asker: bytes
    ) -> bytes: ...
    async def inspect(self, fd: int, *, size: int, asker: bytes) -> PageFinding: ...
    async def assemble(
        self, source: int, pages: Sequence[tuple[int, int, int]], target: int, *, asker: bytes
    ) -> None: ...


class PageImages(Protocol):
    """Images of pages that the caller may see (api/page_images.py)."""

    async def draw(self, image: PageImage, *, asker: bytes, plain: Callable[[], Iterator[bytes]]) -> bytes: ...
    async def make_way(self, free_bytes_min: int) -> None: ...


class Customers(Protocol):
    """The library's customers as the HTTP door reads and writes them."""

    async def get(self, customer_id: str) -> Customer | None: ...
    async def get_all(self, customer_ids: Iterable[str]) -> Mapping[str, Customer]: ...
    async def search(self, query: str, limit: int) -> Sequence[Customer]: ...
    async def put(self, customer: Customer) -> bool: ...
    async def reference_of(self, customer_id: str) -> UUID | None: ...
    async def ids_of(self, references: Iterable[UUID]) -> dict[UUID, str]: ...


class Catalogue(Protocol):
    """Document types and principals, never older than the last signal of a change. `version` is that of the copy in
    memory."""

    @property
    def version(self) -> int: ...

    async def types(self, *, anew: bool = False, version: int = 0) -> Mapping[str, DocumentType]: ...
    async def principal(self, token: str) -> Principal | None: ...
    async def user(self, name: str) -> User | None: ...
    async def user_of(self, name: str, password: UUID) -> User | None: ...


class SignInSession(msgspec.Struct, frozen=True, kw_only=True):
    """The sign-in session of a user.

    `branch` is the one chosen for this session; `language` is None if the user has not chosen one. `must_change`: the
    password is a one-time password, so the user has to choose a new one first. `by` is `password`, or `oidc` for a
    sign-in with an identity provider.
    """

    key: bytes
    principal: Principal
    password: UUID
    must_change: bool
    branch: str | None
    language: str | None
    keys_off: bool
    ends_at: datetime
    by: str


class Signed(msgspec.Struct, frozen=True):
    """A session that has just begun, with the value of its cookie, which is stored nowhere."""

    cookie: str
    session: SignInSession


class SignInRedirect(msgspec.Struct, frozen=True):
    """The address to which a browser is sent to sign in, and the values that it has to bring back."""

    address: str
    state: str
    nonce: str
    verifier: str


class Person(msgspec.Struct, frozen=True):
    """The identity of a person by an identity provider. `name` is only for people to read."""

    identity: Identity
    name: str | None


class IdentityProvider(Protocol):
    """The library's own identity provider (service/oidc.py)."""

    async def begin(self, redirect_uri: str) -> SignInRedirect: ...
    async def person_of(
        self, code: str, redirect_uri: str, *, nonce: str, verifier: str, issuer: str | None
    ) -> Person: ...


class Sessions(Protocol):
    """Sign-in and its sessions (api/sessions.py)."""

    async def sign_in(self, name: str, password: str, *, address: str, trace_id: str) -> Signed | None: ...
    async def sign_in_as(self, person: Person, *, trace_id: str) -> Signed | None: ...
    async def session(self, cookie: str, *, passive: bool = False) -> SignInSession | None: ...
    async def sign_out(self, cookie: str) -> None: ...
    async def change_password(
        self, session: SignInSession, old: str | None, new: str, *, address: str, trace_id: str
    ) -> Signed: ...
    async def choose(
        self,
        session: SignInSession,
        *,
        branch: str | None = None,
        language: str | None = None,
        keys_off: bool | None = None,
    ) -> None: ...


class ReadContent(Protocol):
    """Opens sealed content; None if its key was destroyed."""

    def __call__(
        self, paper: UUID, content: UUID, sealed_size_bytes: int, first: int, last: int
    ) -> Iterator[bytes] | None: ...


class Reads(Protocol):
    """Waits until some views, or all, have reached a position and the last acknowledged write of `writer`.

    Returns the version of the catalogue at that time; None when it takes longer than `wait_seconds`. Raises ViewPaused.
    """

    async def __call__(
        self, position: int, *, wait_seconds: float, writer: str | None = None, views: Collection[str] = ()
    ) -> int | None: ...


class Patience(Protocol):
    """The wait of one reader for a view to reach a position. `wait_for_next` waits for a hint or the next poll and
    returns False once the time has run out. `is_early`: a query before the next `wait_for_next` would find nothing new.
    """

    is_early: bool

    async def wait_for_next(self) -> bool: ...


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one worker, opened after the fork and closed at shutdown."""

    archive: Archive
    blocking: Blocking
    connection: Connect
    views_at: Reads
    patience: Callable[..., AbstractContextManager[Patience]]
    live: Live
    new_events: Bell
    events_at: Callable[..., Sequence[Recorded[Any]]]
    last_position: Callable[[], int]
    fence: Callable[[], int]
    customers: Customers
    catalogue: Catalogue
    sessions: Sessions
    identity_provider: IdentityProvider | None
    examiner: Examiner
    page_images: PageImages
    stations: Stations
    tasks: Tasks
    retentions: DuePapers
    signing_key: SigningKey
    read_content: ReadContent
    content_free_bytes: Callable[[], int]
    check_limit: CheckLimit
    record_access: Callable[..., Awaitable[None]]
    note_access: Callable[..., None]
    read_access: Callable[..., Awaitable[Any]]
    health: Callable[[], Awaitable[dict[str, str]]]
    metrics: Callable[[], Awaitable[bytes]]
    answered: Callable[[str, str, int, float], None]
    refused: Callable[[str, bool], None]
    uploading: Callable[[int], None]
    limits: Limits
    temporary: Path
    branch: str
    institution: str
    export_names: bool
    zone: ZoneInfo
    version: str
    commit: str
    metrics_on_main_port: bool
    trusted_proxies: tuple[Network, ...]
