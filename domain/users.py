"""Users and their passwords: added, reset, changed, disabled. domain/administration.py decides, store/ keeps hashes.

A password is stored before an event names it, and counts from then on: after a crash in between it lets nobody in. Of
what is refused nothing is stored. Only behind the event are the others of the user forgotten, and whatever was opened
with them ends. All that is done alone for each user: who forgets the others must not take the one that an event has
named meanwhile, for then nobody could sign in any more.
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
from domain.ports import Passwords
from domain.refusals import N_, FieldError, NotFound
from domain.use_cases import Caller

# Without signs that are taken for another one: 31 signs, so 20 of them are 99 bits.
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP_SIGNS = 4, 5
PASSWORD_CHARACTERS_MAX = 200


class Users(msgspec.Struct, frozen=True, kw_only=True):
    archive: Catalogues
    passwords: Passwords
    password_characters_min: int = 12

    def add_user(self, user: NewUser, caller: Caller, identity: Identity | None = None) -> str:
        """The password that is good for the first sign-in. With an identity the user is bound to it in the same save.
        Durable on return."""
        password = make_one_time_password()
        self._set_password(user.name, password, lambda stored: AddUser(user, stored, identity), caller, once=True)
        return password

    def bind_user(self, name: str, identity: Identity, caller: Caller) -> bool:
        """Let this identity sign in as the user; False when it did before. NotFound, or ValidationFailed for a user
        or an identity that is bound already. Durable on return."""
        return self.archive.administer(BindUser(name, identity), caller)

    def unbind_user(self, name: str, caller: Caller) -> bool:
        """Take the binding away and end the sessions that it opened; False when there was none. NotFound."""
        user = self._require_user(name)
        changed = self.archive.administer(UnbindUser(name), caller)
        self.passwords.end_sessions_from_elsewhere(user.principal.name)
        return changed

    def reset_password(self, name: str, caller: Caller) -> str:
        """A new one-time password; every session of the user ends. NotFound, or IllegalTransition when disabled."""
        user, password = self._require_user(name), make_one_time_password()
        self._set_password(user.principal.name, password, lambda stored: ResetPassword(name, stored), caller, once=True)
        return password

    def enable_user(self, name: str, caller: Caller) -> str | None:
        """A new one-time password for a disabled user, None for one that is not."""
        user, password = self._require_user(name), make_one_time_password()
        counts = self._set_password(
            user.principal.name, password, lambda stored: EnableUser(name, stored), caller, once=True
        )
        return password if counts else None

    def disable_user(self, name: str, caller: Caller) -> bool:
        """Every session of the user ends; False when it was disabled before."""
        user = self._require_user(name)
        with self.passwords.lock_user(fold_name(name)):
            changed = self.archive.administer(DisableUser(name), caller)
            self.passwords.keep_only(user.principal.name, None)
        return changed

    def change_password(self, user: User, old: str | None, new: str, caller: Caller) -> UUID | None:
        """The user's own new password, by the id of what counts from now on. Every session of the user ends.

        `old` None: not asked, as of somebody who has just signed in with it. Unauthenticated when another password
        counts meanwhile, FieldError for /old or /new."""
        name = user.principal.name
        if old is not None and not self.passwords.matches(user.password, old):
            raise FieldError("/old", N_("is not your present password"))
        self._require_good(user, new)
        return self._set_password(
            name, new, lambda stored: ChangePassword(name, user.password, stored), caller, once=False
        )

    def authenticate_user(self, name: str, password: str) -> User | None:
        """The user who may come in by this name and password. Takes as long for a name that is none."""
        user = self.find_user(name)
        counts = None if user is None or user.disabled else user.password
        return user if self.passwords.matches(counts, password) and counts is not None else None

    def find_user(self, name: str) -> User | None:
        return self.archive.load_administration().user_named(name)

    def find_bound_user(self, identity: Identity) -> User | None:
        return self.archive.load_administration().user_bound_to(identity)

    def _require_user(self, name: str) -> User:
        user = self.find_user(name)
        if user is None:
            raise NotFound
        return user

    def _set_password(
        self, name: str, password: str, command: Callable[[UUID], UserCommand], caller: Caller, *, once: bool
    ) -> UUID | None:
        """Store a password and have it count: its id, None when nothing changed."""
        stored = self.archive.ids.new()
        with self.passwords.lock_user(fold_name(name)):
            if not decide(self.archive.load_administration(), command(stored)):
                return None
            self.passwords.put(stored, name, password, once=once)
            if not self.archive.administer(command(stored), caller):
                return None
            self.passwords.keep_only(name, stored)
        return stored

    def _require_good(self, user: User, new: str) -> None:
        """No rules of composition: they make passwords worse (NIST SP 800-63B). Length, and no repetition."""
        if len(new) < self.password_characters_min:
            least = self.password_characters_min
            raise FieldError("/new", N_("must have at least {limit} characters"), limit=least)
        if len(new) > PASSWORD_CHARACTERS_MAX:
            raise FieldError("/new", N_("must have at most {limit} characters"), limit=PASSWORD_CHARACTERS_MAX)
        if fold_name(new) == fold_name(user.principal.name):
            raise FieldError("/new", N_("must not be your user name"))
        if self.passwords.matches(user.password, new):
            raise FieldError("/new", N_("must be another one than before"))


def make_one_time_password() -> str:
    """For one sign-in, to be typed from paper: k7mfp-2qxtr-9wzvb-h4ncd."""
    return "-".join("".join(secrets.choice(SIGNS) for _ in range(GROUP_SIGNS)) for _ in range(GROUPS))
