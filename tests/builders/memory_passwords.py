"""Passwords in memory and in clear, with every comparison that was made, and users over an archive in memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

import msgspec

from domain.access import Role
from domain.administration import NewUser
from domain.users import Users
from tests.builders.memory import MemoryArchive


class Kept(msgspec.Struct, frozen=True):
    user: str
    plain: str
    once: bool


class MemoryPasswords:
    def __init__(self) -> None:
        self.kept: dict[UUID, Kept] = {}
        self.compared: list[UUID | None] = []

    @contextmanager
    def lock_user(self, folded_name: str) -> Iterator[None]:
        """Nobody else is here."""
        yield

    def put(self, password: UUID, user: str, plain: str, *, once: bool) -> None:
        self.kept[password] = Kept(user, plain, once)

    def matches(self, password: UUID | None, plain: str) -> bool:
        self.compared.append(password)
        return password in self.kept and self.kept[password].plain == plain

    def keep_only(self, user: str, password: UUID | None) -> None:
        self.kept = {i: kept for i, kept in self.kept.items() if kept.user != user or i == password}

    def end_sessions_from_elsewhere(self, user: str) -> None:
        """There are no sessions in memory."""

    def find_one_time(self, passwords: Iterable[UUID]) -> dict[UUID, bool]:
        return {password: self.kept[password].once for password in passwords if password in self.kept}


class MemoryUsers(MemoryArchive):
    def __init__(self) -> None:
        super().__init__()
        self.passwords = MemoryPasswords()
        self.users = Users(catalogues=self.archive.catalogues, ids=self.ids, passwords=self.passwords)


def a_user(name: str = "j.smit", role: Role = Role.STAFF, **changes: object) -> NewUser:
    return NewUser(**{"name": name, "role": role, **changes})  # type: ignore[arg-type]  # a builder
