"""Who administers the archive, as events of one stream: tokens now, users and key rotation later."""

from collections.abc import Iterable, Sequence
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.access import Principal, Role, sensitivities
from domain.envelope import Event
from domain.refusals import N_, FieldError, NotFound, ValidationFailed
from domain.values import Sensitivity

STREAM = UUID("c0b0a9a6-2d2b-5e0e-8c36-6a1d7a5f4d01")


class CreateToken(msgspec.Struct, frozen=True, kw_only=True):
    """`digest` is the HMAC of the secret under the institution's key; the secret itself is kept nowhere."""

    name: str
    digest: bytes
    role: Role
    branch: str | None = None
    own_branch_only: bool = False
    granted: tuple[Sensitivity, ...] = ()
    without: tuple[Sensitivity, ...] = ()


class RevokeToken(msgspec.Struct, frozen=True):
    name: str


Command = CreateToken | RevokeToken


class TokenCreated(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "token-created.v1"
    name: str
    digest: bytes
    role: Role
    branch: str | None
    own_branch_only: bool
    granted: tuple[Sensitivity, ...]
    without: tuple[Sensitivity, ...]


class TokenRevoked(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "token-revoked.v1"
    name: str


AdministrationEvent = TokenCreated | TokenRevoked


class Token(msgspec.Struct, frozen=True):
    digest: bytes
    principal: Principal
    revoked: bool = False


class Administration(msgspec.Struct, frozen=True):
    """`tokens` by name, revoked ones included: a name is never given twice."""

    version: int = 0
    tokens: dict[str, Token] = {}

    def by_digest(self) -> dict[bytes, Principal]:
        return {t.digest: t.principal for t in self.tokens.values() if not t.revoked}


def decide(state: Administration, command: Command) -> Sequence[AdministrationEvent]:
    match command:
        case CreateToken():
            return [_create(state, command)]
        case RevokeToken(name=name):
            token = state.tokens.get(name)
            if token is None:
                raise NotFound
            return [] if token.revoked else [TokenRevoked(name=name)]


def _create(state: Administration, command: CreateToken) -> TokenCreated:
    if command.name in state.tokens:
        raise ValidationFailed(FieldError("/name", N_("a token of this name exists or existed; choose another")))
    if command.own_branch_only and command.branch is None:
        raise ValidationFailed(FieldError("/branch", N_("is needed for a token that reads its own branch only")))
    return TokenCreated(
        name=command.name,
        digest=command.digest,
        role=command.role,
        branch=command.branch,
        own_branch_only=command.own_branch_only,
        granted=command.granted,
        without=command.without,
    )


def evolve(state: Administration, event: AdministrationEvent) -> Administration:
    match event:
        case TokenCreated():
            token = Token(event.digest, _principal(event))
        case TokenRevoked(name=name):
            token = msgspec.structs.replace(state.tokens[name], revoked=True)
    return Administration(state.version + 1, {**state.tokens, event.name: token})


def _principal(event: TokenCreated) -> Principal:
    return Principal(
        name=event.name,
        role=event.role,
        branch=event.branch,
        own_branch_only=event.own_branch_only,
        sensitivities=sensitivities(event.role, event.granted, event.without),
    )


def fold(events: Iterable[AdministrationEvent]) -> Administration:
    state = Administration()
    for event in events:
        state = evolve(state, event)
    return state
