"""A row of a route table: which request it answers, what it needs, what openapi.json says of it (web/openapi.py)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from domain.access import Verb
from web.query import Parameter

Handle = Callable[[Any], Awaitable[None]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` is the struct of a 2xx body or of a list's items; `media_type` is that of the answer. `form`: the fields
    of a multipart body beside its file, with their meanings. `image`: the body is a picture. `if_match`: a change needs
    the version that was read; `may_match`: it takes it. `passive`: pages ask by themselves, so a session gets no longer
    by it. `does`: the operation's name behind its room, where the path does not tell it. `beside`: what a list's answer
    has beside its items. `positioned`: the answer tells the position of the log. `tagged`: it has an ETag and no field
    `version`. `archive_headers`: the request may have Archive-Branch and Archive-Min-Position."""

    method: str
    path: str
    verb: Verb
    handle: Handle
    summary: str
    body: type[msgspec.Struct] | None = None
    form: Mapping[str, str] | None = None
    image: bool = False
    answer: type[msgspec.Struct] | None = None
    listed: bool = False
    status: tuple[int, ...] = (200,)
    query: tuple[Parameter, ...] = ()
    media_type: str = "application/json"
    if_match: bool = False
    may_match: bool = False
    idempotent: bool = False
    passive: bool = False
    does: str | None = None
    beside: Mapping[str, type[msgspec.Struct]] = msgspec.field(default_factory=dict)
    positioned: bool = True
    tagged: bool = False
    archive_headers: bool = True

    @property
    def versioned(self) -> bool:
        """Whether the answer has an ETag."""
        if self.answer is None:
            return self.media_type in ("*/*", "image/jpeg")
        return self.tagged or ("version" in self.answer.__struct_fields__ and not self.listed)
