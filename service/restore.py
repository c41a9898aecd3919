"""Restores a cut of a back-up into an empty data folder: keys, contents and database, then the views, then `verify`.

Everything that can be refused is refused before anything is created. The database is loaded in one transaction and the
content folder is marked last: `serve` refuses a restore that was killed, because its content folder has no marker.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from domain.ports import AlreadyStored, Missing
from migrations.files import load_migrations
from migrations.runner import newest_version
from service.database import Addresses, open_database
from service.prepare import make_folders, prepare_archive
from service.settings import Settings
from store.backups import (
    ARCHIVE_DUMP,
    CONTENT,
    CONTENTS,
    KEYS_DUMP,
    MANIFEST,
    BackupDamaged,
    BackupFolder,
    BackupForeign,
    BackupUnfit,
    Manifest,
    digest_file,
)
from store.content_directory import ContentDirectory, holds_content, make_root
from store.content_format import Tally
from store.dumps import PostgresTools
from store.marker import MARKER, Marker
from store.private_files import write_private

Progress = Callable[[int, int], None]
Tell = Callable[[str], None]


class HomeTaken(Exception):
    """The data folder, the content folder or the database that would receive the restore has something."""


def choose_cut(folder: BackupFolder, to: int | None) -> Manifest:
    """The newest complete cut, or the newest one that ends at or before the position `to`. Raises BackupUnfit."""
    folder.require_archive()
    found = folder.list_cuts()
    if not found:
        raise BackupUnfit(
            f"{folder.root} has no complete back-up: the last run did not end, run `dossier backup` again"
        )
    fit = [manifest for manifest in found if to is None or manifest.position <= to]
    if not fit:
        raise BackupUnfit(f"the oldest cut in {folder.root} ends at position {found[0].position}, after {to}")
    return fit[-1]


def require_release(manifest: Manifest) -> None:
    """Raises BackupUnfit for a cut that a newer release made."""
    if manifest.migration > newest_version():
        raise BackupUnfit(
            f"release {manifest.release} made this back-up (migration {manifest.migration}), and this release knows"
            f" up to {newest_version()}: restore it with that release or a later one"
        )


def require_keys_of(keys: BackupFolder, manifest: Manifest) -> None:
    """Require the keys of this very cut. Raises BackupUnfit, BackupForeign, BackupDamaged."""
    try:
        archive = keys.require_archive()
    except BackupUnfit as error:
        raise BackupUnfit(
            f"the keys of this back-up are not there ({error}): give their folder with --keys-from"
        ) from None
    if archive != manifest.archive:
        raise BackupForeign(
            f"{keys.root} has the keys of another archive ({archive}; the back-up is of {manifest.archive})"
        )
    if not (keys.path_of(manifest.cut) / MANIFEST).exists():
        raise BackupUnfit(f"{keys.root} has no keys for the cut {manifest.cut}: give the folder that its run wrote")
    if keys.load_manifest(manifest.cut) != manifest:
        raise BackupDamaged(f"the manifest of {manifest.cut} and its copy in {keys.root} differ: one was changed")
    keys.require_file(manifest, KEYS_DUMP)
    for name in kek_names(manifest):
        require_kek(keys, manifest, name)


def kek_names(manifest: Manifest) -> list[str]:
    return [name for name in manifest.files if name.startswith("kek.")]


def require_kek(keys: BackupFolder, manifest: Manifest, name: str) -> Path:
    """The file of a key-encryption key; it is beside the cuts, because all cuts share it."""
    path = keys.root / name
    if not path.exists():
        raise BackupUnfit(f"{path} is missing: put the copy of it back")
    if digest_file(path) != manifest.files[name]:
        raise BackupDamaged(f"{path} was changed: put the copy of it back")
    return path


class RestoreRun:
    """One restore of the cut `manifest` into `settings.home`."""

    def __init__(
        self, settings: Settings, folder: BackupFolder, keys: BackupFolder, manifest: Manifest, progress: Progress
    ) -> None:
        self._settings, self._folder, self._keys, self._manifest = settings, folder, keys, manifest
        self._progress = progress

    def run(self, tell: Tell) -> None:
        """Restore everything. Raises HomeTaken, BackupUnfit, BackupForeign, BackupDamaged, DumpFailed; then what it had
        created is removed again."""
        require_release(self._manifest)
        require_keys_of(self._keys, self._manifest)
        for name in (ARCHIVE_DUMP, CONTENTS):
            self._folder.require_file(self._manifest, name)
        require_empty(self._settings)
        self._require_server()
        with self._remove_on_failure():
            make_folders(self._settings)
            self._restore_keys()
            self._restore_contents()
            with open_database(self._settings) as (_, addresses), self._empty_on_failure(addresses):
                self._load_database(addresses)
                make_root(self._settings.content_directory, Marker(self._manifest.archive))
                prepare_archive(self._settings, addresses, tell)

    def _require_server(self) -> None:
        """Raises HomeTaken for a given database that has tables, BackupUnfit for a server older than the dump's."""
        if self._settings.database_url is None:
            return
        with open_database(self._settings) as (_, addresses), psycopg.connect(addresses.owner) as conn:
            require_no_tables(conn)
            major = conn.info.server_version // 10_000
            if major < self._manifest.server_version:
                raise BackupUnfit(
                    f"the back-up is of Postgres {self._manifest.server_version} and this server is {major}: restore to"
                    f" {self._manifest.server_version} or later"
                )

    @contextmanager
    def _empty_on_failure(self, addresses: Addresses) -> Iterator[None]:
        """Drop what was loaded into the database, which was empty, when a later step fails."""
        url = addresses.superuser or addresses.owner
        with psycopg.connect(url) as conn:
            require_no_tables(conn)
        try:
            yield
        except BaseException:
            with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as conn:
                conn.execute(DROP)
            raise

    @contextmanager
    def _remove_on_failure(self) -> Iterator[None]:
        """Remove the files again when the restore fails."""
        existed = self._settings.home.exists()
        try:
            yield
        except BaseException:
            for folder in (self._settings.home, self._settings.content_directory):
                empty_folder(folder)
            if not existed:
                with suppress(OSError):
                    self._settings.home.rmdir()
            raise

    def _restore_keys(self) -> None:
        folder = self._settings.home / "keys"
        folder.mkdir(mode=0o700)
        for name in kek_names(self._manifest):
            write_private(folder / name, require_kek(self._keys, self._manifest, name).read_bytes())

    def _restore_contents(self) -> None:
        """Copy the contents of the cut, each compared with its digest."""
        source = self._folder.open_contents(self._manifest.archive)
        target = unmarked_directory(self._settings.content_directory, self._manifest)
        for done, line in enumerate(self._folder.iter_contents(self._manifest.cut), 1):
            tally = Tally()
            try:
                target.put(line.key, tally.pass_through(source.read(line.key)))
            except (Missing, AlreadyStored):
                raise BackupDamaged(self._sentence_of(line.key)) from None
            if (tally.size_bytes, tally.sha256.hex()) != (line.size_bytes, line.sha256):
                raise BackupDamaged(self._sentence_of(line.key))
            self._progress(done, self._manifest.contents)
        (self._settings.content_directory / MARKER).unlink()

    def _sentence_of(self, key: str) -> str:
        path = self._folder.root / CONTENT / key[-2:] / key
        return f"{path} is missing or was changed: put it back from another copy"

    def _load_database(self, addresses: Addresses) -> None:
        url = addresses.superuser or addresses.owner
        with psycopg.connect(url, autocommit=True) as conn:
            major = conn.info.server_version // 10_000
            if addresses.superuser is None:
                conn.execute(roles_script())
            has_roles = conn.execute(HAS_ROLES).fetchone() == (2,)
        PostgresTools(major).load(
            url,
            [
                self._keys.require_file(self._manifest, KEYS_DUMP),
                self._folder.require_file(self._manifest, ARCHIVE_DUMP),
            ],
            AFTER,
            ["--no-comments"] if has_roles else ["--no-comments", "--no-acl"],
        )


def require_empty(settings: Settings) -> None:
    """Raises HomeTaken when the data folder or the content folder has anything."""
    if settings.home.exists() and any(settings.home.iterdir()):
        raise HomeTaken(f"{settings.home} is not empty: give a new folder with --home")
    root = settings.content_directory
    if root.exists() and (any(root.iterdir()) or holds_content(root)):
        raise HomeTaken(f"{root} is not empty, another archive may use it: set DOSSIER_CONTENT_URL to a new folder")


def unmarked_directory(root: Path, manifest: Manifest) -> ContentDirectory:
    """The content folder, marked while it is filled."""
    make_root(root, Marker(manifest.archive))
    return ContentDirectory(root, lambda: manifest.archive)


def empty_folder(folder: Path) -> None:
    """Remove everything in a folder that was empty before."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def require_no_tables(conn: psycopg.Connection[Any]) -> None:
    if conn.execute(TABLES).fetchone() is not None:
        raise HomeTaken(f"the database {conn.info.dbname} has tables: restore into an empty one")


def roles_script() -> bytes:
    """The migration that makes the roles; a dump grants rights to them, and has no roles of its own."""
    [script] = [
        part.sql for migration in load_migrations() for part in migration.parts if part.name.endswith("roles.sql")
    ]
    return script.encode()


TABLES = "select from pg_tables where schemaname not in ('pg_catalog', 'information_schema') limit 1"
HAS_ROLES = "select count(*) from pg_roles where rolname in ('dossier_app', 'dossier_projector')"
DROP = """
    drop schema if exists archive, keys, register, views, access, scan, staff, operations cascade;
    drop table if exists public.schema_migration
"""
# Shape 0 has prepare_archive() build every view again. What a login may not give away stays with it, as after a
# migration.
AFTER = """
update views.tracking set shape = 0, previous_position = null, previous_as_of = null;
do $$
declare
    owned text;
begin
    alter schema views owner to dossier_projector;
    for owned in select tablename from pg_tables where schemaname = 'views' loop
        execute format('alter table views.%I owner to dossier_projector', owned);
    end loop;
exception
    when insufficient_privilege or undefined_object then null;
end $$;
"""
