"""Writes everything about one person into a folder, as a BagIt bag, for `dossier export customer`; api/person.py sends
the same bag as a zip.

The folder appears whole, by a rename, or not at all. What a killed command left is beside it, under a name of its own,
and the next export to the same place removes it.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from domain.access import Rights
from domain.archive import Caller
from domain.bag import Bag
from domain.envelope import Recorded
from domain.refusals import NotFound
from paper.report import draw_report
from projections.person import PersonExport, PersonOrder, PersonSources
from projections.person_pages import PersonPages, bag_info, pages_of
from service.access import access_of, open_view_connection, record_reads
from service.exits import CONFLICT, TRY_AGAIN, CommandFailed
from service.history import wait_for_views
from service.release import release_version
from service.wiring import Store
from store import access_log
from store.keys import reference_of
from web.problems import catalog

FOLDER_MODE, FILE_MODE = 0o700, 0o600


class Exported(msgspec.Struct, frozen=True):
    """What was exported, and where it lies."""

    folder: str
    customer: str
    papers: int


def export_customer(
    store: Store, customer_id: str, folder: Path, caller: Caller, *, language: str, joint: bool
) -> Exported:
    """Export a customer into a new folder. The access line and the event are durable before the first file. Raises
    NotFound for an id that neither the register nor the archive knows, CommandFailed for a folder that has files."""
    require_free(folder)
    order = asyncio.run(_order_of(store, customer_id, language=language, joint=joint))
    record_reads(store, [access_of(caller, "export", customer=order.reference)])
    store.archive().catalogues.export_customer(order.reference, caller, joint=joint)
    with new_folder(folder) as made:
        papers = asyncio.run(_write(store, order, made))
    return Exported(str(folder), customer_id, papers)


async def _order_of(store: Store, customer_id: str, *, language: str, joint: bool) -> PersonOrder:
    archive, customer = store.archive(), store.register.get(customer_id)
    async with open_view_connection(store) as conn:
        reference = await reference_of(conn, customer_id)
        if customer is None and reference is None:
            raise NotFound
        if not await wait_for_views(store, conn, store.log.last_position()):
            raise CommandFailed(TRY_AGAIN, "the views are behind the log: check that `dossier serve` runs")
    types = archive.catalogues.load_types()
    return PersonOrder(
        customer_id=customer_id,
        customer=customer,
        reference=reference,
        # The account can read the keys of the archive, so it may read everything.
        rights=Rights([*types]),
        types=types,
        administration=archive.catalogues.load_administration(),
        language=language,
        now=archive.clock.now(),
        today=archive.clock.today(),
        zone=ZoneInfo(store.settings.timezone),
        institution=store.settings.institution,
        joint=joint,
        names=store.settings.export_names,
    )


async def _write(store: Store, order: PersonOrder, folder: Path) -> int:
    """Write the bag; the number of its papers."""
    bag = Bag(FolderTarget(folder))
    async with open_view_connection(store) as conn:
        export = PersonExport(order, _sources_of(store, conn))
        async for parts in export.parts():
            _run(bag.put(parts))
    report = PersonPages(order, export.shown, catalog(order.language)).report()
    info = bag_info(order, f"Dossier {release_version()}")
    _run(chain(bag.put(pages_of(report, draw_report(report))), bag.finish(info)))
    return export.shown.paper_count


def _run(steps: Iterator[None]) -> None:
    for _ in steps:
        pass


def _sources_of(store: Store, conn: Any) -> PersonSources:
    @asynccontextmanager
    async def connection() -> AsyncIterator[Any]:
        yield conn

    async def load_recorded(streams: Sequence[UUID], up_to: int) -> Sequence[Recorded[Any]]:
        return store.log.load_recorded(streams, up_to)

    return PersonSources(
        connection=connection,
        load_recorded=load_recorded,
        read_access=partial(access_log.load_access_lines, conn),
        read_content=store.contents.read,
    )


class FolderTarget:
    """The target of a domain.bag.Bag: a folder that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None

    def begin(self, path: str, *, compress: bool) -> None:
        for parent in reversed(Path(path).parents):
            (self._folder / parent).mkdir(mode=FOLDER_MODE, exist_ok=True)
        file = self._folder / path
        self._file = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb")

    def write(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)

    def end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def require_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandFailed(CONFLICT, f"{folder} exists already: name a new folder")
    if not folder.absolute().parent.is_dir():
        raise CommandFailed(CONFLICT, f"{folder.absolute().parent} is no folder: make it first")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, renamed to it when all went well and removed otherwise."""
    folder = folder.absolute()
    made = folder.parent / f".{folder.name}.dossier-unfinished"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=FOLDER_MODE)
    try:
        yield made
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
