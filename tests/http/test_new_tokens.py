"""A token is good from the moment it is made, before its signal came to a web worker; and guesses cost few reads.

How the catalogue is read otherwise is in test_catalogue.py.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from api.catalogue import LiveCatalogue
from domain.access import Role
from domain.administration import CreateToken, RevokeToken
from domain.archive import Archive
from tests.builders.memory import MemoryArchive
from tests.builders.papers import a_caller

T = TypeVar("T")
GUESSES = 40


class Door:
    """A catalogue over an archive in memory that hears no signal; it counts its reads."""

    def __init__(self) -> None:
        self.archive, self.reads = MemoryArchive().archive, 0
        self.live = LiveCatalogue(self.archive, self.blocking, listening=lambda: True)

    async def blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        self.reads += 1
        await asyncio.sleep(0)
        return function(*arguments)

    async def knows(self, token: str) -> bool:
        return await self.live.principal(token) is not None


def make_token(archive: Archive, token: str) -> None:
    command = CreateToken(name=token, digest=archive.keys.keyed_digest("token", token.encode()), role=Role.STAFF)
    archive.catalogues.administer(command, a_caller())


def test_a_token_made_right_after_the_list_was_read_works_at_once() -> None:
    """Until its signal came, up to a tenth of a second, it was refused."""

    async def ask() -> list[bool]:
        door, found = Door(), []
        for n in range(5):
            found.append(await door.knows(f"token-{n}"))
            make_token(door.archive, f"token-{n}")
            found.append(await door.knows(f"token-{n}"))
        return found

    assert asyncio.run(ask()) == [False, True] * 5


def test_many_guesses_at_once_read_the_list_a_few_times() -> None:
    async def guess() -> tuple[list[bool], int]:
        door = Door()
        await door.live.types()
        before = door.reads
        found = await asyncio.gather(*(door.knows(f"guess-{n}") for n in range(GUESSES)))
        return found, door.reads - before

    found, reads = asyncio.run(guess())
    assert found == [False] * GUESSES
    assert 1 <= reads <= 3


def test_a_known_token_costs_no_read_and_a_revoked_one_goes_with_its_signal() -> None:
    async def ask() -> tuple[list[bool], int]:
        door = Door()
        make_token(door.archive, "token")
        await door.live.types()
        before = door.reads
        found = [await door.knows("token") for _ in range(10)]
        reads = door.reads - before
        door.archive.catalogues.administer(RevokeToken("token"), a_caller())
        door.live.note_change()
        return [*found, await door.knows("token")], reads

    found, reads = asyncio.run(ask())
    assert found == [*[True] * 10, False]
    assert reads == 0
