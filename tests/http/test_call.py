"""A request by itself (api/call.py): the lines that it remembers, the views that it waits for.

With the real program: test_api_looks.py, test_read_your_writes.py.
"""

import asyncio
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import falcon.testing
import pytest

from api.call import Call
from api.parts import Parts
from domain.access import Principal, Role
from domain.limits import Limits
from domain.refusals import Unavailable, ViewPaused
from projections import moments
from projections.reading import DOCUMENTS, Floor, ViewBehind


class Lines:
    """The access log as parts see it: away when it says so."""

    def __init__(self) -> None:
        self.is_away, self.written = False, list[dict[str, Any]]()

    async def record(self, *lines: dict[str, Any]) -> None:
        if self.is_away:
            raise Unavailable
        self.written += lines


def call_of(parts: SimpleNamespace, **options: Any) -> Call:
    req = falcon.testing.create_asgi_req(**options)
    req.scope["state"] = {"trace_id": "0" * 32}
    return Call(req, None, cast(Parts, parts), Principal(name="reader", role=Role.STAFF), {}, {})


class Patience:
    """A wait that never times out."""

    is_early = False

    async def wait_for_next(self) -> bool:
        await asyncio.sleep(0.001)
        return True


def test_who_waits_for_a_position_is_told_soon_that_the_view_is_paused() -> None:
    async def views_at(position: int, **_: Any) -> int | None:
        raise ViewPaused(retry_after_seconds=30)

    async def find(conn: Any, floor: Floor) -> None:
        raise ViewBehind

    parts = SimpleNamespace(
        branch="MAIN",
        limits=Limits(),
        connection=lambda: nullcontext(),
        views_at=views_at,
        patience=lambda *_, **__: nullcontext(Patience()),
    )

    async def read() -> None:
        async with asyncio.timeout(10):
            await call_of(parts, headers={"Archive-Min-Position": "7"}).query_view(DOCUMENTS, find)

    with pytest.raises(ViewPaused):
        asyncio.run(read())


@pytest.mark.parametrize("as_of", ["7", "2026-01-01T00:00:00Z"])
def test_a_read_of_the_past_knows_the_types_of_now(as_of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights are those of today: a type that became sensitive is so in the past too, before its signal came."""

    async def views_at(position: int, **_: Any) -> int | None:
        return 5

    async def position_at(conn: Any, at: Any) -> moments.LogMoment:
        return moments.LogMoment(7, final=True)

    class Catalogue:
        version = 4

        async def types(self, *, anew: bool, version: int) -> frozenset[str]:
            self.version = version
            return frozenset({"LETTER"})

    clock = SimpleNamespace(now=lambda: datetime(2026, 6, 1, tzinfo=UTC))
    parts = SimpleNamespace(
        branch="MAIN", limits=Limits(), connection=nullcontext, views_at=views_at, catalogue=Catalogue(),
        archive=SimpleNamespace(clock=clock),
    )  # fmt: skip
    monkeypatch.setattr(moments, "position_at", position_at)

    async def reading() -> Call:
        call = call_of(parts, query_string=f"as_of={as_of}")
        assert await call.position_of(call.as_of(), DOCUMENTS) == 7
        await call.wait_for_views(DOCUMENTS)
        return call

    assert asyncio.run(reading()).types_version == 5


def test_a_read_that_was_refused_for_want_of_its_line_is_not_shown_the_next_time_either() -> None:
    """A page may go on without one of its parts and ask for the same paper again."""
    lines, paper = Lines(), uuid4()
    call = call_of(SimpleNamespace(record_access=lines.record, branch="MAIN"))

    async def read_twice() -> None:
        lines.is_away = True
        for _ in range(2):
            with pytest.raises(Unavailable):
                await call.record_look("document", {"document": paper}, sensitive=True)
        lines.is_away = False
        for _ in range(2):
            await call.record_look("document", {"document": paper}, sensitive=True)

    asyncio.run(read_twice())
    assert [line["document"] for line in lines.written] == [paper]
