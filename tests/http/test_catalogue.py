"""The catalogue in a web worker's memory: read once for all who wait, anew for who changed it, and failing together."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

import pytest

from api.catalogue import LiveCatalogue
from domain.administration import Administration
from domain.archive import Archive
from domain.document_type import DocumentType
from domain.refusals import Unavailable

T = TypeVar("T")
CALLERS = 50


class Catalogues:
    """What the log says: counted, as slow as the test lets it be, and away when it says so."""

    def __init__(self) -> None:
        self.reads = 0
        self.away = self.keys_away = False
        self.go_on = threading.Event()
        self.go_on.set()
        self.keys = self.catalogues = self
        self.digested_in: list[threading.Thread] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def keyed_digest(self, kind: str, value: bytes) -> bytes:
        self.digested_in.append(threading.current_thread())
        if self.keys_away:
            raise Unavailable
        return kind.encode() + value

    def load_types(self) -> Mapping[str, DocumentType]:
        self.reads += 1
        self.meanwhile()
        assert self.go_on.wait(10)
        if self.away:
            raise Unavailable
        return {}

    def load_administration(self) -> Administration:
        return Administration()


async def in_a_thread(function: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.to_thread(function, *arguments)


def catalogue_of(log: Catalogues, *, listening: bool = True, version: int = 0) -> LiveCatalogue:
    return LiveCatalogue(cast(Archive, log), in_a_thread, listening=lambda: listening, version=lambda: version)


def test_whoever_comes_while_it_is_read_shares_the_reading() -> None:
    log = Catalogues()

    async def all_at_once() -> None:
        catalogue = catalogue_of(log)
        await asyncio.gather(*(catalogue.types() for _ in range(CALLERS)))

    asyncio.run(all_at_once())
    assert log.reads == 1


def test_whoever_waited_for_a_reading_that_fails_fails_with_it() -> None:
    """Each waiting for its own, one behind the other, the last of 50 callers waited 50 times as long."""
    log = Catalogues()
    log.away = True

    async def all_at_once() -> list[Any]:
        catalogue = catalogue_of(log)
        return await asyncio.gather(*(catalogue.types() for _ in range(CALLERS)), return_exceptions=True)

    assert {type(answer) for answer in asyncio.run(all_at_once())} == {Unavailable}
    assert log.reads == 1


def test_after_a_failure_the_next_caller_asks_again() -> None:
    log = Catalogues()

    async def outage() -> None:
        catalogue = catalogue_of(log)
        log.away = True
        with pytest.raises(Unavailable):
            await catalogue.types()
        log.away = False
        assert await catalogue.types() == {}

    asyncio.run(outage())


def test_who_changed_something_is_not_content_with_a_reading_begun_before() -> None:
    log = Catalogues()

    async def change_under_a_reading() -> None:
        catalogue = catalogue_of(log)
        log.go_on.clear()
        reading = asyncio.create_task(catalogue.types())
        while log.reads == 0:
            await asyncio.sleep(0.001)
        changing = asyncio.create_task(catalogue.types(anew=True))
        await asyncio.sleep(0)
        log.go_on.set()
        await asyncio.gather(reading, changing)

    asyncio.run(change_under_a_reading())
    assert log.reads == 2


def test_changes_in_a_row_hold_up_nobody() -> None:
    """Each request waits for the catalogue: while tokens are made one after the other nothing would be answered."""
    log = Catalogues()

    async def changing() -> None:
        catalogue = catalogue_of(log)
        log.meanwhile = catalogue.note_change
        async with asyncio.timeout(10):
            assert await catalogue.types() == {}

    asyncio.run(changing())
    assert log.reads == 1


def test_a_reading_that_takes_longer_than_it_is_good_for_is_good_for_who_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slow database that sends no signals."""
    monkeypatch.setattr("api.catalogue.UNHEARD_SECONDS", 0.01)
    log = Catalogues()
    log.meanwhile = partial(time.sleep, 0.05)

    async def slowly() -> None:
        catalogue = catalogue_of(log, listening=False)
        async with asyncio.timeout(10):
            assert await catalogue.types() == {}

    asyncio.run(slowly())
    assert log.reads == 1


def test_who_needs_a_version_that_is_there_already_has_nothing_read() -> None:
    log = Catalogues()

    async def need() -> None:
        catalogue = catalogue_of(log, version=7)
        await catalogue.types()
        await catalogue.types(version=7)
        assert log.reads == 1
        await catalogue.types(version=8)

    asyncio.run(need())
    assert log.reads == 2


def test_a_caller_that_leaves_takes_nobodys_reading_with_it() -> None:
    log = Catalogues()

    async def leave() -> None:
        catalogue = catalogue_of(log)
        log.go_on.clear()
        leaver, stayer = asyncio.create_task(catalogue.types()), asyncio.create_task(catalogue.types())
        while log.reads == 0:
            await asyncio.sleep(0.001)
        leaver.cancel()
        log.go_on.set()
        assert await stayer == {}

    asyncio.run(leave())
    assert log.reads == 1


def test_the_key_of_tokens_is_not_looked_up_on_the_event_loop() -> None:
    """A worker that met its first caller in an outage stood still for all of them, its /livez included."""
    log = Catalogues()

    async def first_caller() -> None:
        catalogue = catalogue_of(log)
        log.keys_away = True
        with pytest.raises(Unavailable):
            await catalogue.principal("token")
        assert threading.main_thread() not in log.digested_in
        log.keys_away = False
        assert await catalogue.principal("token") is None

    asyncio.run(first_caller())
    assert log.digested_in[1] is not threading.main_thread()
