"""Checks whether the content folder and the key folder belong to this database, and marks those that do. A key
folder belongs when it holds every key-encryption key that the wraps name (store/key_wraps.py). A content folder
belongs when its file ARCHIVE (store/marker.py) names the archive of the database, when the log has the newest event
that the folder has seen, and when the newest contents of the log are there. Otherwise it belongs to another archive,
is an older copy, or is a volume that is not mounted: then nothing may be stored in it or swept from it. prepare.py
binds the folders."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg import Connection

from domain.refusals import InsufficientStorage, Unavailable
from service.settings import Settings
from store.content_directory import holds_content, make_root
from store.identity import (
    ArchiveIdentity,
    has_event,
    load_identity,
    newest_contents,
    newest_event,
    note_content_marked,
)
from store.key_encryption import load_keys
from store.key_wraps import CUSTOMERS, NAMED, explain_unfit, find_unfit
from store.marker import MARKER, Marker, find_marker, write_marker

ADOPT = "`dossier adopt` makes it this archive's"


class StoreUnfit(Exception):
    """The content folder is not mounted, is not marked for this archive, or lacks contents that the log names."""


class KeysLost(Exception):
    """A key-encryption key that wrapped keys of this database is missing, or another key has its name."""


class OtherArchive(Exception):
    """The content folder or the key folder belongs to another archive, or to a newer copy of this one."""


def bind_folders(settings: Settings, conn: Connection[Any], tell: Callable[[str], None]) -> None:
    """Mark the folders of an archive that has none marked yet, if their contents agree with the database; then check
    the content folder. `conn` is the owner's, and the keys were checked before. Raises StoreUnfit, OtherArchive."""
    identity, root = load_identity(conn), settings.content_directory
    mark_keys_folder(settings.home / "keys", identity)
    if not identity.content_marked and load_marker(root) is None:
        require_agreement(conn, root)
        make_root(root, Marker(identity.id, newest_event(conn)))
        tell(f"content folder: {root} (its file {MARKER} names this archive)")
    require_content_folder(conn, root)
    note_content_marked(conn)
    with suppress(
        Unavailable, InsufficientStorage
    ):  # full or read-only: contents can still be read, and /readyz reports it
        make_root(root, Marker(identity.id, newest_event(conn)))


def adopt_folders(settings: Settings, conn: Connection[Any]) -> None:
    """Mark both folders as this archive's, whatever their markers say and whatever contents are missing."""
    identity = load_identity(conn)
    write_marker(settings.home / "keys", Marker(identity.id))
    make_root(settings.content_directory, Marker(identity.id, newest_event(conn)))


def describe_content_folder(settings: Settings, conn: Connection[Any]) -> str:
    """A sentence that says whether the content folder belongs to this database, for a person who is about to adopt
    it."""
    try:
        require_content_folder(conn, settings.content_directory)
    except (StoreUnfit, OtherArchive) as reason:
        return str(reason)
    return f"{settings.content_directory} belongs to this archive"


def note_newest_event(conn: Connection[Any], root: Path) -> None:
    """Record the newest event of the log in the content folder's marker. Call require_content_folder() first."""
    with suppress(OSError):  # a full disk: the older note is still valid
        write_marker(root, Marker(load_identity(conn).id, newest_event(conn)))


def require_own_keys(conn: Connection[Any], folder: Path) -> None:
    """Require that the key folder is this archive's and holds every key that the wraps name. Raises StoreUnfit,
    OtherArchive, KeysLost, KeyUnfit."""
    require_keys_folder(conn, folder)
    require_keys(conn, folder)


def require_keys_folder(conn: Connection[Any], folder: Path) -> None:
    """Require that the folder's marker, if any, names this archive. Raises OtherArchive. A folder without a marker
    is judged by its keys (store/key_encryption.py)."""
    identity = load_identity(conn)
    marker = load_marker(folder)
    if marker is not None and marker.archive != identity.id:
        raise OtherArchive(
            f"{folder} holds the keys of another archive ({marker.archive}; this database is {identity.id}):"
            " set DOSSIER_HOME or DOSSIER_DATABASE_URL to what belongs together"
        )


def require_keys(conn: Connection[Any], folder: Path) -> None:
    """Require each key-encryption key that wrapped a key of the database: a new one could not unwrap them. Raises
    KeysLost, KeyUnfit. Customers are counted only for the message: figures in docs/reliability.md."""
    if unfit := find_unfit(load_keys(folder), conn.execute(NAMED)):
        raise KeysLost(explain_unfit(unfit, conn.execute(CUSTOMERS).fetchall(), folder))


def require_content_folder(conn: Connection[Any], root: Path) -> None:
    """require_own_folder(), and most of the newest contents that the log names exist. Raises StoreUnfit,
    OtherArchive. Costs three small queries and sixteen file lookups."""
    require_own_folder(conn, root)
    require_newest_contents(conn, root)


def require_own_folder(conn: Connection[Any], root: Path) -> None:
    """Require a marker that names this archive and no event that the log lacks. Missing contents are found by
    `verify`. Raises StoreUnfit, OtherArchive."""
    identity = load_identity(conn)
    marker = load_marker(root)
    if marker is None:
        raise StoreUnfit(f"{root} has no file {MARKER}: mount its volume or set DOSSIER_CONTENT_URL. {ADOPT}")
    if marker.archive != identity.id:
        raise OtherArchive(
            f"{root} holds the contents of another archive ({marker.archive}; this database is {identity.id}):"
            f" set DOSSIER_CONTENT_URL to the folder of this one. {ADOPT}"
        )
    if marker.seen is not None and not has_event(conn, marker.seen):
        raise OtherArchive(
            f"{root} has seen event {marker.seen.position} of this archive, which this database lacks: it is an older"
            f" copy, and the newer one may be in use. Give it a content folder of its own. {ADOPT}"
        )


def require_newest_contents(conn: Connection[Any], root: Path) -> None:
    """Require at least half of the newest contents that the log names: single ones may be damaged, most of them not."""
    newest = newest_contents(conn)
    missing = [key for key in newest if not (root / key[-2:] / key).exists()]
    if len(missing) * 2 > len(newest):
        raise StoreUnfit(
            f"{root} lacks {len(missing)} of the newest {len(newest)} contents that the database names: it is another"
            f" folder, or an older copy. Mount its volume or set DOSSIER_CONTENT_URL. {ADOPT}"
        )


def require_agreement(conn: Connection[Any], root: Path) -> None:
    """Check a folder before it is marked for the first time. An archive without contents accepts only an empty
    folder."""
    if not newest_contents(conn) and holds_content(root):
        raise StoreUnfit(f"{root} holds contents, and this database names none: empty it or set another. {ADOPT}")
    require_newest_contents(conn, root)


def load_marker(folder: Path) -> Marker | None:
    """The folder's marker; None when it has none. Raises StoreUnfit for one that is damaged or cannot be read."""
    try:
        return find_marker(folder)
    except FileNotFoundError:
        return None
    except ValueError:
        raise StoreUnfit(f"{folder / MARKER} is damaged: bring back a copy. {ADOPT}") from None
    except OSError as error:
        raise StoreUnfit(f"{folder} cannot be read: {error.strerror}") from None


def mark_keys_folder(folder: Path, identity: ArchiveIdentity) -> None:
    """Mark the key folder unless it is marked. It may be on a read-only medium: the keys themselves prove to which
    archive they belong."""
    with suppress(OSError):
        if load_marker(folder) is None:
            write_marker(folder, Marker(identity.id))
