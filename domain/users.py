"""Users and their passwords: add, reset, change, disable. domain/administration.py decides, store/ keeps hashes.

A password is stored before an event names it, and is valid from that event on: after a crash in between it cannot be
used. A refused command stores nothing. After the event the user's other passwords are deleted, and the sessions that
they opened end. A lock per user covers all of this: deleting the others must not delete a password that an event has
named meanwhile, because then the user could not sign in any more.
"""

import secrets
from collections.abc import Callable
from uuid import UUID

import msgspec

from domain.administration import (
    AddUser,
    BindUser,
    ChangePassword,
    DisableUser,
    EnableUser,
    Identity,
    NewUser,
    ResetPassword,
    UnbindUser,
    User,
    UserCommand,
    decide,
    fold_name,
)
from domain.catalogues import Catalogues
from domain.commands import Caller
from domain.ports import Ids, Passwords
from domain.refusals import N_, FieldError, NotFound

# Without characters that look alike: 31 characters, so 20 of them are 99 bits.
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP_SIGNS = 4, 5
PASSWORD_CHARACTERS_MAX = 200


class Users(msgspec.Struct, frozen=True, kw_only=True):
    catalogues: Catalogues
    ids: Ids
    passwords: Passwords
    password_characters_min: int = 12

    def add_user(self, user: NewUser, caller: Caller, identity: Identity | None = None) -> str:
        """Add a user and return a one-time password for the first sign-in. With an identity the user is bound to it in
        the same save. Durable on return."""
        password = make_one_time_password()
        self._set_password(user.name, password, lambda stored: AddUser(user, stored, identity), caller, once=True)
        return password

    def bind_user(self, name: str, identity: Identity, caller: Caller) -> bool:
        """Let this identity sign in as the user. Returns False when it could before. Raises NotFound, or
        ValidationFailed when the user or the identity is bound already. Durable on return."""
        return self.catalogues.administer(BindUser(name, identity), caller)

    def unbind_user(self, name: str, caller: Caller) -> bool:
        """Remove the user's binding and end the sessions that it opened. Returns False when there was none. Raises
        NotFound."""
        user = self._require_user(name)
        changed = self.catalogues.administer(UnbindUser(name), caller)
        self.passwords.end_sessions_from_elsewhere(user.principal.name)
        return changed

    def reset_password(self, name: str, caller: Caller) -> str:
        """Set a new one-time password, return it, and end every session of the user. Raises NotFound, or
        IllegalTransition when the user is disabled."""
        user, password = self._require_user(name), make_one_time_password()
        self._set_password(user.principal.name, password, lambda stored: ResetPassword(name, stored), caller, once=True)
        return password

    def enable_user(self, name: str, caller: Caller) -> str | None:
        """Enable a disabled user and return a new one-time password; None for a user who is not disabled."""
        user, password = self._require_user(name), make_one_time_password()
        counts = self._set_password(
            user.principal.name, password, lambda stored: EnableUser(name, stored), caller, once=True
        )
        return password if counts else None

    def disable_user(self, name: str, caller: Caller) -> bool:
        """Disable a user and end all sessions. Returns False when the user was disabled before."""
        user = self._require_user(name)
        with self.passwords.lock_user(fold_name(name)):
            changed = self.catalogues.administer(DisableUser(name), caller)
            self.passwords.keep_only(user.principal.name, None)
        return changed

    def change_password(self, user: User, old: str | None, new: str, caller: Caller) -> UUID | None:
        """Set the user's own new password and return its id. Every session of the user ends.

        `old` None: not checked, for a user who has just signed in with it. Raises Unauthenticated when another password
        has become valid meanwhile, FieldError for /old or /new.
        """
        name = user.principal.name
        if old is not None and not self.passwords.matches(user.password, old):
            raise FieldError("old", N_("is not your current password"))
        self._require_good(user, new)
        return self._set_password(
            name, new, lambda stored: ChangePassword(name, user.password, stored), caller, once=False
        )

    def authenticate_user(self, name: str, password: str) -> User | None:
        """The user of this name and password; None when they are wrong or the user is disabled. Takes the same time for
        an unknown name."""
        user = self.find_user(name)
        counts = None if user is None or user.disabled else user.password
        return user if self.passwords.matches(counts, password) and counts is not None else None

    def find_user(self, name: str) -> User | None:
        """The user of this name in any spelling; None for an unknown name."""
        return self.catalogues.load_administration().user_named(name)

    def find_bound_user(self, identity: Identity) -> User | None:
        """The user who is bound to this identity; None for an unbound identity."""
        return self.catalogues.load_administration().user_bound_to(identity)

    def _require_user(self, name: str) -> User:
        user = self.find_user(name)
        if user is None:
            raise NotFound
        return user

    def _set_password(
        self, name: str, password: str, command: Callable[[UUID], UserCommand], caller: Caller, *, once: bool
    ) -> UUID | None:
        """Store a password and make it valid; returns its id, None when nothing changed."""
        stored = self.ids.new()
        with self.passwords.lock_user(fold_name(name)):
            if not decide(self.catalogues.load_administration(), command(stored)):
                return None
            self.passwords.put(stored, name, password, once=once)
            if not self.catalogues.administer(command(stored), caller):
                return None
            self.passwords.keep_only(name, stored)
        return stored

    def _require_good(self, user: User, new: str) -> None:
        """Raise FieldError for a password that is too short, too long, the user name or the current one. No rules of
        composition: they make passwords worse (NIST SP 800-63B)."""
        if len(new) < self.password_characters_min:
            least = self.password_characters_min
            raise FieldError("new", N_("must have at least {limit} characters"), limit=least)
        if len(new) > PASSWORD_CHARACTERS_MAX:
            raise FieldError("new", N_("must have at most {limit} characters"), limit=PASSWORD_CHARACTERS_MAX)
        if fold_name(new) == fold_name(user.principal.name):
            raise FieldError("new", N_("must not be your user name"))
        if self.passwords.matches(user.password, new):
            raise FieldError("new", N_("must differ from your current password"))


def make_one_time_password() -> str:
    """A password for one sign-in that can be typed from paper: k7mfp-2qxtr-9wzvb-h4ncd."""
    return "-".join("".join(secrets.choice(SIGNS) for _ in range(GROUP_SIGNS)) for _ in range(GROUPS))
