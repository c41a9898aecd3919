"""Reads the migrations of this folder: numbered SQL files, and numbered folders of SQL files; migrations/runner.py
applies them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
FOLDER = re.compile(r"(\d{4})_[a-z0-9_]+")
ORDER, REPLACED = "order.txt", "replaced.txt"


class MigrationError(RuntimeError):
    """The database and this release do not match, or a file failed; the sentence names the file."""


class SqlFile(NamedTuple):
    """One SQL file of a migration."""

    name: str
    sql: str


class Replaced(NamedTuple):
    """The files that a baseline replaces, by version and as databases have recorded them."""

    commit: str  # the last commit that has them; a database that lacks some is migrated by it first
    digests: Mapping[int, str]
    names: Mapping[int, str]


class Migration(NamedTuple):
    version: int
    name: str
    parts: tuple[SqlFile, ...]
    sha256: str
    replaced: Replaced | None = None


def load_migrations(folder: Traversable | None = None) -> list[Migration]:
    """All migrations of the folder, by default of this release, in the order of their numbers."""
    found: dict[int, Migration] = {}
    for entry in (folder or files("migrations")).iterdir():
        if migration := _load_entry(entry):
            if migration.version in found:
                raise MigrationError(f"bad or doubled name: {entry.name}")
            found[migration.version] = migration
    return [found[version] for version in sorted(found)]


def _load_entry(entry: Traversable) -> Migration | None:
    """The migration of a file or folder; None for any other file, such as a module of this package."""
    if entry.is_dir():
        match = FOLDER.fullmatch(entry.name)
        return _load_folder(int(match[1]), entry) if match else None
    if not entry.name.endswith(".sql"):
        return None
    if not (match := FILE.fullmatch(entry.name)):
        raise MigrationError(f"bad or doubled name: {entry.name}")
    sql = _load_text(entry)
    return Migration(int(match[1]), entry.name, (SqlFile(entry.name, sql),), _digest(sql))


def _load_folder(version: int, folder: Traversable) -> Migration:
    """The files of the folder as one migration. `order.txt` lists them all; `replaced.txt`, where there is one, lists
    the files of which this migration is the sum."""
    listed = _load_text(folder / ORDER).split()
    if sorted(listed) != sorted(_list_sql(folder)):
        raise MigrationError(f"{folder.name}/{ORDER} does not list each SQL file of its folder once")
    parts = tuple(SqlFile(f"{folder.name}/{name}", _load_text(folder / name)) for name in listed)
    digest = _digest("".join(f"{part.name}\n{part.sql}\n" for part in parts))
    replaced = folder / REPLACED
    return Migration(version, folder.name, parts, digest, _parse_replaced(replaced) if replaced.is_file() else None)


def _list_sql(folder: Traversable, prefix: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _list_sql(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".sql"):
            yield prefix + entry.name


def _parse_replaced(file: Traversable) -> Replaced:
    """The first line is `commit` and its hash, each other one a digest and a name, as sha256sum writes them."""
    (_, commit), *lines = (line.split() for line in _load_text(file).splitlines())
    versions = [(int(name[:4]), digest, name) for digest, name in lines]
    return Replaced(commit, {v: digest for v, digest, _ in versions}, {v: name for v, _, name in versions})


def _load_text(file: Traversable) -> str:
    return file.read_bytes().replace(b"\r\n", b"\n").decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
