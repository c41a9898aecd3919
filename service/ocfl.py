"""Writes an OCFL 1.1 storage root (https://ocfl.io/1.1/spec/): objects with versions, found by their id alone.

Objects lie in folders by the digest of their id, under that id (layout 0003). Equal bytes are stored once in an object.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

ALGORITHM = "sha512"
LAYOUT = "0003-hash-and-id-n-tuple-storage-layout"
TUPLES, TUPLE_CHARACTERS = 3, 3
FOLDER_MODE = 0o700


class OcflFile(msgspec.Struct, frozen=True):
    """A file of a version: its path there, and its bytes in pieces."""

    path: str
    pieces: Iterable[bytes]


class OcflVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version: `files` are those that are new or changed, `kept` the paths that it keeps of the version before."""

    created: str
    message: str
    user: str
    files: Iterable[OcflFile]
    kept: Iterable[str] = ()


class OcflRoot:
    """A storage root in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "0=ocfl_1.1").write_text("ocfl_1.1\n")
        layout = {"extension": LAYOUT, "description": "By the SHA-256 of the id, then the id."}
        (folder / "ocfl_layout.json").write_bytes(msgspec.json.format(msgspec.json.encode(layout), indent=1))
        config = folder / "extensions" / LAYOUT / "config.json"
        config.parent.mkdir(mode=FOLDER_MODE, parents=True)
        settings = {
            "extensionName": LAYOUT,
            "digestAlgorithm": "sha256",
            "tupleSize": TUPLE_CHARACTERS,
            "numberOfTuples": TUPLES,
        }
        config.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=1))

    def write_object(self, object_id: str, versions: Iterable[OcflVersion]) -> None:
        """Write an object with all its versions, the first one first."""
        written = _OcflObject(self._folder / place_of(object_id), object_id)
        for version in versions:
            written.add(version)
        written.finish()


def place_of(object_id: str) -> str:
    """The folder of an object, relative to the root. Ids of ours have no character but letters, digits, `-` and `:`."""
    digest = hashlib.sha256(object_id.encode()).hexdigest()
    tuples = [digest[n * TUPLE_CHARACTERS : (n + 1) * TUPLE_CHARACTERS] for n in range(TUPLES)]
    return "/".join([*tuples, object_id.replace(":", "%3a")])


class _OcflObject:
    """An object while it is written."""

    def __init__(self, folder: Path, object_id: str) -> None:
        self._folder, self._id = folder, object_id
        self._manifest: dict[str, list[str]] = {}
        self._versions: dict[str, dict[str, Any]] = {}
        self._inventory = b""
        folder.mkdir(mode=FOLDER_MODE, parents=True)
        (folder / "0=ocfl_object_1.1").write_text("ocfl_object_1.1\n")

    def add(self, version: OcflVersion) -> None:
        before = self._state_of_head()
        name = f"v{len(self._versions) + 1}"
        state = {path: before[path] for path in version.kept}
        for file in version.files:
            state[file.path] = self._store(f"{name}/content/{file.path}", file.pieces)
        self._versions[name] = {
            "created": version.created,
            "message": version.message,
            "user": {"name": version.user, "address": f"urn:dossier:actor:{version.user}"},
            "state": _by_digest(state),
        }
        self._inventory = self._render_inventory(name)
        self._write_inventory(self._folder / name)

    def finish(self) -> None:
        self._write_inventory(self._folder)

    def _state_of_head(self) -> dict[str, str]:
        if not self._versions:
            return {}
        state: Mapping[str, list[str]] = self._versions[f"v{len(self._versions)}"]["state"]
        return {path: digest for digest, paths in state.items() for path in paths}

    def _store(self, path: str, pieces: Iterable[bytes]) -> str:
        """Write a file of the object, and remove it again if it has these bytes already; the digest."""
        file, digest = self._folder / path, hashlib.sha512()
        file.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        with file.open("xb") as target:
            for piece in pieces:
                digest.update(piece)
                target.write(piece)
        found = digest.hexdigest()
        if found in self._manifest:
            file.unlink()
        else:
            self._manifest[found] = [path]
        return found

    def _render_inventory(self, head: str) -> bytes:
        inventory = {
            "id": self._id,
            "type": "https://ocfl.io/1.1/spec/#inventory",
            "digestAlgorithm": ALGORITHM,
            "head": head,
            "manifest": self._manifest,
            "versions": self._versions,
        }
        return msgspec.json.format(msgspec.json.encode(inventory), indent=1)

    def _write_inventory(self, folder: Path) -> None:
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        (folder / "inventory.json").write_bytes(self._inventory)
        digest = hashlib.sha512(self._inventory).hexdigest()
        (folder / f"inventory.json.{ALGORITHM}").write_text(f"{digest} inventory.json\n")


def _by_digest(state: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, digest in state.items():
        found.setdefault(digest, []).append(path)
    return found
