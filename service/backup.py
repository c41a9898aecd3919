"""Makes one cut of a running archive in the folder of a back-up: database and contents as of one snapshot.

Order makes the cut consistent. A content is durable before its event commits, so a snapshot of the database names only
contents that exist: the snapshot first, then the contents that it names. Contents are immutable, so one that the folder
has is not copied again. Scans that are cancelled meanwhile take their images with them; then the snapshot is taken
again, before anything was dumped.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from domain.ports import Missing
from domain.promises import require_value
from domain.refusals import Unavailable
from migrations.runner import newest_version
from projections.views import VIEWS
from service.release import release_version
from service.wiring import Store
from store import runs
from store.backups import (
    ARCHIVE_DUMP,
    CONTENTS,
    FORMAT,
    KEYS_DUMP,
    BackupBusy,
    BackupFolder,
    BackupUnfit,
    FileDigest,
    Manifest,
    StoredContentLine,
    digest_file,
    name_cut,
    open_private,
)
from store.content_directory import ContentDirectory
from store.content_format import Tally
from store.dumps import PostgresTools
from store.identity import load_identity
from store.private_files import sync_folder, write_private

SNAPSHOTS_MAX = 50
MISSING_MAX = 1_000
ROWS = 2_000
NO_CONTENT = UUID(int=0)
Progress = Callable[[int, int], None]


class BackupReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a back-up. `copied` contents are new in the folder; `missing` ones the archive itself had lost."""

    cut: str
    position: int
    events: int
    papers: int
    contents: int
    content_bytes: int
    copied: int
    copied_bytes: int
    missing: int
    dump_bytes: int
    seconds: float


class Facts(msgspec.Struct, frozen=True):
    """Counts of one snapshot."""

    position: int
    newest_leaf: str
    events: int
    papers: int
    customers: int
    contents: int


class Snapshot(msgspec.Struct, frozen=True):
    """A snapshot of the database that a dump can use while `conn` keeps its transaction open."""

    conn: psycopg.Connection[Any]
    name: str
    facts: Facts


class Copier:
    """Copies contents to the folder of a back-up, each once, and counts them."""

    def __init__(self, store: Store, target: ContentDirectory, total: int, progress: Progress) -> None:
        self._store, self._target, self._total, self._progress = store, target, total, progress
        self.copied = self.copied_bytes = self._seen = 0

    def copy_content(self, key: str, known: StoredContentLine | None) -> StoredContentLine | None:
        """The line of a content that the folder now has; None when the archive has lost it. `known` is its line in an
        earlier cut."""
        self._seen += 1
        self._progress(min(self._seen, self._total), self._total)
        if known is not None and self._target.size(key) == known.size_bytes:
            return known
        if self._target.size(key) is not None:  # copied moments ago, or by a run that did not end
            return load_line(self._target, key)
        tally = Tally()
        try:
            self._target.put(key, tally.pass_through(self._read_source(key)))
        except SourceLost:
            return None
        self.copied += 1
        self.copied_bytes += tally.size_bytes
        return StoredContentLine(key, tally.size_bytes, tally.sha256.hex())

    def _read_source(self, key: str) -> Iterator[bytes]:
        """The bytes of the archive's own file. A file that cannot be read is as lost as one that is not there; whether
        the folder is the right one was checked before."""
        try:
            yield from self._store.directory.read(key)
        except (Missing, Unavailable) as error:
            raise SourceLost from error


class SourceLost(Exception):
    """The archive has no readable file for a content that its database names."""


class ContentsGone(Exception):
    """Contents of a snapshot were removed for good before they were copied: the snapshot is too old."""


def load_line(contents: ContentDirectory, key: str) -> StoredContentLine:
    """The line of a content that is in the folder, from its bytes. Raises Missing, Unavailable."""
    tally = Tally()
    for _ in tally.pass_through(contents.read(key)):
        pass
    return StoredContentLine(key, tally.size_bytes, tally.sha256.hex())


class Backup:
    """One run. `url` is a login that reads every table; `folder` and `keys` are locked by run()."""

    def __init__(self, store: Store, url: str, folder: BackupFolder, keys: BackupFolder, progress: Progress) -> None:
        self._store, self._url, self._folder, self._keys, self._progress = store, url, folder, keys, progress

    def run(self) -> BackupReport:
        """Write one cut; it is complete and durable on return. Raises BackupForeign, BackupUnfit, BackupBusy,
        DumpFailed; then the folder has the cuts that it had before."""
        begun, begun_at = time.monotonic(), datetime.now(UTC)
        with psycopg.connect(self._url, autocommit=True) as conn:
            archive = load_identity(conn).id
        self._prepare_folders(archive)
        with self._folder.lock(), self._keys.lock():
            manifest, copier = self._write_cut(archive, name_cut(begun_at), begun_at)
        report = BackupReport(
            cut=manifest.cut,
            position=manifest.position,
            events=manifest.events,
            papers=manifest.papers,
            contents=manifest.contents,
            content_bytes=manifest.content_bytes,
            copied=copier.copied,
            copied_bytes=copier.copied_bytes,
            missing=len(manifest.missing),
            dump_bytes=sum(file.size_bytes for file in manifest.files.values()),
            seconds=time.monotonic() - begun,
        )
        self._record(report)
        return report

    def _prepare_folders(self, archive: UUID) -> None:
        """Prepare both folders. Raises BackupUnfit when one is in the other, or in the data folder."""
        folder, keys = self._folder.root.resolve(), self._keys.root.resolve()
        inside = [self._store.settings.home.resolve(), self._store.settings.content_directory.resolve()]
        for path, others in ((folder, [keys, *inside]), (keys, [folder, *inside])):
            if any(path.is_relative_to(other) for other in others):
                raise BackupUnfit(f"{path} is inside a folder of the archive or of its back-up: give another folder")
        self._folder.prepare(archive)
        self._keys.prepare(archive)

    def _write_cut(self, archive: UUID, cut: str, begun_at: datetime) -> tuple[Manifest, Copier]:
        earlier = self._folder.list_cuts()
        contents = self._folder.prepare_contents(archive)
        cut_path, keys_path = self._folder.create_cut(cut), self._keys.create_cut(cut)
        lister = ContentLister(self._folder, earlier[-1].cut if earlier else None)
        copier = Copier(self._store, contents, count_contents(self._url), self._progress)
        with psycopg.connect(self._url, autocommit=True) as conn:  # most of the work, before the snapshot
            lister.write(conn, cut_path / CONTENTS, copier)
        with self._take_snapshot(cut_path, lister, copier) as (snapshot, lost):
            server = snapshot.conn.info.server_version // 10_000
            tools = PostgresTools(server)
            tools.dump(self._url, keys_path / KEYS_DUMP, snapshot.name, KEYS_OPTIONS)
            tools.dump(self._url, cut_path / ARCHIVE_DUMP, snapshot.name, ARCHIVE_OPTIONS)
        kek = self._copy_keys()
        sizes = [line.size_bytes for line in self._folder.iter_contents(cut)]
        manifest = Manifest(
            format=FORMAT,
            cut=cut,
            archive=archive,
            release=release_version(),
            migration=newest_version(),
            server_version=server,
            begun_at=begun_at,
            ended_at=datetime.now(UTC),
            position=snapshot.facts.position,
            newest_leaf=snapshot.facts.newest_leaf,
            events=snapshot.facts.events,
            papers=snapshot.facts.papers,
            customers=snapshot.facts.customers,
            contents=len(sizes),
            content_bytes=sum(sizes),
            missing=lost[:MISSING_MAX],
            files={
                ARCHIVE_DUMP: digest_file(cut_path / ARCHIVE_DUMP),
                CONTENTS: digest_file(cut_path / CONTENTS),
                KEYS_DUMP: digest_file(keys_path / KEYS_DUMP),
                **kek,
            },
        )
        self._keys.finish_cut(manifest)
        self._folder.finish_cut(manifest)
        return manifest, copier

    @contextmanager
    def _take_snapshot(
        self, cut_path: Path, lister: "ContentLister", copier: Copier
    ) -> Iterator[tuple[Snapshot, list[str]]]:
        """A snapshot all of whose contents are in the folder, and the keys of those that the archive has lost."""
        for _ in range(SNAPSHOTS_MAX):
            with psycopg.connect(self._url) as conn:
                conn.execute("set transaction isolation level repeatable read, read only")
                snapshot = Snapshot(conn, _first(conn, "select pg_export_snapshot()"), load_facts(conn))
                for key in iter_keys(conn, lister.find_newest(cut_path / CONTENTS)):
                    copier.copy_content(key, None)  # at once: they are removed when their scan is cancelled
                lost = list_readable(conn, lister.write(conn, cut_path / CONTENTS, copier))
                if not self._were_removed(lost):
                    yield snapshot, lost
                    return
        raise BackupBusy("contents are removed faster than they can be copied: run it again")

    def _were_removed(self, keys: list[str]) -> bool:
        """True if some of these contents were removed since the snapshot."""
        with psycopg.connect(self._url, autocommit=True) as conn:
            return len(list_readable(conn, keys)) < len(keys)

    def _copy_keys(self) -> dict[str, FileDigest]:
        """Copy the key-encryption keys; their digests by name."""
        found = sorted((self._store.settings.home / "keys").glob("kek.[0-9]*"))
        for path in found:
            write_private(self._keys.root / path.name, path.read_bytes())
        return {path.name: digest_file(path) for path in found}

    def _record(self, report: BackupReport) -> None:
        with self._store.pool.connection() as conn:
            runs.record_run(conn, "backup", seconds=report.seconds, problems=report.missing, result=report)


class ContentLister:
    """Writes the file `contents` of a cut. The lines of contents that the cut before had are taken from there."""

    def __init__(self, folder: BackupFolder, earlier: str | None) -> None:
        self._folder, self._earlier = folder, earlier

    def write(self, conn: psycopg.Connection[Any], file: Path, copier: Copier) -> list[str]:
        """Copy and list the contents that the database of `conn` names, in the order of their ids, which is that of
        their text. Returns the keys of those that are lost. Memory use is that of one page of rows."""
        known, lost = self._read_known(file), list[str]()
        part = file.with_suffix(".part")
        with open_private(part, "w") as out:
            for key in iter_keys(conn):
                line = copier.copy_content(key, known.find(key))
                if line is None:
                    lost.append(key)
                else:
                    out.write(line.to_text())
        shutil.move(part, file)
        sync_folder(file.parent)
        return lost

    def find_newest(self, file: Path) -> UUID:
        """The last content in the list; ids rise with time."""
        newest = NO_CONTENT
        for line in self._folder.iter_contents(file.parent.name):
            newest = UUID(line.key)
        return newest

    def _read_known(self, file: Path) -> "KnownLines":
        """The lines of this cut's file when there is one, else those of the cut before."""
        if file.exists():
            return KnownLines(self._folder.iter_contents(file.parent.name))
        return KnownLines(self._folder.iter_contents(self._earlier) if self._earlier else iter(()))


class KnownLines:
    """A file `contents`, read beside another list in the same order."""

    def __init__(self, lines: Iterator[StoredContentLine]) -> None:
        self._lines, self._next = lines, next(lines, None)

    def find(self, key: str) -> StoredContentLine | None:
        """The line of a key; keys have to rise from call to call."""
        while self._next is not None and self._next.key < key:
            self._next = next(self._lines, None)
        return self._next if self._next is not None and self._next.key == key else None


def iter_keys(conn: psycopg.Connection[Any], after: UUID = NO_CONTENT) -> Iterator[str]:
    """The keys of the contents that the log names, those after one, in rising order; page by page, in any
    transaction."""
    while rows := conn.execute(KEYS_AFTER, [after, ROWS]).fetchall():
        for (key,) in rows:
            yield str(key)
        after = rows[-1][0]


def list_readable(conn: psycopg.Connection[Any], keys: list[str]) -> list[str]:
    """Those of these contents that the log names and whose paper has its key: no erasure has removed them."""
    return [key for (key,) in conn.execute(READABLE, [keys])]


def load_facts(conn: psycopg.Connection[Any]) -> Facts:
    return Facts(*require_value(conn.execute(FACTS).fetchone(), "counts have one row"))


def count_contents(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as conn:
        return int(_first(conn, "select count(*) from archive.content"))


def _first(conn: psycopg.Connection[Any], query: str) -> Any:
    return require_value(conn.execute(query.encode()).fetchone(), "the question has one row")[0]


KEYS_OPTIONS = ("--schema=keys",)
ARCHIVE_OPTIONS = (
    "--exclude-schema=keys",
    "--exclude-table=views.*_old",
    "--exclude-table=views.*_shadow",
    "--exclude-table-data=views.parked",
    *(f"--exclude-table-data=views.{name}" for name in VIEWS),
)
"""The rows of the views are clear text and come from the log; those of views.tracking say where the views stood."""
KEYS_AFTER = "select content from archive.content where content > %s order by content limit %s"
READABLE = """
    select c.content::text
    from archive.content as c
    where c.content = any(%s::uuid[]) and exists (
        select from keys.paper as p
        where p.paper = c.paper
    )
"""
FACTS = """
    select
        coalesce(max(notification_id), 0),
        coalesce((
            select encode(e.leaf, 'hex') from archive.archive_events as e order by notification_id desc limit 1
        ), ''),
        count(*),
        count(*) filter (where originator_version = 1 and (
            topic like 'document-%' and topic not like 'document-type-%' or topic like 'authorization-%'
            or topic = 'identity-seen.v1'
        )),
        (select count(*) from register.customer),
        (select count(*) from archive.content)
    from archive.archive_events
"""
