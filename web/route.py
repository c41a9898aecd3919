"""A row of a route table: the request it answers, what it requires, and what openapi.json says about it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from domain.access import Verb
from web.query import Parameter

Handle = Callable[[Any], Awaitable[None]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route.

    - `answer`: the struct of a 2xx body, or of the items of a list; `media_type`: the answer's.
    - `form`: the fields of a multipart body other than its file, with their meanings.
    - `image`: the body is an image.
    - `if_match`: If-Match is required; `may_match`: it is optional.
    - `passive`: pages send it without their user, so it does not extend the session.
    - `does`: the operation's name after its room, if the path does not give it.
    - `beside`: the fields of a list's answer other than its items.
    - `positioned`: the answer has the position of the log.
    - `tagged`: the answer has an ETag although it has no field `version`.
    - `archive_headers`: the request may have Archive-Branch and Archive-Min-Position.
    """

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
        """True if the answer has an ETag."""
        if self.answer is None:
            return self.media_type in ("*/*", "image/jpeg")
        return self.tagged or ("version" in self.answer.__struct_fields__ and not self.listed)
