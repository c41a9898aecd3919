"""What it takes to know who may come in: 2,000 users and 10,000 changed passwords, as a consortium has them.

    ./run bench access

Every web worker asks for this at least every ten seconds, and each sign-in through a library account asks once.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from uuid import UUID

from msgspec.structs import replace

from domain import administration
from domain.access import Role
from domain.administration import UserAdded, UserEvent, UserPasswordChanged
from domain.catalogues import Remembered
from domain.envelope import Envelope
from tests.benchmarks.bench_projections import tell, tell_machine
from tests.benchmarks.databases import a_migrated_database
from tests.builders.events import META
from tests.builders.memory import Clock
from tests.builders.postgres_log import an_archive, open_log

USERS, CHANGES, ROUNDS = 2_000, 10_000, 9


def main() -> None:
    with a_migrated_database() as url:
        run(url)


def run(url: str) -> None:
    tell_machine(f"{USERS:,} users, {CHANGES:,} changed passwords")
    events = list(events_of(USERS, CHANGES))
    with open_log(url) as parts:
        stored = [Envelope(administration.STREAM, n, event, META) for n, event in enumerate(events, 1)]
        for first in range(0, len(stored), 1_000):
            parts.log.append(stored[first : first + 1_000])
        archive = an_archive(parts, Clock())
        tell("fold of all events", median_ms(lambda: administration.fold(events)))
        tell(
            "first look of a process",
            median_ms(lambda: replace(archive.catalogues, remembered=Remembered()).load_administration()),
        )
        archive.catalogues.load_administration()
        tell("each look behind it", median_ms(archive.catalogues.load_administration))


def events_of(users: int, changes: int) -> Iterator[UserEvent]:
    for n in range(users):
        yield UserAdded(
            name=f"user-{n}",
            password=UUID(int=n),
            role=Role.STAFF,
            branch=None,
            own_branch_only=False,
            granted=(),
            without=(),
        )
    for n in range(changes):
        yield UserPasswordChanged(name=f"user-{n % users}", password=UUID(int=users + n))


def median_ms(act: Callable[[], object]) -> str:
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        act()
        took.append(1_000 * (time.perf_counter() - started))
    return f"{statistics.median(took):,.2f} ms"


if __name__ == "__main__":
    main()
