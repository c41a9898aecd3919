"""Dumps a database with Postgres' own programs, and loads a dump in one transaction.

The password goes through the environment, never through an argument. Nothing of a dump is logged: it names persons.
"""

import os
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from store.postgres import list_binary_folders

MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")
REASON_CHARACTERS_MAX = 300


class DumpFailed(Exception):
    """A program of Postgres failed; the sentence has its first line."""


class PostgresTools:
    """pg_dump, pg_restore and psql of one folder, fit for a server of `major` version."""

    def __init__(self, major: int) -> None:
        self._folder = _find_folder(major)

    def dump(self, url: str, file: Path, snapshot: str, options: Sequence[str]) -> None:
        """Write a dump in the custom format (mode 0600), as the exported snapshot sees the database."""
        words = ["--format=custom", f"--snapshot={snapshot}", "--no-owner", f"--file={file}", *options]
        self._run("pg_dump", url, words)

    def load(self, url: str, dumps: Sequence[Path], after: str, options: Sequence[str]) -> None:
        """Load dumps and then a script, all in one transaction. Raises DumpFailed; then nothing was loaded."""
        address, environment = _split_password(url)
        words = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-"]
        psql = subprocess.Popen(
            [self._folder / "psql", f"--dbname={address}", *words],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        said: list[bytes] = []
        listener = threading.Thread(target=lambda: said.append(_stream_of(psql.stderr).read()))
        listener.start()
        try:
            with suppress(BrokenPipeError):  # psql ended first, and says why
                self._feed(_stream_of(psql.stdin), dumps, after, options)
            with suppress(BrokenPipeError):
                _stream_of(psql.stdin).close()
            psql.wait()
        finally:
            psql.kill()
            psql.wait()
            listener.join()
        if psql.returncode:
            raise DumpFailed(f"loading the database failed: {_reason_in(b''.join(said))}")

    def _feed(self, into: IO[bytes], dumps: Sequence[Path], after: str, options: Sequence[str]) -> None:
        for dump in dumps:
            command = [str(self._folder / "pg_restore"), "--no-owner", *options, "--file=-", str(dump)]
            done = subprocess.run(command, stdout=into, stderr=subprocess.PIPE, env=_environment())
            if done.returncode:
                raise DumpFailed(f"{dump} cannot be read: {_reason_in(done.stderr)}")
        into.write(after.encode())

    def _run(self, program: str, url: str, words: Sequence[str]) -> None:
        address, environment = _split_password(url)
        command = [str(self._folder / program), f"--dbname={address}", *words]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
            umask=0o077,
        )  # fmt: skip
        if done.returncode:
            raise DumpFailed(f"{program} failed: {_reason_in(done.stderr)}")


def _find_folder(major: int) -> Path:
    """The programs of the server's version, else of the next later one: an older pg_dump refuses a newer server."""
    found = dict[int, Path]()
    for folder in _list_tool_folders():
        if all((folder / name).exists() for name in ("pg_dump", "pg_restore", "psql")):
            found.setdefault(_major_of(folder), folder)
    fit = [version for version in found if version >= major]
    if not fit:
        raise DumpFailed(f"there is no pg_dump of Postgres {major} or later: install its client programs")
    return found[min(fit)]


def _list_tool_folders() -> Iterator[Path]:
    yield from list_binary_folders()
    yield from map(Path, os.environ.get("PATH", "").split(os.pathsep))


def _major_of(folder: Path) -> int:
    text = subprocess.run(
        [folder / "pg_dump", "--version"], capture_output=True, text=True, env=_environment(), check=False
    ).stdout
    match = MAJOR.search(text)
    return int(match[1]) if match else 0


def _split_password(url: str) -> tuple[str, dict[str, str]]:
    """The address without its password, which ps would show, and an environment that has it."""
    words = conninfo_to_dict(url)
    password = words.pop("password", None)
    environment = _environment()
    return make_conninfo("", **words), environment | {"PGPASSWORD": str(password)} if password else environment


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _stream_of(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise LookupError("the stream was not opened")
    return stream


def _reason_in(said: bytes) -> str:
    """The first line of a message. Later lines may have values of a row."""
    first = said.decode(errors="replace").strip().partition("\n")[0]
    return first[:REASON_CHARACTERS_MAX] or "it gave no reason"
