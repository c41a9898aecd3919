"""The real command on an archive of its own: HOME, database, use cases that fill it, a follower for its views."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from domain.archive import Archive, Outcome
from domain.customer import Customer
from domain.document import Describe, Withdraw
from domain.scan_session import CapturedPage
from projections import tracking
from projections.follow import Follower
from service.prepare import make_folders, prepare_archive
from service.settings import Settings, load_settings_from
from service.wiring import APP_ROLE, PROJECTOR_ROLE, Store, open_store, role_of
from tests.builders.logins import one_login
from tests.builders.papers import CREDITOR, IBAN, a_caller, a_mandate_note, a_note, an_order, an_upload
from tests.builders.scans import Scans
from tests.fixtures.database import PASSWORD, as_login
from tests.service.warm import Warm

ROOT = Path(__file__).parents[2]
RUN_SECONDS_MAX = 60
NAME, NOTE, FILE_NAME = "Wilhelmina Kraaijenbrink", "private-note-of-a-person", "private-file.pdf"
PRIVATE = (NAME, NOTE, FILE_NAME, IBAN)
"""What stands for personal data in these tests: it may appear where it was asked for, never on stderr."""


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """All of stdout as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(home: Path, url: str | None = None, **variables: str) -> dict[str, str]:
    """As a shell would have it, with the settings of one archive."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOSSIER_")}
    database = {"DOSSIER_DATABASE_URL": url} if url else {}
    return {**kept, "DOSSIER_HOME": str(home), "DOSSIER_CREDITOR_ID": CREDITOR, **database, **variables}


def command(*arguments: object, env: dict[str, str]) -> Ended:
    """The command as a shell starts it, run to its end."""
    ended = subprocess.run(
        [sys.executable, "-m", "service", *(str(a) for a in arguments)],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
    )
    return checked(Ended(ended.returncode, ended.stdout, ended.stderr))


def checked(ended: Ended) -> Ended:
    """Whatever happens, nobody is shown a traceback, and stderr names no person."""
    for never in ("Traceback", *PRIVATE):
        assert never not in ended.err, ended.err
    return ended


class Program:
    """An archive and the command for it. `store` is open in this process, for what a test does behind its back."""

    def __init__(self, settings: Settings, url: str, store: Store, warm: Warm) -> None:
        self.settings, self.url, self.store, self._warm = settings, url, store, warm
        self.env = environment(settings.home, url)
        self._uploads = 0

    def run(self, *arguments: object, code: int = 0, **variables: str) -> Ended:
        ended = checked(Ended(*self._warm.run([str(a) for a in arguments], {**self.env, **variables})))
        assert ended.code == code, f"{arguments} ended with {ended.code}: {ended.err}"
        return ended

    # -- what is in it ------------------------------------------------------------------------------------------

    @property
    def archive(self) -> Archive:
        return self.store.archive()

    def letter(self, customer: str = "100234", *, size_bytes: int = 3_000, **order: Any) -> Outcome:
        """Select file: content of its own each time."""
        self._uploads += 1
        upload = an_upload(b"%%PDF-1.7 %d " % self._uploads + os.urandom(size_bytes), name=FILE_NAME)
        return self.archive.filing.archive_file(
            an_order(customer=customer, **{"note": NOTE, **order}), upload, a_caller()
        )

    def mandate(self, customer: str = "100234") -> Outcome:
        return self.archive.noting.note_authorization(a_mandate_note(customer=customer), a_caller())

    def consent(self, customer: str = "100234") -> Outcome:
        return self.archive.noting.note_authorization(a_note(customer=customer), a_caller())

    def corrected(self, customer: str = "100234") -> Outcome:
        """A letter that was described and then withdrawn: three events of one stream."""
        from domain.access import Rights

        everything = Rights(list(self.archive.catalogues.load_types()))
        letter = self.letter(customer)
        today = self.archive.clock.today()
        for step in (Describe(note="other", today=today, reason="a slip"), Withdraw(reason="not ours")):
            self.archive.corrections.correct_document(
                paper_of(letter), step, a_caller(), rights=everything, expected_version=None
            )
        return letter

    @property
    def scans(self) -> Scans:
        """Scan page."""

        def read(session: UUID, page: CapturedPage) -> bytes:
            content = page.content
            opened = self.store.contents.read(session, content.id, content.sealed_size_bytes, 0, content.size_bytes - 1)
            return b"".join(opened or ())

        return Scans(self.archive, read)

    def some_of_each(self) -> None:
        """Every kind of event, files of one chunk and of several, and the views up to date."""
        self.letter()
        self.letter("100235", size_bytes=200_000)
        self.letter(type="DEBT_AUTHORIZATION")
        self.corrected()
        self.mandate()
        self.consent()
        self.scans.handed_in(2)
        self.scans.ok(self.scans.handed_in(3), [2])
        self.scans.cancel(self.scans.handed_in(1))
        self.follow()

    # -- the database and the disk, as whoever may do everything ------------------------------------------------

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as conn:
            found = conn.execute(query.encode(), values)
            return found.fetchall() if found.description else []

    def tamper(self, query: str, *values: Any) -> None:
        """Change the log as a superuser who switches the trigger off; exactly one row."""
        with psycopg.connect(self.url, autocommit=True) as conn, conn.transaction():
            conn.execute("alter table archive.archive_events disable trigger append_only")
            changed = conn.execute(query.encode(), values).rowcount
            conn.execute("alter table archive.archive_events enable always trigger append_only")
            assert changed == 1, f"{changed} rows were changed"

    def content_file(self, outcome: Outcome) -> Path:
        content = next(r.envelope.body.content for r in outcome.recorded if hasattr(r.envelope.body, "content"))
        return next(self.settings.content_directory.rglob(str(content.id)))

    def files(self) -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in self.settings.content_directory.rglob("*-*") if p.is_file()}

    # -- the views ----------------------------------------------------------------------------------------------

    def follow(self) -> int:
        """Bring the views to the end of the log; where they stand then."""
        last = self.store.log.fence()
        with self.following():
            self.wait_until_views_at(last)
        return last

    @contextmanager
    def following(self) -> Iterator[None]:
        stop = threading.Event()
        follower = Follower(self.url, self.store.log, role=role_of(self.url, PROJECTOR_ROLE))
        thread = threading.Thread(target=follower.run, args=[stop])
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive(), "the follower did not stop"

    def wait_until_views_at(self, position: int) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn:
            for _ in range(400):
                if min(t.position for t in tracking.list_tracked(conn)) >= position:
                    return
                time.sleep(0.05)
        raise AssertionError(f"the views did not reach {position}")


def paper_of(outcome: Outcome) -> UUID:
    paper: UUID = outcome.recorded[0].envelope.originator_id
    return paper


def a_stranger(archive: Program) -> str:
    """The address for a login that has been given nothing."""
    made = f"create role stranger login password '{PASSWORD}'"
    archive.sql(f"do $$ begin {made}; exception when duplicate_object then null; end $$")
    return as_login(archive.url, "stranger")


@contextmanager
def program(home: Path, url: str, warm: Warm) -> Iterator[Program]:
    """An archive as `dossier migrate` leaves it, with some customers in its register."""
    settings = load_settings_from(environment(home, url))
    make_folders(settings)
    prepare_archive(settings, one_login(url), lambda _: None)
    with open_store(settings, url, role=role_of(url, APP_ROLE), connections=4) as store:
        for customer in ("100234", "100235"):
            store.register.put(Customer(id=customer, name=NAME))
        yield Program(settings, url, store, warm)
