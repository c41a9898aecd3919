"""What a request remembers of the lines that it wrote (api/call.py). Lines of the real program: test_api_looks.py."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import falcon.testing
import pytest

from api.call import Call
from api.parts import Parts
from domain.access import Principal, Role
from domain.refusals import Unavailable


class Lines:
    """The access log as parts see it: away when it says so."""

    def __init__(self) -> None:
        self.is_away, self.written = False, list[dict[str, Any]]()

    async def record(self, *lines: dict[str, Any]) -> None:
        if self.is_away:
            raise Unavailable
        self.written += lines


def call_of(lines: Lines) -> Call:
    req = falcon.testing.create_asgi_req()
    req.scope["state"] = {"trace_id": "0" * 32}
    parts = cast(Parts, SimpleNamespace(record_access=lines.record, branch="MAIN"))
    return Call(req, None, parts, Principal(name="reader", role=Role.STAFF), {}, {})


def test_a_read_that_was_refused_for_want_of_its_line_is_not_shown_the_next_time_either() -> None:
    """A page may go on without one of its parts and ask for the same paper again."""
    lines, paper = Lines(), uuid4()
    call = call_of(lines)

    async def read_twice() -> None:
        lines.is_away = True
        for _ in range(2):
            with pytest.raises(Unavailable):
                await call.look("document", {"document": paper}, sensitive=True)
        lines.is_away = False
        for _ in range(2):
            await call.look("document", {"document": paper}, sensitive=True)

    asyncio.run(read_twice())
    assert [line["document"] for line in lines.written] == [paper]
