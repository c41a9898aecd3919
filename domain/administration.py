"""Tokens of programs, users with passwords, and exports of customers, as events of one stream.

A password is never in an event: store/passwords.py keeps its hash, and an event names the id of the valid one. A stored
password that no event names, or that an event no longer names, cannot be used to sign in. Neighbour: domain/users.py.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.access import Principal, Role, sensitivities_of
from domain.envelope import Event
from domain.promises import require_value
from domain.refusals import N_, FieldError, IllegalTransition, NotFound, Unauthenticated, ValidationFailed
from domain.values import Sensitivity

# The user of the first start signs in by password alone; an identity provider can never sign in as it.
FIRST_USER = "admin"
STREAM = UUID("c0b0a9a6-2d2b-5e0e-8c36-6a1d7a5f4d01")
# Actors that are neither a token nor a user: the archive itself, and a sign-in attempt under an unknown name.
SYSTEM, UNKNOWN = "system", "unknown"
COMMAND = "cli:"


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


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user to add: a person who signs in by name and password, with the rights that a token can have."""

    name: str
    role: Role
    branch: str | None = None
    own_branch_only: bool = False
    granted: tuple[Sensitivity, ...] = ()
    without: tuple[Sensitivity, ...] = ()


class Identity(msgspec.Struct, frozen=True):
    """A person at an identity provider: the issuer and the subject there, which never change (OpenID Connect Core,
    section 5.7). The name there can change and be assigned to another person, so it is not used."""

    issuer: str
    subject: str


class AddUser(msgspec.Struct, frozen=True):
    """Add a user. `password` is the id of a stored password, here and below. `identity`: the identity to bind to the
    new user, for a first sign-in by an identity provider."""

    user: NewUser
    password: UUID
    identity: Identity | None = None


class ResetPassword(msgspec.Struct, frozen=True):
    name: str
    password: UUID


class ChangePassword(msgspec.Struct, frozen=True):
    """Change the user's own password. `old` is the id of the password that the user proved to know."""

    name: str
    old: UUID
    password: UUID


class DisableUser(msgspec.Struct, frozen=True):
    name: str


class EnableUser(msgspec.Struct, frozen=True):
    name: str
    password: UUID


class BindUser(msgspec.Struct, frozen=True):
    """Let this identity sign in as the user."""

    name: str
    identity: Identity


class UnbindUser(msgspec.Struct, frozen=True):
    name: str


class ExportCustomer(msgspec.Struct, frozen=True):
    """Record that everything about a customer was exported. `customer` is the reference, None for a customer without
    papers. `joint`: with the contents of papers that also concern another person."""

    customer: UUID | None
    joint: bool


class ExportArchive(msgspec.Struct, frozen=True):
    """Record that the whole archive was exported, up to and including the event at `position`."""

    position: int


TokenCommand = CreateToken | RevokeToken
UserCommand = AddUser | ResetPassword | ChangePassword | DisableUser | EnableUser | BindUser | UnbindUser
Command = TokenCommand | UserCommand | ExportCustomer | ExportArchive


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


class UserAdded(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "user-added.v1"
    name: str
    password: UUID
    role: Role
    branch: str | None
    own_branch_only: bool
    granted: tuple[Sensitivity, ...]
    without: tuple[Sensitivity, ...]


class UserPasswordReset(Event, frozen=True, kw_only=True):
    """Another person set a new password; it is valid for one sign-in."""

    topic: ClassVar[str] = "user-password-reset.v1"
    name: str
    password: UUID


class UserPasswordChanged(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "user-password-changed.v1"
    name: str
    password: UUID


class UserDisabled(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "user-disabled.v1"
    name: str


class UserEnabled(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "user-enabled.v1"
    name: str
    password: UUID


class UserBound(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "user-bound.v1"
    name: str
    issuer: str
    subject: str


class UserUnbound(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = "user-unbound.v1"
    name: str
    issuer: str
    subject: str


class CustomerExported(Event, frozen=True, kw_only=True):
    """Everything about a customer left the archive; appended before the first byte of it."""

    topic: ClassVar[str] = "customer-exported.v1"
    customer: UUID | None
    joint: bool


class ArchiveExported(Event, frozen=True, kw_only=True):
    """Everything up to and including `position` left the archive; appended before the first file of it."""

    topic: ClassVar[str] = "archive-exported.v1"
    position: int


TokenEvent = TokenCreated | TokenRevoked
UserEvent = UserAdded | UserPasswordReset | UserPasswordChanged | UserDisabled | UserEnabled | UserBound | UserUnbound
AdministrationEvent = TokenEvent | UserEvent | CustomerExported | ArchiveExported


class Token(msgspec.Struct, frozen=True):
    digest: bytes
    principal: Principal
    revoked: bool = False


class User(msgspec.Struct, frozen=True):
    """A user. `password` is the id of the valid password; a session that was opened under another one has ended."""

    principal: Principal
    password: UUID
    disabled: bool = False
    identity: Identity | None = None


class NameTaken(ValidationFailed):
    """The name belongs, or belonged, to another token or user."""

    def __init__(self) -> None:
        super().__init__(FieldError("name", N_("a token or user of this name exists or existed; choose another")))


class Administration(msgspec.Struct, frozen=True):
    """All tokens and users. `tokens` are by name and `users` by folded name, revoked and disabled ones included: a name
    is never reused, and identifies one caller, either a token or a user."""

    version: int = 0
    tokens: dict[str, Token] = {}
    users: dict[str, User] = {}

    def by_digest(self) -> dict[bytes, Principal]:
        return {t.digest: t.principal for t in self.tokens.values() if not t.revoked}

    def user_named(self, name: str) -> User | None:
        """The user of this name in any spelling: J.Smit is j.smit. None for an unknown name."""
        return self.users.get(fold_name(name))

    def user_bound_to(self, identity: Identity) -> User | None:
        """The user as whom this identity signs in, disabled or not; None when it is unbound."""
        return next((user for user in self.users.values() if user.identity == identity), None)


def fold_name(name: str) -> str:
    """The name as it is compared: NFKC and case-folded."""
    return unicodedata.normalize("NFKC", name).casefold()


def decide(state: Administration, command: Command) -> Sequence[AdministrationEvent]:
    match command:
        case CreateToken():
            return [_create_token(state, command)]
        case RevokeToken(name=name):
            token = state.tokens.get(name)
            if token is None:
                raise NotFound
            return [] if token.revoked else [TokenRevoked(name=name)]
        case AddUser(user=user, password=password, identity=identity):
            return [_add_user(state, user, password), *(_bind_user(state, user.name, identity) if identity else ())]
        case BindUser(name=name, identity=identity):
            bound = _require_user(state, name)
            return [] if bound.identity == identity else _bind_user(state, bound.principal.name, identity)
        case UnbindUser(name=name):
            return _unbind_user(_require_user(state, name))
        case ExportCustomer(customer=customer, joint=joint):
            return [CustomerExported(customer=customer, joint=joint)]
        case ExportArchive(position=position):
            return [ArchiveExported(position=position)]
        case _:
            return _decide_about_user(command, _require_user(state, command.name))


def _decide_about_user(
    command: ResetPassword | ChangePassword | DisableUser | EnableUser, user: User
) -> Sequence[AdministrationEvent]:
    name = user.principal.name
    match command:
        case DisableUser():
            return [] if user.disabled else [UserDisabled(name=name)]
        case EnableUser(password=password):
            return [UserEnabled(name=name, password=password)] if user.disabled else []
        case ResetPassword(password=password):
            if user.disabled:
                raise IllegalTransition(state="disabled")
            return [UserPasswordReset(name=name, password=password)]
        case ChangePassword(old=old, password=password):
            if user.disabled or user.password != old:
                raise Unauthenticated
            return [UserPasswordChanged(name=name, password=password)]


def _bind_user(state: Administration, name: str, identity: Identity) -> list[UserBound]:
    """Bind a user to an identity. A binding stays until it is removed: a second one would make a user another
    person."""
    bound = state.user_named(name)
    if fold_name(name) == FIRST_USER:
        raise ValidationFailed(FieldError("name", N_("can only sign in by password; bind another user")))
    if bound is not None and bound.identity is not None:
        raise ValidationFailed(FieldError("name", N_("is bound to another identity; unbind the user first")))
    if state.user_bound_to(identity) is not None:
        raise ValidationFailed(FieldError("subject", N_("is bound to another user; unbind that user first")))
    return [UserBound(name=name, issuer=identity.issuer, subject=identity.subject)]


def _unbind_user(user: User) -> list[UserUnbound]:
    if user.identity is None:
        return []
    issuer, subject = user.identity.issuer, user.identity.subject
    return [UserUnbound(name=user.principal.name, issuer=issuer, subject=subject)]


def _require_user(state: Administration, name: str) -> User:
    user = state.user_named(name)
    if user is None:
        raise NotFound
    return user


def _create_token(state: Administration, command: CreateToken) -> TokenCreated:
    _require_sound(state, command)
    return TokenCreated(
        name=command.name,
        digest=command.digest,
        role=command.role,
        branch=command.branch,
        own_branch_only=command.own_branch_only,
        granted=command.granted,
        without=command.without,
    )


def _add_user(state: Administration, user: NewUser, password: UUID) -> UserAdded:
    _require_sound(state, user)
    return UserAdded(
        name=user.name,
        password=password,
        role=user.role,
        branch=user.branch,
        own_branch_only=user.own_branch_only,
        granted=user.granted,
        without=user.without,
    )


def _require_sound(state: Administration, new: CreateToken | NewUser) -> None:
    name = fold_name(new.name)
    if name in state.users or name in {fold_name(token) for token in state.tokens}:
        raise NameTaken
    if name in (SYSTEM, UNKNOWN) or name.startswith(COMMAND):
        raise ValidationFailed(FieldError("name", N_("is reserved for the archive itself; choose another")))
    if new.own_branch_only and new.branch is None:
        raise ValidationFailed(FieldError("branch", N_("is required when access is limited to one branch")))


def fold(events: Iterable[AdministrationEvent], state: Administration | None = None) -> Administration:
    """Apply the events to `state` (None: the empty state). Copies the tables once per call: a copy per event would be
    quadratic in a stream that grows with every password."""
    state = state or Administration()
    version, tokens, users = state.version, {**state.tokens}, {**state.users}
    for event in events:
        version += 1
        match event:
            case TokenCreated():
                tokens[event.name] = Token(event.digest, _principal_from(event))
            case TokenRevoked(name=name):
                tokens[name] = msgspec.structs.replace(tokens[name], revoked=True)
            case CustomerExported() | ArchiveExported():
                pass
            case _:
                name = fold_name(event.name)
                users[name] = _evolve_user(users.get(name), event)
    return Administration(version, tokens, users)


def _evolve_user(user: User | None, event: UserEvent) -> User:
    if isinstance(event, UserAdded):
        return User(_principal_from(event), event.password)
    user = require_value(user, "a user is added before anything else happens to it")
    match event:
        case UserDisabled():
            return msgspec.structs.replace(user, disabled=True)
        case UserEnabled(password=password):
            return msgspec.structs.replace(user, disabled=False, password=password)
        case UserPasswordReset(password=password) | UserPasswordChanged(password=password):
            return msgspec.structs.replace(user, password=password)
        case UserBound(issuer=issuer, subject=subject):
            return msgspec.structs.replace(user, identity=Identity(issuer, subject))
        case UserUnbound():
            return msgspec.structs.replace(user, identity=None)


def _principal_from(event: TokenCreated | UserAdded) -> Principal:
    return Principal(
        name=event.name,
        role=event.role,
        branch=event.branch,
        own_branch_only=event.own_branch_only,
        sensitivities=sensitivities_of(event.role, event.granted, event.without),
    )
