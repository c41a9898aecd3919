"""Signs users in, finds the session of a cookie, and saves the users' preferences.

store/sessions.py stores the sessions, domain/users.py checks passwords and identities. A cookie is a random value of
256 bits, of which only a digest is stored. Sessions are not cached in memory, so an ended session ends in all workers
at once.
"""

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol
from unicodedata import normalize
from uuid import UUID

from api.parts import Blocking, Catalogue, Connect, Person, Signed, SignInSession
from domain.access import Principal, Role
from domain.administration import SYSTEM, UNKNOWN, NewUser, User, fold_name
from domain.archive import Caller
from domain.limits import Limits
from domain.promises import require_value
from domain.refusals import N_, FieldError, TooManyRequests, Unauthenticated, ValidationFailed
from domain.users import Users
from domain.values import ACTOR

COOKIE_BYTES = 32


class StoredSignIn(Protocol):
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> UUID: ...
    @property
    def once(self) -> bool: ...
    @property
    def branch(self) -> str | None: ...
    @property
    def language(self) -> str | None: ...
    @property
    def keys_off(self) -> bool: ...
    @property
    def ends_at(self) -> datetime: ...
    @property
    def unseen(self) -> bool: ...
    @property
    def by(self) -> str: ...


class Rows(Protocol):
    """store/sessions.py."""

    async def count_attempt(
        self, conn: Any, name: bytes, address: bytes, *, of_name: int, of_address: int, minutes: int
    ) -> int: ...
    async def know_address(self, conn: Any, name: bytes, address: bytes) -> None: ...
    async def forget_attempts(self, conn: Any, name: bytes) -> None: ...
    async def begin_session(self, conn: Any, key: bytes, password: UUID, by: str, branch: str | None) -> None: ...
    async def find_session(self, conn: Any, key: bytes, *, hours: int, idle_minutes: int) -> StoredSignIn | None: ...
    async def touch_session(self, conn: Any, key: bytes) -> None: ...
    async def choose_branch(self, conn: Any, key: bytes, branch: str) -> None: ...
    async def save_preferences(self, conn: Any, user: str, *, language: str | None, keys_off: bool | None) -> None: ...
    async def end_session(self, conn: Any, key: bytes) -> None: ...
    async def wait_to_be_bound(self, conn: Any, issuer: str, subject: str, name: str | None) -> None: ...
    async def drop_ended(self, conn: Any, *, hours: int, idle_minutes: int) -> None: ...


class LiveSessions:
    """The sessions of one web worker. `slowly` runs the functions that hash passwords one at a time, because hashing
    costs time and memory by design. `changed` is called with the name of a user who changed the password."""

    def __init__(
        self,
        users: Users,
        rows: Rows,
        *,
        connection: Connect,
        catalogue: Catalogue,
        keyed_digest: Callable[[str, bytes], bytes],
        slowly: Blocking,
        record_access: Callable[..., Awaitable[None]],
        changed: Callable[[str], None],
        limits: Limits,
        branch: str,
        newcomers: Role | None = None,
    ) -> None:
        self._users, self._rows, self._connection = users, rows, connection
        self._catalogue, self._keyed_digest = catalogue, keyed_digest
        self._slowly, self._record_access = slowly, record_access
        self._changed, self._limits, self._branch, self._newcomers = changed, limits, branch, newcomers

    async def sign_in(self, name: str, password: str, *, address: str, trace_id: str) -> Signed | None:
        """Begins a session; None if name and password do not match a user. Raises TooManyRequests after many misses.

        Successes and misses are in the access log, but an unknown name is not: it may be a password in the wrong field.
        """
        known = await self._catalogue.user(name)
        await self._attempt(name, address)
        user = await self._slowly(self._users.authenticate_user, name, password)
        if user is None:
            await self._record(known.principal if known else None, 401, trace_id)
            return None
        async with self._connection() as conn:
            await self._rows.know_address(conn, *self._digests(name, address))
        return await self._begin(user, user.password, "password", trace_id)

    async def sign_in_as(self, person: Person, *, trace_id: str) -> Signed | None:
        """Begins a session for the user whom an operator bound to this identity of the identity provider.

        If `newcomers` has a role, an unbound identity gets a new user with it. None if there is no such user, or a
        disabled one; an unbound identity then waits for an operator (store/sessions.py).
        """
        user = await self._user_of_person(person, trace_id)
        if user is None:
            async with self._connection() as conn:
                identity = person.identity
                await self._rows.wait_to_be_bound(conn, identity.issuer, identity.subject, person.name)
        if user is None or user.disabled:
            await self._record(user.principal if user else None, 401, trace_id)
            return None
        return await self._begin(user, user.password, "oidc", trace_id)

    async def _user_of_person(self, person: Person, trace_id: str) -> User | None:
        """The user bound to the identity, or a new one. The name never selects an existing user: a provider may let
        people choose it, or give it to another person later."""
        user = await self._slowly(self._users.find_bound_user, person.identity)
        name = person.name or ""
        if user is None and self._newcomers is not None and ACTOR.fullmatch(name) and normalize("NFKC", name) == name:
            newcomer = NewUser(name=name, role=self._newcomers)
            system = Caller(actor=SYSTEM, branch=self._branch, correlation_id=UUID(hex=trace_id))
            with suppress(ValidationFailed):  # another sign-in has just added it, or another user has the name
                await self._slowly(self._users.add_user, newcomer, system, person.identity)
            user = await self._slowly(self._users.find_bound_user, person.identity)
        return user

    async def session(self, cookie: str, *, passive: bool = False) -> SignInSession | None:
        """The session of a cookie; None if it has ended. `passive`: a page sends the request without its user, who may
        be away, so it does not extend the session."""
        key = await self._key(cookie)
        row = await self._find(key, passive=passive)
        if row is None:
            return None
        user = await self._catalogue.user_of(row.user, row.password)
        if user is None or (row.by == "oidc" and user.identity is None):
            await self._end(key)
            return None
        return SignInSession(
            key=key,
            principal=user.principal,
            password=row.password,
            must_change=row.once,
            branch=row.branch,
            language=row.language,
            keys_off=row.keys_off,
            ends_at=row.ends_at,
            by=row.by,
        )

    async def sign_out(self, cookie: str) -> None:
        await self._end(await self._key(cookie))

    async def change_password(
        self, session: SignInSession, old: str | None, new: str, *, address: str, trace_id: str
    ) -> Signed:
        """Changes the password, ends every session of the user and begins a new one.

        The old password is optional after a sign-in with a one-time password. Raises FieldError for /old and /new, and
        TooManyRequests after many misses.
        """
        principal = session.principal
        if old is None and not session.must_change:
            raise FieldError("old", N_("is required"))
        if old is not None:
            await self._attempt(principal.name, address)
        user, caller = User(principal, session.password), self._caller(principal, trace_id)
        changed = await self._slowly(self._users.change_password, user, old, new, caller)
        password = require_value(changed, "change_password() always returns the id of the new password")
        self._changed(principal.name)
        return await self._begin(user, password, "password", trace_id)

    async def choose(
        self,
        session: SignInSession,
        *,
        branch: str | None = None,
        language: str | None = None,
        keys_off: bool | None = None,
    ) -> None:
        """Saves the branch for this session and the rest for the user; None leaves a value unchanged."""
        async with self._connection() as conn:
            if branch is not None:
                await self._rows.choose_branch(conn, session.key, branch)
            if (language, keys_off) != (None, None):
                name = session.principal.name
                await self._rows.save_preferences(conn, name, language=language, keys_off=keys_off)

    # -- what they share ----------------------------------------------------------------------------------------

    async def _attempt(self, name: str, address: str) -> None:
        limits = self._limits
        async with self._connection() as conn:
            seconds = await self._rows.count_attempt(
                conn,
                *self._digests(name, address),
                of_name=limits.sign_in_misses_max,
                of_address=limits.sign_in_misses_per_address_max,
                minutes=limits.sign_in_misses_minutes,
            )
        if seconds:
            raise TooManyRequests(retry_after_seconds=seconds)

    async def _begin(self, user: User, password: UUID, by: str, trace_id: str) -> Signed:
        cookie = secrets.token_urlsafe(COOKIE_BYTES)
        async with self._connection() as conn:
            await self._rows.drop_ended(conn, **self._life)
            await self._rows.forget_attempts(conn, self._digest("sign-in-name", fold_name(user.principal.name)))
            await self._rows.begin_session(conn, await self._key(cookie), password, by, None)
        session = await self.session(cookie)
        if session is None:  # the password was changed after this one was verified
            raise Unauthenticated
        await self._record(user.principal, 200, trace_id)
        return Signed(cookie, session)

    async def _find(self, key: bytes, *, passive: bool) -> StoredSignIn | None:
        async with self._connection() as conn:
            row = await self._rows.find_session(conn, key, **self._life)
            if row is not None and row.unseen and not passive:
                await self._rows.touch_session(conn, key)
                row = await self._rows.find_session(conn, key, **self._life)
        return row

    async def _end(self, key: bytes) -> None:
        async with self._connection() as conn:
            await self._rows.end_session(conn, key)

    @property
    def _life(self) -> dict[str, int]:
        return {"hours": self._limits.session_hours, "idle_minutes": self._limits.session_idle_minutes}

    async def _key(self, cookie: str) -> bytes:
        await self._catalogue.types()  # loads the key of digests
        return self._digest("session", cookie)

    def _digests(self, name: str, address: str) -> tuple[bytes, bytes]:
        return self._digest("sign-in-name", fold_name(name)), self._digest("sign-in-address", address)

    def _digest(self, kind: str, text: str) -> bytes:
        return self._keyed_digest(kind, text.encode("utf-8", "surrogatepass"))

    async def _record(self, principal: Principal | None, status: int, trace_id: str) -> None:
        caller = self._caller(principal, trace_id)
        line = {"actor": caller.actor, "branch": caller.branch, "action": "sign-in", "status": status}
        await self._record_access({**line, "trace_id": trace_id})

    def _caller(self, principal: Principal | None, trace_id: str) -> Caller:
        return Caller(
            actor=principal.name if principal else UNKNOWN,
            branch=(principal and principal.branch) or self._branch,
            correlation_id=UUID(hex=trace_id),
        )
