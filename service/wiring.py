"""Builds all parts: once for a web worker, once for a command. Imports build no part."""

import asyncio
import functools
import importlib.metadata
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import psycopg
from psycopg.types.json import set_json_loads
from psycopg_pool import PoolTimeout

from api.bell import Bell
from api.catalogue import LiveCatalogue
from api.check_limit import CheckLimit
from api.live import Live
from api.page_images import PageImages
from api.parts import IdentityProvider, Parts
from api.sessions import LiveSessions
from domain.access import Rights
from domain.archive import Archive, Ports, Rules, build_archive
from domain.customer import Customer
from domain.promises import require_value
from domain.users import Users
from paper.client import Examiner
from projections.disposals import PaperRetentions
from projections.tracking import LAG_SECONDS
from service.beats import PartStatus as Beating
from service.connections import READ_CONNECTIONS, WRITE_CONNECTIONS
from service.figures import build_figures
from service.first_user import forget_password
from service.health import Health
from service.lapses import note_path_of
from service.metrics import Metrics, render_metrics
from service.release import release_commit, release_version
from service.settings import Settings
from store import access_log, register, runs, sessions
from store.clocks import TIMES, Times
from store.content_directory import ContentDirectory
from store.contents import SealedContents
from store.hints import FOLLOWER, READER, Hints
from store.identity import ArchiveId
from store.image_cache import FOLDER, ImageCache
from store.key_encryption import KeyEncryptionKeys, load_or_make_keys
from store.keys import Keys, customer_ids, reference_of
from store.log import Log
from store.mapper import SealingMapper
from store.passwords import HashedPasswords
from store.pools import Connect, make_async_pool, make_pool
from store.postgres import require_fast_driver
from store.recorder import ArchiveRecorder, index_options, make_datastore, role_options
from store.signals import Signals
from store.signing import Signer
from store.standing import Standing
from store.stations import StationReports
from store.system import RandomIds, SystemClock
from store.tasks import TaskQueue
from web.threads import Blocking

T = TypeVar("T")
APP_ROLE, PROJECTOR_ROLE = "dossier_app", "dossier_projector"
POOLS_LOOK_SECONDS = 1.0
SIGN_INS_WAITING_MAX = 30
REFERENCES_REMEMBERED_MAX = 20_000
IMAGE_FLOORS = 2
"""Cached page images leave this multiple of the uploads' minimum free, so that they never cause a refused upload."""
RENDERERS = ("dossier", "pillow", "pillow-heif", "pypdfium2")
UNAVAILABLE: tuple[type[Exception], ...] = (psycopg.OperationalError, PoolTimeout)


class Store(msgspec.Struct, frozen=True):
    """The storage of one process: database pools, log, keys, contents, register."""

    settings: Settings
    url: str
    role: str | None
    projector_url: str
    pool: Any
    keys: Keys
    log: Log
    contents: SealedContents
    directory: ContentDirectory
    page_images: ImageCache
    register: register.CustomerRegister

    def free_bytes(self) -> int:
        """Free bytes for contents. Below the minimum, cached page images are removed before uploads are refused."""
        if self.directory.free_bytes() < self.settings.limits.disk_free_bytes_min:
            self.page_images.clear_when_full()
        return self.directory.free_bytes()

    def archive(self) -> Archive:
        limits = self.settings.limits
        rules = Rules(
            creditor=self.settings.creditor_id,
            form_days=limits.form_days,
            check_token_seconds=limits.check_token_seconds,
            scan_pages_max=limits.scan_pages_max,
        )
        return build_archive(self.ports(), rules)

    def ports(self) -> Ports:
        return Ports(
            log=self.log,
            keys=self.keys,
            contents=self.contents,
            customers=self.register,
            clock=SystemClock(self.settings.timezone),
            ids=RandomIds(),
        )

    def users(self, archive: Archive) -> Users:
        limits = self.settings.limits
        hashed = HashedPasswords(self.pool, self.keys.keyed_digest, once_days=limits.one_time_password_days)
        return Users(
            catalogues=archive.catalogues,
            ids=archive.ids,
            passwords=hashed,
            password_characters_min=limits.password_characters_min,
        )


class Proven(msgspec.Struct, frozen=True):
    """Facts that a start has checked and its children inherit: the archive's id and the keys that open it."""

    archive: UUID
    kek: KeyEncryptionKeys


def role_of(url: str, role: str) -> str | None:
    """The role to act as, if this login may; None where roles could not be created (docs/operations.md)."""
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute(
            "select true from pg_roles where rolname = %s and pg_has_role(oid, 'member')", [role]
        ).fetchone()
    return role if row else None


def load_key_encryption_keys(settings: Settings) -> KeyEncryptionKeys:
    return load_or_make_keys(settings.home / "keys")[0]


@contextmanager
def open_store(
    settings: Settings,
    url: str,
    *,
    role: str | None,
    projector_url: str | None = None,
    connections: int = 2,
    on_append: Callable[[], None] | None = None,
    damaged: Callable[[UUID, int], None] = lambda *_: None,
    proven: Proven | None = None,
) -> Iterator[Store]:
    """Open the store of one process. Open it after every fork, because pools hold threads and sockets. `projector_url`
    is the login of the owner of the views, if it differs. Without `proven`, the keys are read from their folder, and
    the archive's id is queried when it is needed."""
    require_fast_driver()
    wait = settings.limits.queue_wait_seconds
    pool = make_pool(
        url, min_size=1, max_size=connections, wait_seconds=wait, kwargs={"autocommit": True, **index_options(role)}
    )
    pool.open()
    events = make_datastore(url, connections=connections, wait_seconds=wait, role=role)
    try:
        keys = Keys(pool, proven.kek if proven else load_key_encryption_keys(settings))
        log = Log(ArchiveRecorder(events), keys, SealingMapper(keys.cipher_of, damaged), on_append)
        directory = ContentDirectory(settings.content_directory, ArchiveId(pool, proven.archive if proven else None))
        contents = SealedContents(directory, keys)
        yield Store(
            settings=settings,
            url=url,
            role=role,
            projector_url=projector_url or url,
            pool=pool,
            keys=keys,
            log=log,
            contents=contents,
            directory=directory,
            page_images=open_image_cache(settings, keys),
            register=register.CustomerRegister(pool),
        )
    finally:
        events.close()
        pool.close()


def open_image_cache(settings: Settings, keys: Keys) -> ImageCache:
    return ImageCache(
        settings.home / FOLDER,
        keys,
        bytes_max=settings.page_image_cache_bytes,
        free_bytes_min=IMAGE_FLOORS * settings.limits.disk_free_bytes_min,
        renderer=" ".join(f"{name} {importlib.metadata.version(name)}" for name in RENDERERS),
    )


@asynccontextmanager
async def open_parts(
    settings: Settings,
    url: str,
    *,
    role: str | None,
    socket: Path,
    proven: Proven,
    missing_walls: tuple[str, ...] = (),
    beating: Callable[[], Sequence[Beating]] = list,
) -> AsyncIterator[Parts]:
    """Open the parts of one web worker, in its event loop after the fork."""
    set_json_loads(msgspec.json.decode)  # a list of 20 rows takes a tenth less time than with the standard library's
    metrics, on_append = Metrics(), list[Callable[[], None]]()
    with open_store(
        settings,
        url,
        role=role,
        connections=WRITE_CONNECTIONS,
        on_append=functools.partial(call_each, on_append),
        damaged=metrics.count_damaged,
        proven=proven,
    ) as store:
        worker = build_worker(store, make_read_pool(settings, url, role), metrics)
        on_append.append(worker.signals.announce_events)
        async with (
            worker.reads,
            aclosing(worker.accesses),
            run_signals(worker.signals, worker.live),
            measure_pools(metrics, reads=worker.reads, writes=store.pool),
            receive_hints(settings, worker.standing) as hints,
            open_identity_provider(settings) as provider,
        ):
            on_append.append(functools.partial(hints.send_hint, FOLLOWER))
            examiner = Examiner(socket, settings.limits, metrics.count_decoder_failure)
            health = build_health(worker, proven, missing_walls)
            yield parts_of(worker, examiner, provider, health, beating)
        worker.slowly.close()
        worker.blocking.close()


def call_each(functions: Iterable[Callable[[], None]]) -> None:
    for function in functions:
        function()


class WorkerParts(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one web worker that share its event loop and its pool of connections for reads."""

    store: Store
    archive: Archive
    metrics: Metrics
    reads: Any
    accesses: "Accesses"
    blocking: Blocking
    slowly: Blocking
    signals: Signals
    catalogue: LiveCatalogue
    live: Live
    new_events: Bell
    standing: Standing


def make_read_pool(settings: Settings, url: str, role: str | None) -> Any:
    return make_async_pool(
        url,
        min_size=1,
        max_size=READ_CONNECTIONS,
        wait_seconds=settings.limits.queue_wait_seconds,
        kwargs={"autocommit": True, **role_options(role)},
    )


def build_worker(store: Store, reads: Any, metrics: Metrics) -> WorkerParts:
    """Build the objects and connect the signals of the database to those that wait for them; nothing runs yet."""
    archive, blocking = store.archive(), Blocking(WRITE_CONNECTIONS)
    signals, new_events = Signals(store.url, connection=reads.connection), Bell()
    catalogue = LiveCatalogue(
        archive, blocking, listening=lambda: signals.listening, version=store.log.catalogue_version
    )
    live = Live(
        signals.load_positions,
        streams_max=store.settings.limits.events_streams_max,
        unavailable=UNAVAILABLE,
        streams=metrics.change_streams,
    )
    signals.on_catalogue(catalogue.note_change)
    signals.on_lost_key(store.keys.forget_key)
    signals.on_events(live.note_events, new_events.ring)
    return WorkerParts(
        store=store,
        archive=archive,
        metrics=metrics,
        reads=reads,
        accesses=Accesses(reads.connection),
        blocking=blocking,
        slowly=Blocking(1, waiting_max=SIGN_INS_WAITING_MAX),
        signals=signals,
        catalogue=catalogue,
        live=live,
        new_events=new_events,
        standing=Standing(reads.connection),
    )


@asynccontextmanager
async def measure_pools(metrics: Metrics, **pools: Any) -> AsyncIterator[None]:
    """Update the gauges of the pools every second."""

    async def look_at_pools() -> None:
        while True:
            for name, pool in pools.items():
                found = pool.get_stats()
                metrics.set_pool(name, found["pool_size"], found["pool_available"], found.get("requests_waiting", 0))
            await asyncio.sleep(POOLS_LOOK_SECONDS)

    looking = asyncio.create_task(look_at_pools())
    try:
        yield
    finally:
        looking.cancel()


@asynccontextmanager
async def run_signals(signals: Signals, live: Live) -> AsyncIterator[None]:
    await signals.open()
    try:
        yield
    finally:
        await live.close()
        await signals.close()


@asynccontextmanager
async def receive_hints(settings: Settings, standing: Standing) -> AsyncIterator[Hints]:
    """Receive the hints of this worker, which wake readers that wait for a view."""
    loop = asyncio.get_running_loop()
    with closing(Hints(settings.home / "run", READER)) as hints:
        loop.add_reader(hints.fileno(), lambda: standing.wake_at(hints.receive_hints()))
        try:
            yield hints
        finally:
            loop.remove_reader(hints.fileno())


@asynccontextmanager
async def open_identity_provider(settings: Settings) -> AsyncIterator[IdentityProvider | None]:
    """The library's own sign-in, if configured. Imported here because it needs an extra."""
    if settings.oidc_issuer is None:
        yield None
        return
    from service.oidc import IdentityProvider

    client_id = require_value(settings.oidc_client_id, "settings that go together were checked")
    secret = require_value(settings.oidc_client_secret, "settings that go together were checked")
    provider = IdentityProvider(settings.oidc_issuer, client_id, secret, claim=settings.oidc_claim)
    try:
        yield provider
    finally:
        await provider.close()


def build_health(worker: WorkerParts, proven: Proven, missing_walls: tuple[str, ...]) -> Health:
    settings = worker.store.settings
    return Health(
        worker.reads.connection,
        worker.store.directory,
        settings.limits,
        missing_walls,
        kek=proven.kek,
        keys_folder=settings.home / "keys",
        lapses_note=note_path_of(settings.home),
    )


def build_sessions(worker: WorkerParts) -> LiveSessions:
    settings = worker.store.settings
    return LiveSessions(
        worker.store.users(worker.archive),
        sessions,
        connection=worker.reads.connection,
        catalogue=worker.catalogue,
        keyed_digest=worker.store.keys.keyed_digest,
        slowly=worker.slowly,
        record_access=worker.accesses.record,
        changed=functools.partial(forget_password, settings),
        limits=settings.limits,
        branch=settings.branch,
        newcomers=settings.oidc_role,
    )


def build_page_images(worker: WorkerParts, examiner: Examiner, temporary: Path) -> PageImages:
    return PageImages(
        cache=worker.store.page_images,
        examiner=examiner,
        blocking=worker.blocking,
        limits=worker.store.settings.limits,
        temporary=temporary,
        count=worker.metrics.count_image,
    )


def parts_of(
    worker: WorkerParts,
    examiner: Examiner,
    provider: IdentityProvider | None,
    health: Health,
    beating: Callable[[], Sequence[Beating]],
) -> Parts:
    store, accesses, connection = worker.store, worker.accesses, worker.reads.connection
    settings, limits, temporary = store.settings, store.settings.limits, store.settings.home / "tmp"
    return Parts(
        archive=worker.archive,
        blocking=worker.blocking,
        connection=connection,
        views_at=worker.standing.views_at,
        patience=worker.standing.open_patience,
        live=worker.live,
        new_events=worker.new_events,
        events_at=store.log.load_events_at,
        last_position=store.log.last_position,
        fence=store.log.fence,
        customers=AsyncCustomers(store.register, connection, worker.blocking),
        catalogue=worker.catalogue,
        sessions=build_sessions(worker),
        identity_provider=provider,
        examiner=examiner,
        page_images=build_page_images(worker, examiner, temporary),
        stations=StationReports(connection),
        tasks=TaskQueue(connection),
        signing_key=Signer(store.keys),
        retentions=PaperRetentions(store.pool, worker.archive.catalogues.load_types),
        read_content=store.contents.read,
        content_free_bytes=store.directory.free_bytes,
        check_limit=CheckLimit(accesses.missed_checks, misses_max=limits.check_misses_per_minute_max),
        record_access=accesses.record,
        note_access=accesses.note,
        read_access=accesses.read,
        health=health.check_parts,
        metrics=functools.partial(metrics_text, settings, connection, beating),
        answered=worker.metrics.count_answer,
        limits=limits,
        temporary=temporary,
        branch=settings.branch,
        institution=settings.institution,
        export_names=settings.export_names,
        zone=ZoneInfo(settings.timezone),
        version=release_version(),
        commit=release_commit(),
        refused=worker.metrics.count_refusal,
        uploading=worker.metrics.change_uploads,
        metrics_on_main_port=settings.metrics_port is None,
        trusted_proxies=settings.trusted_proxies,
    )


async def metrics_text(settings: Settings, connection: Connect, beating: Callable[[], Sequence[Beating]]) -> bytes:
    async with connection() as conn:
        views = await (await conn.execute(WHERE_VIEWS_STAND)).fetchall()
        [row] = await (await conn.execute(TIMES)).fetchall()
        last = await (await conn.execute(runs.LAST)).fetchall()
    return render_metrics(views, Times(datetime.now(UTC), *row).skew_seconds, build_figures(settings, beating(), last))


WHERE_VIEWS_STAND = f"""
    select
        t.name,
        t.position,
        coalesce((select max(notification_id) from archive.archive_events), 0) - t.position,
        (select count(*) from views.parked where view = t.name),
        coalesce({LAG_SECONDS}, 0)::float8
    from views.tracking as t
    order by t.name
"""  # noqa: S608  # a constant of projections/tracking.py


class Accesses:
    """The access log for the HTTP API."""

    def __init__(self, connection: Connect) -> None:
        self._connection, self._log = connection, access_log.AccessLog(connection)

    async def record(self, *lines: Mapping[str, Any]) -> None:
        await self._log.record(*(access_log.Access(**fields) for fields in lines))

    def note(self, **fields: Any) -> None:
        self._log.note(access_log.Access(**fields))

    async def aclose(self) -> None:
        await self._log.close()

    async def read(self, rights: Rights, **filters: Any) -> Any:
        async with self._connection() as conn:
            return await access_log.load_access_lines(conn, rights, **filters)

    async def missed_checks(self, actor: str) -> int:
        async with self._connection() as conn:
            return await access_log.count_missed_checks(conn, actor)


class AsyncCustomers:
    """The built-in register for the HTTP API."""

    def __init__(
        self,
        customers: register.CustomerRegister,
        connection: Connect,
        blocking: Blocking,
    ) -> None:
        self._register, self._connection, self._blocking = customers, connection, blocking
        self._references: dict[str, UUID] = {}

    async def get(self, customer_id: str) -> Customer | None:
        async with self._connection() as conn:
            return await register.load_customer(conn, customer_id)

    async def get_all(self, customer_ids: Iterable[str]) -> dict[str, Customer]:
        async with self._connection() as conn:
            return await register.load_customers(conn, customer_ids)

    async def search(self, query: str, limit: int) -> Sequence[Customer]:
        async with self._connection() as conn:
            return await register.search_customers(conn, query, limit)

    async def put(self, customer: Customer) -> bool:
        return await self._blocking(self._register.put, customer)

    async def reference_of(self, customer_id: str) -> UUID | None:
        """The customer's reference; cached, because it never changes: an erased customer's reference has no rows."""
        known = self._references.get(customer_id)
        if known is None:
            async with self._connection() as conn:
                known = await reference_of(conn, customer_id)
            if known is not None:
                if len(self._references) >= REFERENCES_REMEMBERED_MAX:
                    self._references.clear()
                self._references[customer_id] = known
        return known

    async def ids_of(self, references: Iterable[UUID]) -> dict[UUID, str]:
        async with self._connection() as conn:
            return await customer_ids(conn, references)
